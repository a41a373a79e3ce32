"""The project's folder, also where DVC runs an experiment in a copy of it."""

import os
from pathlib import Path


def project_root() -> Path:
    """Return the folder that a person's relative paths begin at: the working one or, in DVC's copy of it, `DVC_ROOT`.

    `dvc exp run --temp` and `--queue` run in a copy below the project's `.dvc/tmp`, and name the project in `DVC_ROOT`.
    """
    here, root = Path.cwd(), Path(os.environ.get("DVC_ROOT", "."))
    return root if here.is_relative_to(root / ".dvc" / "tmp") else here

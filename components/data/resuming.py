"""Where a step that was broken off finds what it goes on from: in its output, or where it outlives the machine."""

import os
import shutil
from pathlib import Path
from time import time

FOLDER = "GRAFT_RESUME_FOLDER"  # the variable of the environment that names it, such as a volume of a cluster
DAYS = 30  # after which nobody is thought to go on


def resume_path(output: Path, inputs_digest: str) -> Path:
    """Return the path of what a broken-off step goes on from, there or not: another one for other inputs.

    It is in the folder that `GRAFT_RESUME_FOLDER` names, else in that of the output.

    Args:
        output: The folder in which an output is made.
        inputs_digest: Of the inputs, the parameters and the code that it is made from.
    """
    folder = os.environ.get(FOLDER)
    return Path(folder) / f"{inputs_digest}.resume" if folder else output / f".{inputs_digest}.resume"


def remove_abandoned() -> None:
    """Remove from the folder that `GRAFT_RESUME_FOLDER` names, if any, what nothing was written to for `DAYS` days."""
    folder = os.environ.get(FOLDER)
    for path in Path(folder).glob("*.resume") if folder else ():
        if path.stat().st_mtime < time() - DAYS * 24 * 3600:
            shutil.rmtree(path, ignore_errors=True)

"""Where a step that was broken off finds what it goes on from: in its output, or where it outlives the machine."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from time import time

from components.system.errors import UserError

FOLDER = "GRAFT_SHARED_FOLDER"  # the variable of the environment that names it
DAYS = 30  # after which nobody is thought to go on


def shared_folder() -> Path | None:
    """Return the folder that machines share, such as a cluster's volume: `GRAFT_SHARED_FOLDER` names it; else None.

    Raises:
        UserError: It is named by something other than its whole path, or is not there.
    """
    folder = os.environ.get(FOLDER)
    if folder and not Path(folder).is_absolute():
        raise UserError(f"{FOLDER} is the whole path of a folder, from / on; received {folder!r}")
    if folder and not Path(folder).is_dir():  # made here, it would be of this machine alone
        raise UserError(f"{FOLDER}: there is no folder {folder!r}: mount the volume there, or make the folder on it")
    return Path(folder) if folder else None


def resume_path(output: Path, inputs_digest: str) -> Path:
    """Return the path of what a broken-off step goes on from, there or not: another one for other inputs.

    It is in the shared folder, where there is one, else in that of the output.

    Args:
        output: The folder in which an output is made.
        inputs_digest: Of the inputs, the parameters and the code that it is made from.

    Raises:
        UserError: As of `shared_folder`.
    """
    shared = shared_folder()
    return shared / f"{inputs_digest}.resume" if shared else output / f".{inputs_digest}.resume"


def remove_abandoned() -> None:
    """Remove from the shared folder, if there is one, what nothing was written to for `DAYS` days.

    Raises:
        UserError: As of `shared_folder`.
    """
    shared = shared_folder()
    for path in shared.glob("*.resume") if shared else ():
        with suppress(FileNotFoundError):  # another machine may have ended that training, and removed it
            if path.stat().st_mtime < time() - DAYS * 24 * 3600:
                shutil.rmtree(path, ignore_errors=True)

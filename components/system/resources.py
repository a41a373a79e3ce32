"""Turns disk, permission and memory failures of a step into one-line errors."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.system.errors import UserError

KEEPS_FINISHED = "what is finished stays, and the same command goes on from there"
LESS_MEMORY = "take a smaller batch_size, or a machine with more"
NO_MEMORY = (  # messages of libraries, the last one where they overlooked a failed allocation
    "ResourceExhaustedError",
    "failed to map segment",
    "Cannot allocate memory",
    "bad_alloc",
    "BrokenProcessPool",
    "SystemError: error return without exception set",
)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
FULL = 2**16  # bytes: with less than this free, nothing was written whole


@contextmanager
def resource_errors(name: str, folder: Path) -> Iterator[None]:
    """Turn failures of the block for lack of disk space, permission or memory into UserErrors; let all others through.

    Args:
        name: Name of the step.
        folder: The folder that it writes to.

    Raises:
        UserError: A resource was missing.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if missing := missing_resource(error, folder):
            raise UserError(f"{name}: {missing}; {KEEPS_FINISHED}") from error
        raise


def missing_resource(error: Exception, folder: Path) -> str:
    """Return which resource was missing (disk, access, memory) and what to do; an empty text if that was no cause.

    A disk that is as good as full, with less than `FULL` free, is the cause of whatever the error is.
    """
    number, file = getattr(error, "errno", None), getattr(error, "filename", None) or folder
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if number in NO_SPACE or shutil.disk_usage(existing).free < FULL:
        return f"no space left on the disk for {file}: free some"
    if number in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"no access to {file} ({os.strerror(number)}): change its rights, or give another path"
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or number == errno.ENOMEM or any(words in message for words in NO_MEMORY):
        return f"out of memory: {LESS_MEMORY}"
    return ""

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
NO_MEMORY = (  # what libraries say of it, the last of them where they took no notice of a refused allocation
    "ResourceExhaustedError",
    "failed to map segment",
    "Cannot allocate memory",
    "bad_alloc",
    "SystemError: error return without exception set",
)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
FULL = 2**16  # bytes: with less than this free, nothing was written whole


@contextmanager
def resource_errors(name: str, folder: Path) -> Iterator[None]:
    """Turn what a machine that gives no space, access or memory makes a step throw into one line.

    Args:
        name: The step.
        folder: Where it writes.

    Raises:
        UserError: What was lacking.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if lacking := missing_resource(error, folder):
            raise UserError(f"{name}: {lacking}; {KEEPS_FINISHED}") from error
        raise


def missing_resource(error: Exception, folder: Path) -> str:
    """Return what a machine did not give, if that is why something failed."""
    number, file = getattr(error, "errno", None), getattr(error, "filename", None) or folder
    present = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if number in NO_SPACE or shutil.disk_usage(present).free < FULL:
        return f"no space left on the disk for {file}: free some"
    if number in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"no access to {file} ({os.strerror(number)}): change its rights, or give another path"
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or number == errno.ENOMEM or any(words in said for words in NO_MEMORY):
        return f"out of memory: {LESS_MEMORY}"
    return ""

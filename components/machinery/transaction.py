"""Making an artifact in one move: in a claimed folder of its own, which goes into place when it is whole."""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.data.artifact import MANIFEST, Artifact
from components.system.errors import UserError


def unfinished(key: str, target: Path) -> Path:
    """Return where an artifact is made before it is moved to its target.

    Raises:
        UserError: The target is no folder with a name of its own.
    """
    if not target.name:
        raise UserError(f"{key} is a folder of its own, to be made; received {str(target)!r}")
    return target.with_name(f".{target.name}.unfinished")


@contextmanager
def claimed(output: Artifact) -> Iterator[None]:
    """Hold the folder in which an artifact is made, so that no second run makes it at the same time; that one waits.

    The folder begins empty, but for what a run with the same inputs, parameters and code left to go on from; that alone
    stays where the run breaks off.
    """
    folder = output.path
    handle = held(folder)
    try:
        clear(folder, output.resume)
        yield
    finally:
        if folder.exists():
            clear(folder, output.resume)
            if not any(folder.iterdir()):
                folder.rmdir()
        os.close(handle)


def held(folder: Path) -> int:
    """Lock a folder, made where it is missing, and return its open handle; the lock ends with the process."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            made = folder.with_name(folder.name[1:].removesuffix(".unfinished"))
            print(f"waiting for another run, which is making {made}", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
            return handle
        os.close(handle)  # the other run has moved it into place


def clear(folder: Path, kept: Path) -> None:
    """Empty a folder but for one path in it."""
    for path in folder.iterdir():
        if path != kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def replace(finished: Path, target: Path) -> None:
    """Put a finished directory where the target was; the old one goes only then.

    Raises:
        UserError: What is there is something else than such an artifact.
    """
    if target.exists() and not (target / MANIFEST).is_file():
        names, own = ({path.name for path in folder.glob("*")} for folder in (target, finished))
        if target.is_file() or names - own:
            raise UserError(f"{target} is no artifact, and is not replaced: give another path")
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    finished.rename(target)
    shutil.rmtree(old, ignore_errors=True)

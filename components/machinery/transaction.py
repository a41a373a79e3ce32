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


def staging_path(key: str, target: Path) -> Path:
    """Return the path `.NAME.unfinished` beside a target: the folder in which an artifact is made before it is moved.

    Raises:
        UserError: The target is no folder with a name of its own.
    """
    if not target.name:
        raise UserError(f"{key} is a folder of its own, to be made; received {str(target)!r}")
    return target.with_name(f".{target.name}.unfinished")


@contextmanager
def claim_folder(output: Artifact) -> Iterator[None]:
    """Lock an artifact's folder while the block runs; before and after, empty it of all but what can be resumed from.

    That is what an interrupted run with the same inputs, parameters and code left. A second run waits for the lock.
    """
    folder = output.path
    handle = lock_folder(folder)
    try:
        empty_folder(folder, output.resume)
        yield
    finally:
        if folder.exists():
            empty_folder(folder, output.resume)
            if not any(folder.iterdir()):
                folder.rmdir()
        os.close(handle)


@contextmanager
def scratch_folder(folder: Path) -> Iterator[None]:
    """Lock and empty a folder, in which a run that was killed may have left things; remove it after the block."""
    handle = lock_folder(folder)
    try:
        empty_folder(folder)
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def lock_folder(folder: Path) -> int:
    """Wait for the lock of a folder, made where missing; return the open handle, which holds it until it is closed."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            target = folder.with_name(folder.name[1:].removesuffix(".unfinished"))
            print(f"waiting for another run, which is making {target}", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
            return handle
        os.close(handle)  # the other run has moved it into place


def empty_folder(folder: Path, keep: Path | None = None) -> None:
    """Remove everything in a folder, except one file or folder right in it where that is to be kept."""
    for path in folder.iterdir():
        if path != keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def move_into_place(finished: Path, target: Path) -> None:
    """Move a finished folder to its target; replace an artifact there, removed only then; refuse anything else.

    Raises:
        UserError: The target is a file, or without a manifest holds names that the finished folder lacks.
    """
    if target.exists() and not (target / MANIFEST).is_file():
        names, expected = ({path.name for path in folder.glob("*")} for folder in (target, finished))
        if target.is_file() or names - expected:
            raise UserError(f"{target} holds something other than an artifact and is left as it is: give another path")
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    finished.rename(target)
    shutil.rmtree(old, ignore_errors=True)

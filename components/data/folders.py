"""Folders from elsewhere: what lies in them, under which names, and the bytes of their files; nothing is trusted."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from components.system.errors import UserError

LITTER = ("__macosx", "thumbs.db", "desktop.ini")  # what systems leave in folders and archives, in any case
FILE_SIZE = 500_000_000  # bytes, at most
NAME_LENGTH = 1_000  # bytes of a file's path within the data set, at most


def folders_in(folder: Path) -> list[Path]:
    """Return its folders in order, without links and what is skipped.

    Raises:
        UserError: The folder cannot be read.
    """
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise UserError(f"the folder {folder.name} cannot be read ({error.strerror}): mend that") from error
    return sorted(Path(at.path) for at in entries if at.is_dir(follow_symlinks=False) and not skipped(at.name))


def linked_folders(root: Path, parts: Iterable[str]) -> list[str]:
    """Return the paths, beside the class folders of every part, of the links that are no links to files, in order."""
    links = (path for part in parts for path in (root / part).iterdir() if path.is_symlink() and not skipped(path.name))
    return sorted(path.relative_to(root).as_posix() for path in links if not path.is_file())


def skipped(name: str) -> bool:
    """Return whether a file or folder is passed over in silence: hidden, or a system's litter."""
    return name.startswith(".") or name.lower() in LITTER


def below(root: Path, label: str) -> list[str]:
    """Return, in order, the paths of all in a class that is no folder, or is one that cannot be read."""
    found, folders = [], [label]
    for folder in folders:
        try:
            entries = [entry for entry in os.scandir(root / folder) if not skipped(entry.name)]
        except OSError:
            found.append(folder)
            continue
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else found).append(f"{folder}/{entry.name}")
    return sorted(found, key=lambda name: name.split("/"))


def check_name(name: str) -> None:
    """Raise a ValueError that says what keeps a name out of the tables and off the disk, if something does."""
    if name != name.encode(errors="replace").decode():
        raise ValueError("its name is not UTF-8")
    if len(name.encode()) > NAME_LENGTH:
        raise ValueError(f"its path is longer than {NAME_LENGTH:,} bytes")


def read(path: Path, source: Path) -> bytes:
    """Return the bytes of a file, which may be a link to another in the source.

    Raises:
        ValueError: It is no file to read; the message says what it is.
        OSError: It cannot be read.
    """
    if path.is_symlink():
        try:
            path = path.resolve(strict=True)
        except (OSError, RuntimeError):
            raise ValueError("a link that leads nowhere") from None
        if path.is_dir():
            raise ValueError("a link to a folder, which is not followed")
        if not path.is_relative_to(source.resolve()):
            raise ValueError("a link that leaves the data set")
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("a folder that cannot be read")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("a pipe, socket or device")
    if status.st_size > FILE_SIZE:
        raise ValueError(f"{status.st_size:,} bytes: more than {FILE_SIZE:,}")
    return path.read_bytes()

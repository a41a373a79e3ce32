"""Folders that are not trusted: the folders and files in them, their names, and the bytes of their files."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from components.system.errors import UserError

LITTER = ("__macosx", "thumbs.db", "desktop.ini")  # that systems leave in folders and archives, in any case
MAX_FILE_SIZE = 500_000_000  # bytes
MAX_NAME_LENGTH = 1_000  # bytes of a file's path within the data set


def folders_in(folder: Path) -> list[Path]:
    """Return the folders directly in a folder, sorted by name, without links, hidden ones and litter.

    Raises:
        UserError: The folder cannot be read.
    """
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise UserError(f"the folder {folder.name} cannot be read ({error.strerror}): change its rights") from error
    folders = (entry for entry in entries if entry.is_dir(follow_symlinks=False) and not is_skipped(entry.name))
    return sorted(Path(entry.path) for entry in folders)


def linked_folders(root: Path, parts: Iterable[str]) -> list[str]:
    """Return the paths from the root, sorted, of the links directly in part folders that do not lead to a file.

    Those that lead nowhere are among them; hidden ones and litter are not.

    Args:
        root: The folder of the part folders.
        parts: Names of the part folders; an empty one is the root itself.
    """
    paths = (path for part in parts for path in (root / part).iterdir())
    links = (path for path in paths if path.is_symlink() and not is_skipped(path.name) and not path.is_file())
    return sorted(path.relative_to(root).as_posix() for path in links)


def is_skipped(name: str) -> bool:
    """Return whether a file or folder is ignored without a word: its name begins with a dot or is system litter."""
    return name.startswith(".") or name.lower() in LITTER


def paths_below(root: Path, folder: str) -> list[str]:
    """Return the paths from the root, in order, of all files in a folder at any depth, without hidden ones and litter.

    Files are whatever is not a folder, such as links and pipes; a folder that cannot be read stands for its content.

    Args:
        root: The folder from which paths are returned.
        folder: Path of the folder to search, from the root.
    """
    paths, folders = [], [folder]
    for current in folders:
        try:
            entries = [entry for entry in os.scandir(root / current) if not is_skipped(entry.name)]
        except OSError:
            paths.append(current)
            continue
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else paths).append(f"{current}/{entry.name}")
    return sorted(paths, key=lambda name: name.split("/"))


def check_path_name(name: str) -> None:
    """Raise a ValueError if the path of a file or folder cannot be kept in a table: not UTF-8, or too long."""
    if name != name.encode(errors="replace").decode():
        raise ValueError("its name is not UTF-8")
    if len(name.encode()) > MAX_NAME_LENGTH:
        raise ValueError(f"its path is longer than {MAX_NAME_LENGTH:,} bytes")


def read_untrusted(path: Path, source: Path) -> bytes:
    """Return the bytes of a regular file, or of that in the source to which a link leads; all else is an error.

    Args:
        path: The file.
        source: The folder that a link must not leave.

    Raises:
        ValueError: It is not a regular file, or is too large; the message says what it is.
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
    if status.st_size > MAX_FILE_SIZE:
        raise ValueError(f"{status.st_size:,} bytes: more than {MAX_FILE_SIZE:,}")
    return path.read_bytes()

"""Folders that are not trusted: the folders and files in them, their names, and the bytes of their files."""

import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from components.system.errors import UserError

LITTER = (  # that systems and storage leave in folders and archives, in any case
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", "icon\r", "@eadir", "#recycle", "#snapshot",
    "@__thumb", "@recycle", "@recently-snapshot", "$recycle.bin", "system volume information", "lost+found",
    "found.000", "lost.dir", "__pycache__",
)  # fmt: skip
MAX_FILE_SIZE = 500_000_000  # bytes
MAX_NAME_LENGTH = 1_000  # bytes of a file's path within the data set


@dataclass
class Folder:
    """A folder of a source and all below it, as they were when they were read; a link is a file.

    Args:
        name: Its name.
        path: Its path from the source, "" of the source itself.
        folders: The folders directly in it, sorted by name.
        files: Names of whatever else is directly in it, such as links and pipes, sorted.
        skipped: Names of what is hidden or litter in it.
        error: Why it cannot be read; "" where it can.
    """

    name: str
    path: str
    folders: list["Folder"] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    error: str = ""

    def readable(self) -> "Folder":
        """Return the folder itself; raise a UserError if it could not be read.

        Raises:
            UserError: It could not be read.
        """
        if self.error:
            raise UserError(f"the folder {self.name} cannot be read ({self.error}): change its rights")
        return self

    def walk(self) -> Iterator["Folder"]:
        """Yield the folder and all folders below it, depth first, each before those in it."""
        pending = [self]
        while pending:
            yield (folder := pending.pop())
            pending += reversed(folder.folders)

    def file_paths(self) -> list[str]:
        """Return the paths from the source, sorted, of all files below and of all folders that cannot be read."""
        paths = [
            path
            for folder in self.walk()
            for path in ([folder.path] if folder.error else (join_path(folder.path, name) for name in folder.files))
        ]
        return sorted(paths, key=lambda path: path.split("/"))


def join_path(*names: str) -> str:
    """Return names joined by slashes, without the empty ones."""
    return "/".join(filter(None, names))


def read_folder(source: Path) -> Folder:
    """Return a folder with all below it, hidden ones and litter by name only; links count as files."""
    top = Folder(source.name, "")
    pending = [top]
    for folder in pending:
        try:
            entries = sorted(os.scandir(source / folder.path), key=lambda entry: entry.name)
        except OSError as error:
            folder.error = error.strerror or str(error)
            continue
        for entry in entries:
            if is_skipped(entry.name):
                folder.skipped.append(entry.name)
            elif entry.is_dir(follow_symlinks=False):
                folder.folders.append(Folder(entry.name, join_path(folder.path, entry.name)))
            else:
                folder.files.append(entry.name)
        pending += folder.folders
    return top


def is_skipped(name: str) -> bool:
    """Return whether a file or folder is ignored: its name begins with a dot or is litter of a system."""
    return name.startswith(".") or name.lower() in LITTER


def composed(name: str) -> str:
    """Return a name with its letters composed (NFC), as which systems that decompose them mean the same."""
    return unicodedata.normalize("NFC", name)


def check_path_name(name: str) -> None:
    """Raise a ValueError if the path of a file or folder cannot be kept in a table: not UTF-8, or too long."""
    if name != name.encode(errors="replace").decode():
        raise ValueError("its name is not UTF-8")
    if len(name.encode()) > MAX_NAME_LENGTH:
        raise ValueError(f"its path is longer than {MAX_NAME_LENGTH:,} bytes")


def read_untrusted(path: Path, source: Path, links: str = "inside") -> bytes:
    """Return a regular file's bytes; raise if it is none, too large, or a link out of `source` without `store`.

    Args:
        path: The file.
        source: The folder that a link must not leave.
        links: `inside` the folder; `store` lets a link leave it.

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
        if links == "inside" and not path.is_relative_to(source.resolve()):
            raise ValueError("a link that leaves the data set; `links: store` follows it")
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("a folder that cannot be read")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("a pipe, socket or device")
    if status.st_size > MAX_FILE_SIZE:
        raise ValueError(f"{status.st_size:,} bytes: more than {MAX_FILE_SIZE:,}")
    return path.read_bytes()

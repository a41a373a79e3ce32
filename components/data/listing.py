"""The listing of a source on this machine, by which it is known whether anything there has changed."""

import os
import stat
from pathlib import Path

from components.data.folders import read_folder


def list_source(source: Path) -> list[bytes]:
    """Return a line for each folder and then each file of a source: its path, and a file's kind, size and time.

    Hidden ones and litter are left out. Nothing is opened, and no link to a folder is followed, so that a pipe or a
    link that leads nowhere does no harm. Sizes are in bytes, times in ns.
    """
    top = read_folder(source)
    folders = [os.fsencode(folder.path) for folder in top.walk() if not folder.error]
    return [*folders, *(listing_line(source / path, path) for path in top.file_paths())]


def listing_line(file: Path, name: str) -> bytes:
    """Return a file's name, kind, size and time, joined by NUL, of a link its target's if any; its name if gone."""
    for follow in (True, False):
        try:
            status = file.stat(follow_symlinks=follow)
        except OSError:
            continue
        facts = (name, stat.S_IFMT(status.st_mode), status.st_size, status.st_mtime_ns)
        return b"\0".join(os.fsencode(str(fact)) for fact in facts)
    return os.fsencode(name)

"""The listing of a source on this machine, by which it is known whether anything there has changed."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from components.data.folders import is_skipped


def list_source(top: Path) -> list[bytes]:
    """Return a line for each file and folder at a path, sorted: its path, kind, size in bytes, time of change in ns.

    Hidden ones and litter are left out, and of a folder there is the path alone. Nothing is opened, and no link to a
    folder is followed, so that a pipe or a link that leads nowhere does no harm.
    """
    within = len(str(top)) + 1
    return sorted([describe(top, "."), *(describe(entry, entry.path[within:]) for entry in entries_below(top))])


def entries_below(top: Path) -> Iterator[os.DirEntry]:
    """Yield what is in a folder, at any depth; of a folder that cannot be read, and of a file, there is nothing."""
    folders = [str(top)]
    for folder in folders:
        try:
            entries = [entry for entry in os.scandir(folder) if not is_skipped(entry.name)]
        except OSError:
            continue
        folders += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        yield from entries


def describe(place: Path | os.DirEntry, name: str) -> bytes:
    """Return the line of one file or folder, by the name that is given; of a link where it leads, if anywhere."""
    for follow in (True, False):
        try:
            status = place.stat(follow_symlinks=follow)
        except OSError:
            continue
        kind, facts = stat.S_IFMT(status.st_mode), (status.st_size, status.st_mtime_ns)
        return b"\0".join(os.fsencode(str(part)) for part in (name, kind, *(() if kind == stat.S_IFDIR else facts)))
    return os.fsencode(name)

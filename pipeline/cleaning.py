"""Finds and removes artifacts, records, data sets and weights that no recipe that is switched on needs."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from components.data.artifact import MANIFEST
from components.data.records import SUFFIX
from pipeline.arranging import Task
from pipeline.places import ARTIFACTS, COLLECTIONS, LISTING, listing_path, path_of

FOLDERS = [ARTIFACTS, *COLLECTIONS.values()]


def unneeded_sizes(tasks: Iterable[Task]) -> dict[Path, int]:
    """Return {path: bytes}, sorted by path, of each artifact, record and listing that is of none of these tasks.

    They are those in artifacts/, data/images/ and data/weights/. Other files, such as the table of `find_head`, are not
    listed; neither are artifacts that a run is still writing.
    """
    needed = {path_of(output) for task in tasks for output in task.outputs.values()}
    needed |= {listing_path(path) for path in needed}
    paths: set[Path] = set()
    for folder in FOLDERS:
        paths |= {file.parent for file in folder.rglob(MANIFEST)}
        paths |= {file for ending in (SUFFIX, LISTING) for file in folder.rglob(f"*{ending}")}
    finished = (path for path in sorted(paths) if "/." not in path.as_posix())
    return {path: size_in_bytes(path) for path in finished if not {path, *path.parents} & needed}


def size_in_bytes(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder and its subfolders; 0 if there is nothing."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def remove(paths: Mapping[Path, int]) -> None:
    """Delete these paths, and then the folders around each that this leaves empty, up to the first of FOLDERS."""
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        for folder in path.parents:
            if folder in FOLDERS or any(folder.iterdir()):
                break
            folder.rmdir()

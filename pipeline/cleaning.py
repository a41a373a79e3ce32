"""What no recipe that is switched on needs any more: artifacts, records, data sets and weights."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from components.data.artifact import MANIFEST
from components.data.records import SUFFIX
from pipeline.arranging import Task
from pipeline.places import ARTIFACTS, COLLECTIONS, place

FOLDERS = [ARTIFACTS, *COLLECTIONS.values()]


def unneeded(tasks: Iterable[Task]) -> dict[Path, int]:
    """Return what no task makes, with its bytes: artifacts and records, by path.

    Files that are neither, such as the table of `find_head`, are nobody's and stay; so does what a run is still making.
    """
    needed = {place(made) for task in tasks for made in task.outputs.values()}
    there: set[Path] = set()
    for folder in FOLDERS:
        there |= {file.parent for file in folder.rglob(MANIFEST)} | {*folder.rglob(f"*{SUFFIX}")}
    finished = (path for path in sorted(there) if "/." not in path.as_posix())
    return {path: size(path) for path in finished if not {path, *path.parents} & needed}


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def remove(paths: Mapping[Path, int]) -> None:
    """Remove artifacts and records, and the folders that are empty then."""
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        for folder in path.parents:
            if folder in FOLDERS or any(folder.iterdir()):
                break
            folder.rmdir()

"""The trainings of one way: an artifact at a place, or there a folder with one for each of several trainings."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from components.data.artifact import MANIFEST
from components.system.errors import UserError

PREFIX = "training="


def training_paths(path: Path, trainings: int) -> list[Path]:
    """Return where each of some trainings lies, or is to lie, under the path of their way."""
    return [path / f"{PREFIX}{number}" for number in range(1, trainings + 1)] if trainings > 1 else [path]


def count_trainings(path: Path) -> int:
    """Return how many trainings there are at a path; 1 also where nothing is."""
    return max(1, len([*path.glob(f"{PREFIX}*/{MANIFEST}")])) if is_several(path) else 1


def is_several(path: Path) -> bool:
    """Return whether there are several trainings at a path, finished or not."""
    return not (path / MANIFEST).is_file() and any(path.glob(f"{PREFIX}*"))


def nth_training(path: Path, number: int) -> Path:
    """Return the path of a training, numbered from 0; that of a single one whatever its number.

    Raises:
        UserError: There are several, but not so many.
    """
    if not is_several(path):
        return path
    found = path / f"{PREFIX}{number + 1}"
    if not (found / MANIFEST).is_file():
        raise UserError(f"{path} has {count_trainings(path)} trainings, and {number + 1} are needed: make it again")
    return found


def make_room(path: Path, trainings: int) -> None:
    """Give a place the form that so many trainings have there, without losing one that is to stay."""
    apart = path.with_name(f".{path.name}.moved")
    shutil.rmtree(apart, ignore_errors=True)  # as a kill between two moves may have left it
    if trainings == 1 and is_several(path):
        first = path / f"{PREFIX}1"
        if (first / MANIFEST).is_file():
            first.rename(apart)
        shutil.rmtree(path)
        if apart.exists():
            apart.rename(path)
    elif trainings > 1 and (path / MANIFEST).is_file():
        path.rename(apart)
        path.mkdir()
        apart.rename(path / f"{PREFIX}1")
    if trainings > 1 and path.is_dir():
        keep_only(path, [one.name for one in training_paths(path, trainings)])


def keep_only(path: Path, names: Sequence[str]) -> None:
    """Remove from a folder of trainings, finished or begun, all but those of some names."""
    for entry in path.iterdir():
        name = entry.name.removeprefix(".").removesuffix(".unfinished")
        if name not in names:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def note_beside(path: Path, number: int) -> Path:
    """Return the file, beside a way, that says from what one of its trainings was made; it is no part of the result."""
    return path.with_name(f".{path.name}.{PREFIX}{number + 1}.made_from")

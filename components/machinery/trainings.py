"""Where the trainings of one way lie: one at the path of the way, several in folders `training=N` under it."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from components.data.artifact import MANIFEST
from components.system.errors import UserError

PREFIX = "training="


def training_paths(path: Path, trainings: int) -> list[Path]:
    """Return the paths of a way's trainings: of a single one the way's own, else `training=1` and so on under it."""
    return [path / f"{PREFIX}{number}" for number in range(1, trainings + 1)] if trainings > 1 else [path]


def count_trainings(path: Path) -> int:
    """Return how many finished trainings lie at the path of a way; at least 1, also where there is nothing yet."""
    return max(1, len([*path.glob(f"{PREFIX}*/{MANIFEST}")])) if has_several_trainings(path) else 1


def fewest_trainings(counts: Iterable[int]) -> int:
    """Return how many times a step runs: the fewest trainings among ways that have several, or 1 if none has.

    A way of one training is taken with every training of the others.
    """
    return min((count for count in counts if count > 1), default=1)


def has_several_trainings(path: Path) -> bool:
    """Return whether a way's path is no artifact itself but has folders `training=N`, even one, finished or not."""
    return not (path / MANIFEST).is_file() and any(path.glob(f"{PREFIX}*"))


def training_path(path: Path, number: int) -> Path:
    """Return the path of training `number` of a way, from 0: `training=1` for 0; a way with one training is its path.

    Raises:
        UserError: The way has several trainings, but not this one.
    """
    if not has_several_trainings(path):
        return path
    training = path / f"{PREFIX}{number + 1}"
    if not (training / MANIFEST).is_file():
        raise UserError(f"{path} has {count_trainings(path)} trainings, and {number + 1} are needed: make it again")
    return training


def reshape_trainings(path: Path, trainings: int) -> None:
    """Move a way's trainings to where `training_paths` has them for another number; remove all else in its folder.

    One that is alone becomes the first of several, and the first of several, if finished, the only one. One that is
    alone and stays so is left as it is.
    """
    apart = path.with_name(f".{path.name}.moved")
    shutil.rmtree(apart, ignore_errors=True)  # left by a kill between two moves
    if trainings == 1 and has_several_trainings(path):
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
        remove_other_trainings(path, [one.name for one in training_paths(path, trainings)])


def remove_other_trainings(path: Path, names: Sequence[str]) -> None:
    """Remove everything in a folder, trainings or not, except the trainings of some names, finished or begun."""
    for entry in path.iterdir():
        name = entry.name.removeprefix(".").removesuffix(".unfinished")
        if name not in names:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def inputs_note_path(path: Path, number: int) -> Path:
    """Return the path, `.NAME.training=1.made_from` for number 0, of the note beside a way on a training's inputs."""
    return path.with_name(f".{path.name}.{PREFIX}{number + 1}.made_from")

"""What is listed of images beside them: published splits, groups such as persons."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.data.datasets import DataSet
from components.data.folders import read
from components.system.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

GROUPS = "groups.csv"


def persons(table: "pd.DataFrame", classes: list[str]) -> list[str]:
    """Return the number of the person on each image: a new one begins where the next image's class does not advance."""
    number = table["file"].str.extract(r"(\d+)\D*$", expand=False).astype(int)
    order = number.sort_values(kind="stable").index
    turn = table["label"].map(classes.index)[order]
    return (turn.diff() <= 0).cumsum().add(1).astype(str)[table.index].tolist()


def lists(source: Path, root: Path, entry: DataSet | None) -> list[Path]:
    """Return the files that list published splits, or for a person's own images groups: the nearest above them."""
    if entry:
        return sorted(source.rglob(entry.folds)) if entry.folds else []
    folders = (folder for folder in (root, *root.parents) if folder.is_relative_to(source))
    return [folder / GROUPS for folder in folders if (folder / GROUPS).exists()][:1]


def fold_lines(files: list[Path], source: Path) -> Iterator[tuple[str, str, str]]:
    """Yield each line's place, image and split: the number of the file, which lists its test images."""
    for number, path in enumerate(files):
        for line in text(path, source).splitlines():
            yield path.name, line.rpartition(" ")[0], str(number)


def group_lines(files: list[Path], source: Path) -> Iterator[tuple[str, str, str]]:
    """Yield each line's place, image and group.

    Raises:
        UserError: A line is no file and its group.
    """
    reader = csv.reader(text(files[0], source).splitlines(keepends=True), strict=True)
    try:
        for row in filter(None, reader):
            place = f"line {reader.line_num} of {GROUPS}"
            if len(row) != 2 or not all(row) or (reader.line_num == 1) != (row == ["file", "group"]):
                raise UserError(f"{place}: a first line `file,group` and then a file and its group a line are expected")
            if reader.line_num > 1:
                yield place, row[0], row[1]
    except csv.Error as error:
        raise UserError(f"line {reader.line_num} of {GROUPS} is no CSV ({error}): mend it") from error


def listed(lines: Iterable[tuple[str, str, str]], names: list[str], known: set[str]) -> list[str]:
    """Return what lines (place, image, value) say of each image.

    Raises:
        UserError: A line names no known image, or not all images have one value.
    """
    values: dict[str, str] = {}
    for place, name, value in lines:
        if name not in known:
            raise UserError(f"{place}: {name!r} is no image of this data set: correct the list")
        if values.setdefault(name, value) != value:
            raise UserError(f"{place}: {(name)} is listed under {(values[name])} too: correct the list")
    missing = [name for name in names if name not in values]
    if missing:
        raise UserError(f"{len(missing)} images are in no list of groups or splits, {(missing[0])} first: add them")
    return [values[name] for name in names]


def text(path: Path, source: Path) -> str:
    """Return a text file of the source.

    Raises:
        UserError: It is no such file.
    """
    try:
        return read(path, source).decode("utf-8-sig")
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path.name} cannot be read as text ({reason}): mend or remove it") from error

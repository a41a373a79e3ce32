"""Published splits and groups of images: from the lists beside them, or from the numbers in their names."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.data.datasets import DataSet
from components.data.folders import composed, read_untrusted
from components.system.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

GROUPS = "groups.csv"


def person_numbers(table: "pd.DataFrame", classes: list[str]) -> list[str]:
    """Return each image's person as a number in text, from "1", in the table's order, told by names and classes.

    The next person begins where, by the last numbers in the files' names, the class does not advance.

    Args:
        table: One row an image, with its `file` and `label`.
        classes: The classes in order.
    """
    number = table["file"].str.extract(r"(\d+)\D*$", expand=False).astype(int)
    order = number.sort_values(kind="stable").index
    turn = table["label"].map(classes.index)[order]
    return (turn.diff() <= 0).cumsum().add(1).astype(str)[table.index].tolist()


def find_lists(source: Path, root: Path, entry: DataSet | None) -> list[Path]:
    """Return the lists of a registered data set's published splits, in order, or any other's `groups.csv`, if any.

    Args:
        source: The folder beyond which nothing is searched.
        root: Where the class folders lie; the nearest `groups.csv` from there upwards counts.
        entry: The registered data set; None for images of a person's own.

    Raises:
        UserError: A list of the registered data set is not there.
    """
    if entry:
        return [find_list(source, path, address) for path, address in entry.test_lists.items()]
    folders = (folder for folder in (root, *root.parents) if folder.is_relative_to(source))
    return [folder / GROUPS for folder in folders if (folder / GROUPS).exists()][:1]


def find_list(source: Path, path: str, address: str) -> Path:
    """Return the first file below a source, by path, whose path ends in that of a list.

    Raises:
        UserError: There is none.
    """
    if files := sorted(source.rglob(path)):
        return files[0]
    raise UserError(
        f"{source.name} has no {path}, a list of the published splits: get it from {address.partition('#')[0]}, lay "
        f"it as {path} beside the images' folder, and give the folder of both as the source"
    )


def fold_lines(files: list[Path], source: Path, links: str) -> Iterator[tuple[str, str, str]]:
    """Yield (list's name, image, split) of each line of lists of test images; a split is its list's place from 0."""
    for number, path in enumerate(files):
        for line in read_text(path, source, links).splitlines():
            yield path.name, line.rpartition(" ")[0], str(number)


def group_lines(files: list[Path], source: Path, links: str) -> Iterator[tuple[str, str, str]]:
    """Yield the place, for errors, the image and the group of each line of a `groups.csv` below its heading.

    Raises:
        UserError: A line is not a file and its group.
    """
    reader = csv.reader(read_text(files[0], source, links).splitlines(keepends=True), strict=True)
    try:
        for row in filter(None, reader):
            place = f"line {reader.line_num} of {GROUPS}"
            if len(row) != 2 or not all(row) or (reader.line_num == 1) != (row == ["file", "group"]):
                raise UserError(
                    f"{place}: expected a first line `file,group`, then a file and its group a line; received "
                    f"{','.join(row)!r:.100}: correct the list"
                )
            if reader.line_num > 1:
                yield place, row[0], row[1]
    except csv.Error as error:
        raise UserError(f"line {reader.line_num} of {GROUPS} is not CSV ({error}): correct it") from error


def values_of_images(lines: Iterable[tuple[str, str, str]], names: list[str], all_names: set[str]) -> list[str]:
    """Return the value that lists give each image, its group or its split, in the order of `names`.

    Args:
        lines: Place for errors, image and value of each line of the lists.
        names: The images.
        all_names: Names that the lists may have: the images', and those of files that are unreadable.

    Raises:
        UserError: A line names another image, or an image has no value or two.
    """
    values: dict[str, str] = {}
    known = {composed(name) for name in all_names}
    for place, written, value in lines:
        name = composed(written)
        if name not in known:
            raise UserError(f"{place}: {name!r} is not an image of this data set: correct the list")
        if values.setdefault(name, value) != value:
            raise UserError(f"{place}: {name} is listed under {values[name]} too: correct the list")
    missing = [name for name in names if composed(name) not in values]
    if missing:
        raise UserError(f"{len(missing)} images are in no list of groups or splits, {missing[0]} first: add them")
    return [values[composed(name)] for name in names]


def read_text(path: Path, source: Path, links: str) -> str:
    """Return the text of a file of the source, in UTF-8 or, with a byte order mark, in UTF-16.

    Raises:
        UserError: It cannot be read as text.
    """
    try:
        content = read_untrusted(path, source, links)
        return content.decode("utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path.name} cannot be read as text ({reason}): save it as UTF-8, or remove it") from error

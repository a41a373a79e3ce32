"""A person's corrections of a data set, image by image: which are left out, and which are of another class."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from components.data.folders import composed
from components.data.tables import without_apostrophe
from components.system.errors import UserError, fold_words, shorten, unknown_name
from components.system.limits import ListText, read_yaml_text

if TYPE_CHECKING:
    import pandas as pd

EXCLUDE = "exclude"  # the decision that leaves an image out; any other is a class
FILE, DECISION = "file", "decision"  # the columns of a list that are read
ENCODING_MARKS = (b"\xff\xfe", b"\xfe\xff")  # of UTF-16


class CorrectionLists(ListText):
    """Lists of corrections: a parameter that is given as their paths, and holds the decisions that are in them."""

    def text(self, value: Any) -> str:
        """Return the decisions of one or several lists as a line of JSON, `[["cat/1.jpg", "dog"]]`; "" for none.

        So a change of a list changes the parameter, and what runs elsewhere needs no file.

        Args:
            value: The path of a list, several of them, or what is returned.

        Raises:
            ValueError: It is none of these.
            UserError: A list cannot be read, a line of it is no correction, or an image is there twice.
        """
        several = items_of(value)
        if not all(isinstance(one, str) or is_pair(one) for one in several):
            raise ValueError
        lines = [("the corrections", *one) for one in several if is_pair(one)]
        lines += [line for path in several if isinstance(path, str) for line in list_lines(Path(path))]
        places: dict[str, str] = {}
        for place, file, _ in lines:
            if file in places:
                raise UserError(f"{place}: {file!a} was in {places[file]} already: leave one of both lines out")
            places[file] = place
        pairs = sorted([file, decision] for _, file, decision in lines)
        return json.dumps(pairs, ensure_ascii=False) if pairs else ""


Corrections = Annotated[
    str, CorrectionLists(f"the path of a list of corrections, CSV with the columns {FILE} and {DECISION}, or several")
]


def items_of(value: Any) -> list[Any]:
    """Return the paths of lists, or the pairs, that a parameter of the kind `Corrections` is given, unchecked.

    Raises:
        ValueError: It is neither a path, nor a list, nor the YAML of one.
    """
    content = read_yaml_text(value) if isinstance(value, str) and value.startswith("[") else value
    items = [content] if isinstance(content, str) and content else content or []
    if not isinstance(items, list):
        raise ValueError
    return items


def is_pair(value: Any) -> bool:
    """Return whether a value is a list of two texts, neither of them empty."""
    return isinstance(value, list) and len(value) == 2 and all(isinstance(one, str) and one for one in value)


def list_lines(path: Path) -> list[tuple[str, str, str]]:
    """Return the place, for errors, the file and the decision of each line of a list in which a decision is written.

    Raises:
        UserError: The list is not there, is no CSV, or lacks one of both columns.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-16" if content.startswith(ENCODING_MARKS) else "utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"corrections: cannot read {shorten(str(path))} ({reason}): check the path") from error
    first = text.partition("\n")[0]
    reader = csv.reader(text.splitlines(keepends=True), delimiter=max(",;\t", key=first.count), strict=True)
    lines = []
    try:
        heading = [name.strip().lower() for name in next(reader, [])]
        if missing := [name for name in (FILE, DECISION) if heading.count(name) != 1]:
            raise UserError(
                f"{path}: its first line names the columns, {FILE} and {DECISION} among them; received "
                f"{shorten(','.join(heading))}: add {' and '.join(missing)}, once"
            )
        for row in filter(None, reader):
            place = f"line {reader.line_num} of {path}"
            if len(row) != len(heading):
                raise UserError(f"{place}: {len(row)} columns, where the first line has {len(heading)}: correct it")
            file, decision = (composed(without_apostrophe(row[heading.index(name)])) for name in (FILE, DECISION))
            decision = decision.strip()
            if decision and not file:
                raise UserError(f"{place}: the decision {shorten(decision)} is of no file: write which")
            lines += [(place, file, decision)] if decision else []
    except csv.Error as error:
        raise UserError(f"line {reader.line_num} of {path} is not CSV ({error}): correct it") from error
    return lines


def read_decisions(text: str, files: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
    """Return the decision on each image that has one, by file: `exclude`, or a class, be it the one that it has.

    Args:
        text: What a parameter of the kind `Corrections` holds.
        files: The images of the data set.
        classes: Its classes.

    Raises:
        UserError: There is no such image or class, or a class is called `exclude`.
    """
    decisions = dict(json.loads(text or "[]"))
    if decisions and EXCLUDE in classes:
        raise UserError(f"corrections: a class is called {EXCLUDE}, which leaves images out: rename its folder")
    known = set(files)
    for file, decision in decisions.items():
        if file not in known:
            raise UserError(f"corrections: {unknown_name('image', file, files)}")
        if decision != EXCLUDE and decision not in classes:
            raise UserError(f"corrections: {file!a}: {unknown_name('class', decision, [EXCLUDE, *classes])}")
    return decisions


def correct_labels(table: "pd.DataFrame", decisions: Mapping[str, str]) -> "pd.DataFrame":
    """Return a copy of a table of images in which each has the class that was decided; those to exclude stay in it.

    Args:
        table: One row an image: file and label.
        decisions: What `read_decisions` returns.
    """
    new = {file: decision for file, decision in decisions.items() if decision != EXCLUDE}
    pairs = zip(table["file"], table["label"], strict=True)
    return table.assign(label=[new.get(file, label) for file, label in pairs])


def check_training_images(drawn: "pd.DataFrame", classes: Sequence[str]) -> None:
    """Check that corrections leave each class a training image.

    Args:
        drawn: One row an image: label, as corrected, and split.
        classes: The classes of the data set.

    Raises:
        UserError: They do not.
    """
    if absent := sorted({*classes} - {*drawn.loc[drawn["split"] == "train", "label"]}):
        raise UserError(
            f"corrections leave no training image of {fold_words(absent)}: exclude or relabel fewer, or leave the "
            "class out, `without_classes` of fetch"
        )

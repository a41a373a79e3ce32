"""The labelled files of a source, whatever labels them; and the rules by which a person says what does."""

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from components.data.class_folders import two_spellings
from components.data.folders import composed
from components.system.errors import UserError, fold_words, unknown_name
from components.system.limits import Range

Pattern = Annotated[str, Range("a regular expression with a group (?P<label>...)", lambda text: has_label(text))]
MASK = re.compile(r"[ _-]?(mask|masks|seg|segmentation|gt|label)(_\d+)?\.\w+$", re.IGNORECASE)
Quarantine = list[tuple[str, str]]  # file and reason


def has_label(pattern: str) -> bool:
    """Return whether a text is "", or a regular expression with a group named `label`."""
    try:
        return not pattern or "label" in re.compile(pattern).groupindex
    except re.error:
        return False


@dataclass(frozen=True, kw_only=True)
class LabelRules:
    """What labels the images of a source, and which classes of them are taken.

    Args:
        labels: `auto` takes class folders or, where there are none, a table or list that names the images; `folders`,
            class folders; `leaves`, the folders in which the images lie, at any depth; `names`, the names of the files.
            Else the path in the source, or from the project on, of a table (csv, tsv, jsonl, parquet) with a row an
            image, or of a list (txt) with lines `path label`.
        file_column: The column of a table with the images' paths or names, with their endings or without; if empty,
            the first whose values are images of the source.
        label_column: That with their labels; if empty, one of a usual name, or the only other one.
        part_column: That with their published parts, such as `train` and `test`; if empty, one of a usual name.
        group_column: That with their groups, such as persons; if empty, one of a usual name.
        pattern: For `names`, what is searched in the path of each image: `(?P<label>[a-z]+)_\\d+`, also with groups
            `part` and `group`; if empty, the label is the name up to the number at its end.
        classes: The classes to take, in a list or with commas between them; if empty, all.
        without_classes: Classes to leave out, likewise.
    """

    labels: str = "auto"
    file_column: str = ""
    label_column: str = ""
    part_column: str = ""
    group_column: str = ""
    pattern: Pattern = ""
    classes: str = ""
    without_classes: str = ""

    def takes(self, label: str) -> bool:
        """Return whether the images of a class are taken."""
        chosen, left_out = split_names(self.classes), split_names(self.without_classes)
        return label not in left_out and (not chosen or label in chosen)


@dataclass(frozen=True)
class LabelledFile:
    """A file that is said to be an image of a class.

    Args:
        path: Its path from the source.
        target: Its path in the data set, `LABEL/[PART/]FILE`.
        label: Its class.
        part: The published part, `train`, `validation` or `test`; "" without parts.
        group: Its group; "" without one.
        part_folder: How the publisher names the part; "" where that is not said by a folder.
    """

    path: str
    target: str
    label: str
    part: str = ""
    group: str = ""
    part_folder: str = ""


@dataclass
class LabelledFiles:
    """What was understood of a source: its labelled files, and all else in it.

    Args:
        source: Where the source lies.
        root: The path in it from which messages and lists name its files; "" for the source itself.
        files: The labelled files.
        classes: The classes, in order.
        origin: What labels the files, in words.
        missing: What is named or linked, and not there, with reasons.
        left_out: A line, with the reason, for each folder and each kind of files that are left out.
        lists: Lists of groups, or of published splits, that are read besides.
        grouped_by: What says the groups, in words, where no list does.
        columns: `part` and `group`, where they are not said by the files' paths in the data set.
    """

    source: Path
    root: str
    files: list[LabelledFile]
    classes: list[str]
    origin: str
    missing: Quarantine = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    lists: list[Path] = field(default_factory=list)
    grouped_by: str = "the numbers in the names of files"
    columns: tuple[str, ...] = ()

    def name(self, path: str) -> str:
        """Return a file's path from the root, as messages and lists name it; unchanged if it is not below that."""
        return path.removeprefix(f"{self.root}/")


def split_names(text: str) -> list[str]:
    """Return the names between a text's commas, composed, empty ones left out; in double quotes commas stay."""
    return [composed(name) for name in next(csv.reader([text], skipinitialspace=True), []) if name]


def join_names(names: list[object]) -> str:
    """Return names joined by commas, those that have commas in double quotes, as `split_names` reads them."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()


def select_classes(labelled: LabelledFiles, rules: LabelRules) -> None:
    """Leave out the files of the classes that rules do not take, and note how many they are.

    Raises:
        UserError: Rules name a class that is not there.
    """
    counts = dict.fromkeys(labelled.classes, 0)
    for file in labelled.files:
        counts[file.label] += 1
    for name in split_names(rules.classes):
        if name not in counts:
            raise unknown_name("class", name, counts)
    dropped = [label for label in counts if not rules.takes(label)]
    if dropped:
        words = fold_words(f"{label} {counts[label]:,}" for label in dropped)
        labelled.left_out.insert(0, f"classes that are not taken: {words}")
        labelled.files = [file for file in labelled.files if rules.takes(file.label)]
        labelled.classes = [label for label in labelled.classes if rules.takes(label)]


def check_no_masks(labelled: LabelledFiles) -> None:
    """Check that few files are masks of others, as `1_mask.png` beside `1.png` is.

    Raises:
        UserError: More than one in ten is.
    """
    stems = {file.path.rpartition(".")[0] for file in labelled.files}
    masks = [file.path for file in labelled.files if (plain := MASK.sub("", file.path)) != file.path and plain in stems]
    if len(masks) > len(labelled.files) / 10:
        raise UserError(
            f"{len(masks):,} files seem to be masks of others, such as {masks[0]}: move them out of the images' folders"
        )


def check_labels_are_folders(labels: list[str], origin: str) -> None:
    """Check that labels that are not the names of folders can be, and that there are two or more.

    Raises:
        UserError: They are not.
    """
    if len(labels) < 2:
        raise UserError(f"{origin}: two or more classes expected; received {fold_words(labels) or 'none'}")
    if pair := two_spellings(labels):
        raise UserError(f"{origin}: are {pair[0]!r} and {pair[1]!r} one class? write them alike")
    for label in labels:
        if "/" in label or "\0" in label or label.startswith(".") or len(label.encode()) > 200:
            raise UserError(
                f"{origin}: the label {label!r:.100} cannot be the name of a folder, as it begins with a dot, has a "
                "slash in it or is too long: write it otherwise"
            )

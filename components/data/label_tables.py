"""Labels from tables and lists: which column says what, which file a row means, and what is no such table."""

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.data.folders import Folder, composed, join_path
from components.data.labelled_files import LabelledFile, LabelledFiles, LabelRules, check_labels_are_folders
from components.data.lists import GROUPS, read_text
from components.data.part_names import part_of
from components.data.path_labels import PARTS, image_paths, part_of_path
from components.system.errors import UserError, fold_words, shorten, unknown_name

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
LISTS = (".txt", ".lst")
FILE_NAMES = (
    "file", "filename", "filepath", "image", "imagefile", "imagefilename", "imagename", "imagepath", "imageid", "img",
    "imgname", "imgpath", "imgid", "photo", "picture", "path", "id", "name",
)  # fmt: skip
LABEL_NAMES = (
    "label", "labelname", "class", "classname", "category", "categoryname", "target", "labels", "classes", "species",
    "breed", "diagnosis", "y", "classid", "labelid", "categoryid",
)  # fmt: skip
SEVERAL_NAMES = ("tags", "labels", "classes", "attributes", "findings", "findinglabels")  # of several labels a cell
OTHER_NAMES = (  # of columns that are no labels, though they are the only other ones
    "age", "amount", "area", "author", "bytes", "caption", "comment", "count", "date", "description", "filesize",
    "hash", "height", "license", "md5", "objects", "price", "score", "sha256", "size", "source", "text", "time",
    "timestamp", "title", "url", "weight", "width", "year",
)  # fmt: skip
PART_NAMES = ("split", "part", "partition", "subset", "set", "phase", "usage", "dataset")
GROUP_NAMES = (
    "group", "groupid", "patient", "patientid", "person", "personid", "subject", "subjectid", "participant", "lesion",
    "lesionid", "case", "caseid", "individual", "individualid",
)  # fmt: skip
SAMPLE = 100  # rows by which a column of files is known
MIN_SHARE = 0.5  # of them that are images of the source
FEW = 10  # rows of a table, in which labels need not repeat much
NUMBERED = "column "  # what the name of a column without a name begins with
NO_LABEL = ("", "nan", "NaN", "NA", "N/A", "n/a", "#N/A", "<NA>", "null", "NULL", "None", "?")  # as tables write it
MOST_EXAMPLES = 4


class OtherTableError(UserError):
    """A table is not about images of the source."""


@dataclass(frozen=True)
class LabelTable:
    """A table that labels images of the source.

    Args:
        path: Its path, from the source or as it was given.
        rows: Its rows, all of text.
        columns: The names of its columns of the `file`, `label`, `part` and `group`; "" where there is none.
        named: Whether the column of labels is known by its name.
    """

    path: str
    rows: "pd.DataFrame"
    columns: Mapping[str, str]
    named: bool


@dataclass
class FileIndex:
    """The files of a source that could be images, to be found by the ends of their paths, with endings or without.

    Args:
        paths: Their paths from the source.
    """

    paths: list[str]
    ends: dict[tuple[int, bool, bool], dict[str, list[str]]] = field(default_factory=dict)

    def files_ending(self, parts: list[str], with_ending: bool, with_case: bool) -> list[str]:
        """Return the source's paths that end in these parts, in order; files' endings and case count if told to."""
        key = len(parts), with_ending, with_case
        if key not in self.ends:
            index = self.ends[key] = defaultdict(list)
            for path in self.paths:
                path_parts = composed(path if with_ending else without_ending(path)).split("/")
                if len(path_parts) >= len(parts):
                    end = "/".join(path_parts[-len(parts) :])
                    index[end if with_case else end.casefold()].append(path)
        end = "/".join(parts)
        return self.ends[key].get(end if with_case else end.casefold(), [])

    def find(self, value: str, folder: str, part: str = "") -> list[str]:
        """Return the files' paths that a table's value means: those that share its longest possible end; [] if none.

        Args:
            value: A path or a name, with the file's ending or without.
            folder: The table's folder: what lies in it goes before all else.
            part: The published part that the table says: what lies in a folder of it goes before the rest.
        """
        names = [name for name in composed(value.strip()).replace("\\", "/").split("/") if name not in ("", ".")]
        for count in range(len(names), 0, -1):
            for with_case, with_ending in product((True, False), (True, False)):
                files = self.files_ending(names[-count:], with_ending, with_case)
                for preferred in (f"{folder}/".lstrip("/"), ""):
                    if inside := [path for path in files if path.startswith(preferred)]:
                        return [path for path in inside if part and part_of_path(path)[0] == part] or inside
        return []


def without_ending(path: str) -> str:
    """Return a path without the ending of its file's name, such as `.jpg`."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}"


def label_by_tables(source: Path, top: Folder, tables: list[LabelTable]) -> LabelledFiles:
    """Return the images that tables label, with group, and part by column, else folder, else table's name, else "".

    A part is what a column says, else the folder of the image, else the table's name. Rows without a label, and images
    without a row, are left out.

    Raises:
        UserError: An image has several labels, a row means several files, or there are fewer than two classes.
    """
    index = FileIndex(image_paths(top))
    places = fold_words(one.path for one in tables)
    origin = f"column {tables[0].columns['label']!r} of {places}, files by {tables[0].columns['file']!r}"
    files: dict[str, LabelledFile] = {}
    missing: list[tuple[str, str]] = []
    unlabelled: list[str] = []
    for table in tables:
        check_single_labels(table)
        folder, stem = table.path.rpartition("/")[0], Path(table.path).stem
        table_part = part_of(stem) if part_of(stem) in PARTS else ""
        for row in table_rows(table):
            paths = index.find(row["file"], folder, row["part"] or table_part)
            if len(paths) > 1:
                raise UserError(
                    f"{table.path}: {row['file']!r} may be {paths[0]} or {paths[1]}: give the paths of the files"
                )
            if row["label"] in NO_LABEL:
                unlabelled += paths
            elif not paths:
                missing.append((row["file"], f"in {table.path}, but not there"))
            else:
                file = labelled_file(paths[0], row, table_part)
                other = files.setdefault(file.path, file)
                if other.label != file.label:
                    raise several_labels(table.path, f"{row['file']} is {other.label} and {file.label}")
                if other.part != file.part:
                    raise UserError(
                        f"{places}: {file.path} is of two parts, {other.part or 'none'} and {file.part or 'none'}: "
                        "take it out of one"
                    )
    classes = sorted({file.label for file in files.values()})
    check_labels_are_folders(classes, origin)
    labelled = LabelledFiles(
        source, "", [files[path] for path in index.paths if path in files], classes, origin, missing
    )
    labelled.columns = ("part", "group")
    labelled.grouped_by = f"column {tables[0].columns['group']!r} of {places}"
    with_row = {*files, *unlabelled}
    rest = [path for path in index.paths if path not in with_row]
    labelled.left_out += left_out_lines(top, rest, unlabelled, tables, places)
    return labelled


def table_rows(table: LabelTable) -> Iterable[dict[str, str]]:
    """Yield `file`, `label`, `part`, `part_word` (the part as written) and `group` of each row that has a file.

    The part is `train`, `validation`, `test` or "".

    Raises:
        UserError: A part is none of these.
    """
    texts = {
        key: [composed(text.strip()) for text in table.rows[column]] if column else [""] * len(table.rows)
        for key, column in table.columns.items()
    }
    for number, values in enumerate(zip(*texts.values(), strict=True)):
        row = dict(zip(texts, values, strict=True))
        word = row["part"]
        row |= {"part": part_of(word), "part_word": word}
        if word and row["part"] not in PARTS:
            raise UserError(f"{table.path}: row {number + 1}: {word!r} is no part such as train, validation or test")
        if row["file"]:
            yield row


def labelled_file(path: str, row: Mapping[str, str], table_part: str) -> LabelledFile:
    """Return the labelled file of a row; its part is the row's, else its folder's, else what the table's name says."""
    part, folder = part_of_path(path)
    if row["part"]:
        part, folder = row["part"], row["part_word"]
    return LabelledFile(path, join_path(row["label"], path), row["label"], part or table_part, row["group"], folder)


def left_out_lines(
    top: Folder, rest: list[str], unlabelled: list[str], tables: list[LabelTable], places: str
) -> Iterable[str]:
    """Yield a line on each kind of what is left out: images without label or, by folder, row; columns; other files."""
    if unlabelled:
        yield f"images without a label in {places}: {len(unlabelled):,}: {fold_words(unlabelled, MOST_EXAMPLES)}"
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in rest:
        by_folder[path.rpartition("/")[0]].append(path)
    for folder, paths in by_folder.items():
        what = f"{folder}, with {len(paths):,} files" if folder else f"{len(paths):,} files"
        yield f"{what}: in no row of {places}: {fold_words((path.rpartition('/')[2] for path in paths), MOST_EXAMPLES)}"
    for table in tables:
        if unused := [str(name) for name in table.rows.columns if name not in table.columns.values()]:
            yield f"columns of {table.path}: {fold_words(unused, MOST_EXAMPLES)}"
    named = {*image_paths(top), *(table.path for table in tables)}
    if beside := [path for path in top.file_paths() if path not in named and not path.endswith(GROUPS)]:
        yield f"no images by their names: {len(beside):,}: {fold_words(beside, MOST_EXAMPLES)}"
    if skipped := Counter(name for folder in top.walk() for name in folder.skipped):
        yield f"hidden, or litter of a system: {skipped.total():,}: {fold_words(skipped, MOST_EXAMPLES)}"


def find_label_tables(
    source: Path, top: Folder, links: str, rules: LabelRules, endings: tuple[str, ...], problems: list[str]
) -> list[LabelTable]:
    """Return a source's tables or lists that label its images, sorted by path, but not submissions or `groups.csv`.

    Of a table that names images, and does not say their labels, the reason is noted in `problems`.

    Args:
        source: Where the source lies.
        top: The source as it was read.
        links: Where its links may lead.
        rules: The names of columns.
        endings: Of the files' names.
        problems: The list that takes the reasons.
    """
    index = FileIndex(image_paths(top))
    tables, others = [], []
    for path in top.file_paths():
        name = path.rpartition("/")[2].lower()
        if name.endswith(endings) and name != GROUPS and "submission" not in name and "submit" not in name:
            try:
                tables.append(read_label_table(source / path, path, source, links, rules, index))
            except OtherTableError as error:
                others.append(str(error))
            except UserError as error:
                problems.append(str(error))
    problems += [reason for reason in others if "are there;" in reason]
    return tables


def read_label_table(
    file: Path, path: str, source: Path, links: str, rules: LabelRules, index: FileIndex
) -> LabelTable:
    """Return a table's rows, and its columns of file, label, part and group, "" where there is no part or group.

    Args:
        file: The table.
        path: Its path, for messages, from the source.
        source: The folder that links must not leave.
        links: Where they may lead.
        rules: The names of columns that are given.
        index: The images of the source.

    Raises:
        OtherTableError: It names no images of the source.
        UserError: It cannot be read, or lacks a column that is named, or does not say which column has the labels.
    """
    rows = read_rows(file, path, source, links, index)
    columns = [str(name) for name in rows.columns]
    chosen = {key: getattr(rules, f"{key}_column") for key in ("file", "label", "part", "group")}
    for key, name in chosen.items():
        if name and name not in columns:
            raise unknown_name(f"column for {key}_column in {path}", name, columns)
    folder = path.rpartition("/")[0]
    chosen["file"] = chosen["file"] or find_file_column(rows, index, folder)
    if not chosen["file"]:
        raise OtherTableError(f"{path}: {reason_of_no_files(rows, index)}")
    others = [name for name in columns if name != chosen["file"]]
    for key, names in (("part", PART_NAMES), ("group", GROUP_NAMES)):
        chosen[key] = chosen[key] or column_by_name([name for name in others if name != chosen["label"]], names)
    if not rules.part_column and chosen["part"] and not all_parts(rows[chosen["part"]]):
        chosen["part"] = ""
    others = [name for name in others if name not in (chosen["part"], chosen["group"])]
    if not others:
        raise OtherTableError(f"{path}: no column is left that could have the labels")
    by_name = chosen["label"] or column_by_name(others, LABEL_NAMES)
    is_only = len(others) == 1 and may_be_labels(others[0], rows[others[0]].tolist())
    chosen["label"] = by_name or (others[0] if is_only else "")
    if not chosen["label"]:
        named = [name for name in others if not name.startswith(NUMBERED)]
        flags = [name for name in named if {*rows[name]} <= {"0", "1", "0.0", "1.0"}]
        if len(flags) > 1:
            raise UserError(
                f"{path} has a column of 0 and 1 for each class, {fold_words(flags)}: make one column `label` with the "
                "name of the class, if an image has one label alone; several an image are not read"
            )
        raise UserError(f"{path}: which column has the labels, of {fold_words(others)}? set label_column")
    return LabelTable(path, rows, chosen, bool(by_name))


def reason_of_no_files(rows: "pd.DataFrame", index: FileIndex) -> str:
    """Return why no column of a table names the images of a source, in words."""
    columns = [str(name) for name in rows.columns]
    if not len(rows) or not columns:
        return "it has no rows"
    if (name := column_by_name(columns, FILE_NAMES)) and index.paths:
        count = sum(bool(index.find(value, "")) for value in rows[name])
        return (
            f"of the {len(rows):,} images that its column {name!r} names, such as {rows[name].iloc[0]!r}, {count:,} "
            f"are there; of the source's, the first is {index.paths[0]}: are some missing, or named otherwise?"
        )
    return f"no column names images of the source; its columns are {fold_words(columns)}: set file_column"


def may_be_labels(name: str, values: list[str]) -> bool:
    """Return whether a column may have the labels: it has no name, or none such as `age`, and values that repeat.

    So it is asked of the only other column, where that has no usual name. Fractions are no labels.
    """
    kinds = len({*values})
    if name.startswith(NUMBERED):  # of a list of files and labels
        return True
    if plain_name(name) in OTHER_NAMES or any(re.fullmatch(r"-?\d*\.\d+", value) for value in values):
        return False
    return kinds < len(values) if len(values) < FEW else kinds <= len(values) / 2


def plain_name(column: str) -> str:
    """Return a column's name in small letters, without all that is no a-z or 0-9: `imageid` of `Image_ID`.

    By it names are compared.
    """
    return re.sub(r"[^a-z0-9]", "", column.lower())


def column_by_name(columns: list[str], names: tuple[str, ...]) -> str:
    """Return the column whose plain name comes first in `names`, the leftmost of several; "" if there is none."""
    plain = {plain_name(column): column for column in reversed(columns)}
    return next((plain[name] for name in names if name in plain), "")


def all_parts(values: "pd.Series") -> bool:
    """Return whether all values but empty ones name train, validation or test, and one is at least."""
    parts = {part_of(value) for value in values if value}
    return bool(parts) and parts <= {*PARTS}


def find_file_column(rows: "pd.DataFrame", index: FileIndex, folder: str) -> str:
    """Return the first column, usual names before others, of whose sampled values half or more are files; or ""."""
    columns = [str(name) for name in rows.columns]
    usual = {name: rank for rank, name in enumerate(FILE_NAMES)}
    for name in sorted(columns, key=lambda name: usual.get(plain_name(name), len(usual))):
        sample = rows[name].iloc[:: max(1, len(rows) // SAMPLE)].tolist()
        is_known = plain_name(name) in usual or name.startswith(NUMBERED)
        if not is_known and all(value.isdecimal() for value in sample):
            continue  # numbers of something else
        if sample and sum(bool(value and index.find(value, folder)) for value in sample) >= MIN_SHARE * len(sample):
            return name
    return ""


def read_rows(file: Path, path: str, source: Path, links: str, index: FileIndex) -> "pd.DataFrame":
    """Return the rows of a table or list, all of text; without a heading, columns are `column 1`, `column 2`, ...

    Raises:
        UserError: It cannot be read.
    """
    import pandas as pd

    if file.name.lower().endswith(".parquet"):
        return read_parquet(file, path)
    text = read_text(file, source, links)
    if file.name.lower().endswith((".jsonl", ".ndjson")):
        return read_json_lines(text, path)
    lines = text.splitlines()
    first = lines[0] if lines else ""
    separator = max(",;\t", key=first.count)
    if separator in first:
        try:
            rows = [row for row in csv.reader(lines, delimiter=separator, strict=True) if row]
        except csv.Error as error:
            raise UserError(f"{path} is no table ({error}): correct it") from error
    else:
        rows = [[*line.rpartition(" ")[::2]] for line in lines if line.strip()]
        rows = rows if all(row[0] for row in rows) else [[line] for line in lines if line.strip()]
    width = len(rows[0]) if rows else 0
    if wrong := next((number for number, row in enumerate(rows, 1) if len(row) != width), 0):
        raise UserError(f"{path}: row {wrong} has {len(rows[wrong - 1])} columns, the first {width}: correct it")
    folder = path.rpartition("/")[0]
    if not rows or any(index.find(cell, folder) for cell in rows[0] if cell) or len({*rows[0]}) < width:
        return pd.DataFrame(rows, columns=[f"{NUMBERED}{number + 1}" for number in range(width)], dtype=str)
    return pd.DataFrame(rows[1:], columns=[name.strip() for name in rows[0]], dtype=str)


def read_json_lines(text: str, path: str) -> "pd.DataFrame":
    """Return the rows of lines of JSON, each an object, numbers as they are written; absent values are empty.

    Raises:
        UserError: A line is no object of JSON, or has several labels.
    """
    import pandas as pd

    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_int=str, parse_float=str)
        except ValueError as error:
            raise UserError(f"{path}: line {number} is no JSON ({error}): correct it") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}: line {number}: `name: value` pairs expected; received {shorten(row)}")
        rows.append({str(key): cell_text(value) for key, value in row.items()})
    return pd.DataFrame(rows, dtype=object).fillna("")


def read_parquet(file: Path, path: str) -> "pd.DataFrame":
    """Return the rows of a parquet file, all of text: whole-number columns without a point, absent cells empty.

    Raises:
        UserError: It cannot be read.
    """
    import pandas as pd

    try:
        table = pd.read_parquet(file, dtype_backend="pyarrow")
    except ImportError:
        raise UserError(f"{path}: parquet needs the package pyarrow: install it, or give the table as CSV") from None
    except Exception as error:
        raise UserError(f"{path} cannot be read as parquet ({shorten(str(error))}): mend or remove it") from error
    columns = {str(name): [cell_text(value) for value in table[name].tolist()] for name in table}
    return pd.DataFrame(columns, dtype=object)


def cell_text(value: Any) -> str:
    """Return a value of a table as text: "" for None, NA or an empty list; a list's items with bars between: `a|b`.

    Lists of more are several labels, if they are labels: `check_single_labels` refuses them.
    """
    import pandas as pd

    if value is None or value is pd.NA:
        return ""
    if isinstance(value, list | tuple):
        return "|".join(cell_text(one) for one in value)
    return str(value)


def check_single_labels(table: LabelTable) -> None:
    """Refuse a table with several labels in a cell: `a|b` or `a;b` if either is a label, too, `a b` if both are.

    Raises:
        UserError: One has.
    """
    labels = {composed(label.strip()) for label in table.rows[table.columns["label"]]}
    is_plural = plain_name(table.columns["label"]) in SEVERAL_NAMES
    for label in sorted(labels):
        bars = [one.strip() for one in re.split(r"[|;]", label)]
        parts = [one.strip() for one in re.split(r"[\s,]+", label)]
        alone = {*parts} & (labels - {label})
        if (
            re.fullmatch(r"\[.*,.*\]|\{.*:.*\}", label)
            or (len(bars) > 1 and {*bars} & (labels - {label}))
            or (len(parts) > 1 and ({*parts} <= labels or (alone and is_plural)))
        ):
            raise several_labels(table.path, repr(label))


def several_labels(path: str, example: str) -> UserError:
    """Return, not raise, the error for a table with several labels an image."""
    return UserError(
        f"{path} has several labels an image, such as {example}: images with one label each are compared here; choose "
        "one for each, or leave such images out of the table"
    )

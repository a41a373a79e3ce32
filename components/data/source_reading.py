"""A source is read: whatever labels its images, as rules say or as is found, becomes one list of labelled files."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from components.data.class_folders import ClassFolders, find_class_folders
from components.data.datasets import DataSet
from components.data.folders import Folder, composed, join_path, read_folder, read_untrusted
from components.data.label_tables import (
    LISTS,
    TABLES,
    FileIndex,
    LabelTable,
    find_file_column,
    find_label_tables,
    label_by_tables,
    read_label_table,
    read_rows,
    table_rows,
)
from components.data.labelled_files import (
    LabelledFile,
    LabelledFiles,
    LabelRules,
    check_no_masks,
    select_classes,
    split_names,
)
from components.data.lists import find_lists, read_text
from components.data.part_names import part_of
from components.data.path_labels import PARTS, image_paths, label_by_leaves, label_by_names
from components.data.sources import local_path
from components.system.errors import UserError, fold_words

MOST_EXAMPLES = 4
BOXES = re.compile(r"\s*(<\?xml[^>]*>\s*)?<annotation|\d+( [01]?\.\d+){4,}\s")  # VOC's, and YOLO's
CHOICES = "labels: leaves or names, or the path of a table"


def read_source(source: Path, entry: DataSet | None, rules: LabelRules, links: str) -> LabelledFiles:
    """Return the labelled files of a source; no image is opened.

    Args:
        source: A folder; what labels its images may lie deeper in it.
        entry: The registered data set, whose class folders count; None for images of a person's own.
        rules: What labels a person's own images.
        links: Where the source's links may lead: `inside` it, or to a `store`.

    Raises:
        UserError: Nothing labels the images, or more than one thing in different ways, or what does is not right.
    """
    top = read_folder(source)
    if entry:
        return label_by_folders(find_class_folders(source, top, entry), find_lists(source, source, entry))
    if rules.labels == "leaves":
        labelled = label_by_leaves(source, top)
    elif rules.labels == "names" or (rules.labels == "auto" and rules.pattern):
        labelled = label_by_names(source, top, rules.pattern)
    elif rules.labels in ("auto", "folders"):
        labelled = find_labels(source, top, rules, links)
    else:
        labelled = label_by_tables(source, top, [named_table(source, top, rules, links)])
    select_classes(labelled, rules)
    check_no_masks(labelled)
    return labelled


def find_labels(source: Path, top: Folder, rules: LabelRules, links: str) -> LabelledFiles:
    """Return the files in class folders or, with `auto`, where there are none, those that tables in the source name.

    Raises:
        UserError: There are neither, or both and they disagree.
    """
    if rules.labels == "folders":
        return read_class_folders(source, top, rules, links)
    problems: list[str] = []
    tables = find_label_tables(source, top, links, rules, TABLES, problems)
    try:
        labelled = read_class_folders(source, top, rules, links)
    except UserError as error:
        tables = tables or find_label_tables(source, top, links, rules, LISTS, problems)
        if tables:
            return label_by_tables(source, top, tables)
        refuse_other_formats(source, top, links)
        if problems:
            raise UserError(problems[0]) from error
        raise UserError(f"{error}; or say what labels the images ({CHOICES})") from error
    for table in tables:
        if table.named or rules.label_column:
            check_table_agrees(labelled, table, top)
    return labelled


def read_class_folders(source: Path, top: Folder, rules: LabelRules, links: str) -> LabelledFiles:
    """Return the files in the class folders of a person's own images; those of classes to leave out are not looked at.

    Raises:
        UserError: There are no class folders, or they can be read in more than one way.
    """
    class_folders = find_class_folders(source, top, None, split_names(rules.without_classes))
    labelled = label_by_folders(class_folders, find_lists(source, source / class_folders.root.path, None))
    if not any(file.part for file in labelled.files):
        take_parts_of_lists(labelled, top, links)
    return labelled


def take_parts_of_lists(labelled: LabelledFiles, top: Folder, links: str) -> None:
    """Give the files in class folders the parts of the lists that name them, such as `train.txt` and `test.txt`.

    A list is in the source, is named like a part, and names files of these alone, a line each. One that names a file of
    another part is not taken, and it is said.
    """
    index = FileIndex([file.path for file in labelled.files])
    listed_parts: dict[str, tuple[str, str]] = {}
    for path in top.file_paths():
        if not path.lower().endswith((*LISTS, ".csv", ".tsv")) or (part := part_of(Path(path).stem)) not in PARTS:
            continue
        try:
            rows = read_rows(labelled.source / path, path, labelled.source, links, index)
        except UserError:
            continue
        column = find_file_column(rows, index, path.rpartition("/")[0])
        named = [index.find(value, "") for value in rows[column]] if column else []
        if not named or not all(len(files) == 1 for files in named):
            continue
        if any(listed_parts.get(file, (part, ""))[0] != part for (file,) in named):
            labelled.left_out.append(f"the parts that {path} says: it names files of another part, too")
            continue
        listed_parts.update({file: (part, path) for (file,) in named})
    if listed_parts:
        labelled.columns = ("part",)
        labelled.files = [
            replace(file, part=part, part_folder=path)
            for file in labelled.files
            for part, path in [listed_parts.get(file.path, ("", ""))]
        ]


def label_by_folders(class_folders: ClassFolders, lists: Sequence[Path]) -> LabelledFiles:
    """Return all files below class folders, with the folders' labels and parts, and lines on what is left out.

    Args:
        class_folders: The class folders.
        lists: The lists beside them that are read.
    """
    files, source = [], class_folders.source
    for member in sorted(class_folders.members, key=lambda member: (member.folder.name, member.part_folder)):
        for path in member.folder.file_paths():
            within = path.removeprefix(f"{member.folder.path}/")
            target = composed(join_path(member.label, member.part_folder, within))
            files.append(LabelledFile(path, target, member.label, member.part, "", member.part_folder))
    above = all(member.part_folder == member.folder.name for member in class_folders.members)
    has_parts = class_folders.members[0].part != ""
    kind = "class folders" if not has_parts else "folders of parts in class folders" if above else ""
    inner = sorted(inside.path for member in class_folders.members for inside in member.folder.folders)
    within = f"; to a class belong the folders in it, {fold_words(inner, MOST_EXAMPLES)}" if inner else ""
    origin = f"names of the {kind or 'class folders in folders of parts'} in {class_folders.place()}{within}"
    labelled = LabelledFiles(source, class_folders.root.path, files, class_folders.labels, origin, lists=[*lists])
    labelled.missing = [(labelled.name(path), reason_for(source, path)) for path in class_folders.linked_folders()]
    labelled.left_out = [*lines_of_left_out(class_folders, {path.relative_to(source).as_posix() for path in lists})]
    return labelled


def reason_for(source: Path, path: str) -> str:
    """Return why a link that does not lead to a file cannot be read."""
    try:
        read_untrusted(source / path, source, "store")
    except (ValueError, OSError) as error:
        return str(error)
    return "a link that has changed"


def lines_of_left_out(class_folders: ClassFolders, lists: set[str]) -> Iterator[str]:
    """Yield a line for each folder left out, one for files beside class folders, if any, and one for hidden names."""
    members = {one.folder.path for one in class_folders.members}
    holders = {"", class_folders.root.path} | {path.rpartition("/")[0] for path in members}
    used = {*lists, *class_folders.linked_folders()}
    beside: list[str] = []
    skipped = Counter[str]()
    pending = [class_folders.top]
    while pending:
        folder = pending.pop()
        if folder.path in members:
            skipped.update(name for inside in folder.walk() for name in inside.skipped)
        elif any(f"{path}/".startswith(f"{folder.path}/".lstrip("/")) for path in holders):
            beside += [path for name in folder.files if (path := join_path(folder.path, name)) not in used]
            skipped.update(folder.skipped)
            pending += reversed(folder.folders)
        else:
            reason = class_folders.left_out.get(folder.path, "it is no class folder")
            yield f"{folder.path}, with {len(folder.file_paths()):,} files: {reason}"
    if beside:
        yield f"beside the class folders: {len(beside):,}: {fold_words(beside, MOST_EXAMPLES)}"
    if skipped:
        names = fold_words((f"{name} {count:,}" for name, count in skipped.most_common()), MOST_EXAMPLES)
        yield f"hidden, or litter of a system: {skipped.total():,}: {names}"


def named_table(source: Path, top: Folder, rules: LabelRules, links: str) -> LabelTable:
    """Return the table that the rules name, in the source or else from the project on.

    Raises:
        UserError: It is not there, or does not label the images.
    """
    index = FileIndex(image_paths(top))
    inside, outside = source / rules.labels, local_path(rules.labels)
    if inside.is_file():
        return read_label_table(inside, rules.labels, source, links, rules, index)
    if outside.is_file():
        return read_label_table(outside, outside.name, outside.parent, links, rules, index)
    raise UserError(
        f"labels: {rules.labels!r} is no table in {top.name}, nor from the project on: give auto, folders, leaves, "
        "names, or the path of a table"
    )


def check_table_agrees(labelled: LabelledFiles, table: LabelTable, top: Folder) -> None:
    """Raise unless a table gives all images of any one class folder the same label; two folders may share one.

    Raises:
        UserError: It does not.
    """
    index, folder = FileIndex(image_paths(top)), table.path.rpartition("/")[0]
    labels = {file.path: file.label for file in labelled.files}
    first: dict[str, tuple[str, str]] = {}
    for row in table_rows(table):
        for path in index.find(row["file"], folder):
            if path not in labels or not row["label"]:
                continue
            label, other = first.setdefault(labels[path], (row["label"], path))
            if label != row["label"]:
                raise UserError(
                    f"the class folders and {table.path} label images differently: {other} and {path} are both "
                    f"{labels[path]} by their folder, and {label} and {row['label']} by column "
                    f"{table.columns['label']!r}: choose `labels: folders` or `labels: {table.path}`"
                )


def refuse_other_formats(source: Path, top: Folder, links: str) -> None:
    """Raise an error for a source that holds boxes in images (COCO, YOLO, VOC) or serialised examples (TFDS).

    Raises:
        UserError: It does.
    """
    for path in top.file_paths():
        name = path.rpartition("/")[2].lower()
        if ".tfrecord" in name or name.endswith(".tfrec"):
            raise UserError(
                f"{join_path(top.name, path)}: a directory of TensorFlow Datasets, or of TFRecords, is not read: write "
                "the images to files, one folder a class"
            )
        if name.endswith(".json") and is_coco(source / path, source, links):
            raise UserError(
                f"{join_path(top.name, path)} has boxes of objects in images (COCO), not a label for each image: cut "
                "the objects out, one folder a class"
            )
        if name.endswith((".txt", ".xml")) and BOXES.match(text_or_nothing(source / path, source, links)):
            raise UserError(
                f"{join_path(top.name, path)} has boxes of objects in an image (YOLO, VOC), not a label for each "
                "image: cut the objects out, one folder a class"
            )


def text_or_nothing(file: Path, source: Path, links: str) -> str:
    """Return the text of a file, "" if it cannot be read as text."""
    try:
        return read_text(file, source, links)
    except UserError:
        return ""


def is_coco(file: Path, source: Path, links: str) -> bool:
    """Return whether a JSON file is an object with `images` and `annotations`, as COCO's; no if it is unreadable."""
    try:
        content = json.loads(text_or_nothing(file, source, links))
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"images", "annotations"} <= content.keys()

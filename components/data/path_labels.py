"""Labels from paths: from the folder that holds an image, at any depth, or from the names of the files."""

import re
from collections import defaultdict
from pathlib import Path

from components.data.class_folders import may_be_images
from components.data.folders import Folder, composed, join_path
from components.data.labelled_files import LabelledFile, LabelledFiles, check_labels_are_folders
from components.data.lists import GROUPS
from components.data.part_names import part_of
from components.system.errors import UserError, fold_words

MASKS = {"annotation", "annotations", "masks", "segmentation", "segmentations", "trimaps"}
PARTS = ("train", "validation", "test")
NAME_BEFORE_NUMBER = re.compile(  # of `cat.12.jpg`, `yellow_lab_12.jpg`, `cat12.jpg` and `cat (12).jpg`
    r"(?:.*/)?(?P<label>[^/]+?)(?:[\s._-]+\(?\d+\)?|(?<=[^\W\d_])\d+|\s*\(\d+\))(?:\.\w+)?"
)


def image_paths(top: Folder) -> list[str]:
    """Return the sorted paths from the source of files that by their names could be images; not in folders of masks.

    Those in folders of annotations or masks are left out.
    """
    return [
        path
        for path in top.file_paths()
        if may_be_images([path]) and not {name.casefold() for name in path.split("/")[:-1]} & MASKS
    ]


def part_of_path(path: str) -> tuple[str, str]:
    """Return the part, and the name, of a path's first folder named as train, validation or test; or "" twice."""
    for name in path.split("/")[:-1]:
        if (part := part_of(name)) in PARTS:
            return part, name
    return "", ""


def label_by_leaves(source: Path, top: Folder) -> LabelledFiles:
    """Return the images of a source, each labelled by the name of the folder that holds it.

    Folders of one name are one class if published parts are all that they differ in.

    Raises:
        UserError: Images lie beside folders with images, in no folder, or in two classes of one name.
    """
    files = []
    places: dict[tuple[str, str], str] = {}
    holders: dict[str, list[str]] = defaultdict(list)
    for path in image_paths(top):
        holders[path.rpartition("/")[0]].append(path)
    above = {parent for folder in holders for parent in parents(folder)}
    for folder, paths in holders.items():
        label = composed(folder.rpartition("/")[2])
        part, part_folder = part_of_path(paths[0])
        if not label or part_of(label) or folder in above:
            where = "in no folder of a class" if not label or part_of(label) else "beside folders with images"
            raise UserError(
                f"{join_path(top.name, paths[0])} lies {where}: with `labels: leaves` each folder that holds images "
                "is a class, and holds no other"
            )
        other = places.setdefault((label, part), folder)
        if other != folder:
            raise UserError(
                f"{join_path(top.name, other)} and {join_path(top.name, folder)} are two folders of the name {label}: "
                "rename one, or make one folder of them"
            )
        for path in paths:
            target = join_path(label, part_folder, path.rpartition("/")[2])
            files.append(LabelledFile(path, target, label, part, "", part_folder))
    return with_classes(source, top, files, f"names of the folders that hold the images, in {top.name}")


def parents(folder: str) -> list[str]:
    """Return the paths of the folders above a folder, outermost first: "", `a` and `a/b` of `a/b/c`; [] for ""."""
    names = folder.split("/")
    return ["/".join(names[:count]) for count in range(len(names))] if folder else []


def label_by_names(source: Path, top: Folder, pattern: str) -> LabelledFiles:
    """Return the images of a source, labelled by what a pattern finds in their paths; others are in `missing`.

    Args:
        source: Where the source lies.
        top: The source as it was read.
        pattern: A regular expression that is searched in each path from the source, with a group `label`, and perhaps
            `part` and `group`; if empty, the label is the file's name up to the number at its end.

    Raises:
        UserError: It says a part that is none, or fewer than two labels.
    """
    expression = re.compile(pattern) if pattern else NAME_BEFORE_NUMBER
    files, missing = [], []
    for path in image_paths(top):
        match = expression.search(path) if pattern else expression.fullmatch(path)
        values = {key: composed(value or "") for key, value in match.groupdict().items()} if match else {}
        if not values.get("label"):
            missing.append((path, "no label in its name"))
            continue
        part, part_folder = part_of_path(path)
        if word := values.get("part"):
            part, part_folder = part_of(word), word
            if part not in PARTS:
                raise UserError(f"pattern: {word!r}, in {path}, is no part such as train, validation or test")
        label = values["label"]
        files.append(LabelledFile(path, join_path(label, path), label, part, values.get("group", ""), part_folder))
    what = f"what {pattern!r} finds in the paths" if pattern else "names of the files, up to the number at their end,"
    labelled = with_classes(source, top, files, f"{what} in {top.name}", missing)
    labelled.columns, labelled.grouped_by = ("part", "group"), "the pattern"
    return labelled


def with_classes(
    source: Path, top: Folder, files: list[LabelledFile], origin: str, missing: list[tuple[str, str]] | None = None
) -> LabelledFiles:
    """Return a `LabelledFiles` of files, with their sorted classes and, in `left_out`, a line on the files beside them.

    Raises:
        UserError: There are fewer than two classes, or one cannot be the name of a folder.
    """
    classes = sorted({file.label for file in files})
    check_labels_are_folders(classes, origin)
    labelled = LabelledFiles(source, "", files, classes, origin, missing or [])
    used = {file.path for file in files} | {path for path, _ in labelled.missing}
    beside = [path for path in top.file_paths() if path not in used and not path.endswith(GROUPS)]
    if beside:
        labelled.left_out.append(f"no images by their names: {len(beside):,}: {fold_words(beside, 4)}")
    return labelled

"""Class folders: where they lie in a source, the published part of each, its label, and what is left out."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from components.data.datasets import DataSet
from components.data.folders import Folder, check_path_name, composed, join_path
from components.data.part_names import part_of, split_part_name
from components.system.errors import UserError, fold_words

IMAGES = ("image", "images", "img", "imgs", "jpeg", "jpg", "photos", "pictures", "png")
CONTENTS = ("annotation", "annotations", "image", "images", "img", "imgs", "labels", "masks", "metadata")
PIECES = ("batch", "chunk", "data", "dataset", "fold", "folder", "images", "imgs", "part", "set", "shard", "split")
OTHER_FILES = (
    ".csv", ".db", ".doc", ".docx", ".h5", ".htm", ".html", ".ini", ".ipynb", ".json", ".jsonl", ".log", ".mat", ".md",
    ".npy", ".npz", ".parquet", ".pdf", ".pickle", ".pkl", ".py", ".rst", ".tsv", ".txt", ".xls", ".xlsx", ".xml",
    ".yaml", ".yml",
)  # fmt: skip
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")


@dataclass(frozen=True)
class ClassFolder:
    """A folder whose images have one label and, where there are published parts, lie in one of them.

    Args:
        folder: The folder.
        label: Its label.
        part: The published part: `train`, `validation` or `test`; "" without parts.
        part_folder: Name of the part's folder, as published; "" without parts.
    """

    folder: Folder
    label: str
    part: str = ""
    part_folder: str = ""


@dataclass
class ClassFolders:
    """The class folders of a source.

    Args:
        source: Where the source lies.
        top: The source as it was read.
        root: The folder in it below which the class folders lie, by themselves or in folders of parts.
        members: The class folders; one of each part, where there are parts.
        labels: The labels, in order.
        left_out: Why a folder is left out, by its path.
        without: Names of folders that are left out where they would be classes.
    """

    source: Path
    top: Folder
    root: Folder
    members: list[ClassFolder] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    without: Collection[str] = ()

    def place(self, *names: str) -> str:
        """Return the path of `root`, or of names below it, from the source's name on, for messages: `flowers/red`."""
        return join_path(self.top.name, self.root.path, *names)

    def linked_folders(self) -> list[str]:
        """Return the paths from the source, sorted, of links beside class folders that lead to a folder or nowhere."""
        parents = {one.folder.path.rpartition("/")[0] for one in self.members} | {self.root.path}
        files = (join_path(one.path, name) for one in self.root.walk() if one.path in parents for name in one.files)
        return sorted(
            path for path in files if (self.source / path).is_symlink() and not (self.source / path).is_file()
        )


def find_class_folders(source: Path, top: Folder, entry: DataSet | None, without: Collection[str] = ()) -> ClassFolders:
    """Return the class folders of a source, with labels and parts, and what was left out.

    Of a registered data set they lie in the first folder, from the top, that holds folders of its classes, or published
    parts with such. Of a person's own images they lie in the first folder that does not hold exactly one folder, in it
    or below folders of parts, or hold such folders themselves.

    Args:
        source: The folder to search, at any depth.
        top: What was read of it.
        entry: The registered data set; None for images of a person's own.
        without: Names of folders in the place of classes that are none, or are not to be taken.

    Raises:
        UserError: There are no class folders, or not those of the entry, or they can be read in more than one way.
    """
    class_folders = find_registered(source, top, entry) if entry else find_own(source, top, without)
    names = sorted({member.folder.name if entry else member.label for member in class_folders.members})
    class_folders.labels = list(entry.classes) if entry else names
    class_folders.members.sort(key=lambda member: (member.folder.name if entry else member.label, member.part_folder))
    if len(names) < 2 or (entry and names != sorted(entry.labels)):
        expected = f"the classes {', '.join(entry.labels)}" if entry else "two or more folders, one a class,"
        linked = fold_words(class_folders.linked_folders())
        links = f"; links to folders are not followed: {linked}" if linked else ""
        raise UserError(f"{class_folders.place()}: {expected} expected; received {fold_words(names) or 'none'}{links}")
    for name in names:
        try:
            check_path_name(name)
        except ValueError as error:
            raise UserError(f"the folder {name}: {error}: rename it") from None
    if not entry:
        holding = {
            member.label: member.folder.path for member in class_folders.members if may_hold_images(member.folder)
        }
        only = join_path(top.name, *holding.values()) if len(holding) == 1 and not class_folders.members[0].part else ""
        check_classes_have_images(top.name, [name for name in names if name not in holding], only)
        check_labels(class_folders)
        check_spellings(class_folders)
        check_classes_are_trained(class_folders)
        check_inner_folders(class_folders)
    return class_folders


def find_registered(source: Path, top: Folder, entry: DataSet) -> ClassFolders:
    """Return the folders of a registered data set's classes and those beside them, labelled ""; `labels` is not set.

    Raises:
        UserError: No folder of the source holds folders of its classes.
    """
    folders = [top.readable()]
    for folder in folders:
        class_folders = ClassFolders(source, top, folder)
        if any(inside.name in entry.labels for inside in folder.folders):
            class_folders.members = [ClassFolder(one, entry.labels.get(one.name, "")) for one in folder.folders]
            return class_folders
        for inside in folder.folders:
            part = part_of(inside.name)
            if part and any(one.name in entry.labels for one in inside.readable().folders):
                class_folders.members += [
                    ClassFolder(one, entry.labels.get(one.name, ""), part, inside.name) for one in inside.folders
                ]
        if class_folders.members:
            return class_folders
        folders += [inside.readable() for inside in folder.folders]
    raise UserError(
        f"{top.name} has no folders {', '.join(entry.labels)}, which hold the images of this data set: check the source"
    )


def find_own(source: Path, top: Folder, without: Collection[str]) -> ClassFolders:
    """Return a person's class folders, one for each class of each part; their `labels` are left to the caller.

    Raises:
        UserError: They can be read in more than one way.
    """
    root, left_out = top.readable(), dict[str, str]()
    while wrapped := wrapped_folder(root):
        check_parts_are_folders(source, top, root)
        left_out |= {folder.path: "no image in it" for folder in root.folders if folder is not wrapped}
        root = wrapped.readable()
    check_parts_are_folders(source, top, root)
    class_folders = ClassFolders(source, top, root, without=without, left_out=left_out)
    folders = without_copies(class_folders, root)
    parts = find_parts(class_folders, folders)
    members = classes_in_parts(class_folders, parts) if parts else classes_in(class_folders, folders)
    class_folders.members = list(members)
    return class_folders


def wrapped_folder(folder: Folder) -> Folder | None:
    """Return the one folder in a folder, or the one named `images` or so if no other may have images; else None."""
    if len(folder.folders) == 1:
        return folder.folders[0]
    images = [inside for inside in folder.folders if inside.name.casefold() in IMAGES]
    others = [inside for inside in folder.folders if inside not in images]
    return images[0] if len(images) == 1 and not any(map(may_hold_images, others)) else None


def check_parts_are_folders(source: Path, top: Folder, folder: Folder) -> None:
    """Check that no link to a folder, and no archive, is named as a part that no folder beside it is.

    Raises:
        UserError: One is.
    """
    there = {"", *(part_of(one.name) for one in folder.folders)}
    for name in folder.files:
        if part_of(name.split(".")[0]) in there:
            continue
        path = join_path(folder.path, name)
        if (source / path).is_dir():
            raise UserError(
                f"{join_path(top.name, path)} is a link to a folder, which is not followed: put the folder in its place"
            )
        if name.lower().endswith(ARCHIVES):
            raise UserError(f"{join_path(top.name, path)} is an archive within the source: unpack it, or remove it")


def without_copies(class_folders: ClassFolders, folder: Folder) -> list[Folder]:
    """Return the folders in a folder, without those that `without` names and one that is a copy of all the others.

    What is left out is noted.

    Raises:
        UserError: One has the name of the folder that holds it, and is no such copy.
    """
    dropped = [one for one in folder.folders if composed(one.name) in class_folders.without]
    class_folders.left_out |= {one.path: "as without_classes says" for one in dropped}
    folders = [one for one in folder.folders if one not in dropped]
    for inside in folders:
        rest = [one for one in folders if one is not inside]
        if is_copy(class_folders.source, inside, folder, rest):
            class_folders.left_out[inside.path] = "a copy of what lies beside it"
            return rest
        if rest and same_name(inside.name, folder.name):
            raise UserError(
                f"{join_path(class_folders.top.name, inside.path)} has the name of the folder that holds it: remove it "
                "if it is a copy, or rename it if it is a class"
            )
    return folders


def is_copy(source: Path, inside: Folder, folder: Folder, rest: list[Folder]) -> bool:
    """Return whether `inside` holds the folders beside it again: files of the same paths and sizes, one at least.

    Args:
        source: Where the source lies.
        inside: The folder.
        folder: The folder that holds it.
        rest: The other folders in that.
    """
    if {one.name for one in inside.readable().folders} != {one.name for one in rest}:
        return False
    copied, others = (
        {path.removeprefix(f"{above.path}/"): source / path for one in folders for path in one.file_paths()}
        for above, folders in ((inside, inside.folders), (folder, rest))
    )
    if not copied or copied.keys() != others.keys():
        return False
    return all(size_of_file(path) == size_of_file(others[name]) for name, path in copied.items())


def size_of_file(path: Path) -> int:
    """Return the bytes of a file, -1 where there is none or it cannot be read."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def find_parts(class_folders: ClassFolders, folders: list[Folder]) -> list[tuple[Folder, str]]:
    """Return the folders named as parts, each with its part, also `unlabelled`; [] if the folders are classes.

    They are so by their names, or by all that their names differ in, as `flowers_train` and `flowers_test` are. Folders
    beside them in which no image can be are noted as left out.

    Raises:
        UserError: Some folders are named as parts, and others are not.
    """
    parts = {folder.name: part_of(folder.name) for folder in folders}
    if not any(parts.values()):
        part_and_rest = {folder.name: split_part_name(folder.name) for folder in folders}
        by_rest: dict[str, set[str]] = defaultdict(set)
        for part, rest in part_and_rest.values():
            by_rest[rest] |= {part} - {""}
        if any(len(several) > 1 for several in by_rest.values()):
            if len(by_rest) > 1 or not all(part for part, _ in part_and_rest.values()):
                raise UserError(
                    f"{class_folders.place()}: the folders {fold_words(part_and_rest)} seem to be both classes and "
                    "parts: make a folder of each part, with a folder of each class in it"
                )
            parts = {name: part for name, (part, _) in part_and_rest.items()}
    named = [(folder, parts[folder.name]) for folder in folders if parts[folder.name]]
    others = [folder for folder in folders if not parts[folder.name]]
    if named and (beside := [folder.name for folder in others if may_hold_images(folder)]):
        first = named[0][0].name
        raise UserError(
            f"{class_folders.place()}: folders named like parts of a data set, "
            f"{fold_words(one.name for one, _ in named)}, lie beside others, {fold_words(beside)}: if {first} is a "
            f"class, rename it, such as {first}_class; else move the others away"
        )
    if named:
        class_folders.left_out |= {folder.path: "no image in it" for folder in others}
    return named


def classes_in_parts(class_folders: ClassFolders, parts: list[tuple[Folder, str]]) -> Iterator[ClassFolder]:
    """Yield the class folders inside the folders `train`, `test`, ...; note in `left_out` those that have no classes.

    Those are parts with files alone, or with one folder that is no class of another part, such as `test/unknown`.

    Raises:
        UserError: The part to train on has no class folders, or one part lies in two folders.
    """
    inside = {folder.path: without_copies(class_folders, without_wrappers(folder)) for folder, _ in parts}
    names = {path: {composed(one.name) for one in folders} for path, folders in inside.items()}
    sure = set().union(*(several for several in names.values() if len(several) > 1))
    folder_of_part: dict[str, Folder] = {}
    for folder, part in parts:
        if not names[folder.path] & sure:
            class_folders.left_out[folder.path] = "no folders of the classes in it"
        elif part == "unlabelled":
            raise UserError(
                f"{class_folders.place(folder.name)} is named like a part without labels, and holds folders of "
                "classes: rename it to the part that it is, or move it away"
            )
        elif part in folder_of_part:
            raise UserError(
                f"{class_folders.place()}: {folder_of_part[part].name} and {folder.name} are both named like the "
                f"{part} part: rename one, or move it away"
            )
        else:
            folder_of_part[part] = folder
    missing = [folder.name for folder, part in parts if part == "train" and folder not in folder_of_part.values()]
    if not folder_of_part or missing:
        raise UserError(
            f"{class_folders.place()}: {fold_words(missing or [folder.name for folder, _ in parts])} is named like a "
            "part of a data set, and holds no two folders of classes: make a folder of each class in it; or rename "
            "it, if it is a class"
        )
    for part, folder in folder_of_part.items():
        for one in inside[folder.path]:
            yield ClassFolder(one, composed(one.name), part, folder.name)


def without_wrappers(part: Folder) -> Folder:
    """Return the folder that holds a part's class folders: its own, or the one further in if that is all it holds.

    It goes further in as long as a folder holds one folder, which holds folders, and no image.

    Raises:
        UserError: A folder cannot be read.
    """
    folder = part.readable()
    while len(folder.folders) == 1 and folder.folders[0].readable().folders and not may_be_images(folder.files):
        folder = folder.folders[0]
    return folder


def classes_in(class_folders: ClassFolders, folders: list[Folder]) -> Iterator[ClassFolder]:
    """Yield the class folders or, where they hold folders of parts, each of these, with its part and its class's name.

    Raises:
        UserError: Some hold folders of parts, and others hold something else.
    """
    above = [folder.name for folder in folders if any(part_of(inside.name) for inside in folder.folders)]
    for folder in folders:
        if not above:
            yield ClassFolder(folder, composed(folder.name))
            continue
        parts = [part_of(inside.name) for inside in folder.folders]
        if not parts or may_be_images(folder.files) or not {*parts} <= {"train", "validation", "test"}:
            raise UserError(
                f"{class_folders.place(above[0])} holds folders of parts, {class_folders.place(folder.name)} not those "
                "alone: make the same parts in every class folder; or give the folder in which the classes lie as the "
                "source"
            )
        if len({*parts}) < len(parts):
            raise UserError(
                f"{class_folders.place(folder.name)}: {fold_words(one.name for one in folder.folders)} are two folders "
                "of one part: rename one, or move it away"
            )
        for inside, part in zip(folder.folders, parts, strict=True):
            yield ClassFolder(inside, composed(folder.name), part, inside.name)


def check_classes_have_images(source: str, empty: list[str], better: str = "") -> None:
    """Raise a UserError that names classes without an image, if there are any, and the source, and a better one."""
    if empty:
        raise UserError(
            f"{source} has no readable image of {fold_words(empty)}: add some, or remove the folder; or if that is no "
            f"class, give the folder in which the classes lie as the source{f', such as {better}' if better else ''}"
        )


def check_labels(class_folders: ClassFolders) -> None:
    """Check that no class is named like a part, or like a folder of what all classes have, such as `images`.

    Nor are all of them named like pieces of one data set, such as `images_part_1` and `images_part_2`.

    Raises:
        UserError: One is, or all are.
    """
    stems = {re.sub(r"[\W\d_]", "", label).casefold() for label in class_folders.labels}
    if len(stems) == 1 and stems.pop().endswith(PIECES):
        raise UserError(
            f"{class_folders.place()}: the folders {fold_words(class_folders.labels)} are named like pieces of one "
            "data set: rename them if they are classes; else make a folder of each class"
        )
    for label in class_folders.labels:
        if part_of(label) or label.casefold() in CONTENTS:
            kind = "a part of a data set" if part_of(label) else "what belongs to all classes"
            raise UserError(
                f"{class_folders.place()}: the folder {label!r}, in the place of a class, is named like {kind}: rename "
                "it if it is a class; else give the folder in which the classes lie as the source"
            )


def two_spellings(labels: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two labels that differ in case, blanks, hyphens and underscores alone; None if none do.

    The case of a single letter counts.
    """
    spellings: dict[str, str] = {}
    for label in labels:
        plain = re.sub(r"[\s_-]+", " ", label).strip()
        other = spellings.setdefault(plain.casefold() if len(plain) > 1 else plain, label)
        if other != label:
            return other, label
    return None


def check_spellings(class_folders: ClassFolders) -> None:
    """Check that no two classes differ in case, blanks, hyphens and underscores alone.

    Raises:
        UserError: Two do.
    """
    if pair := two_spellings(class_folders.labels):
        raise UserError(f"{class_folders.place()}: are {pair[0]!r} and {pair[1]!r} one class? name their folders alike")


def check_classes_are_trained(class_folders: ClassFolders) -> None:
    """Check that every class is in the train part, if there is one.

    Raises:
        UserError: One is in another part alone.
    """
    trained = {member.label for member in class_folders.members if member.part in ("train", "")}
    if trained and (missing := [label for label in class_folders.labels if label not in trained]):
        raise UserError(
            f"{class_folders.place()}: {fold_words(missing)} is a class of another part, but not of the train part: "
            "add it, name its folders alike, or move them away"
        )


def check_inner_folders(class_folders: ClassFolders) -> None:
    """Refuse a folder within a class that is named like a part, like a class, or like a folder in another class.

    Raises:
        UserError: One is named like a part, like a class, or like one in another class.
    """
    owners: dict[str, ClassFolder] = {}
    labels = {label.casefold() for label in class_folders.labels}
    for member in class_folders.members:
        for inside in member.folder.walk():
            if inside is not member.folder and part_of(inside.name):
                raise UserError(
                    f"{join_path(class_folders.top.name, inside.path)} is named like a part of a data set, within the "
                    f"class {member.label!r}: make the same parts in every class, or give the folder in which the "
                    "classes lie as the source"
                )
        for inside in member.folder.folders:
            name = composed(inside.name).casefold()
            owner = owners.setdefault(name, member)
            if name in labels:
                raise UserError(
                    f"{join_path(class_folders.top.name, inside.path)} has the name of a class, and lies in one: "
                    "remove it if it is a copy, move its images up, or give the folder in which the classes lie as "
                    "the source"
                )
            if owner.label != member.label:
                raise UserError(
                    f"{join_path(class_folders.top.name, owner.folder.path)} and "
                    f"{join_path(class_folders.top.name, member.folder.path)} both hold a folder {inside.name!r}: if "
                    "such are the classes, give the one folder in which they lie as the source; else move the images "
                    "up"
                )


def same_name(name: str, other: str) -> bool:
    """Return whether two names are the same but for case and for how their letters are composed."""
    return composed(name).casefold() == composed(other).casefold()


def may_be_images(files: list[str]) -> bool:
    """Return whether one file or more could be an image: its name has no ending of other files, as `.csv` or `.zip`."""
    return any(not name.lower().endswith((*OTHER_FILES, *ARCHIVES)) for name in files)


def may_hold_images(folder: Folder) -> bool:
    """Return whether an image could be in a folder, at any depth; True if it, or one in it, cannot be read."""
    return any(inside.error or may_be_images(inside.files) for inside in folder.walk())

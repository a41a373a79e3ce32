"""The one layout of a data set: from folders of classes, wherever they lie, to an Images artifact."""

import csv
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from components.data import images as image_files
from components.data.artifacts import Images
from components.data.datasets import DataSet
from components.errors import UserError
from components.progress import bar

PARTS = {  # the part that a folder of this name is, in any case
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "test": "test",
}  # fmt: skip
GROUPS = "groups.csv"
LITTER = ("__macosx", "thumbs.db", "desktop.ini")  # what systems leave in folders and archives, in any case
FILE_SIZE = 500_000_000  # bytes, at most
NAME_LENGTH = 1_000  # bytes of a file's path within the data set, at most


def lay_out(source: Path, images: Images, entry: DataSet | None, max_quarantined: float) -> None:
    """Copy the readable images of a source to `images/CLASS/FILE`; write the tables and the digest.

    Images of a published part lie one folder deeper, `images/CLASS/PART/FILE`, with the part's folder as published.

    Args:
        source: A folder; the class folders may lie deeper in it. It is not changed.
        images: The artifact to fill.
        entry: What is known of the data set; nothing is where the person brings it.
        max_quarantined: Largest share of the files that may be unreadable, in [0, 1].

    Raises:
        UserError: There are no class folders, or not those of the entry, or not so many images, or a list of groups or
            of published splits is not of these images.
    """
    source = source.absolute()
    root, parts = class_folders(source, entry)
    found = sorted({path.name for part in parts for path in folders_in(root / part)})
    labels = entry.labels if entry else {name: name for name in found}
    if sorted(labels) != found or len(found) < 2:
        expected = f"the classes {', '.join(labels)}" if entry else "two or more folders, one a class"
        received = shown(", ".join(found)) or "none"
        linked = shown(", ".join(linked_folders(root, parts)))
        links = f"; links to folders are not followed: {linked}" if linked else ""
        place = shown(str(root.relative_to(source.parent)))
        raise UserError(f"{place}: {expected} expected; received {received}{links}")
    for name in found:
        try:
            check_name(name)
        except ValueError as error:
            raise UserError(f"the folder {shown(name)}: {error}: rename it") from None
    table, quarantined = copy(source, root, parts, labels, images.path / "images")
    files = len(table) + len(quarantined)
    if entry and len(table) != entry.images:
        raise UserError(
            f"{source.name} holds {len(table)} readable images, the published data set {entry.images}: get it again, "
            "or fetch it under a name of its own"
        )
    if quarantined and len(quarantined) / files > max_quarantined:
        first = "; ".join(f"{file} ({reason})" for file, reason in quarantined[:3])
        raise UserError(
            f"{len(quarantined)} of {files} files are no readable images, more than the share of {max_quarantined:g} "
            f"that may be: {first}{'; ...' * (len(quarantined) > 3)}: mend or remove them, or raise max_quarantined"
        )
    empty = set(labels.values()) - set(table["label"])
    if empty:
        absent = shown(", ".join(sorted(empty)))
        raise UserError(f"{source.name} has no readable image of {absent}: add some, or remove the folder")
    names = table.pop("name").tolist()
    if entry and entry.turns:
        table["group"] = persons(table, list(entry.classes))
    content = table["file"] + "\0" + table["sha256"]
    if found_lists := lists(source, root, entry):
        column, lines = ("part", fold_lines) if entry else ("group", group_lines)
        known = {*names, *(file for file, _ in quarantined)}
        table[column] = listed(lines(found_lists, source), names, known)
        content += "\0" + table[column]
    images.write_table("images.csv", table)
    images.write_table("quarantine.csv", pd.DataFrame(quarantined, columns=["file", "reason"]))
    ordered = content[table["file"].sort_values().index] + "\n"
    images.address_by_content(hashlib.sha256("".join(ordered).encode()).hexdigest())
    images.facts["classes"] = list(labels.values())


def class_folders(source: Path, entry: DataSet | None) -> tuple[Path, dict[str, str]]:
    """Find the class folders: the entry's, or those of the first folder that branches.

    Returns:
        The folder in which they lie, and for each folder between it and them the published part that this folder is; a
        part without a name and a folder where they lie in it at once.

    Raises:
        UserError: There is none of the entry's class folders.
    """
    if entry is None:
        root = source
        while len(inside := folders_in(root)) == 1:
            root = inside[0]
        parts = parts_in(inside)
        return root, parts if parts and len(parts) == len(inside) else {"": ""}
    folders = [source]
    for folder in folders:
        inside = folders_in(folder)
        if any(path.name in entry.labels for path in inside):
            return folder, {"": ""}
        parts = parts_in(inside, entry)
        if parts:
            return folder, parts
        folders += inside
    raise UserError(f"{source.name} has no folders {', '.join(entry.labels)}, which hold the images of this data set")


def parts_in(folders: list[Path], entry: DataSet | None = None) -> dict[str, str]:
    """Return the published part that a folder is, by its name, for those folders that hold class folders."""
    named = {path: PARTS[path.name.lower()] for path in folders if path.name.lower() in PARTS}
    return {
        path.name: part
        for path, part in named.items()
        if any(entry is None or inside.name in entry.labels for inside in folders_in(path))
    }


def persons(table: pd.DataFrame, classes: list[str]) -> list[str]:
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
            raise UserError(f"{place}: {shown(name)!r} is no image of this data set: correct the list")
        if values.setdefault(name, value) != value:
            raise UserError(f"{place}: {shown(name)} is listed under {shown(values[name])} too: correct the list")
    missing = [name for name in names if name not in values]
    if missing:
        raise UserError(
            f"{len(missing)} images are in no list of groups or splits, {shown(missing[0])} first: add them"
        )
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


def folders_in(folder: Path) -> list[Path]:
    """Return its folders in order, without links and what is skipped.

    Raises:
        UserError: The folder cannot be read.
    """
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise UserError(f"the folder {shown(folder.name)} cannot be read ({error.strerror}): mend that") from error
    return sorted(Path(at.path) for at in entries if at.is_dir(follow_symlinks=False) and not skipped(at.name))


def linked_folders(root: Path, parts: Iterable[str]) -> list[str]:
    """Return the paths, beside the class folders of every part, of the links that are no links to files, in order."""
    links = (path for part in parts for path in (root / part).iterdir() if path.is_symlink() and not skipped(path.name))
    return sorted(path.relative_to(root).as_posix() for path in links if not path.is_file())


def skipped(name: str) -> bool:
    """Return whether a file or folder is passed over in silence: hidden, or a system's litter."""
    return name.startswith(".") or name.lower() in LITTER


def below(root: Path, label: str) -> list[str]:
    """Return, in order, the paths of all in a class that is no folder, or is one that cannot be read."""
    found, folders = [], [label]
    for folder in folders:
        try:
            entries = [entry for entry in os.scandir(root / folder) if not skipped(entry.name)]
        except OSError:
            found.append(folder)
            continue
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else found).append(f"{folder}/{entry.name}")
    return sorted(found, key=lambda name: name.split("/"))


@image_files.hushed()
def copy(
    source: Path, root: Path, parts: dict[str, str], labels: dict[str, str], target: Path
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Copy readable images.

    Returns:
        Their table, with the name of each in the source as `name`, and (file, reason) of the rest.
    """
    rows: list[tuple] = []
    quarantined: list[tuple[str, str]] = []
    folders = sorted((path.name, part) for part in parts for path in folders_in(root / part))
    files = [(name, part, path) for name, part in folders for path in below(root, f"{part}/{name}".lstrip("/"))]
    files += [("", "", name) for name in linked_folders(root, parts)]
    for folder, part, name in bar("fetch", files, "image"):
        try:
            check_name(name)
            content = read(root / name, source)
            width, height = image_files.decode_bytes(content).size
        except MemoryError:  # says nothing of the file
            raise
        except Exception as error:  # decoders fail in ways of their own on damaged files
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            quarantined.append((shown(name), shown(" ".join(reason.split()))))
            continue
        within = name.removeprefix(f"{part}/" if part else "").removeprefix(f"{folder}/")
        file = "/".join(filter(None, (labels[folder], part, within)))
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        (target / file).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        rows.append((file, labels[folder], width, height, digest, parts[part], "", name))
    columns = ["file", "label", "width", "height", "sha256", "part", "group", "name"]
    return pd.DataFrame(rows, columns=columns), quarantined


def check_name(name: str) -> None:
    """Raise a ValueError that says what keeps a name out of the tables and off the disk, if something does."""
    if name != name.encode(errors="replace").decode():
        raise ValueError("its name is not UTF-8")
    if len(name.encode()) > NAME_LENGTH:
        raise ValueError(f"its path is longer than {NAME_LENGTH:,} bytes")


def shown(text: str) -> str:
    """Return a text as one line: what does not print is escaped."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def read(path: Path, source: Path) -> bytes:
    """Return the bytes of a file, which may be a link to another in the source.

    Raises:
        ValueError: It is no file to read; the message says what it is.
        OSError: It cannot be read.
    """
    if path.is_symlink():
        try:
            path = path.resolve(strict=True)
        except (OSError, RuntimeError):
            raise ValueError("a link that leads nowhere") from None
        if path.is_dir():
            raise ValueError("a link to a folder, which is not followed")
        if not path.is_relative_to(source.resolve()):
            raise ValueError("a link that leaves the data set")
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("a folder that cannot be read")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("a pipe, socket or device")
    if status.st_size > FILE_SIZE:
        raise ValueError(f"{status.st_size:,} bytes: more than {FILE_SIZE:,}")
    return path.read_bytes()

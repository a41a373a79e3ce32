"""The one layout of a data set: from folders of classes, wherever they lie, to an Images artifact."""

import hashlib
from pathlib import Path

import pandas as pd

from components.data import images as image_files
from components.data.artifacts import Images
from components.data.datasets import DataSet
from components.data.folders import below, check_name, folders_in, linked_folders, read
from components.data.lists import fold_lines, group_lines, listed, lists, persons
from components.system.errors import UserError, one_line
from components.system.progress import bar

PARTS = {  # the part that a folder of this name is, in any case
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "test": "test",
}  # fmt: skip
COLUMNS = ["file", "label", "width", "height", "sha256", "part", "group"]


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
        received = ", ".join(found) or "none"
        linked = ", ".join(linked_folders(root, parts))
        links = f"; links to folders are not followed: {linked}" if linked else ""
        place = root.relative_to(source.parent)
        raise UserError(f"{place}: {expected} expected; received {received}{links}")
    for name in found:
        try:
            check_name(name)
        except ValueError as error:
            raise UserError(f"the folder {name}: {error}: rename it") from None
    table, quarantined = copy(source, root, parts, labels, images.path / "images")
    if entry and len(table) != entry.images:
        raise UserError(
            f"{source.name} holds {len(table)} readable images, the published data set {entry.images}: get it again, "
            "or fetch it under a name of its own"
        )
    check_share(quarantined, len(table), max_quarantined)
    empty = set(labels.values()) - set(table["label"])
    if empty:
        absent = ", ".join(sorted(empty))
        raise UserError(
            f"{source.name} has no readable image of {absent}: add some, or remove the folder; or if that is no class, "
            "give the folder in which the classes lie as the source"
        )
    names = table.pop("name").tolist()
    if entry and entry.turns:
        table["group"] = persons(table, list(entry.classes))
    column = ""
    if found_lists := lists(source, root, entry):
        column, lines = ("part", fold_lines) if entry else ("group", group_lines)
        known = {*names, *(file for file, _ in quarantined)}
        table[column] = listed(lines(found_lists, source), names, known)
    images.write_table("images.csv", table)
    images.write_table("quarantine.csv", pd.DataFrame(quarantined, columns=["file", "reason"]))
    images.address_by_content(content_digest(table, column))
    images.facts.classes = list(labels.values())


def content_digest(table: pd.DataFrame, column: str) -> str:
    """Return the digest of what a table of images names: path, sha256 and, where one was listed, another column."""
    columns = [table[name] for name in ("file", "sha256", column) if name]
    lines = sorted("\0".join(row) + "\n" for row in zip(*columns, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check(images: Images, max_quarantined: float) -> None:
    """Hold that what another run laid out is whole: the images those of its tables, and the tables of its digest.

    Args:
        images: The artifact.
        max_quarantined: Largest share of the files that may be unreadable, in [0, 1].

    Raises:
        UserError: It is damaged, or too much of it is unreadable.
    """
    table, folder = images.table("images.csv").reindex(columns=COLUMNS, fill_value=""), images.path / "images"
    said = dict(zip(table["file"], table["sha256"], strict=True))
    files = (path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    damaged = [name for name in sorted(said.keys() | found.keys()) if said.get(name) != found.get(name)]
    labelled = table["label"].tolist() == [file.partition("/")[0] for file in table["file"]]
    if damaged or not labelled or images.digest not in (content_digest(table, name) for name in ("", "part", "group")):
        first = ", ".join(damaged[:3]) or "images.csv"
        raise UserError(
            f"the pinned {images.facts.data_set} is damaged, {first} first: it is not what its digest "
            f"{images.digest} is of; push it again from where it is whole"
        )
    quarantined = images.table("quarantine.csv").to_records(index=False).tolist()
    check_share(quarantined, len(table), max_quarantined)


def check_share(quarantined: list[tuple[str, str]], readable: int, max_quarantined: float) -> None:
    """Hold that no larger share of the files is unreadable than may be."""
    files = readable + len(quarantined)
    if quarantined and len(quarantined) / files > max_quarantined:
        first = "; ".join(f"{file} ({reason})" for file, reason in quarantined[:3])
        raise UserError(
            f"{len(quarantined)} of {files} files are no readable images, more than the share of {max_quarantined:g} "
            f"that may be: {first}{'; ...' * (len(quarantined) > 3)}: mend or remove them, or raise max_quarantined"
        )


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
            quarantined.append((one_line(name), one_line(" ".join(reason.split()))))
            continue
        within = name.removeprefix(f"{part}/" if part else "").removeprefix(f"{folder}/")
        file = "/".join(filter(None, (labels[folder], part, within)))
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        (target / file).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        rows.append((file, labels[folder], width, height, digest, parts[part], "", name))
    return pd.DataFrame(rows, columns=[*COLUMNS, "name"]), quarantined

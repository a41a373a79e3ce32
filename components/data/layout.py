"""The one layout of a data set: from folders of classes, wherever they lie, to an Images artifact."""

import hashlib
import shutil
from pathlib import Path

import pandas as pd

from components.data import images as image_files
from components.data.artifacts import Images
from components.data.datasets import DataSet
from components.errors import UserError
from components.progress import bar

MACOS = "__MACOSX"


def lay_out(source: Path, images: Images, entry: DataSet | None) -> None:
    """Copy the readable images of a source to `images/CLASS/FILE`; write the tables and the digest.

    Args:
        source: A folder; the class folders may lie deeper in it. It is not changed.
        images: The artifact to fill.
        entry: What is known of the data set; nothing is where the person brings it.

    Raises:
        UserError: There are no class folders, or not those of the entry, or not so many images.
    """
    root = class_folders(source, entry)
    found = [path.name for path in folders_in(root)]
    classes = list(entry.classes) if entry else found
    if sorted(classes) != found or len(classes) < 2:
        expected = f"the classes {', '.join(classes)}" if entry else "two or more folders, one a class"
        raise UserError(f"{source.name}: {expected} expected; received {', '.join(found) or 'none'}")
    rows, quarantined = copy(root, classes, images.path / "images")
    if entry and len(rows) != entry.images:
        raise UserError(f"{source.name} holds {len(rows)} readable images of {entry.images}: get it again")
    empty = [label for label in classes if label not in {row[1] for row in rows}]
    if empty:
        raise UserError(f"{source.name} has no readable image of {', '.join(empty)}: add some, or remove the folder")
    images.write_table("images.csv", pd.DataFrame(rows, columns=["file", "label", "width", "height", "sha256"]))
    images.write_table("quarantine.csv", pd.DataFrame(quarantined, columns=["file", "reason"]))
    content = hashlib.sha256("".join(f"{row[0]}\0{row[4]}\n" for row in sorted(rows)).encode())
    images.address_by_content(content.hexdigest())
    images.facts["classes"] = classes


def class_folders(source: Path, entry: DataSet | None) -> Path:
    """Return the folder whose folders are the classes: the entry's, or the first that branches."""
    if entry:
        at = [source] if source.name == entry.folder else sorted(source.rglob(entry.folder))
        folders = [path for path in at if path.is_dir() and MACOS not in path.parts]
        if not folders:
            raise UserError(f"{source.name} has no folder {entry.folder!r}, which holds the images of this data set")
        return folders[0]
    root = source
    while len(inside := folders_in(root)) == 1:
        root = inside[0]
    return root


def folders_in(folder: Path) -> list[Path]:
    """Return its folders in order, without hidden ones and the one that macOS adds to zip files."""
    inside = (path for path in folder.iterdir() if path.is_dir() and path.name != MACOS)
    return sorted(path for path in inside if not path.name.startswith("."))


def copy(root: Path, classes: list[str], target: Path) -> tuple[list[tuple], list[tuple[str, str]]]:
    """Copy readable images; return their rows (file, label, width, height, sha256) and (file, reason) of the rest."""
    rows: list[tuple] = []
    quarantined: list[tuple[str, str]] = []
    files = [(label, path) for label in classes for path in sorted((root / label).rglob("*")) if path.is_file()]
    for label, path in bar("fetch", files, "image"):
        name = path.relative_to(root).as_posix()
        if any(part.startswith(".") for part in path.relative_to(root).parts):
            continue
        try:
            name.encode()
            width, height = image_files.decode(path).size
        except Exception as error:  # decoders fail in ways of their own on damaged files
            shown = name.encode(errors="backslashreplace").decode()
            reason = " ".join(str(error).replace(str(path), name).split()) or type(error).__name__
            quarantined.append((shown, reason))
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / name)
        rows.append((name, label, width, height, hashlib.sha256(path.read_bytes()).hexdigest()))
    return rows, quarantined

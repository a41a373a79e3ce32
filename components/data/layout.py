"""The one layout of a data set: from folders of classes, wherever they lie, to an Images artifact."""

import hashlib
import os
import stat
from pathlib import Path

import pandas as pd

from components.data import images as image_files
from components.data.artifacts import Images
from components.data.datasets import DataSet
from components.errors import UserError
from components.progress import bar

LITTER = ("__macosx", "thumbs.db", "desktop.ini")  # what systems leave in folders and archives, in any case
FILE_SIZE = 500_000_000  # bytes, at most
NAME_LENGTH = 1_000  # bytes of a file's path within the data set, at most


def lay_out(source: Path, images: Images, entry: DataSet | None, max_quarantined: float) -> None:
    """Copy the readable images of a source to `images/CLASS/FILE`; write the tables and the digest.

    Args:
        source: A folder; the class folders may lie deeper in it. It is not changed.
        images: The artifact to fill.
        entry: What is known of the data set; nothing is where the person brings it.
        max_quarantined: Largest share of the files that may be unreadable, in [0, 1].

    Raises:
        UserError: There are no class folders, or not those of the entry, or not so many images.
    """
    source = source.absolute()
    root = class_folders(source, entry)
    found = [path.name for path in folders_in(root)]
    classes = list(entry.classes) if entry else found
    if sorted(classes) != found or len(classes) < 2:
        expected = f"the classes {', '.join(classes)}" if entry else "two or more folders, one a class"
        received = shown(", ".join(found)) or "none"
        linked = shown(", ".join(linked_folders(root)))
        links = f"; links to folders are not followed: {linked}" if linked else ""
        place = shown(str(root.relative_to(source.parent)))
        raise UserError(f"{place}: {expected} expected; received {received}{links}")
    for label in classes:
        try:
            check_name(label)
        except ValueError as error:
            raise UserError(f"the folder {shown(label)}: {error}: rename it") from None
    rows, quarantined = copy(source, root, classes, images.path / "images")
    files = len(rows) + len(quarantined)
    if entry and len(rows) != entry.images:
        raise UserError(f"{source.name} holds {len(rows)} readable images of {entry.images}: get it again")
    if quarantined and len(quarantined) / files > max_quarantined:
        first = "; ".join(f"{file} ({reason})" for file, reason in quarantined[:3])
        raise UserError(
            f"{len(quarantined)} of {files} files are no readable images, more than the share of {max_quarantined:g} "
            f"that may be: {first}{'; ...' * (len(quarantined) > 3)}: mend or remove them, or raise max_quarantined"
        )
    empty = set(classes) - {row[1] for row in rows}
    if empty:
        names = shown(", ".join(sorted(empty)))
        raise UserError(f"{source.name} has no readable image of {names}: add some, or remove the folder")
    images.write_table("images.csv", pd.DataFrame(rows, columns=["file", "label", "width", "height", "sha256"]))
    images.write_table("quarantine.csv", pd.DataFrame(quarantined, columns=["file", "reason"]))
    content = hashlib.sha256("".join(f"{row[0]}\0{row[4]}\n" for row in sorted(rows)).encode())
    images.address_by_content(content.hexdigest())
    images.facts["classes"] = classes


def class_folders(source: Path, entry: DataSet | None) -> Path:
    """Return the folder whose folders are the classes: the entry's, or the first that branches."""
    if entry:
        folders = [source]
        for folder in folders:
            if folder.name == entry.folder:
                return folder
            folders += folders_in(folder)
        raise UserError(f"{source.name} has no folder {entry.folder!r}, which holds the images of this data set")
    root = source
    while len(inside := folders_in(root)) == 1:
        root = inside[0]
    return root


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


def linked_folders(folder: Path) -> list[str]:
    """Return the names of its links that are no links to files, in order."""
    links = (path for path in folder.iterdir() if path.is_symlink() and not skipped(path.name))
    return sorted(path.name for path in links if not path.is_file())


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
def copy(source: Path, root: Path, classes: list[str], target: Path) -> tuple[list[tuple], list[tuple[str, str]]]:
    """Copy readable images; return their rows (file, label, width, height, sha256) and (file, reason) of the rest."""
    rows: list[tuple] = []
    quarantined: list[tuple[str, str]] = []
    files = [(label, name) for label in classes for name in below(root, label)]
    files += [("", name) for name in linked_folders(root)]
    for label, name in bar("fetch", files, "image"):
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
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
        rows.append((name, label, width, height, hashlib.sha256(content).hexdigest()))
    return rows, quarantined


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

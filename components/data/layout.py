"""The one layout of a data set: a source of class folders becomes an Images artifact, and a pinned one is checked."""

import hashlib
from pathlib import Path

import pandas as pd

from components.data import images as image_files
from components.data.artifacts import Images
from components.data.class_folders import find_class_folders, labels_by_folder
from components.data.datasets import DataSet
from components.data.folders import check_path_name, folders_in, linked_folders, paths_below, read_untrusted
from components.data.lists import find_lists, fold_lines, group_lines, person_numbers, values_of_images
from components.system.errors import UserError, one_line
from components.system.progress import bar

COLUMNS = ["file", "label", "width", "height", "sha256", "part", "group"]

Quarantine = list[tuple[str, str]]  # file and reason


def lay_out(source: Path, images: Images, entry: DataSet | None, max_quarantined: float) -> None:
    """Copy a source's readable images to `images/CLASS/[PART/]FILE` of an artifact; write its tables, set its digest.

    Images of a published part lie one folder deeper, `images/CLASS/PART/FILE`, with the part's folder as published.

    Args:
        source: A folder; the class folders may lie deeper in it. It is not changed.
        images: The artifact to fill.
        entry: The registered data set; None for images of a person's own.
        max_quarantined: Largest share of the files that may be unreadable, in [0, 1].

    Raises:
        UserError: There are no class folders, or not those of the entry, or not so many images, or a list of groups or
            of published splits does not fit these images.
    """
    source = source.absolute()
    root, parts = find_class_folders(source, entry)
    labels = labels_by_folder(source, root, parts, entry)
    table, quarantine = copy_images(source, root, parts, labels, images.path / "images")
    check_numbers_of_images(source, table, quarantine, labels, entry, max_quarantined)
    names = table.pop("name").tolist()
    if entry and entry.numbered_by_person:
        table["group"] = person_numbers(table, list(entry.classes))
    column = ""
    if files := find_lists(source, root, entry):
        column, lines = ("part", fold_lines) if entry else ("group", group_lines)
        all_names = {*names, *(file for file, _ in quarantine)}
        table[column] = values_of_images(lines(files, source), names, all_names)
    images.write_table("images.csv", table)
    images.write_table("quarantine.csv", pd.DataFrame(quarantine, columns=["file", "reason"]))
    images.address_by_content(table_digest(table, column))
    images.facts.classes = list(labels.values())


@image_files.without_pillow_warnings()
def copy_images(
    source: Path, root: Path, parts: dict[str, str], labels: dict[str, str], target: Path
) -> tuple[pd.DataFrame, Quarantine]:
    """Copy the readable images of class folders to a folder, by label; return their table, and the files left out.

    Args:
        source: The folder that links must not leave.
        root: Where the part folders lie.
        parts: The published part by folder name.
        labels: The label by the name of its class folder.
        target: The folder to fill.

    Returns:
        The images' table, with each one's path from the root as `name`, its groups empty; and the files that were not
        copied, each with the reason.
    """
    rows: list[tuple] = []
    quarantine: Quarantine = []
    folders = sorted((path.name, part) for part in parts for path in folders_in(root / part))
    files = [(name, part, path) for name, part in folders for path in paths_below(root, f"{part}/{name}".lstrip("/"))]
    files += [("", "", name) for name in linked_folders(root, parts)]
    for folder, part, name in bar("fetch", files, "image"):
        try:
            check_path_name(name)
            content = read_untrusted(root / name, source)
            width, height = image_files.measure_image(content)
        except MemoryError:  # says nothing of the file
            raise
        except Exception as error:  # decoders fail in ways of their own on damaged files
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            quarantine.append((one_line(name), one_line(" ".join(reason.split()))))
            continue
        within = name.removeprefix(f"{part}/" if part else "").removeprefix(f"{folder}/")
        file = "/".join(filter(None, (labels[folder], part, within)))
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        (target / file).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        rows.append((file, labels[folder], width, height, digest, parts[part], "", name))
    return pd.DataFrame(rows, columns=[*COLUMNS, "name"]), quarantine


def check_numbers_of_images(
    source: Path,
    table: pd.DataFrame,
    quarantine: Quarantine,
    labels: dict[str, str],
    entry: DataSet | None,
    max_quarantined: float,
) -> None:
    """Check that a registered data set has all its images, no class is empty, and few enough files are unreadable.

    Raises:
        UserError: They are not.
    """
    if entry and len(table) != entry.images:
        raise UserError(
            f"{source.name} holds {len(table)} readable images, the published data set {entry.images}: get it again, "
            "or fetch it under a name of its own"
        )
    check_quarantined_share(quarantine, len(table), max_quarantined)
    empty = set(labels.values()) - set(table["label"])
    if empty:
        absent = ", ".join(sorted(empty))
        raise UserError(
            f"{source.name} has no readable image of {absent}: add some, or remove the folder; or if that is no class, "
            "give the folder in which the classes lie as the source"
        )


def check_quarantined_share(quarantine: Quarantine, readable: int, max_quarantined: float) -> None:
    """Check that unreadable files are no larger a share of all, the readable ones included, than allowed.

    Raises:
        UserError: It is larger.
    """
    files = readable + len(quarantine)
    if quarantine and len(quarantine) / files > max_quarantined:
        first = "; ".join(f"{file} ({reason})" for file, reason in quarantine[:3])
        raise UserError(
            f"{len(quarantine)} of {files} files are not readable images, more than the share of {max_quarantined:g} "
            f"that is allowed: {first}{'; ...' * (len(quarantine) > 3)}: mend or remove them, or raise max_quarantined"
        )


def table_digest(table: pd.DataFrame, column: str) -> str:
    """Return the SHA-256 of images' paths, sha256 and, unless it is "", the column named; row order does not count."""
    columns = [table[name] for name in ("file", "sha256", column) if name]
    lines = sorted("\0".join(row) + "\n" for row in zip(*columns, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_pinned_images(images: Images, max_quarantined: float) -> None:
    """Check that pinned images are whole, by table and digest, and that no larger share is quarantined than allowed.

    Args:
        images: The artifact.
        max_quarantined: Largest share of the files that may be unreadable, in [0, 1].

    Raises:
        UserError: It is damaged, or too much of it is unreadable.
    """
    table, folder = images.table("images.csv").reindex(columns=COLUMNS, fill_value=""), images.path / "images"
    expected = dict(zip(table["file"], table["sha256"], strict=True))
    files = (path for path in folder.rglob("*") if path.is_file())
    actual = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    damaged = [name for name in sorted(expected.keys() | actual.keys()) if expected.get(name) != actual.get(name)]
    labelled = table["label"].tolist() == [file.partition("/")[0] for file in table["file"]]
    if damaged or not labelled or images.digest not in (table_digest(table, name) for name in ("", "part", "group")):
        first = ", ".join(damaged[:3]) or "images.csv"
        raise UserError(
            f"the pinned {images.facts.data_set} is damaged, {first} first: its content does not have the "
            f"digest {images.digest}; push it again from where it is whole"
        )
    quarantine = images.table("quarantine.csv").to_records(index=False).tolist()
    check_quarantined_share(quarantine, len(table), max_quarantined)

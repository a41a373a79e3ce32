"""The one layout of a data set: a source of class folders becomes an Images artifact, and a pinned one is checked."""

import hashlib
from pathlib import Path

import pandas as pd

from components.data import images as image_files
from components.data.artifacts import Images
from components.data.class_folders import ClassFolder, ClassFolders, check_classes_have_images, find_class_folders
from components.data.data_set_summary import data_set_lines, pixel_lines
from components.data.datasets import DataSet
from components.data.deep_images import white_of
from components.data.folders import check_path_name, composed, join_path, read_untrusted
from components.data.lists import find_lists, fold_lines, group_lines, person_numbers, values_of_images
from components.system.errors import UserError, one_line
from components.system.progress import bar

COLUMNS = ["file", "label", "width", "height", "sha256", "part", "group"]

Quarantine = list[tuple[str, str]]  # file and reason


def lay_out(
    source: Path, images: Images, entry: DataSet | None, max_quarantined: float, links: str, copy: bool = True
) -> None:
    """Copy a source's readable images to `images/CLASS/[PART/]FILE` of an artifact; write its tables, set its digest.

    Images of a published part lie one folder deeper, `images/CLASS/PART/FILE`, with the part's folder as published.
    What was understood is printed.

    Args:
        source: A folder; the class folders may lie deeper in it. It is not changed.
        images: The artifact to fill.
        entry: The registered data set; None for images of a person's own.
        max_quarantined: Largest share of the files that may be unreadable, in [0, 1].
        links: Where the source's links may lead: `inside` it, or to a `store`.
        copy: Whether the images are copied; else they are links to the source.

    Raises:
        UserError: There are no class folders, or not those of the entry, or not so many images, or they can be read in
            more than one way, or a list of groups or of published splits does not fit these images.
    """
    source = source.absolute()
    found = find_class_folders(source, entry)
    root = source / found.root.path
    table, quarantine = copy_images(found, links, images.path / "images", copy)
    check_numbers_of_images(source, table, quarantine, found.labels, entry, max_quarantined)
    names, measures = table.pop("name").tolist(), table.pop("measures").tolist()
    if entry and entry.numbered_by_person:
        table["group"] = person_numbers(table, list(entry.classes))
    column = ""
    files = find_lists(source, root, entry)
    if files:
        column, lines = ("part", fold_lines) if entry else ("group", group_lines)
        all_names = {*names, *(file for file, _ in quarantine)}
        table[column] = values_of_images(lines(files, source, links), names, all_names)
    images.write_table("images.csv", table)
    images.write_table("quarantine.csv", pd.DataFrame(quarantine, columns=["file", "reason"]))
    images.address_by_content(table_digest(table, column))
    images.facts.classes = found.labels
    if largest := max(one.largest for one in measures):
        images.facts.white_level = white_of(largest)
    lists = [path.relative_to(source).as_posix() for path in files]
    for line in [*data_set_lines(found, table, quarantine, lists), *pixel_lines(measures)]:
        print(f"fetch: {line}")


@image_files.without_pillow_warnings()
def copy_images(found: ClassFolders, links: str, target: Path, copy: bool) -> tuple[pd.DataFrame, Quarantine]:
    """Copy the readable images of class folders to a folder, by label; return their table, and the files left out.

    Args:
        found: The class folders.
        links: Where the source's links may lead: `inside` it, or to a `store`.
        target: The folder to fill.
        copy: Whether the images are copied; else they are links to the source.

    Returns:
        The images' table, with each one's path from the root of the class folders as `name` and its `measures`, its
        groups empty; and the files that were not copied, each with the reason.

    Raises:
        UserError: Two files would have one path.
    """
    rows: list[tuple] = []
    quarantine: Quarantine = []
    copied: dict[str, str] = {}
    members = sorted(found.members, key=lambda one: (one.folder.name, one.part_folder))
    files: list[tuple[ClassFolder | None, str]] = [(one, path) for one in members for path in one.folder.file_paths()]
    files += [(None, path) for path in found.linked_folders()]
    for member, path in bar("fetch", files, "image"):
        name = path.removeprefix(f"{found.root.path}/")
        try:
            check_path_name(name)
            content = read_untrusted(found.source / path, found.source, links)
            measures = image_files.measure_image(content)
        except MemoryError:  # says nothing of the file
            raise
        except Exception as error:  # decoders fail in ways of their own on damaged files
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            quarantine.append((one_line(name), one_line(" ".join(reason.split()))))
            continue
        assert member  # a link that leads to no file is read by nothing
        within = path.removeprefix(f"{member.folder.path}/")
        file = composed(join_path(member.label, member.part_folder, within))
        if copied.setdefault(file, name) != name:
            raise UserError(f"{copied[file]!a} and {name!a} would both be the image {file!r}: rename one")
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        if copy:
            (target / file).write_bytes(content)
        else:
            (target / file).symlink_to(found.source / path)
        digest = hashlib.sha256(content).hexdigest()
        rows.append((file, member.label, measures.width, measures.height, digest, member.part, "", name, measures))
    return pd.DataFrame(rows, columns=[*COLUMNS, "name", "measures"]), quarantine


def check_numbers_of_images(
    source: Path,
    table: pd.DataFrame,
    quarantine: Quarantine,
    labels: list[str],
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
    check_classes_have_images(source.name, sorted({*labels} - {*table["label"]}))


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

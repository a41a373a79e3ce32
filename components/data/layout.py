"""The one layout of a data set: a source of labelled images becomes an Images artifact, and a pinned one is checked."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from components.data import images as image_files
from components.data import packing
from components.data.artifacts import Images
from components.data.class_folders import check_classes_have_images
from components.data.data_set_summary import data_set_lines, pixel_lines
from components.data.datasets import DataSet
from components.data.deep_images import white_of
from components.data.folders import check_path_name, read_untrusted
from components.data.images import ImageMeasures
from components.data.labelled_files import LabelledFile, LabelledFiles, LabelRules, Quarantine
from components.data.lists import fold_lines, group_lines, person_numbers, values_of_images
from components.data.source_reading import read_source
from components.system.errors import UserError, one_line
from components.system.progress import bar

COLUMNS = ["file", "label", "width", "height", "sha256", "part", "group"]
AHEAD = 64  # files that are read before they are written
DIGESTED = ((), ("part",), ("group",), ("part", "group"))  # columns that a digest may cover besides


def lay_out(
    source: Path,
    images: Images,
    entry: DataSet | None,
    max_quarantined: float,
    links: str,
    rules: LabelRules,
    packed: str = "files",
) -> None:
    """Copy a source's readable images to an artifact, `LABEL/[PART/]FILE`; write its tables, set its digest.

    What was understood is printed.

    Args:
        source: A folder; what labels its images may lie deeper in it. It is not changed.
        images: The artifact to fill.
        entry: The registered data set; None for images of a person's own.
        max_quarantined: Largest share of the files that may be unreadable, in [0, 1].
        links: Where the source's links may lead: `inside` it, or to a `store`.
        rules: What labels a person's own images.
        packed: How the images are stored: as `files`, in `tars`, or as `links` to the source.

    Raises:
        UserError: Nothing labels the images, or not as the entry has them, or in more than one way, or there are not so
            many images, or a list of groups or of published splits does not fit them.
    """
    source = source.absolute()
    labelled = read_source(source, entry, rules, links)
    table, quarantine = copy_images(labelled, links, images.path, packed)
    check_numbers_of_images(source, table, quarantine, labelled, entry, max_quarantined)
    names, measures = table.pop("name").tolist(), table.pop("measures").tolist()
    if entry and entry.numbered_by_person:
        table["group"] = person_numbers(table, list(entry.classes))
    columns = labelled.columns
    if labelled.lists:
        column, lines = ("part", fold_lines) if entry else ("group", group_lines)
        columns = tuple(dict.fromkeys([*columns, column]))
        all_names = {*names, *(file for file, _ in quarantine)}
        table[column] = values_of_images(lines(labelled.lists, source, links), names, all_names)
    images.write_table("images.csv", table)
    images.write_table("quarantine.csv", pd.DataFrame(quarantine, columns=["file", "reason"]))
    images.address_by_content(table_digest(table, columns))
    images.facts.classes = labelled.classes
    if largest := max(one.largest for one in measures):
        images.facts.white_level = white_of(largest)
    for line in [*data_set_lines(labelled, table, quarantine), *pixel_lines(measures)]:
        print(f"fetch: {line}")


def copy_images(labelled: LabelledFiles, links: str, target: Path, packed: str) -> tuple[pd.DataFrame, Quarantine]:
    """Copy the readable images of a source to a folder; return their table, and the files left out.

    Args:
        labelled: What was understood of the source.
        links: Where the source's links may lead: `inside` it, or to a `store`.
        target: The data set's folder.
        packed: How the images are stored: as `files`, in `tars`, or as `links` to the source.

    Returns:
        The images' table, with each one's path from the root as `name` and its `measures`; and the files that were not
        copied, each with the reason.

    Raises:
        UserError: Two files would have one path.
    """
    rows: list[tuple] = []
    quarantine: Quarantine = []
    copied: dict[str, str] = {}

    def read(file: LabelledFile) -> tuple[bytes, ImageMeasures] | Exception:
        try:
            check_path_name(labelled.name(file.path))
            content = read_untrusted(labelled.source / file.path, labelled.source, links)
            return content, image_files.measure_image(content)
        except MemoryError:  # says nothing of the file
            raise
        except Exception as error:  # decoders fail in ways of their own on damaged files
            return error

    with packing.write_images(target, packed) as writer:
        results = image_files.map_in_order(read, labelled.files, AHEAD)
        for file, result in zip(bar("fetch", labelled.files, "image"), results, strict=True):
            name = labelled.name(file.path)
            if isinstance(result, Exception):
                reason = getattr(result, "strerror", None) or str(result) or type(result).__name__
                quarantine.append((one_line(name), one_line(" ".join(reason.split()))))
                continue
            content, measures = result
            if copied.setdefault(file.target, name) != name:
                paths = f"{copied[file.target]!a} and {name!a}"
                raise UserError(f"{paths} would both be the image {file.target!r}: rename one")
            writer.add(file.target, content, labelled.source / file.path)
            digest = hashlib.sha256(content).hexdigest()
            size = measures.width, measures.height
            rows.append((file.target, file.label, *size, digest, file.part, file.group, name, measures))
    quarantine += [(one_line(name), reason) for name, reason in labelled.missing]
    return pd.DataFrame(rows, columns=[*COLUMNS, "name", "measures"]), quarantine


def check_numbers_of_images(
    source: Path,
    table: pd.DataFrame,
    quarantine: Quarantine,
    labelled: LabelledFiles,
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
    check_classes_have_images(source.name, sorted({*labelled.classes} - {*table["label"]}))


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


def table_digest(table: pd.DataFrame, columns: Sequence[str]) -> str:
    """Return the SHA-256 of images' paths, sha256 and the columns named; the order of rows does not count."""
    texts = [table[name] for name in ("file", "sha256", *columns)]
    lines = sorted("\0".join(row) + "\n" for row in zip(*texts, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_pinned_images(images: Images, max_quarantined: float) -> None:
    """Check that pinned images are whole, by table and digest, and that no larger share is quarantined than allowed.

    Args:
        images: The artifact.
        max_quarantined: Largest share of the files that may be unreadable, in [0, 1].

    Raises:
        UserError: It is damaged, or too much of it is unreadable.
    """
    table = images.table("images.csv").reindex(columns=COLUMNS, fill_value="")
    expected = dict(zip(table["file"], table["sha256"], strict=True))
    actual = {name: hashlib.sha256(images.file(name).read_bytes()).hexdigest() for name in images.stored_files()}
    damaged = [name for name in sorted(expected.keys() | actual.keys()) if expected.get(name) != actual.get(name)]
    labels_are_folders = table["label"].tolist() == [file.partition("/")[0] for file in table["file"]]
    if damaged or not labels_are_folders or images.digest not in (table_digest(table, columns) for columns in DIGESTED):
        first = ", ".join(damaged[:3]) or "images.csv"
        raise UserError(
            f"the pinned {images.facts.data_set} is damaged, {first} first: its content does not have the "
            f"digest {images.digest}; push it again from where it is whole"
        )
    quarantine = images.table("quarantine.csv").to_records(index=False).tolist()
    check_quarantined_share(quarantine, len(table), max_quarantined)

"""What was understood of a data set's source, in a few lines for the person whose it is."""

from collections import Counter
from collections.abc import Iterator, Sequence

import pandas as pd

from components.data.class_folders import ClassFolders
from components.data.deep_images import white_of
from components.data.folders import join_path
from components.data.images import ImageMeasures
from components.system.errors import fold_words, one_line

MOST_LINES, MOST_EXAMPLES = 8, 4  # of what was left out
LONGEST_NAME = 40  # characters


def data_set_lines(
    found: ClassFolders, table: pd.DataFrame, quarantine: Sequence[tuple[str, str]], lists: Sequence[str]
) -> list[str]:
    """Return the lines that say what a data set holds, by which rule it was read, and what was left out and why.

    Args:
        found: The class folders.
        table: One row an image, with its `label`, `part` and `group`.
        quarantine: File and reason of what could not be read in the class folders.
        lists: Paths from the source of the lists of groups or of published splits that were read.
    """
    sizes = table["label"].value_counts()[found.labels]
    each = " to ".join(f"{size:,}" for size in sorted({sizes.min(), sizes.max()}))
    above = all(one.part_folder == one.folder.name for one in found.members)
    kind = "class folders" if found.members[0].part == "" else "folders of parts in class folders" if above else ""
    inner = sorted(inside.path for one in found.members for inside in one.folder.folders)
    within = f"; to a class belong the folders in it, {fold_words(inner, MOST_EXAMPLES)}" if inner else ""
    listed = f", by {fold_words(lists) or 'the numbers in the names of files'}"
    lines = [
        f"{len(table):,} images of {len(sizes):,} classes, of {each} each",
        f"labels: names of the {kind or 'class folders in folders of parts'} in {found.place()}{within}",
        f"classes: {fold_words(f'{shorten_name(str(name))} {size:,}' for name, size in sizes.items())}",
        f"parts: {fold_words(part_words(found, table)) or 'none'}",
        f"groups: {table['group'].nunique():,}{listed}" if table["group"].any() else "groups: none",
    ]
    left_out = [f"left out: {line}" for line in left_out_lines(found, quarantine, lists)]
    if len(left_out) > MOST_LINES:
        left_out[MOST_LINES - 1 :] = [f"left out: {len(left_out) - MOST_LINES + 1} folders more"]
    return [one_line(line) for line in lines + left_out]


def pixel_lines(measures: Sequence[ImageMeasures]) -> Iterator[str]:
    """Yield a line that says how the images' pixels were understood, where their files leave that open."""
    untold = [one.largest for one in measures if one.largest]
    if untold:
        white = white_of(max(untold))
        yield (
            f"depth: {len(untold):,} images of 16 bits a sample do not tell how many are in use; their largest value "
            f"is {max(untold)}: read as {white.bit_length()} bits, {white} is white"
        )


def part_words(found: ClassFolders, table: pd.DataFrame) -> Iterator[str]:
    """Yield each part with its number of images and, in brackets, its folders' names where they are others."""
    for part, size in table.loc[table["part"] != "", "part"].value_counts(sort=False).items():
        folders = sorted({one.part_folder for one in found.members if one.part == part} - {part})
        yield f"{part} {size:,}{f' ({fold_words(folders)})' if folders else ''}"


def left_out_lines(found: ClassFolders, quarantine: Sequence[tuple[str, str]], lists: Sequence[str]) -> Iterator[str]:
    """Yield a line for each folder that is left out, for the files beside class folders, and for what is no image."""
    members = {one.folder.path for one in found.members}
    holders = {"", found.root.path} | {path.rpartition("/")[0] for path in members}
    used = {*lists, *found.linked_folders()}
    beside: list[str] = []
    skipped = Counter[str]()
    pending = [found.top]
    while pending:
        folder = pending.pop()
        if folder.path in members:
            skipped.update(name for inside in folder.walk() for name in inside.skipped)
        elif any(f"{path}/".startswith(f"{folder.path}/".lstrip("/")) for path in holders):
            beside += [path for name in folder.files if (path := join_path(folder.path, name)) not in used]
            skipped.update(folder.skipped)
            pending += reversed(folder.folders)
        else:
            reason = found.left_out.get(folder.path, "it is no class folder")
            yield f"{folder.path}, with {len(folder.file_paths()):,} files: {reason}"
    if quarantine:
        files = fold_words((f"{file} ({reason})" for file, reason in quarantine), MOST_EXAMPLES)
        yield f"no readable images, listed in quarantine.csv: {len(quarantine):,}: {files}"
    if beside:
        yield f"beside the class folders: {len(beside):,}: {fold_words(beside, MOST_EXAMPLES)}"
    if skipped:
        names = fold_words((f"{name} {count:,}" for name, count in skipped.most_common()), MOST_EXAMPLES)
        yield f"hidden, or litter of a system: {skipped.total():,}: {names}"


def shorten_name(name: str) -> str:
    """Return a name of at most 40 characters, with dots for the middle of a longer one."""
    half = LONGEST_NAME // 2 - 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}...{name[-half:]}"

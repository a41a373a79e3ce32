"""What was understood of a data set's source, in a few lines for the person whose it is."""

from collections import Counter
from collections.abc import Iterator, Sequence

import pandas as pd

from components.data.colours import UNFIT
from components.data.deep_images import white_of
from components.data.images import ImageMeasures
from components.data.labelled_files import LabelledFiles
from components.system.errors import fold_words, one_line

MOST_LINES, MOST_EXAMPLES = 8, 4  # of what was left out
LONGEST_NAME = 40  # characters


def data_set_lines(labelled: LabelledFiles, table: pd.DataFrame, quarantine: Sequence[tuple[str, str]]) -> list[str]:
    """Return the lines that say what a data set holds, by which rule it was read, and what was left out and why.

    Args:
        labelled: What was understood of the source.
        table: One row an image, with its `label`, `part` and `group`.
        quarantine: File and reason of what could not be read.
    """
    sizes = table["label"].value_counts()[labelled.classes]
    each = " to ".join(f"{size:,}" for size in sorted({sizes.min(), sizes.max()}))
    lists = fold_words(path.relative_to(labelled.source).as_posix() for path in labelled.lists)
    groups = table.loc[table["group"] != "", "group"].nunique()
    lines = [
        f"{len(table):,} images of {len(sizes):,} classes, of {each} each",
        f"labels: {labelled.origin}",
        f"classes: {fold_words(f'{shorten_name(str(name))} {size:,}' for name, size in sizes.items())}",
        f"parts: {fold_words(part_words(labelled, table)) or 'none'}",
        f"groups: {groups:,}, by {lists or labelled.grouped_by}" if groups else "groups: none",
    ]
    left_out = [*labelled.left_out]
    if quarantine:
        files = fold_words((f"{file} ({reason})" for file, reason in quarantine), MOST_EXAMPLES)
        left_out.append(f"no readable images, listed in quarantine.csv: {len(quarantine):,}: {files}")
    if len(left_out) > MOST_LINES:
        left_out[MOST_LINES - 1 :] = [f"{len(left_out) - MOST_LINES + 1} more"]
    return [one_line(line) for line in [*lines, *(f"left out: {line}" for line in left_out)]]


def pixel_lines(measures: Sequence[ImageMeasures]) -> Iterator[str]:
    """Yield a line each, if any are, on images with unfit profiles, with profiles made sRGB, and of 16 bits a sample.

    Of 16 bits it is those whose files do not tell their white.
    """
    profiles = Counter(one.profile for one in measures if one.profile)
    if unfit := profiles.pop(UNFIT, 0):
        yield f"colours: {unfit:,} images have a profile that is {UNFIT}: it is ignored, as viewers do"
    if profiles:
        names = fold_words((f"{shorten_name(name)} {count:,}" for name, count in profiles.most_common()), MOST_EXAMPLES)
        yield one_line(f"colours: {profiles.total():,} images are made sRGB from their profiles: {names}")
    untold = [one.largest for one in measures if one.largest]
    if untold:
        white = white_of(max(untold))
        yield (
            f"depth: {len(untold):,} images of 16 bits a sample do not tell how many are in use; their largest value "
            f"is {max(untold)}: read as {white.bit_length()} bits, {white} is white"
        )


def part_words(labelled: LabelledFiles, table: pd.DataFrame) -> Iterator[str]:
    """Yield each part with its number of images, and folders' names that differ from it: `test 1,200 (testing)`."""
    for part, size in table.loc[table["part"] != "", "part"].value_counts(sort=False).items():
        folders = sorted({file.part_folder for file in labelled.files if file.part == part} - {part, ""})
        yield f"{part} {size:,}{f' ({fold_words(folders)})' if folders else ''}"


def shorten_name(name: str) -> str:
    """Return a name of at most 40 characters, with dots for the middle of a longer one."""
    half = LONGEST_NAME // 2 - 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}...{name[-half:]}"

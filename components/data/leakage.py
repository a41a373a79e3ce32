"""Duplicates by where they lie: leakage between the parts of a data set, two labels, and those inside one part."""

import numpy as np
import pandas as pd

from components.data import duplicates, thumbnails
from components.data import images as image_files
from components.data.artifacts import Images

DUPLICATES = ("identical", "near")  # kinds
HARMLESS = "same part"  # a kind: duplicates that do not leak
PARTS = ("train", "validation", "test")
MOST_EXAMPLES = 12  # pairs in a figure
COLUMNS = ["kind", "file", "split", "label", "other", "other_split", "other_label"]


def leakage_table(images: pd.DataFrame) -> pd.DataFrame:
    """Return a row a pair of images: conflicts of labels, leaks across parts, then duplicates inside one part.

    The columns are kind, file, split, label, other, other_split and other_label. Duplicates are of test images in train
    or validation and of validation images in train, each image once, `identical` before `near`; a group is one of test
    images that is in train or validation too. `same part` are duplicates of one label that do not leak.

    Args:
        images: One row an image, with its file, label, sha256, group, cluster and split.
    """
    test, train, validation = (images[images["split"] == split] for split in ("test", "train", "validation"))
    not_test = pd.concat([train, validation])
    pairs = [
        images_in_common(part, others, key, kind)
        for kind, key in (("identical", "sha256"), ("near", "cluster"))
        for part, others in ((test, not_test), (validation, train))
    ]
    across = pd.concat(pairs).drop_duplicates("file")
    groups = images_in_common(test.drop_duplicates("group"), not_test, "group", "group")
    conflicts = duplicates.label_conflicts(images).assign(kind="two labels")
    leaks = pd.concat([conflicts, across, groups])
    inside = duplicates_inside(images[images["split"].isin(PARTS) & ~images["file"].isin(leaks["file"])])
    rows = pd.concat([leaks, inside], ignore_index=True)
    split_and_label = images.set_index("file")[["split", "label"]]
    for side in ("", "other_"):
        rows[[f"{side}split", f"{side}label"]] = split_and_label.loc[rows["other" if side else "file"]].to_numpy()
    return rows[COLUMNS]


def images_in_common(images: pd.DataFrame, others: pd.DataFrame, key: str, kind: str) -> pd.DataFrame:
    """Return the images whose value of a column, not "", one of others has too, a row each: `file`, `other`, `kind`.

    Args:
        images: One row an image, with its file and the column; empty values are not shared.
        others: The images to share with; of several the first is `other`.
        key: The column.
        kind: The kind of leakage.
    """
    pairs = images[images[key] != ""].merge(others.drop_duplicates(key), on=key, suffixes=("", "_other"))
    return pd.DataFrame({"file": pairs["file"], "other": pairs["file_other"], "kind": kind})


def duplicates_inside(images: pd.DataFrame) -> pd.DataFrame:
    """Return the images that repeat an earlier one of their cluster, part and label: `file`, `other`, that one, `kind`.

    Args:
        images: One row an image, with its file, label, cluster and split.
    """
    clustered = images[images["cluster"] != ""]
    first = clustered.groupby(["cluster", "split", "label"], sort=False)["file"].transform("first")
    pairs = clustered.assign(other=first, kind=HARMLESS)
    return pairs.loc[pairs["file"] != pairs["other"], ["file", "other", "kind"]]


def leakage_counts(rows: pd.DataFrame, test_images: int) -> dict[str, float]:
    """Return `across_splits`, test images duplicated elsewhere, `test_share`, their share, and `groups_across_splits`.

    `test_share` is `across_splits` divided by the number of test images, 0 where there are none.

    Args:
        rows: The table of `leakage_table`.
        test_images: Number of images in the test part.
    """
    across = int((rows["kind"].isin(DUPLICATES) & (rows["split"] == "test")).sum())
    groups = int((rows["kind"] == "group").sum())
    return {"across_splits": across, "groups_across_splits": groups, "test_share": across / max(test_images, 1)}


def leakage_warnings(method: str, numbers: dict[str, float], test_images: int) -> list[str]:
    """Return a warning for duplicates of test images and one for groups across the parts; none for a count of 0.

    Args:
        method: The split method.
        numbers: The counts of `leakage_counts`.
        test_images: Number of images in the test part.
    """
    warnings = []
    if across := numbers["across_splits"]:
        warnings.append(
            f"{method}: {across} of {test_images} test images ({100 * numbers['test_share']:.1f} %) have an identical "
            "or near-identical image in train or validation: scores on them measure memory, not learning; "
            "`method: stratified` or `grouped` keeps them together, `duplicates: one` leaves them out"
        )
    if groups := numbers["groups_across_splits"]:
        warnings.append(
            f"{method}: {groups} groups of the test images are in train or validation too: scores hold for known "
            "groups, not for new ones; `method: grouped` keeps each group in one part"
        )
    return warnings


def example_rows(rows: pd.DataFrame) -> list[int]:
    """Return the positions, ascending, of at most 12 rows to draw in a figure, shared evenly among the kinds.

    Of each kind they are the first; what a kind has too few rows for is left to the others.
    """
    ranks = rows.groupby("kind").cumcount().to_numpy()
    return sorted(np.argsort(ranks, kind="stable")[:MOST_EXAMPLES].tolist())


def example_thumbnails(images: Images, rows: pd.DataFrame, examples: list[int]) -> dict[str, np.ndarray]:
    """Return thumbnails of the two images of some rows, by `ROW` and `ROW_other`, uint8 (height, width, 3).

    Args:
        images: The data set.
        rows: The table of `leakage_table`.
        examples: Numbers of the rows.
    """
    pixels = thumbnails.thumbnail_side(2 * len(examples))
    with image_files.without_pillow_warnings():
        return {
            f"{row}{end}": thumbnails.read_thumbnail(
                images.file(rows[side].iloc[row]), images.facts.white_level, pixels
            )
            for row in examples
            for side, end in (("file", ""), ("other", "_other"))
        }

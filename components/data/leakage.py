"""What leaks from one part of a data set to another: images that are there twice, groups, and what has two labels."""

import numpy as np
import pandas as pd

from components.data import duplicates, thumbnails
from components.data import images as image_files
from components.data.artifacts import Images

TWICE = ("identical", "near")
SHOWN = 12  # pairs in a figure
COLUMNS = ["kind", "file", "split", "label", "other", "other_split", "other_label"]


def leaks(drawn: pd.DataFrame) -> pd.DataFrame:
    """Return all that leaks, a row each, with the columns of `leakage.csv`.

    Args:
        drawn: One row an image, with its file, label, sha256, group, cluster and split.
    """
    test, train, validation = (drawn[drawn["split"] == split] for split in ("test", "train", "validation"))
    known = pd.concat([train, validation])
    pairs = [
        shared(images, others, key, kind)
        for kind, key in (("identical", "sha256"), ("near", "cluster"))
        for images, others in ((test, known), (validation, train))
    ]
    twice = pd.concat(pairs).drop_duplicates("file")
    groups = shared(test.drop_duplicates("group"), known, "group", "group")
    labels = duplicates.two_labels(drawn).assign(kind="two labels")
    rows = pd.concat([labels, twice, groups], ignore_index=True)
    about = drawn.set_index("file")[["split", "label"]]
    for side in ("", "other_"):
        rows[[f"{side}split", f"{side}label"]] = about.loc[rows["other" if side else "file"]].to_numpy()
    return rows[COLUMNS]


def shared(images: pd.DataFrame, others: pd.DataFrame, key: str, kind: str) -> pd.DataFrame:
    """Return the images that have something, not empty, in common with others, each with the first of those."""
    pairs = images[images[key] != ""].merge(others.drop_duplicates(key), on=key, suffixes=("", "_other"))
    return pd.DataFrame({"file": pairs["file"], "other": pairs["file_other"], "kind": kind})


def counts(rows: pd.DataFrame, tested: int) -> dict[str, float]:
    """Return how many test images, what share of all that are tested, and how many groups lie across parts."""
    across = int((rows["kind"].isin(TWICE) & (rows["split"] == "test")).sum())
    groups = int((rows["kind"] == "group").sum())
    return {"across_splits": across, "groups_across_splits": groups, "test_share": across / max(tested, 1)}


def sentences(method: str, numbers: dict[str, float], tested: int) -> list[str]:
    """Return what is to be said of what lies across parts, a line each."""
    said = []
    if across := numbers["across_splits"]:
        said.append(
            f"{method}: {across} of {tested} test images ({100 * numbers['test_share']:.1f} %) have an identical or "
            "near-identical image in train or validation: scores on them say what was memorised, not what was learned; "
            "`method: stratified` or `grouped` keeps them together"
        )
    if groups := numbers["groups_across_splits"]:
        said.append(
            f"{method}: {groups} groups of the test images are in train or validation too: scores say how well known "
            "groups are told, not new ones; `method: grouped` keeps them apart"
        )
    return said


def examples(rows: pd.DataFrame) -> list[int]:
    """Return the places of rows to be shown, as many of each kind as there is room for."""
    ranks = rows.groupby("kind").cumcount().to_numpy()
    return sorted(np.argsort(ranks, kind="stable")[:SHOWN].tolist())


def pictures(images: Images, rows: pd.DataFrame, examples: list[int]) -> dict[str, np.ndarray]:
    """Return thumbnails of both images of some rows by `ROW` and `ROW_other`."""
    pixels = thumbnails.side(2 * len(examples))
    with image_files.hushed():
        return {
            f"{row}{end}": thumbnails.of_file(images.file(rows[side].iloc[row]), pixels)
            for row in examples
            for side, end in (("file", ""), ("other", "_other"))
        }

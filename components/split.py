"""Decide which images train, which validate and which test."""

from typing import Annotated

from components.data.artifacts import Audit, Images, Splits, TestSplit
from components.data.splitting import METHODS
from components.machinery.signature import Input, Output
from components.system.limits import Count, Names, Range, Seed

Part = Annotated[
    float,
    Range("a number of images or a fraction in (0, 1)", lambda size: 0 < size < 1 or (size >= 1 and size == int(size))),
]


def split(
    images: Input[Images],
    audit: Input[Audit],
    splits: Output[Splits],
    test_split: Output[TestSplit],
    *,
    method: Annotated[str, Names("split method", METHODS)],
    train: Part,
    validation: Part,
    test: Part,
    folds: Count,
    fold: Annotated[int, Range("0 or more", lambda value: value >= 0)],
    seed: Seed,
) -> None:
    """Decide which images train, which validate and which test.

    Each part's size is a number of images, or a fraction of all of them. What the three leave over is not used. With
    `published` the publisher's test part is the test part, `validation` is drawn from the rest, and all else is train:
    `train` and `test` are not used. Likewise with `folds` of 2 or more, which are drawn by the method: every image is
    in one of them, and the one whose number is `fold` is the test part.

    Identical and near-identical images stay in one part with `stratified` and `grouped`. Duplicates and groups across
    parts, and duplicates of two labels, are listed in `leakage.csv`, with a warning for those across parts.

    Args:
        images: The data set.
        audit: The duplicates in it.
        splits: The training and validation rows, and the leakage between the parts.
        test_split: The test rows, which `evaluate` alone accepts.
        method: `stratified` keeps the shares of the classes in every part; `random` does not; `grouped` keeps every
            group, such as a person, in one part, and sizes and shares as nearly as that allows; `published` tests on
            the publisher's test part, or on its validation part where there is no other.
        train: Size of the training part, a whole number of images or a fraction in (0, 1).
        validation: Size of the validation part, likewise.
        test: Size of the test part, likewise.
        folds: Number of folds, of which one is the test part; 1 for a test part of the size `test`.
        fold: Number of the fold that is the test part, from 0; with `published`, of the published split where the data
            set has several.
        seed: Seed of the drawing.

    Raises:
        UserError: The sizes or folds do not fit the data set, it lacks what the method needs, or a class is too small
            to be in every part.
    """
    from components.data import leakage, splitting

    clusters = audit.table("hashes.csv")[["file", "cluster"]]
    table = images.table("images.csv").merge(clusters, on="file", how="left", validate="one_to_one")
    if method == "published" or folds > 1:
        train = test = 0
    sizes = splitting.part_sizes({"train": train, "validation": validation, "test": test}, len(table))
    drawn = splitting.draw_split(table, sizes, method, seed, fold, folds)
    rows = drawn.loc[drawn["split"].isin(["train", "validation"]), ["file", "label", "split"]]
    splits.write_table("splits.csv", rows)
    test_rows = drawn.loc[drawn["split"] == "test", ["file", "label", "group", "width", "height"]]
    test_split.write_table("test_split.csv", test_rows)
    grouped = drawn[drawn["group"] != ""].groupby("split")["group"].nunique()
    splits.facts.split_method = method
    splits.facts.groups = {part: int(grouped.get(part, 0)) for part in sizes}

    leaks = leakage.leakage_table(drawn)
    splits.write_table("leakage.csv", leaks)
    splits.facts.leakage = {**audit.facts.duplicates, **leakage.leakage_counts(leaks, len(test_rows))}
    splits.facts.warnings = leakage.leakage_warnings(method, splits.facts.leakage, len(test_rows))
    for line in splits.facts.warnings:
        print(f"split: {line}")
    splits.write_arrays("leakage", leakage.example_thumbnails(images, leaks, leakage.example_rows(leaks)))

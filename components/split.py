"""Decide which images train, which validate and which test."""

from typing import Annotated

from components.data.artifacts import Images, Splits, TestSplit
from components.data.splitting import METHODS
from components.parameters import Names, Range, Seed
from components.step import Input, Output

Part = Annotated[
    float,
    Range("a number of images or a fraction in (0, 1)", lambda size: 0 < size < 1 or (size >= 1 and size == int(size))),
]


def split(
    images: Input[Images],
    splits: Output[Splits],
    test_split: Output[TestSplit],
    *,
    method: Annotated[str, Names("split method", METHODS)],
    train: Part,
    validation: Part,
    test: Part,
    fold: Annotated[int, Range("0 or more", lambda value: value >= 0)],
    seed: Seed,
) -> None:
    """Decide which images train, which validate and which test.

    Each part's size is a number of images, or a fraction of all of them. What the three leave over is not used. With
    `published` the publisher decides what is test, `validation` is drawn from the rest, and all else trains: whatever
    `train` and `test` say is not used.

    Args:
        images: The data set.
        splits: The training and validation rows.
        test_split: The test rows, which `evaluate` alone accepts.
        method: `stratified` keeps the shares of the classes in every part; `random` does not; `grouped` keeps every
            group, such as a person, in one part, and sizes and shares as nearly as that allows; `published` tests on
            the publisher's test part, or on its validation part where there is no other.
        train: Size of the training part, a whole number of images or a fraction in (0, 1).
        validation: Size of the validation part, likewise.
        test: Size of the test part, likewise.
        fold: Number of the published split, for `published` and a data set that has several.
        seed: Seed of the drawing.

    Raises:
        UserError: The sizes do not fit the data set, it has not what the method needs, or a class is too small to be in
            every part.
    """
    from components.data import splitting

    table = images.table("images.csv")
    if method == "published":
        train = test = 0
    sizes = splitting.counts({"train": train, "validation": validation, "test": test}, len(table))
    drawn = splitting.draw(table, sizes, method, seed, fold)
    rows = drawn.loc[drawn["split"].isin(["train", "validation"]), ["file", "label", "split"]]
    splits.write_table("splits.csv", rows)
    test_split.write_table("test_split.csv", drawn.loc[drawn["split"] == "test", ["file", "label"]])
    grouped = drawn[drawn["group"] != ""].groupby("split")["group"].nunique()
    splits.facts["groups"] = {part: int(grouped.get(part, 0)) for part in sizes}

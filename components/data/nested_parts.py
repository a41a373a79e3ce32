"""Nested parts of the rows that train and validate: each with those before it is a stratified sample of them."""

import itertools
from typing import TYPE_CHECKING, Annotated

from components.data.artifacts import Splits
from components.data.content import sha256
from components.system.errors import UserError
from components.system.limits import Range

if TYPE_CHECKING:
    import pandas as pd

GROWTH = 4  # how many times as many images a part has together with those before it
FEWEST = 4  # images of each class in the first part, on average

PartNumber = Annotated[int, Range("0 or more", lambda value: value >= 0)]


def divide(splits: Splits, first: int, seed: int) -> list[list[str]]:
    """Return each part's files, training before validation; each part quadruples those so far, until all are in.

    Args:
        splits: The rows.
        first: Training images in the first part, and validation images at most; four a class where those are more.
        seed: Seed of the order within each class.
    """
    orders = [stratified_order(splits.part(split), seed) for split in ("train", "validation")]
    ends = [0, max(first, FEWEST * len(splits.facts.classes))]
    while ends[-1] < max(map(len, orders)):
        ends.append(GROWTH * ends[-1])
    return [[file for order in orders for file in order[start:end]] for start, end in itertools.pairwise(ends)]


def require_part(parts: list[list[str]], part: int) -> list[str]:
    """Return `parts[part]`, the files of one part; raise a UserError if there is none of that number.

    Raises:
        UserError: There is no such part.
    """
    if part >= len(parts):
        raise UserError(f"embed: part is from 0 to {len(parts) - 1} of these images; received {part}")
    return parts[part]


def stratified_order(rows: "pd.DataFrame", seed: int) -> list[str]:
    """Return the files in an order of which every beginning has one of each class, and then the classes' shares.

    Within a class the order follows from the seed and each file's name alone.

    Args:
        rows: One row a file: file and label.
        seed: Seed of the order.
    """
    drawn = rows.assign(key=[sha256(seed, file) for file in rows["file"]]).sort_values("key")
    classes = drawn.groupby("label")["file"]
    return (
        drawn.assign(place=classes.cumcount() / classes.transform("size"))
        .sort_values(["place", "key"])["file"]
        .tolist()
    )

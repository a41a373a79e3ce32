"""Drawing the parts of a data set."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

METHODS = ("stratified", "random")


def counts(sizes: Mapping[str, float], images: int) -> dict[str, int]:
    """Turn sizes, whole numbers or fractions in (0, 1), into numbers of images.

    Raises:
        UserError: Together they are more than there is.
    """
    numbers = {part: round(size * images) if size < 1 else int(size) for part, size in sizes.items()}
    over = sum(numbers.values()) - images
    if math.isclose(sum(sizes.values()), 1):
        numbers["train"] -= over  # rounding: fractions that make a whole use every image
    elif over > 0:
        together = " + ".join(str(number) for number in numbers.values())
        raise UserError(f"split: {together} images are more than the {images} there are: make a part smaller")
    return numbers


def draw(table: "pd.DataFrame", sizes: Mapping[str, int], method: str, seed: int) -> "pd.DataFrame":
    """Return the table with a column `split`: train, validation, test, or unused for what is left over.

    Args:
        table: One row an image, with its `label`.
        sizes: Number of images of each part.
        method: `stratified` or `random`.
        seed: Seed of the drawing.

    Raises:
        UserError: A class is too small to be in every part.
    """
    from sklearn.model_selection import train_test_split

    classes = table["label"].nunique()
    for part, size in sizes.items():
        if method == "stratified" and size < classes:
            raise UserError(f"split: {part} of {size} images cannot hold all {classes} classes: make it larger")
    drawn = table.assign(split="unused")
    left = drawn
    spare = len(table) - sum(sizes.values())
    if 0 < spare < classes:  # too few to be shared out among the classes
        in_classes = left.sample(frac=1, random_state=seed).sort_values("label", kind="stable").index
        left = left.drop(in_classes[[int((number + 0.5) * len(left) / spare) for number in range(spare)]])
    for part in ("test", "validation", "train"):
        if sizes[part] < len(left):
            labels = left["label"] if method == "stratified" else None
            try:
                left, chosen = train_test_split(left, test_size=sizes[part], stratify=labels, random_state=seed)
            except ValueError as error:
                raise UserError(f"split: {part} of {sizes[part]} images: {error}") from error
        else:
            chosen = left
        drawn.loc[chosen.index, "split"] = part
    for part in ("test", "validation", "train"):
        absent = set(table["label"]) - set(drawn.loc[drawn["split"] == part, "label"])
        if absent and method == "stratified":
            raise UserError(f"split: {part} has no image of {', '.join(sorted(absent))}: make it larger")
    return drawn

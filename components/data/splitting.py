"""Drawing the parts of a data set."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.errors import UserError, no_such

if TYPE_CHECKING:
    import pandas as pd

NEEDED = {"stratified": "label", "random": "label", "grouped": "group", "published": "part"}  # columns, by method
METHODS = tuple(NEEDED)
TRIES = 50  # orders in which the groups are handed out, of which the best counts


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


def draw(table: "pd.DataFrame", sizes: Mapping[str, int], method: str, seed: int, fold: int = 0) -> "pd.DataFrame":
    """Return the table with a column `split`: train, validation, test, or unused for what is left over.

    Args:
        table: One row an image, with its `label`, `part` and `group`.
        sizes: Number of images of each part; `published` uses that of `validation` alone.
        method: One of `METHODS`.
        seed: Seed of the drawing.
        fold: Number of the published split, where there are several.

    Raises:
        UserError: The data set has not what the method needs, or a class is too small to be in every part.
    """
    if not table[NEEDED[method]].any():
        possible = ", ".join(name for name, column in NEEDED.items() if table[column].any())
        raise UserError(f"split: this data set has no {NEEDED[method]}s for the method {method}: choose {possible}")
    classes = table["label"].nunique()
    drawn = table.assign(split="unused")
    left = drawn
    if method == "published":
        tested = published_test(table["part"], fold)
        drawn.loc[tested, "split"] = "test"
        left = drawn[~tested]
        sizes = {"validation": sizes["validation"], "train": len(left) - sizes["validation"]}
        if sizes["train"] < classes:
            raise UserError(
                f"split: validation of {sizes['validation']} images, of the {len(left)} outside the published test "
                f"part, leaves too few to train {classes} classes: make it smaller"
            )
    for part, size in sizes.items():
        if method != "random" and size < classes:
            raise UserError(f"split: {part} of {size} images cannot hold all {classes} classes: make it larger")
    if method == "grouped":
        drawn["split"] = whole_groups(table, sizes, seed)
    else:
        draw_images(drawn, left, sizes, method, seed)
    for part in ("test", "validation", "train"):
        absent = set(table["label"]) - set(drawn.loc[drawn["split"] == part, "label"])
        if absent and method != "random":
            remedy = "choose another method" if method == "published" and part == "test" else "make it larger"
            raise UserError(f"split: {part} has no image of {', '.join(sorted(absent))}: {remedy}")
    return drawn


def draw_images(drawn: "pd.DataFrame", left: "pd.DataFrame", sizes: Mapping[str, int], method: str, seed: int) -> None:
    """Write into `drawn` to which part each of the images that are left belongs."""
    from sklearn.model_selection import train_test_split

    classes = left["label"].nunique()
    spare = len(left) - sum(sizes.values())
    if 0 < spare < classes:  # too few to be shared out among the classes
        in_classes = left.sample(frac=1, random_state=seed).sort_values("label", kind="stable").index
        left = left.drop(in_classes[[int((number + 0.5) * len(left) / spare) for number in range(spare)]])
    for part in ("test", "validation", "train"):
        if part not in sizes:
            continue
        if sizes[part] < len(left):
            labels = None if method == "random" else left["label"]
            try:
                left, chosen = train_test_split(left, test_size=sizes[part], stratify=labels, random_state=seed)
            except ValueError as error:
                raise UserError(f"split: {part} of {sizes[part]} images: {error}") from error
        else:
            chosen = left
        drawn.loc[chosen.index, "split"] = part


def published_test(parts: "pd.Series", fold: int) -> "pd.Series":
    """Return which images the publisher tests on: the part `test`, else `validation`, or those of one published split.

    Raises:
        UserError: There is no such part, or no such split.
    """
    found = set(parts)
    if all(part.isdecimal() for part in found):
        if str(fold) not in found:
            raise no_such("published split", fold, found)
        return parts == str(fold)
    name = "test" if "test" in found else "validation"
    if len(found) < 2 or name not in found:
        raise UserError(
            f"split: of the published parts, {', '.join(sorted(found))}, none is to test on: add a test part"
        )
    return parts == name


def whole_groups(table: "pd.DataFrame", sizes: Mapping[str, int], seed: int) -> list[str]:
    """Return the part of each image, no group in two parts; sizes, and the classes' shares, as nearly as that allows.

    Each group goes where most images of its classes are still missing, counted on odd tries as shares of the part. Of
    several random orders of the groups the best counts: by the classes that parts lack, by sizes, by classes' shares.
    """
    import numpy as np
    import pandas as pd

    codes, names = pd.factorize(table["group"], sort=True)
    groups = pd.crosstab(codes, table["label"]).to_numpy()  # (groups, classes) images
    wanted = {**sizes, "unused": len(table) - sum(sizes.values())}
    wanted = {part: size for part, size in wanted.items() if size}
    totals = np.array([*wanted.values()])[:, None]
    random = np.random.default_rng(seed)
    best, best_score = np.zeros(len(names), np.int64), (math.inf, math.inf, math.inf)
    for number in range(TRIES):
        missing = totals * groups.sum(axis=0) / len(table)  # (parts, classes) images
        start, pace = missing.copy(), totals ** (number % 2)
        chosen = np.empty_like(best)
        for group in random.permutation(len(names)):
            chosen[group] = np.argmax(missing / pace @ groups[group])
            missing[chosen[group]] -= groups[group]
        off = missing[: len(sizes)]
        score = ((start - missing == 0)[: len(sizes)].sum(), abs(off.sum(axis=1)).sum(), (off**2).sum())
        if score < best_score:
            best, best_score = chosen, score
    return [[*wanted][part] for part in best[codes]]

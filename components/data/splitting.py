"""Drawing a split: which images of a data set are train, validation and test, or unused."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.data.grouping import draw_whole_units, keep_clusters_together, unit_numbers
from components.system.errors import UserError, unknown_name

if TYPE_CHECKING:
    import pandas as pd

REQUIRED_COLUMN = {"stratified": "label", "random": "label", "grouped": "group", "published": "part"}  # by method
METHODS = tuple(REQUIRED_COLUMN)


def part_sizes(sizes: Mapping[str, float], images: int) -> dict[str, int]:
    """Return the number of images of each part; a size below 1 is a fraction of all images, any other a number.

    Fractions that make a whole use every image: the training part takes up what rounding leaves.

    Raises:
        UserError: Together they are more than there are images.
    """
    numbers = {part: round(size * images) if size < 1 else int(size) for part, size in sizes.items()}
    over = sum(numbers.values()) - images
    if math.isclose(sum(sizes.values()), 1):
        numbers["train"] -= over  # rounding: fractions that make a whole use every image
    elif over > 0:
        total = " + ".join(str(number) for number in numbers.values())
        raise UserError(f"split: {total} images are more than the {images} there are: make a part smaller")
    return numbers


def draw_split(
    table: "pd.DataFrame", sizes: Mapping[str, int], method: str, seed: int, fold: int = 0, folds: int = 1
) -> "pd.DataFrame":
    """Return a copy of the table with a column `split`: train, validation, test, or unused for what is left over.

    Args:
        table: One row an image, with its `label`, `part`, `group` and `cluster`.
        sizes: Number of images of each part; `published`, and folds, use that of `validation` alone.
        method: One of `METHODS`.
        seed: Seed of the drawing.
        fold: Number of the fold that is the test part, or of the published split, where there are several.
        folds: Number of folds; 1 for a test part of the size in `sizes`.

    Raises:
        UserError: The data set lacks what the method needs, or a class is too small to be in every part.
    """
    if not table[REQUIRED_COLUMN[method]].any():
        possible = ", ".join(name for name, column in REQUIRED_COLUMN.items() if table[column].any())
        raise UserError(
            f"split: this data set has no {REQUIRED_COLUMN[method]}s for the method {method}: choose {possible}"
        )
    check_folds(table, method, fold, folds)
    drawn = table.assign(split="unused")
    remaining = drawn
    if method == "published" or folds > 1:
        if method == "published":
            is_test = is_published_test(table["part"], fold)
        else:
            is_test = draw_folds(table, method, seed, folds) == str(fold)
        drawn.loc[is_test, "split"] = "test"
        remaining = drawn[~is_test]
        sizes = {"validation": sizes["validation"], "train": len(remaining) - sizes["validation"]}
    check_part_sizes(table, sizes, method, len(remaining))
    if method == "grouped":
        drawn.loc[remaining.index, "split"] = draw_whole_units(remaining, sizes, seed)
    else:
        assign_images(drawn, remaining, sizes, method, seed)
    if method == "stratified":
        drawn.loc[remaining.index, "split"] = keep_clusters_together(drawn.loc[remaining.index], seed)
    if method != "random":
        check_classes(drawn, method, folds)
    return drawn


def assign_images(
    drawn: "pd.DataFrame", remaining: "pd.DataFrame", sizes: Mapping[str, int], method: str, seed: int
) -> None:
    """Draw as many remaining images as each part is to have, and write the part to the column `split` of `drawn`.

    Images that are left over keep what they have there.

    Args:
        drawn: The table of all images, to be changed.
        remaining: Those of its rows that have no part yet.
        sizes: Number of images of each part to draw.
        method: `random` draws among all images, any other from each class its share.
        seed: Seed of the drawing.

    Raises:
        UserError: A part is too small for the classes.
    """
    from sklearn.model_selection import train_test_split

    classes = remaining["label"].nunique()
    spare = len(remaining) - sum(sizes.values())
    if 0 < spare < classes:  # too few to be shared out among the classes
        by_class = remaining.sample(frac=1, random_state=seed).sort_values("label", kind="stable").index
        remaining = remaining.drop(by_class[[int((number + 0.5) * len(remaining) / spare) for number in range(spare)]])
    for part in ("test", "validation", "train"):
        if part not in sizes:
            continue
        if sizes[part] < len(remaining):
            labels = None if method == "random" else remaining["label"]
            try:
                remaining, chosen = train_test_split(
                    remaining, test_size=sizes[part], stratify=labels, random_state=seed
                )
            except ValueError as error:
                raise UserError(f"split: {part} of {sizes[part]} images: {error}") from error
        else:
            chosen = remaining
        drawn.loc[chosen.index, "split"] = part


def draw_folds(table: "pd.DataFrame", method: str, seed: int, folds: int) -> "pd.Series":
    """Return the fold of each image, its number as text from "0", by the table's index.

    Folds are of equal size as nearly as the method allows: `stratified` keeps each cluster in one fold, `grouped` each
    group and cluster.

    Args:
        table: One row an image, with its `label`, `group` and `cluster`.
        method: `stratified`, `random` or `grouped`.
        seed: Seed of the drawing.
        folds: Number of folds.
    """
    import pandas as pd
    from sklearn.model_selection import KFold, StratifiedKFold

    if method == "grouped":
        sizes = {str(fold): (len(table) + fold) // folds for fold in range(folds)}
        return pd.Series(draw_whole_units(table, sizes, seed), table.index)
    kind = KFold if method == "random" else StratifiedKFold
    drawn = table.assign(split="")
    for fold, (_, rows) in enumerate(kind(folds, shuffle=True, random_state=seed).split(table, table["label"])):
        drawn.iloc[rows, -1] = str(fold)
    return drawn["split"] if method == "random" else keep_clusters_together(drawn, seed)


def is_published_test(parts: "pd.Series", fold: int) -> "pd.Series":
    """Return, as a boolean for each image, whether the publisher tests on it, in the split numbered `fold` of several.

    Of a single split that is the part `test`, or `validation` where there is none.

    Args:
        parts: The published part of each image, or the number of the published split that tests on it.
        fold: Number of the published split.

    Raises:
        UserError: There is no such part, or no such split.
    """
    names = set(parts)
    if all(part.isdecimal() for part in names):
        if str(fold) not in names:
            raise unknown_name("published split", fold, names)
        return parts == str(fold)
    name = "test" if "test" in names else "validation"
    if len(names) < 2 or name not in names:
        raise UserError(
            f"split: of the published parts, {', '.join(sorted(names))}, none is to test on: add a test part"
        )
    return parts == name


def check_folds(table: "pd.DataFrame", method: str, fold: int, folds: int) -> None:
    """Check that there is a fold of that number, and that each class is large enough for so many folds.

    A class needs an image for each fold, with `grouped` a group; with `random` only the data set needs as many images,
    and of `published` splits the number of folds alone is checked: 1, or as many as there are.

    Raises:
        UserError: There is no such fold, the publisher has another number of splits, or a class is too small.
    """
    import pandas as pd

    if method == "published":
        splits = table["part"].nunique() if all(part.isdecimal() for part in table["part"]) else 1
        if folds not in (1, splits):
            raise UserError(f"split: {folds} folds; the publisher has {splits} to test on: set folds to {splits}")
        return
    if fold >= folds:
        raise UserError(f"split: no fold {fold} of {folds}, numbered from 0: set folds above it, or a fold below")
    noun, numbers = "images", table["label"].value_counts()
    if method == "grouped":
        noun, numbers = "groups", table.assign(unit=unit_numbers(table)).groupby("label")["unit"].nunique()
    elif method == "random":
        numbers = pd.Series({"the data set": len(table)})
    if numbers.min() < folds:
        raise UserError(f"split: {numbers.idxmin()} has {numbers.min()} {noun}, too few for {folds} folds: take fewer")


def check_part_sizes(table: "pd.DataFrame", sizes: Mapping[str, int], method: str, remaining: int) -> None:
    """Check that each part to draw has room for every class; with `random` only `train`, and only beside a fold.

    Args:
        table: One row an image, with its `label`.
        sizes: Number of images of each part to draw; without `test` if that part is decided already.
        method: The split method; with `random` only the training part beside a fold has to be.
        remaining: Number of images to draw from.

    Raises:
        UserError: A part is too small.
    """
    classes = table["label"].nunique()
    if "test" not in sizes and sizes["train"] < classes:
        raise UserError(
            f"split: validation of {sizes['validation']} images, of the {remaining} outside the "
            f"{'published test part' if method == 'published' else 'fold'}, leaves too few to train {classes} "
            "classes: make it smaller"
        )
    for part, size in sizes.items():
        if method != "random" and size < classes:
            raise UserError(f"split: {part} of {size} images cannot hold all {classes} classes: make it larger")


def check_classes(drawn: "pd.DataFrame", method: str, folds: int) -> None:
    """Check that every part of a split has images of every class.

    Raises:
        UserError: A part lacks a class.
    """
    for part in ("test", "validation", "train"):
        absent = set(drawn["label"]) - set(drawn.loc[drawn["split"] == part, "label"])
        if absent:
            is_published = method == "published" and part == "test"
            remedy = "choose another method" if is_published else "take fewer folds" if folds > 1 else "make it larger"
            raise UserError(f"split: {part} has no image of {', '.join(sorted(absent))}: {remedy}")

"""Drawing a split: which images of a data set are train, validation and test, or unused.

An image's content and the seed decide where it falls. Each unit, an image or those that stay together, has a key that
follows from both; in the order of their keys units fill the test part, then validation, then what is unused, then
train. Files may be renamed or come in another order. An image more takes its place among the others, and units at the
ends of the parts change theirs: what is new in the test part was in validation before, and was not trained on.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from components.data.grouping import deal_units, draw_key, image_names, unit_numbers
from components.system.errors import UserError, unknown_name

if TYPE_CHECKING:
    import pandas as pd

REQUIRED_COLUMN = {"stratified": "label", "random": "label", "grouped": "group", "published": "part"}  # by method
METHODS = tuple(REQUIRED_COLUMN)
PARTS = ("test", "validation", "train")  # in the order in which they are filled
DUPLICATES = ("keep", "one")
TWO_LABELS = ("keep", "drop")
UNTRAINED_CLASSES = ("refuse", "allow")
MOST_CLASSES = 5  # that a message names


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


def dropped_images(
    table: "pd.DataFrame", method: str, fold: int, duplicates: str, two_labels: str
) -> dict[str, "pd.Index"]:
    """Return the rows of the images to leave out before a split is drawn, by why: `two_labels` and `duplicates`.

    Args:
        table: One row an image, with its `file`, `label`, `part`, `cluster` and `sha256`.
        method: One of `METHODS`; of duplicates, `published` keeps an image that the publisher tests on.
        fold: Number of the published split, where there are several.
        duplicates: `one` leaves out all images of a cluster but one, of its commonest label; `keep` none.
        two_labels: `drop` leaves out all images of a cluster whose images have several labels; `keep` none.

    Raises:
        UserError: A class would have no image left.
    """
    clustered = table[table["cluster"] != ""]
    is_ambiguous = (two_labels == "drop") & (clustered.groupby("cluster")["label"].transform("nunique") > 1)
    rows = clustered[~is_ambiguous]
    alike = rows.groupby(["cluster", "label"])["file"].transform("size")
    is_test = is_published_test(table["part"], fold) if method == "published" and table["part"].any() else False
    ranked = rows.assign(is_test=is_test, alike=alike).sort_values(
        ["is_test", "alike", "sha256", "file"], ascending=[False, False, True, True]
    )
    repeated = ranked.index[ranked["cluster"].duplicated() & (duplicates == "one")]
    lost = sorted(set(table["label"]) - set(table["label"].drop(clustered.index[is_ambiguous]).drop(repeated)))
    if lost:
        raise UserError(
            f"split: duplicates: {duplicates} and two_labels: {two_labels} leave no image of {list_some(lost)}: "
            "set them to keep, or lower audit's distance if they are no duplicates"
        )
    return {"two_labels": clustered.index[is_ambiguous], "duplicates": repeated}


def draw_split(
    table: "pd.DataFrame",
    sizes: Mapping[str, int],
    method: str,
    seed: int,
    fold: int = 0,
    folds: int = 1,
    untrained_classes: str = "refuse",
) -> "pd.DataFrame":
    """Return a copy of the table with a column `split`: train, validation, test, or unused for what is left over.

    Args:
        table: One row an image, with its `file`, `label`, `part`, `group`, `cluster` and `sha256`.
        sizes: Number of images of each part; `published`, and folds, use that of `validation` alone.
        method: One of `METHODS`.
        seed: Seed of the drawing.
        fold: Number of the fold that is the test part, or of the published split, where there are several.
        folds: Number of folds; 1 for a test part of the size in `sizes`.
        untrained_classes: `allow` a class without a training image, or `refuse` the split.

    Raises:
        UserError: The data set lacks what the method needs, or a class is too small to be in every part.
    """
    import pandas as pd

    if not table[REQUIRED_COLUMN[method]].any():
        possible = ", ".join(name for name, column in REQUIRED_COLUMN.items() if table[column].any())
        raise UserError(
            f"split: this data set has no {REQUIRED_COLUMN[method]}s for the method {method}: choose {possible}"
        )
    check_folds(table, method, fold, folds)
    units = units_of_images(table, method, seed)
    split = pd.Series("unused", table.index)
    if method == "published":
        is_test = is_published_test(table["part"], fold)
    elif folds > 1:
        cuts = {str(number): (len(table) + number) // folds for number in range(folds)}
        per_fold = dict.fromkeys(cuts, 2 if folds == 2 else 1)  # of two, the other has to do for validation and train
        check_class_sizes(units, method, per_fold, f"{folds} folds")
        is_test = deal_images(units, cuts, per_fold) == str(fold)
        units["key"] = abs((units["key"] - (fold + 0.5) / folds + 0.5) % 1 - 0.5)  # the nearest to the fold first
    else:
        is_test = pd.Series(False, table.index)
    split[is_test] = "test"
    if is_test.any():
        sizes = {"validation": sizes["validation"], "train": int((~is_test).sum()) - sizes["validation"]}
    least = {part: 0 if part == "train" and untrained_classes == "allow" else 1 for part in PARTS if part in sizes}
    if method == "published" or (folds == 1 and method != "random"):
        outside = " outside the published test part" if method == "published" else ""
        free = units.assign(unit=units["unit"].where(~is_test))
        check_class_sizes(free, method, least, ", ".join(part for part in least if least[part]) + outside)
    units = units[~is_test]
    check_part_sizes(table, sizes, method, len(units), least)
    split.update(deal_images(units, {part: sizes[part] for part in least}, least))
    drawn = table.assign(split=split)
    check_classes(drawn, method, untrained_classes)
    return drawn


def units_of_images(table: "pd.DataFrame", method: str, seed: int) -> "pd.DataFrame":
    """Return for each image its `unit`, kept in one part, the `key` that orders units, and the `stratum` to balance.

    Units are the images themselves with `random`, groups and clusters and what they join with `grouped`, else clusters.
    A key follows from the smallest name of a unit's images, or of its groups. The stratum is the class, but with
    `random`, where all images are of one.

    Args:
        table: One row an image, with its `file`, `label`, `group`, `cluster` and `sha256`.
        method: One of `METHODS`.
        seed: Seed of the keys.
    """
    import pandas as pd

    names = image_names(table)
    if method == "random":
        unit = names
    elif method == "grouped":
        unit, names = pd.Series(unit_numbers(table), table.index), table["group"]
    else:
        unit = names.where(table["cluster"] == "", "cluster " + table["cluster"])
    keys = {number: draw_key(seed, name) for number, name in names.groupby(unit).min().items()}
    return table[[]].assign(unit=unit, key=unit.map(keys), stratum="" if method == "random" else table["label"])


def deal_images(units: "pd.DataFrame", sizes: Mapping[str, int], least: Mapping[str, int]) -> "pd.Series":
    """Return the part of each image, or `unused`, by the index of the units; units go in the order of their keys.

    Args:
        units: What `units_of_images` returns.
        sizes: Number of images of each part, in the order in which they are filled; what they leave is `unused`, and is
            filled before the last of them, which takes what has room nowhere else.
        least: Number of units of each class that a part has at least, by part.
    """
    *first, last = sizes
    targets = {part: sizes[part] for part in first} | {"unused": len(units) - sum(sizes.values()), last: sizes[last]}
    contents: dict[object, Counter[str]] = defaultdict(Counter)
    for unit, stratum in units.sort_values(["key", "stratum"])[["unit", "stratum"]].itertuples(index=False):
        contents[unit][stratum] += 1
    numbers = deal_units([*contents.values()], [*targets.values()], [least.get(part, 0) for part in targets])
    return units["unit"].map(dict(zip(contents, ([*targets][number] for number in numbers), strict=True)))


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
    """Check that there is a fold of that number, or as many published splits as folds are asked for, if not 1.

    Raises:
        UserError: There is no such fold, or the publisher has another number of splits.
    """
    if method == "published":
        splits = table["part"].nunique() if all(part.isdecimal() for part in table["part"]) else 1
        if folds not in (1, splits):
            raise UserError(f"split: {folds} folds; the publisher has {splits} to test on: set folds to {splits}")
    elif fold >= folds:
        raise UserError(f"split: no fold {fold} of {folds}, numbered from 0: set folds above it, or a fold below")


def check_class_sizes(units: "pd.DataFrame", method: str, least: Mapping[str, int], purpose: str) -> None:
    """Check that each class has units for all parts, or all folds, before they are drawn.

    Args:
        units: What `units_of_images` returns; `unit` is missing where an image is not to be drawn.
        method: One of `METHODS`; with `random` the data set as a whole needs the units.
        least: Number of units of each class that a part, or fold, has at least.
        purpose: What the units are for.

    Raises:
        UserError: A class has too few.
    """
    needed = sum(least.values())
    owned = units.groupby("stratum")["unit"].nunique().sort_values(kind="stable")
    small = owned[owned < needed]
    if small.empty:
        return
    images = units.dropna().groupby("stratum").size()
    is_clustered = method in ("stratified", "published") and (images.reindex(small.index, fill_value=0) > small).any()
    noun = "groups" if method == "grouped" else "images, duplicates counted once" if is_clustered else "images"
    apart = ", or lower audit's distance if they are no duplicates" if is_clustered else ""
    has = list_some([f"{name or 'the data set'} has {count}" for name, count in small.items()])
    fewer = f", or set folds to {small.min()}" if "folds" in purpose and small.min() > 2 else ""
    raise UserError(
        f"split: too few {noun}: {has}, and each class needs {needed}, for {purpose}: "
        f"add images, or leave the class out{fewer}{apart}"
    )


def list_some(names: Sequence[str]) -> str:
    """Return names joined by `, `; of more than five the first five, then as in ` and 3 more`."""
    others = len(names) - MOST_CLASSES
    return ", ".join(names[:MOST_CLASSES]) + (f" and {others} more" if others > 0 else "")


def check_part_sizes(
    table: "pd.DataFrame", sizes: Mapping[str, int], method: str, remaining: int, least: Mapping[str, int]
) -> None:
    """Check that each part is large enough for every class; of a `random` split only `train`, and only beside a fold.

    Args:
        table: One row an image, with its `label`.
        sizes: Number of images of each part to draw; without `test` if that part is decided already.
        method: The split method; with `random` only the training part beside a fold has to be.
        remaining: Number of images to draw from.
        least: Number of images of each class that a part has at least, by part.

    Raises:
        UserError: A part is too small.
    """
    classes = table["label"].nunique()
    if "test" not in sizes and sizes["train"] < max(classes * least["train"], 1):
        raise UserError(
            f"split: validation of {sizes['validation']} images, of the {remaining} outside the "
            f"{'published test part' if method == 'published' else 'fold'}, leaves too few to train {classes} "
            f"classes: make it {remaining - classes} or less"
        )
    for part, size in sizes.items():
        if method != "random" and size < classes * least[part]:
            raise UserError(
                f"split: {part} of {size} images cannot hold all {classes} classes: make it {classes} or more"
            )


def check_classes(drawn: "pd.DataFrame", method: str, untrained_classes: str) -> None:
    """Check that every part of a split has images of every class; of a random one only the training part.

    Raises:
        UserError: A part lacks a class that it has to have.
    """
    for part in PARTS:
        absent = sorted(set(drawn["label"]) - set(drawn.loc[drawn["split"] == part, "label"]))
        if not absent or (method == "random" and part != "train"):
            continue
        if part == "train" and untrained_classes == "allow":
            print(f"split: train has no image of {list_some(absent)}, as untrained_classes allows")
            continue
        if method == "published" and part == "test":
            remedy = "choose another method"
        elif method == "random":
            remedy = "make it larger, choose stratified, or set untrained_classes to allow"
        else:
            remedy = (
                "its images are kept together with those of other classes: make the part larger, or take another seed"
            )
        raise UserError(f"split: {part} has no image of {list_some(absent)}: {remedy}")

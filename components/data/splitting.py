"""Drawing the parts of a data set."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.system.errors import UserError, unknown_name

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NEEDED = {"stratified": "label", "random": "label", "grouped": "group", "published": "part"}  # columns, by method
METHODS = tuple(NEEDED)
TRIES = 50  # orders in which the units are handed out, of which the best counts


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


def draw(
    table: "pd.DataFrame", sizes: Mapping[str, int], method: str, seed: int, fold: int = 0, folds: int = 1
) -> "pd.DataFrame":
    """Return the table with a column `split`: train, validation, test, or unused for what is left over.

    Args:
        table: One row an image, with its `label`, `part`, `group` and `cluster`.
        sizes: Number of images of each part; `published`, and folds, use that of `validation` alone.
        method: One of `METHODS`.
        seed: Seed of the drawing.
        fold: Number of the fold that is tested on, or of the published split, where there are several.
        folds: Number of folds; 1 for a test part of its own size.

    Raises:
        UserError: The data set has not what the method needs, or a class is too small to be in every part.
    """
    if not table[NEEDED[method]].any():
        possible = ", ".join(name for name, column in NEEDED.items() if table[column].any())
        raise UserError(f"split: this data set has no {NEEDED[method]}s for the method {method}: choose {possible}")
    classes = table["label"].nunique()
    check_folds(table, method, fold, folds)
    drawn = table.assign(split="unused")
    left = drawn
    if method == "published" or folds > 1:
        if method == "published":
            tested = published_test(table["part"], fold)
        else:
            tested = in_folds(table, method, seed, folds) == str(fold)
        drawn.loc[tested, "split"] = "test"
        left = drawn[~tested]
        sizes = {"validation": sizes["validation"], "train": len(left) - sizes["validation"]}
        if sizes["train"] < classes:
            raise UserError(
                f"split: validation of {sizes['validation']} images, of the {len(left)} outside the "
                f"{'published test part' if method == 'published' else 'fold'}, leaves too few to train {classes} "
                "classes: make it smaller"
            )
    for part, size in sizes.items():
        if method != "random" and size < classes:
            raise UserError(f"split: {part} of {size} images cannot hold all {classes} classes: make it larger")
    if method == "grouped":
        drawn.loc[left.index, "split"] = whole_groups(left, sizes, seed)
    else:
        draw_images(drawn, left, sizes, method, seed)
    if method == "stratified":
        drawn.loc[left.index, "split"] = together(drawn.loc[left.index], seed)
    for part in ("test", "validation", "train"):
        absent = set(table["label"]) - set(drawn.loc[drawn["split"] == part, "label"])
        if absent and method != "random":
            given = method == "published" and part == "test"
            remedy = "choose another method" if given else "take fewer folds" if folds > 1 else "make it larger"
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


def check_folds(table: "pd.DataFrame", method: str, fold: int, folds: int) -> None:
    """Check the number of folds, and of the one that is tested on, where the publisher's do not decide.

    Raises:
        UserError: There is no such fold, there are not so many published splits, or a class is too small for them.
    """
    import pandas as pd

    if method == "published":
        splits = table["part"].nunique() if all(part.isdecimal() for part in table["part"]) else 1
        if folds not in (1, splits):
            raise UserError(f"split: {folds} folds; the publisher has {splits} to test on: set folds to {splits}")
        return
    if fold >= folds:
        raise UserError(f"split: no fold {fold} of {folds}, numbered from 0: set folds above it, or a fold below")
    what, has = "images", table["label"].value_counts()
    if method == "grouped":
        what, has = "groups", table.assign(unit=units(table)).groupby("label")["unit"].nunique()
    elif method == "random":
        has = pd.Series({"the data set": len(table)})
    if has.min() < folds:
        raise UserError(f"split: {has.idxmin()} has {has.min()} {what}, too few for {folds} folds: take fewer")


def in_folds(table: "pd.DataFrame", method: str, seed: int, folds: int) -> "pd.Series":
    """Return the fold of each image, a number as text: every image is in one fold, and folds are of one size.

    They keep to what parts of that method keep to.
    """
    import pandas as pd
    from sklearn.model_selection import KFold, StratifiedKFold

    if method == "grouped":
        sizes = {str(fold): (len(table) + fold) // folds for fold in range(folds)}
        return pd.Series(whole_groups(table, sizes, seed), table.index)
    kind = KFold if method == "random" else StratifiedKFold
    drawn = table.assign(split="")
    for fold, (_, tested) in enumerate(kind(folds, shuffle=True, random_state=seed).split(table, table["label"])):
        drawn.iloc[tested, -1] = str(fold)
    return drawn["split"] if method == "random" else together(drawn, seed)


def together(drawn: "pd.DataFrame", seed: int) -> "pd.Series":
    """Return the part of each image, every cluster in one: where a random one of its images was drawn to.

    Other images of the same classes make room for it, so that sizes and shares stay as they were drawn as long as there
    are such images. Where a part has no room for a cluster, it goes where most of it has.
    """
    import numpy as np
    import pandas as pd

    clustered = drawn["cluster"] != ""
    if (drawn[clustered].groupby("cluster")["split"].nunique() == 1).all():
        return drawn["split"]
    names = sorted(drawn["split"].unique(), key=lambda part: (part == "unused", part == "train", part))
    part = drawn["split"].map({name: number for number, name in enumerate(names)}).to_numpy(copy=True)
    label, classes = pd.factorize(drawn["label"], sort=True)
    room = np.zeros((len(names), len(classes)), np.int64)  # images
    np.add.at(room, (part, label), 1)
    shuffled = np.random.default_rng(seed).permutation(len(drawn))
    members = pd.Series(shuffled).groupby(drawn["cluster"].to_numpy()[shuffled], sort=False)
    for rows in sorted((rows.to_numpy() for name, rows in members if name), key=len, reverse=True):
        size = np.bincount(label[rows], minlength=len(classes))
        lacking = np.maximum(size - room, 0).sum(axis=1)
        home = part[rows[0]]
        if lacking[home]:
            home = np.lexsort((-room.sum(axis=1), lacking))[0]
        room[home] -= size
        part[rows] = home
    alone = shuffled[~clustered.to_numpy()[shuffled]]
    single = pd.DataFrame({"part": part[alone], "label": label[alone]}, alone)
    stays = single.groupby(["part", "label"]).cumcount() < room[single["part"], single["label"]]
    np.subtract.at(room, (single["part"][stays], single["label"][stays]), 1)
    for number in range(len(classes)):
        moved = single.index[~stays & (single["label"] == number)]
        part[moved] = np.repeat(np.arange(len(names)), np.maximum(room[:, number], 0))[: len(moved)]
    return pd.Series([names[number] for number in part], drawn.index)


def units(table: "pd.DataFrame") -> "np.ndarray":
    """Return the number of each image's unit: what is in one group or in one cluster, and what these join, is one."""
    import numpy as np
    import pandas as pd
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    groups, names = pd.factorize(table["group"], sort=True)
    inside = (table["cluster"] != "").to_numpy()
    clusters, more = pd.factorize(table["cluster"][inside])
    links = groups[inside], len(names) + clusters
    size = len(names) + len(more)
    _, component = connected_components(coo_array((np.ones(len(clusters)), links), (size, size)), directed=False)
    return pd.factorize(component[groups], sort=True)[0]


def published_test(parts: "pd.Series", fold: int) -> "pd.Series":
    """Return which images the publisher tests on: the part `test`, else `validation`, or those of one published split.

    Raises:
        UserError: There is no such part, or no such split.
    """
    found = set(parts)
    if all(part.isdecimal() for part in found):
        if str(fold) not in found:
            raise unknown_name("published split", fold, found)
        return parts == str(fold)
    name = "test" if "test" in found else "validation"
    if len(found) < 2 or name not in found:
        raise UserError(
            f"split: of the published parts, {', '.join(sorted(found))}, none is to test on: add a test part"
        )
    return parts == name


def whole_groups(table: "pd.DataFrame", sizes: Mapping[str, int], seed: int) -> list[str]:
    """Return the part of each image, no unit in two parts; sizes, and the classes' shares, as nearly as that allows.

    Each unit goes where most images of its classes are still missing, counted on odd tries as shares of the part. Of
    several random orders of the units the best counts: by the classes that parts lack, by sizes, by classes' shares.
    """
    import numpy as np
    import pandas as pd

    codes = units(table)
    images = pd.crosstab(codes, table["label"]).to_numpy()  # (units, classes)
    wanted = {**sizes, "unused": len(table) - sum(sizes.values())}
    wanted = {part: size for part, size in wanted.items() if size}
    totals = np.array([*wanted.values()])[:, None]
    random = np.random.default_rng(seed)
    best, best_score = np.zeros(len(images), np.int64), (math.inf, math.inf, math.inf)
    for number in range(TRIES):
        missing = totals * images.sum(axis=0) / len(table)  # (parts, classes) images
        start, pace = missing.copy(), totals ** (number % 2)
        chosen = np.empty_like(best)
        for unit in random.permutation(len(images)):
            chosen[unit] = np.argmax(missing / pace @ images[unit])
            missing[chosen[unit]] -= images[unit]
        off = missing[: len(sizes)]
        score = ((start - missing == 0)[: len(sizes)].sum(), abs(off.sum(axis=1)).sum(), (off**2).sum())
        if score < best_score:
            best, best_score = chosen, score
    return [[*wanted][part] for part in best[codes]]

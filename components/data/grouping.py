"""Images that stay in one part: those of a group, those of a cluster of duplicates, and the units that these join."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TRIES = 50  # random orders in which units are assigned to parts, of which the best is taken


def unit_numbers(table: "pd.DataFrame") -> "np.ndarray":
    """Return each image's unit, (n,), from 0; images of one group, "" too, or one cluster share it, also in chains.

    Args:
        table: One row an image, with its `group`, of which an empty one is a group too, and its `cluster`, which is
            empty where it has none.
    """
    import numpy as np
    import pandas as pd
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    groups, group_names = pd.factorize(table["group"], sort=True)
    has_cluster = (table["cluster"] != "").to_numpy()
    clusters, cluster_names = pd.factorize(table["cluster"][has_cluster])
    links = groups[has_cluster], len(group_names) + clusters
    size = len(group_names) + len(cluster_names)
    _, component = connected_components(coo_array((np.ones(len(clusters)), links), (size, size)), directed=False)
    return pd.factorize(component[groups], sort=True)[0]


def draw_whole_units(table: "pd.DataFrame", sizes: Mapping[str, int], seed: int) -> list[str]:
    """Return the part, or `unused`, of each image, in the table's order: no unit in two, sizes as near as that allows.

    So are the shares of the classes.
    Each unit goes to the part in which most images of its classes are still missing, counted on odd tries as shares of
    the part. Of several random orders of the units the best is taken: by the classes that parts lack, then by the
    parts' sizes, then by the classes' shares.

    Args:
        table: One row an image, with its `label`, `group` and `cluster`.
        sizes: Number of images of each part; the rest is `unused`.
        seed: Seed of the orders.
    """
    import numpy as np
    import pandas as pd

    unit_of_image = unit_numbers(table)
    images = pd.crosstab(unit_of_image, table["label"]).to_numpy()  # (units, classes)
    targets = {**sizes, "unused": len(table) - sum(sizes.values())}
    targets = {part: size for part, size in targets.items() if size}
    totals = np.array([*targets.values()])[:, None]
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
    return [[*targets][part] for part in best[unit_of_image]]


def keep_clusters_together(drawn: "pd.DataFrame", seed: int) -> "pd.Series":
    """Return the part of each image, every cluster in one: that of a random one of its images if there is room for it.

    Other images of the same classes change parts in exchange, so that sizes and shares stay as drawn as long as there
    are such images. A cluster for which a part has no room goes to the part that has room for most of it. Where no
    cluster lies in two parts, all images stay in theirs.

    Args:
        drawn: One row an image, with its `label`, its `cluster`, and its part as `split`.
        seed: Seed of the choices.
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

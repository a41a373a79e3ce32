"""Units, the images that stay in one part, and how they are dealt out: those of a group, of a cluster of duplicates."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from components.data.artifacts import Audit

WINDOW = 5  # units at each side of the end of a part that may change places: more fit better and stay less

Unit = Mapping[str, int]  # number of images by class


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


def units_of(audit: "Audit", rows: "pd.DataFrame") -> "np.ndarray":
    """Return the number of each image's unit, (n,): its group, or itself where it has none, joined by duplicates.

    Args:
        audit: The duplicates of the data set.
        rows: One row an image: file and group.
    """
    clusters = audit.table("hashes.csv").set_index("file")["cluster"]
    groups = rows["group"].astype(str).where(rows["group"] != "", rows["file"])
    return unit_numbers(rows.assign(group=groups, cluster=clusters.loc[rows["file"]].to_numpy()))


def image_names(table: "pd.DataFrame") -> "pd.Series":
    """Return each image's name by its content: the sha256; of further copies, by file name, `SHA256 1`, `SHA256 2`, ...

    Args:
        table: One row an image, with its `file` and its `sha256`.
    """
    copies = table.sort_values("file").groupby("sha256").cumcount().loc[table.index]
    return table["sha256"] + copies.map(" {}".format).where(copies > 0, "")


def draw_key(seed: int, name: str) -> float:
    """Return a number in [0, 1) that follows from the seed and the name alone, uniform over names and over seeds."""
    digest = hashlib.blake2b(f"{seed} {name}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


def deal_units(units: Sequence[Unit], sizes: Sequence[int], least: Sequence[int]) -> list[int]:
    """Return each unit's part, as its place in `sizes`: parts fill in order, each to its size and share of each class.

    Each unit, in the order given, is in the first part that has room for it. A part has room for its share of each
    class. Where whole units do not fill it, those at its end change places with those after it, as long as that brings
    size and shares nearer. The last part takes what the others leave. Units of one image meet sizes and shares exactly.

    Args:
        units: The number of images of each class in each unit.
        sizes: The number of images of each part, together those of the units.
        least: The number of units of each class that each part has at least, if no unit has several classes.
    """
    part = [len(sizes) - 1] * len(units)
    waiting, images = list(range(len(units))), sum(sizes)
    for number in range(len(sizes) - 1):
        size = round(images * sizes[number] / max(sum(sizes[number:]), 1))  # the others share what one part lacks
        for row in fill_part(units, waiting, size, least[number], sum(least[number + 1 :])):
            part[row] = number
            images -= sum(units[row].values())
        waiting = [row for row in waiting if part[row] != number]
    return part


def fill_part(units: Sequence[Unit], waiting: Sequence[int], size: int, least: int, reserve: int) -> set[int]:
    """Return the numbers, of those waiting, of the units that a part takes to come nearest its size and class shares.

    Args:
        units: The number of images of each class in each unit.
        waiting: The numbers of the units that it may take, in order.
        size: The number of images to take.
        least: The number of units of each class to take at least.
        reserve: The number of units of each class to leave.
    """
    images, spare = Counter[str](), Counter[str]()  # of each class: images, and units beyond the reserve
    for row in waiting:
        images.update(units[row])
        spare.update(units[row].keys())
    spare.subtract(dict.fromkeys(spare, reserve))
    missing = share_out(images, size, least, reserve)  # images of each class
    lacking = dict.fromkeys(missing, least)  # units of each class
    taken: set[int] = set()

    def exchange(*rows: int) -> None:
        """Take those of the units that are not taken, and put back the others."""
        for row in rows:
            sign = 1 if row in taken else -1
            taken.symmetric_difference_update({row})
            for label, count in units[row].items():
                missing[label] += sign * count
                lacking[label] += sign
                spare[label] += sign

    for row in waiting:
        if all(missing[label] >= count and spare[label] > 0 for label, count in units[row].items()):
            exchange(row)
    for label in lacking:
        holding = [row for row in waiting if row not in taken and label in units[row]] if lacking[label] > 0 else []
        for row in sorted(holding, key=lambda row: sum(units[row].values()))[: lacking[label]]:
            exchange(row)
    while rows := best_exchange(units, waiting, taken, missing, lacking, spare):
        exchange(*rows)
    return taken


def best_exchange(
    units: Sequence[Unit], waiting: Sequence[int], taken: set[int], missing: Unit, lacking: Unit, spare: Unit
) -> list[int]:
    """Return [unit to put back, unit to take], or one alone, that bring a part nearest to size and shares; or [].

    None are returned where no such exchange brings it nearer. How far it is off is the sum of the squares of what it is
    missing of each class and of all.

    Args:
        units: The number of images of each class in each unit.
        waiting: The numbers of the units, in order, taken ones and others.
        taken: The numbers of those that the part has.
        missing: The number of images of each class that it is missing; negative where it has too many.
        lacking: The number of units of each class that it lacks; an exchange leaves none lacking.
        spare: The number of units of each class that it may still take.
    """
    import numpy as np

    if not any(missing.values()):
        return []
    last = [row for row in waiting if row in taken][-WINDOW:]
    following = [row for row in waiting if row not in taken][:WINDOW]
    images = np.array([[units[row].get(label, 0) for label in missing] for row in [*last, *following]])
    nothing = np.zeros_like(images[:1])
    back = np.concatenate([nothing, images[: len(last)]])[:, None]  # (put back, taken, classes)
    more = np.concatenate([nothing, images[len(last) :]])[None]
    off, holders = np.array([*missing.values()]) + back - more, (back > 0).astype(int) - (more > 0)
    is_allowed = (np.array([*lacking.values()]) + holders <= 0) & (
        np.array([spare[label] for label in missing]) + holders >= 0
    )
    distance = (off**2).sum(axis=2) + off.sum(axis=2) ** 2
    put_back, take = np.unravel_index(np.argmin(np.where(is_allowed.all(axis=2), distance, np.inf)), distance.shape)
    if not is_allowed[put_back, take].all() or distance[put_back, take] >= distance[0, 0]:
        return []
    return [*([last[put_back - 1]] if put_back else []), *([following[take - 1]] if take else [])]


def share_out(images: Counter[str], size: int, least: int, reserve: int) -> dict[str, int]:
    """Return how many images of each class a part has, in proportion; bounds go before their sum, `size`.

    Args:
        images: Number of images of each class that there are; of equal remainders that of the first is rounded up.
        size: Number of images of the part.
        least: Number of images of each class that it has at least.
        reserve: Number of images of each class that it leaves.
    """
    shares = {label: size * count / images.total() for label, count in images.items()}
    counts = {label: max(min(max(int(share), least), images[label] - reserve), 0) for label, share in shares.items()}
    while excess := sum(counts.values()) - size:
        step = -1 if excess > 0 else 1
        free = [label for label in counts if least <= counts[label] + step <= images[label] - reserve]
        if not free:
            break
        counts[max(free, key=lambda label: step * (shares[label] - counts[label]))] += step
    return counts

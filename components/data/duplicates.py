"""Images that a data set holds twice: the same bytes, or nearly the same picture.

Perceptual hashes select, among all pairs, those that may be alike; the correlation of their details decides. A plain
image, whose detail is empty, is near-identical to none. `changed_copies` has what was mirrored, cropped or marked.

The limits follow from measurements, with hashes at most 8 bits apart. Of 300 animals and 300 hands all were recognised
as a JPEG of quality 60, at half the size or 10 % brighter, and 99 % without a border of 1 %. The 17 closest pairs of
1,738 animals are one picture each, at 0.98 or more, followed by two shots of one scene at 0.93; the closest pair of
2,062 hands, of two people, is at 0.94, and that of 1,797 digits of 8 x 8 pixels at 0.98.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from components.data.perceptual_hashes import pairs_of_close_hashes
from components.system.errors import UserError, shorten

MIN_CORRELATION = 0.95  # of the details of two near-identical images
SMALL_SIDE, MIN_CORRELATION_SMALL = 32, 0.99  # for images of fewer pixels a side, of which many are alike
DETAILS_AT_ONCE = 2**12  # pairs whose details are
CLOSE_HASHES = 300  # of an image, on average: with more, hashes say nothing
KINDS = ("identical", "near", "turned", "cropped", "marked")  # of pairs
ALIKE_IMAGES, ALIKE_SHARE = 8, 0.3  # of a cluster, and of a class in it, that is alike by nature
ALIKE_PAIRS = 10  # of which most have two labels
AUGMENTED = 100  # times a class's size, that of one with its copies

Pair = tuple[int, int, int, float, str]  # row of the earlier image, of the later, differing bits, correlation, kind


def min_correlations(sides: np.ndarray) -> np.ndarray:
    """Return the least correlation of each image with a near-identical one, (n,): 0.99 if small, else 0.95.

    Small is an image whose shorter side, in pixels, is below 32.
    """
    return np.where(sides < SMALL_SIDE, MIN_CORRELATION_SMALL, MIN_CORRELATION)


def near_identical_pairs(
    hashes: np.ndarray, details: np.ndarray, min_correlation: np.ndarray, distance: int
) -> list[Pair] | None:
    """Return pairs that join near-identical images, sorted by rows; None if too many hashes are close to say anything.

    A pair is (row, later row, bits in which the hashes differ, correlation, `near`).

    A pair whose images are connected already is skipped: there are fewer pairs than images. The search ends at 300
    close hashes an image, as those of one camera, of forms or of pages have.

    Args:
        hashes: uint64 (n,).
        details: float16 (n, DETAIL).
        min_correlation: Least correlation of each image with a near-identical one, (n,).
        distance: Bits in which two hashes may differ.
    """
    pairs: list[Pair] = []
    cluster = np.arange(len(hashes))
    members: dict[int, list[int]] = {}
    detailed = np.flatnonzero(details.any(axis=1))
    left = CLOSE_HASHES * len(detailed)
    for block in pairs_of_close_hashes(hashes[detailed], distance):
        first, second = (detailed[rows] for rows in block)
        left -= len(first)
        if left < 0:
            return None
        while len(first):
            apart = cluster[first] != cluster[second]
            first, second = first[apart], second[apart]
            some, others = first[:DETAILS_AT_ONCE], second[:DETAILS_AT_ONCE]
            correlation = (details[some].astype(np.float32) * details[others]).sum(axis=1)
            needed = np.maximum(min_correlation[some], min_correlation[others])
            for number in np.flatnonzero(correlation >= needed):
                one, other = int(some[number]), int(others[number])
                low, high = sorted((int(cluster[one]), int(cluster[other])))
                if low != high:
                    moved = members.pop(high, [high])
                    cluster[moved] = low
                    members.setdefault(low, [low]).extend(moved)
                    bits = int(np.bitwise_count(hashes[one] ^ hashes[other]))
                    pairs.append((one, other, bits, float(correlation[number]), "near"))
            first, second = first[DETAILS_AT_ONCE:], second[DETAILS_AT_ONCE:]
    return sorted(pairs)


def first_of_clusters(count: int, pairs: Sequence[Pair]) -> np.ndarray:
    """Return for each of so many images the row of its cluster's first, (n,), itself where it is in no pair."""
    ends = np.array([pair[:2] for pair in pairs], np.int64).reshape(-1, 2).T
    _, component = connected_components(coo_array((np.ones(ends.shape[1]), ends), (count, count)), directed=False)
    _, first, number = np.unique(component, return_index=True, return_inverse=True)
    return first[number]


def cluster_names(first: np.ndarray) -> np.ndarray:
    """Return each image's cluster, named by its first image, (n,); empty for an image that is alone in it."""
    return np.where(pd.Series(first).duplicated(keep=False), first, "")


def classes_alike_by_nature(labels: np.ndarray, cluster: np.ndarray, pairs: Sequence[Pair]) -> list[str]:
    """Return, sorted, classes with many images in one cluster and, if most of all pairs cross classes, those in these.

    So are those of one camera, pages, gauges or forms. One cluster, of 8 images or more, has over 30 % of such a class;
    or, of 10 pairs or more, most have two labels.

    Args:
        labels: Of each image, (n,).
        cluster: The row of each image's cluster's first, (n,).
        pairs: Near-identical images.
    """
    class_of_image, classes = pd.factorize(labels)
    sizes = np.bincount(class_of_image, minlength=len(classes))
    alike = set[str]()
    rows, counts = np.unique(cluster, return_counts=True)
    for row in rows[counts >= ALIKE_IMAGES]:
        inside = np.bincount(class_of_image[cluster == row], minlength=len(classes))
        alike.update(classes[inside > ALIKE_SHARE * sizes])
    crossing = [pair for pair in pairs if labels[pair[0]] != labels[pair[1]]]
    if len(pairs) >= ALIKE_PAIRS and len(crossing) > len(pairs) / 2:
        alike.update(str(labels[row]) for pair in crossing for row in pair[:2])
    return sorted(alike)


def require_different_classes(table: pd.DataFrame) -> None:
    """Raise an error where two classes have mostly the same images, or one of them copies of the other's few images.

    Clusters that hold more than two different images of each of two classes do not count: they are alike by nature.

    Args:
        table: One row an image, with its `file`, `label`, `sha256` and `cluster`, which is empty where it has none.

    Raises:
        UserError: There are such classes.
    """
    sizes = table["label"].value_counts().to_dict()
    clustered = table[table["cluster"] != ""]
    held = clustered.groupby(["cluster", "label"], sort=False).agg(
        images=("file", "size"), contents=("sha256", "nunique"), file=("file", "first")
    )
    held = held.reset_index()
    both = held.merge(held, on="cluster", suffixes=("", "_other"))
    for (label, other), rows in both[both["label"] != both["label_other"]].groupby(["label", "label_other"]):
        few, many = sizes[label], sizes[other]
        one_each = rows["contents"].sum() <= 1.5 * len(rows) and len(rows) > 1
        if few > many or not one_each or rows["images_other"].sum() <= many / 2:
            continue
        example = f"such as {rows['file'].iloc[0]} and {rows['file_other'].iloc[0]}"
        if many >= AUGMENTED * few:
            raise UserError(
                f"{rows['images_other'].sum()} of {many} images of {shorten(other)} are copies of the {few} of "
                f"{shorten(label)}, {example}: take out the copies, or one of the two classes"
            )
        if rows["images"].sum() > few / 2 and rows["contents_other"].sum() <= 1.5 * len(rows):
            raise UserError(
                f"{shorten(label)} and {shorten(other)} have mostly the same images, {rows['images'].sum()} of {few} "
                f"and {rows['images_other'].sum()} of {many}, {example}: merge the two classes, or take one out"
            )


def label_conflicts(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of the images whose label is not the commonest of their cluster, with `file` and `other`.

    `other` is the first image of the cluster that has the commonest label; of several as common, the first one counts.
    An image without a cluster is left out.

    Args:
        table: One row an image, with its `file`, `label` and `cluster`, which is empty where it has none.
    """
    clustered = table[table["cluster"] != ""]
    counts = clustered.groupby(["cluster", "label"], sort=False)["file"].agg(images="size", other="first").reset_index()
    most = counts.sort_values("images", ascending=False, kind="stable").drop_duplicates("cluster")
    pairs = clustered.merge(most.rename(columns={"label": "other_label"}), on="cluster")
    return pairs.loc[pairs["label"] != pairs["other_label"], ["file", "other"]].reset_index(drop=True)

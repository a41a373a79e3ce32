"""Images that a data set holds twice: the same bytes, or nearly the same picture.

Perceptual hashes select, among all pairs, those that may be alike; the correlation of their details decides. An image
and its mirror image are two images, and a plain image, whose detail is empty, is near-identical to none.

The limits follow from measurements, with hashes at most 8 bits apart. Of 300 animals and 300 hands all were recognised
as a JPEG of quality 60, at half the size or 10 % brighter, and 99 % without a border of 1 %. The 17 closest pairs of
1,738 animals are one picture each, at 0.98 or more, followed by two shots of one scene at 0.93; the closest pair of
2,062 hands, of two people, is at 0.94, and that of 1,797 digits of 8 x 8 pixels at 0.98.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations, pairwise
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from components.data import images
from components.system.errors import UserError, shorten
from components.system.progress import bar

HASH_BYTES, BITS = 8, 64
SIDE = 16  # pixels of a thumbnail
BLURRED_SIDE = 4  # pixels of the blurred thumbnail; the detail is the difference between the two
DETAIL = SIDE * SIDE * 3  # values
PLAIN = 2.0  # of 255: an image whose detail has a smaller standard deviation is plain
MIN_CORRELATION = 0.95  # of the details of two near-identical images
SMALL_SIDE, MIN_CORRELATION_SMALL = 32, 0.99  # for images of fewer pixels a side, of which many are alike
HASHES_AT_ONCE = 2**20  # pairs whose hashes are compared in one block
DETAILS_AT_ONCE = 2**12  # pairs whose details are
CLOSE_HASHES = 300  # of an image, on average: with more, hashes say nothing
ALIKE_IMAGES, ALIKE_SHARE = 8, 0.3  # of a cluster, and of a class in it, that is alike by nature
ALIKE_PAIRS = 10  # of which most have two labels
AUGMENTED = 100  # times a class's size, that of one with its copies

Pair = tuple[int, int, int, float]  # row of the earlier image, row of the later, differing bits, correlation


def hash_and_detail(file: Path, white_level: int) -> np.ndarray:
    """Return an image's perceptual hash and then its detail, as bytes: uint8 (HASH_BYTES + 2 * DETAIL,).

    The detail is what a thumbnail has beyond its blurred self, float16 of mean 0 and length 1, all 0 for a plain image.

    Source:
        The hash is pHash as the library ImageHash has it: which of the 8 x 8 lowest frequencies of the discrete cosine
        transform, of the image in grey at 32 x 32 pixels, are above their median.
    """
    with images.file_errors(file), images.open_image(file.read_bytes(), 64, 0, white_level) as stored:
        image = stored.rgb().resize((64, 64), Image.Resampling.BILINEAR, reducing_gap=2)
    thumbnail = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    small = thumbnail.resize((BLURRED_SIDE, BLURRED_SIDE), Image.Resampling.BOX)
    blurred = small.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    detail = np.asarray(thumbnail, np.float32).ravel() - np.asarray(blurred, np.float32).ravel()
    detail -= detail.mean()
    length = np.linalg.norm(detail)
    detail *= 0 if length < PLAIN * detail.size**0.5 else 1 / length
    return np.concatenate([np.packbits(imagehash.phash(image).hash), detail.astype(np.float16).view(np.uint8)])


def hashes_and_details(files: Sequence[Path], white_level: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the perceptual hashes of image files, uint64 (n,), and their details, float16 (n, DETAIL), in order.

    Args:
        files: The files, of one data set.
        white_level: The data set's.
    """
    rows = np.empty((len(files), HASH_BYTES + 2 * DETAIL), np.uint8)
    with bar("audit", len(files), "image") as progress:
        for place, batch in images.map_in_batches(partial(hash_and_detail, white_level=white_level), files, 64):
            rows[place] = batch
            progress.update(len(batch))
    hashes, details = rows[:, :HASH_BYTES].copy(), rows[:, HASH_BYTES:].copy()
    return hashes.view(">u8")[:, 0].astype(np.uint64), details.view(np.float16)


def bands_of_bits(count: int, distance: int) -> list[tuple[int, int]]:
    """Return the first bit and the width of each band into which to cut the 64 bits of so many hashes for a search.

    Of 3 to 16 bands it takes the number that costs the fewest steps: tables, look-ups in them, and pairs to compare.
    """

    def steps(bands: int) -> float:
        width = BITS // bands
        flips = sum(math.comb(width, bits) for bits in range(distance // bands + 1))
        return bands * (2**width + flips * (10 * count + count * count / 2**width))

    edges = np.linspace(0, BITS, min(range(3, 17), key=steps) + 1).astype(int)
    return [(int(start), int(end - start)) for start, end in pairwise(edges)]


def pairs_of_close_hashes(hashes: np.ndarray, distance: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, in blocks, the rows of the earlier and of the later hash of each pair at most so many bits apart.

    Two hashes that differ in d bits differ, in one of k bands of them, in d // k bits or fewer: there they are looked
    up, with so many bits flipped. A pair is yielded for the first such band only.

    Source:
        Multi-index hashing: Norouzi, Punjani and Fleet, arXiv 1307.2982.
    """
    bands = bands_of_bits(len(hashes), distance)
    most = distance // len(bands)
    for number, (shift, width) in enumerate(bands):
        keys = (hashes >> np.uint64(shift)).astype(np.int64) & (2**width - 1)
        order = np.argsort(keys, kind="stable")
        starts = np.searchsorted(keys[order], np.arange(2**width + 1))
        for flipped in (bits for size in range(most + 1) for bits in combinations(range(width), size)):
            asked = keys[order] ^ sum(1 << bit for bit in flipped)
            counts = starts[asked + 1] - starts[asked]
            rows = np.flatnonzero(counts)
            ends = counts[rows].cumsum()
            while len(rows):
                some = max(1, int(np.searchsorted(ends, HASHES_AT_ONCE, "right")))
                several = counts[rows[:some]]
                places = np.arange(several.sum()) - np.repeat(several.cumsum() - several, several)
                first = np.repeat(order[rows[:some]], several)
                second = order[places + np.repeat(starts[asked[rows[:some]]], several)]
                earlier = first < second
                first, second = first[earlier], second[earlier]
                bits = hashes[first] ^ hashes[second]
                close = np.bitwise_count(bits) <= distance
                for start, size in bands[:number]:
                    close &= np.bitwise_count(bits >> np.uint64(start) & np.uint64(2**size - 1)) > most
                yield first[close], second[close]
                rows, ends = rows[some:], ends[some:] - ends[some - 1]


def min_correlations(widths: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Return the least correlation of each image with a near-identical one, (n,): 0.99 if small, else 0.95.

    Small is an image whose shorter side is below 32 pixels.
    """
    return np.where(np.minimum(widths, heights) < SMALL_SIDE, MIN_CORRELATION_SMALL, MIN_CORRELATION)


def near_identical_pairs(
    hashes: np.ndarray, details: np.ndarray, min_correlation: np.ndarray, distance: int
) -> list[Pair] | None:
    """Return the pairs that connect near-identical images; None where too many hashes are close to say anything.

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
                    pairs.append((one, other, bits, float(correlation[number])))
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
    """Return the classes, sorted, whose different images look near-identical: of one camera, pages, gauges, forms.

    One cluster, of 8 images or more, has over 30 % of such a class; or, of 10 pairs or more, most have two labels.

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

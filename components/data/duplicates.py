"""Images that a data set holds twice: the same bytes, or nearly the same picture.

Perceptual hashes select, among all pairs, those that may be alike; the correlation of their details decides. An image
and its mirror image are two images, and a plain image, whose detail is empty, is near-identical to none.

The limits follow from measurements, with hashes at most 8 bits apart. Of 300 animals and 300 hands all were recognised
as a JPEG of quality 60, at half the size or 10 % brighter, and 99 % without a border of 1 %. The 17 closest pairs of
1,738 animals are one picture each, at 0.98 or more, followed by two shots of one scene at 0.93; the closest pair of
2,062 hands, of two people, is at 0.94, and that of 1,797 digits of 8 x 8 pixels at 0.98.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import imagehash
import numpy as np
from PIL import Image

from components.data import images
from components.system.progress import bar

if TYPE_CHECKING:
    import pandas as pd

HASH_BYTES = 8
SIDE = 16  # pixels of a thumbnail
BLURRED_SIDE = 4  # pixels of the blurred thumbnail; the detail is the difference between the two
DETAIL = SIDE * SIDE * 3  # values
PLAIN = 2.0  # of 255: an image whose detail has a smaller standard deviation is plain
MIN_CORRELATION = 0.95  # of the details of two near-identical images
SMALL_SIDE, MIN_CORRELATION_SMALL = 32, 0.99  # for images of fewer pixels a side, of which many are alike
HASHES_AT_ONCE = 2**20  # pairs whose hashes are compared in one block
DETAILS_AT_ONCE = 2**12  # pairs whose details are

Pair = tuple[int, int, int, float]  # row of the earlier image, row of the later, differing bits, correlation


def hash_and_detail(file: Path) -> np.ndarray:
    """Return an image's perceptual hash and then its detail, as bytes: uint8 (HASH_BYTES + 2 * DETAIL,).

    The detail is what a thumbnail has beyond its blurred self, float16 of mean 0 and length 1, all 0 for a plain image.

    Source:
        The hash is pHash as the library ImageHash has it: which of the 8 x 8 lowest frequencies of the discrete cosine
        transform, of the image in grey at 32 x 32 pixels, are above their median.
    """
    with images.open_image(file.read_bytes(), min_side=64) as stored:
        image = stored.rgb().resize((64, 64), Image.Resampling.BILINEAR, reducing_gap=2)
    thumbnail = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    small = thumbnail.resize((BLURRED_SIDE, BLURRED_SIDE), Image.Resampling.BOX)
    blurred = small.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    detail = np.asarray(thumbnail, np.float32).ravel() - np.asarray(blurred, np.float32).ravel()
    detail -= detail.mean()
    length = np.linalg.norm(detail)
    detail *= 0 if length < PLAIN * detail.size**0.5 else 1 / length
    return np.concatenate([np.packbits(imagehash.phash(image).hash), detail.astype(np.float16).view(np.uint8)])


def hashes_and_details(files: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Return the perceptual hashes of image files, uint64 (n,), and their details, float16 (n, DETAIL), in order."""
    rows = np.empty((len(files), HASH_BYTES + 2 * DETAIL), np.uint8)
    with bar("audit", len(files), "image") as progress:
        for place, batch in images.map_in_batches(hash_and_detail, files, 64):
            rows[place] = batch
            progress.update(len(batch))
    hashes, details = rows[:, :HASH_BYTES].copy(), rows[:, HASH_BYTES:].copy()
    return hashes.view(">u8")[:, 0].astype(np.uint64), details.view(np.float16)


def pairs_of_close_hashes(hashes: np.ndarray, distance: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, in blocks, the rows of the earlier and of the later hash of each pair at most so many bits apart."""
    rows = max(1, HASHES_AT_ONCE // max(len(hashes), 1))
    for start in range(0, len(hashes), rows):
        bits = np.bitwise_count(hashes[start : start + rows, None] ^ hashes[None, start:])
        first, second = np.nonzero(bits <= distance)
        later = second > first
        yield first[later] + start, second[later] + start


def min_correlations(widths: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Return the least correlation of each image with a near-identical one, (n,): 0.99 if small, else 0.95.

    Small is an image whose shorter side is below 32 pixels.
    """
    return np.where(np.minimum(widths, heights) < SMALL_SIDE, MIN_CORRELATION_SMALL, MIN_CORRELATION)


def cluster_near_identical(
    hashes: np.ndarray, details: np.ndarray, min_correlation: np.ndarray, distance: int
) -> tuple[list[Pair], np.ndarray]:
    """Return the pairs that connect near-identical images, and for each image the row of its cluster's first, (n,).

    A pair whose images are in one cluster already is skipped: there are fewer pairs than images, and few are compared,
    even where all images are alike.

    Args:
        hashes: uint64 (n,).
        details: float16 (n, DETAIL).
        min_correlation: Least correlation of each image with a near-identical one, (n,).
        distance: Bits in which two hashes may differ.

    Returns:
        The pairs, each as a `Pair`; and the clusters, in which an image that is in no pair is its own first.
    """
    pairs: list[Pair] = []
    cluster = np.arange(len(hashes))
    detailed = np.flatnonzero(details.any(axis=1))
    for block in pairs_of_close_hashes(hashes[detailed], distance):
        first, second = (detailed[rows] for rows in block)
        while len(first):
            apart = cluster[first] != cluster[second]
            first, second = first[apart], second[apart]
            some, others = first[:DETAILS_AT_ONCE], second[:DETAILS_AT_ONCE]
            correlation = (details[some].astype(np.float32) * details[others]).sum(axis=1)
            needed = np.maximum(min_correlation[some], min_correlation[others])
            for number in np.flatnonzero(correlation >= needed):
                one, other = int(some[number]), int(others[number])
                low, high = sorted((cluster[one], cluster[other]))
                if low != high:
                    cluster[cluster == high] = low
                    bits = int(np.bitwise_count(hashes[one] ^ hashes[other]))
                    pairs.append((one, other, bits, float(correlation[number])))
            first, second = first[DETAILS_AT_ONCE:], second[DETAILS_AT_ONCE:]
    return pairs, cluster


def label_conflicts(table: "pd.DataFrame") -> "pd.DataFrame":
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

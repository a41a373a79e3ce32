"""Images that a data set holds twice: the same bytes, or nearly the same picture.

A perceptual hash finds, among all pairs, those that may be alike; the pixels decide. An image and its mirror image are
two images, and plain ones, which all look alike, are near-identical to none.

The limits are set by what was measured, with hashes at most 8 bits apart. Of 300 animals and 300 hands all were found
again as a JPEG of quality 60, at half the size or 10 % brighter, and 99 % without a border of 1 %. The 17 closest pairs
of 1,738 animals are one picture each, at 0.98 or more, followed by two shots of one scene at 0.93; the closest pair of
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

HASH = 8  # bytes
SIDE, COARSE = 16, 4  # pixels a side of a thumbnail, and of the blurred one that its detail is the difference from
PLAIN = 2.0  # of 255: an image whose detail has a smaller deviation says too little
SIMILAR = 0.95  # least correlation of the details of two near-identical images
SMALL, SIMILAR_SMALL = 32, 0.99  # the same where an image has fewer pixels a side: few pixels are soon alike
PAIRS = 2**20  # of hashes that are held side by side at a time
CLOSE = 2**12  # pairs whose details are

Pairs = list[tuple[int, int, int, float]]


def fingerprint(file: Path) -> np.ndarray:
    """Return an image's hash and then its detail: bytes, uint8 (HASH + 2 * SIDE * SIDE * 3,).

    The detail is what a thumbnail has beyond its blurred self, float16 of mean 0 and length 1, all 0 for a plain image.

    Source:
        The hash is pHash as the library ImageHash has it: which of the 8 x 8 lowest frequencies of the discrete cosine
        transform, of the image in grey at 32 x 32 pixels, are above their median.
    """
    image = images.decode(file, enough=64).resize((64, 64), Image.Resampling.BILINEAR, reducing_gap=2)
    thumbnail = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    blurred = thumbnail.resize((COARSE, COARSE), Image.Resampling.BOX).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    detail = np.asarray(thumbnail, np.float32).ravel() - np.asarray(blurred, np.float32).ravel()
    detail -= detail.mean()
    length = np.linalg.norm(detail)
    detail *= 0 if length < PLAIN * detail.size**0.5 else 1 / length
    return np.concatenate([np.packbits(imagehash.phash(image).hash), detail.astype(np.float16).view(np.uint8)])


def fingerprints(files: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Return the hashes of images, uint64 (n,), and their details, float16 (n, SIDE * SIDE * 3)."""
    found = np.empty((len(files), HASH + 2 * SIDE * SIDE * 3), np.uint8)
    with bar("audit", len(files), "image") as progress:
        for place, batch in images.in_batches(fingerprint, files, 64):
            found[place] = batch
            progress.update(len(batch))
    return found[:, :HASH].copy().view(">u8")[:, 0].astype(np.uint64), found[:, HASH:].copy().view(np.float16)


def alike(hashes: np.ndarray, distance: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the places of all pairs, the earlier first, whose hashes differ in at most so many bits, block by block."""
    rows = max(1, PAIRS // max(len(hashes), 1))
    for start in range(0, len(hashes), rows):
        bits = np.bitwise_count(hashes[start : start + rows, None] ^ hashes[None, start:])
        first, second = np.nonzero(bits <= distance)
        later = second > first
        yield first[later] + start, second[later] + start


def limits(widths: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Return the least correlation with each image of one that is near-identical to it, (n,), by its size in pixels."""
    return np.where(np.minimum(widths, heights) < SMALL, SIMILAR_SMALL, SIMILAR)


def near(hashes: np.ndarray, details: np.ndarray, least: np.ndarray, distance: int) -> tuple[Pairs, np.ndarray]:
    """Return the near-identical pairs that connect the clusters, and the first image of each image's cluster.

    Pairs within a cluster as it stands are passed over: there are fewer pairs than images, and few are looked at, even
    where all images are alike.

    Args:
        hashes: uint64 (n,).
        details: float16 (n, SIDE * SIDE * 3).
        least: Least correlation of each image with another, (n,).
        distance: Bits in which two hashes may differ.

    Returns:
        Place of the earlier image, of the later, bits in which they differ, and correlation; and places (n,).
    """
    pairs: Pairs = []
    cluster = np.arange(len(hashes))
    telling = np.flatnonzero(details.any(axis=1))
    for block in alike(hashes[telling], distance):
        first, second = (telling[places] for places in block)
        while len(first):
            apart = cluster[first] != cluster[second]
            first, second = first[apart], second[apart]
            some, others = first[:CLOSE], second[:CLOSE]
            similar = (details[some].astype(np.float32) * details[others]).sum(axis=1)
            for pair in np.flatnonzero(similar >= np.maximum(least[some], least[others])):
                one, other = int(some[pair]), int(others[pair])
                low, high = sorted((cluster[one], cluster[other]))
                if low != high:
                    cluster[cluster == high] = low
                    pairs.append((one, other, int(np.bitwise_count(hashes[one] ^ hashes[other])), float(similar[pair])))
            first, second = first[CLOSE:], second[CLOSE:]
    return pairs, cluster


def two_labels(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return the images labelled otherwise than most of their cluster, each with the first of those: file, other.

    Args:
        table: One row an image, with its `file`, `label` and `cluster`, which is empty where it has none.
    """
    clustered = table[table["cluster"] != ""]
    counts = clustered.groupby(["cluster", "label"], sort=False)["file"].agg(images="size", other="first").reset_index()
    most = counts.sort_values("images", ascending=False, kind="stable").drop_duplicates("cluster")
    pairs = clustered.merge(most.rename(columns={"label": "other_label"}), on="cluster")
    return pairs.loc[pairs["label"] != pairs["other_label"], ["file", "other"]].reset_index(drop=True)

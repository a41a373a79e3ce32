"""Copies of an image that were mirrored, turned, cropped, bordered or marked: a second look beside near-identity.

The hashes of an image's mirrored, turned and cropped variants are looked up among the hashes of all images. What they
bring up is registered: a turn is undone, the edges of a crop are searched, and the pictures must correlate by 0.97. Of
a marked copy, as with a watermark, four fifths of the picture must correlate by 0.995. Images of fewer than 32 pixels
a side, of which many are alike, are not looked at, and turned images of two labels are two images, as of an arrow to
the left and to the right.

The limits follow from measurements, with hashes at most 8 bits apart. Of 2,062 hands of different people the closest
crop of one to another correlates by 0.961, the closest turned one by 0.86, and the closest part by 0.993.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from components.data.duplicates import Pair
from components.data.packing import ImageFile
from components.data.perceptual_hashes import (
    BOXES,
    DETAIL,
    SIDE,
    THUMBNAIL,
    TURNS,
    Box,
    details_of_boxes,
    pairs_of_close_hashes,
    read_for_hashing,
    turn_arrays,
)
from components.system.progress import bar

SMALLEST_CROP = 40  # pixels of the thumbnail
MIN_CORRELATION = 0.97  # of a turned or cropped copy
MIN_START, MIN_NEARER = 0.6, 0.85  # of a crop by its variant's edges, and once they have been moved in large steps
MOVES, MIN_GAIN = 8, 0.05  # of each step at most; what each of the first step has to bring, on average
STEPS = (2.0, 1.0, 0.5)  # pixels of the thumbnail, by which the edges of a crop are moved
MARKED, MIN_CORRELATION_MARKED = 0.2, 0.995  # largest share of a picture that is marked, and what the rest needs
CLOSE_HASHES = 20  # of an image's variants, on average: with more, hashes say nothing

DETAILS_AT_ONCE = 2**12  # pairs whose details are compared


def find_changed_copies(
    files: Sequence[ImageFile], white_level: int, hashes: np.ndarray, variants: np.ndarray, details: np.ndarray,
    usable: np.ndarray, labels: np.ndarray, cluster: np.ndarray, distance: int,
) -> list[Pair] | None:  # fmt: skip
    """Return, sorted, pairs that join clusters of images and their changed copies; None if too many hashes are close.

    A pair is (row, later row, bits, correlation, kind), the kind `turned`, `cropped` or `marked`. More close hashes
    than `CLOSE_HASHES` an image say nothing.

    Args:
        files: The images.
        white_level: The data set's.
        hashes: uint64 (n,).
        variants: Hashes of the variants, uint64 (variants, n).
        details: float16 (n, DETAIL).
        usable: Which images are looked at, bool (n,).
        labels: Of each image, (n,).
        cluster: The row of each image's cluster's first, (n,); pairs within one are skipped.
        distance: Bits in which two hashes may differ.
    """
    usable = usable & details.any(axis=1)
    left = CLOSE_HASHES * len(hashes)
    pairs: list[Pair] = []
    crops = []
    for number, queries in enumerate(variants):
        for first, second in pairs_of_close_hashes(hashes, distance, queries):
            may = usable[first] & usable[second] & (cluster[first] != cluster[second])
            if number < TURNS:
                may &= labels[first] == labels[second]
            first, second = first[may], second[may]
            left -= len(first)
            if left < 0:
                return None
            bits = np.bitwise_count(queries[first] ^ hashes[second]).astype(np.int64)
            if number < TURNS:
                pairs += turned_pairs(details, first, second, bits, number + 1)
            elif len(first):
                crops.append(np.stack([first, second, bits, np.full(len(bits), number - TURNS)]))
    pairs += marked_pairs(hashes, details, usable, cluster, distance)
    if crops:
        pairs += cropped_pairs(files, white_level, details, np.concatenate(crops, axis=1))
    return connecting_pairs(pairs, cluster)


def turned_pairs(
    details: np.ndarray, first: np.ndarray, second: np.ndarray, bits: np.ndarray, number: int
) -> Iterator[Pair]:
    """Yield (row, later row, bits, correlation, `turned`) of each two whose first, turned, correlates with the second.

    Args:
        details: float16 (n, DETAIL).
        first: Rows of the images to turn, (m,).
        second: Rows of the others, (m,).
        bits: In which the hashes differ, (m,).
        number: Of the turn, from 1 to 7.
    """
    square = details[first].astype(np.float32).reshape(-1, SIDE, SIDE, 3)
    correlation = (turn_arrays(square, number).reshape(-1, DETAIL) * details[second]).sum(axis=1)
    for row in np.flatnonzero(correlation >= MIN_CORRELATION):
        one, other = sorted((int(first[row]), int(second[row])))
        yield one, other, int(bits[row]), float(correlation[row]), "turned"


def marked_pairs(
    hashes: np.ndarray, details: np.ndarray, usable: np.ndarray, cluster: np.ndarray, distance: int
) -> Iterator[Pair]:
    """Yield (row, later row, bits, correlation, `marked`) of pairs across clusters that are alike in four fifths.

    The arguments are as `find_changed_copies` takes them.
    """
    rows = np.flatnonzero(usable)
    for block in pairs_of_close_hashes(hashes[rows], distance):
        first, second = (rows[places] for places in block)
        apart = cluster[first] != cluster[second]
        first, second = first[apart], second[apart]
        for start in range(0, len(first), DETAILS_AT_ONCE):
            some, others = (ends[start : start + DETAILS_AT_ONCE] for ends in (first, second))
            one, other = (details[ends].astype(np.float32) for ends in (some, others))
            near = (one * other).sum(axis=1) >= MIN_START
            some, others, one, other = some[near], others[near], one[near], other[near]
            correlation = correlation_without_mark(one, other)
            for row in np.flatnonzero(correlation >= MIN_CORRELATION_MARKED):
                bits = int(np.bitwise_count(hashes[some[row]] ^ hashes[others[row]]))
                yield int(some[row]), int(others[row]), bits, float(correlation[row]), "marked"


def correlation_without_mark(details: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the correlation of each pair of details without the fifth of the picture that differs most, (m,).

    Args:
        details: float32 (m, DETAIL).
        others: Likewise.
    """
    cells = details.reshape(-1, SIDE * SIDE, 3), others.reshape(-1, SIDE * SIDE, 3)
    one, other = cells
    count = int(one.shape[1] * (1 - MARKED))
    for _ in range(3):  # the gain between the two is that of what stays
        gain = (one * other).sum(axis=(1, 2)) / np.maximum((one * one).sum(axis=(1, 2)), 1e-9)
        misfit = ((cells[1] - gain[:, None, None] * cells[0]) ** 2).sum(axis=2)
        kept = np.argsort(misfit, axis=1, kind="stable")[:, :count, None]
        one, other = (np.take_along_axis(all_cells, kept, axis=1) for all_cells in cells)
    one, other = (part - part.mean(axis=(1, 2), keepdims=True) for part in (one, other))
    lengths = np.sqrt((one * one).sum(axis=(1, 2)) * (other * other).sum(axis=(1, 2)))
    return (one * other).sum(axis=(1, 2)) / np.maximum(lengths, 1e-9)


def cropped_pairs(
    files: Sequence[ImageFile], white_level: int, details: np.ndarray, candidates: np.ndarray
) -> Iterator[Pair]:
    """Yield (row, later row, bits, correlation, `cropped`) of each two whose first, best cropped, fits the second.

    Args:
        files: The images.
        white_level: The data set's.
        details: float16 (n, DETAIL).
        candidates: The row of the image to crop, that of the other, the bits, the number of the box: (4, m).
    """
    candidates = candidates[:, np.lexsort(candidates[[1, 0]])]
    starts = np.flatnonzero((np.diff(candidates[:2], axis=1, prepend=-1) != 0).any(axis=0))
    thumbnail, read = np.empty(0), -1
    for group in bar("audit", np.split(candidates, starts[1:], axis=1), "crop"):
        one, other = group[:2, 0].tolist()
        if one != read:
            thumbnail, read = np.asarray(read_for_hashing(files[one], white_level), np.float32), one
        boxes = [BOXES[number] for number in group[3]]
        correlation = correlation_of_best_crop(thumbnail, boxes, details[other].astype(np.float32))
        if correlation >= MIN_CORRELATION:
            yield min(one, other), max(one, other), int(group[2].min()), correlation, "cropped"


def correlation_of_best_crop(thumbnail: np.ndarray, boxes: Sequence[Box], detail: np.ndarray) -> float:
    """Return the highest correlation of a crop of a thumbnail with a detail; the best box's edges are moved one by one.

    A crop that is far from it, at first, after large steps or if these bring little, is not searched further.

    Args:
        thumbnail: float32 (THUMBNAIL, THUMBNAIL, 3).
        boxes: Those with which the search begins.
        detail: float32 (DETAIL,).
    """
    correlations = details_of_boxes(thumbnail, boxes) @ detail
    best, box = float(correlations.max()), boxes[int(correlations.argmax())]
    for step, needed in zip(STEPS, (MIN_START, MIN_NEARER, MIN_NEARER), strict=True):
        if best < needed:
            return best
        for number in range(MOVES):
            if step == STEPS[0] and best < MIN_START + number * MIN_GAIN:
                return best
            moved = [move_edge(box, edge, move) for edge in range(4) for move in (-step, step)]
            boxes = [one for one in moved if is_large(one)]
            correlations = details_of_boxes(thumbnail, boxes) @ detail
            if correlations.max() <= best:
                break
            best, box = float(correlations.max()), boxes[int(correlations.argmax())]
    return best


def is_large(box: Box) -> bool:
    """Return whether both sides of a box are at least as long as `SMALLEST_CROP`, 40 pixels of the thumbnail."""
    left, top, right, bottom = box
    return min(right - left, bottom - top) >= SMALLEST_CROP


def move_edge(box: Box, edge: int, move: float) -> Box:
    """Return a box with its edge 0 (left), 1 (top), 2 (right) or 3 (bottom) moved, and kept within the thumbnail."""
    left, top, right, bottom = (
        min(THUMBNAIL, max(0, value + move * (number == edge))) for number, value in enumerate(box)
    )
    return left, top, right, bottom


def connecting_pairs(pairs: list[Pair], cluster: np.ndarray) -> list[Pair]:
    """Return, sorted by rows, the pairs that still join two clusters if taken in turn, highest correlation first."""
    leader = dict(enumerate(cluster.tolist()))

    def find(row: int) -> int:
        while leader[row] != row:
            leader[row] = leader[leader[row]]
            row = leader[row]
        return row

    chosen = []
    for pair in sorted(pairs, key=lambda pair: (-pair[3], pair[:2])):
        low, high = sorted((find(pair[0]), find(pair[1])))
        if low != high:
            leader[high] = low
            chosen.append(pair)
    return sorted(chosen)

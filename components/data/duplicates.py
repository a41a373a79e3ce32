"""Images that a data set holds twice: the same bytes, or nearly the same picture.

Perceptual hashes select, among all pairs, those that may be alike; the correlation of their details decides. A plain
image, whose detail is empty, is near-identical to none. Copies that were turned, mirrored, cropped or bordered are
found by the hashes of each image's turns and crops.

The limits follow from measurements, with hashes at most 8 bits apart. Of 300 animals and 300 hands all were recognised
as a JPEG of quality 60, at half the size or 10 % brighter, and 99 % without a border of 1 %. The 17 closest pairs of
1,738 animals are one picture each, at 0.98 or more, followed by two shots of one scene at 0.93; the closest pair of
2,062 hands, of two people, is at 0.94, and that of 1,797 digits of 8 x 8 pixels at 0.98. Of crops, the seven closest
pairs of animals are one picture each, at 0.972 or more; no two hands reach 0.97, and no turned ones of either.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import combinations, pairwise, permutations
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
from PIL import Image

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

LARGE_SIDE = 64  # pixels of the thumbnail in which a crop is searched
WHOLE = (0.0, 0.0, float(LARGE_SIDE), float(LARGE_SIDE))
TURNS = (1, 2, 4, 5, 6, 7)  # quarters of a turn, and 4 more if mirrored then; 3 is a turn of the other image by 1
CROPS = tuple(
    (left, upper, LARGE_SIDE - right, LARGE_SIDE - lower)
    for left, upper, right, lower in [
        *((margin,) * 4 for margin in (1.6, 3.2, 4.8, 6.4)),
        *(edges for margin in (3.2, 6.4) for edges in sorted(set(permutations((margin, margin, 0, 0))))),
        *sorted(set(permutations((4.0, 0, 0, 0)))),
    ]
)
MIN_CORRELATION_CHANGED = 0.97  # of the details of an image and of a turned or cropped one
STEPS = {2.0: 0.4, 1.0: 0.8, 0.5: 0.92}  # pixels by which a crop's edges are moved, from a correlation on
CANDIDATES = 20  # of an image, on average, that may be crops

Box = tuple[float, float, float, float]  # left, upper, right, lower
Pair = tuple[int, int, int, float, str]  # row of the earlier image, of the later, differing bits, correlation, kind


def read_thumbnail(file: Path, white_level: int) -> Image.Image:
    """Return an image at 64 x 64 pixels in colour."""
    with images.file_errors(file), images.open_image(file.read_bytes(), LARGE_SIDE, 0, white_level) as stored:
        return stored.rgb().resize((LARGE_SIDE, LARGE_SIDE), Image.Resampling.BILINEAR, reducing_gap=2)


def detail_of(image: Image.Image, box: Box = WHOLE) -> np.ndarray:
    """Return what a part of a thumbnail has beyond its blurred self, float32 (DETAIL,), all 0 for a plain one.

    Its mean is 0 and its length 1.
    """
    thumbnail = image.resize((SIDE, SIDE), Image.Resampling.BOX, box=box)
    small = thumbnail.resize((BLURRED_SIDE, BLURRED_SIDE), Image.Resampling.BOX)
    blurred = small.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    detail = np.asarray(thumbnail, np.float32).ravel() - np.asarray(blurred, np.float32).ravel()
    detail -= detail.mean()
    length = np.linalg.norm(detail)
    return detail * (0 if length < PLAIN * detail.size**0.5 else 1 / length)


def turn_images(pixels: np.ndarray, turn: int) -> np.ndarray:
    """Return square images (n, h, w, ...) turned by so many quarters, and, with 4 more, mirrored after that."""
    turned = np.rot90(pixels, turn % 4, (1, 2))
    return turned[:, :, ::-1] if turn >= 4 else turned


def hashes_and_detail(file: Path, white_level: int) -> np.ndarray:
    """Return the perceptual hashes of an image, its turns and its crops, then its detail as float16: uint8 (m,).

    Source:
        The hash is pHash as the library ImageHash has it: which of the 8 x 8 lowest frequencies of the discrete cosine
        transform, of the image in grey at 32 x 32 pixels, are above their median.
    """
    image = read_thumbnail(file, white_level)
    grey = image.convert("L")
    whole, *crops = (grey.resize((32, 32), Image.Resampling.LANCZOS, box=box) for box in (WHOLE, *CROPS))
    turns = [Image.fromarray(turn_images(np.asarray(whole)[None], turn)[0]) for turn in TURNS]
    hashes = [np.packbits(imagehash.phash(variant).hash) for variant in (whole, *turns, *crops)]
    return np.concatenate([*hashes, detail_of(image).astype(np.float16).view(np.uint8)])


def hashes_and_details(files: Sequence[Path], white_level: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the hashes of images, their turns and their crops, uint64 (variants, n), and details, float16 (n, DETAIL).

    Args:
        files: The files, of one data set, in the order in which hashes and details come.
        white_level: The data set's.
    """
    width = HASH_BYTES * (1 + len(TURNS) + len(CROPS))
    rows = np.empty((len(files), width + 2 * DETAIL), np.uint8)
    with bar("audit", len(files), "image") as progress:
        for place, batch in images.map_in_batches(partial(hashes_and_detail, white_level=white_level), files, 64):
            rows[place] = batch
            progress.update(len(batch))
    hashes = rows[:, :width].view(">u8").T.astype(np.uint64, order="C")
    return hashes, rows[:, width:].view(np.float16)


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


def pairs_of_close_hashes(
    hashes: np.ndarray, distance: int, variants: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, in blocks, the rows of the earlier and of the later hash of each pair at most so many bits apart.

    With the hashes of the images' variants, yield the rows of the variant and of the hash of another image instead.

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
        asking = hashes if variants is None else variants
        keys = (asking >> np.uint64(shift)).astype(np.int64) & (2**width - 1)
        askers = np.argsort(keys, kind="stable")
        for flipped in (bits for size in range(most + 1) for bits in combinations(range(width), size)):
            asked = keys[askers] ^ sum(1 << bit for bit in flipped)
            counts = starts[asked + 1] - starts[asked]
            rows = np.flatnonzero(counts)
            ends = counts[rows].cumsum()
            while len(rows):
                some = max(1, int(np.searchsorted(ends, HASHES_AT_ONCE, "right")))
                several = counts[rows[:some]]
                places = np.arange(several.sum()) - np.repeat(several.cumsum() - several, several)
                first = np.repeat(askers[rows[:some]], several)
                second = order[places + np.repeat(starts[asked[rows[:some]]], several)]
                wanted = first < second if variants is None else first != second
                first, second = first[wanted], second[wanted]
                bits = asking[first] ^ hashes[second]
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


class Clusters:
    """The clusters of images that pairs connect.

    Attributes:
        pairs: As many of the pairs as it takes to connect them.
        first: The row of the first image of each image's cluster, (n,), of itself where it is in no pair.
    """

    def __init__(self, count: int, pairs: Iterable[Pair] = ()) -> None:
        self.pairs: list[Pair] = []
        self.first = np.arange(count)
        self.members: dict[int, list[int]] = {}
        for pair in pairs:
            self.connect(*pair)

    def connect(self, one: int, other: int, bits: int, correlation: float, kind: str) -> None:
        """Add a pair of images, unless they are in one cluster already."""
        low, high = sorted((int(self.first[one]), int(self.first[other])))
        if low != high:
            moved = self.members.pop(high, [high])
            self.first[moved] = low
            self.members.setdefault(low, [low]).extend(moved)
            self.pairs.append((min(one, other), max(one, other), bits, correlation, kind))


def connect_correlated(
    clusters: Clusters, first: np.ndarray, second: np.ndarray, details: np.ndarray, min_correlation: np.ndarray,
    hashes: np.ndarray, hashes_of_variants: np.ndarray, turn: int, kind: str,
) -> None:  # fmt: skip
    """Connect those of the pairs of rows whose details, the first image's turned, correlate by what both images need.

    A pair whose images are connected already is skipped.
    """
    while len(first):
        apart = clusters.first[first] != clusters.first[second]
        first, second = first[apart], second[apart]
        some, others = first[:DETAILS_AT_ONCE], second[:DETAILS_AT_ONCE]
        turned = turn_images(details[some].reshape(-1, SIDE, SIDE, 3), turn).reshape(-1, DETAIL)
        correlation = (turned.astype(np.float32) * details[others]).sum(axis=1)
        needed = np.maximum(min_correlation[some], min_correlation[others])
        for number in np.flatnonzero(correlation >= needed):
            one, other = int(some[number]), int(others[number])
            bits = int(np.bitwise_count(hashes_of_variants[one] ^ hashes[other]))
            clusters.connect(one, other, bits, float(correlation[number]), kind)
        first, second = first[DETAILS_AT_ONCE:], second[DETAILS_AT_ONCE:]


def near_identical_pairs(
    hashes: np.ndarray, details: np.ndarray, min_correlation: np.ndarray, distance: int
) -> list[Pair] | None:
    """Return the pairs that connect near-identical images; None where too many hashes are close to say anything.

    There are fewer pairs than images. The search ends at 300 close hashes an image, as those of one camera, of forms or
    of pages have.

    Args:
        hashes: uint64 (n,).
        details: float16 (n, DETAIL).
        min_correlation: Least correlation of each image with a near-identical one, (n,).
        distance: Bits in which two hashes may differ.
    """
    clusters = Clusters(len(hashes))
    detailed = np.flatnonzero(details.any(axis=1))
    left = CLOSE_HASHES * len(detailed)
    for block in pairs_of_close_hashes(hashes[detailed], distance):
        first, second = (detailed[rows] for rows in block)
        left -= len(first)
        if left < 0:
            return None
        connect_correlated(clusters, first, second, details, min_correlation, hashes, hashes, 0, "near")
    return sorted(clusters.pairs)


def changed_pairs(
    read: Callable[[int], Image.Image], hashes: np.ndarray, details: np.ndarray, min_correlation: np.ndarray,
    labels: np.ndarray, found: Sequence[Pair], alike: Sequence[str], distance: int,
) -> list[Pair] | None:  # fmt: skip
    """Return the pairs of an image and its turned, mirrored, cropped or bordered copy; None where too many may be that.

    The hashes of an image's turns and crops are looked up among those of all. Then the correlation of the details
    decides, for a crop after its edges were searched. Turned images of two labels are two images, as are arrows to the
    left and to the right. Images below 32 pixels a side, of which many are alike, are left out.

    Args:
        read: Returns the thumbnail of the image in a row, as `read_thumbnail` does.
        hashes: uint64 (variants, n), as `hashes_and_details` returns them.
        details: float16 (n, DETAIL).
        min_correlation: Least correlation of each image with a near-identical one, (n,).
        labels: Of each image, (n,).
        found: Near-identical pairs.
        alike: Classes that are alike by nature, whose images are not compared.
        distance: Bits in which two hashes may differ.
    """
    clusters = Clusters(len(labels), found)
    needed = np.full(len(labels), MIN_CORRELATION_CHANGED)
    detailed = np.flatnonzero(details.any(axis=1) & (min_correlation <= needed) & ~np.isin(labels, alike))
    close, left = CLOSE_HASHES * len(detailed), CANDIDATES * len(detailed)
    changes: tuple[int | Box, ...] = (*TURNS, *CROPS)
    for variant, change in enumerate(changes, start=1):
        for block in pairs_of_close_hashes(hashes[0, detailed], distance, hashes[variant, detailed]):
            first, second = (detailed[rows] for rows in block)
            close -= len(first)
            if isinstance(change, int):
                same = labels[first] == labels[second]
                first, second = first[same], second[same]
                variants = hashes[variant]
                connect_correlated(clusters, first, second, details, needed, hashes[0], variants, change, "turned")
                continue
            may = clusters.first[first] != clusters.first[second]
            left -= int(may.sum())
            if left < 0 or close < 0:
                return None
            for one, other in zip(first[may].tolist(), second[may].tolist(), strict=True):
                correlation = correlation_of_best_crop(read(one), details[other].astype(np.float32), change)
                if correlation >= MIN_CORRELATION_CHANGED:
                    bits = int(np.bitwise_count(hashes[variant, one] ^ hashes[0, other]))
                    clusters.connect(one, other, bits, correlation, "cropped")
    return sorted(clusters.pairs[len(found) :])


def correlation_of_best_crop(image: Image.Image, detail: np.ndarray, start: Box) -> float:
    """Return the highest correlation of a detail with that of a crop of a thumbnail, whose edges are searched."""
    best, box = float(detail_of(image, start) @ detail), start
    for step, least in STEPS.items():
        for edge in range(4) if best >= least else ():
            for move in (-step, step):
                edges = list(box)
                edges[edge] = min(float(LARGE_SIDE), max(0.0, edges[edge] + move))
                left, upper, right, lower = edges
                moved = left, upper, right, lower
                best, box = max((best, box), (float(detail_of(image, moved) @ detail), moved))
    return best


def cluster_names(first: np.ndarray) -> np.ndarray:
    """Return each image's cluster, named by its first image, (n,); empty for an image that is alone in it."""
    return np.where(pd.Series(first).duplicated(keep=False), first, "")


def classes_alike_by_nature(labels: np.ndarray, pairs: Sequence[Pair]) -> list[str]:
    """Return the classes, sorted, whose different images look near-identical: of one camera, pages, gauges, forms.

    One cluster, of 8 images or more, has over 30 % of such a class; or, of 10 pairs or more, most have two labels.

    Args:
        labels: Of each image, (n,).
        pairs: Near-identical images.
    """
    class_of_image, classes = pd.factorize(labels)
    cluster = Clusters(len(labels), pairs).first
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

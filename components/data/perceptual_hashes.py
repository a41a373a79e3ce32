"""Perceptual hashes of images and of their changed variants, the search for close ones, and details to compare.

A detail is what a thumbnail has beyond its blurred self. The variants are the image mirrored, turned and cropped.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from itertools import combinations, pairwise, permutations

import imagehash
import numpy as np
import pandas as pd
from PIL import Image

from components.data import images
from components.data.artifacts import Audit
from components.data.packing import ImageFile
from components.system.progress import bar

HASH_BYTES, BITS = 8, 64
THUMBNAIL = 64  # pixels a side
SIDE = 16  # pixels of the thumbnail whose detail is taken
BLURRED_SIDE = 4  # pixels of the blurred thumbnail; the detail is the difference between the two
DETAIL = SIDE * SIDE * 3  # values
PLAIN = 2.0  # of 255: an image whose detail has a smaller standard deviation is plain
HASHES_AT_ONCE = 2**20  # pairs whose hashes are compared in one block
MARGINS = (0.025, 0.05, 0.075, 0.1)  # of the side, that a crop around the centre lacks at each edge
MARGINS_OF_TWO = (0.05, 0.1)  # that another lacks at two edges
MARGIN_OF_ONE = 0.0625  # that one lacks at one edge alone

Box = tuple[float, float, float, float]  # left, top, right, bottom


def crop_boxes() -> list[Box]:
    """Return the boxes of a thumbnail's crops: cut off at all four edges alike, then at two of them, then at one."""
    rims: list[tuple[float, ...]] = [(rim, rim, rim, rim) for rim in MARGINS]
    for rim in MARGINS_OF_TWO:
        rims += sorted({*permutations((rim, rim, 0, 0))})
    rims += sorted({*permutations((MARGIN_OF_ONE, 0, 0, 0))})
    side = THUMBNAIL
    return [(side * left, side * top, side - side * right, side - side * bottom) for left, top, right, bottom in rims]


BOXES = crop_boxes()
TURNS = 7  # mirrored, turned, or both: `turn_arrays` numbers them


def turn_arrays(arrays: np.ndarray, number: int) -> np.ndarray:
    """Return square arrays (n, side, side, ...) turned: mirrored if bits 1 and 2 are set, and transposed if bit 4 is.

    Args:
        arrays: The arrays.
        number: From 1 to 7.
    """
    arrays = arrays[:, :, ::-1] if number & 1 else arrays
    arrays = arrays[:, ::-1] if number & 2 else arrays
    return arrays.swapaxes(1, 2) if number & 4 else arrays


def resampling_matrix(image_side: int, start: float, end: float, resample: Image.Resampling) -> np.ndarray:
    """Return the matrix by which Pillow resizes an interval of the thumbnail's side, (image_side, THUMBNAIL)."""
    identity = Image.fromarray(np.eye(THUMBNAIL, dtype=np.float32))
    return np.asarray(identity.resize((THUMBNAIL, image_side), resample, (0, start, THUMBNAIL, end)))


def variant_matrices() -> np.ndarray:
    """Return matrices for the 8 x 8 lowest frequencies of a grey thumbnail and its crops: (1 + crops, 2, 8, THUMBNAIL).

    The first of two matrices is of the rows, the second of the columns.
    """
    cosines = np.cos(np.pi * np.outer(np.arange(8), 2 * np.arange(32) + 1) / 64)
    whole: Box = (0, 0, THUMBNAIL, THUMBNAIL)
    edges = [((top, bottom), (left, right)) for left, top, right, bottom in (whole, *BOXES)]
    return np.stack([
        [cosines @ resampling_matrix(32, *interval, Image.Resampling.LANCZOS) for interval in pair] for pair in edges
    ])  # fmt: skip


FREQUENCIES = variant_matrices()
SIGNS = (-1.0) ** np.arange(8)  # mirroring turns the sign of each second frequency


def variant_hashes(image: Image.Image) -> np.ndarray:
    """Return the perceptual hashes of an image's turned variants, then of its crops, as bytes: uint8 (variants, 8).

    Args:
        image: A thumbnail, in colour.
    """
    grey = np.asarray(image.convert("L"), np.float32)
    frequencies = FREQUENCIES[:, 0] @ grey @ FREQUENCIES[:, 1].swapaxes(1, 2)
    turns = []
    for number in range(1, TURNS + 1):
        mirrored = frequencies[0] * (SIGNS if number & 1 else 1) * (SIGNS[:, None] if number & 2 else 1)
        turns.append(mirrored.T if number & 4 else mirrored)
    flat = np.concatenate([np.stack(turns), frequencies[1:]]).reshape(-1, BITS)
    return np.packbits(flat > np.median(flat, axis=1)[:, None], axis=1)


@lru_cache(maxsize=2**14)
def detail_matrices(start: float, end: float) -> np.ndarray:
    """Return two matrices that resize a thumbnail's interval to `SIDE`, sharp and blurred: (2, SIDE, THUMBNAIL)."""
    sharp = resampling_matrix(SIDE, start, end, Image.Resampling.BOX)
    blurred = Image.fromarray(sharp).resize((THUMBNAIL, BLURRED_SIDE), Image.Resampling.BOX)
    return np.stack([sharp, np.asarray(blurred.resize((THUMBNAIL, SIDE), Image.Resampling.BILINEAR))])


def details_of_boxes(pixels: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
    """Return the detail of each box of a thumbnail, at mean 0 and length 1, or all 0 if plain: float32 (boxes, DETAIL).

    It is what `detail_of` returns of the whole.

    Args:
        pixels: The thumbnail, float32 (THUMBNAIL, THUMBNAIL, 3).
        boxes: The boxes.
    """
    rows = np.stack([detail_matrices(top, bottom) for _, top, _, bottom in boxes])
    columns = np.stack([detail_matrices(left, right) for left, _, right, _ in boxes])
    half = (rows @ pixels.reshape(THUMBNAIL, -1)).reshape(len(boxes), 2, SIDE, THUMBNAIL, 3)
    sharp, blurred = np.moveaxis(columns[:, :, None] @ half, 1, 0)  # each (boxes, SIDE, SIDE, 3)
    detail = (sharp - blurred).reshape(len(boxes), DETAIL)
    detail -= detail.mean(axis=1, keepdims=True)
    length = np.linalg.norm(detail, axis=1, keepdims=True)
    return np.where(length < PLAIN * DETAIL**0.5, 0, detail / np.maximum(length, 1e-9))


def read_for_hashing(file: ImageFile, white_level: int) -> Image.Image:
    """Return an image file as a Pillow image in RGB, stretched to 64 x 64 pixels."""
    with images.file_errors(file), images.open_image(file.read_bytes(), 64, 0, white_level) as stored:
        return stored.rgb().resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR, reducing_gap=2)


def detail_of(image: Image.Image) -> np.ndarray:
    """Return a thumbnail less its blurred self, as a vector of mean 0 and length 1, float32 (DETAIL,); plain: all 0."""
    thumbnail = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    small = thumbnail.resize((BLURRED_SIDE, BLURRED_SIDE), Image.Resampling.BOX)
    blurred = small.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    detail = np.asarray(thumbnail, np.float32).ravel() - np.asarray(blurred, np.float32).ravel()
    detail -= detail.mean()
    length = np.linalg.norm(detail)
    return detail * np.float32(0 if length < PLAIN * detail.size**0.5 else 1 / length)


def hashes_and_detail(file: ImageFile, white_level: int) -> np.ndarray:
    """Return an image's perceptual hash, those of its changed variants, and its detail, float16, as bytes: uint8 (m,).

    Source:
        The hash is pHash as the library ImageHash has it: which of the 8 x 8 lowest frequencies of the discrete cosine
        transform, of the image in grey at 32 x 32 pixels, are above their median.
    """
    image = read_for_hashing(file, white_level)
    hashes = [np.packbits(imagehash.phash(image).hash), variant_hashes(image).ravel()]
    return np.concatenate([*hashes, detail_of(image).astype(np.float16).view(np.uint8)])


def hashes_and_details(files: Sequence[ImageFile], white_level: int) -> tuple[np.ndarray, np.ndarray]:
    """Return perceptual hashes of images, then of variants, uint64 (1 + variants, n), and details, float16 (n, DETAIL).

    Both are in the order of the files; the first row of hashes has those of the images themselves.

    Args:
        files: The files, of one data set.
        white_level: The data set's.
    """
    width = HASH_BYTES * (1 + TURNS + len(BOXES))
    rows = np.empty((len(files), width + 2 * DETAIL), np.uint8)
    with bar("audit", len(files), "image") as progress:
        for place, batch in images.map_in_batches(partial(hashes_and_detail, white_level=white_level), files, 64):
            rows[place] = batch
            progress.update(len(batch))
    hashes, details = rows[:, :width].copy(), rows[:, width:].copy()
    return np.ascontiguousarray(hashes.view(">u8").astype(np.uint64).T), details.view(np.float16)


def write_hashes(audit: Audit, files: np.ndarray, hashes: np.ndarray, details: np.ndarray) -> None:
    """Write `hashed.csv`, the files, and `hashes.npz`, their hashes and details, as all of a shard of an Audit.

    Args:
        audit: The shard.
        files: Their names, (n,).
        hashes: As `hashes_and_details` returns them, uint64 (1 + variants, n).
        details: As it returns them, float16 (n, DETAIL).
    """
    audit.write_table("hashed.csv", pd.DataFrame({"file": files}))
    audit.write_arrays("hashes", {"hashes": hashes, "details": details})


def hashes_of_shards(shards: Sequence[Audit], files: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what `hashes_and_details` does of some files, from what `write_hashes` wrote of each shard of an audit.

    Args:
        shards: The shards, of which at least one has each of the files.
        files: Their names, (n,).
    """
    names = np.concatenate([shard.table("hashed.csv")["file"].to_numpy() for shard in shards])
    row = {name: number for number, name in enumerate(names)}
    rows = np.array([row[file] for file in files])
    arrays = [shard.arrays("hashes") for shard in shards]
    hashes = np.concatenate([one["hashes"] for one in arrays], axis=1)[:, rows]
    return np.ascontiguousarray(hashes), np.concatenate([one["details"] for one in arrays])[rows]


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
    hashes: np.ndarray, distance: int, queries: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, in blocks, the rows of the earlier and of the later hash of each pair at most so many bits apart.

    With queries, as many as there are hashes, yield the rows of query and hash instead, of which none are the same.

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
        asking = hashes if queries is None else queries
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
                distinct = first < second if queries is None else first != second
                first, second = first[distinct], second[distinct]
                bits = asking[first] ^ hashes[second]
                close = np.bitwise_count(bits) <= distance
                for start, size in bands[:number]:
                    close &= np.bitwise_count(bits >> np.uint64(start) & np.uint64(2**size - 1)) > most
                yield first[close], second[close]
                rows, ends = rows[some:], ends[some:] - ends[some - 1]

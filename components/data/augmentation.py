"""Random views of images: one affine map, one change of brightness, and RandAugment's changes of colours each."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from components.data import randaugment
from components.data.memory_maps import release

if TYPE_CHECKING:
    from components.data.artifacts import Augmented

AT_ONCE = 2**25  # bytes of views that are drawn


@dataclass(frozen=True)
class ViewLimits:
    """How much a view may differ from its image: rotation in degrees, others as fractions, each either way.

    `randaugment` operations of a `magnitude` come after that.
    """

    rotation: float
    shear: float
    zoom: float
    shift: float
    flip: str
    brightness: float
    randaugment: int = 0
    magnitude: float = 0.0


@dataclass(frozen=True)
class ViewTransform:
    """What makes a view of an image: an affine map, a factor of brightness, and what comes after it.

    Args:
        matrix: Maps the view's coordinates to the image's, (2, 3), in fractions of the side from the centre.
        gain: Factor of brightness.
        colours: Changes of colours in order, of `randaugment.COLOURS`, each with its share of the largest.
    """

    matrix: np.ndarray
    gain: float
    colours: tuple[tuple[str, float], ...] = ()


def draw_transform(limits: ViewLimits, seed: int, file: str, view: int) -> ViewTransform:
    """Return the random transform of a file's view: the same for the same limits, seed, file name and view number."""
    key = hashlib.sha256(f"{seed}\0{file}\0{view}".encode()).digest()
    random = np.random.default_rng(np.frombuffer(key, dtype=np.uint32))
    angle, shear, zoom, right, down, gain, coin = random.uniform(-1, 1, size=7)
    turn = np.deg2rad(limits.rotation * angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    mirror = -1.0 if limits.flip == "horizontal" and coin < 0 else 1.0
    linear = rotation @ np.array([[mirror, limits.shear * shear], [0, 1]]) * (1 + limits.zoom * zoom)
    shift = limits.shift * np.array([right, down])
    colours = []
    for name, share in randaugment.draw_operations(random, limits.randaugment, limits.magnitude):
        if name in randaugment.COLOURS:
            colours.append((name, share))
        else:
            move = np.array(randaugment.MOVES[name](share))
            linear, shift = linear @ move[:, :2], linear @ move[:, 2] + shift
    return ViewTransform(np.column_stack([linear, shift]), 1 + limits.brightness * gain, tuple(colours))


def apply_transforms(image: np.ndarray, transforms: Sequence[ViewTransform]) -> np.ndarray:
    """Return an image and, after it, a view of it for each transform, stacked: uint8 (1 + views, size, size, 3).

    Outside the image its edge is repeated; resampling is bilinear.

    Args:
        image: uint8 (size, size, 3).
        transforms: What makes each view.
    """
    size = len(image)
    centre = np.full(2, size / 2)
    margin = 1 + max((overhang(transform.matrix, size) for transform in transforms), default=0)
    edge = np.clip(np.arange(-margin, size + margin), 0, size - 1)
    padded = Image.fromarray(image.take(edge, axis=0).take(edge, axis=1))
    views = np.empty((1 + len(transforms), *image.shape), dtype=np.uint8)
    views[0] = image
    for number, transform in enumerate(transforms, start=1):
        linear, shift = transform.matrix[:, :2], transform.matrix[:, 2] * size
        offset = margin + centre + shift - linear @ centre
        rows = np.column_stack([linear, offset]).round(12)  # so that the cosine of a quarter turn is 0
        coefficients = tuple(rows.ravel())
        view = padded.transform((size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
        values = np.arange(256, dtype=np.float32)
        values *= transform.gain
        view = view.point(3 * values.round().clip(0, 255).astype(int).tolist())
        for name, share in transform.colours:
            view = randaugment.COLOURS[name](view, share)
        views[number] = view
    return views


def overhang(matrix: np.ndarray, size: int) -> int:
    """Return how many pixels, rounded up, a view reaches beyond the image where it reaches furthest; 0 if nowhere.

    Args:
        matrix: The map of a `ViewTransform`, (2, 3).
        size: The image's side in pixels.
    """
    reach = abs(matrix[:, :2]).sum(axis=1) / 2 + abs(matrix[:, 2])  # of its corners, from the image's centre
    return max(0, int(np.ceil((reach.max() - 0.5) * size)))


class DrawnViews:
    """Images on disk with their views, which are drawn whenever they are read: the same each time.

    It is read as an array uint8 (files, 1 + K, size, size, 3) would be by the numbers of some files; view 0 is the
    plain image.

    Args:
        images: The plain images, uint8 (files, 1, size, size, 3).
        files: Their names.
        views: K, how many views there are of each besides.
        limits: How far a view may go.
        seed: Seed of the views.
    """

    def __init__(self, images: np.ndarray, files: Sequence[str], views: int, limits: ViewLimits, seed: int):
        self.images, self.files, self.limits, self.seed = images, files, limits, seed
        self.shape, self.dtype = (len(files), 1 + views, *images.shape[2:]), images.dtype

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return all views of some files, uint8 (n, 1 + K, size, size, 3)."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            drawn = np.stack([*pool.map(self.views_of, rows)])
        release(self.images)
        return drawn

    def parts(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield all views of some files in order, a few files at a time, uint8 (n, 1 + K, size, size, 3)."""
        files = max(1, AT_ONCE // int(np.prod(self.shape[1:])))
        for start in range(0, len(rows), files):
            yield self[rows[start : start + files]]

    def views_of(self, row: int) -> np.ndarray:
        """Return all views of one file, uint8 (1 + K, size, size, 3)."""
        numbers = range(self.shape[1] - 1)
        transforms = [draw_transform(self.limits, self.seed, self.files[row], number) for number in numbers]
        return apply_transforms(self.images[row, 0], transforms)


def draw_views(augmented: "Augmented", views: int | None = None) -> DrawnViews:
    """Return what reads as an array (files, 1 + views, size, size, 3): each image, then its first `views` or all K."""
    facts, files = augmented.facts, augmented.table("files.csv")["file"].tolist()
    count, limits = facts.views if views is None else views, ViewLimits(**facts.view_limits)
    return DrawnViews(augmented.array, files, count, limits, facts.view_seed)

"""The rows of a stored array that train or validate: read from disk, view by view, in the order of an epoch."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import ClassVar

import numpy as np
import tensorflow as tf

from components.data import augmentation
from components.data.memory_maps import release
from components.system.progress import bar

READ_BATCH = 1024  # images that are read at once


@dataclass(frozen=True)
class Rows:
    """The images of one split.

    Args:
        array: All images and their views, (files, views, ...), on disk.
        rows: Which of the files are of the split, (n,).
        labels: Their class numbers, (n,).
        groups: Name of each one's group, (n,), empty for an image by itself; None where that does not matter.
    """

    array: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None = field(default=None, kw_only=True)
    fresh: ClassVar[bool] = False  # whether every epoch makes views of its own

    def epoch_order(self, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return, by seed and epoch, the positions in `rows` in random order, and a random view of each, both (n,)."""
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(len(self.rows))
        return order, random.integers(self.array.shape[1], size=len(order))

    @cached_property
    def all_views(self) -> tf.Tensor:
        """All views of the split's images in memory, (views * images, ...): image i's view v is at v * images + i."""
        images, views = len(self.rows), self.array.shape[1]
        whole = np.empty((views * images, *self.array.shape[2:]), self.array.dtype)
        for view in range(views):
            for start in range(0, images, READ_BATCH):
                numbers = np.arange(start, min(start + READ_BATCH, images))
                whole[view * images + numbers] = self.read(numbers, view)
        return tf.constant(whole)

    def read(self, numbers: np.ndarray, views: np.ndarray | int) -> np.ndarray:
        """Return a view of each of some images in memory, (n, ...); `numbers` are positions in `rows`, not files."""
        batch = self.array[self.rows[numbers], views]
        release(self.array)
        return batch

    def read_plain(self, numbers: np.ndarray) -> np.ndarray:
        """Return what is stored of some images as they are, without a change, in memory, (n, ...)."""
        return Rows.read(self, numbers, 0)


@dataclass(frozen=True)
class FreshRows(Rows):
    """The images of one split, (files, 1, size, size, 3), of which every epoch makes a view of its own.

    Args:
        files: Name of each file.
        limits: How far a view may go.
        view_seed: Seed of the views.
    """

    files: Sequence[str]
    limits: augmentation.ViewLimits
    view_seed: int
    fresh: ClassVar[bool] = True

    def epoch_order(self, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions in `rows` in random order, and as the view of each the epoch's number, both (n,)."""
        order, _ = super().epoch_order(seed, epoch)
        return order, np.full_like(order, epoch)

    def read(self, numbers: np.ndarray, views: np.ndarray | int) -> np.ndarray:
        """Return a new view of each of some images, uint8 (n, size, size, 3), drawn by file name and view number."""

        def make_view(image: np.ndarray, number: int, view: int) -> np.ndarray:
            draw = augmentation.draw_transform(self.limits, self.view_seed, self.files[number], view)
            return augmentation.apply_transforms(image, [draw])[1]

        plain, views = super().read(numbers, 0), np.broadcast_to(views, numbers.shape)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.stack([*pool.map(make_view, plain, numbers, views)])


def draw_into_file(views: augmentation.DrawnViews, rows: np.ndarray, folder: Path | None) -> np.ndarray:
    """Draw all views of some images into a file without a name; return its memory map, (rows, views, ...).

    Args:
        views: Of all images.
        rows: Numbers of the files.
        folder: Where the file, which has no name, takes its bytes; None for where temporary files go.
    """
    shape = len(rows), *views.shape[1:]
    with TemporaryFile(dir=folder) as file, bar("draw views", len(rows), "image") as progress:
        os.posix_fallocate(file.fileno(), 0, int(np.prod(shape)) * views.dtype.itemsize)
        array = np.memmap(file, views.dtype, "r+", shape=shape)
        start = 0
        for part in views.parts(rows):
            array[start : start + len(part)] = part
            release(array)
            start += len(part)
            progress.update(len(part))
    return array

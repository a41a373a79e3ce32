"""Predictions of a delivered model for image files."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from components.data import folders, images
from components.model.served import BATCH, Served
from components.system.errors import UserError


def listed(paths: Sequence[Path]) -> list[Path]:
    """Return the files that paths name: those in a folder, at any depth, in order; not the hidden ones.

    Raises:
        UserError: A path is neither file nor folder, or there is no file.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += [path / name for name in folders.paths_below(path, ".")]
        elif path.exists():
            found.append(path)
        else:
            raise UserError(f"no image {path}: give files, or folders of images")
    if not found:
        raise UserError(f"no file in {', '.join(map(str, paths))}: give files, or folders of images")
    return found


def predictions(model: Served, files: Sequence[Path]) -> Iterator[tuple[Path, np.ndarray | str]]:
    """Yield each file with the probabilities of the classes, (classes,), or with the reason why it cannot be read."""
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        given = read(batch, model.size)
        pixels = [image for image in given if not isinstance(image, str)]
        found = iter(model.probabilities(np.stack(pixels)) if pixels else [])
        for file, image in zip(batch, given, strict=True):
            yield file, image if isinstance(image, str) else next(found)


def read(files: Sequence[Path], size: int) -> list[np.ndarray | str]:
    """Return each file's image, uint8 (size, size, 3), or the reason why it cannot be read."""

    def attempt(file: Path) -> np.ndarray | str:
        try:
            return images.read_pixels(file, size)
        except Exception as error:  # Pillow throws what it likes
            return " ".join(str(error).split())

    with images.without_pillow_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(attempt, files))


def stacked(files: Sequence[Path], size: int) -> np.ndarray:
    """Return images, uint8 (n, size, size, 3).

    Raises:
        UserError: One cannot be read.
    """
    found = read(files, size)
    for file, image in zip(files, found, strict=True):
        if isinstance(image, str):
            raise UserError(f"{file} cannot be read ({image}): give another image")
    return np.stack(found)

"""Predictions of a delivered model for image files."""

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd

from components.data import folders, images
from components.model.served import BATCH, ServedModel
from components.model.stock import StockNetwork
from components.system.errors import UserError


def list_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that paths name, in that order; of a folder all at any depth, sorted, without hidden ones.

    They need not be images; a file that is named twice is there twice.

    Raises:
        UserError: A path is neither file nor folder, or there is no file.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += [path / name for name in folders.read_folder(path).file_paths()]
        elif path.exists():
            files.append(path)
        else:
            raise UserError(f"no image {path}: give files, or folders of images")
    if not files:
        raise UserError(f"no file in {', '.join(map(str, paths))}: give files, or folders of images")
    return files


class Prediction(NamedTuple):
    """What a model says of one image.

    Args:
        probabilities: Of each class, (classes,).
        unlike: The share of validation that is less unlike the training images; NaN where the model does not tell.
    """

    probabilities: np.ndarray
    unlike: float


def predict_files(model: ServedModel, files: Sequence[Path]) -> Iterator[tuple[Path, Prediction | str]]:
    """Yield each file, in order, with its Prediction, or with the text of why it cannot be read."""
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        attempts = try_images(batch, model)
        pixels = [image for image in attempts if not isinstance(image, str)]
        probabilities, unlike = model.answer(np.stack(pixels)) if pixels else ((), None)
        predictions = map(Prediction, probabilities, repeat(math.nan) if unlike is None else unlike)
        for file, image in zip(batch, attempts, strict=True):
            yield file, image if isinstance(image, str) else next(predictions)


class Decoder(Protocol):
    """What reads image files as a network sees them."""

    def decode(self, content: bytes) -> np.ndarray:
        """Return the image that a file's bytes encode, uint8 (size, size, 3), or raise any exception."""


def try_images(files: Sequence[Path], model: Decoder) -> list[np.ndarray | str]:
    """Return each file's image as a model sees it, uint8 (size, size, 3), or the text of why it cannot be read."""

    def attempt(file: Path) -> np.ndarray | str:
        try:
            return model.decode(file.read_bytes())
        except Exception as error:  # Pillow throws what it likes
            return " ".join(str(error).split())

    with images.without_pillow_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(attempt, files))


def stock_words(network: StockNetwork, files: Sequence[Path]) -> Iterator[tuple[Path, pd.DataFrame | str]]:
    """Yield each file, in order, with a table `word`, `probability` of the five likeliest, or why it cannot be read."""
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        for file, image in zip(batch, try_images(batch, network), strict=True):
            yield file, image if isinstance(image, str) else network.likeliest_words(image)


def read_images(model: ServedModel, files: Sequence[Path]) -> np.ndarray:
    """Return the images of one or more files, in order, as a model sees them, uint8 (n, size, size, 3).

    Raises:
        UserError: One cannot be read.
    """
    attempts = try_images(files, model)
    for file, image in zip(files, attempts, strict=True):
        if isinstance(image, str):
            raise UserError(f"{file} cannot be read ({image}): give another image")
    return np.stack(attempts)

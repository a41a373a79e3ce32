"""Delivered models in use: opened from a folder or from the journal, and asked about image files."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from components.data import folders, images
from components.data.artifacts import Classifier
from components.errors import UserError
from components.results.tracking import logged
from components.results.tracking.served import BATCH, Served

URIS = ("models:/", "runs:/")


def opened(model: str) -> tuple[Served, np.ndarray]:
    """Return a delivered model, and images that it was tested on, uint8 (n, size, size, 3); n is 0 if none are kept.

    Args:
        model: The folder of a Classifier, or where MLflow has it: `models:/NAME@champion`, `models:/ID`, `runs:/...`.

    Raises:
        UserError: There is no such model, or it cannot be loaded.
    """
    if model.startswith(URIS):
        with logged.fetched(model) as (classifier, examples):
            return loaded(classifier), np.stack([np.asarray(images.decode_bytes(image)) for image in examples])
    classifier = Classifier.read(model)
    served = loaded(classifier)
    kept = report_of(classifier.path) / "example.npy"
    none = np.empty((0, served.size, served.size, 3), np.uint8)
    return served, np.load(kept) if kept.is_file() else none


def report_of(path: Path) -> Path:
    """Return where the report on a classifier lies: `reports` in place of the folder of all classifiers."""
    parts = [*path.absolute().parts]
    names = [number for number, part in enumerate(parts[:-1]) if part in ("classifiers", "chosen")]
    return Path(*parts[: names[-1]], "reports", *parts[names[-1] + 1 :]) if names else path / "report"


def loaded(classifier: Classifier) -> Served:
    return Served(classifier.load(), classifier.facts["classes"])


def listed(paths: Sequence[Path]) -> list[Path]:
    """Return the files that paths name: those in a folder, at any depth, in order; not the hidden ones.

    Raises:
        UserError: A path is neither file nor folder, or there is no file.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += [path / name for name in folders.below(path, ".")]
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
            return images.read(file, size)
        except Exception as error:  # Pillow throws what it likes
            return " ".join(str(error).split())

    with images.hushed(), ThreadPoolExecutor(os.cpu_count()) as pool:
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

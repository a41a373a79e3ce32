"""What goes with a training: the rows it draws from, what it has come to, and going on after a stop."""

import json
import os
import sys
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from components.data import augmentation
from components.data.memory_maps import release
from components.model import optimizers

LogEpoch = Callable[[int, dict[str, float]], None]

TOGETHER = 1024  # images that are read at once
KEEPING = 0.05  # largest share of the time that keeping the state may take


@dataclass(frozen=True)
class Rows:
    """Images of one part: rows of an array (files, views, ...), which stays on disk, and their class numbers."""

    array: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    fresh: ClassVar[bool] = False  # whether its views are made anew in each epoch

    def draw(self, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the order of the images in an epoch, numbered from 0, and which view of each it takes, (n,) each."""
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(len(self.rows))
        return order, random.integers(self.array.shape[1], size=len(order))

    @cached_property
    def in_memory(self) -> tf.Tensor:
        """All views of all images, view by view, (views * images, ...)."""
        images, views = len(self.rows), self.array.shape[1]
        whole = np.empty((views * images, *self.array.shape[2:]), self.array.dtype)
        for view in range(views):
            for start in range(0, images, TOGETHER):
                numbers = np.arange(start, min(start + TOGETHER, images))
                whole[view * images + numbers] = self.read(numbers, view)
        return tf.constant(whole)

    def read(self, chosen: np.ndarray, views: np.ndarray | int) -> np.ndarray:
        """Return one view of each of some images, (n, ...)."""
        found = self.array[self.rows[chosen], views]
        release(self.array)
        return found


@dataclass(frozen=True)
class FreshRows(Rows):
    """Images of one part, (files, 1, size, size, 3), of which every epoch makes a view of its own.

    Args:
        files: Name of each file.
        limits: How far a view may go.
        view_seed: Seed of the views.
    """

    files: Sequence[str]
    limits: augmentation.ViewLimits
    view_seed: int
    fresh: ClassVar[bool] = True

    def draw(self, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        order, _ = super().draw(seed, epoch)
        return order, np.full_like(order, epoch)

    def read(self, chosen: np.ndarray, views: np.ndarray | int) -> np.ndarray:
        """Return a view of each of some images, uint8 (n, size, size, 3)."""

        def made(image: np.ndarray, number: int, view: int) -> np.ndarray:
            draw = augmentation.draw_transform(self.limits, self.view_seed, self.files[number], view)
            return augmentation.apply_transforms(image, [draw])[1]

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.stack([*pool.map(made, super().read(chosen, 0), chosen, np.broadcast_to(views, chosen.shape))])


class Course:
    """What a training has come to: its epochs, the best of them, and all that the next one starts from.

    That is every variable of model and optimizer (the states of dropout are among them), so that a training which broke
    off ends as if it had never stopped. It is kept after the first epoch, and then as often as costs little.

    Args:
        file: Where it is kept; never half written, never unpickled.
        model: The model in training.
        optimizer: Its optimizer, built.
        monitor: What the best epoch is best in.
        min_delta: By how much an epoch must be better than the best.
    """

    def __init__(self, file: Path, model: keras.Model, optimizer: keras.Optimizer, monitor: str, min_delta: float):
        self.file, self.model, self.optimizer = file, model, optimizer
        self.column, end = optimizers.MONITORS[monitor]
        self.sign, self.min_delta = (1 if end == "max" else -1), min_delta
        self.rows: list[dict[str, float]] = []
        self.best_epoch, self.seconds = 0, 0.0
        self.best_weights: list[np.ndarray] = []
        self.best_logits = np.empty(0)
        self.kept, self.keeping = 0.0, 0.0  # when, and how long that took
        if file.exists():
            try:
                self.restore()
            except (ValueError, EOFError, KeyError, zipfile.BadZipFile):  # as a power cut may leave it
                print(f"{file} cannot be read: the training begins anew", file=sys.stderr)

    @property
    def wait(self) -> int:
        """Epochs since the best."""
        return len(self.rows) - self.best_epoch

    def add(self, row: dict[str, float], logits: np.ndarray) -> None:
        """Add an epoch with its validation logits, (n, classes); where it is the best, its weights are remembered."""
        self.rows.append(row)
        score = self.sign * row[self.column]
        if not self.best_epoch or score > self.sign * self.rows[self.best_epoch - 1][self.column] + self.min_delta:
            self.best_epoch, self.best_logits = len(self.rows), logits
            self.best_weights = self.model.get_weights()

    def variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.optimizer.variables]

    def keep(self, last: bool) -> None:
        """Keep it on disk; if it is not the last epoch, only where that takes its share of the time since then."""
        start = perf_counter()
        if not last and self.keeping > KEEPING * (start - self.kept):
            return
        said = {"rows": self.rows, "seconds": self.seconds, "best_epoch": self.best_epoch}
        arrays = {f"variable_{number}": variable.numpy() for number, variable in enumerate(self.variables())}
        arrays |= {f"best_{number}": weight for number, weight in enumerate(self.best_weights)}
        self.file.parent.mkdir(exist_ok=True)
        unfinished = self.file.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            np.savez(file, said=np.array(json.dumps(said)), best_logits=self.best_logits, **arrays)
        unfinished.replace(self.file)
        self.kept = perf_counter()
        self.keeping = self.kept - start

    def restore(self) -> None:
        """Go on from what was kept."""
        with self.file.open("rb") as opened, np.load(opened) as state:
            arrays: dict[str, Any] = dict(state)
        said = json.loads(str(arrays["said"]))
        variables = self.variables()
        values = [arrays[f"variable_{number}"] for number in range(len(variables))]
        self.best_weights = [arrays[f"best_{number}"] for number in range(len(self.model.get_weights()))]
        self.best_logits = arrays["best_logits"]
        self.rows, self.seconds, self.best_epoch = said["rows"], said["seconds"], said["best_epoch"]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

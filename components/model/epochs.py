"""What goes with a training: the rows it draws from, its validation after each epoch, and going on after a stop."""

import json
import math
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from components.errors import UserError
from components.progress import bar
from components.results import metrics

LogEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Rows:
    """Images of one part: rows of an array (files, views, ...), which stays on disk, and their class numbers."""

    array: np.ndarray
    rows: np.ndarray
    labels: np.ndarray


class DrawnViews(keras.utils.PyDataset):
    """Batches of the training part: every image once an epoch, in a new order, one of its views drawn for each."""

    def __init__(self, part: Rows, batch_size: int, seed: int):
        super().__init__()
        self.part, self.batch_size, self.seed = part, batch_size, seed
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Draw the order and the views of an epoch, numbered from 0."""
        random = np.random.default_rng([self.seed, epoch])
        self.order = random.permutation(len(self.part.rows))
        self.views = random.integers(self.part.array.shape[1], size=len(self.order))

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        place = slice(number * self.batch_size, (number + 1) * self.batch_size)
        chosen = self.order[place]
        return self.part.array[self.part.rows[chosen], self.views[place]], self.part.labels[chosen]


class Validation(keras.callbacks.Callback):
    """After each epoch: scores of the whole validation part on the plain view, a line of progress, the log."""

    def __init__(self, name: str, train: DrawnViews, part: Rows, epochs: int, log_epoch: LogEpoch):
        super().__init__()
        self.train, self.part, self.log_epoch = train, part, log_epoch
        self.rows: list[dict[str, float]] = []
        self.seconds = 0.0  # of training alone
        self.bar = bar(name, epochs, "epoch")

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.train.begin(epoch)
        self.start = perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        assert logs is not None
        self.seconds += perf_counter() - self.start
        if not math.isfinite(logs["loss"]):
            raise UserError(f"the loss is {logs['loss']} after epoch {epoch + 1}: lower the learning rate")
        found = metrics.scores(self.part.labels, softmax(predict(self.model, self.part), axis=1))
        row = {"loss": logs["loss"], "accuracy": logs["accuracy"], "validation_loss": found["log_loss"]}
        row |= {f"validation_{name}": found[name] for name in ("accuracy", "kappa")}
        logs.update(row)
        self.add({"epoch": epoch + 1, **row})

    def add(self, row: dict[str, float]) -> None:
        self.rows.append(row)
        self.bar.set_postfix_str(f"loss {row['loss']:.3f}, validation {row['validation_loss']:.3f}", refresh=False)
        self.bar.update()
        self.log_epoch(int(row["epoch"]), {name: value for name, value in row.items() if name != "epoch"})


class Resume(keras.callbacks.Callback):
    """Keeps, after each epoch, all that the next one starts from, and goes on from there where a training broke off.

    That is every variable of model and optimizer (the states of dropout are among them), the history, and what early
    stopping remembers, so that the training ends as if it had never stopped.

    Args:
        file: Where it is kept; never half written, never unpickled.
        validation: Holds the history.
        best: Early stopping.
    """

    def __init__(self, file: Path, validation: Validation, best: keras.callbacks.EarlyStopping):
        super().__init__()
        self.file, self.validation, self.best = file, validation, best
        self.arrays: dict[str, np.ndarray] = {}
        self.said: dict[str, Any] = {"rows": [], "wait": 0}
        if file.exists():
            try:
                with file.open("rb") as opened, np.load(opened) as state:
                    self.arrays = dict(state)
                self.said = json.loads(str(self.arrays["said"]))
            except (ValueError, EOFError, KeyError, zipfile.BadZipFile):  # as a power cut may leave it
                print(f"{file} cannot be read: the training begins anew", file=sys.stderr)

    def epochs(self, most: int) -> dict[str, int]:
        """Return from which epoch to which, of `most`, there is something left to train."""
        done = len(self.said["rows"])
        return {"initial_epoch": done, "epochs": done if self.said["wait"] >= self.best.patience else most}

    def variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def on_train_begin(self, logs: dict | None = None) -> None:
        if not self.said["rows"]:
            return
        self.model.optimizer.build(self.model.trainable_variables)
        for number, variable in enumerate(self.variables()):
            variable.assign(self.arrays[f"variable_{number}"])
        self.best.best_weights = [self.arrays[f"best_{number}"] for number in range(len(self.model.get_weights()))]
        self.best.best, self.best.best_epoch = self.said["best"], self.said["best_epoch"]
        self.best.wait = self.said["wait"]
        self.validation.seconds = self.said["seconds"]
        for row in self.said["rows"]:
            self.validation.add(row)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        known = self.validation
        said = {"rows": known.rows, "seconds": known.seconds}
        said |= {name: getattr(self.best, name) for name in ("best", "best_epoch", "wait")}
        arrays = {f"variable_{number}": variable.numpy() for number, variable in enumerate(self.variables())}
        arrays |= {f"best_{number}": weight for number, weight in enumerate(self.best.best_weights)}
        self.file.parent.mkdir(exist_ok=True)
        unfinished = self.file.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            np.savez(file, said=np.array(json.dumps(said)), **arrays)
        unfinished.replace(self.file)


def predict(model: keras.Model, part: Rows, batch_size: int = 64) -> np.ndarray:
    """Return the model's output for the plain view of each row, (n, ...)."""
    outputs = [
        model.predict_on_batch(part.array[part.rows[start : start + batch_size], 0])
        for start in range(0, len(part.rows), batch_size)
    ]
    return np.concatenate(outputs)

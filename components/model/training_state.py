"""The state of a training: its epochs, its best weights, and all that the next epoch starts from, also after a stop."""

import json
import os
import socket
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import keras
import numpy as np

from components.model import optimizers

MAX_SAVING_SHARE = 0.05  # of the time, that saving the state may take


class TrainingState:
    """The epochs of a training, the best of them, and every variable of model and optimizer.

    The states of dropout are among the variables, so that a training which broke off ends as if it had never stopped.
    The state is saved after the first epoch, and then as often as costs little.

    Args:
        file: Where it is saved; never half written, never unpickled.
        model: The model in training.
        optimizer: Its optimizer, built.
        monitor: The score by which the best epoch is chosen.
        min_delta: By how much an epoch must be better than the best.
    """

    def __init__(self, file: Path, model: keras.Model, optimizer: keras.Optimizer, monitor: str, min_delta: float):
        self.file, self.model, self.optimizer = file, model, optimizer
        self.column, self.sign = optimizers.MONITORS[monitor]
        self.min_delta = min_delta
        self.history: list[dict[str, float]] = []
        self.best_epoch, self.seconds = 0, 0.0
        self.best_weights: list[np.ndarray] = []
        self.best_logits = np.empty(0)
        self.outcomes: list[np.ndarray] = []
        self.saved_at, self.saving_seconds = 0.0, 0.0
        if file.exists():
            try:
                self.restore()
            except (ValueError, EOFError, KeyError, zipfile.BadZipFile):  # as a power cut may leave it
                print(f"{file} cannot be read: the training begins anew", file=sys.stderr)

    @property
    def epochs_since_best(self) -> int:
        """How many epochs have ended since the best one: 0 where the last is the best, or none has ended."""
        return len(self.history) - self.best_epoch

    def add_epoch(self, row: dict[str, float], logits: np.ndarray, outcome: np.ndarray) -> None:
        """Add an epoch; keep its weights and logits if it is the first, or better than the best by `min_delta`.

        Args:
            row: Losses and scores, by column of the history.
            logits: Of the validation images, (n, classes).
            outcome: What the epoch makes of them, (3, n), as `selective.find_outcome` returns it.
        """
        self.history.append(row)
        self.outcomes.append(outcome)
        score = self.sign * row[self.column]
        if not self.best_epoch or score > self.sign * self.history[self.best_epoch - 1][self.column] + self.min_delta:
            self.best_epoch, self.best_logits = len(self.history), logits
            self.best_weights = self.model.get_weights()

    def variables(self) -> list[keras.Variable]:
        """Return every variable of the model, frozen ones and states of dropout too, then those of its optimizer."""
        return [*self.model.variables, *self.optimizer.variables]

    def save(self, last: bool) -> None:
        """Write the state to its file; unless `last`, only if the write before took a small share of the time since.

        A small share is `MAX_SAVING_SHARE`; the first write is always made.

        Args:
            last: Whether no epoch follows.
        """
        start = perf_counter()
        if not last and self.saving_seconds > MAX_SAVING_SHARE * (start - self.saved_at):
            return
        summary = {"rows": self.history, "seconds": self.seconds, "best_epoch": self.best_epoch}
        arrays = {f"variable_{number}": variable.numpy() for number, variable in enumerate(self.variables())}
        arrays |= {f"best_{number}": weight for number, weight in enumerate(self.best_weights)}
        arrays |= {"best_logits": self.best_logits, "outcomes": np.stack(self.outcomes)}
        unfinished = self.file.with_suffix(f".{socket.gethostname()}-{os.getpid()}.unfinished")
        with suppress(FileNotFoundError):  # where another machine has ended the same training, and removed the folder
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                np.savez(file, summary=np.array(json.dumps(summary)), **arrays)
            unfinished.replace(self.file)
        self.saved_at = perf_counter()
        self.saving_seconds = self.saved_at - start

    def restore(self) -> None:
        """Set history, best weights and logits, and all variables of model and optimizer, to what the file holds.

        A file that is damaged or does not fit raises ValueError, EOFError, KeyError or BadZipFile.
        """
        with self.file.open("rb") as opened, np.load(opened) as content:
            arrays: dict[str, Any] = dict(content)
        summary = json.loads(str(arrays["summary"]))
        variables = self.variables()
        values = [arrays[f"variable_{number}"] for number in range(len(variables))]
        self.best_weights = [arrays[f"best_{number}"] for number in range(len(self.model.get_weights()))]
        self.best_logits, self.outcomes = arrays["best_logits"], [*arrays["outcomes"]]
        self.history, self.seconds, self.best_epoch = summary["rows"], summary["seconds"], summary["best_epoch"]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

"""Training, the same for every model: stored views in, the best epoch's weights kept."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from scipy.special import softmax

from components.errors import UserError, no_such
from components.progress import bar
from components.results import metrics

OPTIMIZERS = {
    "adam": lambda rate: keras.optimizers.Adam(rate),
    "rmsprop": lambda rate: keras.optimizers.RMSprop(rate),
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
}

LogEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Rows:
    """Images of one part: rows of an array (files, views, ...), which stays on disk, and their class numbers."""

    array: np.ndarray
    rows: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Settings:
    """How to train: optimizer, learning rate, epochs at most, epochs without improvement, images a batch, seed."""

    optimizer: str
    learning_rate: float
    epochs: int
    patience: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise no_such("optimizer", self.optimizer, OPTIMIZERS)
        for name in ("learning_rate", "epochs", "patience", "batch_size"):
            if getattr(self, name) <= 0:
                raise UserError(f"{name} is more than 0; received {getattr(self, name)}")


@dataclass(frozen=True)
class Trained:
    """A training: a row an epoch, the best epoch's validation logits, seconds without validation and journal."""

    history: pd.DataFrame
    logits: np.ndarray
    training_seconds: float


def seeded(seed: int) -> None:
    """Make what follows repeatable: weights, dropout and the order of sums."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


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
        self.seconds = 0.0  # of this callback, which are no training
        self.bar = bar(name, epochs, "epoch")

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.train.begin(epoch)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        assert logs is not None
        if not math.isfinite(logs["loss"]):
            raise UserError(f"the loss is {logs['loss']} after epoch {epoch + 1}: lower the learning rate")
        start = perf_counter()
        found = metrics.scores(self.part.labels, softmax(predict(self.model, self.part), axis=1))
        row = {"loss": logs["loss"], "accuracy": logs["accuracy"], "validation_loss": found["log_loss"]}
        row |= {f"validation_{name}": found[name] for name in ("accuracy", "kappa")}
        logs.update(row)
        self.rows.append({"epoch": epoch + 1, **row})
        self.bar.set_postfix_str(f"loss {row['loss']:.3f}, validation {row['validation_loss']:.3f}", refresh=False)
        self.bar.update()
        self.log_epoch(epoch + 1, row)
        self.seconds += perf_counter() - start


def predict(model: keras.Model, part: Rows, batch_size: int = 64) -> np.ndarray:
    """Return the model's output for the plain view of each row, (n, ...)."""
    outputs = [
        model.predict_on_batch(part.array[part.rows[start : start + batch_size], 0])
        for start in range(0, len(part.rows), batch_size)
    ]
    return np.concatenate(outputs)


def train(name: str, model: keras.Model, parts: tuple[Rows, Rows], settings: Settings, log_epoch: LogEpoch) -> Trained:
    """Train a model that gives logits, and leave it with the weights of its best epoch, by validation loss.

    Args:
        name: What to call it while it trains.
        model: Views to logits, (batch, ...) to (batch, classes); what it is to train is marked trainable.
        parts: The training and the validation part.
        settings: How to train.
        log_epoch: Called after each epoch with its number, from 1, and its losses and scores.

    Raises:
        UserError: The loss stops being a number.
    """
    views = DrawnViews(parts[0], settings.batch_size, settings.seed)
    validation = Validation(name, views, parts[1], settings.epochs, log_epoch)
    best = keras.callbacks.EarlyStopping(
        "validation_loss", mode="min", patience=settings.patience, restore_best_weights=True
    )
    trainer = keras.Model(model.inputs, model.outputs)  # so that the model itself stays free of an optimizer
    trainer.compile(
        OPTIMIZERS[settings.optimizer](settings.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    start = perf_counter()
    with validation.bar:
        trainer.fit(views, epochs=settings.epochs, callbacks=[validation, best], verbose=0, shuffle=False)
    seconds = perf_counter() - start - validation.seconds
    return Trained(pd.DataFrame(validation.rows), predict(model, parts[1]), seconds)

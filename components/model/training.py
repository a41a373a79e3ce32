"""Training, the same for every model: stored views in, the best epoch's weights kept."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from scipy.special import softmax
from sklearn.utils.class_weight import compute_class_weight

from components.errors import UserError
from components.model import optimizers
from components.progress import bar
from components.results import metrics

LogEpoch = Callable[[int, dict[str, float]], None]
Rate = Callable[[float], keras.optimizers.schedules.LearningRateSchedule]  # at a share of the learning rate


@dataclass(frozen=True)
class Rows:
    """Images of one part: rows of an array (files, views, ...), which stays on disk, and their class numbers."""

    array: np.ndarray
    rows: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Settings:
    """How to train; the steps' parameters of these names say what each is. The last two need a head.

    Raises:
        UserError: There is to be weight decay, and the optimizer has none.
    """

    optimizer: str
    learning_rate: float
    schedule: str
    warm_up: float
    momentum: float
    weight_decay: float
    label_smoothing: float
    class_weights: str
    monitor: str
    min_delta: float
    epochs: int
    patience: int
    batch_size: int
    seed: int
    l2: float = 0.0
    backbone_rate: float = 1.0

    def __post_init__(self) -> None:
        if self.weight_decay and "weight_decay" not in optimizers.OPTIMIZERS[self.optimizer][1]:
            raise UserError(
                f"{self.optimizer} has no weight decay; received {self.weight_decay:g}: choose adamw, or set it to 0"
            )


@dataclass(frozen=True)
class Trained:
    """A training: a row an epoch, the best epoch's number and validation logits, seconds of training alone."""

    history: pd.DataFrame
    best_epoch: int
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


class TwoRates(keras.optimizers.Optimizer):
    """Two optimizers in one: the head's, and one with another learning rate for all other variables.

    Scaling the backbone's gradients would not do: Adam divides the scale out again.

    Args:
        optimizers: The head's and the other one.
        head: Its variables go to the first.

    Source:
        Slower backbones: Howard and Ruder, arXiv 1801.06146.
    """

    def __init__(self, optimizers: tuple[keras.Optimizer, keras.Optimizer], head: keras.Model):
        super().__init__(learning_rate=0.0)  # of its own it takes no step
        self.optimizers, self.head = optimizers, {id(variable) for variable in head.trainable_variables}

    @property
    def variables(self) -> list[keras.Variable]:
        return [variable for optimizer in self.optimizers for variable in optimizer.variables]

    def build(self, variables: list[keras.Variable]) -> None:
        for optimizer, of_head in zip(self.optimizers, (True, False), strict=True):
            optimizer.build([variable for variable in variables if (id(variable) in self.head) == of_head])
        self.built = True

    def apply(self, grads: list[Any], trainable_variables: list[keras.Variable]) -> None:
        pairs = list(zip(grads, trainable_variables, strict=True))
        for optimizer, of_head in zip(self.optimizers, (True, False), strict=True):
            optimizer.apply_gradients([pair for pair in pairs if (id(pair[1]) in self.head) == of_head])


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
            with np.load(file) as state:
                self.arrays = dict(state)
            self.said = json.loads(str(self.arrays["said"]))

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


def compiled(model: keras.Model, head: keras.Model | None, settings: Settings, rate: Rate) -> keras.Model:
    """Return a model to be trained in the other's place, which shares its weights: it stays free of an optimizer.

    Args:
        model: Views to logits.
        head: That part of the model which l2 is for, and which learns at the full rate.
        settings: How to train.
        rate: The learning rate over the steps, at a share of its height.

    Source:
        Label smoothing: Szegedy et al., arXiv 1512.00567.
    """

    def build(share: float) -> keras.Optimizer:
        options = {"momentum": settings.momentum, "weight_decay": settings.weight_decay}
        return optimizers.build(settings.optimizer, rate(share), **options)

    def smoothed(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        wanted = keras.ops.one_hot(labels, logits.shape[-1])
        smoothing = settings.label_smoothing
        return keras.losses.categorical_crossentropy(wanted, logits, from_logits=True, label_smoothing=smoothing)

    optimizer = build(1.0)
    if head:
        if settings.backbone_rate != 1:
            optimizer = TwoRates((optimizer, build(settings.backbone_rate)), head)
        for variable in head.trainable_variables:
            if variable.name == "kernel" and settings.l2:
                variable.regularizer = keras.regularizers.L2(settings.l2)  # of the variable: no layer saves it
    trainer = keras.Model(model.inputs, model.outputs)
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trainer.compile(optimizer, smoothed if settings.label_smoothing else plain, metrics=["accuracy"])
    return trainer


def class_weights(kind: str, labels: np.ndarray) -> dict[int, float]:
    """Return the weight of each class in the training loss; balanced is n / (classes * count), of mean 1 over images.

    Source:
        King and Zeng, doi 10.1093/oxfordjournals.pan.a004868.
    """
    present = np.unique(labels)
    weights = compute_class_weight(optimizers.CLASS_WEIGHTS[kind], classes=present, y=labels)
    return dict(zip(present.tolist(), weights.tolist(), strict=True))


def planned(settings: Settings, steps: int) -> Rate:
    """Return the learning rate over the steps of all epochs: linear from 0 in the warm-up, then as scheduled.

    Source:
        Warm-up: Goyal et al., arXiv 1706.02677. Cosine: Loshchilov and Hutter, arXiv 1608.03983.
    """
    warm_up = math.floor(settings.warm_up * steps)
    return lambda share: keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, alpha=optimizers.SCHEDULES[settings.schedule],
        warmup_target=share * settings.learning_rate, warmup_steps=warm_up,
    )  # fmt: skip


def train(
    name: str,
    model: keras.Model,
    parts: tuple[Rows, Rows],
    settings: Settings,
    log_epoch: LogEpoch,
    resume: Path,
    head: keras.Model | None = None,
) -> Trained:
    """Train a model that gives logits, and leave it with the weights of its best epoch on validation.

    Args:
        name: What to call it while it trains.
        model: Views to logits, (batch, ...) to (batch, classes); what it is to train is marked trainable.
        parts: The training and the validation part.
        settings: How to train.
        log_epoch: Called after each epoch with its number, from 1, and its losses and scores.
        resume: Folder for what the next epoch starts from; where there is some, the training goes on from it.
        head: The model's head, where it has one; the rest is its backbone.

    Raises:
        UserError: The loss stops being a number.
    """
    views = DrawnViews(parts[0], settings.batch_size, settings.seed)
    validation = Validation(name, views, parts[1], settings.epochs, log_epoch)
    column, mode = optimizers.MONITORS[settings.monitor]
    best = keras.callbacks.EarlyStopping(
        column, mode=mode, min_delta=settings.min_delta, patience=settings.patience, restore_best_weights=True
    )
    resumed = Resume(resume / "training.npz", validation, best)
    trainer = compiled(model, head, settings, planned(settings, settings.epochs * len(views)))
    with validation.bar:
        trainer.fit(
            views, callbacks=[validation, best, resumed], verbose=0, shuffle=False,
            class_weight=class_weights(settings.class_weights, parts[0].labels), **resumed.epochs(settings.epochs),
        )  # fmt: skip
    history = pd.DataFrame(validation.rows)
    return Trained(history, best.best_epoch + 1, predict(model, parts[1]), validation.seconds)

"""Training, the same for every model: stored views in, the best epoch's weights kept."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from components.errors import UserError
from components.model import optimizers
from components.model.epochs import DrawnViews, LogEpoch, Resume, Rows, Validation, predict

Rate = Callable[[float], keras.optimizers.schedules.LearningRateSchedule]  # at a share of the learning rate


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

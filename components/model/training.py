"""Training, the same for every model: epochs over stored views until the best epoch on validation is found."""

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

from components.data.reading import read_ahead
from components.model.epochs import Epochs
from components.model.learning_rates import plan_schedule
from components.model.prediction import inference_graph
from components.model.rows import Rows
from components.model.settings import Training
from components.model.trainer import Trainer
from components.model.training_state import TrainingState
from components.scores import metrics
from components.scores.selective import NO_CANDIDATES, Candidates, find_outcome
from components.scores.temperature import fit_temperature
from components.system.errors import UserError
from components.system.progress import bar

LogEpoch = Callable[[int, dict[str, float]], None]

MAX_BYTES_IN_MEMORY = 2**28  # of the training rows; more are read from disk, batch by batch
MAX_VIEW_BYTES = 2**16  # with larger views a batch takes so long that a call for each costs nothing


@dataclass(frozen=True)
class TrainingResult:
    """What a training came to.

    Args:
        history: A row for each epoch: epoch, losses and scores.
        best_epoch: Its number, from 1; 0 for a model that was not trained epoch by epoch.
        logits: Of the validation images, (n, classes), by the best epoch's weights.
        training_seconds: What training alone took, without validation.
        candidates: What validation chose among, such as the epochs; none where that is not known.
    """

    history: pd.DataFrame
    best_epoch: int
    logits: np.ndarray
    training_seconds: float
    candidates: Candidates = NO_CANDIDATES


def train(
    name: str,
    model: keras.Model,
    split_rows: tuple[Rows, Rows],
    settings: Training,
    log_epoch: LogEpoch,
    resume: Path,
    head: keras.Model | None = None,
) -> TrainingResult:
    """Train a model, set it to its best epoch's weights, and return the history, that epoch, its logits, and seconds.

    It ends after `epochs`, or after `patience` epochs of at least `patience_updates` batches without a better one.

    Args:
        name: What the progress bar is called; without a name there is none.
        model: Views to logits, (batch, ...) to (batch, classes); what it is to train is marked trainable.
        split_rows: The rows that train, and those that validate.
        settings: How to train.
        log_epoch: Called after each epoch with its number, from 1, and its losses and scores; first of all with those
            of a training that goes on.
        resume: Folder for the state of the training; where there is one, the training goes on from it.
        head: The model's head, where it has one; the rest is its backbone.

    Returns:
        The history has the columns epoch, loss, accuracy, validation_loss, and, after the epoch's own temperature,
        validation_kappa, validation_log_loss and validation_accuracy; the logits are those of the validation images'
        plain views, (n, classes).

    Raises:
        UserError: An epoch ends in a loss, logits or weights that are not numbers, or CutMix is asked for on rows that
            are no maps.
    """
    train_rows, validation = split_rows
    steps = math.ceil(len(train_rows.rows) / settings.batch_size)
    trainer = Trainer(model, head, settings, plan_schedule(settings, settings.epochs * steps))
    state = TrainingState(resume / "training.npz", model, trainer.optimizer, settings.monitor, settings.min_delta)
    for number, row in enumerate(state.history, start=1):
        log_epoch(number, row)
    train_epoch = epoch_function(trainer, train_rows)
    patience = max(settings.patience, math.ceil(settings.patience_updates / steps))
    infer = inference_graph(model, validation.array.shape[2:], validation.array.dtype)

    if (epochs := trainer.of_first_node(len(state.history))) != len(state.history):
        raise UserError(f"node 0 goes on from epoch {epochs:g}, another from {len(state.history)}: remove {resume}")

    def is_finished() -> bool:
        local_decision = len(state.history) == settings.epochs or state.epochs_since_best >= patience
        return bool(trainer.of_first_node(local_decision))

    with bar(name, settings.epochs, "epoch") as progress:
        progress.update(len(state.history))
        finished = is_finished()
        while not finished:
            epoch, start = len(state.history), perf_counter()
            row = train_epoch(epoch)
            state.seconds += perf_counter() - start
            if not math.isfinite(row["loss"]):
                raise UserError(f"the loss is {row['loss']} after epoch {epoch + 1}: lower the learning rate")
            with trainer.averaged_weights():
                scores, logits, outcome = validate(model, infer, validation, epoch + 1)
                row |= scores
                state.add_epoch(row, logits, outcome)
            log_epoch(epoch + 1, row)
            finished = is_finished()
            state.save(last=finished)
            losses = f"loss {row['loss']:.3f}, validation {row['validation_log_loss']:.3f}"
            progress.set_postfix_str(losses, refresh=False)
            progress.update()
    model.set_weights(state.best_weights)
    history = pd.DataFrame([{"epoch": number, **row} for number, row in enumerate(state.history, start=1)])
    candidates = Candidates(np.stack(state.outcomes), settings.monitor == "accuracy")
    return TrainingResult(history, state.best_epoch, state.best_logits, state.seconds, candidates)


def validate(
    model: keras.Model, infer: Callable[[np.ndarray], Any], rows: Rows, epoch: int
) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """Return a model's `validation_loss` and calibrated scores, by name; logits, (n, classes); outcome, (3, n).

    The scores are called `validation_...`, the outcome is that of `selective.find_outcome`.

    Raises:
        UserError: Logits or weights are not numbers.
    """
    logits = predict_plain_views(infer, rows)
    if not all(np.isfinite(array).all() for array in (logits, *model.get_weights())):
        raise UserError(f"the model's weights or outputs are not numbers after epoch {epoch}: lower the learning rate")
    loss = metrics.log_loss(rows.labels, softmax(logits, axis=1))
    temperature = fit_temperature(rows.labels, logits)
    scores = metrics.validation_scores(rows.labels, softmax(logits / temperature, axis=1))
    return {"validation_loss": loss} | scores, logits, find_outcome(rows.labels, logits, temperature)


def epoch_function(trainer: Trainer, train_rows: Rows) -> Callable[[int], dict[str, float]]:
    """Return a function that trains one epoch, numbered from 0, and returns its `loss` and `accuracy` over the images.

    Both are those of each batch before its step; the loss is the one that is trained on, with weights and penalties.
    Few and small stored views on one device are held in memory, and an epoch is one call; others are read from disk,
    or made, batch by batch.
    """
    images = len(train_rows.rows)
    epochs = Epochs(train_rows, trainer.settings, trainer.replicas)
    in_memory = trainer.replicas == 1 and not train_rows.fresh and train_rows.array[0, 0].nbytes <= MAX_VIEW_BYTES
    in_memory = in_memory and images * train_rows.array[0].nbytes <= MAX_BYTES_IN_MEMORY

    def train_epoch(number: int) -> dict[str, float]:
        epoch = epochs[number]
        if in_memory:
            rows, counts = epoch.views * images + epoch.numbers, epoch.counts.astype(np.float32)
            total, correct = trainer.train_epoch(train_rows.all_views, rows, epoch.targets, counts, epoch.mixing)
        else:
            total = correct = tf.constant(0.0)
            batches = (epoch.read(train_rows, batch) for batch in range(len(epoch.counts)))
            for batch, count in zip(read_ahead(batches), epoch.counts, strict=True):
                loss, hits = trainer.train_batch(*tf.nest.map_structure(trainer.distribute, batch))
                total, correct = total + loss * count, correct + hits
        return {"loss": float(total) / images, "accuracy": float(correct) / images}

    return train_epoch


def predict_plain_views(infer: Callable[[np.ndarray], Any], rows: Rows, batch_size: int = 64) -> np.ndarray:
    """Return a model's output for view 0 of each image, the plain one, in the order of the rows, (n, ...).

    Args:
        infer: The model, as `inference_graph` returns it.
        rows: The images.
        batch_size: Images a batch.
    """
    numbers = np.arange(len(rows.rows))
    batches = (rows.read_plain(numbers[start : start + batch_size]) for start in range(0, len(numbers), batch_size))
    return np.concatenate([infer(batch).numpy() for batch in batches])

"""Training, the same for every model: stored views in, the best epoch's weights kept."""

import math
from collections.abc import Callable
from contextlib import suppress
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

from components.data.reading import read_ahead
from components.model import optimizers
from components.model.epochs import Course, LogEpoch, Rows
from components.model.prediction import inference
from components.model.settings import FineTuning, HeadTraining, Training
from components.scores import metrics
from components.system.errors import UserError
from components.system.progress import bar

Rate = Callable[[float], float | keras.optimizers.schedules.LearningRateSchedule]  # at a share of the learning rate

RESIDENT = 2**28  # bytes: a training part up to that stays in memory
SMALL = 2**16  # bytes of a view; of larger ones a batch takes so long that a call for each costs nothing


@dataclass(frozen=True)
class Trained:
    """A training: a row an epoch, the best epoch's number and validation logits, seconds of training alone."""

    history: pd.DataFrame
    best_epoch: int
    logits: np.ndarray
    training_seconds: float


def seeded(seed: int) -> None:
    """Make what follows repeatable: names of layers, weights, dropout and the order of sums."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def one_thread() -> None:
    """Let every operation run on one thread: those of a head are so small that sharing them out takes longer.

    It holds where TensorFlow has not begun to work; where it has, they are shared out as ever.
    """
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)


def strategy() -> tf.distribute.Strategy:
    """Return what spreads batches over this machine's GPUs; with fewer than two nothing is spread."""
    gpus = tf.config.list_logical_devices("GPU")
    return tf.distribute.MirroredStrategy(gpus) if len(gpus) > 1 else tf.distribute.get_strategy()


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


class Trainer:
    """What moves a model's weights, a batch at a time or an epoch.

    On several devices, in the scope of whose strategy the model was built, each takes its share of every batch, and the
    step is that of the whole batch.

    Args:
        model: Views to logits.
        head: That part of the model which l2 is for, and which learns at the full rate.
        settings: How to train.
        rate: The learning rate over the steps, at a share of its height.

    Source:
        Label smoothing: Szegedy et al., arXiv 1512.00567.
    """

    def __init__(self, model: keras.Model, head: keras.Model | None, settings: Training, rate: Rate):
        self.model, self.settings = model, settings
        self.l2 = settings.l2 if isinstance(settings, HeadTraining) else 0.0
        backbone_rate = settings.backbone_rate if isinstance(settings, FineTuning) else 1.0
        self.strategy = tf.distribute.get_strategy()
        self.replicas = self.strategy.num_replicas_in_sync
        self.kernels = [weight for weight in head.trainable_weights if weight.name == "kernel"] if head else []
        options = {"momentum": settings.momentum, "weight_decay": settings.weight_decay}
        self.optimizer = optimizers.build(settings.optimizer, rate(1.0), **options)
        if head and backbone_rate != 1:
            slower = optimizers.build(settings.optimizer, rate(backbone_rate), **options)
            self.optimizer = TwoRates((self.optimizer, slower), head)
        self.optimizer.build(model.trainable_variables)
        self.batch = tf.function(self._batch, autograph=False)
        self.epoch = tf.function(self._epoch)

    def spread(self, batch: np.ndarray) -> Any:
        """Return a batch, (batch, ...), as the devices take it; its size is a multiple of their number."""
        if self.replicas == 1:
            return batch
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: batch[context.replica_id_in_sync_group :: self.replicas]
        )

    def _batch(self, views: Any, labels: Any, weights: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Train on one batch.

        Args:
            views: (batch, ...), spread.
            labels: Class numbers, (batch,), spread.
            weights: Share of each image in the loss, float32 (batch,), spread; 0 for one that only fills the batch.

        Returns:
            The loss before the step, and how many images were taken rightly.
        """
        found = self.strategy.run(self._step, args=(views, labels, weights))
        loss, right = (self.strategy.reduce("SUM", value, axis=None) for value in found)
        return loss, right

    def _epoch(
        self, views: tf.Tensor, rows: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, images: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Train on rows of the views, all arguments (batches, batch) but for views, (n, ...), and images, (batches,).

        Returns:
            The sum of the images' losses, and how many were taken rightly.
        """
        total, right = 0.0, 0.0
        for number in tf.range(len(rows)):
            place = rows[number], labels[number], weights[number]
            loss, hits = self._step(tf.gather(views, place[0]), *place[1:])
            total += loss * images[number]
            right += hits
        return total, right

    @tf.autograph.experimental.do_not_convert
    def _step(self, views: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.model(views, training=True)
            smoothed = self.settings.label_smoothing / logits.shape[-1]
            wanted = tf.one_hot(labels, logits.shape[-1], 1 - self.settings.label_smoothing + smoothed, smoothed)
            loss = -tf.reduce_sum(tf.linalg.matvec(wanted * tf.nn.log_softmax(logits), weights, transpose_a=True))
            if self.l2:
                penalty = sum(tf.reduce_sum(tf.square(kernel)) for kernel in self.kernels)
                loss += self.l2 * penalty / self.replicas
        self.optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        hits = (tf.argmax(logits, axis=1, output_type=labels.dtype) == labels) & (weights > 0)
        return loss, tf.reduce_sum(tf.cast(hits, tf.float32))


def outputs(infer: Callable[[np.ndarray], Any], part: Rows, batch_size: int = 64) -> np.ndarray:
    """Return what a model makes of the plain view of each image, (n, ...)."""
    numbers = np.arange(len(part.rows))
    batches = (part.read(numbers[start : start + batch_size], 0) for start in range(0, len(numbers), batch_size))
    return np.concatenate([infer(batch).numpy() for batch in batches])


def class_weights(kind: str, labels: np.ndarray) -> np.ndarray:
    """Return the weight of each image in the training loss; balanced is n / (classes * count), of mean 1 over images.

    Source:
        King and Zeng, doi 10.1093/oxfordjournals.pan.a004868.
    """
    present, numbers = np.unique(labels, return_inverse=True)
    weights = compute_class_weight(optimizers.CLASS_WEIGHTS[kind], classes=present, y=labels)
    return weights[numbers].astype(np.float32)


def planned(settings: Training, steps: int) -> Rate:
    """Return the learning rate over the steps of all epochs: linear from 0 in the warm-up, then as scheduled.

    Source:
        Warm-up: Goyal et al., arXiv 1706.02677. Cosine: Loshchilov and Hutter, arXiv 1608.03983.
    """
    warm_up = math.floor(settings.warm_up * steps)
    if not warm_up and settings.schedule == "constant":
        return lambda share: share * settings.learning_rate
    return lambda share: keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, alpha=optimizers.SCHEDULES[settings.schedule],
        warmup_target=share * settings.learning_rate, warmup_steps=warm_up,
    )  # fmt: skip


def train(
    name: str,
    model: keras.Model,
    parts: tuple[Rows, Rows],
    settings: Training,
    log_epoch: LogEpoch,
    resume: Path,
    head: keras.Model | None = None,
) -> Trained:
    """Train a model that gives logits, and leave it with the weights of its best epoch on validation.

    Args:
        name: What to call it while it trains; without a name, nothing is shown.
        model: Views to logits, (batch, ...) to (batch, classes); what it is to train is marked trainable.
        parts: The training and the validation part.
        settings: How to train.
        log_epoch: Called after each epoch with its number, from 1, and its losses and scores.
        resume: Folder for what the next epoch starts from; where there is some, the training goes on from it.
        head: The model's head, where it has one; the rest is its backbone.

    Raises:
        UserError: The loss stops being a number.
    """
    part, validation = parts
    steps = math.ceil(len(part.rows) / settings.batch_size)
    trainer = Trainer(model, head, settings, planned(settings, settings.epochs * steps))
    course = Course(resume / "training.npz", model, trainer.optimizer, settings.monitor, settings.min_delta)
    for number, row in enumerate(course.rows, start=1):
        log_epoch(number, row)
    run_epoch = epochs(trainer, part)
    infer = inference(model, validation.array.shape[2:], validation.array.dtype)

    def ended() -> bool:
        return len(course.rows) == settings.epochs or course.wait >= settings.patience

    with bar(name, settings.epochs, "epoch") as progress:
        progress.update(len(course.rows))
        while not ended():
            epoch, start = len(course.rows), perf_counter()
            row = run_epoch(epoch)
            course.seconds += perf_counter() - start
            if not math.isfinite(row["loss"]):
                raise UserError(f"the loss is {row['loss']} after epoch {epoch + 1}: lower the learning rate")
            logits = outputs(infer, validation)
            found = metrics.main_scores(validation.labels, softmax(logits, axis=1))
            row["validation_loss"] = found["log_loss"]
            row |= {f"validation_{score}": found[score] for score in ("accuracy", "kappa")}
            course.add(row, logits)
            log_epoch(epoch + 1, row)
            course.keep(last=ended())
            said = f"loss {row['loss']:.3f}, validation {row['validation_loss']:.3f}"
            progress.set_postfix_str(said, refresh=False)
            progress.update()
    model.set_weights(course.best_weights)
    history = pd.DataFrame([{"epoch": number, **row} for number, row in enumerate(course.rows, start=1)])
    return Trained(history, course.best_epoch, course.best_logits, course.seconds)


def epochs(trainer: Trainer, part: Rows) -> Callable[[int], dict[str, float]]:
    """Return what trains an epoch, numbered from 0: on all in memory, in one call, or batch by batch from disk."""
    images = len(part.rows)
    size = min(trainer.settings.batch_size, images)
    counts = np.diff([*range(0, images, size), images])  # of images in each batch
    of_images = class_weights(trainer.settings.class_weights, part.labels)

    def laid(values: np.ndarray) -> np.ndarray:
        """Return values of the images in batches, (batches, batch), filled with 0 where there are no more."""
        batches = np.pad(values, (0, len(counts) * size - images)).reshape(-1, size)
        return np.pad(batches, ((0, 0), (0, -size % trainer.replicas)))

    resident = trainer.replicas == 1 and not part.fresh and part.array[0, 0].nbytes <= SMALL
    resident = resident and images * part.array[0].nbytes <= RESIDENT

    def run(epoch: int) -> dict[str, float]:
        order, drawn = part.draw(trainer.settings.seed, epoch)
        labels, weights = laid(part.labels[order]), laid(of_images[order]) / counts[:, None].astype(np.float32)
        if resident:
            rows = laid(drawn * images + order)
            total, right = trainer.epoch(part.in_memory, rows, labels, weights, counts.astype(np.float32))
        else:
            total = right = tf.constant(0.0)
            read = (part.read(*places) for places in zip(laid(order), laid(drawn), strict=True))
            for number, batch in enumerate(read_ahead(read)):
                loss, hits = trainer.batch(*map(trainer.spread, (batch, labels[number], weights[number])))
                total, right = total + loss * counts[number], right + hits
        return {"loss": float(total) / images, "accuracy": float(right) / images}

    return run

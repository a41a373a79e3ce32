"""Training steps: the loss of a batch, its gradients, and the move of the weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.model import optimizers
from components.model.epochs import Targets
from components.model.learning_rates import Schedule, SeveralRates, variables_by_rate
from components.model.mixing import mix
from components.model.settings import HeadTraining, Training


class Trainer:
    """Moves a model's weights, a batch at a time or an epoch.

    On several devices, in the scope of whose strategy the model was built, each takes its share of every batch, and the
    step is that of the whole batch.

    Args:
        model: Views to logits.
        head: The layers of the model that l2 is for, and that learn at the full rate.
        settings: How to train.
        schedule: The learning rate over the steps, for a share of it.

    Source:
        Label smoothing: Szegedy et al., arXiv 1512.00567.
    """

    def __init__(self, model: keras.Model, head: keras.Model | None, settings: Training, schedule: Schedule):
        self.model, self.settings = model, settings
        self.l2 = settings.l2 if isinstance(settings, HeadTraining) else 0.0
        self.strategy = tf.distribute.get_strategy()
        self.replicas = self.strategy.num_replicas_in_sync
        self.kernels = [weight for weight in head.trainable_weights if weight.name == "kernel"] if head else []
        options = {name: getattr(settings, name) for name in ("momentum", "weight_decay", "ema_momentum")}
        parts = [
            (optimizers.build(settings.optimizer, schedule(share), **options), variables)
            for share, variables in variables_by_rate(model, head, settings).items()
        ]
        self.optimizer = parts[0][0] if len(parts) == 1 else SeveralRates(parts)
        self.optimizer.build(model.trainable_variables)
        self.train_batch = tf.function(self._train_batch, autograph=False)
        self.train_epoch = tf.function(self._train_epoch)

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Set the model to the moving average of its weights, where the settings ask for one, while the block runs."""
        if not self.settings.ema_momentum:
            yield
            return
        variables = self.model.trainable_variables
        values = [variable.numpy() for variable in variables]
        self.optimizer.finalize_variable_values(variables)
        try:
            yield
        finally:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def distribute(self, batch: np.ndarray) -> Any:
        """Return each device's share of a batch, every n-th row of it for n devices; for one, the batch as it is."""
        if self.replicas == 1:
            return batch
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: batch[context.replica_id_in_sync_group :: self.replicas]
        )

    def of_first_node(self, value: float) -> float:
        """Return a number as node 0 has it, so that all nodes go the same way; on one node the number as it is."""
        if not self.strategy.cluster_resolver:
            return value
        each = self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(0.0 if context.replica_id_in_sync_group else value, tf.float32)
        )
        return float(self.strategy.reduce("SUM", each, axis=None))

    def _train_batch(self, views: Any, targets: Targets) -> tuple[tf.Tensor, tf.Tensor]:
        """Move the weights by one batch, on all devices; return its loss before, and the count of correct images.

        Args:
            views: (batch, ...), distributed.
            targets: As `Epoch` has them, of this batch, (batch,), distributed.
        """
        of_replicas = self.strategy.run(self._step, args=(views, targets))
        loss, correct = (self.strategy.reduce("SUM", value, axis=None) for value in of_replicas)
        return loss, correct

    def _train_epoch(
        self, views: tf.Tensor, rows: tf.Tensor, targets: Targets, counts: tf.Tensor, mixing: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Train on all batches of an epoch; return the sum of the images' losses and the count of correct images.

        Args:
            views: All views of all images, (n, ...).
            rows: Which of them each batch holds, (batches, batch).
            targets: As `Epoch` has them.
            counts: Images of each batch, float32 (batches,).
            mixing: As `Epoch` has it.
        """
        total, correct = 0.0, 0.0
        for number in tf.range(len(rows)):
            batch, targets_of_batch, *mixing_of_batch = batch_of((rows, targets, *mixing), number)
            taken = tf.gather(views, batch)
            loss, hits = self._step(mix(taken, *mixing_of_batch) if mixing else taken, targets_of_batch)
            total += loss * counts[number]
            correct += hits
        return total, correct

    @tf.autograph.experimental.do_not_convert
    def _step(self, views: tf.Tensor, targets: Targets) -> tuple[tf.Tensor, tf.Tensor]:
        """Move the weights by this device's share of a batch; return the share's loss before, and its correct images.

        The loss is the weighted sum of cross-entropies with smoothed labels, and the l2 penalty. An image is classified
        correctly that has the first of its labels.
        """
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.model(views, training=True)
            loss = tf.add_n([self.cross_entropy(logits, *target) for target in targets])
            if self.l2:
                penalty = sum(tf.reduce_sum(tf.square(kernel)) for kernel in self.kernels)
                loss += self.l2 * penalty / self.replicas
        self.optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        labels, weights = targets[0]
        hits = (tf.argmax(logits, axis=1, output_type=labels.dtype) == labels) & (weights > 0)
        return loss, tf.reduce_sum(tf.cast(hits, tf.float32))

    def cross_entropy(self, logits: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Return the weighted sum of the cross-entropies of logits, (batch, classes), with smoothed labels."""
        smoothing = self.settings.label_smoothing / logits.shape[-1]
        targets = tf.one_hot(labels, logits.shape[-1], 1 - self.settings.label_smoothing + smoothing, smoothing)
        return -tf.reduce_sum(tf.linalg.matvec(targets * tf.nn.log_softmax(logits), weights, transpose_a=True))


@tf.autograph.experimental.do_not_convert
def batch_of(nested: Any, number: tf.Tensor) -> Any:
    """Return the same nested tuples, with entry `number` of each tensor, (batches, ...), instead of the tensor."""
    return tf.nest.map_structure(lambda values: values[number], nested)

"""Training steps: the loss of a batch, its gradients, and the move of the weights."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from components.model import optimizers
from components.model.learning_rates import Schedule, TwoRates
from components.model.settings import FineTuning, HeadTraining, Training


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
        backbone_rate = settings.backbone_rate if isinstance(settings, FineTuning) else 1.0
        self.strategy = tf.distribute.get_strategy()
        self.replicas = self.strategy.num_replicas_in_sync
        self.kernels = [weight for weight in head.trainable_weights if weight.name == "kernel"] if head else []
        options = {"momentum": settings.momentum, "weight_decay": settings.weight_decay}
        self.optimizer = optimizers.build(settings.optimizer, schedule(1.0), **options)
        if head and backbone_rate != 1:
            slower = optimizers.build(settings.optimizer, schedule(backbone_rate), **options)
            self.optimizer = TwoRates((self.optimizer, slower), head)
        self.optimizer.build(model.trainable_variables)
        self.train_batch = tf.function(self._train_batch, autograph=False)
        self.train_epoch = tf.function(self._train_epoch)

    def distribute(self, batch: np.ndarray) -> Any:
        """Return a batch with every n-th row for each of n devices; with one device, the batch as it is."""
        if self.replicas == 1:
            return batch
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: batch[context.replica_id_in_sync_group :: self.replicas]
        )

    def _train_batch(self, views: Any, labels: Any, weights: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Move the weights by one batch, on all devices; return its loss before, and the count of correct images.

        Args:
            views: (batch, ...), distributed.
            labels: Class numbers, (batch,), distributed.
            weights: Share of each image in the loss, float32 (batch,), distributed; 0 for a filler.

        Returns:
            The loss before the step, and how many images were classified correctly.
        """
        of_replicas = self.strategy.run(self._step, args=(views, labels, weights))
        loss, correct = (self.strategy.reduce("SUM", value, axis=None) for value in of_replicas)
        return loss, correct

    def _train_epoch(
        self, views: tf.Tensor, rows: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, images: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Train on all batches of an epoch; return the sum of the images' losses and the count of correct images.

        Args:
            views: All views of all images, (n, ...).
            rows: Which of them each batch holds, (batches, batch).
            labels: Their class numbers, (batches, batch).
            weights: Share of each image in the loss of its batch, (batches, batch).
            images: How many there are in each batch, (batches,).

        Returns:
            The sum of the images' losses, and how many were classified correctly.
        """
        total, correct = 0.0, 0.0
        for number in tf.range(len(rows)):
            batch = rows[number], labels[number], weights[number]
            loss, hits = self._step(tf.gather(views, batch[0]), *batch[1:])
            total += loss * images[number]
            correct += hits
        return total, correct

    @tf.autograph.experimental.do_not_convert
    def _step(self, views: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Move the weights by this device's share of a batch; return the share's loss before, and its correct images.

        The loss is the weighted sum of cross-entropies with smoothed labels, and the l2 penalty.
        """
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.model(views, training=True)
            smoothing = self.settings.label_smoothing / logits.shape[-1]
            targets = tf.one_hot(labels, logits.shape[-1], 1 - self.settings.label_smoothing + smoothing, smoothing)
            loss = -tf.reduce_sum(tf.linalg.matvec(targets * tf.nn.log_softmax(logits), weights, transpose_a=True))
            if self.l2:
                penalty = sum(tf.reduce_sum(tf.square(kernel)) for kernel in self.kernels)
                loss += self.l2 * penalty / self.replicas
        self.optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        hits = (tf.argmax(logits, axis=1, output_type=labels.dtype) == labels) & (weights > 0)
        return loss, tf.reduce_sum(tf.cast(hits, tf.float32))


def image_weights(kind: str, labels: np.ndarray) -> np.ndarray:
    """Return each image's weight in the loss, (n,): 1, or for `balanced` n / (classes present * images of its class).

    Args:
        kind: Name of an entry in the registry of class weights.
        labels: Class number of each image, (n,).

    Source:
        King and Zeng, doi 10.1093/oxfordjournals.pan.a004868.
    """
    present, numbers = np.unique(labels, return_inverse=True)
    weights = compute_class_weight(optimizers.CLASS_WEIGHTS[kind], classes=present, y=labels)
    return weights[numbers].astype(np.float32)

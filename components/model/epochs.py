"""The batches of an epoch: which views each holds, how they are mixed, and what their labels weigh in the loss."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from components.model import optimizers
from components.model.mixing import Mixtures, draw_mixtures, mix
from components.model.rows import Rows
from components.model.settings import Training

Targets = tuple[tuple[Any, Any], ...]  # class numbers, and the share in the loss of each, once or for both of a mixture


@dataclass(frozen=True)
class Epoch:
    """The batches of an epoch, filled to a size that the devices share; fillers have no share in the loss.

    Args:
        numbers: Positions in the rows, (batches, batch).
        views: Which view of each, (batches, batch).
        targets: Class numbers, and the share of each in the loss of its batch, float32, both (batches, batch); where
            images are mixed, those with the greater share in an image first, then the others.
        counts: Images of each batch, (batches,).
        mixtures: How they are mixed.
    """

    numbers: np.ndarray
    views: np.ndarray
    targets: Targets
    counts: np.ndarray
    mixtures: Mixtures | None

    @property
    def mixing(self) -> tuple[np.ndarray, ...]:
        """Partners, inside shares and boxes for `mix`, each (batches, ...); an empty tuple where nothing is mixed."""
        return (self.mixtures.partners, self.mixtures.inside, self.mixtures.boxes) if self.mixtures else ()

    def read(self, rows: Rows, number: int) -> tuple[Any, Targets]:
        """Return a batch's views, mixed where asked for, and a tuple of one (class numbers, shares), two where mixed.

        Views are (batch, ...), class numbers and shares in the loss (batch,).
        """
        views = rows.read(self.numbers[number], self.views[number])
        if self.mixtures:
            views = mix(views, *(part[number] for part in self.mixing))
        return views, tuple((labels[number], shares[number]) for labels, shares in self.targets)


class Epochs:
    """The epochs of a training, each drawn from the seed and its number alone.

    Args:
        rows: The rows that train.
        settings: How to train.
        replicas: Devices that share each batch.
    """

    def __init__(self, rows: Rows, settings: Training, replicas: int = 1):
        self.rows, self.settings = rows, settings
        images = len(rows.rows)
        batch = min(settings.batch_size, images)
        self.counts = np.diff([*range(0, images, batch), images])
        self.batch, self.size = batch, replicas * math.ceil(batch / replicas)
        self.weights = image_weights(settings.class_weights, rows.labels)

    def __getitem__(self, number: int) -> Epoch:
        """Return an epoch by its number, from 0.

        Raises:
            UserError: CutMix is asked for, and the rows are no maps.
        """
        order, views = self.rows.epoch_order(self.settings.seed, number)
        labels = self.to_batches(self.rows.labels[order])
        weights = self.to_batches(self.weights[order]) / self.counts[:, None].astype(np.float32)
        mixtures = draw_mixtures(self.settings, self.rows.array.shape[2:], self.counts, self.size, number)
        targets: Targets = ((labels, weights),)
        if mixtures:
            share = mixtures.shares[:, None]
            others = [np.take_along_axis(values, mixtures.partners, axis=1) for values in (labels, weights)]
            first, second = (labels, share * weights), (others[0], (1 - share) * others[1])
            first_is_larger = share >= 0.5
            targets = tuple(
                (np.where(first_is_larger, *labels_of), np.where(first_is_larger, *shares_of))
                for labels_of, shares_of in (zip(first, second, strict=True), zip(second, first, strict=True))
            )
        return Epoch(self.to_batches(order), self.to_batches(views), targets, self.counts, mixtures)

    def to_batches(self, values: np.ndarray) -> np.ndarray:
        """Return values, one an image in the epoch's order, as (batches, size); each batch is filled up with 0."""
        batches = np.pad(values, (0, len(self.counts) * self.batch - len(values))).reshape(-1, self.batch)
        return np.pad(batches, ((0, 0), (0, self.size - self.batch)))


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

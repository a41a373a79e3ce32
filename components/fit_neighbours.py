"""Classify by the nearest training images."""

from typing import TYPE_CHECKING

from components.data.artifacts import Classifier, Features, Splits, Weights
from components.machinery.signature import Input, Output
from components.model.naming import model_of_step

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    import numpy as np


def fit_neighbours(
    features: Input[Features],
    splits: Input[Splits],
    weights: Input[Weights],
    classifier: Output[Classifier],
) -> None:
    """Write a classifier that lets the nearest training images vote, in the space of the features; nothing is trained.

    How many vote is chosen on validation. The plain views of the training images count; the model holds their features.

    Args:
        features: The backbone's output, pooled, of every file and view.
        splits: The training and validation rows.
        weights: The backbone's pretrained weights.
        classifier: Backbone and neighbours in one.

    Raises:
        UserError: The features are maps, or too many for a model to hold.
    """
    from components.model import fitting, neighbours, runtime
    from components.model.neighbour_head import neighbour_head
    from components.results import tracking

    def heads(known: "np.ndarray", labels: "np.ndarray", classes: int) -> "Iterator[tuple[str, keras.Model]]":
        neighbours.check_size(known)
        for count in neighbours.COUNTS:
            yield f"{count} neighbours", neighbour_head(known, labels, classes, count)

    runtime.use_one_thread()
    with tracking.live_run(classifier, model_of_step("fit_neighbours")):
        fitting.deliver_best("fit_neighbours", features, splits, weights, classifier, heads)

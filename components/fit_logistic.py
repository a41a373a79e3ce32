"""Fit a logistic regression on stored features."""

from typing import TYPE_CHECKING, Annotated

from components.data.artifacts import Classifier, Features, Splits, Weights
from components.machinery.signature import Input, Output
from components.model.naming import model_of_step
from components.model.optimizers import CLASS_WEIGHTS
from components.system.limits import Names

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    import numpy as np


def fit_logistic(
    features: Input[Features],
    splits: Input[Splits],
    weights: Input[Weights],
    classifier: Output[Classifier],
    *,
    class_weights: Annotated[str, Names("class weights", CLASS_WEIGHTS)],
) -> None:
    """Fit a logistic regression on the plain features, with the penalty that is best on validation.

    It has no chance in it: made again it is the same.

    Args:
        features: The backbone's output, pooled, of every file and view.
        splits: The training and validation rows.
        weights: The backbone's pretrained weights.
        classifier: Backbone and regression in one.
        class_weights: Weights of the images: none, or balanced, the same sum for each class.

    Raises:
        UserError: The features are maps.
    """
    from components.model import fitting, heads, logistic
    from components.results import tracking

    def fitted_heads(known: "np.ndarray", labels: "np.ndarray", classes: int) -> "Iterator[tuple[str, keras.Model]]":
        for inverse, kernel, bias in logistic.fit_path(known, labels, classes, CLASS_WEIGHTS[class_weights]):
            head = heads.linear_head(known.shape[1:], classes, 0.0, 1, 1)
            head.layers[-1].set_weights([kernel, bias])
            yield f"C {inverse:g}", head

    with tracking.live_run(classifier, model_of_step("fit_logistic")):
        fitting.deliver_best("fit_logistic", features, splits, weights, classifier, fitted_heads)

"""Multinomial logistic regression on features, as one dense layer, along a path of penalties."""

import warnings
from collections.abc import Iterator

import numpy as np
from threadpoolctl import threadpool_limits

INVERSE_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)  # of standardised features; scikit-learn's C
TWO_PENALTIES = (0.01, 1.0)  # likewise, where many are fitted within seconds
ITERATIONS, TOLERANCE = 200, 1e-6  # of L-BFGS, for each penalty


def fit_path(
    features: np.ndarray, labels: np.ndarray, classes: int, class_weights: str | None = None,
    inverse_penalties: tuple[float, ...] = INVERSE_PENALTIES,
) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:  # fmt: skip
    """Yield inverse penalty, kernel (channels, classes) and bias (classes,) of each fit, from strong to weak penalties.

    Features are standardised for the fit; kernel and bias are for features as they are. Each fit begins where the one
    before ended, and ends after `ITERATIONS` at most, as far as it came. All of it runs on one thread: its sums are so
    small that several threads mostly wait for each other.

    Args:
        features: Of the training images, (n, channels).
        labels: Their class numbers, (n,).
        classes: Number of classes; those without a training image have the lowest logit of any training image.
        class_weights: `balanced`, or None for images of one weight.
        inverse_penalties: The inverse of each penalty, ascending.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean, scale = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    scale[scale < 1e-12] = 1.0
    standardised = (features - mean) / scale
    model = LogisticRegression(max_iter=ITERATIONS, tol=TOLERANCE, class_weight=class_weights, warm_start=True)
    for inverse in inverse_penalties:
        model.set_params(C=inverse)
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(standardised, labels)
        known, intercept = model.coef_, model.intercept_
        if len(known) == 1:  # of two classes, half of the difference for each
            known, intercept = np.vstack([-known, known]) / 2, np.concatenate([-intercept, intercept]) / 2
        lowest = (standardised @ known.T + intercept).min()
        kernel, bias = np.zeros((features.shape[1], classes)), np.full(classes, lowest)
        kernel[:, model.classes_] = known.T / scale[:, None]
        bias[model.classes_] = intercept - mean @ kernel[:, model.classes_]
        yield inverse, kernel.astype(np.float32), bias.astype(np.float32)

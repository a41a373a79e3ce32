"""The temperature that calibrates a model: fitted on validation, it divides the logits."""

from collections.abc import Iterable

import numpy as np

LOWEST, HIGHEST = 0.05, 20.0
PSEUDO_IMAGES = 0.5


def fit_temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """Return the temperature, from 0.05 to 20, to divide the logits by: the best in log loss on smoothed labels.

    They are smoothed as if there were half an image more, of all classes alike: a model that is right on every image
    would else be sure without limit.

    Args:
        labels: Number of the true class, (n,).
        logits: Of each class, finite, (n, classes).

    Source:
        Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599. Smoothed labels: Platt, Probabilistic
        Outputs for Support Vector Machines, 1999; half a count: Krichevsky and Trofimov, doi:10.1109/TIT.1981.1056331.
    """
    from scipy.optimize import brentq

    logits = logits.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    smoothing = PSEUDO_IMAGES / (len(labels) + PSEUDO_IMAGES)
    target = (1 - smoothing) * logits[np.arange(len(labels)), labels].mean() + smoothing * logits.mean()

    def slope(log_inverse: float) -> float:
        """Return the derivative of the log loss by the inverse of the temperature, at that inverse's logarithm.

        It rises: the loss is convex in the inverse.
        """
        weights = np.exp(np.exp(log_inverse) * logits)
        return float(np.mean(np.einsum("ij,ij->i", weights, logits) / weights.sum(axis=1)) - target)

    lowest, highest = -np.log(HIGHEST), -np.log(LOWEST)
    if slope(lowest) >= 0:
        return HIGHEST
    if slope(highest) <= 0:
        return LOWEST
    return float(np.exp(-brentq(slope, lowest, highest, xtol=1e-6)))


def choose_calibrated(labels: np.ndarray, candidates: Iterable[np.ndarray]) -> np.ndarray:
    """Return the log probabilities, (n, classes), of the candidate whose log loss is lowest, each at its temperature.

    Args:
        labels: Number of the true class, (n,).
        candidates: Logits of each class, (n, classes), of each candidate for a model.
    """
    from scipy.special import log_softmax

    calibrated = [log_softmax(logits / fit_temperature(labels, logits), axis=1) for logits in candidates]
    return min(calibrated, key=lambda one: -one[np.arange(len(labels)), labels].mean())

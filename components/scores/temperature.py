"""The temperature that calibrates a model: fitted on validation, it divides the logits."""

import numpy as np

from components.scores.metrics import log_loss


def fit_temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """Return the temperature, from 0.05 to 20, to divide the logits by: the best in log loss that is not too sure.

    Too sure is a mean probability of the predicted class above 1 - (errors + 1) / (n + 2), the accuracy by the rule of
    succession: a model that is right on all n images would else be sure without limit. It is 20 where that is too sure.

    Args:
        labels: Number of the true class, (n,).
        logits: Of each class, (n, classes).

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599.
    """
    from scipy.optimize import brentq, minimize_scalar
    from scipy.special import softmax

    def scaled_probabilities(log_temperature: float) -> np.ndarray:
        """Return the probabilities of the logits divided by a temperature, (n, classes)."""
        return softmax(logits.astype(np.float64) / np.exp(log_temperature), axis=1)

    errors, low, high = np.sum(logits.argmax(axis=1) != labels), np.log(0.05), np.log(20.0)
    highest_confidence = 1 - (errors + 1) / (len(labels) + 2)

    def excess(log_temperature: float) -> float:
        """Return how far the mean confidence is above the highest allowed."""
        return float(scaled_probabilities(log_temperature).max(axis=1).mean() - highest_confidence)

    if excess(high) > 0:
        return float(np.exp(high))
    lowest = brentq(excess, low, high) if excess(low) > 0 else low
    best = minimize_scalar(lambda t: log_loss(labels, scaled_probabilities(t)), bounds=(lowest, high))
    return float(np.exp(best.x))

"""Scores of predicted probabilities."""

from collections.abc import Sequence

import numpy as np
from sklearn import metrics

LOWEST_PROBABILITY = float(np.finfo(np.float64).eps)  # 2.2e-16, as in scikit-learn: of less, no log is taken


def scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return Cohen's kappa, log loss (nats), accuracy, balanced accuracy and macro-F1.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes); each row sums to 1.

    Source: scikit-learn's metrics.
    """
    present = np.unique(labels)
    predicted = probabilities.argmax(axis=1)
    return {
        **main_scores(labels, probabilities),
        "balanced_accuracy": float(metrics.recall_score(labels, predicted, labels=present, average="macro")),
        "macro_f1": float(metrics.f1_score(labels, predicted, labels=present, average="macro", zero_division=0.0)),
    }


def main_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return Cohen's kappa, log loss (nats) and accuracy, of arguments as `scores` takes them.

    In a hundredth of the time that scikit-learn takes to check its arguments, in which a head trains an epoch. Kappa is
    0 where labels and predictions are all of one class, which leaves it undefined.

    Source: Cohen, doi:10.1177/001316446002000104.
    """
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    accuracy = float(np.mean(labels == predicted))
    shares = [np.bincount(numbers, minlength=classes) / len(labels) for numbers in (labels, predicted)]
    by_chance = float(shares[0] @ shares[1])
    return {
        "kappa": (accuracy - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0,
        "log_loss": log_loss(labels, probabilities),
        "accuracy": accuracy,
    }


def log_losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the negative log probability of the true class, in nats, (n,)."""
    doubled = probabilities.astype(np.float64)
    doubled /= doubled.sum(axis=1, keepdims=True)
    return -np.log(np.clip(doubled[np.arange(len(labels)), labels], LOWEST_PROBABILITY, 1 - LOWEST_PROBABILITY))


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean negative log probability of the true class, in nats."""
    return float(np.mean(log_losses(labels, probabilities)))


def baselines(labels: np.ndarray, train_counts: Sequence[int]) -> dict[str, float]:
    """Return what can be had without looking at an image: accuracy and log loss of the majority class and of chance.

    Args:
        labels: Number of the true class, (n,).
        train_counts: Training images of each class: the majority class is theirs, and so are the shares whose log loss
            `prior_log_loss` is.
    """
    shares = np.array(train_counts) / np.sum(train_counts)
    return {
        "majority_accuracy": float(np.mean(labels == int(np.argmax(train_counts)))),
        "chance_accuracy": 1 / len(train_counts),
        "prior_log_loss": log_loss(labels, np.tile(shares, (len(labels), 1))),
    }


def temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """Return the temperature that, dividing the logits, gives the lowest log loss; between 0.05 and 20.

    It is high enough for the mean probability of the predicted class to stay below 1 - (errors + 1) / (n + 2), the
    accuracy by the rule of succession: a model that is right on all n images would else be sure without limit.

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599.
    """
    from scipy.optimize import brentq, minimize_scalar
    from scipy.special import softmax

    def calibrated(t: float) -> np.ndarray:
        return softmax(logits.astype(np.float64) / np.exp(t), axis=1)

    errors, low, high = np.sum(logits.argmax(axis=1) != labels), np.log(0.05), np.log(20.0)
    most = 1 - (errors + 1) / (len(labels) + 2)

    def excess(t: float) -> float:
        return float(calibrated(t).max(axis=1).mean() - most)

    if excess(high) > 0:
        return float(np.exp(high))
    least = brentq(excess, low, high) if excess(low) > 0 else low
    fitted = minimize_scalar(lambda t: log_loss(labels, calibrated(t)), bounds=(least, high))
    return float(np.exp(fitted.x))

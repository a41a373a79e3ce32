"""Scores of predicted probabilities."""

from collections.abc import Iterable, Sequence

import numpy as np

from components.scores.registry import LOWEST_PROBABILITY, MAIN, SCORES, VALIDATION, Sums


def scores(labels: np.ndarray, probabilities: np.ndarray, names: Iterable[str] = SCORES) -> dict[str, float]:
    """Return scores of the registry, all if not said which.

    In a hundredth of the time that scikit-learn takes to check its arguments, in which a head trains an epoch.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes); each row sums to 1.
        names: The scores.
    """
    predicted = probabilities.argmax(axis=1)
    of, told, right = (
        np.bincount(numbers, minlength=probabilities.shape[1])[None]
        for numbers in (labels, predicted, labels[labels == predicted])
    )
    sums = Sums(log_losses(labels, probabilities).sum(keepdims=True), of, told, right)
    return {name: float(SCORES[name].of(sums)[0]) for name in names}


def main_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return the main scores, of arguments as `scores` takes them."""
    return scores(labels, probabilities, MAIN)


def validation_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return the main scores as those of validation, `validation_kappa` and so on."""
    return dict(zip(VALIDATION, main_scores(labels, probabilities).values(), strict=True))


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

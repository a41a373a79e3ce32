"""Scores, baselines and the confusion matrix of predicted probabilities."""

from collections.abc import Iterable, Sequence

import numpy as np

from components.scores.registry import LOWEST_PROBABILITY, MAIN, SCORES, VALIDATION, Sums


def scores(labels: np.ndarray, probabilities: np.ndarray, names: Iterable[str] = SCORES) -> dict[str, float]:
    """Return the value of each named score of the registry, by default of all, by name.

    An image is predicted as its most probable class; of equally probable ones, the first.

    It takes a hundredth of the time in which scikit-learn checks its arguments: a head trains an epoch in that.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes); each row sums to 1.
        names: The scores.
    """
    predictions = probabilities.argmax(axis=1)
    actual, predicted, correct = (
        np.bincount(numbers, minlength=probabilities.shape[1])[None]
        for numbers in (labels, predictions, labels[labels == predictions])
    )
    sums = Sums(log_losses(labels, probabilities).sum(keepdims=True), actual, predicted, correct)
    return {name: float(SCORES[name].compute(sums)[0]) for name in names}


def main_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return the scores that the registry marks as `main`, by name: `kappa`, `log_loss`, and `accuracy`."""
    return scores(labels, probabilities, MAIN)


def validation_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return `validation_kappa`, `validation_log_loss` and `validation_accuracy` of images of validation, by name."""
    return dict(zip(VALIDATION, main_scores(labels, probabilities).values(), strict=True))


def log_losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return each image's negative log probability of its true class, in nats, (n,); never infinite, at most 36.04.

    Each row of probabilities is divided by its sum; the probability is then kept at least `LOWEST_PROBABILITY` away
    from 0 and from 1.
    """
    normalised = probabilities.astype(np.float64)
    normalised /= normalised.sum(axis=1, keepdims=True)
    return -np.log(np.clip(normalised[np.arange(len(labels)), labels], LOWEST_PROBABILITY, 1 - LOWEST_PROBABILITY))


def imagined_losses(probabilities: np.ndarray) -> np.ndarray:
    """Return the log loss to expect of each image if its predicted class is wrong, in nats, (n,); 36.04 of a sure one.

    The other classes are then as probable as the model says.
    """
    others = probabilities.astype(np.float64)
    others[np.arange(len(others)), others.argmax(axis=1)] = 0
    others = np.maximum(others, LOWEST_PROBABILITY * (others > 0))
    shares = others / np.maximum(others.sum(axis=1, keepdims=True), LOWEST_PROBABILITY)
    losses = -np.log(np.maximum(others, LOWEST_PROBABILITY))
    return np.where(others.any(axis=1), (shares * losses).sum(axis=1), -np.log(LOWEST_PROBABILITY))


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean over the images of `log_losses`: the negative log probability of the true class, in nats."""
    return float(np.mean(log_losses(labels, probabilities)))


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return the number of images of each true class (rows) predicted as each class (columns), (classes, classes).

    Args:
        labels: Number of the true class, (n,).
        predicted: Number of the predicted class, (n,).
        classes: Number of classes.
    """
    return np.bincount(classes * labels + predicted, minlength=classes**2).reshape(classes, classes)


def baselines(labels: np.ndarray, train_counts: Sequence[int]) -> dict[str, float]:
    """Return `majority_accuracy` of the commonest training class, `chance_accuracy`, 1 / classes, and `prior_log_loss`.

    They are the scores of guesses that see no image: the share of the images that are of the commonest training class,
    the first of several such; 1 / classes; and the log loss, in nats, of the class frequencies in training as the
    probabilities of every image.

    Args:
        labels: Number of the true class, (n,).
        train_counts: Training images of each class: the commonest class and the frequencies are theirs.
    """
    shares = np.array(train_counts) / np.sum(train_counts)
    return {
        "majority_accuracy": float(np.mean(labels == int(np.argmax(train_counts)))),
        "chance_accuracy": 1 / len(train_counts),
        "prior_log_loss": log_loss(labels, np.tile(shares, (len(labels), 1))),
    }

"""Out-of-fold probabilities of a regression on stored features, and images that are far from others of their class."""

import numpy as np

from components.model.learning_curve import nested_order
from components.model.logistic import TWO_PENALTIES, fit_path
from components.scores.temperature import choose_calibrated

FOLDS = 5
NEIGHBOURS = 5  # of the same class, of which the mean distance counts


def out_of_fold_probabilities(
    features: np.ndarray, labels: np.ndarray, units: np.ndarray, classes: int, seed: int
) -> np.ndarray:
    """Return each image's calibrated probabilities, (n, classes), by a regression fitted on the other four fifths.

    The penalty is the one with the lowest log loss out of fold, after a temperature; the probabilities are after it.

    Args:
        features: Of the images, (n, channels).
        labels: Their class numbers, as labelled, (n,).
        units: What of them stays in one fold, (n,), such as a group or a cluster of duplicates.
        classes: Number of classes.
        seed: Seed of the folds.
    """
    order = nested_order(labels, units, np.random.default_rng(seed))
    _, unit = np.unique(units[order], return_inverse=True)
    fold = np.empty(len(labels), np.int64)
    first_rows = np.unique(unit, return_index=True)[1]
    rank = np.argsort(np.argsort(first_rows))  # of each unit, by where the order has it first
    fold[order] = rank[unit] % FOLDS
    logits = np.empty((len(TWO_PENALTIES), len(labels), classes))
    for number in range(FOLDS):
        fits = fit_path(features[fold != number], labels[fold != number], classes, inverse_penalties=TWO_PENALTIES)
        for penalty, (_, kernel, bias) in enumerate(fits):
            logits[penalty, fold == number] = features[fold == number] @ kernel + bias
    return np.exp(choose_calibrated(labels, logits))


def distances_within_classes(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each image's mean cosine distance to the nearest 5 others of its class, (n,); 0 where there are none.

    Args:
        features: Of the images, (n, channels).
        labels: Their class numbers, (n,).
    """
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.maximum(lengths, 1e-12)
    distances = np.zeros(len(labels))
    for number in np.unique(labels):
        rows = np.flatnonzero(labels == number)
        if len(rows) > 1:
            nearest = np.sort(1 - unit[rows] @ unit[rows].T, axis=1)[:, 1 : NEIGHBOURS + 1]
            distances[rows] = nearest.mean(axis=1)
    return distances

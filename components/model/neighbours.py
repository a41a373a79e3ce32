"""The votes of the nearest neighbours among the training images' features; `neighbour_head` is a head of them."""

import numpy as np

from components.system.errors import UserError

COUNTS = (1, 3, 10, 30)  # of neighbours that vote, among which validation chooses
SIMILARITY = 0.07  # by which similarities are divided before neighbours vote
MOST_BYTES = 2**30  # of features in a model
ROWS = 256  # images whose neighbours are looked for at once


def neighbour_logits(
    features: np.ndarray, labels: np.ndarray, classes: int, count: int, queries: np.ndarray
) -> np.ndarray:
    """Return a logit for each query and class, (m, classes): the logarithm of the nearest images' weighted votes.

    They are those of `neighbour_head`, without Keras, but that exactly so many images vote, and of equally near ones
    the first.

    Args:
        features: Of the training images, (n, channels).
        labels: Their class numbers, (n,).
        classes: Number of classes.
        count: How many neighbours vote; all where there are fewer.
        queries: Features of the images that are voted on, (m, channels).

    Source: Wu et al., arXiv 1805.01978, section 3.4.
    """
    train, queries = unit_rows(features), unit_rows(queries)
    several, logits = min(count, len(train)), []
    for start in range(0, len(queries), ROWS):
        similarities = queries[start : start + ROWS] @ train.T
        nearest = np.argsort(-similarities, axis=1, kind="stable")[:, :several]
        weights = np.exp((np.take_along_axis(similarities, nearest, axis=1) - 1) / SIMILARITY)
        votes = np.repeat(weights.min(axis=1, keepdims=True), classes, axis=1)
        np.add.at(votes, (np.arange(len(votes))[:, None], labels[nearest]), weights)
        logits.append(np.log(np.maximum(votes, np.finfo(np.float32).tiny)))
    return np.concatenate(logits)


def unit_rows(features: np.ndarray) -> np.ndarray:
    """Return features, (n, channels), each row divided by its Euclidean length; rows of zeros stay zeros."""
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def check_size(features: np.ndarray) -> None:
    """Raise a UserError where the training images' features, (n, channels), take more bytes than a model may hold.

    Raises:
        UserError: They take more than `MOST_BYTES`.
    """
    if features.nbytes > MOST_BYTES:
        raise UserError(
            f"neighbours: a model holds the features of all {len(features):,} training images, "
            f"{features.nbytes / 1e9:.3g} GB; {MOST_BYTES / 1e9:.3g} GB are the most: take the model logistic"
        )

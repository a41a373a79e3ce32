"""Labels that are probably wrong, by the probabilities of a model that did not learn from them: confident learning.

Source: Northcutt, Jiang and Chuang, Confident learning, doi:10.1613/jair.1.12125.
"""

import numpy as np
import pandas as pd


def confident_classes(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the class number that each image confidently belongs to, (n,), or -1 where it does so to none.

    An image belongs to a class confidently if the class has at least the probability that it has on average among the
    images that are labelled so; to the likeliest of several such classes.

    Args:
        labels: Class numbers, as labelled, (n,).
        probabilities: Of each class, out of fold, (n, classes).
    """
    classes = probabilities.shape[1]
    is_labelled = labels == np.arange(classes)[:, None]
    counts = is_labelled.sum(axis=1)
    self_confidence = (probabilities.T * is_labelled).sum(axis=1)
    means = self_confidence / np.maximum(counts, 1)
    thresholds = np.where(counts, means, np.inf)  # no image is labelled so: none belongs there
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    return np.where(confident.max(axis=1) >= 0, confident.argmax(axis=1), -1)


def rank_suspects(labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Return the images whose label is probably wrong, the surest first; no rows where there are none.

    They are those that belong confidently to another class than they are labelled. The surer ones are those whose label
    is less probable beside the other class.

    Args:
        labels: Class numbers, as labelled, (n,).
        probabilities: Of each class, out of fold, (n, classes).

    Returns:
        A row each: row, the image's; label and suggested, class numbers; probability_of_label and
        probability_of_suggested.
    """
    suggested = confident_classes(labels, probabilities)
    rows = np.flatnonzero((suggested >= 0) & (suggested != labels))
    of_label, of_other = probabilities[rows, labels[rows]], probabilities[rows, suggested[rows]]
    order = np.argsort(of_label - of_other, kind="stable")
    columns = {
        "row": rows, "label": labels[rows], "suggested": suggested[rows],
        "probability_of_label": of_label, "probability_of_suggested": of_other,
    }  # fmt: skip
    return pd.DataFrame(columns).iloc[order].reset_index(drop=True)

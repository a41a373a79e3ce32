"""Calibration: how far the confidence of predictions is from their accuracy."""

import numpy as np
import pandas as pd

from components.scores.intervals import ratio_or_nan


def calibration_bins(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> tuple[pd.DataFrame, float]:
    """Return a table with a row for each bin of confidence, lowest first, and the expected calibration error.

    Confidence is an image's highest probability. The columns are `low` (outside the bin), `high` (in it), `images`, and
    their means `confidence` and `accuracy`, not a number for a bin without images. The error, from 0 to 1, is the mean
    over the images of the distance of the two means of their bin.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        bins: Bins of equal width in (0, 1].

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    number = np.clip(np.searchsorted(edges, confidence) - 1, 0, bins - 1)
    images = np.bincount(number, minlength=bins)
    sums = [np.bincount(number, weights, minlength=bins) for weights in (confidence, correct)]
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "images": images})
    table["confidence"], table["accuracy"] = ratio_or_nan(sums[0], images), ratio_or_nan(sums[1], images)
    return table, float(np.abs(sums[0] - sums[1]).sum() / len(labels))

"""Intervals of scores over other images, and of each class's precision, recall and F1."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from components.scores.estimates import estimate, sample_of, unit_sums
from components.scores.proportions import (
    FEWEST,
    Interval,
    effective_wholes,
    exact_interval,
    independent_units,
    ratio_or_nan,
)
from components.scores.registry import SCORES


def score_intervals(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray | None = None,
    names: Collection[str] = SCORES.keys(),
) -> dict[str, Interval]:
    """Return each named score's 95 % interval over other images, (low, high); of under `FEWEST` units, its bounds.

    That of accuracy is exact where no images are grouped.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        groups: Name of each image's group, (n,); empty for an image that is by itself.
        names: The scores.
    """
    sample = sample_of(labels, probabilities, independent_units(groups, len(labels)), names)
    return {name: estimate(sample, name).interval() for name in names}


def class_scores(
    labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str], groups: np.ndarray | None = None
) -> pd.DataFrame:
    """Return a row a class, in order: `class`, `support`, and `precision`, `recall`, `f1`, each with `_low`, `_high`.

    The columns are `class`, `support` (its images), `precision`, `precision_low`, `precision_high`, and the same three
    of `recall` and of `f1`; not a number where the divisor is 0, as the precision of a class that is never predicted.
    The 95 % intervals are exact, those of precision for as many predictions of the class as there were, which are
    chance as well; F1 is 2 p / (1 + p) of p, the share of correct ones among images that are of the class or predicted
    as it. Images in groups count for as many as they are worth, and where fewer than `FEWEST` groups have any,
    the interval is (0, 1).

    Args:
        labels: Number of the true class, (n,).
        predicted: Number of the predicted class, (n,).
        classes: Names of the classes.
        groups: Name of each image's group, (n,); empty for an image that is by itself.
    """
    unit = independent_units(groups, len(labels))
    one_hot = np.eye(len(classes))[predicted]
    counts = unit_sums(labels, one_hot, unit)[:, 1:]
    actual, predictions, correct = (counts[:, part * len(classes) :][:, : len(classes)] for part in range(3))
    table = pd.DataFrame({"class": classes, "support": actual.sum(axis=0).astype(int)})
    for name, whole in (("precision", predictions), ("recall", actual), ("f1", actual + predictions - correct)):
        shares, worth = ratio_or_nan(correct.sum(axis=0), whole.sum(axis=0)), effective_wholes(correct, whole)
        units, images = (whole > 0).sum(axis=0), whole.sum(axis=0)
        unknown = (units < images) & (units < FEWEST)
        ends = [
            (np.nan, np.nan) if np.isnan(share) else (0.0, 1.0) if few else exact_interval(share * trials, trials)
            for share, trials, few in zip(shares.tolist(), worth.tolist(), unknown.tolist(), strict=True)
        ]
        values = np.column_stack([shares, ends])
        table[[name, f"{name}_low", f"{name}_high"]] = 2 * values / (1 + values) if name == "f1" else values
    return table

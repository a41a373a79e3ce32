"""Intervals of scores and of each class's precision and recall: exact where they can be, else bootstrapped."""

from collections.abc import Collection, Sequence
from functools import cache

import numpy as np
import pandas as pd
from scipy import sparse, stats

from components.scores.registry import EXACT, SCORES
from components.scores.resampling import (
    FEWEST,
    LEVEL,
    Interval,
    ResampledScore,
    leave_one_out_sums,
    resample_model,
    resample_weights,
    resampling_units,
    unit_counts,
)


@cache  # 2 ms each, and asked for twice a class
def exact_interval(successes: int, trials: int) -> Interval:
    """Return the exact 95 % interval of the proportion successes / trials; not a number, twice, without trials.

    Source: Clopper & Pearson, doi:10.1093/biomet/26.4.404.
    """
    if not trials:
        return np.nan, np.nan
    ends = stats.binomtest(successes, trials).proportion_ci(LEVEL, method="exact")
    return float(ends.low), float(ends.high)


def score_intervals(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray | None = None,
    names: Collection[str] = SCORES.keys(),
) -> dict[str, Interval]:
    """Return each named score's 95 % interval, by name: bootstrapped over units; exact for accuracy without groups.

    Units are resampled: the groups, and each image that is by itself. Where every resample has the same score, or a
    model is right on all images or on none, the interval of a score of predicted classes follows, by its scale, from
    the exact interval of accuracy with as many trials as there are units. With fewer than `FEWEST` units the interval
    is all that the score can be, except that of accuracy where no images are grouped.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        groups: Name of each image's group, (n,); empty for an image that is by itself.
        names: The scores.
    """
    unit = resampling_units(groups, len(labels))
    scores = resample_model(labels, probabilities, unit, dict.fromkeys([EXACT, *names])).scores
    accuracy = scores[EXACT]
    units = len(accuracy.left_out)
    exact_ends = exact_interval(round(accuracy.observed * units), units)
    intervals = {name: score.interval() for name, score in scores.items()}
    if units == len(labels):
        intervals[EXACT] = exact_ends
    for name, score in scores.items():
        if (score.is_constant or accuracy.is_constant) and not score.has_few_units and score.scale is not None:
            intervals[name] = score.interval_from_accuracy(accuracy.observed, exact_ends)
    return {name: intervals[name] for name in names}


def class_scores(
    labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str], groups: np.ndarray | None = None
) -> pd.DataFrame:
    """Return a table with each class's support, precision, recall, their 95 % intervals and F1, in order of `classes`.

    The columns are `class`, `support` (its images), `precision`, `precision_low`, `precision_high`, the same three of
    `recall`, and `f1`; not a number where the divisor is 0, as the precision of a class that is never predicted. The
    intervals are exact, those of precision for as many predictions of the class as there were: how many there are is
    chance as well. Where images are grouped they are bootstrapped over groups.

    Args:
        labels: Number of the true class, (n,).
        predicted: Number of the predicted class, (n,).
        classes: Names of the classes.
        groups: Name of each image's group, (n,); empty for an image that is by itself.
    """
    unit = resampling_units(groups, len(labels))
    per_unit = unit_counts(labels, predicted, len(classes), unit)
    actual_count, predicted_count, correct_count = np.split(per_unit.sum(axis=0).astype(int), 3)
    table = pd.DataFrame({"class": classes, "support": actual_count})
    for name, trials in (("precision", predicted_count), ("recall", actual_count)):
        table[name] = ratio_or_nan(correct_count, trials)
        if len(labels) == per_unit.shape[0]:
            ends = [exact_interval(*counts) for counts in zip(correct_count.tolist(), trials.tolist(), strict=True)]
        else:
            ends = bootstrap_class_intervals(per_unit, 1 if name == "precision" else 0)
        table[[f"{name}_low", f"{name}_high"]] = ends
    table["f1"] = ratio_or_nan(2 * correct_count, actual_count + predicted_count)
    return table


def ratio_or_nan(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, element by element; not a number where the whole is 0 or less."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def bootstrap_class_intervals(per_unit: sparse.csr_array, whole: int) -> list[Interval]:
    """Return each class's 95 % interval of recall or precision, bootstrapped over units; NaN twice if undefined.

    Resamples without an image of the class (for precision, one predicted as it) are left out. Of the units, those with
    such images count: without any, the interval is not a number, twice; with fewer than `FEWEST`, it is (0, 1); where
    every resample gives the same, it is exact, with these units as trials.

    Args:
        per_unit: The counts that `unit_counts` returns.
        whole: Which of the three counts the correct images are divided by: 0, the actual, for recall; 1, the
            predicted, for precision.
    """

    def shares(sums: np.ndarray) -> np.ndarray:
        """Return each class's correct images as a share of its actual or predicted ones, (sets, classes)."""
        return ratio_or_nan(np.split(sums, 3, axis=1)[2], np.split(sums, 3, axis=1)[whole])

    observed = shares(per_unit.sum(axis=0)[None])[0]
    resamples = np.concatenate([shares(weights @ per_unit) for weights in resample_weights(per_unit.shape[0])])
    left_out = np.concatenate([shares(sums) for sums in leave_one_out_sums(per_unit)])
    classes = len(observed)
    units_with_class = (per_unit[:, whole * classes : (whole + 1) * classes] > 0).sum(axis=0)
    intervals: list[Interval] = []
    for number, units in enumerate(units_with_class.tolist()):
        defined = (column[~np.isnan(column)] for column in (resamples[:, number], left_out[:, number]))
        score = ResampledScore(float(observed[number]), *defined)
        if not units:
            intervals.append((np.nan, np.nan))
        elif units < FEWEST:
            intervals.append(score.bounds)
        elif score.is_constant:
            intervals.append(exact_interval(round(score.observed * units), units))
        else:
            intervals.append(score.interval())
    return intervals

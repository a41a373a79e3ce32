"""Calibration: how far the confidence of predictions is from their accuracy, and how far it would be by chance."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from components.scores.proportions import FEWEST, LEVEL, Interval, exact_interval, independent_units, ratio_or_nan

BINS = 15
FINE_BINS, FEWEST_IN_BIN = 50, 20  # of a reliability diagram: neighbours are joined until each has so many images
LIMITS = ("accuracy_low", "accuracy_high")
SAMPLES, SEED = 1000, 0  # drawn of each degree of miscalibration
DEGREES = np.linspace(0, 4, 31)  # of the observed miscalibration


@dataclass(frozen=True)
class CalibrationError:
    """The expected calibration error, from 0 to 1, and what it is worth.

    Args:
        observed: The error on the images.
        interval: The 95 % interval of the true error.
        chance: Mean error that a perfectly calibrated model with these confidences has on as many images.
        chance_interval: That within which 95 % of its errors are.
    """

    observed: float
    interval: Interval
    chance: float
    chance_interval: Interval


def bin_numbers(probabilities: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return the number of each image's bin, from 0, by its highest probability, (n,); a bin includes its upper edge.

    Bins are of equal width in (0, 1].

    Args:
        probabilities: Of each class, (n, classes).
        bins: Number of bins.
    """
    edges = np.linspace(0, 1, bins + 1)
    return np.clip(np.searchsorted(edges, probabilities.max(axis=1)) - 1, 0, bins - 1)


def calibration_bins(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Return a row for every bin, lowest first: `low`, `high`, `images`, means `confidence`, `accuracy`, NaN if empty.

    The columns are `low` (outside the bin), `high` (in it), `images`, and their means `confidence`, the highest
    probability of an image, and `accuracy`, not a number for a bin without images.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        bins: Number of bins, of equal width in (0, 1].

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599.
    """
    number, edges = bin_numbers(probabilities, bins), np.linspace(0, 1, bins + 1)
    images = np.bincount(number, minlength=bins)
    values = {
        "confidence": probabilities.max(axis=1).astype(np.float64), "accuracy": probabilities.argmax(axis=1) == labels,
    }  # fmt: skip
    means = {name: ratio_or_nan(np.bincount(number, one, bins), images) for name, one in values.items()}
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "images": images, **means})


def reliability_bins(labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray | None = None) -> pd.DataFrame:
    """Return a row a bin, lowest first: `low`, `high`, `images`, `confidence`, `accuracy` and its `_low` and `_high`.

    The first five are those of `calibration_bins`, with as many bins as the images allow; the others are 95 % limits.

    Of 50 bins, neighbours are joined, from the most confident down, until each has 20 images; the last, which has what
    is left, may have fewer only if it is alone. `accuracy_low` and `accuracy_high` are the exact limits of each, where
    images of groups count for as many as the groups in it.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        groups: Name of each image's group, (n,); empty for an image that is by itself.
    """
    number = bin_numbers(probabilities, FINE_BINS)
    counts, first = np.bincount(number, minlength=FINE_BINS), [FINE_BINS]  # the lower bound of each, from the top
    for place in reversed(range(FINE_BINS)):
        if counts[place : first[-1]].sum() >= FEWEST_IN_BIN:
            first.append(place)
    if counts[: first[-1]].sum() > 0 or len(first) == 1:
        first = [*(first[:-1] if len(first) > 1 else first), 0]
    starts = np.array(first[::-1])
    joined = np.searchsorted(starts, number, side="right") - 1
    confidence, correct = probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels
    unit, rows = independent_units(groups, len(labels)), []
    for bin_number, (low, high) in enumerate(itertools.pairwise(starts / FINE_BINS)):
        inside = joined == bin_number
        images, units, accuracy = int(inside.sum()), len(np.unique(unit[inside])), float(correct[inside].mean())
        limits = exact_interval(accuracy * units, units)
        rows.append((low, high, images, confidence[inside].mean(), accuracy, *limits))
    return pd.DataFrame(rows, columns=["low", "high", "images", "confidence", "accuracy", *LIMITS])


def calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray | None = None
) -> CalibrationError:
    """Return the expected calibration error, its 95 % interval, and the error and interval that chance alone gives.

    The error is the mean over the images of |confidence - accuracy| of their bin. Chance adds to it: it is above 0 for
    a perfectly calibrated model, the more so the fewer the images. A bootstrap would add that once more. So the
    interval has the true errors under which one as large, and one as small, as that observed is not among the rarest
    2.5 %. Samples are drawn with accuracies that differ from the confidences by from 0 to 4 times what was observed,
    where a bin's accuracy is (right + 1) / (images + 2): none is sure to be right always. With fewer than `FEWEST`
    units, groups or images by themselves, the interval is (0, 1).

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        groups: Name of each image's group, (n,); empty for an image that is by itself.

    Source: test inversion, Carpenter, doi:10.1111/1467-9868.00169; on chance, Vaicenavicius et al., arXiv 1902.06977.
    """
    table, random, total = calibration_bins(labels, probabilities), np.random.default_rng(SEED), len(labels)
    filled = np.flatnonzero(table["images"])
    images, confidence, accuracy = (table[name].to_numpy()[filled] for name in ("images", "confidence", "accuracy"))
    distance = (images * accuracy + 1) / (images + 2) - confidence
    observed = float(np.abs(images * (accuracy - confidence)).sum() / total)
    drawn = random.multinomial(total, images / total, SAMPLES)
    in_common = draw_normal(group_covariance(labels, probabilities, groups)[np.ix_(filled, filled)], random)
    true, errors = np.empty(len(DEGREES)), np.empty((len(DEGREES), SAMPLES))
    for number, degree in enumerate(DEGREES):
        rate = np.clip(confidence + degree * distance, 0, 1)
        right = np.random.default_rng(SEED).binomial(drawn, rate) + in_common
        true[number] = np.abs(images * (rate - confidence)).sum() / total
        errors[number] = np.abs(right - drawn * confidence).sum(axis=1) / total
    lowest, highest = np.quantile(errors, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    low, high = (float(np.interp(observed, np.maximum.accumulate(ends), true)) for ends in (highest, lowest))
    interval, chance = (min(low, observed), max(high, observed)), (float(lowest[0]), float(highest[0]))
    if independent_units(groups, total).max() < FEWEST - 1:
        interval = 0.0, 1.0
    return CalibrationError(observed, interval, float(errors[0].mean()), chance)


def group_covariance(labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return what groups add to the covariance of the bins' numbers of right predictions, (bins, bins); 0 of no groups.

    It is the sum, over pairs of different images of one group, of the products of their deviations from the accuracy
    of their bin: 0 where no images are grouped.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        groups: Name of each image's group, (n,); empty for an image that is by itself.
    """
    number, correct = bin_numbers(probabilities), (probabilities.argmax(axis=1) == labels).astype(np.float64)
    deviation = correct - ratio_or_nan(np.bincount(number, correct), np.bincount(number))[number]
    unit = independent_units(groups, len(labels))
    per_unit = sparse.coo_array((deviation, (unit, number)), (unit.max() + 1, BINS)).tocsr()
    return (per_unit.T @ per_unit).toarray() - np.diag(np.bincount(number, deviation**2, BINS))


def draw_normal(covariance: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return `SAMPLES` draws of normal numbers of a covariance, (samples, n); its negative eigenvalues count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    return random.standard_normal((SAMPLES, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0))).T

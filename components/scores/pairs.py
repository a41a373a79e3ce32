"""Pairs of models on the same test images: differences of their scores, with intervals, tests and sample sizes."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import special, stats

from components.scores.registry import EXACT, TESTED
from components.scores.resampling import (
    LEVEL,
    Interval,
    ResampledModel,
    level_and_power_quantiles,
    resample_model,
    resampling_units,
)


@dataclass(frozen=True)
class Difference:
    """The scores of two models on the same images, and their difference.

    Args:
        first: Score of the first model.
        second: Score of the second.
        difference: Second minus first.
        low: Lower end of the interval of the difference.
        high: Upper end.
        p: Two-sided p of the difference being 0, not corrected for the number of pairs.
        images_needed: Test images that it would take to tell the difference from 0 with a power of `POWER`; infinite
            where it is 0, or where there are too few units to tell.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    images_needed: float


def compare_models(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, groups: np.ndarray | None = None
) -> dict[str, Difference]:
    """Return the `Difference`, second minus first, of two models in each tested score, by its name, such as `kappa`.

    Args:
        labels: Number of the true class, (n,).
        first: Probabilities of the first model, (n, classes).
        second: Probabilities of the second, likewise.
        groups: Name of each image's group, (n,); empty for an image that is by itself.
    """
    unit = resampling_units(groups, len(labels))
    return differences(resample_model(labels, first, unit), resample_model(labels, second, unit), len(labels), 1)


def differences(first: ResampledModel, second: ResampledModel, images: int, pairs: int) -> dict[str, Difference]:
    """Return the `Difference` of two models, second minus first, in each tested score, by name; p is not corrected.

    Only `images_needed` goes by a level that the pairs share.

    Accuracy is tested by `sign_flip_p`, which is McNemar's exact test where images are not grouped; the other scores by
    a bootstrap over units that are drawn for both models alike. Where every resample of a score of predicted classes
    is the same, as where both models predict the same, its interval follows from that of accuracy by its scale.

    Args:
        first: The first model.
        second: The second, resampled over the same units.
        images: Number of images.
        pairs: Number of pairs that share the level.
    """
    by_score: dict[str, Difference] = {}
    for name in TESTED:
        one, other = first.scores[name], second.scores[name]
        score = other - one
        (low, high), p, needed = score.interval(), score.p_value(), score.images_needed(images, pairs)
        if name == EXACT:
            changes = np.rint(second.correct - first.correct).astype(np.int64)
            p = sign_flip_p(changes)
            if len(changes) == images:
                (low, high), needed = bonett_price_interval(changes), connor_sample_size(changes, pairs)
        elif score.is_constant and not score.has_few_units and score.scale is not None:
            accuracy = by_score[EXACT]
            low, high = score.interval_from_accuracy(accuracy.difference, (accuracy.low, accuracy.high))
        by_score[name] = Difference(one.observed, other.observed, score.observed, low, high, p, needed)
    return by_score


def sign_flip_p(changes: np.ndarray) -> float:
    """Return the exact two-sided p of the sum of some changes if each one's sign were chance; 1 if they sum to 0.

    Of changes by one image each it is that of McNemar's exact test.

    Args:
        changes: How many more images of each unit the second model predicts correctly, (units,) whole numbers.

    Source: Fisher, The Design of Experiments, section 21; McNemar, doi:10.1007/BF02295996, in the exact form of
    binomial probabilities.
    """
    chances = np.ones(1)  # of each sum of the changes that are for the better
    for size, count in zip(*np.unique(np.abs(changes[changes != 0]), return_counts=True), strict=True):
        longer = np.zeros(len(chances) + size * count)
        for number, chance in enumerate(stats.binom.pmf(np.arange(count + 1), count, 0.5)):
            longer[size * number :][: len(chances)] += chance * chances
        chances = longer
    sums = 2 * np.arange(len(chances)) - (len(chances) - 1)
    return float(min(chances[np.abs(sums) >= abs(changes.sum())].sum(), 1.0))


def bonett_price_interval(changes: np.ndarray) -> Interval:
    """Return the 95 % interval of the difference of two models' accuracies on the same images, cut off at -1 and 1.

    It is Wald's interval of paired proportions, with one more image of either change.

    Args:
        changes: -1, 0 or 1 for each image, (n,).

    Source: Bonett & Price, doi:10.3102/1076998611411915; recommended by Fagerland et al., doi:10.1002/sim.6148.
    """
    images = len(changes) + 2
    difference, share = changes.sum() / images, (np.abs(changes).sum() + 2) / images
    error = np.sqrt((share - difference**2) / images)
    low, high = difference + error * special.ndtri([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(max(low, -1)), float(min(high, 1))


def connor_sample_size(changes: np.ndarray, pairs: int) -> float:
    """Return about how many images, unrounded, McNemar's test needs to tell models apart; infinite if changes sum to 0.

    The test has a power of `POWER` and a level of `ALPHA`, shared out among the pairs.

    Args:
        changes: -1, 0 or 1 for each image, (n,).
        pairs: Number of pairs that share the level.

    Source: Connor, Sample Size for Testing Differences in Proportions for the Paired-Sample Design,
    doi:10.2307/2531961.
    """
    level, power = level_and_power_quantiles(pairs)
    difference, share = changes.mean(), np.abs(changes).mean()
    if difference == 0:
        return np.inf
    return float(((level * np.sqrt(share) + power * np.sqrt(share - difference**2)) / difference) ** 2)


def detectable_difference(images: int, disagreement: float) -> float:
    """Return the smallest difference of two models' accuracies that McNemar's test tells from 0; infinite if none is.

    It is the difference at which `connor_sample_size` asks for as many images, for one pair, with a power of `POWER`.

    Args:
        images: Number of test images.
        disagreement: Share of the images on which one model is right and the other is wrong, in (0, 1].
    """
    level, power = level_and_power_quantiles(pairs=1)
    spread = level * np.sqrt(images) + power * np.sqrt(max(images - level**2 + power**2, 0))
    difference = np.sqrt(disagreement) * spread / (images + power**2)
    return float(difference) if difference <= disagreement else np.inf


def compare_pairs(
    labels: np.ndarray, models: Mapping[str, np.ndarray], groups: np.ndarray | None = None
) -> pd.DataFrame:
    """Return a table with a row for each pair of models, first and second in the order of `models`, and every test.

    Its columns are the names `first` and `second`; the number of `images`, of `groups` (an image that is by itself
    counts as one; 0 if all are) and of `pairs`; for each tested score, such as accuracy, `accuracy_first`,
    `accuracy_second` and so on, a column for each field of `Difference`; last, for each score, `accuracy_p_corrected`
    by Holm's procedure. The intervals are those of a pair by itself; `images_needed` goes by a level that the pairs
    share. Fewer than two models give no row.

    Args:
        labels: Number of the true class, (n,).
        models: Probabilities of each model, (n, classes), by its name.
        groups: Name of each image's group, (n,); empty for an image that is by itself.
    """
    unit = resampling_units(groups, len(labels))
    units = int(unit.max()) + 1
    resampled = {name: resample_model(labels, probabilities, unit) for name, probabilities in models.items()}
    pairs = [*combinations(resampled, 2)]
    columns = [f"{score}_{field.name}" for score in TESTED for field in fields(Difference)]
    rows = []
    for first, second in pairs:
        by_score = differences(resampled[first], resampled[second], len(labels), len(pairs))
        values = [value for difference in by_score.values() for value in astuple(difference)]
        rows.append([first, second, len(labels), units if units < len(labels) else 0, len(pairs), *values])
    table = pd.DataFrame(rows, columns=["first", "second", "images", "groups", "pairs", *columns])
    for score in TESTED:
        table[f"{score}_p_corrected"] = holm_correction(table[f"{score}_p"].to_numpy(dtype=np.float64))
    return table


def holm_correction(p: np.ndarray) -> np.ndarray:
    """Return p values corrected for their number by Holm's procedure, in the order given, (pairs,); at most 1.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    order = np.argsort(p)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return corrected

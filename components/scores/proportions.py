"""Proportions of images: exact limits, also where images are in groups."""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import sparse, special, stats

Interval = tuple[float, float]

LEVEL = 0.95
ALPHA = 0.05  # 1 - LEVEL
FEWEST_DEGREES = 3  # of freedom, of a variance over few units
FEWEST = 8  # units; with fewer, an interval is all that a score can be


@lru_cache(maxsize=100_000)
def exact_interval(successes: float, trials: float, alpha: float = ALPHA) -> Interval:
    """Return the exact interval of the proportion successes / trials at level 1 - alpha; (0, 1) without trials.

    Neither need be whole: successes may be a mean over models, trials what images in groups are worth.

    Source: Clopper & Pearson, doi:10.1093/biomet/26.4.404.
    """
    low, high = 0.0, 1.0
    if successes > 0:
        low = float(special.betaincinv(successes, max(trials - successes, 0) + 1, alpha / 2))
    if successes < trials:
        high = float(special.betaincinv(successes + 1, trials - successes, 1 - alpha / 2))
    return low, high


def effective_trials(share: float, variance: float, trials: float, units: float, degrees: float = np.inf) -> float:
    """Return how many independent images, up to `trials`, a share over groups is worth; `units` if its variance is 0.

    They would have a share of successes as variable as images in groups have.

    Args:
        share: Share of successes.
        variance: Of the share, over the units; where it is 0, they are worth as many images as there are units.
        trials: Number of images; they are not worth more.
        units: Number of the units, groups or single images, that have any of them.
        degrees: Degrees of freedom of the variance, where these are fewer than units - 1.

    Source: Korn & Graubard, Survey Methodology 24 (1998), pages 193 to 201.
    """
    if units >= trials or not trials:
        return float(trials)
    if variance <= 0 or units < 2:
        return float(units)
    quantiles = special.stdtrit(np.array([trials - 1, min(degrees, units - 1)]), 1 - ALPHA / 2)
    return float(np.clip(share * (1 - share) / variance * (quantiles[0] / quantiles[1]) ** 2, 1, trials))


def independent_units(groups: np.ndarray | None, images: int) -> np.ndarray:
    """Return the number of each image's unit, (n,), from 0 as they appear: a group, or an image that is in none.

    Images of one group, such as a person's, are not independent of each other; units are.

    Args:
        groups: Name of each image's group, (n,); empty for an image that is by itself. None if no image has a group.
        images: Number of images, n.
    """
    names = np.full(images, "") if groups is None else np.asarray(groups, dtype=str)
    unit, distinct_names = pd.factorize(names)
    unit[names == ""] = len(distinct_names) + np.arange(np.sum(names == ""))
    return pd.factorize(unit)[0]


def ratio_or_nan(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return the array of part / whole, element by element; NaN where the whole is 0 or less."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def effective_wholes(part: sparse.csr_array, whole: sparse.csr_array) -> np.ndarray:
    """Return, for each column, how many independent images the ratio of the sums, part / whole, is worth, (columns,).

    Its variance is that of the jackknife, which leaves out one unit at a time.

    Args:
        part: Images of each unit, sparse (units, columns).
        whole: Those that they are a part of, likewise.
    """
    parts, wholes = part.sum(axis=0), whole.sum(axis=0)
    if whole.data.max(initial=0) <= 1:  # of single images
        return wholes
    ratios = np.nan_to_num(ratio_or_nan(parts, wholes))
    units, others = (whole > 0).sum(axis=0), whole.tocsr(copy=True)
    others.data = 1 / np.maximum(wholes[others.indices] - others.data, 1)
    changes = others.multiply(part - whole @ sparse.diags_array(ratios))
    variances = changes.multiply(changes).sum(axis=0) * np.nan_to_num(ratio_or_nan(units - 1, units))
    squares = whole.multiply(whole)
    degrees = np.nan_to_num(ratio_or_nan(squares.sum(axis=0) ** 2, squares.multiply(squares).sum(axis=0)))
    columns = (ratios, variances, wholes, units, np.maximum(degrees, FEWEST_DEGREES))
    return np.array([effective_trials(*row) for row in zip(*(column.tolist() for column in columns), strict=True)])


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

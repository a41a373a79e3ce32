"""Scores resampled by a bootstrap over units: how far a score on some test images can be trusted.

A unit is a whole group of images, such as a person's, where an image has a group, since images of one group are not
independent; else it is a single image. The same arguments give the same numbers.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse, special

from components.scores import metrics
from components.scores.registry import SCORES, Sums

Interval = tuple[float, float]

LEVEL = 0.95
ALPHA = 0.05  # 1 - LEVEL: a difference with a corrected p below it is significant
POWER = 0.8
RESAMPLES = 5000
SEED = 0
BLOCK = 4_000_000  # numbers drawn at a time
FEWEST = 8  # units; intervals of 8 groups covered 0.86 to 0.95 of simulated scores, those of 5 down to 0.80


@dataclass(frozen=True)
class ResampledScore:
    """A score of all units with its resamples, or the difference of two such scores.

    Args:
        observed: The score.
        resamples: The score of each resample of the units, (resamples,).
        left_out: The score without each unit, (units,).
        bounds: Lowest and highest possible value.
        scale: The change in accuracy that a change of the score by 1 corresponds to, as `registry.Score` defines it.
    """

    observed: float
    resamples: np.ndarray
    left_out: np.ndarray
    bounds: Interval = (0.0, 1.0)
    scale: float | None = None

    def __sub__(self, other: "ResampledScore") -> "ResampledScore":
        """Return this score minus another on the same units, resample by resample; the scale is the other's."""
        bounds = self.bounds[0] - other.bounds[1], self.bounds[1] - other.bounds[0]
        return ResampledScore(
            self.observed - other.observed, self.resamples - other.resamples, self.left_out - other.left_out, bounds,
            other.scale,
        )  # fmt: skip

    @property
    def has_few_units(self) -> bool:
        """Whether there are fewer than `FEWEST` units, too few for an interval or a test."""
        return len(self.left_out) < FEWEST

    @property
    def is_constant(self) -> bool:
        """Whether every resample has the same score, to 1e-12, which gives no interval: as of a model always right."""
        return bool(np.ptp(self.resamples) < 1e-12)

    @property
    def bias(self) -> float:
        """Normal quantile of the share of the resamples below the observed score, half of those equal to it counted."""
        return float(special.ndtri(share_below(self.resamples, self.observed)))

    @property
    def acceleration(self) -> float:
        """How fast the standard error changes with the score: it follows from how skewed the units' influence is.

        It is the sum of the cubed influences over 6 times that of their squares to the power of 1.5; 0 where all are 0.
        """
        influence = self.left_out.mean() - self.left_out
        scale = float(np.sum(influence**2) ** 1.5)
        return float(np.sum(influence**3)) / (6 * scale) if scale > 0 else 0.0

    def interval(self) -> Interval:
        """Return the 95 % interval, bias-corrected, accelerated and expanded; with few units, the bounds of the score.

        On 50 to 1,000 simulated images of five classes, that of kappa covered 0.935 or more, that of log loss 0.93. The
        plain percentiles cover less: down to 0.91 for kappa and 0.90 for log loss where errors are rare.

        Source: Efron, Better Bootstrap Confidence Intervals, doi:10.1080/01621459.1987.10478410.
        """
        if self.has_few_units:
            return self.bounds
        z = self.bias + np.array([-1, 1]) * expanded_critical_value(len(self.left_out))
        levels = special.ndtr(self.bias + z / np.maximum(1 - self.acceleration * z, 1e-9))
        low, high = np.quantile(self.resamples, levels)
        return float(low), float(high)

    def interval_from_accuracy(self, accuracy: float, ends: Interval) -> Interval:
        """Return the interval that follows, by the scale, from that of accuracy, cut off at the bounds of the score.

        Without a scale, or with one of 0, it is the bounds.

        Args:
            accuracy: The observed accuracy.
            ends: Its interval.
        """
        if not self.scale:
            return self.bounds
        shifted = (self.observed + (end - accuracy) / self.scale for end in ends)
        low, high = (float(np.clip(end, *self.bounds)) for end in shifted)
        return low, high

    def p_value(self) -> float:
        """Return the two-sided p of the score being 0, at least 1 / (resamples + 1); with few units, 1.

        It is 1 - the level of the interval that ends at 0.

        Source: Davison & Hinkley, Bootstrap Methods and their Application, doi:10.1017/CBO9780511802843, 4.4 and 5.3.
        """
        if self.has_few_units:
            return 1.0
        z = special.ndtri(share_below(self.resamples, 0)) - self.bias
        corrected = z / max(1 + self.acceleration * z, 1e-9) - self.bias
        units = len(self.left_out)
        p = 2 * special.stdtr(units - 1, -abs(corrected) * np.sqrt((units - 1) / units))
        return float(max(p, 1 / (len(self.resamples) + 1)))

    def images_needed(self, images: int, pairs: int) -> float:
        """Return how many images, unrounded, tell the observed difference from 0; infinite if it is 0 or units are few.

        Args:
            images: The images that it was observed on: their standard error is what counts.
            pairs: Number of pairs that share the level.
        """
        if self.has_few_units or self.observed == 0:
            return np.inf
        return float(images * (sum(level_and_power_quantiles(pairs)) * self.resamples.std(ddof=1) / self.observed) ** 2)


@dataclass(frozen=True)
class ResampledModel:
    """The resampled scores of a model.

    Args:
        correct: Number of images predicted correctly in each unit, (units,).
        scores: Each score, by name.
    """

    correct: np.ndarray
    scores: dict[str, ResampledScore]


def expanded_critical_value(units: int) -> float:
    """Return the standard errors of an expanded interval to either side: Student's t times the root of n / (n - 1).

    Source: Hesterberg, What Teachers Should Know About the Bootstrap, arXiv 1411.5279, on the expanded interval.
    """
    return float(np.sqrt(units / (units - 1)) * special.stdtrit(units - 1, (1 + LEVEL) / 2))


def share_below(resamples: np.ndarray, value: float) -> float:
    """Return the share of the resamples below a value, half of those equal to it counted; kept from being 0 or 1."""
    return float((np.sum(resamples < value) + np.sum(resamples <= value) + 1) / (2 * len(resamples) + 2))


def level_and_power_quantiles(pairs: int) -> tuple[float, float]:
    """Return two normal quantiles, both positive: of the two-sided level `ALPHA` over the pairs, and of `POWER`."""
    return float(-special.ndtri(ALPHA / (2 * pairs))), float(special.ndtri(POWER))


def resampling_units(groups: np.ndarray | None, images: int) -> np.ndarray:
    """Return the number of each image's unit, (n,), from 0 as they appear: a group, or an image that is in none.

    Args:
        groups: Name of each image's group, (n,); empty for an image that is by itself. None if no image has a group.
        images: Number of images, n.
    """
    names = np.full(images, "") if groups is None else np.asarray(groups, dtype=str)
    unit, distinct_names = pd.factorize(names)
    unit[names == ""] = len(distinct_names) + np.arange(np.sum(names == ""))
    return pd.factorize(unit)[0]


def resample_weights(units: int) -> Iterator[np.ndarray]:
    """Yield in blocks how often each of `RESAMPLES` resamples draws each unit, (resamples of the block, units).

    A resample draws as many units as there are, with replacement: each row sums to that.

    The draws are the same whenever the number of units is the same.
    """
    random = np.random.default_rng(SEED)
    block = max(1, BLOCK // units)
    for start in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - start)
        numbers = random.integers(0, units, (rows, units)) + units * np.arange(rows)[:, None]
        yield np.bincount(numbers.ravel(), minlength=rows * units).reshape(rows, units)


def leave_one_out_sums(per_unit: sparse.csr_array) -> Iterator[np.ndarray]:
    """Yield in blocks, a row for each unit in order, the sums over all other units, (units of the block, columns).

    Args:
        per_unit: Counts of each unit, (units, columns).
    """
    total, block = per_unit.sum(axis=0), max(1, BLOCK // per_unit.shape[1])
    for start in range(0, per_unit.shape[0], block):
        yield total - per_unit[start : start + block].toarray()


def unit_counts(labels: np.ndarray, predicted: np.ndarray, classes: int, unit: np.ndarray) -> sparse.csr_array:
    """Return sparse counts of each unit's images, (units, 3 * classes): by true class, by predicted class, correct."""
    correct = labels == predicted
    columns = np.concatenate([labels, classes + predicted, 2 * classes + labels[correct]])
    rows = np.concatenate([unit, unit, unit[correct]])
    return sparse.coo_array((np.ones(len(rows)), (rows, columns)), (unit.max() + 1, 3 * classes)).tocsr()


def sums_from_rows(rows: np.ndarray) -> Sums:
    """Return Sums from an array, (sets, 1 + 3 * classes), of losses followed by the columns of `unit_counts`."""
    return Sums(rows[:, 0], *np.split(rows[:, 1:], 3, axis=1))


def score_blocks(blocks: Iterable[np.ndarray], names: Collection[str]) -> dict[str, np.ndarray]:
    """Return the values of each named score, (sets,), by name, for the sets of all blocks one after another.

    Args:
        blocks: Sums of some of the sets each, as `sums_from_rows` takes them.
        names: The scores.
    """
    scores = [{name: SCORES[name].compute(sums) for name in names} for sums in map(sums_from_rows, blocks)]
    return {name: np.concatenate([block[name] for block in scores]) for name in names}


def resample_model(
    labels: np.ndarray, probabilities: np.ndarray, unit: np.ndarray, names: Collection[str] = SCORES.keys()
) -> ResampledModel:
    """Return the correct images of each unit, and each named score: observed, of resamples, and without each unit.

    The resamples are the same for every model on as many units.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        unit: Number of each image's unit, (n,).
        names: The scores.
    """
    counts = unit_counts(labels, probabilities.argmax(axis=1), probabilities.shape[1], unit)
    losses = np.bincount(unit, weights=metrics.log_losses(labels, probabilities))
    per_unit = sparse.hstack([sparse.csr_array(losses[:, None]), counts], format="csr")
    total = sums_from_rows(per_unit.sum(axis=0)[None])
    blocks = (weights @ per_unit for weights in resample_weights(per_unit.shape[0]))
    resamples, left_out = score_blocks(blocks, names), score_blocks(leave_one_out_sums(per_unit), names)
    scores = {}
    for name in names:
        score = SCORES[name]
        scale = None if score.scale is None else float(np.squeeze(score.scale(total)))
        values = float(score.compute(total)[0]), resamples[name], left_out[name]
        scores[name] = ResampledScore(*values, score.bounds, scale)
    return ResampledModel(counts[:, -probabilities.shape[1] :].sum(axis=1), scores)

"""Pairs of ways on the same test images: differences of their scores, with one correction for all that is claimed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
import pandas as pd
from scipy import special

from components.scores.estimates import Sample, pool_trainings, spread_of_mean, variance_over_units
from components.scores.p_values import p_of_intervals
from components.scores.proportions import ALPHA, FEWEST, Interval, effective_trials, exact_interval
from components.scores.registry import EXACT, SCORES, TESTED

POWER = 0.8
WAYS, DISAGREEMENT = 3, 0.1  # of the least difference that test images can tell, before anything is trained
DRAWS, SEED = 19_999, 0  # of the correction
MOST_HALVES = 50
FAINT = 1e-6  # of what one image moves a score by: less is rounding
STILL = 1e-9  # share of the variances of two scores below which that of their difference is none


@dataclass(frozen=True)
class Difference:
    """The difference of two ways in a score on the same images, second minus first, and what makes it uncertain.

    Args:
        first: Score of the first way.
        second: Score of the second.
        bounds: Lowest and highest possible difference.
        variance: Of the difference, over images.
        units: Number of units of the images.
        image_degrees: Degrees of freedom of `variance`.
        spread: Variance that comes from the trainings; 0 where each way has one.
        degrees: Degrees of freedom of `spread`.
        unseen: How far images that both predict wrongly move the difference, per unit of their share; that share; of
            how many images it is; and the variance beside it. Of scores in which a mistake may cost without limit.
    """

    first: float
    second: float
    bounds: Interval
    variance: float
    units: int
    image_degrees: float
    spread: float
    degrees: float
    unseen: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 0.0)

    @property
    def value(self) -> float:
        """The score of the second way minus that of the first."""
        return self.second - self.first

    def interval(self, alpha: float = ALPHA) -> Interval:
        """Return the interval at level 1 - alpha, within the bounds; of fewer than `FEWEST` units it is the bounds.

        As in `Estimate.interval`, images and trainings each have a distance to either side. That of images is by
        Student's t, and no less than what the exact limits of the share that both predict wrongly give.
        """
        if self.units < FEWEST:
            return self.bounds
        slope, share, trials, rest = self.unseen
        moves = [slope * (end - share) for end in exact_interval(share * trials, trials, alpha)]
        t = special.stdtrit(self.image_degrees, 1 - alpha / 2)
        images = t * np.sqrt(self.variance)
        trainings = np.sqrt(self.spread) * special.stdtrit(self.degrees, 1 - alpha / 2) if self.spread else 0.0
        fall, rise = (max(images, np.hypot(move, t * np.sqrt(rest))) for move in (-min(moves), max(moves)))
        low, high = self.value - np.hypot(fall, trainings), self.value + np.hypot(rise, trainings)
        return float(max(low, self.bounds[0])), float(min(high, self.bounds[1]))

    def p_value(self) -> float:
        """Return the two-sided p of the difference being 0, by its intervals, from 1e-12 to 1; 1 of too few units."""
        return 1.0 if self.units < FEWEST else p_of_intervals(self.value, self.interval)


def difference(first: Sample, second: Sample, name: str) -> Difference:
    """Return the Difference of two ways in a named score, second minus first.

    The variance over images is that of one more image which only the first predicts correctly, and one more which only
    the second does: two ways that hardly differ cannot be told apart by the few images on which they do.

    Source: Bonett & Price, doi:10.3102/1076998611411915, on two more images.
    """
    score, units = SCORES[name], first.units
    influence = second.influence[name] - first.influence[name]
    per_error = (abs(first.per_error[name]) + abs(second.per_error[name])) / 2
    of_images = variance_over_units(influence)
    one, other = first.values[name], second.values[name]
    if first.is_folded:
        spread, degrees = spread_of_mean(other - one, first.spread, of_images), len(one) - 1.0
    else:
        spreads = np.array(
            [spread_of_mean(way.values[name], way.spread, way.shared.get(name, 0.0)) for way in (first, second)]
        )
        spread, way_degrees = float(spreads.sum()), np.array([max(len(one) - 1, 1), max(len(other) - 1, 1)])
        degrees = spread**2 / float(np.sum(spreads**2 / way_degrees)) if spread else 1.0
    bounds = score.bounds[0] - score.bounds[1], score.bounds[1] - score.bounds[0]
    return Difference(
        first.score(name), second.score(name), bounds, of_images + 2 * (per_error / units) ** 2, units, first.degrees,
        spread, degrees,
        unseen_mistakes(first, second, name) if score.follows == "losses" else (0.0, 0.0, 1.0, 0.0),
    )  # fmt: skip


def unseen_mistakes(first: Sample, second: Sample, name: str) -> tuple[float, float, float, float]:
    """Return, of the images that both predict wrongly: slope, share, trials and other variance: `Difference.unseen`.

    Of two models without a mistake the surer has the lower log loss, until both make one. What one costs is the mean
    over those seen, with one more as the models' own probabilities imagine it.
    """
    both = np.minimum(first.wrong, second.wrong)  # of images in groups, about
    share = float(both.mean())
    differences = second.influence[name] - first.influence[name] + second.score(name) - first.score(name)
    wrong = share * first.units
    imagined = second.per_error[name] + second.score(name) - first.per_error[name] - first.score(name)
    of_wrong = (float(np.sum(both * differences)) + imagined) / (wrong + 1)
    slope = of_wrong - float(np.sum((1 - both) * differences)) / max(first.units - wrong, 1)
    deviations = first.deviations(both)
    trials = effective_trials(share, variance_over_units(deviations), first.images, first.units, first.degrees)
    rest = variance_over_units(differences - differences.mean() - slope * deviations)
    return slope, share, trials, rest


@dataclass(frozen=True)
class Correction:
    """The correction for all claims of a comparison, of every two ways by every tested score.

    Claims go together: ways are in several pairs, and kappa follows accuracy. If no two ways differed, the largest of
    all differences, each in standard errors, would be as in these draws of a normal distribution with the covariances
    of the scores. An interval at level 1 - `alpha` excludes 0 if and only if the corrected p is below `ALPHA`.

    Args:
        largest: The largest difference of each draw, the highest first, (`DRAWS`,).

    Source: Hothorn, Bretz & Westfall, Simultaneous Inference in General Parametric Models, doi:10.1002/bimj.200810425.
    """

    largest: np.ndarray

    @property
    def alpha(self) -> float:
        """The level for each claim at which any one is made with probability `ALPHA` if no two ways differ."""
        return float(2 * special.ndtr(-self.largest[round(ALPHA * (len(self.largest) + 1)) - 2]))

    def correct(self, p: float) -> float:
        """Return p of one claim corrected for all: the probability that some claim would have as low a p."""
        rank = np.searchsorted(-self.largest, special.ndtri(p / 2), side="right")
        return max(p, (1 + int(rank)) / (len(self.largest) + 1))


def correction_of(ways: Sequence[Sample], names: Sequence[str] = TESTED) -> Correction:
    """Return the Correction for every two of some ways, by the named scores; the same ways give the same."""
    covariance, random = score_covariance(ways, names), np.random.default_rng(SEED)
    errors = np.sqrt(covariance.diagonal())
    errors[errors < FAINT / ways[0].units] = 0
    scales = np.where(errors > 0, errors, np.inf)
    values, vectors = np.linalg.eigh(covariance / np.outer(scales, scales))
    draws = errors * (random.standard_normal((DRAWS, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0))).T)
    largest = np.abs(random.standard_normal(DRAWS))  # of the claims that no image of the sample moves, about as one
    numbers = np.arange(len(names))
    for one, other in combinations(range(len(ways)), 2):
        first, second = one * len(names) + numbers, other * len(names) + numbers
        scale = errors[first] ** 2 + errors[second] ** 2
        variance = scale - 2 * covariance[first, second]
        differs = variance > STILL * scale
        sizes = np.abs(draws[:, second[differs]] - draws[:, first[differs]]) / np.sqrt(variance[differs])
        largest = np.maximum(largest, sizes.max(axis=1, initial=0))
    return Correction(np.sort(largest)[::-1])


def score_covariance(ways: Sequence[Sample], names: Sequence[str]) -> np.ndarray:
    """Return the covariance of all scores, way by way, (ways * scores, ways * scores), over images and trainings.

    The trainings of two ways are independent of each other; folds are the same for all.
    """
    influence = np.stack([way.influence[name] for way in ways for name in names])
    units = influence.shape[1]
    covariance = np.einsum("iu,ju->ij", influence, influence) / (units * max(units - 1, 1))  # the same of any threads
    values = [np.stack([way.values[name] for name in names]) for way in ways]
    if ways[0].is_folded:
        return covariance + ways[0].spread * np.cov(np.concatenate(values))
    for number, (way, way_values) in enumerate(zip(ways, values, strict=True)):
        if way_values.shape[1] > 1:
            rows = slice(number * len(names), (number + 1) * len(names))
            covariance[rows, rows] += way.spread * np.cov(way_values)
    return covariance


def compare_ways(ways: Mapping[str, Sample]) -> pd.DataFrame:
    """Return a row for each pair of ways, in order: names, counts, and each tested score's difference, interval and p.

    Its columns are the names `first` and `second`; the number of `images`, of `groups` (an image that is by itself
    counts as one; 0 if all are), `first_trainings` and `second_trainings`; for each tested score, such as accuracy,
    `accuracy_first`, `accuracy_second`, `accuracy_difference`, and `accuracy_low`, `accuracy_high` and
    `accuracy_p`, which are corrected for all claims of the table. Fewer than two ways give no row.
    """
    columns = [
        f"{score}_{column}" for score in TESTED for column in ("first", "second", "difference", "low", "high", "p")
    ]
    rows: list[list[object]] = []
    correction = correction_of([*ways.values()]) if len(ways) > 1 else Correction(np.zeros(DRAWS))
    for (first, one), (second, other) in combinations(ways.items(), 2):
        row: list[object] = [first, second, one.images, one.units % one.images, one.trainings, other.trainings]
        for name in TESTED:
            pair = difference(one, other, name)
            row += [pair.first, pair.second, pair.value, *pair.interval(correction.alpha)]
            row.append(correction.correct(pair.p_value()))
        rows.append(row)
    names = ["first", "second", "images", "groups", "first_trainings", "second_trainings"]
    return pd.DataFrame(rows, columns=[*names, *columns])


@dataclass(frozen=True)
class SameWay:
    """How often two halves of one way's trainings are told apart by accuracy, which a test ought not to do.

    Args:
        files: Pairs of single trainings, as two files.
        files_told: Those of them that are told apart.
        halves: Pairs of halves, of two trainings or more each, as two ways.
        halves_told: Those of them that are told apart.
    """

    files: int
    files_told: int
    halves: int
    halves_told: int


def compare_same_ways(trainings: Sequence[Sample]) -> SameWay:
    """Return how many pairs of a way's trainings, and of halves of them, there are, and how many accuracy tells apart.

    All are scored on the same images. Of many halves, the first `MOST_HALVES` are compared.
    """

    def claims(pairs: Iterable[tuple[Sample, Sample]]) -> list[bool]:
        return [difference(one, other, EXACT).p_value() < ALPHA for one, other in pairs]

    def pool(numbers: Iterable[int]) -> Sample:
        return pool_trainings([trainings[number] for number in numbers])

    numbers = range(len(trainings))
    parts = combinations(numbers, len(trainings) // 2) if len(trainings) > 3 else iter(())
    if len(trainings) % 2 == 0:  # each pair of halves once
        parts = (part for part in parts if 0 in part)
    halves = ((pool(part), pool({*numbers} - {*part})) for part in islice(parts, MOST_HALVES))
    of_files, of_halves = claims(combinations(trainings, 2)), claims(halves)
    return SameWay(len(of_files), sum(of_files), len(of_halves), sum(of_halves))


def best_ways(pairs: pd.DataFrame, names: Sequence[str], score: str) -> list[str]:
    """Return the named ways, in their order, that no other beats by a score with a corrected p below `ALPHA`.

    The best way of all is among them with a probability of `LEVEL` or more: a set of the best.

    Source: Hansen, Lunde & Nason, The Model Confidence Set, doi:10.3982/ECTA5771.
    """
    sign = 1 if SCORES[score].better == "higher" else -1
    gains = sign * pairs[f"{score}_difference"]
    significant = pairs[f"{score}_p"] < ALPHA
    worse = {*pairs.loc[significant & (gains > 0), "first"], *pairs.loc[significant & (gains < 0), "second"]}
    return [name for name in names if name not in worse]


def detectable_difference(images: int, disagreement: float, pairs: int = 1) -> float:
    """Return the least difference of two accuracies, as a share, that so many images tell from 0; infinite if none.

    They tell it with a power of `POWER`, at a level of `ALPHA` that is shared out among the pairs.

    Args:
        images: Number of test images.
        disagreement: Share of the images on which one model is right and the other is wrong, in (0, 1].
        pairs: Number of pairs of models that are compared.

    Source: Connor, Sample Size for Testing Differences in Proportions for the Paired-Sample Design,
    doi:10.2307/2531961.
    """
    level, power = float(-special.ndtri(ALPHA / (2 * pairs))), float(special.ndtri(POWER))
    spread = level * np.sqrt(images) + power * np.sqrt(max(images - level**2 + power**2, 0))
    difference = np.sqrt(disagreement) * spread / (images + power**2)
    return float(difference) if difference <= disagreement else np.inf


def least_difference_text(images: int) -> str:
    """Return `of 3 ways that disagree on 10% of the images, they tell differences of 7.2 points or more ...`.

    It is of the least difference in accuracy that so many test images can tell, of `WAYS` ways; or of `no difference`.
    """
    difference = detectable_difference(images, DISAGREEMENT, WAYS * (WAYS - 1) // 2)
    least = f"differences of {100 * difference:.1f} points or more" if np.isfinite(difference) else "no difference"
    return (
        f"of {WAYS} ways that disagree on {DISAGREEMENT:.0%} of the images, they tell {least} four times in five, and "
        "less where trainings differ"
    )

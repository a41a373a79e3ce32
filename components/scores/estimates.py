"""Estimates: the scores of a way of reuse on test images, each with what makes it uncertain.

A way is trained several times, and each training predicts the same test images. The way's score is the mean over its
trainings: it would be another on other images, and with other trainings. An interval has both in it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse, special

from components.scores import metrics
from components.scores.proportions import (
    ALPHA,
    FEWEST,
    FEWEST_DEGREES,
    Interval,
    effective_trials,
    effective_wholes,
    exact_interval,
)
from components.scores.registry import SCORES, Sums

STEP = 1e-4  # share of a sum, by which it is moved to see how a score changes
BLOCK = 4_000_000  # numbers computed at a time


@dataclass(frozen=True)
class Sample:
    """What a training, or several trainings of a way, predicted for a sample of test images: means over the trainings.

    Args:
        images: Number of images.
        values: Each score of every training, (trainings,), or of every fold, (folds,), by name.
        influence: By name, how far each unit moves the score, (units,), as leaving it out shows: the score of other
            images is about the value plus their mean influence, and that of these is about 0.
        sizes: Images of each unit, relative to their mean, (units,).
        wrong: Those of them that are predicted wrongly, likewise: the mean is the error rate.
        recalled: Actual and correct images of each class, and how many independent images they are worth, (3, classes).
        overlapping: Likewise images that are or are predicted as each class, and those that are both.
        per_error: By name, change of the score per unit of the error rate, from the models' own probabilities.
        spread: What the variance of the values is multiplied by, to be that of the mean: 1 / trainings; of folds, which
            share training images, more.
        is_folded: Whether the values are of folds, the same for every way, rather than of trainings alone.
        trainings: Number of trainings.
        shared: Variance of the mean, by name, that both its trainings and its images show: that of what each training
            makes of each image. It would else count twice.
    """

    images: int
    values: dict[str, np.ndarray]
    influence: dict[str, np.ndarray]
    sizes: np.ndarray
    wrong: np.ndarray
    recalled: np.ndarray
    overlapping: np.ndarray
    per_error: dict[str, float]
    spread: float = 1.0
    is_folded: bool = False
    trainings: int = 1
    shared: dict[str, float] = field(default_factory=dict)

    @property
    def units(self) -> int:
        """Number of units: groups, and images that are by themselves, counted together."""
        return len(self.wrong)

    @property
    def degrees(self) -> float:
        """Degrees of freedom of a variance over the units: units - 1, fewer where few large ones have many images."""
        return min(effective_degrees(self.sizes), self.units - 1.0)

    def deviations(self, images: np.ndarray) -> np.ndarray:
        """Return each unit's images of a kind beyond their mean share of its size, times its leverage, (units,).

        Args:
            images: Images of that kind in each unit, as `wrong` has those predicted wrongly.
        """
        return (images - images.mean() * self.sizes) * leverages(self.sizes)

    def score(self, name: str) -> float:
        """Return the mean of a named score over the trainings, or over the folds."""
        return float(self.values[name].mean())


def leverages(sizes: np.ndarray) -> np.ndarray:
    """Return what each unit's influence is multiplied by, (units,): 1 for one of mean size, more for a larger one.

    So the variance over units is that of the jackknife, which leaves out one at a time.

    Args:
        sizes: Images of each unit, (units,).

    Source: MacKinnon, Nielsen & Webb, Fast and Reliable Jackknife and Bootstrap Methods for Cluster-Robust Inference,
    doi:10.1002/jae.2969.
    """
    return sizes.sum() * (1 - 1 / len(sizes)) / np.maximum(sizes.sum() - sizes, sizes.min())


def variance_over_units(influence: np.ndarray) -> float:
    """Return a score's variance over images: the sum of its squared influences, (units,), / (units * (units - 1))."""
    return float(np.sum(influence**2) / (len(influence) * max(len(influence) - 1, 1)))


def unit_sums(labels: np.ndarray, probabilities: np.ndarray, unit: np.ndarray) -> sparse.csr_array:
    """Return sums over each unit, sparse (units, 1 + 3 * classes): log loss, images by true, predicted, correct class.

    The first column is of losses; then come the images by true class, by predicted class, and the correct ones.
    """
    classes, predicted = probabilities.shape[1], probabilities.argmax(axis=1)
    correct = labels == predicted
    columns = [np.zeros_like(labels), 1 + labels, 1 + classes + predicted, 1 + 2 * classes + labels[correct]]
    rows = np.concatenate([unit, unit, unit, unit[correct]])
    values = np.concatenate([metrics.log_losses(labels, probabilities), np.ones(len(rows) - len(labels))])
    shape = int(unit.max()) + 1, 1 + 3 * classes
    return sparse.coo_array((values, (rows, np.concatenate(columns))), shape).tocsr()


def sums_from_rows(rows: np.ndarray) -> Sums:
    """Return Sums from rows of losses and of actual, predicted and correct counts by class, (sets, 1 + 3 * classes)."""
    return Sums(rows[:, 0], *np.split(rows[:, 1:], 3, axis=1))


def gradients(total: np.ndarray, names: Collection[str]) -> dict[str, np.ndarray]:
    """Return each score's derivatives, by name, by every sum of a row that `sums_from_rows` takes, (1 + 3 * classes,).

    They are central differences; those by a sum of 0, which no image moves, are 0.
    """
    used = np.flatnonzero(total)
    derivatives = {name: np.zeros(len(total)) for name in names}
    rows = max(1, BLOCK // len(total))
    for columns in (used[start : start + rows] for start in range(0, len(used), rows)):
        steps = np.zeros((len(columns), len(total)))
        steps[np.arange(len(columns)), columns] = STEP * total[columns]
        more, less = sums_from_rows(total + steps), sums_from_rows(total - steps)
        for name in names:
            rise = SCORES[name].compute(more) - SCORES[name].compute(less)
            derivatives[name][columns] = rise / (2 * STEP * total[columns])
    return derivatives


def sample_of(
    labels: np.ndarray, probabilities: np.ndarray, unit: np.ndarray, names: Collection[str] = SCORES.keys()
) -> Sample:
    """Return the Sample of one training: its named scores on these images, and how far each unit moves each of them.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        unit: Number of each image's unit, (n,).
        names: The scores.
    """
    images, classes = probabilities.shape
    per_unit = unit_sums(labels, probabilities, unit)
    units, total = per_unit.shape[0], per_unit.sum(axis=0)
    sums, derivatives = sums_from_rows(total[None]), gradients(total, names)
    sizes = np.bincount(unit, minlength=units)
    influence = {name: units * (per_unit @ derivatives[name]) for name in names}
    wrong = labels != probabilities.argmax(axis=1)
    actual, predicted, correct = (per_unit[:, 1 + part * classes :][:, :classes] for part in range(3))
    union = actual + predicted - correct
    imagined = float(metrics.imagined_losses(probabilities).mean())
    return Sample(
        images,
        {name: SCORES[name].compute(sums) for name in names},
        {name: (values - values.mean()) * leverages(sizes) for name, values in influence.items()},
        sizes * units / images,
        np.bincount(unit, wrong, units) * units / images,
        np.stack([actual.sum(axis=0), correct.sum(axis=0), effective_wholes(correct, actual)]),
        np.stack([union.sum(axis=0), correct.sum(axis=0), effective_wholes(correct, union)]),
        {name: SCORES[name].per_error(sums, imagined) for name in names},
    )  # fmt: skip


def pool_trainings(samples: Sequence[Sample]) -> Sample:
    """Return the Samples of a way's trainings, of the same test images, as one: all scores, and means of the rest."""
    first, trainings = samples[0], len(samples)
    influence = {name: np.stack([sample.influence[name] for sample in samples]) for name in first.values}
    shared = {
        name: sum(map(variance_over_units, rows - rows.mean(axis=0))) / (trainings * max(trainings - 1, 1))
        for name, rows in influence.items()
    }
    return Sample(
        first.images,
        {name: np.concatenate([sample.values[name] for sample in samples]) for name in first.values},
        {name: rows.mean(axis=0) for name, rows in influence.items()},
        first.sizes,
        np.mean([sample.wrong for sample in samples], axis=0),
        np.mean([sample.recalled for sample in samples], axis=0),
        np.mean([sample.overlapping for sample in samples], axis=0),
        {name: float(np.mean([sample.per_error[name] for sample in samples])) for name in first.values},
        1 / trainings,
        trainings=trainings,
        shared=shared,
    )  # fmt: skip


def pool_folds(samples: Sequence[Sample], train_images: float) -> Sample:
    """Return one Sample of several folds with test images of their own: each fold's mean scores, all units in a row.

    Folds share training images, so that their scores are not independent: the variance of their mean is 1 / folds plus
    the ratio of test to training images, times that of the scores.

    Args:
        samples: One for each fold, of one or several trainings.
        train_images: Training images of a fold, on average.

    Source: Nadeau & Bengio, Inference for the Generalization Error, doi:10.1023/A:1024068626366.
    """
    first, folds, units = samples[0], len(samples), sum(sample.units for sample in samples)
    images = sum(sample.images for sample in samples)
    weights = [units / (folds * sample.units) for sample in samples]

    def concatenate(arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate([weight * array for weight, array in zip(weights, arrays, strict=True)])

    return Sample(
        images,
        {name: np.array([sample.score(name) for sample in samples]) for name in first.values},
        {name: concatenate([sample.influence[name] for sample in samples]) for name in first.values},
        concatenate([sample.sizes for sample in samples]),
        concatenate([sample.wrong for sample in samples]),
        np.sum([sample.recalled for sample in samples], axis=0),
        np.sum([sample.overlapping for sample in samples], axis=0),
        {name: float(np.mean([sample.per_error[name] for sample in samples])) for name in first.values},
        1 / folds + images / folds / train_images,
        is_folded=True,
        trainings=sum(sample.trainings for sample in samples),
    )  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A proportion that a score follows, whose exact limits are known.

    Args:
        slope: Change of the score as what it follows changes by 1.
        share: The proportion.
        trials: Of how many independent images; 0 where none has shown it.
        is_overlap: Whether the score follows F1, 2 p / (1 + p), of p, the share of images that are of a class and
            predicted as it among those that are or are predicted; else it follows the proportion itself.
    """

    slope: float
    share: float
    trials: float
    is_overlap: bool = False

    def moves(self, alpha: float) -> Interval:
        """Return how far the score (falls, rises), 0 or more, as the proportion goes to its limits at 1 - alpha."""
        changes = sorted(
            self.slope * (self.followed(end) - self.followed(self.share))
            for end in exact_interval(self.share * self.trials, self.trials, alpha)
        )
        return max(-changes[0], 0.0), max(changes[1], 0.0)

    def followed(self, share: float) -> float:
        """Return the share itself, or the F1 that goes with it where `is_overlap`: 2 p / (1 + p)."""
        return 2 * share / (1 + share) if self.is_overlap else share

    @property
    def variance(self) -> float:
        """The variance that the score has from that of the proportion `share`, over independent images."""
        slope = self.slope * (2 / (1 + self.share) ** 2 if self.is_overlap else 1.0)
        return slope**2 * self.share * (1 - self.share) / max(self.trials - 1, 1)


def error_part(sample: Sample, name: str) -> Part:
    """Return the error rate as a Part of a score: the score's slope by it, with one imagined error; the rate; trials.

    So a log loss without an error has the loss that the models' probabilities would give one.
    """
    share, deviation = float(sample.wrong.mean()), sample.deviations(sample.wrong)
    squares = float(np.sum(deviation**2))
    errors = share * sample.units if squares else 0.0
    seen = float(np.sum(deviation * sample.influence[name])) / squares if squares else 0.0
    trials = effective_trials(share, variance_over_units(deviation), sample.images, sample.units, sample.degrees)
    return Part((errors * seen + sample.per_error[name]) / (errors + 1), share, trials)


def class_parts(sample: Sample, name: str) -> list[Part]:
    """Return a Part a class, in order: its recall, or overlap if the score follows that; 0 trials without test images.

    The overlap is with the images that are predicted as it.

    A class without test images, which the score leaves out, counts as one about which nothing is known.
    """
    is_overlap = SCORES[name].follows == "overlaps"
    wholes, correct, worth = (sample.overlapping if is_overlap else sample.recalled).tolist()
    value, slope = sample.score(name), 1 / len(wholes)
    unknown = Part(slope, value / (2 - value) if is_overlap else value, 0, is_overlap)
    return [
        Part(slope, hits / whole, trials, is_overlap) if actual else unknown
        for whole, hits, trials, actual in zip(wholes, correct, worth, sample.recalled[0], strict=True)
    ]


@dataclass(frozen=True)
class Estimate:
    """A score of a way, and what makes it uncertain.

    Args:
        value: The score.
        bounds: Lowest and highest possible value.
        parts: Proportions that it follows.
        rest: Its variance over images that these do not explain.
        degrees: Degrees of freedom of `rest`.
        variance: Its variance over images.
        acceleration: How fast that grows with the score; 0 where no account is taken of it.
        units: Number of units of the images.
        spread: Its variance that comes from the trainings; 0 of one.
        draws: Number of trainings, or of folds, that this is of.
    """

    value: float
    bounds: Interval
    parts: Sequence[Part]
    rest: float
    degrees: float
    variance: float
    acceleration: float
    units: int
    spread: float
    draws: int

    def interval(self, alpha: float = ALPHA) -> Interval:
        """Return the interval at level 1 - alpha, within the bounds; of fewer than `FEWEST` units it is the bounds.

        The distances of its ends from the score are the roots of summed squares: those that the exact limits of each
        part have, and Student's t times the standard error of the rest and of the trainings. That of the upper end has
        its skewness in it where there is an acceleration.

        Source: Zou & Donner, Construction of Confidence Limits about Effect Measures, doi:10.1002/sim.3095.
        """
        if self.units < FEWEST:
            return self.bounds
        t = special.stdtrit(self.degrees, 1 - alpha / 2)
        parts = np.sum([np.square(part.moves(alpha)) for part in self.parts], axis=0)
        if len(self.parts) > 1:  # exact limits of several proportions are together no longer exact
            parts *= (t / special.ndtri(1 - alpha / 2)) ** 2
        fall, rise = np.sqrt(parts + self.rest * t**2)
        if self.acceleration:
            rise = max(rise, np.sqrt(self.variance) * skewed_quantile(t, self.acceleration))
        trainings = np.sqrt(self.spread) * special.stdtrit(self.draws - 1, 1 - alpha / 2) if self.spread else 0.0
        low, high = self.value - np.hypot(fall, trainings), self.value + np.hypot(rise, trainings)
        return float(max(low, self.bounds[0])), float(min(high, self.bounds[1]))


def estimate(sample: Sample, name: str) -> Estimate:
    """Return the Estimate of a named score: its value, its bounds, and its variance over images and over trainings."""
    score, influence, values = SCORES[name], sample.influence[name], sample.values[name]
    variance = variance_over_units(influence)
    parts = class_parts(sample, name) if score.follows in ("recalls", "overlaps") else [error_part(sample, name)]
    rest = max(variance - sum(part.variance for part in parts), 0.0)
    degrees, acceleration = sample.degrees, 0.0
    if score.follows == "agreement":  # which is 0 of a model that always says one class, until it says another once
        rest += (sample.per_error[name] / sample.units) ** 2
    elif score.follows == "losses":  # few mistakes make most of it
        degrees = min(degrees, effective_degrees(influence - parts[0].slope * sample.deviations(sample.wrong)))
        acceleration = acceleration_of(influence)
    spread = spread_of_mean(values, sample.spread, variance if sample.is_folded else sample.shared.get(name, 0.0))
    return Estimate(
        sample.score(name), score.bounds, parts, rest, degrees, variance, acceleration, sample.units, spread,
        len(values),
    )  # fmt: skip


def acceleration_of(influence: np.ndarray) -> float:
    """Return sum(x ** 3) / (6 * sum(x ** 2) ** 1.5) of the units' influence x; 0 where that is negative or all are 0.

    It is how fast a score's standard error grows with it.

    Source: Efron, Better Bootstrap Confidence Intervals, doi:10.1080/01621459.1987.10478410.
    """
    scale = float(np.sum(influence**2) ** 1.5)
    return max(float(np.sum(influence**3)), 0.0) / (6 * scale) if scale else 0.0


def skewed_quantile(quantile: float, acceleration: float) -> float:
    """Return how many standard errors above the score an interval ends, from Student's t and the acceleration.

    As in the ABC interval of a mean, the correction of its bias is the acceleration, too.

    Source: DiCiccio & Efron, doi:10.1093/biomet/79.2.231.
    """
    z = acceleration + quantile
    return acceleration + z / max(1 - acceleration * z, 0.25)


def effective_degrees(influence: np.ndarray) -> float:
    """Return a variance's degrees of freedom, 3 or more, few where few units dominate; units - 1 where all are 0.

    It is Satterthwaite's number, each unit's square being of one degree, for which doi:10.2307/3002019 is the source.
    """
    squares = influence**2
    fourth = float(np.sum(squares**2))
    return max(float(squares.sum() ** 2) / fourth, FEWEST_DEGREES) if fourth else float(len(influence) - 1)


def spread_of_mean(values: np.ndarray, spread: float, of_images: float) -> float:
    """Return the variance of a mean of values beyond that which comes from the images, 0 or more; 0 of one value.

    Args:
        values: A score, or the difference of two, of each training or fold, (trainings,).
        spread: What their variance is multiplied by, to be that of the mean.
        of_images: Variance of the mean that comes from the images and is in that of the values as well.
    """
    return max(float(spread * values.var(ddof=1)) - of_images, 0.0) if len(values) > 1 else 0.0

"""How far scores on some test images can be trusted: intervals, tests of two models on the same images, calibration.

What is resampled, or swapped between two models, are units: whole groups of images, such as a person's, where an image
has a group, since those are no independent images; else single images. The same arguments give the same numbers.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import sparse, special, stats

from components.scores import metrics
from components.scores.registry import EXACT, SCORES, TESTED, Sums

Interval = tuple[float, float]

LEVEL = 0.95
ALPHA = 0.05  # 1 - LEVEL: of a p below it, corrected, a difference is one
POWER = 0.8
RESAMPLES = 5000
SEED = 0
BLOCK = 4_000_000  # numbers drawn at a time
FEWEST = 8  # units; intervals of 8 groups covered 0.86 to 0.95 of simulated scores, those of 5 down to 0.80


@dataclass(frozen=True)
class Resampled:
    """A score of all units, or the difference of two.

    Args:
        observed: The score.
        resamples: The score of each resample of the units, (resamples,).
        left_out: The score without each unit, (units,).
        possible: The lowest and the highest that it can be.
        scale: The accuracy that one unit of it is worth, as `scores.Score` has it.
    """

    observed: float
    resamples: np.ndarray
    left_out: np.ndarray
    possible: Interval = (0.0, 1.0)
    scale: float | None = None

    def __sub__(self, other: "Resampled") -> "Resampled":
        possible = self.possible[0] - other.possible[1], self.possible[1] - other.possible[0]
        return Resampled(
            self.observed - other.observed, self.resamples - other.resamples, self.left_out - other.left_out, possible,
            other.scale,
        )  # fmt: skip

    @property
    def few(self) -> bool:
        return len(self.left_out) < FEWEST

    @property
    def fixed(self) -> bool:
        """Whether every resample scores the same, as where a model is right on all images: that tells no interval."""
        return bool(np.ptp(self.resamples) < 1e-12)

    @property
    def bias(self) -> float:
        """Normal quantile of the share of the resamples below what was observed."""
        return float(special.ndtri(share_below(self.resamples, self.observed)))

    @property
    def acceleration(self) -> float:
        """How fast the standard error changes with the score: a sixth of the skewness of the units' influence."""
        influence = self.left_out.mean() - self.left_out
        scale = float(np.sum(influence**2) ** 1.5)
        return float(np.sum(influence**3)) / (6 * scale) if scale > 0 else 0.0

    def interval(self) -> Interval:
        """Return the bias-corrected and accelerated interval, expanded; of few units, all that is possible.

        Of 50 to 1,000 simulated images of five classes, that of kappa covered 0.935 or more, that of log loss 0.93. The
        plain percentiles cover less: down to 0.91 of kappa and 0.90 of log loss where errors are rare.

        Source: Efron, Better Bootstrap Confidence Intervals, doi:10.1080/01621459.1987.10478410.
        """
        if self.few:
            return self.possible
        z = self.bias + np.array([-1, 1]) * reach(len(self.left_out))
        levels = special.ndtr(self.bias + z / np.maximum(1 - self.acceleration * z, 1e-9))
        low, high = np.quantile(self.resamples, levels)
        return float(low), float(high)

    def as_far_as(self, accuracy: float, ends: Interval) -> Interval:
        """Return the interval that reaches as far as that of accuracy, from low to high end, makes the score go."""
        if not self.scale:
            return self.possible
        reached = (self.observed + (end - accuracy) / self.scale for end in ends)
        low, high = (float(np.clip(end, *self.possible)) for end in reached)
        return low, high

    def p(self) -> float:
        """Return 1 - the level of the interval that ends at 0; not below 1 / (resamples + 1), and 1 of few units.

        Source: Davison & Hinkley, Bootstrap Methods and their Application, doi:10.1017/CBO9780511802843, 4.4 and 5.3.
        """
        if self.few:
            return 1.0
        z = special.ndtri(share_below(self.resamples, 0)) - self.bias
        corrected = z / max(1 + self.acceleration * z, 1e-9) - self.bias
        units = len(self.left_out)
        p = 2 * special.stdtr(units - 1, -abs(corrected) * np.sqrt((units - 1) / units))
        return float(max(p, 1 / (len(self.resamples) + 1)))

    def images_needed(self, images: int, pairs: int) -> float:
        """Return how many images would tell a difference from 0, going by its standard error on so many images."""
        if self.few or self.observed == 0:
            return np.inf
        return float(images * (sum(quantiles(pairs)) * self.resamples.std(ddof=1) / self.observed) ** 2)


@dataclass(frozen=True)
class Difference:
    """How a second model scores after a first on the same images.

    Args:
        first: Score of the first model.
        second: Score of the second.
        difference: Second minus first.
        low: Lower end of the interval of the difference.
        high: Upper end.
        p: Of the difference being 0, two-sided.
        images_needed: Test images that would tell it from 0 with a power of `POWER`; infinite where it is 0.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    images_needed: float


@dataclass(frozen=True)
class ResampledModel:
    """A model's images that it is right on, of each unit, (units,), and its scores resampled, by name."""

    right: np.ndarray
    scores: dict[str, Resampled]


def reach(units: int) -> float:
    """Return how many standard errors an interval reaches to either side: more than 1.96, the fewer the units are.

    Source: Hesterberg, What Teachers Should Know About the Bootstrap, arXiv 1411.5279, on the expanded interval.
    """
    return float(np.sqrt(units / (units - 1)) * special.stdtrit(units - 1, (1 + LEVEL) / 2))


def share_below(resamples: np.ndarray, value: float) -> float:
    """Return the share of the resamples below a value, half of those that equal it among them; never 0 or 1."""
    return float((np.sum(resamples < value) + np.sum(resamples <= value) + 1) / (2 * len(resamples) + 2))


def quantiles(pairs: int) -> tuple[float, float]:
    """Return the normal quantiles of the test's level, shared out among the pairs, and of its power."""
    return float(-special.ndtri(ALPHA / (2 * pairs))), float(special.ndtri(POWER))


def units_of(groups: np.ndarray | None, images: int) -> np.ndarray:
    """Return the number of each image's unit, (n,): of its group, or its own where the group has no name."""
    names = np.full(images, "") if groups is None else np.asarray(groups, dtype=str)
    unit, found = pd.factorize(names)
    unit[names == ""] = len(found) + np.arange(np.sum(names == ""))
    return pd.factorize(unit)[0]


def drawn(units: int) -> Iterator[np.ndarray]:
    """Yield how often each unit is drawn in each resample, (some resamples, units); the same for as many units."""
    random = np.random.default_rng(SEED)
    block = max(1, BLOCK // units)
    for start in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - start)
        numbers = random.integers(0, units, (rows, units)) + units * np.arange(rows)[:, None]
        yield np.bincount(numbers.ravel(), minlength=rows * units).reshape(rows, units)


def without_each(per_unit: sparse.csr_array) -> Iterator[np.ndarray]:
    """Yield the sums of all units but one, (some units, columns), for each unit."""
    total, block = per_unit.sum(axis=0), max(1, BLOCK // per_unit.shape[1])
    for start in range(0, per_unit.shape[0], block):
        yield total - per_unit[start : start + block].toarray()


def counted(labels: np.ndarray, predicted: np.ndarray, classes: int, unit: np.ndarray) -> sparse.csr_array:
    """Return the images of each class, those predicted as it, and those rightly so, by unit: (units, 3 * classes)."""
    right = labels == predicted
    columns = np.concatenate([labels, classes + predicted, 2 * classes + labels[right]])
    rows = np.concatenate([unit, unit, unit[right]])
    return sparse.coo_array((np.ones(len(rows)), (rows, columns)), (unit.max() + 1, 3 * classes)).tocsr()


def split_sums(columns: np.ndarray) -> Sums:
    """Return sums over sets of images, of which each row, (sets, 1 + 3 * classes), has the losses, then `counted`."""
    return Sums(columns[:, 0], *np.split(columns[:, 1:], 3, axis=1))


def scores_of(blocks: Iterable[np.ndarray], names: Collection[str]) -> dict[str, np.ndarray]:
    """Return some scores of sets of images, (sets,), whose sums come in blocks, as `split_sums` takes them."""
    found = [{name: SCORES[name].of(sums) for name in names} for sums in map(split_sums, blocks)]
    return {name: np.concatenate([block[name] for block in found]) for name in names}


def resampled(
    labels: np.ndarray, probabilities: np.ndarray, unit: np.ndarray, names: Collection[str] = SCORES.keys()
) -> ResampledModel:
    """Return a model's scores with those of resamples of the units, which are the same for every model.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        unit: Number of each image's unit, (n,).
        names: The scores.
    """
    counts = counted(labels, probabilities.argmax(axis=1), probabilities.shape[1], unit)
    losses = np.bincount(unit, weights=metrics.log_losses(labels, probabilities))
    per_unit = sparse.hstack([sparse.csr_array(losses[:, None]), counts], format="csr")
    observed = split_sums(per_unit.sum(axis=0)[None])
    blocks = (weights @ per_unit for weights in drawn(per_unit.shape[0]))
    resamples, left_out = scores_of(blocks, names), scores_of(without_each(per_unit), names)
    scores = {}
    for name in names:
        score = SCORES[name]
        scale = None if score.scale is None else float(np.squeeze(score.scale(observed)))
        values = float(score.of(observed)[0]), resamples[name], left_out[name]
        scores[name] = Resampled(*values, score.possible, scale)
    return ResampledModel(counts[:, -probabilities.shape[1] :].sum(axis=1), scores)


def exact(successes: int, trials: int) -> Interval:
    """Return the exact interval of a proportion; not a number where nothing was tried.

    Source: Clopper & Pearson, doi:10.1093/biomet/26.4.404.
    """
    if not trials:
        return np.nan, np.nan
    low = special.betaincinv(successes, trials - successes + 1, ALPHA / 2) if successes else 0.0
    high = special.betaincinv(successes + 1, trials - successes, 1 - ALPHA / 2) if successes < trials else 1.0
    return float(low), float(high)


def intervals(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray | None = None,
    names: Collection[str] = SCORES.keys(),
) -> dict[str, Interval]:
    """Return the 95 % interval of each of some scores of the registry: bootstrapped over units; of accuracy exact.

    Accuracy is bootstrapped too where images are grouped. Where no resample differs from another, or a model is right
    on all images or on none, a score of predicted classes reaches as far to either side as the exact interval of
    accuracy, of as many trials as there are units, makes it go by its scale. Of fewer than `FEWEST` units the interval
    is all that the score can be.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        groups: Name of each image's group, (n,); empty for an image that is by itself.
        names: The scores.
    """
    unit = units_of(groups, len(labels))
    scores = resampled(labels, probabilities, unit, dict.fromkeys([EXACT, *names])).scores
    accuracy = scores[EXACT]
    units = len(accuracy.left_out)
    known = exact(round(accuracy.observed * units), units)
    found = {name: score.interval() for name, score in scores.items()}
    if units == len(labels):
        found[EXACT] = known
    for name, score in scores.items():
        if (score.fixed or accuracy.fixed) and not score.few and score.scale is not None:
            found[name] = score.as_far_as(accuracy.observed, known)
    return {name: found[name] for name in names}


def per_class(
    labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str], groups: np.ndarray | None = None
) -> pd.DataFrame:
    """Return precision, recall, their intervals, F1 and support of each class, a row a class; empty where undefined.

    The intervals are exact, those of precision for as many predictions of the class as there were: how many there are
    is chance as well. Where images are grouped they are bootstrapped over groups.

    Args:
        labels: Number of the true class, (n,).
        predicted: Number of the predicted class, (n,).
        classes: Names of the classes.
        groups: Name of each image's group, (n,); empty for an image that is by itself.
    """
    unit = units_of(groups, len(labels))
    per_unit = counted(labels, predicted, len(classes), unit)
    of, told, right = np.split(per_unit.sum(axis=0).astype(int), 3)
    table = pd.DataFrame({"class": classes, "support": of})
    for name, trials in (("precision", told), ("recall", of)):
        table[name] = ratio(right, trials)
        if len(labels) == per_unit.shape[0]:
            found = [exact(*pair) for pair in zip(right.tolist(), trials.tolist(), strict=True)]
        else:
            found = grouped_ratios(per_unit, 1 if name == "precision" else 0)
        table[[f"{name}_low", f"{name}_high"]] = found
    table["f1"] = ratio(2 * right, of + told)
    return table


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole; not a number where the whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def grouped_ratios(per_unit: sparse.csr_array, whole: int) -> list[Interval]:
    """Return each class's interval of the share of its third count in another, bootstrapped over units.

    Resamples without an image of the class count for nothing. The rest is as in `intervals`, of those units that have
    such images.

    Args:
        per_unit: What `counted` returns.
        whole: Which of the three counts is the whole, 0 or 1.
    """

    def shares(sums: np.ndarray) -> np.ndarray:
        return ratio(np.split(sums, 3, axis=1)[2], np.split(sums, 3, axis=1)[whole])

    observed = shares(per_unit.sum(axis=0)[None])[0]
    resamples = np.concatenate([shares(weights @ per_unit) for weights in drawn(per_unit.shape[0])])
    left_out = np.concatenate([shares(sums) for sums in without_each(per_unit)])
    classes = len(observed)
    having = (per_unit[:, whole * classes : (whole + 1) * classes] > 0).sum(axis=0)
    found: list[Interval] = []
    for number, units in enumerate(having.tolist()):
        kept = (column[~np.isnan(column)] for column in (resamples[:, number], left_out[:, number]))
        score = Resampled(float(observed[number]), *kept)
        if not units:
            found.append((np.nan, np.nan))
        elif units < FEWEST:
            found.append(score.possible)
        else:
            found.append(exact(round(score.observed * units), units) if score.fixed else score.interval())
    return found


def paired(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, groups: np.ndarray | None = None
) -> dict[str, Difference]:
    """Return how the second of two models scores after the first, by every score that pairs are tested by.

    Args:
        labels: Number of the true class, (n,).
        first: Probabilities of the first model, (n, classes).
        second: Probabilities of the second, likewise.
        groups: Name of each image's group, (n,); empty for an image that is by itself.
    """
    unit = units_of(groups, len(labels))
    return differences(resampled(labels, first, unit), resampled(labels, second, unit), len(labels), 1)


def differences(first: ResampledModel, second: ResampledModel, images: int, pairs: int) -> dict[str, Difference]:
    """Return how the second of two models scores after the first, as one of so many pairs.

    Accuracy is tested by `sign_flip`, where images are not grouped McNemar's exact test, the rest by a bootstrap over
    units that are drawn for both models alike. Where no resample of a score of predicted classes differs from another,
    as where both predict the same, its interval goes as far as that of accuracy makes it by its scale.
    """
    found: dict[str, Difference] = {}
    for name in TESTED:
        one, other = first.scores[name], second.scores[name]
        score = other - one
        (low, high), p, needed = score.interval(), score.p(), score.images_needed(images, pairs)
        if name == EXACT:
            changes = np.rint(second.right - first.right).astype(np.int64)
            p = sign_flip(changes)
            if len(changes) == images:
                (low, high), needed = changed(changes), connor(changes, pairs)
        elif score.fixed and not score.few and score.scale is not None:
            accuracy = found[EXACT]
            low, high = score.as_far_as(accuracy.difference, (accuracy.low, accuracy.high))
        found[name] = Difference(one.observed, other.observed, score.observed, low, high, p, needed)
    return found


def sign_flip(changes: np.ndarray) -> float:
    """Return the exact two-sided p of changes whose signs are chance; of changes by one image, McNemar's exact test.

    Args:
        changes: By how many right images each unit changed from one model to the other, (units,) whole numbers.

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


def changed(changes: np.ndarray) -> Interval:
    """Return the interval of the difference of two paired proportions: Wald's, with one more image of either change.

    Args:
        changes: -1, 0 or 1 for each image, (n,).

    Source: Bonett & Price, doi:10.3102/1076998611411915; recommended by Fagerland et al., doi:10.1002/sim.6148.
    """
    images = len(changes) + 2
    difference, share = changes.sum() / images, (np.abs(changes).sum() + 2) / images
    error = np.sqrt((share - difference**2) / images)
    low, high = difference + error * special.ndtri([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(max(low, -1)), float(min(high, 1))


def connor(changes: np.ndarray, pairs: int) -> float:
    """Return about how many images McNemar's test needs, going by the shares of the changes; infinite for none.

    Args:
        changes: -1, 0 or 1 for each image, (n,).
        pairs: Number of pairs that share the level.

    Source: Connor, Sample Size for Testing Differences in Proportions for the Paired-Sample Design,
    doi:10.2307/2531961.
    """
    level, power = quantiles(pairs)
    difference, share = changes.mean(), np.abs(changes).mean()
    if difference == 0:
        return np.inf
    return float(((level * np.sqrt(share) + power * np.sqrt(share - difference**2)) / difference) ** 2)


def compare_pairs(
    labels: np.ndarray, models: Mapping[str, np.ndarray], groups: np.ndarray | None = None
) -> pd.DataFrame:
    """Return every pair of models, a row a pair: `first`, `second`, the number of `images`, of `groups`
    (0 where there are none) and of `pairs`.

    Of each score, such as accuracy, there are `accuracy_first`, `accuracy_second` and so on, as in `Difference`, and
    `accuracy_p_corrected` for the number of pairs. The intervals are those of a pair by itself; `images_needed` goes
    by a level that the pairs share.

    Args:
        labels: Number of the true class, (n,).
        models: Probabilities of each model, (n, classes), by its name.
        groups: Name of each image's group, (n,); empty for an image that is by itself.
    """
    unit = units_of(groups, len(labels))
    units = int(unit.max()) + 1
    known = {name: resampled(labels, probabilities, unit) for name, probabilities in models.items()}
    pairs = [*combinations(known, 2)]
    columns = [f"{score}_{field.name}" for score in TESTED for field in fields(Difference)]
    rows = []
    for first, second in pairs:
        found = differences(known[first], known[second], len(labels), len(pairs))
        values = [value for difference in found.values() for value in astuple(difference)]
        rows.append([first, second, len(labels), units if units < len(labels) else 0, len(pairs), *values])
    table = pd.DataFrame(rows, columns=["first", "second", "images", "groups", "pairs", *columns])
    for score in TESTED:
        table[f"{score}_p_corrected"] = holm(table[f"{score}_p"].to_numpy(dtype=np.float64))
    return table


def holm(p: np.ndarray) -> np.ndarray:
    """Return p values corrected for their number, (pairs,).

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    order = np.argsort(p)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return corrected


def calibration(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> tuple[pd.DataFrame, float]:
    """Return how often predictions of some confidence are right, and the expected calibration error.

    The table has a row a bin of the highest probability: `low` (outside the bin), `high` (in it), `images`, and the
    means `confidence` and `accuracy`, empty for a bin without images. The error is the mean over the images of the
    distance of these two.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        bins: Bins of equal width in (0, 1].

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    number = np.clip(np.searchsorted(edges, confidence) - 1, 0, bins - 1)
    images = np.bincount(number, minlength=bins)
    sums = [np.bincount(number, weights, minlength=bins) for weights in (confidence, right)]
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "images": images})
    table["confidence"], table["accuracy"] = ratio(sums[0], images), ratio(sums[1], images)
    return table, float(np.abs(sums[0] - sums[1]).sum() / len(labels))

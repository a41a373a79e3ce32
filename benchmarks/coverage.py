"""Coverage: how often intervals hold the true score, and how often equal ways are told apart, by simulation.

The plain way is what is often done: the score plus and minus 1.96 standard errors over the images; McNemar's test of
one training of each way. The worlds simulated here, skewed and with confusable classes, are not those in which the
methods were developed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import optimize, special

from benchmarks import plain
from benchmarks.measuring import Aim, Bench, Line
from components.results.tracking.registry import JUDGES, is_better, judged_differences
from components.scores import metrics
from components.scores.estimates import (
    Sample,
    estimate,
    pool_folds,
    pool_trainings,
    sample_of,
    variance_over_units,
)
from components.scores.pairs import correction_of, difference
from components.scores.proportions import ALPHA, exact_interval
from components.scores.registry import SCORES, TESTED

SEED = 20_261_128
LEAST, MOST = 93, 6  # per cent: of coverage, and of the upper limit of false claims


@dataclass(frozen=True)
class World:
    """A population of images, and ways whose trainings differ; all ways are equally good.

    Args:
        shares: Share of the images of each class.
        skill: How far the logit of the true class is raised.
        spread: How much the skill of trainings differs.
        sureness: What logits are multiplied by: over 1 are models too sure.
        like: How much images of one group are alike; 0 if they are not in groups.
    """

    shares: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)
    skill: float = 5.0
    spread: float = 0.0
    sureness: float = 1.0
    like: float = 0.0

    def draw_images(
        self, random: np.random.Generator, images: int, group_size: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return labels, (n,), and what every training sees in the images, logits (n, classes).

        One image in ten is blurred; a hard one looks like the class that comes next.
        """
        groups = -(-images // group_size)
        labels = random.choice(len(self.shares), images, p=self.shares)
        of_group = np.repeat(random.lognormal(0.0, 0.8, groups), group_size)[:images]
        hard = random.gamma(0.7, 1.4, images) + self.like * of_group
        blur = np.where(random.random(images) < 0.1, 2.5, 1.0)
        seen = blur[:, None] * random.logistic(0.0, 0.6, (images, len(self.shares)))
        seen[np.arange(images), labels] += self.skill - hard
        seen[np.arange(images), (labels + 1) % len(self.shares)] += 0.5 * hard
        return labels, seen

    def train(
        self, random: np.random.Generator, labels: np.ndarray, seen: np.ndarray, own: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Return the probabilities, (n, classes), of a training of a way that sees something of its own as well.

        One training in five goes worse than the others.
        """
        classes = len(self.shares)
        logits = seen + own + random.logistic(0.0, 0.4, seen.shape)
        skill = random.normal() - 2 * (random.random() < 0.2)
        logits = logits + self.spread * (skill * np.eye(classes)[labels] + 0.5 * random.normal(size=classes))
        return special.softmax(self.sureness * logits, axis=1)

    def true_scores(self, random: np.random.Generator, trainings: int, images: int = 50_000) -> dict[str, float]:
        """Return the mean over many trainings of each score on many images, by name."""
        labels, seen = self.draw_images(random, images)
        scores = [metrics.scores(labels, self.train(random, labels, seen)) for _ in range(trainings)]
        return {name: float(np.mean([of_one[name] for of_one in scores])) for name in SCORES}


def way(
    world: World, random: np.random.Generator, labels: np.ndarray, seen: np.ndarray, trainings: int
) -> list[Sample]:
    """Return the Samples of a way's trainings; what the way sees of its own is drawn."""
    own = random.logistic(0.0, 0.4, seen.shape)
    return [sample_of(labels, world.train(random, labels, seen, own), np.arange(len(labels))) for _ in range(trainings)]


def intervals(
    case: str, world: World, images: int, names: tuple[str, ...], simulations: int, trainings: int = 1,
    group_size: int = 1,
) -> Iterator[Line]:  # fmt: skip
    """Yield a line for each named score: how often its interval holds the true one, and its mean width."""
    random = np.random.default_rng([SEED, images, trainings, group_size])
    truth = world.true_scores(random, 200 if world.spread else 4, 20_000 if world.spread else 250_000)
    held = {name: np.zeros((simulations, 2), bool) for name in names}
    widths = dict.fromkeys(names, 0.0)
    unit = np.arange(images) // group_size
    for number in range(simulations):
        labels, seen = world.draw_images(random, images, group_size)
        sample = pool_trainings(
            [sample_of(labels, world.train(random, labels, seen), unit, names) for _ in range(trainings)]
        )
        for name in names:
            low, high = estimate(sample, name).interval()
            widths[name] += (high - low) / simulations
            error = np.sqrt(variance_over_units(sample.influence[name]))
            by_errors = plain.holds_within_two_errors(sample.score(name), error, truth[name])
            held[name][number] = by_errors, low <= truth[name] <= high
    for name in names:
        usual, here = (100 * float(share) for share in held[name].mean(axis=0))
        title = f"{SCORES[name].title}, {case}, n = {images:,}"
        words = f"{here:.1f} %, width {widths[name]:.3f}"
        details = {"images": images, "simulations": simulations, "truth": truth[name], "width": widths[name]}
        yield Line("coverage", title, usual, here, "%", words, here, Aim(LEAST, "%"), details)


def false_claims(case: str, tests: Callable[[int], tuple[bool, bool]], simulations: int, most: float = MOST) -> Line:
    """Return the line on how often something is claimed that is not so, the plain way and here.

    Args:
        case: What it is about.
        tests: Function of the number of a simulation that returns whether the two ways claim it.
        simulations: How many.
        most: Per cent that the upper limit of the share is to be below.
    """
    usual, here = (int(claims) for claims in np.sum([tests(number) for number in range(simulations)], axis=0))
    upper = 100 * exact_interval(here, simulations)[1]
    words = f"{100 * here / simulations:.1f} %; with 95 % confidence below {upper:.1f} %"
    return Line(
        "coverage", case, 100 * usual / simulations, 100 * here / simulations, "%", words, upper,
        Aim(most, "%", most=True), {"simulations": simulations},
    )  # fmt: skip


def equal_ways(world: World, images: int, ways: int, trainings: int) -> Callable[[int], tuple[bool, bool]]:
    """Return a function that tells whether any claim is made on equal ways: by McNemar's test of files, and here."""

    def test(number: int) -> tuple[bool, bool]:
        random = np.random.default_rng([SEED, images, ways, trainings, number])
        labels, seen = world.draw_images(random, images)
        files = [way(world, random, labels, seen, trainings) for _ in range(ways)]
        samples = [pool_trainings(samples) for samples in files]
        alpha = correction_of(samples).alpha
        told = any(
            difference(one, other, name).p_value() < alpha for one, other in combinations(samples, 2) for name in TESTED
        )
        return any(
            plain.mcnemar_tells_apart(one[0].wrong, other[0].wrong) for one, other in combinations(files, 2)
        ), told

    return test


def same_way(world: World, images: int, trainings: int) -> Callable[[int], tuple[bool, bool]]:
    """Return a function that tells whether two runs of one way differ: as files by McNemar's test, and here."""

    def test(number: int) -> tuple[bool, bool]:
        random = np.random.default_rng([SEED, images, trainings, number])
        labels, seen = world.draw_images(random, images)
        both = way(world, random, labels, seen, 2 * trainings)
        one, other = both[:trainings], both[trainings:]
        p = difference(pool_trainings(one), pool_trainings(other), "accuracy").p_value()
        return plain.mcnemar_tells_apart(one[0].wrong, other[0].wrong), p < ALPHA

    return test


def same_way_on_folds(world: World, images: int, folds: int) -> Callable[[int], tuple[bool, bool]]:
    """Return a function that tells whether two runs of one way differ on folds: their images together, and here."""

    def test(number: int) -> tuple[bool, bool]:
        random = np.random.default_rng([SEED, images, folds, number])
        runs: list[list[Sample]] = [[], []]
        for _ in range(folds):
            labels, seen = world.draw_images(random, images // folds)
            own = random.logistic(0.0, 0.4, seen.shape)
            for run in runs:
                probabilities = world.train(random, labels, seen, own)
                run.append(sample_of(labels, probabilities, np.arange(len(labels)), ["accuracy"]))
        train_images = images * (folds - 1) / folds
        one, other = (pool_folds(run, train_images) for run in runs)
        together = [np.concatenate([sample.wrong for sample in run]) for run in runs]
        return plain.mcnemar_tells_apart(*together), difference(one, other, "accuracy").p_value() < ALPHA

    return test


def surer_model(accuracy: float, images: int) -> Callable[[int], tuple[bool, bool]]:
    """Return a function that tells whether the surer of two models of equal true log loss would be promoted."""
    confidence = accuracy - 0.02

    def loss(sure: float) -> float:
        return float(-accuracy * np.log(sure) - (1 - accuracy) * np.log(1 - sure))

    surer = optimize.brentq(lambda sure: loss(sure) - loss(confidence), accuracy, 1 - 1e-12)

    def test(number: int) -> tuple[bool, bool]:
        right = np.random.default_rng([SEED, images, number]).random(images) < accuracy
        labels, unit = np.zeros(images, int), np.arange(images)
        champion, candidate = (
            sample_of(labels, np.where(right, [[sure], [1 - sure]], [[1 - sure], [sure]]).T, unit, JUDGES)
            for sure in (confidence, surer)
        )
        losses = candidate.influence["log_loss"] - champion.influence["log_loss"]
        gain = candidate.score("log_loss") - champion.score("log_loss")
        lower = gain < 0 and not plain.holds_within_two_errors(gain, np.sqrt(variance_over_units(losses)), 0)
        return lower, is_better(judged_differences(champion, candidate, looks=2))

    return test


CALM, RARE = World(), World((0.03, 0.47, 0.3, 0.2))
SURE, PERFECT = World(sureness=3.0), World((0.5, 0.5), skill=10.5)
RESTLESS = World(spread=0.3)


def measure(bench: Bench) -> Iterator[Line]:
    """Yield the lines on intervals, then those on false claims."""
    simulations, many = bench.pick(2000, 30), bench.pick(10_000, 30)
    for images in (20, 50, 140, 340, 1000):
        yield from intervals("a nearly perfect model", PERFECT, images, ("log_loss",), simulations)
        yield from intervals("a class of 3 %", RARE, images, ("balanced_accuracy", "macro_f1"), simulations)
        yield from intervals("too sure a model", SURE, images, ("kappa", "log_loss"), simulations)
    for trainings in (3, 5):
        names = ("kappa", "log_loss", "accuracy")
        yield from intervals(f"mean of {trainings} trainings", RESTLESS, 340, names, simulations, trainings)
    grouped = World(like=1.0)
    yield from intervals(
        "groups of 20 images", grouped, 600, ("kappa", "log_loss", "accuracy"), simulations, group_size=20
    )
    for trainings in (3, 5):
        yield false_claims(
            f"two runs of one way differ, {trainings} trainings, n = 1,000", same_way(RESTLESS, 1000, trainings), many
        )
    for world, word in ((CALM, "alike"), (RESTLESS, "different")):
        case = f"three equal ways, any claim, 5 trainings that are {word}, n = 340"
        yield false_claims(case, equal_ways(world, 340, 3, 5), simulations)
    yield false_claims("two runs of one way differ, 5 folds, n = 1,000", same_way_on_folds(RESTLESS, 1000, 5), many)
    for images in (50, 140, 340):
        yield false_claims(
            f"the surer of two models of equal log loss is promoted, n = {images}",
            surer_model(0.995, images),
            many,
            2.5,
        )

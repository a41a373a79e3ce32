"""Costly mistakes: the confusions that must not happen, counted, and the thresholds that keep them rare.

A confusion is that of a true class with a predicted one, one way. It is counted over the test images of the true class
or, where images have groups such as persons, over their groups: in how many it happens at least once. Its limit is the
exact one-sided upper limit of that rate, at 95 %, for each confusion by itself.

Its threshold is one of the probability of the predicted class: only above it is that class to be said, and else the
likeliest of the others. It is found on validation, which chose the epoch and the temperature, too; what it is worth on
other images, the test images say.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from components.data.artifacts import Report
from components.scores.proportions import ALPHA, independent_units
from components.scores.upper_limits import threshold_below_rate, trials_needed, upper_limit
from components.system.errors import fold_words, unknown_name
from components.system.limits import read_yaml_text

RATE = 0.01  # that a threshold is to stay below, unless validation is too small to show it
FINENESS = 10_000  # of thresholds: of so many steps from 0 to 1


@dataclass(frozen=True)
class Predictions:
    """Probabilities that a model gives to some images.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        groups: Name of each image's group, (n,); empty for an image that is by itself.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    groups: np.ndarray

    def confidences(self, true: int, predicted: int) -> np.ndarray:
        """Return, (units,), the highest probability at which a unit of class `true` is called `predicted`, 0 if never.

        Only an image whose likeliest class is `predicted` is called so.

        A unit is a group of images of the class, or an image that is by itself.
        """
        of_class = self.labels == true
        probabilities = self.probabilities[of_class]
        unit = independent_units(self.groups[of_class], len(probabilities))
        highest = np.zeros(unit.max(initial=-1) + 1)
        is_confused = probabilities.argmax(axis=1) == predicted
        np.maximum.at(highest, unit[is_confused], probabilities[is_confused, predicted])
        return highest

    def right_calls(self, number: int) -> np.ndarray:
        """Return the probability of a class in each image of it that is predicted as it, (images,)."""
        is_right = (self.labels == number) & (self.probabilities.argmax(axis=1) == number)
        return self.probabilities[is_right, number]


@dataclass(frozen=True)
class CostlyMistake:
    """A confusion that must not happen, as it happens on the test images, and its threshold.

    A unit is a group of images of the true class, or an image of it that is by itself.

    Args:
        label: The true class.
        predicted: The class that it must not be called.
        images: Test images of the true class.
        mistakes: How many of them are so called.
        units: Their units.
        units_mistaken: How many of them have a mistake.
        limit: Upper limit of the rate of such units.
        validation_units: Units of the true class on validation; 0 leaves no threshold.
        rate: The rate that the threshold stays below, by its upper limit on validation.
        threshold: The probability above which alone the predicted class is to be said; 0 where nothing has to change.
        right_calls: How many images of the predicted class are called so on validation.
        right_calls_lost: How many of them no longer are, by the threshold.
        units_left: Test units that still have a mistake, by the threshold.
    """

    label: str
    predicted: str
    images: int
    mistakes: int
    units: int
    units_mistaken: int
    limit: float
    validation_units: int
    rate: float
    threshold: float
    right_calls: int
    right_calls_lost: int
    units_left: int

    @property
    def name(self) -> str:
        """What is confused with what, as in `red as green`."""
        return f"{self.label} as {self.predicted}"

    @property
    def words(self) -> str:
        """How often it happened, `2 of 30 images of red called green (at most 19.5 %)`; or `no test image of red`."""
        if not self.images:
            return f"no test image of {self.label}"
        groups = f", in {self.units_mistaken:,} of {self.units:,} groups" if self.units < self.images else ""
        called = f"{self.mistakes:,} of {self.images:,} images of {self.label} called {self.predicted}"
        return f"{called}{groups} (at most {100 * self.limit:.1f} %)"

    @property
    def threshold_sentence(self) -> str:
        """The sentence that offers the threshold, its cost and what it leaves; or that none is needed, or possible."""
        if not self.validation_units:
            return f"Against {self.name} no threshold can be offered: validation has no image of {self.label}."
        units = "groups of images" if self.units < self.images else "images"
        more = f"; {100 * RATE:.0f} % takes {trials_needed(RATE):,}" if self.rate > RATE else ""
        basis = f"95 % limit on {self.validation_units:,} validation {units} of {self.label}{more}"
        promise = f"below {100 * self.rate:.1f} % ({basis})"
        if not self.threshold:
            return f"Against {self.name} no threshold is needed to stay {promise}."
        rule = f"with {self.predicted} said only above a probability of {self.threshold:.4f}"
        return (
            f"Against {self.name}: {rule}, it stays {promise}; "
            f"{self.right_calls_lost:,} of {self.right_calls:,} right calls of {self.predicted} are given up there, "
            f"and on test {self.units_left:,} of {self.units_mistaken:,} mistaken {units} are left."
        )


def read_confusions(never: str, classes: Sequence[str]) -> list[tuple[int, int]]:
    """Return the class numbers, true and predicted, of each confusion in the YAML list of pairs that is `never`.

    Raises:
        UserError: There is no such class.
    """
    pairs = [tuple(map(str, pair)) for pair in read_yaml_text(never)]
    for name in (name for pair in pairs for name in pair):
        if name not in classes:
            raise unknown_name("class", name, classes)
    return [(classes.index(true), classes.index(predicted)) for true, predicted in pairs]


def find_costly_mistakes(
    confusions: Sequence[tuple[int, int]], classes: Sequence[str], test: Predictions, validation: Predictions
) -> list[CostlyMistake]:
    """Return each confusion as it happens on test, with the threshold that validation gives, in the order given.

    Args:
        confusions: Numbers of the true and the predicted class.
        classes: Names of the classes.
        test: Predictions of the test images.
        validation: Predictions of the validation images.
    """
    mistakes = []
    for true, predicted in confusions:
        seen, validated = (predictions.confidences(true, predicted) for predictions in (test, validation))
        rate = max(RATE, upper_limit(0, len(validated)))
        exact = threshold_below_rate(validated, rate) or 0.0
        threshold, right = math.ceil(exact * FINENESS) / FINENESS, validation.right_calls(predicted)
        is_true = test.labels == true
        count = int(np.sum(test.probabilities[is_true].argmax(axis=1) == predicted))
        mistakes.append(
            CostlyMistake(
                classes[true], classes[predicted], int(is_true.sum()), count, len(seen), int(np.sum(seen > 0)),
                upper_limit(int(np.sum(seen > 0)), len(seen)), len(validated), rate, threshold,
                len(right), int(np.sum(right <= threshold)), int(np.sum(seen > threshold)),
            )
        )  # fmt: skip
    return mistakes


def costly_mistakes(report: Report) -> list[CostlyMistake]:
    """Return the costly mistakes that a report has counted; [] where no confusion was named."""
    return [CostlyMistake(**values) for values in report.facts.never]


def costly_words(trainings: Sequence[Report]) -> str:
    """Return the sentence on a way's costly mistakes, each in its worst training; "" where no confusion was named."""
    each = zip(*(costly_mistakes(report) for report in trainings), strict=False)
    worst = [max(mistakes, key=lambda one: (one.limit, one.mistakes)) for mistakes in each]
    where = f" in the worst of {len(trainings)} trainings" if len(trainings) > 1 else ""
    return f"Costly mistakes{where}, with 95 % limits: {fold_words(one.words for one in worst)}." if worst else ""


def costly_metrics(report: Report) -> dict[str, float]:
    """Return, of each, `never/red as green`, mistaken images, and `never/red as green_high`, limit of the units' rate.

    The limit is the upper one, at 95 %, of the rate of units: groups, or images by themselves. What MLflow takes in no
    name is `_`.
    """
    metrics: dict[str, float] = {}
    for mistake in costly_mistakes(report):
        name = re.sub(r"[^\w .-]", "_", mistake.name[:200])
        metrics |= {f"never/{name}": mistake.mistakes, f"never/{name}_high": mistake.limit}
    return metrics


def threshold_sentences(report: Report) -> list[str]:
    """Return a sentence on the threshold against each costly mistake of a report; [] where no confusion was named."""
    return [mistake.threshold_sentence for mistake in costly_mistakes(report)]


def compare_costly_mistakes(candidate: Report, champion: Report) -> tuple[bool, list[str]]:
    """Return whether a candidate makes any costly mistake more than the champion, beyond chance; a sentence on each.

    They are those that either report names. A confusion is more frequent where McNemar's exact test says so at
    `ALPHA`, one-sided and shared out among the confusions, of the units in which one of the two models has it alone.

    Args:
        candidate: The report on the candidate.
        champion: That on the champion, on the same test images.
    """
    confusions = {
        (one["label"], one["predicted"]): None for report in (champion, candidate) for one in report.facts.never
    }
    is_costlier, sentences = False, []
    for label, predicted in confusions:
        first, second = (mistaken_units(report, label, predicted) for report in (champion, candidate))
        more, fewer = int((second & ~first).sum()), int((first & ~second).sum())
        p = stats.binomtest(more, more + fewer, alternative="greater").pvalue if more else 1.0
        p = min(p * len(confusions), 1.0)
        is_costlier |= bool(p < ALPHA)
        counts = (
            f"{one.sum():,} of {len(one):,} (at most {100 * upper_limit(int(one.sum()), len(one)):.1f} %)"
            for one in (second, first)
        )
        verdict = "significantly more" if p < ALPHA else "not significantly more"
        sentences.append(f"{label} as {predicted} {' against '.join(counts)} of the champion: {verdict}, p = {p:.2g}")
    return is_costlier, sentences


def mistaken_units(report: Report, label: str, predicted: str) -> pd.Series:
    """Return whether any image of each unit of class `label` is predicted `predicted`, by (group, file if alone)."""
    table = report.table("predictions.csv")
    of_class = table[table["label"] == label]
    alone = of_class["file"].where(of_class["group"] == "", "")
    return (of_class["predicted"] == predicted).groupby([of_class["group"], alone]).any()

"""The registry of scores: one entry defines a score, and is all that a new score needs.

Each is computed from sums over images: how far each image moves it, and so its interval, follows from that.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LOWEST_PROBABILITY = sys.float_info.epsilon  # 2.2e-16, as in scikit-learn: lower ones are raised to it before the log


@dataclass(frozen=True)
class Sums:
    """Sums over the images of one or more sets, from which every score is computed.

    Args:
        losses: Sum of the log losses, in nats, (sets,).
        actual: Images of each class, (sets, classes).
        predicted: Images predicted as each class, (sets, classes).
        correct: Images of each class that are predicted as it, (sets, classes).
    """

    losses: "np.ndarray"
    actual: "np.ndarray"
    predicted: "np.ndarray"
    correct: "np.ndarray"

    @cached_property
    def images(self) -> "np.ndarray":
        """Number of images in each set, (sets,)."""
        return self.actual.sum(axis=1)

    @cached_property
    def accuracy(self) -> "np.ndarray":
        """Share of the images that are predicted correctly, (sets,); 0 for a set without images."""
        return ratio_or_zero(self.correct.sum(axis=1), self.images)

    @cached_property
    def chance_accuracy(self) -> "np.ndarray":
        """Accuracy to expect of the same predictions assigned to the images at random, (sets,); 0 without images."""
        return ratio_or_zero((self.actual * self.predicted).sum(axis=1), self.images**2)


@dataclass(frozen=True)
class Score:
    """Definition of a score.

    Args:
        title: Its name in tables and sentences.
        compute: Function from sums over some sets to the score of each set, (sets,).
        bounds: Lowest and highest possible value.
        better: Whether higher or lower values are better.
        main: Whether it is a column in tables and in MLflow's view and a panel in figures, and is computed on
            validation too.
        tested: Whether pairs of models are tested by it.
        on_validation: Whether tables show it on validation, too.
        follows: What its exact limits come from: the error rate (`errors`; of `agreement`, beyond chance, and of
            `losses`, which have no limit, too), the `recalls` of the classes or the `overlaps` of what is of a class
            and what is predicted as it.
        per_error: Function from sums, and the mean loss that the model itself would expect of a mistake, to the change
            of the score per unit of the error rate.
    """

    title: str
    compute: "Callable[[Sums], np.ndarray]"
    bounds: tuple[float, float] = (0.0, 1.0)
    better: Literal["higher", "lower"] = "higher"
    main: bool = False
    tested: bool = False
    on_validation: bool = False
    follows: Literal["errors", "agreement", "losses", "recalls", "overlaps"] = "errors"
    per_error: "Callable[[Sums, float], float]" = lambda sums, imagined: -1.0

    @property
    def heading(self) -> str:
        """Heading of its panel in figures, such as `Kappa (higher is better)`."""
        return f"{self.title[0].upper()}{self.title[1:]} ({self.better} is better)"

    def best(self, values: "pd.Series") -> float:
        """Return the highest of several values of the score, or the lowest where lower is better; gaps are left out."""
        return float(values.max() if self.better == "higher" else values.min())


def ratio_or_zero(part: "np.ndarray", whole: "np.ndarray") -> "np.ndarray":
    """Return part / whole, element by element; 0 where the whole is 0 or less."""
    import numpy as np

    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 0)


def kappa(sums: Sums) -> "np.ndarray":
    """Return Cohen's kappa of each set, (sets,); 0 for one without images or with labels and predictions of one class.

    Source: Cohen, doi:10.1177/001316446002000104.
    """
    return ratio_or_zero(sums.accuracy - sums.chance_accuracy, 1 - sums.chance_accuracy)


def room_beyond_chance(sums: Sums) -> float:
    """Return 1 minus the first set's chance accuracy; 0 if all its images are of one class, which tell no kappa."""
    return float(1 - sums.chance_accuracy[0]) * bool((sums.actual[0] > 0).sum() > 1)


def log_loss(sums: Sums) -> "np.ndarray":
    """Return each set's mean log loss, in nats, (sets,); 0 for a set without images."""
    return ratio_or_zero(sums.losses, sums.images)


def balanced_accuracy(sums: Sums) -> "np.ndarray":
    """Return each set's mean recall over the classes that have images in it, (sets,); 0 for a set without images."""
    return ratio_or_zero(ratio_or_zero(sums.correct, sums.actual).sum(axis=1), (sums.actual > 0).sum(axis=1))


def macro_f1(sums: Sums) -> "np.ndarray":
    """Return each set's mean F1 over classes with images in it, not those only predicted, (sets,); 0 without images."""
    class_f1 = ratio_or_zero(2 * sums.correct, sums.actual + sums.predicted)
    return ratio_or_zero(class_f1.sum(axis=1), (sums.actual > 0).sum(axis=1))


SCORES = {
    "kappa": Score(
        "kappa", kappa, (-1.0, 1.0), main=True, tested=True, on_validation=True, follows="agreement",
        per_error=lambda sums, imagined: -1 / max(room_beyond_chance(sums), LOWEST_PROBABILITY),
    ),
    "log_loss": Score(
        "log loss", log_loss, (0.0, -math.log(LOWEST_PROBABILITY)), "lower",
        main=True, tested=True, on_validation=True, follows="losses",
        per_error=lambda sums, imagined: imagined - log_loss(sums)[0] * bool(sums.accuracy[0]),
    ),
    "accuracy": Score("accuracy", lambda sums: sums.accuracy, main=True, tested=True),
    "balanced_accuracy": Score("balanced accuracy", balanced_accuracy, follows="recalls"),
    "macro_f1": Score("macro-F1", macro_f1, follows="overlaps"),
}  # fmt: skip

MAIN = [name for name, score in SCORES.items() if score.main]
VALIDATION = [f"validation_{name}" for name in MAIN]
CHOICE = "validation_log_loss"  # models are chosen by its lowest value
HEADLINE = "kappa"  # the score that a verdict names first
EXACT = "accuracy"  # its interval and its test are exact; pairs are judged by it first
TESTED = [EXACT, *(name for name, score in SCORES.items() if score.tested and name != EXACT)]

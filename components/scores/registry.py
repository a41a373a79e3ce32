"""The registry of scores: an entry says all that is known of one, and is all that a new one needs.

Each is computed from sums over images, which can be resampled: its interval comes with it.
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

LOWEST_PROBABILITY = sys.float_info.epsilon  # 2.2e-16, as in scikit-learn: of less, no log is taken


@dataclass(frozen=True)
class Sums:
    """What scores are computed from: sums over the images of some sets.

    Args:
        losses: The log losses, in nats, (sets,).
        of: The images of each class, (sets, classes).
        predicted: Those predicted as it, (sets, classes).
        right: Those rightly so, (sets, classes).
    """

    losses: "np.ndarray"
    of: "np.ndarray"
    predicted: "np.ndarray"
    right: "np.ndarray"

    @cached_property
    def images(self) -> "np.ndarray":
        """The images of each set, (sets,)."""
        return self.of.sum(axis=1)

    @cached_property
    def accuracy(self) -> "np.ndarray":
        """The share of right images, (sets,)."""
        return quotient(self.right.sum(axis=1), self.images)

    @cached_property
    def by_chance(self) -> "np.ndarray":
        """The accuracy of as many predictions of each class that fall on images by chance, (sets,)."""
        return quotient((self.of * self.predicted).sum(axis=1), self.images**2)


@dataclass(frozen=True)
class Score:
    """A score.

    Args:
        title: What it is called in tables and sentences.
        of: What computes it: from sums over some sets to the score of each, (sets,).
        possible: The lowest and the highest that it can be.
        better: Which end is better.
        main: Whether it is a column in tables and in MLflow's view and a panel in figures, and is known on validation.
        tested: Whether pairs of models are tested by it.
        on_validation: Whether tables show it on validation, too.
        scale: From sums to the accuracy that one unit of it is worth, while images and predictions of each class stay
            as many as they are; None of a score that more than the predicted classes determines.
    """

    title: str
    of: "Callable[[Sums], np.ndarray]"
    possible: tuple[float, float] = (0.0, 1.0)
    better: Literal["higher", "lower"] = "higher"
    main: bool = False
    tested: bool = False
    on_validation: bool = False
    scale: "Callable[[Sums], np.ndarray | float] | None" = lambda sums: 1.0

    @property
    def heading(self) -> str:
        """What stands above its panel."""
        return f"{self.title[0].upper()}{self.title[1:]} ({self.better} is better)"

    def best(self, values: "pd.Series") -> float:
        """Return the best of some values."""
        return float(values.max() if self.better == "higher" else values.min())


def quotient(part: "np.ndarray", whole: "np.ndarray") -> "np.ndarray":
    """Return part / whole, 0 where the whole is 0."""
    import numpy as np

    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 0)


def kappa(sums: Sums) -> "np.ndarray":
    """Return Cohen's kappa; 0 where labels and predictions are all of one class, which leaves it undefined.

    Source: Cohen, doi:10.1177/001316446002000104.
    """
    return quotient(sums.accuracy - sums.by_chance, 1 - sums.by_chance)


def balanced_accuracy(sums: Sums) -> "np.ndarray":
    """Return the mean recall of the classes that there are."""
    return quotient(quotient(sums.right, sums.of).sum(axis=1), (sums.of > 0).sum(axis=1))


def macro_f1(sums: Sums) -> "np.ndarray":
    """Return the mean F1 of the classes that there are."""
    return quotient(quotient(2 * sums.right, sums.of + sums.predicted).sum(axis=1), (sums.of > 0).sum(axis=1))


SCORES = {
    "kappa": Score(
        "kappa", kappa, (-1.0, 1.0), main=True, tested=True, on_validation=True, scale=lambda sums: 1 - sums.by_chance
    ),
    "log_loss": Score(
        "log loss", lambda sums: quotient(sums.losses, sums.images), (0.0, -math.log(LOWEST_PROBABILITY)), "lower",
        main=True, tested=True, on_validation=True, scale=None,
    ),
    "accuracy": Score("accuracy", lambda sums: sums.accuracy, main=True, tested=True),
    "balanced_accuracy": Score("balanced accuracy", balanced_accuracy),
    "macro_f1": Score("macro-F1", macro_f1),
}  # fmt: skip

MAIN = [name for name, score in SCORES.items() if score.main]
VALIDATION = [f"validation_{name}" for name in MAIN]
CHOICE = "validation_log_loss"  # what models are chosen by
HEADLINE = "kappa"  # what a verdict names first
EXACT = "accuracy"  # the share of right images: its interval and its test are exact, and pairs are judged by it first
TESTED = [EXACT, *(name for name, score in SCORES.items() if score.tested and name != EXACT)]

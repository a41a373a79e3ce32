"""Holding back: which images a delivered model answers, for a share of right answers that validation promises.

The margins are tested one after the other, from a high one down, as long as the lower limit of the share of right
answers is at least the one asked for: a sequence of tests that ends at its first failure needs no correction.

Source: Angelopoulos et al., Learn then Test, arXiv 2110.01052; Geifman & El-Yaniv, Selective Classification for Deep
Neural Networks, arXiv 1705.08500.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from components.system.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
FIRST = 0.25  # share of validation that is answered in the first test
SLACK = 1e-4  # by which a margin or a loss may differ where it is computed again
SUREST = 30.0  # margins beyond are as good as this, which probabilities of 32 bits can still tell


class Promise(NamedTuple):
    """A margin from which on a model answers, and what validation says of it.

    Args:
        at_least: The share of right answers that is promised.
        margin: That an image must have to be answered.
        answered: Share of validation that has it.
        trials: How many validation images that is, or groups of images.
        mistakes: How many of them are wrong.
    """

    at_least: float
    margin: float
    answered: float
    trials: float
    mistakes: float

    @property
    def sentence(self) -> str:
        """The sentence on what is answered, what is promised of that, and how much is left to a person."""
        return (
            f"At least {self.at_least:.1%} of the answers are right, by the 95 % limit on validation (wrong are "
            f"{self.mistakes:.1f} of {self.trials:.1f}): only what is at least {math.exp(self.margin):.3g} times as "
            f"probable as the next class is answered, which leaves about {1 - self.answered:.0%} to a person."
        )


def find_promise(promises: "pd.DataFrame | None", at_least: float) -> Promise:
    """Return the lowest margin above which validation promises a share of right answers.

    Args:
        promises: The table `promises.csv` of a classifier: margin, trials, mistakes, right; None for none.
        at_least: The share, in (0, 1).

    Raises:
        UserError: The share is out of range, or validation promises no such share.
    """
    if not 0 < at_least < 1:
        raise UserError(f"a share of right answers lies between 0 and 1, as in 0.95; received {at_least:g}")
    if promises is None or promises.empty:
        raise UserError("validation promises nothing of this model: it is an average, an exported file, or of an "
                        "earlier version; hold back with another, or train it again")  # fmt: skip
    passed = passed_rows(promises, at_least)
    if passed:
        row, images = promises.iloc[passed - 1], float(promises["trials"].iloc[-1])
        return Promise(at_least, float(row["margin"]), row["trials"] / images, row["trials"], row["mistakes"])
    highest = next((share for share in np.arange(99, 0, -1) / 100 if passed_rows(promises, float(share))), 0.0)
    best = f"at most {highest:g} can be promised" if highest else "nothing can be promised"
    raise UserError(
        f"validation cannot promise that {at_least:g} of the answers are right: {best}, by its "
        f"{promises['trials'].iloc[-1]:.0f} images or groups ({at_least:g} takes {fewest_trials(at_least)} answers, "
        "none of them wrong); ask for less, or validate on more"
    )


def passed_rows(promises: "pd.DataFrame", at_least: float) -> int:
    """Return how many rows of a table of promises, from the first, are at or above the margin that promises a share.

    It is 0 where none does. The first test is where a quarter of validation is answered, or as many images as could
    show the share if none of them were wrong, if these are more.
    """
    trials = promises["trials"].to_numpy()
    first = int(np.searchsorted(trials, max(fewest_trials(at_least), FIRST * trials[-1]) - 1e-6))
    holds = promises["right"].to_numpy()[first:] >= at_least
    ends = np.flatnonzero(~holds)
    passed = int(ends[0]) if len(ends) else len(holds)
    return first + passed if passed else 0


def fewest_trials(at_least: float) -> int:
    """Return how many answers without a mistake bring the lower limit of the share of right ones to this one."""
    return math.ceil(math.log(1 - LEVEL) / math.log(at_least) - 1e-9)


def margins(probabilities: np.ndarray) -> np.ndarray:
    """Return the logarithm of how many times likelier the likeliest class is than the next, (n,), at most `SUREST`.

    Args:
        probabilities: Of each class, (n, classes); of one class alone the margin is `SUREST`.
    """
    if probabilities.shape[1] < 2:
        return np.full(len(probabilities), SUREST)
    second, first = np.sort(probabilities.astype(np.float64), axis=1)[:, -2:].T
    return np.log(first) - np.log(np.maximum(second, first * math.exp(-SUREST)))

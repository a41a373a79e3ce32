"""Selective prediction: what share of right answers validation promises to a model that answers only where it is sure.

How sure a model is of an image is its margin, the logarithm of how many times likelier the likeliest class is than the
next: a temperature changes no order of margins. Validation has chosen the model among candidates, such as the epochs of
a training, so that its own mistakes there are fewer than elsewhere. They are therefore counted crosswise: one half of
validation chooses a candidate as all of it did, the other half is answered by that, and the reverse; over several
halvings. Images of one group, such as a person's, count together as one image, the mean of theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import softmax

from components.scores.abstention import SLACK, margins
from components.scores.proportions import ALPHA, exact_interval, independent_units

HALVINGS = 10
ROWS = 200  # of a table, at most


@dataclass(frozen=True)
class Candidates:
    """What each candidate for a model makes of the validation images.

    Args:
        outcomes: Of each candidate, as `find_outcome` returns it, (candidates, 3, n).
        by_accuracy: Whether the best candidate is the one with the fewest mistakes, not with the lowest log loss.
    """

    outcomes: np.ndarray
    by_accuracy: bool = False

    def best(self, images: np.ndarray) -> int:
        """Return the number of the candidate that some images, an array of their numbers, would choose."""
        criteria = self.outcomes[:, 2 if self.by_accuracy else 0]
        return int(criteria[:, images].mean(axis=1).argmin())


NO_CANDIDATES = Candidates(np.empty((0, 3, 0)))


def find_outcome(labels: np.ndarray, logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return what a candidate makes of images, float32 (3, n): log losses, margins, and 1 where it is wrong, else 0.

    Args:
        labels: Number of the true class, (n,).
        logits: Of each class, (n, classes).
        temperature: What the logits are divided by.
    """
    probabilities = softmax(logits.astype(np.float64) / temperature, axis=1)
    losses = -np.log(probabilities[np.arange(len(labels)), labels] + 1e-30)
    return np.stack([losses, margins(probabilities), probabilities.argmax(axis=1) != labels]).astype(np.float32)


def join_candidates(parts: Sequence[Candidates]) -> Candidates:
    """Return all candidates of one or more sets as one, in order; by the criterion of the first set."""
    return Candidates(np.concatenate([part.outcomes for part in parts]), parts[0].by_accuracy)


def answer_crosswise(candidates: Candidates, groups: np.ndarray | None) -> pd.DataFrame:
    """Return validation images as answered by candidates that they did not choose: loss, margin, wrong, weight.

    There is a row for each image in each halving; the weights of all rows of a group, or of an image by itself, are 1
    together. One candidate alone answers every image once. There is no row without a candidate, nor for several where
    validation is one group.

    Args:
        candidates: What can be chosen.
        groups: Name of each image's group, (n,), empty for an image by itself; None for no groups.
    """
    count, _, images = candidates.outcomes.shape
    unit = independent_units(groups, images)
    sizes, numbers = np.bincount(unit), np.arange(images)
    answered = [(0, numbers)] if count == 1 else []
    if count > 1 and len(sizes) > 1:
        random = np.random.default_rng(0)
        for _ in range(HALVINGS):
            is_first = np.isin(unit, random.permutation(len(sizes))[: len(sizes) // 2])
            halves = numbers[is_first], numbers[~is_first]
            answered += [(candidates.best(one), other) for one, other in (halves, halves[::-1])]
    parts = [
        pd.DataFrame(candidates.outcomes[best][:, image].T, columns=["loss", "margin", "wrong"]).assign(
            weight=1 / sizes[unit[image]] / (1 if count == 1 else HALVINGS)
        )
        for best, image in answered
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["loss", "margin", "wrong", "weight"])


def promise_table(answers: pd.DataFrame) -> pd.DataFrame:
    """Return what is promised above each of up to 200 margins, from the highest down: margin, trials, mistakes, right.

    `trials` are the answers given at that margin or above, `mistakes` those of them that are wrong, both in images or
    groups and no whole numbers; `right` is the lower limit of the share of right ones, as `lower_limits` gives it.

    Args:
        answers: As `answer_crosswise` returns them.
    """
    ranked = answers.astype(float).sort_values("margin", ascending=False, kind="stable")
    trials, mistakes = ranked["weight"].cumsum(), (ranked["weight"] * ranked["wrong"]).cumsum()
    table = pd.DataFrame({"margin": ranked["margin"] - SLACK, "trials": trials, "mistakes": mistakes})
    table = table[~table.duplicated("margin", keep="last")]  # images of one margin are answered together
    steps = np.floor(np.round(table["trials"] * ROWS / trials.max(), 6))
    table = table[~steps.duplicated(keep="last")].reset_index(drop=True).round(6)
    return table.assign(right=lower_limits(table, 1))


def lower_limits(promises: pd.DataFrame, choices: int) -> np.ndarray:
    """Return the exact one-sided lower limit of the share of right answers at each margin, (rows,), at 95 %.

    Args:
        promises: Its columns `trials` and `mistakes` are read.
        choices: Models of which validation chose one: 95 % are then to hold for all of them at once.

    Source: Clopper & Pearson, doi:10.1093/biomet/26.4.404.
    """
    counts = zip(promises["mistakes"].tolist(), promises["trials"].tolist(), strict=True)
    return np.array([round(1 - exact_interval(wrong, trials, 2 * ALPHA / choices)[1], 6) for wrong, trials in counts])

"""Sets of classes with a stated coverage: split conformal prediction on validation, whose images count crosswise.

A class is in an image's set where its log loss would be at most the loss that all but a few validation images have: the
score of Sadinle et al., whose sets are the smallest on average of all with their coverage (RAPS evens out the coverage
of easy and hard images, by larger sets). The coverage is marginal: on average over draws of validation and of one more
image like its images, or of one image of one more group. Over a single validation it varies, by about
sqrt(coverage (1 - coverage) / n). For a model of which validation chose nothing it is at least what is stated; for a
candidate that validation chose it rests on the losses of `selective.answer_crosswise`: simulated, not proven.

Source: Sadinle et al., doi:10.1080/01621459.2017.1395341; groups: Dunn et al., doi:10.1080/01621459.2022.2060112.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from components.scores.abstention import SLACK
from components.system.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

COVERAGES = np.r_[np.arange(500, 990, 5), np.arange(990, 1000)] / 1000
FLOOR = 1e-30  # is added to probabilities, as `selective.find_outcome` does


class Coverage(NamedTuple):
    """The loss up to which a class is in an image's set, and what coverage that has.

    Args:
        stated: Share of images whose set is to hold the true class.
        loss: Log loss of a class that is just in the set; infinite where validation is too small for another.
        units: Validation images, or groups of them, that it rests on.
    """

    stated: float
    loss: float
    units: int

    @property
    def sentence(self) -> str:
        """The sentence on what share of sets holds the true class, and where it holds, or why sets are all classes."""
        if np.isinf(self.loss):
            return (
                f"Every set is all classes: {self.units:,} validation images or groups are too few to leave any class "
                f"out at a coverage of {self.stated:.1%}."
            )
        return (
            f"Sets hold the true class of at least {self.stated:.1%} of images like those of validation, on average "
            f"over draws of its {self.units:,} images or groups and of new ones."
        )


def coverage_table(answers: "pd.DataFrame") -> "pd.DataFrame":
    """Return the loss up to which a class is in a set, for each of about 100 coverages from 0.5: coverage, loss, units.

    A coverage has no row where validation is too small for it. There are no rows without answers.

    Args:
        answers: Validation images, `loss` and `weight`, as `selective.answer_crosswise` returns them.
    """
    import pandas as pd

    ranked = answers.astype(float).sort_values("loss", kind="stable")
    below, losses = ranked["weight"].cumsum().to_numpy(), ranked["loss"].to_numpy()
    units = round(float(below[-1])) if len(below) else 0
    numbers = np.searchsorted(below, COVERAGES * (units + 1) - 1e-6)  # one more image may have any loss
    holds = numbers < len(losses)
    return pd.DataFrame({
        "coverage": COVERAGES[holds], "loss": (losses[numbers[holds]] + SLACK).round(6), "units": units,
    })  # fmt: skip


def lower_coverages(coverages: "pd.DataFrame", choices: int) -> np.ndarray:
    """Return the coverages of a table, (rows,), less what the choice of one of several models may take off, at least 0.

    That is at most how far the luckiest of them lies above its own coverage on average: the maximum of `choices` normal
    variables with the variance of a share.

    Args:
        coverages: Its columns `coverage` and `units` are read.
        choices: Models of which validation chose one.

    Source: Boucheron et al., Concentration Inequalities, theorem 2.5, doi:10.1093/acprof:oso/9780199535255.001.0001.
    """
    shares, units = coverages["coverage"].to_numpy(), coverages["units"].to_numpy()
    return np.maximum(shares - np.sqrt(2 * np.log(choices) * shares * (1 - shares) / units), 0).round(6)


def find_coverage(coverages: "pd.DataFrame | None", stated: float) -> Coverage:
    """Return the loss up to which a class is in an image's set, for sets of a coverage, and what it rests on.

    Args:
        coverages: The table `coverages.csv` of a classifier: coverage, loss, units; None for none.
        stated: The share of images whose set is to hold the true class, in (0, 1).

    Raises:
        UserError: The share is out of range, or the model has no such table.
    """
    if not 0 < stated < 1:
        raise UserError(f"the coverage of sets lies between 0 and 1, as in 0.90; received {stated:g}")
    if coverages is None or coverages.empty:
        raise UserError("validation states no coverage for this model: it is an average, an exported file, of an "
                        "earlier version, or validated on one image; take another, or train it again")  # fmt: skip
    enough = coverages[coverages["coverage"] >= stated - 1e-9]
    loss = np.inf if enough.empty else float(enough["loss"].iloc[0])
    return Coverage(stated, loss, int(coverages["units"].iloc[0]))


def class_sets(probabilities: np.ndarray, loss: float) -> np.ndarray:
    """Return which classes are in the set of each image, bool (n, classes): those of at most a loss, and the likeliest.

    Args:
        probabilities: Of each class, (n, classes).
        loss: The loss of `find_coverage`.
    """
    held = -np.log(probabilities.astype(np.float64) + FLOOR) <= loss
    held[np.arange(len(held)), probabilities.argmax(axis=1)] = True
    return held


def name_sets(probabilities: np.ndarray, loss: float, classes: Sequence[str]) -> list[list[str]]:
    """Return the names of the classes in the set of each image, the likeliest first.

    Args:
        probabilities: Of each class, (n, classes).
        loss: The loss of `find_coverage`.
        classes: Names of the classes.
    """
    orders = np.argsort(-probabilities, axis=1, kind="stable")
    rows = zip(orders, class_sets(probabilities, loss), strict=True)
    return [[classes[number] for number in order if held[number]] for order, held in rows]

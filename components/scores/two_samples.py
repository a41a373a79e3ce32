"""One model on two samples of different images: differences of its scores, of images that nothing pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.scores.estimates import Estimate, Sample, estimate
from components.scores.p_values import p_of_intervals
from components.scores.proportions import ALPHA, FEWEST, Interval
from components.scores.registry import SCORES


@dataclass(frozen=True)
class Change:
    """The change of a score from one sample of images to another, second minus first.

    Args:
        first: The score on the first images.
        second: That on the second.
        is_lower_better: Whether a fall is an improvement.
    """

    first: Estimate
    second: Estimate
    is_lower_better: bool = False

    @property
    def value(self) -> float:
        """The score on the second images minus that on the first."""
        return self.second.value - self.first.value

    def interval(self, alpha: float = ALPHA) -> Interval:
        """Return the interval of the change at level 1 - alpha; of fewer than `FEWEST` units on a side, its bounds.

        The distances of its ends are the roots of summed squares of those that the intervals of the two scores have.

        Source: Zou & Donner, Construction of Confidence Limits about Effect Measures, doi:10.1002/sim.3095.
        """
        lowest, highest = self.first.bounds
        if min(self.first.units, self.second.units) < FEWEST:
            return lowest - highest, highest - lowest
        (low, high), (other_low, other_high) = self.first.interval(alpha), self.second.interval(alpha)
        fall = np.hypot(self.second.value - other_low, high - self.first.value)
        rise = np.hypot(other_high - self.second.value, self.first.value - low)
        return float(self.value - fall), float(self.value + rise)

    def p_value(self) -> float:
        """Return the two-sided p of no change, by its intervals, from 1e-12 to 1; 1 of too few units."""
        too_few = min(self.first.units, self.second.units) < FEWEST
        return 1.0 if too_few else p_of_intervals(self.value, self.interval)

    @property
    def is_for_the_worse(self) -> bool:
        """Whether the score is worse on the second images, beyond chance or not."""
        return self.value > 0 if self.is_lower_better else self.value < 0


def changes_of(first: Sample, second: Sample, names: Sequence[str]) -> dict[str, Change]:
    """Return the Change in each named score from the first sample to the second, by name."""
    return {
        name: Change(estimate(first, name), estimate(second, name), SCORES[name].better == "lower") for name in names
    }

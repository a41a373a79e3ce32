"""P values of a difference, from its intervals, and their correction for how many there are."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import optimize

from components.scores.proportions import Interval

LOWEST_P = 1e-12


def p_of_intervals(value: float, interval: Callable[[float], Interval]) -> float:
    """Return the two-sided p of a value being 0: the level at which its interval begins to hold 0, from 1e-12 to 1.

    Args:
        value: The estimate; where it is 0, p is 1.
        interval: Its interval, (low, high), at level 1 - alpha, for any alpha.
    """

    def distance(log_alpha: float) -> float:
        """Return how far 0 is outside the interval at level 1 - exp(log_alpha); negative if it is inside."""
        low, high = interval(float(np.exp(log_alpha)))
        return low if value > 0 else -high

    lowest = float(np.log(LOWEST_P))
    if value == 0 or distance(0.0) <= 0:
        return 1.0
    return LOWEST_P if distance(lowest) > 0 else float(np.exp(optimize.brentq(distance, lowest, 0.0)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for all of them, in their order, each at most 1.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(order), 0, -1)
    corrected = np.maximum.accumulate(factors * np.asarray(p_values)[order])
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(corrected, 1)
    return adjusted.tolist()

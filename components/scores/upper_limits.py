"""Rates of mistakes that are to stay rare: their exact upper limits, and thresholds that keep them below a rate."""

import math

import numpy as np
from scipy import stats

from components.scores.proportions import LEVEL, exact_interval


def upper_limit(events: int, trials: int) -> float:
    """Return the exact one-sided 95 % upper limit of the rate events / trials; 1 without trials.

    Of no events it is about 3 / trials, the rule of three.

    Source: Clopper & Pearson, doi:10.1093/biomet/26.4.404.
    """
    return exact_interval(events, trials, 2 * (1 - LEVEL))[1]


def trials_needed(rate: float) -> int:
    """Return the fewest trials that, without an event, bring the 95 % upper limit down to a rate in (0, 1)."""
    return math.ceil(math.log(1 - LEVEL) / math.log(1 - rate))


def threshold_below_rate(scores: np.ndarray, rate: float) -> float | None:
    """Return the lowest of the scores that trials exceed at a rate of 95 % upper limit `rate` or less; None if none is.

    At that threshold the true rate is at most this one in 95 % of samples, whatever the scores are distributed like,
    since it is one of them: the threshold is a tolerance limit. It is the place, too, where tests of one threshold
    after the other, from the highest, would end.

    Args:
        scores: Of each trial, 0 or more, (trials,); they are drawn independently.
        rate: The rate to stay below, in (0, 1).

    Source: Wilks, doi:10.1214/aoms/1177731788; as tests in a sequence, Angelopoulos et al., Learn then Test,
    arXiv 2110.01052.
    """
    events = np.arange(len(scores))
    allowed = int(np.sum(stats.beta.ppf(LEVEL, events + 1, len(scores) - events) <= rate * (1 + 1e-9)))
    return float(np.sort(scores)[-allowed]) if allowed else None

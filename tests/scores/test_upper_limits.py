"""Upper limits of rare mistakes, by cases whose answer is known and by what they promise."""

import numpy as np
import pytest

from components.scores.upper_limits import threshold_below_rate, trials_needed, upper_limit


@pytest.mark.parametrize(
    ("events", "trials", "limit"),
    [(0, 0, 1), (0, 1, 0.95), (0, 299, 0.009969), (2, 30, 0.195326), (5, 5, 1)],  # 1 - 0.05 ** (1 / trials) of none
)
def test_limits_are_exact(events, trials, limit):
    assert upper_limit(events, trials) == pytest.approx(limit, abs=1e-6)


@pytest.mark.parametrize("rate", [0.2, 0.01, 0.001])
def test_so_many_trials_without_an_event_show_a_rate_and_no_fewer(rate):
    assert upper_limit(0, trials_needed(rate)) <= rate < upper_limit(0, trials_needed(rate) - 1)


def test_a_threshold_lets_through_as_many_as_the_limit_allows():
    scores = np.r_[np.zeros(470), np.linspace(0.4, 0.99, 30)]
    assert upper_limit(1, 500) < 0.01 < upper_limit(2, 500)
    threshold = threshold_below_rate(scores, 0.01)
    assert np.sum(scores > threshold) == 1
    assert threshold_below_rate(scores[:470], 0.01) == 0
    assert threshold_below_rate(scores, 0.001) is None and threshold_below_rate(scores[:0], 0.5) is None


@pytest.mark.parametrize(("trials", "rate"), [(40, upper_limit(0, 40)), (299, 0.01), (500, 0.05)])
def test_the_true_rate_above_a_threshold_is_too_high_in_one_sample_of_twenty(trials, rate):
    """One trial in five has a score, uniform from 0 to 1, so that the true rate above a threshold is known."""
    random = np.random.default_rng(0)
    scores = np.where(random.random((1000, trials)) < 0.2, random.random((1000, trials)), 0)
    thresholds = np.array([threshold_below_rate(row, rate) for row in scores])
    assert 0.02 < np.mean(0.2 * (1 - thresholds) > rate) < 0.07

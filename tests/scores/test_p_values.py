"""P values of a difference, from its intervals."""

import pytest
from scipy import stats

from components.scores.p_values import LOWEST_P, holm, p_of_intervals


@pytest.mark.parametrize("value", [-3.0, -0.4, 0.0, 0.2, 2.5])
def test_p_of_a_normal_estimate_s_intervals_is_that_of_its_test(value):
    def interval(alpha):
        return stats.norm.interval(1 - alpha, loc=value)

    assert p_of_intervals(value, interval) == pytest.approx(2 * stats.norm.sf(abs(value)))


def test_p_is_no_less_than_can_be_told():
    assert p_of_intervals(1.0, lambda alpha: (0.9, 1.1)) == LOWEST_P


def test_holm_corrects_each_p_by_how_many_are_as_large():
    assert holm([0.04, 0.01, 0.9]) == pytest.approx([0.08, 0.03, 0.9])
    assert holm([0.03, 0.02]) == pytest.approx([0.04, 0.04])
    assert holm([0.8, 0.7]) == [1, 1]

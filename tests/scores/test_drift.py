"""Two tests of drift: how often they are wrong about images that are alike, and whether they see those that are not."""

import numpy as np
import pytest
from scipy.stats import fisher_exact

from components.scores.drift import low_confidence_test, mean_discrepancy_test

SAMPLES = 400
MOST = 0.075  # 0.05, and more than two standard errors of so many samples


@pytest.mark.parametrize("heavy", [False, True])
def test_images_that_are_alike_are_seldom_told_apart(heavy):
    """Also by features with heavy tails, and where the two samples are of different sizes."""
    random, alarms = np.random.default_rng(0), 0
    for number in range(SAMPLES):
        features = random.standard_t(2, (50, 5)) if heavy else random.standard_normal((50, 5))
        alarms += mean_discrepancy_test(features[:30], features[30:], 99, number)[1] <= 0.05
    assert 0.02 <= alarms / SAMPLES <= MOST


def test_a_shift_and_a_spread_of_features_are_seen():
    random = np.random.default_rng(1)
    known = random.standard_normal((60, 8))
    for new in (random.standard_normal((40, 8)) + 0.8, 3 * random.standard_normal((40, 8))):
        discrepancy, p = mean_discrepancy_test(known, new)
        assert p == 0.001 and discrepancy > 0.01
    assert mean_discrepancy_test(known, known)[1] > 0.9
    assert mean_discrepancy_test(np.ones((9, 2)), np.ones((9, 2)))[1] == 1


def test_confidences_that_are_alike_are_seldom_called_lower():
    random = np.random.default_rng(2)
    found = [low_confidence_test(random.random(100), random.random(80))[2] for _ in range(SAMPLES)]
    assert 0.005 <= np.mean(np.array(found) <= 0.05) <= MOST


def test_the_p_of_lower_confidences_is_fisher_s():
    random = np.random.default_rng(3)
    known, new = random.uniform(0.4, 1, 90), random.uniform(0.2, 1, 60)
    share, new_share, p = low_confidence_test(known, new)
    table = [[round(60 * new_share), 60 - round(60 * new_share)], [round(90 * share), 90 - round(90 * share)]]
    assert sum(row[0] for row in table) == 15
    assert p == pytest.approx(fisher_exact(table, "greater").pvalue) and p < 0.01

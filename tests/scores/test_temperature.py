"""Which candidate is best once each is calibrated."""

import numpy as np

from components.scores.temperature import choose_calibrated


def test_the_candidate_that_tells_classes_apart_is_chosen_though_its_logits_are_far_too_large():
    labels = np.arange(200) % 2
    sure = np.where(np.eye(2)[labels] > 0, 30.0, -30.0)
    sure[:10] *= -1  # 5 % wrong, and without limit sure of it
    guess = np.zeros((200, 2))
    chosen = choose_calibrated(labels, [guess, sure])
    assert (chosen.argmax(axis=1) == labels).mean() == 0.95
    np.testing.assert_allclose(np.exp(chosen).sum(axis=1), 1)
    assert np.exp(chosen[0]).min() > 0.01

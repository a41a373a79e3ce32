"""One model on two samples of images: what is called a change, and how often there is none."""

import numpy as np
import pytest

from components.scores.estimates import sample_of
from components.scores.two_samples import changes_of

JUDGES = ("log_loss", "accuracy")
SAMPLES = 200


def predictions(random: np.random.Generator, images: int, accuracy: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, probabilities and units of images of three classes, drawn from a model of that accuracy."""
    labels = random.integers(0, 3, images)
    said = np.where(random.random(images) < accuracy, labels, (labels + random.integers(1, 3, images)) % 3)
    sure = random.uniform(0.5, 0.98, images)
    probabilities = np.repeat((1 - sure)[:, None] / 2, 3, axis=1)
    probabilities[np.arange(images), said] = sure
    return labels, probabilities, np.arange(images)


def alarms(accuracy: float, other: float) -> dict[str, float]:
    """Return how often each score is called changed at 0.05, of 150 images and 100 others."""
    random, counts = np.random.default_rng(0), dict.fromkeys(JUDGES, 0)
    for _ in range(SAMPLES):
        samples = [sample_of(*predictions(random, *one)) for one in ((150, accuracy), (100, other))]
        for name, change in changes_of(samples[0], samples[1], JUDGES).items():
            low, high = change.interval()
            counts[name] += low > 0 or high < 0
    return {name: count / SAMPLES for name, count in counts.items()}


@pytest.mark.parametrize("accuracy", [0.6, 0.9])
def test_a_model_on_images_of_one_kind_is_seldom_called_changed(accuracy):
    assert max(alarms(accuracy, accuracy).values()) <= 0.085  # 0.05 and two standard errors of so many samples


def test_a_model_that_is_worse_on_other_images_is_mostly_called_so():
    found = alarms(0.9, 0.7)
    assert found["accuracy"] > 0.9 and found["log_loss"] > 0.5


def test_the_p_value_of_a_change_agrees_with_its_interval_and_says_which_way_it_is():
    random = np.random.default_rng(1)
    first, second = (sample_of(*predictions(random, 200, accuracy)) for accuracy in (0.9, 0.8))
    change = changes_of(first, second, JUDGES)["accuracy"]
    p = change.p_value()
    assert change.is_for_the_worse and 0 < p < 0.05
    assert change.interval(p * 0.99)[1] > 0 > change.interval(p * 1.01)[1]
    assert changes_of(second, first, JUDGES)["accuracy"].p_value() == pytest.approx(p, rel=1e-3)
    assert changes_of(first, first, JUDGES)["accuracy"].p_value() == 1


def test_too_few_images_say_nothing():
    random = np.random.default_rng(1)
    few, many = (sample_of(*predictions(random, images, 0.5)) for images in (7, 200))
    change = changes_of(few, many, JUDGES)["accuracy"]
    assert change.interval() == (-1, 1) and change.p_value() == 1

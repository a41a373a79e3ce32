"""How unlike an image is: a share of validation that is uniform for images of its kind, and near 1 for others."""

import numpy as np
import pytest

from components.scores import unlikeness
from components.scores.unlikeness import Unlikeness, fit_unlikeness

CHANNELS, CLASSES = 40, 4
CENTRES = np.random.default_rng(5).normal(0, 2, (CLASSES + 1, CHANNELS))


def draw(random: np.random.Generator, images: int, classes: int = CLASSES) -> tuple[np.ndarray, np.ndarray]:
    """Return features of images, (n, channels), and their class numbers, (n,)."""
    labels = random.integers(0, classes, images)
    noise = random.normal(size=(images, CHANNELS)) * 2.0 ** -np.arange(CHANNELS)
    return (CENTRES[labels] + noise + random.normal(0, 0.3, noise.shape)).astype(np.float32), labels


def logits_of(features: np.ndarray) -> np.ndarray:
    """Return what a linear head makes of features, (n, classes): how near they are to the centre of each class."""
    known = CENTRES[:CLASSES]
    return (features @ known.T - (known**2).sum(axis=1) / 2) / 4


def fitted(random: np.random.Generator, units: np.ndarray | None = None, images: int = 100) -> Unlikeness:
    train, held_out = draw(random, 120)[0], draw(random, images)[0]
    return fit_unlikeness(train, (held_out, logits_of(held_out)), np.arange(images) if units is None else units)


def test_images_of_the_kind_of_validation_are_as_unlike_as_any_of_it():
    """Each tenth holds a tenth of them: of 60 repeats of 200 images the means lie within four standard errors."""
    tenths = []
    for number in range(60):
        random = np.random.default_rng(number)
        measure, (features, _) = fitted(random), draw(random, 200)
        unlike = measure.share_below(features, logits_of(features))
        tenths.append(np.histogram(unlike, np.linspace(-0.005, 1.005, 11))[0] / 200)
    error = np.std(tenths, axis=0) / np.sqrt(60)
    assert (np.abs(np.mean(tenths, axis=0) - 0.1) < 4 * error).all()


def test_a_class_that_was_not_trained_on_is_unlike():
    random = np.random.default_rng(0)
    measure, (features, labels) = fitted(random), draw(random, 400, CLASSES + 1)
    unlike = measure.share_below(features, logits_of(features))
    assert np.median(unlike[labels == CLASSES]) > 0.98 and 0.3 < np.median(unlike[labels < CLASSES]) < 0.7


@pytest.mark.parametrize("blind", ["distances", "energies"])
def test_features_and_logits_both_count(blind, monkeypatch):
    """A class that is not known is unlike by its distance alone, and by its logits alone."""
    random = np.random.default_rng(0)
    monkeypatch.setattr(unlikeness, blind, lambda array, *_: np.zeros(len(array)))
    measure, (features, labels) = fitted(random), draw(random, 400, CLASSES + 1)
    unlike = measure.share_below(features, logits_of(features))
    assert np.median(unlike[labels == CLASSES]) > 0.9 > np.median(unlike[labels < CLASSES])


def test_a_group_of_validation_images_counts_as_one():
    measure = fitted(np.random.default_rng(0), np.array([0] * 10 + [1]), 11)
    assert sorted(np.diff([0, *measure.shares]).round(6)) == [0.05] * 10 + [0.5]


def test_few_images_and_features_that_never_vary_make_a_measure():
    train = np.eye(3, 5, dtype=np.float32)
    one = fit_unlikeness(train, (train[:1], np.zeros((1, 2))), np.zeros(1, int))
    assert one.share_below(train[:1], np.zeros((1, 2))).tolist() == [0]
    assert one.share_below(train[:1] + 9, np.zeros((1, 2))).tolist() == [1]
    alike = np.zeros((4, 5), np.float32)
    measure = fit_unlikeness(alike, (alike, np.zeros((4, 2))), np.arange(4))
    assert measure.share_below(alike[:1], np.zeros((1, 2))).tolist() == [0]


def test_it_is_read_as_it_was_written_and_small(tmp_path):
    random = np.random.default_rng(0)
    features, logits = random.normal(size=(300, 2048)), random.normal(size=(300, 3))
    measure = fit_unlikeness(features, (features[:90], logits[:90]), np.arange(90))
    np.savez(tmp_path / unlikeness.FILE, **measure._asdict())
    assert (tmp_path / unlikeness.FILE).stat().st_size < 2**20  # whose content is checked when it is read
    again = unlikeness.read_unlikeness(tmp_path)
    assert again is not None
    np.testing.assert_array_equal(again.share_below(features, logits), measure.share_below(features, logits))
    assert unlikeness.read_unlikeness(tmp_path / "elsewhere") is None

"""Learning curves: nested parts, a forecast that a law fulfils, and what makes it unsure."""

import numpy as np
import pytest

from components.model import learning_curve
from components.model.learning_curve import LearningCurve
from components.system.errors import UserError

CHANNELS, CLASSES = 6, 3


def blobs(images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features and labels of classes that overlap."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, images)
    centres = np.eye(CLASSES, CHANNELS) * 1.5
    return random.normal(size=(images, CHANNELS)).astype(np.float32) + centres[labels], labels


def test_an_order_keeps_units_together_and_its_beginnings_have_every_class():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 0, 1, 1, 1, 2], 20)
    units = np.arange(120) // 2
    rows = learning_curve.nested_order(labels, units, random)
    assert sorted(rows) == [*range(120)]
    assert (units[rows].reshape(60, 2) == units[rows][::2, None]).all()
    counts = np.bincount(labels[rows[:30]], minlength=3)
    assert (abs(counts - [10, 15, 5]) <= 2).all()


def test_with_more_images_fewer_are_mistaken_and_all_orders_end_alike():
    train, validation = blobs(640, 1), blobs(300, 2)
    curve = learning_curve.measure_curve(train, validation, np.arange(640), CLASSES, seed=3)
    assert curve.sizes.tolist() == [80, 160, 320, 640]
    assert curve.wrong.shape == curve.losses.shape == (4, learning_curve.ORDERS, 300)
    assert curve.losses[0].mean() > curve.losses[-1].mean()
    assert (curve.wrong[-1] == curve.wrong[-1, 0]).all()
    assert not (curve.wrong[0] == curve.wrong[0, 0]).all()
    again = learning_curve.measure_curve(train, validation, np.arange(640), CLASSES, seed=3)
    np.testing.assert_array_equal(curve.losses, again.losses)


@pytest.mark.parametrize(("few", "orders"), [(640, 8), (320, 4), (100, 2)])
def test_the_more_images_the_fewer_orders_are_fitted_two_at_least(few, orders, monkeypatch):
    monkeypatch.setattr(learning_curve, "FEW", few)
    curve = learning_curve.measure_curve(blobs(640, 1), blobs(60, 2), np.arange(640), CLASSES, seed=3)
    assert curve.wrong.shape == curve.losses.shape == (4, orders, 60)


def test_too_few_images_for_two_sizes_are_told():
    few = blobs(5, 1)
    with pytest.raises(UserError, match="5 training images of 3 classes are too few for a curve: it takes 2 a class"):
        learning_curve.measure_curve(few, few, np.arange(5), CLASSES, seed=0)


def test_sizes_at_which_an_order_has_one_class_alone_are_left_out():
    features, labels = blobs(128, 1)
    labels[:] = 0
    labels[:2] = 1
    curve = learning_curve.measure_curve((features, labels), (features, labels), np.arange(128), 2, seed=0)
    assert len(curve.sizes) > 1 and curve.sizes[0] > 16
    labels[:] = 0
    with pytest.raises(UserError, match="128 training images of 2 classes are too few for a curve"):
        learning_curve.measure_curve((features, labels), (features, labels), np.arange(128), 2, seed=0)


def test_resampled_means_are_those_of_the_images_and_orders_that_are_drawn(monkeypatch):
    values = np.random.default_rng(1).uniform(size=(3, 4, 50))
    means = learning_curve.resample_means(values, 0)
    assert means.shape == (learning_curve.RESAMPLED, 3)
    np.testing.assert_allclose(means.mean(axis=0), values.mean(axis=(1, 2)), atol=0.01)
    spread = values[0].mean(axis=0).std() / 50**0.5
    assert spread < means[:, 0].std() < 2 * spread
    monkeypatch.setattr(learning_curve, "DRAWN", 120)
    np.testing.assert_allclose(learning_curve.resample_means(values, 0), means, rtol=1e-12)


def curve_of_law(floor: float, images: int = 2000) -> LearningCurve:
    """Return a curve whose share of mistakes is 0.5 / sqrt(size / 10) above a floor."""
    random = np.random.default_rng(0)
    sizes = np.array([50, 100, 200, 400])
    shares = floor + 0.5 / np.sqrt(sizes / 10)
    wrong = (random.uniform(size=(4, 8, images)) < shares[:, None, None]).astype(float)
    return LearningCurve(sizes, wrong, wrong + 0.1)


def test_a_power_law_is_forecast_and_its_interval_holds_an_end_of_it():
    table = learning_curve.forecast_scores(curve_of_law(0.0), 1600, seed=0)
    assert table["images"].tolist() == [50, 100, 200, 400, 1600]
    last = table.iloc[-1]
    assert last["accuracy"] == pytest.approx(1 - 0.5 / np.sqrt(160), abs=0.01)
    assert last["accuracy_low"] <= table["accuracy"].iloc[-2] <= last["accuracy"] <= last["accuracy_high"]
    ended = learning_curve.forecast_scores(curve_of_law(0.1), 1600, seed=0).iloc[-1]
    assert ended["accuracy_low"] < 1 - 0.1 - 0.5 / np.sqrt(160) < ended["accuracy_high"]


def test_few_validation_images_make_it_less_sure():
    many, few = (learning_curve.forecast_scores(curve_of_law(0.0, n), 800, seed=0).iloc[-1] for n in (2000, 50))
    assert few["accuracy_high"] - few["accuracy_low"] > 2 * (many["accuracy_high"] - many["accuracy_low"])


def test_mistakes_that_grow_are_not_forecast_to():
    curve = curve_of_law(0.0)
    rising = LearningCurve(curve.sizes, curve.wrong[::-1], curve.losses[::-1])
    table = learning_curve.forecast_scores(rising, 800, seed=0)
    assert table["accuracy"].iloc[-1] == pytest.approx(table["accuracy"].iloc[-2], abs=0.01)


def test_classes_come_by_the_mistakes_that_are_forecast_to_go():
    curve = curve_of_law(0.0, 300)
    labels = np.repeat([0, 1, 2], 100)
    wrong = curve.wrong.copy()
    wrong[:, :, labels == 1] = 0
    table = learning_curve.forecast_recalls(LearningCurve(curve.sizes, wrong, wrong), labels, [*"abcd"], 800, 0)
    assert table["label"].tolist()[-1] == "b" and {*table["label"]} == {"a", "b", "c"}
    assert (table["validation_images"] == 100).all()
    assert (table["forecast"] >= table["recall"]).all()
    assert table["recall"].iloc[-1] == table["forecast"].iloc[-1] == 1

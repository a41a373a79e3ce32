"""What a learning curve's forecast is held against: all images, of which half were measured."""

import numpy as np

from benchmarks import forecasting
from tests.model.test_learning_curve import CLASSES, blobs


def test_a_forecast_from_half_is_held_against_all_images_on_the_same_validation_images():
    features, labels = blobs(400, 5)
    table = forecasting.forecast_case(features, labels, np.arange(400), CLASSES, seed=1).set_index("score")
    assert [*table.index] == ["accuracy", "log_loss"]
    assert (table["low"] <= table["forecast"]).all() and (table["forecast"] <= table["high"]).all()
    assert table["forecast"]["log_loss"] <= table["half"]["log_loss"]
    other = forecasting.forecast_case(features, labels, np.arange(400) // 4, CLASSES, seed=1).set_index("score")
    assert not table.equals(other)

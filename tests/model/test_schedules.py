"""Schedules: the learning rate of every batch."""

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.model import optimizers
from components.model.learning_rates import plan_schedule
from components.model.settings import Training
from components.model.trainer import Trainer
from tests.conftest import TRAINING


def expected_rates(schedule: str, warm_up: int, steps: int) -> np.ndarray:
    """Return the learning rate of each step, as a share of its height."""
    rising = np.arange(1, warm_up + 1) / (warm_up + 1)
    done = np.arange(steps - warm_up) / (steps - warm_up)
    falling = (1 + np.cos(np.pi * done)) / 2 if schedule == "cosine" else np.ones_like(done)
    return np.concatenate([rising, falling])


@hypothesis.settings(deadline=None)
@given(
    schedule=st.sampled_from(list(optimizers.SCHEDULES)),
    warm_up=st.floats(0, 1, exclude_max=True),
    steps=st.integers(1, 12),
    share=st.floats(0, 1),
)
def test_the_rate_rises_in_the_warm_up_from_above_0_and_then_stays_or_falls_to_0(schedule, warm_up, steps, share):
    rate = plan_schedule(Training(**{**TRAINING, "schedule": schedule, "warm_up": warm_up}), steps)(share)
    rates = [float(rate(step)) if callable(rate) else rate for step in range(steps)]
    np.testing.assert_allclose(rates, 0.01 * share * expected_rates(schedule, int(warm_up * steps), steps), atol=1e-8)


@pytest.mark.parametrize("schedule", optimizers.SCHEDULES)
def test_the_rate_changes_from_batch_to_batch_over_all_epochs(schedule):
    """Plain SGD with a gradient of 1 moves a weight by the learning rate, batch by batch."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    settings = Training(**{**TRAINING, "optimizer": "sgd", "momentum": 0.0, "schedule": schedule, "warm_up": 0.25})
    optimizer = Trainer(model, None, settings, plan_schedule(settings, 12)).optimizer
    places = [0.0]
    for _ in range(12):
        optimizer.apply([np.ones((1, 1), np.float32)], model.trainable_variables)
        places.append(float(model.get_weights()[0][0, 0]))
    np.testing.assert_allclose(-np.diff(places), 0.01 * expected_rates(schedule, 3, 12), atol=1e-8)

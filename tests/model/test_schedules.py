"""Schedules: the learning rate of every batch, and of every block of the backbone."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.model import backbones, optimizers
from components.model.blocks import trainable_blocks
from components.model.cut import cut
from components.model.learning_rates import plan_schedule
from components.model.settings import FineTuning, Training
from components.model.trainer import Trainer
from tests.conftest import TRAINING


def expected_rates(schedule: str, warm_up: int, steps: int) -> np.ndarray:
    """Return the learning rate of each step, as a share of its height."""
    rising = np.arange(1, warm_up + 1) / (warm_up + 1)
    done = np.arange(steps - warm_up) / (steps - warm_up)
    falling = (1 + np.cos(np.pi * done)) / 2 if schedule == "cosine" else np.ones_like(done)
    return np.concatenate([rising, falling])


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


def residual() -> tuple[keras.Model, keras.Model]:
    """Return a network of a convolution, its normalisation, a residual block and a dense layer, and its head."""
    image = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(3, 3, padding="same", name="stem")(image)
    x = y = keras.layers.LayerNormalization(name="norm")(x)
    for number in (1, 2):
        y = keras.layers.Conv2D(3, 3, padding="same", name=f"residual{number}")(y)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Add()([x, y]))
    features = keras.layers.Dense(4, name="dense")(x)
    head = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="logits")], name="head")
    return keras.Model(image, head(features)), head


def test_a_block_is_a_layer_with_a_kernel_or_all_that_a_skip_connection_joins():
    model, _ = residual()
    image = keras.Input((8, 8, 2))
    for network in (model, keras.Model(image, model(image))):  # as it is, and as a layer of another
        names = [sorted({variable.path.split("/")[-2] for variable in block}) for block in trainable_blocks(network)]
        assert names == [["norm", "stem"], ["residual1", "residual2"], ["dense"], ["logits"]]


@pytest.mark.parametrize(
    ("name", "unfreeze", "count"),
    [("vgg16_small", "all", 13), ("vgg16_small", "last_blocks", 6), ("mobilenet_v2", "last_block", 4)],
)
def test_blocks_of_backbones_are_those_that_are_trained(name, unfreeze, count):
    entry = backbones.get(name)
    network = entry.build(32)
    _, suffix = cut(network, entry.first_trainable_layer(unfreeze, network))
    blocks = trainable_blocks(keras.Model(suffix.input, suffix.output))
    assert len(blocks) == count
    assert {id(one) for block in blocks for one in block} == {id(one) for one in suffix.trainable_variables}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_each_block_learns_at_a_share_of_the_rate_of_the_one_behind_it(optimizer):
    """Weights of 1 and gradients of 1: each moves by its own rate, and decays by it."""
    model, head = residual()
    changed = {"optimizer": optimizer, "momentum": 0.0, "backbone_rate": 0.4, "rate_decay": 0.5, "soup": 1}
    settings = FineTuning(**{**TRAINING, "l2": 0, **changed, "learning_rate": 0.1})
    optimizer = Trainer(model, head, settings, plan_schedule(settings, 1)).optimizer
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer.apply(
        [np.ones(variable.shape, np.float32) for variable in model.trainable_variables], model.trainable_variables
    )
    shares = {"logits": 1, "dense": 0.4, "residual1": 0.2, "residual2": 0.2, "stem": 0.1, "norm": 0.1}
    moved = {variable.path: 1 - variable.numpy() for variable in model.trainable_variables}
    assert len(moved) == 12
    for path, far in moved.items():
        np.testing.assert_allclose(far, 0.1 * shares[path.split("/")[-2]], rtol=1e-4)

"""Penultimate features: those of every kind of head, of a model in training as of the same model delivered."""

import keras
import numpy as np
import pytest

from components.model import heads
from components.model.benchmark import NETWORKS
from components.model.neighbour_head import neighbour_head
from components.model.penultimate import penultimate_features, with_features

CLASSES, CHANNELS = 3, 8


def built_head(name: str) -> keras.Model:
    if name == "neighbours":
        random = np.random.default_rng(0)
        return neighbour_head(random.random((10, CHANNELS), np.float32), np.arange(10) % CLASSES, CLASSES, 3)
    pooling = heads.HEADS[name].pooling
    return heads.build(name, pooling, (4, 4, CHANNELS) if pooling == "none" else (CHANNELS,), CLASSES, 0.5, 6)


@pytest.mark.parametrize(
    ("name", "size"), [("linear", CHANNELS), ("hidden", 6), ("conv", 12), ("neighbours", CHANNELS)]
)
def test_features_are_what_the_layer_of_logits_takes_within_a_model_and_by_itself(name, size):
    head = built_head(name)
    features = penultimate_features(head)
    assert features is not None and features.shape[1:] == (size,)
    inputs = keras.Input(head.input_shape[1:])
    logits = head(keras.layers.Rescaling(2.0)(inputs))
    x = keras.layers.Rescaling(0.5, name="temperature")(logits)
    delivered = with_features(keras.Model(inputs, keras.layers.Softmax()(x)))
    assert delivered is not None
    images = np.random.default_rng(1).random((5, *head.input_shape[1:]), np.float32)
    taken, before, probabilities = delivered.predict_on_batch(images)
    np.testing.assert_allclose(taken, keras.Model(head.input, features).predict_on_batch(2 * images), rtol=1e-5)
    if name != "neighbours":  # whose logits are votes
        kernel, bias = head.layers[-1].get_weights()
        np.testing.assert_allclose(before, taken @ kernel + bias, rtol=1e-4, atol=1e-5)
        powers = np.exp(before / 2)
        np.testing.assert_allclose(probabilities, powers / powers.sum(axis=1, keepdims=True), rtol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_from_scratch_has_features_too(name):
    network = NETWORKS[name](16, CLASSES, 4, 3)
    model = keras.Sequential([keras.Input((20, 20, 3)), keras.layers.Resizing(16, 16), network])
    features = penultimate_features(model)
    assert features is not None
    images = np.random.default_rng(1).random((2, 20, 20, 3), np.float32)
    taken = keras.Model(model.inputs[0], features).predict_on_batch(images)
    kernel, bias = network.layers[-1].get_weights()
    np.testing.assert_allclose(taken @ kernel + bias, model.predict_on_batch(images), rtol=1e-4, atol=1e-5)


def test_an_ensemble_has_none():
    inputs = keras.Input((CHANNELS,))
    mean = keras.layers.Average()([keras.layers.Softmax()(keras.layers.Dense(CLASSES)(inputs)) for _ in range(2)])
    members = keras.Model(inputs, keras.ops.log(mean), name="members")
    x = keras.layers.Rescaling(0.5, name="temperature")(members(inputs))
    assert with_features(keras.Model(inputs, keras.layers.Softmax()(x))) is None

"""LoRA: what is trained, that the delivered model is a plain one with the same outputs, and that a training repeats."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from components.data.artifacts import Augmented, Classifier
from components.machinery.running import run_step
from components.model import backbones, runtime, training
from components.model.backbones.hub_families import HUB
from components.model.cut import cut
from components.model.lora import add_lora, merge_lora
from components.model.rows import Rows
from components.model.settings import FineTuning
from components.system.errors import UserError
from tests.conftest import LARGE, PARAMETERS, TRAINING, digests
from tests.model.test_hub import TINY


def attentive() -> keras.Model:
    """Return a network of each kind of layer with a kernel, and of some with other weights, all of them trainable."""
    image = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(4, 3, groups=2, padding="same", name="conv")(image)
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(x)
    tokens = keras.layers.Reshape((36, 4))(x)
    places = keras.layers.Embedding(36, 4, name="places")(keras.ops.arange(36))
    x = keras.layers.LayerNormalization(name="norm")(tokens + places)
    x = keras.layers.MultiHeadAttention(2, 2, name="attention")(x, x)
    x = keras.layers.EinsumDense("abc,cd->abd", (None, 5), name="einsum")(x)
    return keras.Model(image, keras.layers.Dense(3, name="dense")(keras.layers.GlobalAveragePooling1D()(x)))


ADAPTED = ["attention/key", "attention/query", "attention/value", "attention_output", "conv", "dense", "einsum"]


def move(network: keras.Model) -> None:
    """Set what is trainable at random, as training would."""
    random = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign(random.normal(0, 0.1, variable.shape))


def test_a_product_beside_each_kernel_is_all_that_is_trained_and_nothing_at_first():
    network, images = attentive(), np.random.default_rng(0).normal(size=(4, 8, 8, 2)).astype(np.float32)
    before, weights = network(images).numpy(), {one.path: one.numpy() for one in network.weights}
    add_lora(network, 2)
    trained = [one.path for one in network.trainable_variables]
    assert len(trained) == 2 * len(ADAPTED)
    assert all(any(f"{name}/lora_kernel" in path for path in trained) for name in ADAPTED)
    np.testing.assert_array_equal(network(images).numpy(), before)
    move(network)
    assert not np.allclose(network(images).numpy(), before)
    for variable in network.weights:
        if variable.path in weights:
            np.testing.assert_array_equal(variable.numpy(), weights[variable.path])


def slow_but_for(*quick: str) -> list[Any]:
    names = ("vgg16_small", "mobilenet_v2", *LARGE, *TINY)
    return [pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in names]


@pytest.mark.parametrize("unfreeze", ["last_block", "all"])
@pytest.mark.parametrize("name", slow_but_for("vgg16_small", "vit"))
def test_the_merged_backbone_is_a_plain_one_with_the_same_outputs(name, unfreeze):
    entry = HUB[name].with_configuration(TINY[name], image_size=32) if name in TINY else backbones.get(name)
    network = entry.build(32)
    count, images = network.count_params(), np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    before = network(images).numpy()
    _, suffix = cut(network, entry.first_trainable_layer(unfreeze, network))
    add_lora(suffix, 3)
    move(suffix)
    adapted, plain = network(images).numpy(), merge_lora(network, entry)
    np.testing.assert_array_equal(plain(images).numpy(), adapted)
    assert plain.count_params() == count < network.count_params()
    assert not np.array_equal(adapted, before)


def test_a_network_of_which_no_layer_takes_it_is_refused():
    network = keras.Sequential([keras.Input((8, 8, 2)), keras.layers.DepthwiseConv2D(3), keras.layers.Flatten()])
    with pytest.raises(UserError, match="lora adapts dense layers and convolutions; received 4, and none is trained"):
        add_lora(network, 4)


@pytest.mark.parametrize("prefix", ["stored", pytest.param("live", marks=pytest.mark.slow)])
def test_a_classifier_trained_by_lora_is_delivered_plain_and_twice_the_same(prefix, made, tmp_path):
    at = {**made, **{name: tmp_path / name for name in ("features", "tensors", "top")}}
    run_step("extract", at, {**PARAMETERS["extract"], "prefix": prefix})
    run_step("train_top", {**at, "classifier": tmp_path / "head"}, PARAMETERS["train_top"])
    values = {**PARAMETERS["fine_tune"], "lora": 2, "learning_rate": 0.01, "rate_decay": 0.5, "ema_momentum": 0.5}
    for name in "ab":
        run_step("fine_tune", {**at, "classifier": tmp_path / name}, values)
    classifier, whole = Classifier.read(tmp_path / "a"), Classifier.read(made["classifiers/fine_tuned"])
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert classifier.facts.model_parameters == whole.facts.model_parameters
    head = 128 * 3 + 3
    assert classifier.facts.trainable_parameters == head + 3 * 2 * (9 * 128 + 128)
    model = classifier.load()
    assert not any("lora" in variable.path for variable in model.variables)
    images = Augmented.read(made["augmented"]).array[:4, 0]
    assert not np.allclose(model.predict_on_batch(images), whole.load().predict_on_batch(images))


def test_a_training_by_lora_that_was_broken_off_ends_as_if_it_had_never_stopped(tmp_path):
    class Stopped(Exception):
        pass

    array = np.random.default_rng(0).normal(size=(30, 2, 8, 8, 2)).astype(np.float32)
    part = Rows(array, np.arange(30), np.arange(30) % 3)
    changed: dict[str, Any] = {**TRAINING, "l2": 0, "backbone_rate": 0.5, "rate_decay": 0.7, "soup": 1, "epochs": 3}
    settings = FineTuning(**changed)

    def train(folder: Path, stop: int) -> tuple[list[np.ndarray], training.TrainingResult]:
        def log(epoch: int, row: dict[str, float]) -> None:
            if epoch == stop:
                raise Stopped

        runtime.set_seed(1)
        network = attentive()
        add_lora(network, 2)
        head = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.3), keras.layers.Dense(3)])
        model = keras.Model(network.input, head(network.output))
        result = training.train("", model, (part, part), settings, log, folder, head)
        return model.get_weights(), result

    with suppress(Stopped):
        train(tmp_path / "stopped", 2)
    (weights, result), (resumed, other) = train(tmp_path / "whole", 0), train(tmp_path / "stopped", 0)
    assert result.history.equals(other.history)
    for one, same in zip(weights, resumed, strict=True):
        np.testing.assert_array_equal(one, same)

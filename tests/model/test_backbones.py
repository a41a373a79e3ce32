"""Networks of one's own as backbones, cuts by depth, all layers trained, and what an output becomes as features."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from components.data import augmentation
from components.data.artifacts import Augmented, Classifier, Features, Tensors, Weights
from components.machinery.running import run_step
from components.model import backbones
from components.model.backbones.applications import APPLICATIONS
from components.model.backbones.keras_file import read_functional
from components.model.backbones.poolings import pooling_layer
from components.model.cut import ALL_LAYERS, cut, layer_at_depth
from components.system.errors import UserError
from tests.conftest import PARAMETERS, evaluate
from tests.data.test_data_sets import real
from tests.model.test_models import assert_agrees, images, model_with_code

PIXELS = [1 / 128, -127 / 128]
OWN = {"backbone": "own.keras", "pixels": PIXELS, "image_size": 32, "stock": "leave"}


def small_network(size: int | None = 32) -> keras.Model:
    """Return a network with two residual blocks, a normalisation in each."""
    keras.utils.clear_session()  # layers without a name are numbered
    keras.utils.set_random_seed(3)
    image = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="stem")(image)
    for block in (1, 2):
        y = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name=f"block{block}_expand")(x)
        y = keras.layers.BatchNormalization(name=f"block{block}_bn")(y)
        y = keras.layers.Conv2D(8, 1, name=f"block{block}_project")(y)
        x = keras.layers.Add(name=f"block{block}_add")([x, y])
    return keras.Model(image, x, name="residual")


def token_network() -> keras.Model:
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 8, strides=8, name="patches")(image)
    return keras.Model(image, keras.layers.Reshape((16, 8))(x), name="tokens")


def feature_network() -> keras.Model:
    return keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(8, activation="relu", name="dense")]
    )


def fetch(network: keras.Model, folder: Path, **changed) -> Weights:
    network.save(folder / "own.keras")
    values = {**OWN, "source": str(folder / "own.keras"), **changed}
    run_step("fetch_weights", {"weights": folder / "weights"}, values)
    return Weights.read(folder / "weights")


@pytest.mark.parametrize("network", [small_network, token_network, feature_network], ids=lambda one: one.__name__)
def test_a_network_of_ones_own_goes_from_its_file_to_a_report(network, made, tmp_path):
    own = network()
    weights = fetch(own, tmp_path)
    entry = backbones.entry_of(weights)
    batch = images(own)
    np.testing.assert_array_equal(entry.build(32, weights.file).predict_on_batch(batch), own.predict_on_batch(batch))
    pixels = np.full((1, 2, 2, 3), 255, np.float32)
    np.testing.assert_allclose(entry.preprocessing()(pixels), 1.0)  # (255 - 127) / 128
    at = {**made, "weights": weights.path}
    outputs = ("chosen_precision", "features", "tensors", "top", "classifier", "report")
    at |= {name: tmp_path / name for name in outputs}
    run_step("choose_precision", at, PARAMETERS["choose_precision"])
    first = "patches" if network is token_network else "last_blocks"
    run_step("extract", at, {**PARAMETERS["extract"], "unfreeze": first})
    run_step("train_top", at, {**PARAMETERS["train_top"], "epochs": 1})
    assert_agrees(at)
    run_step("fine_tune", at, {**PARAMETERS["fine_tune"], "epochs": 1})
    assert Classifier.read(at["classifier"]).facts.backbone == "own.keras"
    evaluate(at)


def test_it_takes_other_sizes_where_its_layers_do(tmp_path):
    weights = fetch(small_network(), tmp_path)
    larger = backbones.entry_of(weights).build(48, weights.file)
    anywhere = small_network(None)
    batch = images(larger)
    np.testing.assert_allclose(larger.predict_on_batch(batch), anywhere.predict_on_batch(batch), rtol=1e-5, atol=1e-6)
    assert [layer.name for layer in larger.layers[1:]] == [layer.name for layer in anywhere.layers[1:]]
    (tmp_path / "flat").mkdir()
    weights = fetch(feature_network(), tmp_path / "flat")
    with pytest.raises(
        UserError, match=r"no backbone for images of 48 pixels: its layers have weights for each position"
    ):
        backbones.entry_of(weights).build(48, weights.file)


def test_equal_networks_are_equal_artifacts_and_other_pixels_are_another(tmp_path):
    digests = []
    for number, pixels in enumerate((PIXELS, PIXELS, [[1, 1, 1], 0])):
        (tmp_path / str(number)).mkdir()
        digests.append(fetch(small_network(), tmp_path / str(number), pixels=pixels).digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"pixels": ""}, r"own.keras is a network of your own: give what pixels it takes"),
        ({"image_size": 0}, r"own.keras is a network of your own: give what pixels it takes"),
        ({"pixels": [1]}, r"pixels is \[scale, offset\] of pixels in \[0, 255\]"),
        ({"pixels": [1, [2, 3]]}, r"pixels is \[scale, offset\]"),
        ({"pixels": [True, 0]}, r"pixels is \[scale, offset\]"),
        ({"pixels": [1, float("nan")]}, r"pixels is \[scale, offset\]"),
        ({"backbone": "mobilenet_v2"}, "pixels and image_size of mobilenet_v2 are known: leave them out"),
        ({"source": "nowhere.keras"}, "no file 'nowhere.keras'"),
    ],
)
def test_what_does_not_describe_a_network_is_one_line(changed, words, tmp_path):
    with pytest.raises(UserError, match=words):
        fetch(small_network(), tmp_path, **changed)
    assert not (tmp_path / "weights").exists()


def test_a_file_that_is_no_backbone_is_refused_and_code_in_it_never_run(tmp_path, monkeypatch):
    proof, file = tmp_path / "proof", tmp_path / "own.keras"
    monkeypatch.setenv("PROOF", str(proof))
    model_with_code(file, proof)
    with pytest.raises(UserError, match="is no model that can be loaded"):
        read_functional(file)
    assert not proof.exists()
    for network in (
        keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)]),
        keras.Sequential([keras.Input((8, 16, 3)), keras.layers.Conv2D(3, 3)]),
        keras.Model(image := keras.Input((8, 8, 3)), [keras.layers.Conv2D(3, 3)(image), keras.layers.Flatten()(image)]),
    ):
        network.save(file)
        with pytest.raises(UserError, match=r"is no model that can be loaded \(expected one (in|out)put"):
            read_functional(file)


def test_a_damaged_description_is_one_line(tmp_path):
    weights = fetch(small_network(), tmp_path)
    for content in ("{}", '{"pixels": 1, "architecture": {}, "image_size": 32}', "no json"):
        (weights.path / "network.json").write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match=r"network.json") as caught:
            backbones.entry_of(weights)
        assert "\n" not in str(caught.value)
    values = {"pixels": [1, 0], "architecture": {"class_name": "Functional"}, "image_size": 32}
    (weights.path / "network.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(UserError, match="no backbone for images of 32 pixels"):
        backbones.entry_of(weights).build(32)


# Cuts


@pytest.mark.parametrize(
    ("share", "first"),
    [(0.01, "block2_expand"), (0.3, "block2_expand"), (0.5, "block2_expand"), (0.7, "block1_expand"), (0.99, "stem")],
)
def test_a_share_of_the_depth_is_cut_where_a_block_begins(share, first):
    assert layer_at_depth(small_network(), share) == first


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_third_of_the_depth_is_near_the_last_third_of_the_registry(name):
    """Where the registry's cut leaves between a sixth and a half of the layers with a kernel, so does the share."""
    network = backbones.get(name).build(64)
    kernels = [any(len(weight.shape) > 1 for weight in layer.weights) for layer in network.layers]
    names = [layer.name for layer in network.layers]
    for first in (backbones.get(name).cuts["last_blocks"], layer_at_depth(network, 1 / 3)):
        assert 1 / 8 < sum(kernels[names.index(first) :]) / sum(kernels) <= 1 / 2


@pytest.mark.parametrize("unfreeze", ["0", "1.5", "nan", "-0.1", "last_blok"])
def test_what_is_neither_a_layer_nor_a_share_is_one_line(unfreeze):
    entry = backbones.get("vgg16_small")
    with pytest.raises(UserError, match=r"a share of the network's depth is in \(0, 1\]|did you mean 'last_block'"):
        entry.first_trainable_layer(unfreeze, entry.build(32))


def test_where_all_layers_are_trained_the_tensors_are_the_views_and_every_layer_moves(made, tmp_path):
    at = {**made, **{name: tmp_path / name for name in ("features", "tensors", "top", "classifier")}}
    for unfreeze in (ALL_LAYERS, "1.0"):
        run_step("extract", at, {**PARAMETERS["extract"], "unfreeze": unfreeze})
        tensors, augmented = Tensors.read(at["tensors"]), Augmented.read(at["augmented"])
        assert tensors.facts.first_trainable == ALL_LAYERS and tensors.facts.prefix == "none"
        np.testing.assert_array_equal(tensors.array, augmentation.draw_views(augmented)[np.arange(48)])
        np.testing.assert_array_equal(Features.read(at["features"]).array, Features.read(made["features"]).array)
    run_step("train_top", at, {**PARAMETERS["train_top"], "epochs": 1})
    run_step("fine_tune", at, {**PARAMETERS["fine_tune"], "epochs": 1})
    weights, classifier = Weights.read(at["weights"]), Classifier.read(at["classifier"])
    before = backbones.entry_of(weights).build(32, weights.file)
    after = classifier.load().get_layer(before.name)
    for layer, tuned in zip(before.layers, after.layers, strict=True):
        assert bool(layer.weights) == any(
            (one != other).any() for one, other in zip(layer.get_weights(), tuned.get_weights(), strict=True)
        )
    head = Classifier.read(at["classifier"]).facts
    assert head.trainable_parameters == before.count_params() + 128 * 3 + 3


def test_the_whole_network_is_the_suffix_where_all_layers_are_trained():
    network = backbones.get("mobilenet_v2").build(64)
    prefix, suffix = cut(network, ALL_LAYERS)
    batch = images(network)
    np.testing.assert_array_equal(prefix.predict_on_batch(batch), batch)
    np.testing.assert_array_equal(suffix.predict_on_batch(batch), network.predict_on_batch(batch))


# From an output to features


def test_tokens_become_the_class_token_the_average_of_the_patches_or_both():
    tokens = np.random.default_rng(0).normal(size=(2, 6, 4)).astype(np.float32)
    average, first = tokens[:, 2:].mean(axis=1), tokens[:, 0]
    expected = {
        "average": average, "class_token": first, "both": np.concatenate([first, average], axis=1), "none": tokens,
    }  # fmt: skip
    for name, features in expected.items():
        np.testing.assert_allclose(pooling_layer(name, (6, 4), 2)(tokens), features, rtol=1e-6)


def test_a_pooling_that_a_network_does_not_have_is_one_line():
    with pytest.raises(UserError, match="pooling class_token: this network has no class token"):
        backbones.get("vgg16_small").pooling_name("class_token")
    assert backbones.get("vgg16_small").pooling_name("auto") == "average"
    for name, shape, lacks in (
        ("none", (8,), "positions"),
        ("both", (8,), "tokens"),
        ("class_token", (7, 7, 8), "tokens"),
    ):
        with pytest.raises(UserError, match=f"pooling {name}: the network's output, .*, has no {lacks}: take average"):
            pooling_layer(name, shape)


# Real weights


def test_a_real_network_of_ones_own_tells_animals_apart_by_its_features(tmp_path):
    """EfficientNet-Lite2, by one nearest neighbour: a dozen photographs a class of six."""
    folder = real("kth_animals.tar").parent.parent / "weights"
    values = {**OWN, "backbone": "efficientnet_lite2.keras", "image_size": 260}
    run_step(
        "fetch_weights", {"weights": tmp_path / "w"}, {**values, "source": str(folder / "efficientnet_lite2.keras")}
    )
    weights = Weights.read(tmp_path / "w")
    entry = backbones.entry_of(weights)
    for size in (224, 260):
        network = entry.build(size, weights.file)
        assert network.output_shape[-1] == 1280
        first = entry.first_trainable_layer("last_blocks", network)
        assert first.startswith("block") and first.endswith("_expand_conv")

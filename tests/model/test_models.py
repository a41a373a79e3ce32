"""Backbones, the cut, heads, the benchmark: every entry of every registry; where a delivered model sees a class."""

import os
import pickle
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from components.data.artifacts import Augmented, Classifier, Features, Report, Top, Weights
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.model import backbones, benchmark, delivery, grad_cam, heads, training
from components.model.assembly import Untrained
from components.model.backbones.applications import APPLICATIONS
from components.model.cut import cut
from components.model.rows import Rows
from components.system.errors import UserError
from tests.conftest import PARAMETERS, TRAINED, evaluate, list_files_anew

SMALL = 64  # pixels


@pytest.fixture(scope="module", params=TRAINED)
def network(request) -> tuple[backbones.Backbone, keras.Model]:
    keras.utils.set_random_seed(0)
    entry = backbones.get(request.param)
    return entry, entry.build(SMALL)


def images(model: keras.Model, count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, *model.input_shape[1:])).astype(np.float32)


def test_prefix_then_suffix_equals_the_network(network):
    entry, whole = network
    batch = images(whole)
    expected = whole.predict_on_batch(batch)
    names = [whole.layers[number].name for number in np.linspace(1, len(whole.layers) - 1, 5, dtype=int)]
    for name in (*names, *entry.cuts.values()):
        prefix, suffix = cut(whole, name)
        np.testing.assert_allclose(suffix(prefix(batch)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("unfreeze", ["last_block", "last_blocks"])
def test_the_cut_leaves_training_to_the_named_layer_and_those_behind_it(unfreeze, network):
    """All of the suffix is trained, but for batch normalisation: these cuts are where blocks begin."""
    entry, whole = network
    first = entry.first_trainable_layer(unfreeze, whole)
    _, suffix = cut(whole, first)
    names = [layer.name for layer in whole.layers]
    for layer in whole.layers:
        normalises = isinstance(layer, keras.layers.BatchNormalization)
        assert layer.trainable == (names.index(layer.name) >= names.index(first) and not normalises)
        if layer in suffix.layers and layer.weights:
            assert layer.trainable != normalises


def test_the_last_blocks_begin_before_the_last_block(network):
    entry, whole = network
    names = [layer.name for layer in whole.layers]
    assert (
        0
        < names.index(entry.first_trainable_layer("last_blocks", whole))
        < names.index(entry.first_trainable_layer("last_block", whole))
    )


@pytest.mark.parametrize("name", APPLICATIONS)
def test_preprocessing_is_what_the_network_was_pretrained_with(name, tmp_path):
    """As a part of a saved model, loaded in safe mode."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, SMALL, SMALL, 3)).astype(np.float32)
    entry: Any = backbones.get(name)
    network = entry.network
    ours = not isinstance(network, partial)  # pretrained here, on pixels as MobileNet's
    build = keras.applications.MobileNet if ours else getattr(keras.applications, network.args[0])
    if not ours and "include_preprocessing" in network.keywords:
        inside = build(include_top=False, weights=None, input_shape=(SMALL, SMALL, 3))
        (last,) = (layer for layer in inside.layers if isinstance(layer, keras.layers.Normalization))
        expected = keras.Model(inside.input, last.output).predict_on_batch(pixels)
    else:
        expected = sys.modules[build.__module__].preprocess_input(pixels.copy())
    keras.Sequential([keras.Input(pixels.shape[1:]), entry.preprocessing()]).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(loaded.predict_on_batch(pixels), expected, rtol=1e-6, atol=2e-6)


def test_images_too_small_for_a_backbone():
    with pytest.raises(UserError, match="no backbone for images of 16 pixels: it takes 32 pixels or more, ") as caught:
        backbones.get("vgg16").build(16)
    assert "\n" not in str(caught.value)


def test_a_cut_inside_a_residual_block_goes_back_to_where_the_block_begins():
    network = backbones.get("mobilenet_v2").build(64)
    prefix, suffix = cut(network, "block_15_project")
    assert prefix.layers[-1].name == "block_14_add"
    assert suffix.get_layer("block_15_expand").trainable is False
    assert suffix.get_layer("block_15_project").trainable is True


def test_an_unknown_layer_is_answered_with_the_nearest():
    network = backbones.get("vgg16_small").build(32)
    with pytest.raises(UserError, match="did you mean 'block5_conv1'"):
        cut(network, "block5_con1")


def test_vgg16_small_has_the_layers_of_vgg16():
    ours = backbones.get("vgg16_small").build(32)
    vgg16 = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    assert [layer.name for layer in ours.layers[1:]] == [layer.name for layer in vgg16.layers[1:]]
    assert ours.output_shape[-1] * 4 == vgg16.output_shape[-1]


def test_its_weights_are_small_and_fit():
    file = ROOT / "pretraining" / "vgg16_small.weights.h5"
    assert file.stat().st_size <= 2_000_000
    network = backbones.get("vgg16_small").build(32, file)
    assert all(np.isfinite(weight).all() for weight in network.get_weights())


def test_weights_that_do_not_fit_are_refused(tmp_path):
    file = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(file)
    with pytest.raises(UserError, match="do not fit the backbone 'vgg16_small'"):
        backbones.get("vgg16_small").build(32, file)
    file.write_bytes(b"no weights")
    with pytest.raises(UserError, match="do not fit"):
        backbones.get("vgg16_small").build(32, file)


def test_random_weights_are_seeded_and_say_so(tmp_path):
    weights = []
    for name in ("first", "second"):
        run_step(
            "fetch_weights",
            {"weights": tmp_path / name},
            {"backbone": "mobilenet_025", "source": "random", "stock": "keep"},
        )
        weights.append(Weights.read(tmp_path / name))
        assert weights[-1].facts.weights_license == "random initialisation"
    first, second = (backbones.get("mobilenet_025").build(SMALL, one.file).get_weights() for one in weights)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.std(first[0]) > 0.01


@pytest.mark.parametrize("name", ["mobilenet_025", "vgg16_small"])
def test_weights_of_the_keras_before_load_and_are_checked(name, tmp_path):
    keras.utils.set_random_seed(1)
    network = backbones.get(name).build(SMALL)
    h5_of_keras_2(network, tmp_path / "legacy.h5")
    parameters = {"backbone": name, "source": str(tmp_path / "legacy.h5"), "stock": "keep"}
    run_step("fetch_weights", {"weights": tmp_path / "w"}, parameters)
    loaded = backbones.get(name).build(SMALL, Weights.read(tmp_path / "w").file)
    for one, other in zip(network.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    other_name = {"mobilenet_025": "mobilenet_v2", "vgg16_small": "vgg16"}[name]
    parameters["backbone"] = other_name
    with pytest.raises(
        UserError, match=f"the weights .*legacy.h5 do not fit the backbone .*weights file of {other_name}"
    ):
        run_step("fetch_weights", {"weights": tmp_path / "other"}, parameters)


def h5_of_keras_2(network: keras.Model, file: Path) -> None:
    """Write weights as Keras 2 did: a group a layer, named in attributes."""
    with h5py.File(file, "w") as content:
        content.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        for layer in network.layers:
            group = content.create_group(layer.name)
            group.attrs["weight_names"] = [weight.path.encode() for weight in layer.weights]
            for weight in layer.weights:
                group[weight.path] = weight.numpy()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_weights_that_end_early_are_refused_by_the_name_of_their_source(share, tmp_path):
    whole = (ROOT / "pretraining" / "vgg16_small.weights.h5").read_bytes()
    (tmp_path / "short.h5").write_bytes(whole[: int(share * len(whole))])
    parameters = {**PARAMETERS["fetch_weights"], "source": str(tmp_path / "short.h5")}
    with pytest.raises(UserError, match=r"the weights .*/short.h5 do not fit .*; give a Keras weights file of"):
        run_step("fetch_weights", {"weights": tmp_path / "weights"}, parameters)
    assert [path.name for path in tmp_path.iterdir()] == ["short.h5"]


def model_with_code(file: Path, proof: Path) -> None:
    """Save a model that writes a file, `proof`, when it is loaded without care."""
    code = keras.layers.Lambda(lambda x: [x, __import__("pathlib").Path(os.environ["PROOF"]).write_text("ran")][0])
    keras.Sequential([keras.Input((128,)), code, keras.layers.Dense(3)]).save(file)
    keras.saving.load_model(file, safe_mode=False)(np.zeros((1, 128)))
    assert proof.read_text() == "ran"
    proof.unlink()


def test_code_in_a_model_or_in_weights_is_refused_and_never_run(made, tmp_path, monkeypatch):
    proof, top = tmp_path / "proof", tmp_path / "top"
    monkeypatch.setenv("PROOF", str(proof))
    shutil.copytree(made["head"], top)
    model_with_code(top / "head.keras", proof)
    list_files_anew(Top, top)
    at = {**made, "top": top, "classifier": tmp_path / "classifier"}
    with pytest.raises(UserError, match=r"head.keras is no model that can be loaded .*: make it again"):
        run_step("fine_tune", at, PARAMETERS["fine_tune"])
    with pytest.raises(UserError, match="do not fit the backbone"):
        backbones.get("vgg16_small").build(32, top / "head.keras")
    assert not proof.exists() and not (tmp_path / "classifier").exists()


@pytest.mark.parametrize("change", ["cut", "text", "pickle", "flipped"])
def test_a_damaged_model_is_one_line(change, made, tmp_path):
    shutil.copytree(made["classifiers/top"], tmp_path / "model")
    classifier = Classifier.read(tmp_path / "model")
    whole = bytearray(classifier.file.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    content = {"cut": whole[:5000], "text": b"no model", "pickle": pickle.dumps({"a": 1}), "flipped": whole}
    classifier.file.write_bytes(bytes(content[change]))
    with pytest.raises(UserError, match=r"model.keras is no model that can be loaded") as caught:
        classifier.load()
    assert "\n" not in str(caught.value)


def test_an_unknown_backbone_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="no backbone 'mobilnet_v2'; did you mean 'mobilenet_v2'"):
        backbones.get("mobilnet_v2")


def test_images_too_small_for_the_stages_of_the_benchmark():
    with pytest.raises(UserError, match="5 stages of the benchmark need images of 32 pixels; received 31"):
        benchmark.build("cnn", 31, 3, width=4, stages=5)


@pytest.mark.parametrize("name", heads.HEADS)
def test_heads_give_one_logit_a_class(name):
    pooling = heads.HEADS[name].pooling
    shape = {"average": (8,), "none": (4, 4, 8)}[pooling]
    head = heads.build(name, pooling, shape, 3, 0.5)
    assert head.input_shape == (None, *shape)
    assert head.output_shape == (None, 3)
    assert head.layers[-1].activation is keras.activations.linear


@pytest.mark.parametrize(
    ("name", "shape", "layers"),
    [
        ("linear", (9,), [("logits", 3)]),
        ("hidden", (9,), [("hidden", 7), ("hidden2", 7), ("hidden3", 7), ("logits", 3)]),
        ("conv", (8, 8, 2), [("conv1", 4), ("conv2", 7), ("conv3", 7), ("conv4", 7), ("hidden", 14), ("logits", 3)]),
    ],
)
def test_hidden_layers_are_as_wide_and_as_many_as_asked_for(name, shape, layers):
    head = heads.build(name, heads.HEADS[name].pooling, shape, 3, 0.5, width=7, depth=3)
    assert [(layer.name, layer.output.shape[-1]) for layer in head.layers if layer.weights] == layers


@pytest.mark.parametrize("head", heads.HEADS)
def test_a_head_goes_through_every_step_or_says_what_features_it_takes(head, made, tmp_path):
    at = {**made, **{name: tmp_path / name for name in ("features", "tensors", "top", "classifier", "report")}}
    for pooling in ("average", "none"):
        run_step("extract", at, {**PARAMETERS["extract"], "pooling": pooling})
        parameters = {**PARAMETERS["train_top"], "head": head, "epochs": 1}
        if pooling != heads.HEADS[head].pooling:
            with pytest.raises(
                UserError, match=f"the head '{head}' takes features of `extract: .*; received {pooling}: "
            ):
                run_step("train_top", at, parameters)
            continue
        run_step("train_top", at, parameters)
        assert_agrees(at)
        run_step("fine_tune", at, {**PARAMETERS["fine_tune"], "epochs": 1})
        evaluate(at)


def assert_agrees(at: dict[str, Path]) -> None:
    """Assert that the delivered model makes of images what the head makes of their stored features."""
    images, features = Augmented.read(at["augmented"]), Features.read(at["features"])
    classifier = Classifier.read(at["classifier"])
    head = Top.read(at["top"]).load(features.array.shape[2:])
    logits = head.predict_on_batch(features.array[:4, 0]) / classifier.facts.temperature
    probabilities = classifier.load().predict_on_batch(images.array[:4, 0])
    np.testing.assert_allclose(probabilities, softmax(logits, axis=1), rtol=1e-4)


PATCH, SIDE = 8, 32  # pixels


def layers_of(head: str) -> list[keras.Layer]:
    """Return the layers of a classifier of two classes: with a head of the registry, or the benchmark."""
    if head == "benchmark":
        preprocessing = keras.layers.Rescaling(1 / 127.5, -1.0, name="preprocessing")
        return [preprocessing, benchmark.build("cnn", SIDE, 2, width=8, stages=3)]
    entry, pooling = backbones.get("vgg16_small"), heads.HEADS[head].pooling
    network = entry.build(SIDE)
    pooled = entry.pooling_layer(pooling, network)
    shape = pooled(network.output).shape[1:]
    return [entry.preprocessing(), network, pooled, heads.build(head, pooling, shape, 2, 0.5)]


def pass_channels_on(layer: keras.Layer) -> None:
    """Make a layer hand its first two channels on as they are, each to the one of its number, and nothing else."""
    weights = [np.zeros_like(weight) for weight in layer.get_weights()]
    if weights:
        *_, rows, columns = weights[0].shape
        centre = (1, 1) if weights[0].ndim == 4 else ()
        weights[0][centre] = np.eye(rows, columns) * (np.arange(columns) < 2)
        layer.set_weights(weights)


@pytest.mark.parametrize("head", ["benchmark", *heads.HEADS])
def test_grad_cam_lights_up_the_patch_that_decides_the_class(head, tmp_path):
    """Red on noise is one class and green the other, wherever it is; nothing speaks for the class that is not there."""
    layers = layers_of(head)
    for layer in layers:
        for part in getattr(layer, "layers", [layer]):
            pass_channels_on(part)
    places = [(row, column) for row in range(0, SIDE, PATCH) for column in range(0, SIDE, PATCH)] * 2
    labels = np.repeat([0, 1], len(places) // 2)
    array = np.random.default_rng(0).integers(0, 120, (len(places), SIDE, SIDE, 3), dtype=np.uint8)
    for image, (row, column), label in zip(array, places, labels, strict=True):
        image[row : row + PATCH, column : column + PATCH] = 255 * np.eye(3)[label]

    classifier = Classifier(tmp_path, {"facts": {"classes": ["red", "green"], "image_size": SIDE}})
    planted = keras.Sequential([keras.Input(array.shape[1:]), *layers])
    rows = Rows(array[:, None], np.arange(len(array)), labels)
    result = training.TrainingResult(pd.DataFrame({"validation_loss": [1.0]}), 1, planted.predict_on_batch(array), 1.0)
    delivery.deliver(classifier, "planted", Untrained(planted, (rows, rows), layers), result)
    model = classifier.load()
    np.testing.assert_array_equal(model.predict_on_batch(array).argmax(axis=1), labels)
    present, absent = grad_cam.heat_maps(model, array, labels), grad_cam.heat_maps(model, array[::7], 1 - labels[::7])
    assert present is not None and absent is not None
    scale = SIDE // present.shape[1]
    for one, (row, column) in zip(present, places, strict=True):
        peak = np.unravel_index(one.argmax(), one.shape)
        assert one.max() == 1 and one.min() >= 0
        assert (peak[0] * scale // PATCH * PATCH, peak[1] * scale // PATCH * PATCH) == (row, column)
    assert (absent == 0).all()


def test_a_network_without_maps_is_evaluated_without_one(made, tmp_path):
    at = {**made, "classifier": tmp_path / "classifier", "report": tmp_path / "report"}
    run_step("train_benchmark", at, {**PARAMETERS["train_benchmark"], "network": "perceptron", "epochs": 1})
    evaluate(at)
    images = Augmented.read(made["augmented"]).array[:2, 0]
    assert grad_cam.heat_maps(Classifier.read(at["classifier"]).load(), images, np.array([0, 1])) is None
    report = Report.read(at["report"])
    wrong = report.table("predictions.csv").query("label != predicted")
    assert len(wrong) == round(12 * (1 - report.metrics["accuracy"]))
    assert [*report.arrays("mistakes")] == ["images"]

"""Backbones, the cut, heads, the benchmark: every entry of every registry."""

import os
import pickle
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from components import step
from components.data.artifacts import Classifier
from components.errors import UserError
from components.model import backbones, benchmark, heads
from components.model.cut import cut
from tests.conftest import PARAMETERS

SMALL = {"vgg16_small": 32, "mobilenet_v2": 64}


@pytest.fixture(scope="module", params=backbones.BACKBONES)
def network(request) -> tuple[backbones.Backbone, keras.Model]:
    keras.utils.set_random_seed(0)
    entry = backbones.get(request.param)
    return entry, entry.build(SMALL.get(request.param, 64))


def images(model: keras.Model, count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, *model.input_shape[1:])).astype(np.float32)


def test_prefix_then_suffix_equals_the_network(network):
    entry, whole = network
    batch = images(whole)
    expected = whole.predict_on_batch(batch)
    for number in np.linspace(1, len(whole.layers) - 1, 6, dtype=int):
        prefix, suffix = cut(whole, whole.layers[number].name)
        np.testing.assert_allclose(
            suffix.predict_on_batch(prefix.predict_on_batch(batch)), expected, rtol=1e-5, atol=1e-6
        )
    prefix, suffix = cut(whole, entry.first_trainable("last_block"))
    np.testing.assert_allclose(suffix.predict_on_batch(prefix.predict_on_batch(batch)), expected, rtol=1e-5, atol=1e-6)


def test_the_cut_leaves_training_to_the_named_layer_and_those_behind_it(network):
    entry, whole = network
    first = entry.first_trainable("last_block")
    cut(whole, first)
    names = [layer.name for layer in whole.layers]
    for layer in whole.layers:
        normalises = isinstance(layer, keras.layers.BatchNormalization)
        assert layer.trainable == (names.index(layer.name) >= names.index(first) and not normalises)


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
    file = step.ROOT / "pretraining" / "vgg16_small.weights.h5"
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


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_weights_that_end_early_are_refused_by_the_name_of_their_source(share, tmp_path):
    whole = (step.ROOT / "pretraining" / "vgg16_small.weights.h5").read_bytes()
    (tmp_path / "short.h5").write_bytes(whole[: int(share * len(whole))])
    given = {"backbone": "vgg16_small", "source": str(tmp_path / "short.h5")}
    with pytest.raises(UserError, match=r"the weights .*/short.h5 do not fit .*; give a Keras weights file of"):
        step.run("fetch_weights", {"weights": tmp_path / "weights"}, given)
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
    at = {**made, "top": top, "classifier": tmp_path / "classifier"}
    with pytest.raises(UserError, match=r"head.keras is no model that can be loaded .*: make it again"):
        step.run("fine_tune", at, PARAMETERS["fine_tune"])
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
        benchmark.build(31, 3, width=4, stages=5)


@pytest.mark.parametrize("name", heads.HEADS)
def test_heads_give_one_logit_a_class(name):
    head = heads.build(name, 8, 3, 0.5)
    assert head.input_shape == (None, 8)
    assert head.output_shape == (None, 3)
    assert head.layers[-1].activation is keras.activations.linear


def test_the_benchmark_is_the_network_of_the_kth_study():
    network = benchmark.build(224, 19, width=64, stages=5)
    assert network.count_params() == 3_920_531
    convolutions = [layer.filters for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert convolutions == [64, 128, 256, 512, 512]
    assert [layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)] == [0.5, 0.4, 0.3]

"""Families of keras-hub as backbones, with random weights: their layers, folders, sizes, training and steps."""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras_hub.src.utils import preset_utils
from safetensors.numpy import load_file, save_file

from components.data import networks
from components.data.artifacts import Classifier, Features, Weights
from components.data.networks import import_keras_hub
from components.machinery.running import run_step
from components.model import backbones, exporting, grad_cam, training
from components.model.backbones.hub import HubFamily
from components.model.backbones.hub_families import HUB, LITE0
from components.model.cut import cut
from components.model.precision import to_bfloat16
from components.model.rows import Rows
from components.model.settings import FineTuning
from components.model.written import FORMATS
from components.results.tracking import logged
from components.system.errors import UserError
from tests.conftest import PARAMETERS, evaluate
from tests.model.test_extraction import outputs_by_precision, relative_difference

TINY: dict[str, dict[str, Any]] = {
    "dinov2": {
        "patch_size": 8, "num_layers": 3, "hidden_dim": 8, "num_heads": 2, "intermediate_dim": 16,
        "num_register_tokens": 2, "image_shape": [32, 32, 3], "position_embedding_shape": [32, 32],
    },
    "vit": {
        "patch_size": 8, "num_layers": 3, "hidden_dim": 8, "num_heads": 2, "mlp_dim": 16, "image_shape": [32, 32, 3],
    },
    "siglip2": {
        "patch_size": 8, "num_layers": 3, "hidden_dim": 8, "num_heads": 2, "intermediate_dim": 16,
        "image_shape": [32, 32, 3],
    },
    "swin": {
        "patch_size": 4, "depths": [2, 1], "embed_dim": 4, "num_heads": [1, 2], "window_size": 4, "drop_path": 0.0,
        "image_shape": [32, 32, 3],
    },
    "efficientnet_lite": {**LITE0, "stackwise_width_coefficients": [0.1] * 7},
}  # fmt: skip
SIZE = 32


class Member(NamedTuple):
    """A tiny member of a family.

    Args:
        entry: The family's entry, with the member's configuration.
        source: keras-hub's network.
        network: The same in layers.
        images: Some that it takes.
        outputs: What keras-hub's network makes of them.
    """

    entry: HubFamily
    source: Any
    network: keras.Model
    images: np.ndarray
    outputs: np.ndarray


@pytest.fixture(scope="module")
def members() -> Callable[[str], Member]:
    """Return the function that makes each family's member, once."""
    known: dict[str, Member] = {}

    def member(name: str) -> Member:
        if name not in known:
            entry = HUB[name].with_configuration(TINY[name], image_size=SIZE)
            random = np.random.default_rng(0)
            shape = {entry.size_key: (SIZE, SIZE, 3)} if entry.size_key else {}
            source = getattr(import_keras_hub().models, entry.classes[0])(**{**entry.configuration, **shape})
            for weight in source.weights:
                if "float" in weight.dtype and "moving" not in weight.path:
                    weight.assign(weight + random.normal(0, 0.1, weight.shape))
            if name == "dinov2":  # whose table is twice there
                source.embeddings.interpolated_position_embeddings.assign(source.embeddings.position_embeddings)
            images = random.uniform(-1, 1, (3, SIZE, SIZE, 3)).astype(np.float32)
            known[name] = Member(entry, source, entry.network(source, SIZE), images, source_outputs(source, images))
        return known[name]

    return member


@pytest.fixture(params=HUB)
def member(request, members) -> Member:
    return members(request.param)


def families(*quick: str) -> list[Any]:
    """Return all families as parameters, all but some marked as slow."""
    return [pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in HUB]


def source_outputs(source: Any, images: np.ndarray) -> np.ndarray:
    return np.asarray(source({"images": images} if isinstance(source.input, dict) else images, training=False))


def outputs(network: keras.Model, images: np.ndarray) -> np.ndarray:
    return np.asarray(network(images, training=False))


def fetch(name: str, source: Path | str, folder: Path) -> Weights:
    values = {"backbone": name, "source": str(source), "stock": "leave"}
    run_step("fetch_weights", {"weights": folder}, values)
    return Weights.read(folder)


def test_the_layers_are_keras_hubs_network_and_load_as_they_were_saved(member, tmp_path):
    whole = outputs(member.network, member.images)
    np.testing.assert_array_equal(whole, member.outputs.reshape(whole.shape))
    member.network.save(tmp_path / "network.keras")
    loaded = networks.load_checked(tmp_path / "network.keras", lambda network: None)
    np.testing.assert_array_equal(outputs(loaded, member.images), whole)
    uses = networks.uses_keras_hub(tmp_path / "network.keras")
    assert uses == (member.entry.name != "efficientnet_lite")  # whose layers are Keras's own


@pytest.mark.parametrize("unfreeze", ["last_block", "last_blocks", "0.7", "all"])
def test_prefix_then_suffix_is_the_network_to_the_last_bit(unfreeze, member):
    first = member.entry.first_trainable_layer(unfreeze, member.network)
    prefix, suffix = cut(member.network, first)
    whole = outputs(member.network, member.images)
    np.testing.assert_array_equal(outputs(suffix, outputs(prefix, member.images)), whole)
    assert None not in suffix.input_shape[1:]  # which is stored
    assert {layer.name for layer in suffix.layers if layer.trainable and layer.weights} == {
        layer.name for layer in member.network.layers if layer.trainable and layer.weights
    }


@pytest.mark.parametrize("member", families("vit"), indirect=True)
def test_a_training_of_the_suffix_repeats_and_goes_on_after_a_stop(member, tmp_path, monkeypatch):
    """To the last bit, twice, and once broken off after each epoch."""
    monkeypatch.setattr("components.model.training_state.MAX_SAVING_SHARE", np.inf)
    values: dict[str, Any] = {**PARAMETERS["fine_tune"], "epochs": 3, "batch_size": 4}
    settings = FineTuning(**{field.name: values[field.name] for field in fields(FineTuning) if field.name in values})
    prefix, suffix = cut(member.network, member.entry.first_trainable_layer("last_block", member.network))
    array = np.random.default_rng(1).uniform(-1, 1, (8, SIZE, SIZE, 3)).astype(np.float32)
    stored, labels = outputs(prefix, array)[:, None], np.arange(8) % 2
    rows = Rows(stored[:4], np.arange(4), labels[:4]), Rows(stored[4:], np.arange(4), labels[4:])
    start, ends, left = suffix.get_weights(), [], [2, 3]

    def log(epoch: int, row: dict[str, float], breaks: bool) -> None:
        if breaks and left and epoch == left[0]:
            del left[0]
            raise InterruptedError

    for number in range(3):
        trained = None
        while trained is None:
            suffix.set_weights(start)
            pooled = keras.layers.Flatten()(suffix.output)
            model = keras.Model(suffix.input, keras.layers.Dense(2, kernel_initializer="zeros")(pooled))
            with suppress(InterruptedError):
                trained = training.train(
                    "test", model, rows, settings, partial(log, breaks=number == 2), tmp_path / str(number)
                )
        ends.append((trained.history, model.get_weights()))
    suffix.set_weights(start)
    (history, weights), *others = ends
    assert not left and history["loss"].iloc[-1] < history["loss"].iloc[0]
    for other_history, other_weights in others:
        assert history.equals(other_history)
        for one, other in zip(weights, other_weights, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("member", families("dinov2"), indirect=True)
def test_bfloat16_is_computed_inside_the_blocks_too_and_changes_the_features_little(member):
    entry = replace(member.entry, min_products=8)
    copy = to_bfloat16(member.network, 8)
    parts = [part for layer in copy.layers for part in (layer, *layer._flatten_layers(include_self=False))]
    kinds = {type(part).__name__ for part in parts if part.compute_dtype == "bfloat16"}
    assert {"Conv2D"} < kinds | {"Dense"} and kinds <= {"Conv2D", "Dense", "EinsumDense"}
    assert {weight.dtype for weight in copy.weights} == {weight.dtype for weight in member.network.weights}
    raw = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    (plain, _), (rounded, _) = outputs_by_precision(entry, member.network, raw)
    assert 1e-5 < relative_difference(rounded, plain) < 5e-2
    assert rounded.dtype == np.float32


# Folders


@pytest.mark.parametrize("member", families("dinov2", "siglip2"), indirect=True)
def test_a_preset_of_keras_becomes_weights_of_the_same_network(member, tmp_path):
    entry = member.entry
    member.source.save_to_preset(tmp_path / "preset")
    converter = {"config": {"scale": [0.01, 0.02, 0.03], "offset": -1, "image_size": [SIZE, SIZE]}}
    (tmp_path / "preset" / "image_converter.json").write_text(json.dumps(converter))
    weights = fetch(entry.name, tmp_path / "preset", tmp_path / "weights")
    read = backbones.entry_of(weights)
    assert (read.scale, read.offset, read.image_size) == ((0.01, 0.02, 0.03), -1, SIZE)
    assert (read.leading_tokens, read.cuts) == (entry.leading_tokens, entry.cuts)
    network = read.build(SIZE, weights.file)
    np.testing.assert_array_equal(outputs(network, member.images), outputs(member.network, member.images))


def test_a_preset_by_its_name_is_read_with_its_pixels(members, tmp_path, monkeypatch):
    """One of keras-hub's, whose place is a folder here instead of an address."""
    hub, source = import_keras_hub(), members("vit").source
    source.save_to_preset(str(tmp_path / "preset"))
    hub.layers.ViTImageConverter(image_size=(32, 32), scale=0.5, offset=-3.0).save_to_preset(str(tmp_path / "preset"))
    monkeypatch.setitem(
        preset_utils.BUILTIN_PRESETS, "vit_base_patch16_224_imagenet21k", {"kaggle_handle": str(tmp_path / "preset")}
    )
    weights = fetch("vit", "preset:vit_base_patch16_224_imagenet21k", tmp_path / "weights")
    read = backbones.entry_of(weights)
    assert (read.scale, read.offset, read.image_size) == (0.5, -3.0, 32)
    member = members("vit")
    np.testing.assert_array_equal(
        outputs(read.build(32, weights.file), member.images), outputs(member.network, member.images)
    )


TOKENS = 1 + 16
TRANSFORMER = {"patch_size": 8, "image_size": 32, "num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 2}
DINOV2 = {
    **TRANSFORMER, "model_type": "dinov2", "mlp_ratio": 2, "layerscale_value": 1.0, "use_swiglu_ffn": False,
    "hidden_dropout_prob": 0.1, "drop_path_rate": 0.2,
}  # fmt: skip
VIT = {
    **TRANSFORMER, "model_type": "vit", "intermediate_size": 16, "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1, "qkv_bias": True,
}  # fmt: skip
SWIN = {
    "model_type": "swin", "image_size": 32, "patch_size": 4, "embed_dim": 4, "depths": [1, 1], "num_heads": [1, 2],
    "window_size": 4, "mlp_ratio": 2.0, "qkv_bias": True, "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0, "drop_path_rate": 0.1,
}  # fmt: skip


def linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def patches(channels: int, side: int) -> dict[str, tuple[int, ...]]:
    name = "embeddings.patch_embeddings.projection"
    return {f"{name}.weight": (channels, 3, side, side), f"{name}.bias": (channels,)}


def transformer_tensors(model: str) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the tensors of two blocks of ViT or of DINOv2, as Hugging Face has them."""
    norms = {"vit": ("layernorm_before", "layernorm_after"), "dinov2": ("norm1", "norm2")}[model]
    dense = {"vit": ("intermediate.dense", "output.dense"), "dinov2": ("mlp.fc1", "mlp.fc2")}[model]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, 1, 8), "embeddings.position_embeddings": (1, TOKENS, 8), **patches(8, 8),
        **norm("layernorm", 8),
    }  # fmt: skip
    if model == "dinov2":
        shapes["embeddings.mask_token"] = (1, 8)
    for number in range(2):
        block = f"encoder.layer.{number}"
        for name in ("attention.attention.query", "attention.attention.key", "attention.attention.value"):
            shapes |= linear(f"{block}.{name}", 8, 8)
        shapes |= linear(f"{block}.attention.output.dense", 8, 8)
        shapes |= {**norm(f"{block}.{norms[0]}", 8), **norm(f"{block}.{norms[1]}", 8)}
        shapes |= {**linear(f"{block}.{dense[0]}", 8, 16), **linear(f"{block}.{dense[1]}", 16, 8)}
        if model == "dinov2":
            shapes |= {f"{block}.layer_scale{one}.lambda1": (8,) for one in (1, 2)}
    return shapes


def swin_tensors() -> dict[str, tuple[int, ...]]:
    shapes = {**patches(4, 4), **norm("embeddings.norm", 4), **norm("layernorm", 8)}
    for stage, (channels, heads) in enumerate(((4, 1), (8, 2))):
        block = f"encoder.layers.{stage}.blocks.0"
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= linear(f"{block}.{name}", channels, channels)
        shapes[f"{block}.attention.self.relative_position_bias_table"] = (49, heads)
        shapes |= {**norm(f"{block}.layernorm_before", channels), **norm(f"{block}.layernorm_after", channels)}
        shapes |= linear(f"{block}.intermediate.dense", channels, 2 * channels)
        shapes |= linear(f"{block}.output.dense", 2 * channels, channels)
    shapes["encoder.layers.0.downsample.reduction.weight"] = (8, 16)
    return {**shapes, **norm("encoder.layers.0.downsample.norm", 16)}


def write_folder(folder: Path, config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Path:
    """Write a folder of Hugging Face with random weights, and pixels of mean 0.5 and deviation 0.25."""
    random = np.random.default_rng(0)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    pixels = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "rescale_factor": 1 / 255}
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels))
    tensors = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    save_file(tensors, folder / "model.safetensors")
    return folder


def with_prefix(prefix: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {prefix + name: shape for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("name", "config", "shapes"),
    [
        ("dinov2", DINOV2, transformer_tensors("dinov2")),
        ("vit", VIT, with_prefix("vit.", transformer_tensors("vit"))),
        pytest.param("swin", SWIN, with_prefix("swin.", swin_tensors()), marks=pytest.mark.slow),
    ],
    ids=["dinov2", "vit", "swin"],
)
def test_a_folder_of_hugging_face_becomes_weights_of_the_same_network(name, config, shapes, tmp_path, capsys):
    folder = write_folder(tmp_path / "folder", config, shapes)
    weights = fetch(name, folder, tmp_path / "weights")
    read = backbones.entry_of(weights)
    assert (read.scale, read.offset) == (pytest.approx((4 / 255,) * 3), (-2, -2, -2))
    assert "a folder of Hugging Face" in capsys.readouterr().out
    network = read.build(32, weights.file)
    (kernel,) = (one for key, one in load_file(folder / "model.safetensors").items() if "projection.weight" in key)
    np.testing.assert_array_equal(network.get_layer("patches").get_weights()[0], kernel.transpose(2, 3, 1, 0))
    images = np.random.default_rng(0).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)
    source = getattr(import_keras_hub().models, HUB[name].classes[0]).from_preset(str(folder))
    whole = outputs(network, images)
    np.testing.assert_array_equal(whole, source_outputs(source, images).reshape(whole.shape))


def test_a_network_of_vit_that_was_saved_without_a_top_is_the_one_with_it(tmp_path):
    shapes = transformer_tensors("vit")
    folders = [write_folder(tmp_path / f"folder{one}", VIT, with_prefix(one, shapes)) for one in ("vit.", "")]
    first, second = (fetch("vit", folder, tmp_path / str(number)) for number, folder in enumerate(folders))
    assert first.digest == second.digest


@pytest.mark.slow  # timm's smallest has 3.4 million parameters
def test_a_folder_of_timm_becomes_weights_of_the_same_network(tmp_path):
    config = {"architecture": "efficientnet_lite0", "num_classes": 1000, "pretrained_cfg": {
        "mean": [0.5] * 3, "std": [0.25] * 3, "input_size": [3, 224, 224]}}  # fmt: skip
    source = HUB["efficientnet_lite"].new_network(64)
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in source.layers:
        stage = layer.name
        if not layer.weights:
            continue
        if stage.startswith("block"):
            place = f"blocks.{int(stage[5]) - 1}.{ord(stage[6]) - 97}."
            kind, depthwise_first = stage[8:], stage.startswith("block1")
            first, second, third = ("bn0", "bn1", "bn2") if depthwise_first else ("bn1", "bn2", "bn3")
            names = {
                "expand_conv": "conv_pw", "expand_bn": first, "dwconv": "conv_dw", "dwconv_bn": second,
                "project": "conv_pw" if depthwise_first else "conv_pwl", "project_bn": third,
            }  # fmt: skip
            name = place + names[kind]
        else:
            name = {"stem_conv": "conv_stem", "stem_bn": "bn1", "top_conv": "conv_head", "top_bn": "bn2"}[stage]
        if len(layer.weights) == 4:
            shapes |= {f"{name}.{key}": layer.weights[0].shape for key in ("weight", "bias")}
            shapes |= {f"{name}.{key}": layer.weights[0].shape for key in ("running_mean", "running_var")}
        else:
            height, width, inputs, filters = layer.weights[0].shape
            depthwise = "dwconv" in stage
            shapes[f"{name}.weight"] = (inputs, 1, height, width) if depthwise else (filters, inputs, height, width)
    folder = write_folder(tmp_path / "folder", config, shapes)
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {key: np.abs(one) if "running_var" in key else one for key, one in tensors.items()},
        folder / "model.safetensors",
    )
    weights = fetch("efficientnet_lite", folder, tmp_path / "weights")
    read = backbones.entry_of(weights)
    assert (read.scale, read.offset) == (pytest.approx((4 / 255,) * 3), (-2, -2, -2))
    assert read.image_size == 224
    images = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    hub = import_keras_hub().models.EfficientNetBackbone.from_preset(str(folder), input_shape=(None, None, 3))
    np.testing.assert_allclose(outputs(read.build(64, weights.file), images), np.asarray(hub(images)), rtol=1e-5)


# Sizes


@pytest.mark.parametrize("antialias", [pytest.param(False, marks=pytest.mark.slow), True])
def test_positions_are_resized_as_keras_hub_does_it(antialias, tmp_path):
    configuration = {**TINY["dinov2"], "antialias_in_interpolation": antialias}
    kind = import_keras_hub().models.DINOV2Backbone
    keras.utils.set_random_seed(0)
    kind(**configuration).save_to_preset(str(tmp_path / "preset"))
    weights = fetch("dinov2", tmp_path / "preset", tmp_path / "weights")
    for size in (16, 48):
        images = np.random.default_rng(0).uniform(-1, 1, (2, size, size, 3)).astype(np.float32)
        resized = kind.from_preset(str(tmp_path / "preset"), image_shape=(size, size, 3))
        network = backbones.entry_of(weights).build(size, weights.file)
        np.testing.assert_array_equal(outputs(network, images), source_outputs(resized, images))


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("dinov2", 36, "no backbone for images of 36 pixels: it takes 8 pixels or more, multiples of 8, 32 as pretr"),
        ("vit", 4, "no backbone for images of 4 pixels: it takes 8 pixels or more, multiples of 8"),
        ("swin", 48, "no backbone for images of 48 pixels: it takes 32 pixels or more, multiples of 32"),
    ],
)
def test_other_sizes_are_one_line_that_says_which(name, size, words, members):
    with pytest.raises(UserError, match=words):
        members(name).entry.build(size)


def test_networks_of_any_grid_take_other_sizes(members, tmp_path):
    for name, expected in (("vit", (None, 37, 8)), ("siglip2", (None, 8)), ("efficientnet_lite", (None, 2, 2, 128))):
        assert members(name).entry.build(48).output_shape == expected


# Steps


def test_a_folder_goes_to_a_report_and_to_a_model_that_says_what_it_needs(made, members, tmp_path):
    members("vit").source.save_to_preset(str(tmp_path / "preset"))
    at = {**made, "weights": fetch("vit", tmp_path / "preset", tmp_path / "weights").path}
    at |= {name: tmp_path / name for name in ("chosen_precision", "features", "tensors", "top", "classifier", "report")}
    run_step("choose_precision", at, PARAMETERS["choose_precision"])
    run_step("extract", at, {**PARAMETERS["extract"], "pooling": "both"})
    assert Features.read(at["features"]).array.shape[2:] == (16,)
    run_step("extract", at, PARAMETERS["extract"])
    assert Features.read(at["features"]).facts.pooling == "class_token"
    run_step("train_top", at, {**PARAMETERS["train_top"], "epochs": 1})
    run_step("fine_tune", at, {**PARAMETERS["fine_tune"], "epochs": 1})
    evaluate(at)
    classifier = Classifier.read(at["classifier"])
    assert classifier.facts.backbone == "vit"
    assert "keras-hub" in logged.serving_packages(classifier)
    assert "keras-hub" not in logged.serving_packages(Classifier.read(made["classifiers/top"]))


@pytest.mark.parametrize(("name", "side"), [("dinov2", 4), ("vit", 4), ("siglip2", 4), ("swin", 4)])
def test_grad_cam_looks_at_the_tokens_that_enter_the_last_block(name, side, members):
    network = members(name).network
    tokens = grad_cam.last_feature_map(network)
    assert tokens is not None
    grid = grad_cam.as_grid(np.zeros((1, *tokens.shape[1:]), np.float32))
    assert grid.shape == (1, side, side, 8)
    if name != "swin":  # whose output are maps
        last = network.get_layer({"siglip2": "attention_pooling"}.get(name, "block_3"))
        assert tokens is last._inbound_nodes[0].input_tensors[0]


def planted_transformer(entry: HubFamily) -> keras.Model:
    """Return a classifier by red and by green: the class token gathers both from all patches, in the last block."""
    network = entry.build(SIZE)
    for layer in network.layers:
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    kernel = np.zeros((8, 8, 3, 8), np.float32)
    kernel[..., [0, 1], [0, 1]] = 0.5 / 64
    network.get_layer("patches").set_weights([kernel, np.array([0.5, 0.5, 0, 0, 0, 0, 0, 0])])
    block, one, nothing = network.get_layer("block_3"), np.eye(8, dtype=np.float32), np.zeros((2, 4))
    for norm in (block.layer_norm1, block.layer_norm2, network.get_layer("norm")):
        norm.set_weights([np.ones(8), np.zeros(8)])
    same = [np.zeros((8, 2, 4)), nothing] * 2  # all tokens are heeded alike
    block.self_attn.set_weights([*same, one.reshape(8, 2, 4), nothing, one.reshape(2, 4, 8), np.zeros(8)])
    image = keras.Input((SIZE, SIZE, 3))
    x = entry.pooling_layer("class_token", network)(network(entry.preprocessing()(image)))
    logits = keras.layers.Dense(2, name="logits")
    x = keras.layers.Rescaling(1.0, name="temperature")(logits(x))
    logits.set_weights([one[:, :2], np.zeros(2)])
    return keras.Model(image, keras.layers.Softmax()(x))


def test_grad_cam_lights_up_the_patch_from_which_the_class_token_has_its_class(members):
    places = [(row, column) for row in range(4) for column in range(4)] * 2
    labels = np.repeat([0, 1], 16)
    array = np.random.default_rng(0).integers(0, 120, (32, SIZE, SIZE, 3), dtype=np.uint8)
    for image, (row, column), label in zip(array, places, labels, strict=True):
        image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 255 * np.eye(3)[label]
    model = planted_transformer(members("vit").entry)
    np.testing.assert_array_equal(np.asarray(model(array.astype(np.float32))).argmax(axis=1), labels)
    heats = grad_cam.heat_maps(model, array, labels)
    assert heats is not None and heats.shape == (32, 4, 4)
    assert [np.unravel_index(heat.argmax(), heat.shape) for heat in heats] == places


@pytest.mark.parametrize(
    ("name", "format"), [("vit", "onnx"), pytest.param("dinov2", "litert", marks=pytest.mark.slow)]
)  # fmt: skip
def test_a_transformer_is_exported_with_the_same_probabilities(name, format, members, tmp_path):
    network = members(name).network
    pooled = keras.layers.GlobalAveragePooling1D()(network.output)
    classifier = keras.Model(network.input, keras.layers.Dense(3, activation="softmax")(pooled))
    pixels = np.random.default_rng(0).integers(0, 3, (2, SIZE, SIZE, 3), dtype=np.uint8).astype(np.float32)
    file = tmp_path / f"model{FORMATS[format].suffix}"
    exporting.convert(classifier, format, "float32", file)
    np.testing.assert_allclose(FORMATS[format].open(file)(pixels), classifier.predict_on_batch(pixels), atol=1e-5)


# What cannot be


def test_without_keras_hub_a_line_says_what_brings_it(members, tmp_path, monkeypatch):
    members("dinov2").network.save(tmp_path / "network.keras")
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    for attempt in (lambda: HUB["vit"].build(224), lambda: networks.load_checked(tmp_path / "network.keras", print)):
        with pytest.raises(UserError, match=r"keras_hub is not installed: `.*uv pip install --group hub` brings it"):
            attempt()


def broken_folder(kind: str, folder: Path) -> Path:
    if kind == "nothing":
        return folder
    shapes = transformer_tensors("vit")
    configs: dict[str, dict[str, Any]] = {"siglip2": {"model_type": "siglip2"}, "another": DINOV2, "unknown": {"a": 1}}
    config = configs.get(kind, VIT)
    write_folder(folder, config, {} if kind == "no tensors" else shapes)
    if kind == "no json":
        (folder / "config.json").write_text("{")
    if kind == "no config":
        (folder / "config.json").unlink()
    if kind == "pixels":
        (folder / "preprocessor_config.json").write_text('{"image_mean": [0.1, 0.2], "image_std": [1, 1]}')
    if kind == "damaged":
        (folder / "model.safetensors").write_bytes(b"none")
    if kind == "not finite":
        tensors = load_file(folder / "model.safetensors")
        tensors["layernorm.bias"][0] = np.nan
        save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("nothing", "no folder .*; give the folder of a preset of Keras or of Hugging Face, or preset:NAME"),
        ("no config", "has no config.json"),
        ("no json", "config.json is no JSON"),
        ("unknown", "is a folder of timm, of None"),
        ("another", "is a folder of Hugging Face, of 'dinov2': this network is read from such of vit"),
        ("pixels", "has a scale of pixels that is no number, nor three"),
        ("damaged", "model.safetensors cannot be read"),
        ("no tensors", "cannot be loaded"),
        ("not finite", r"cannot be loaded \(its weights are not all finite numbers\)"),
    ],
)
def test_a_folder_that_is_none_of_the_family_is_one_line(kind, words, tmp_path):
    with pytest.raises(UserError, match=words) as caught:
        fetch("vit", broken_folder(kind, tmp_path / "folder"), tmp_path / "weights")
    assert "\n" not in str(caught.value) and not (tmp_path / "weights").exists()


def test_siglip2_is_read_from_presets_alone_and_says_so(tmp_path):
    with pytest.raises(UserError, match="of 'siglip2': this network is read from such of none: give a preset of Keras"):
        fetch("siglip2", broken_folder("siglip2", tmp_path / "folder"), tmp_path / "weights")


def test_a_preset_that_is_not_there_and_imagenet_are_one_line(tmp_path):
    with pytest.raises(UserError, match="no preset 'dinov2_smal'; did you mean 'dinov2_small'"):
        fetch("dinov2", "preset:dinov2_smal", tmp_path / "weights")
    with pytest.raises(UserError, match="no folder 'imagenet'; give the folder of a preset"):
        fetch("dinov2", "imagenet", tmp_path / "weights")


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("efficientnet_lite", {"stackwise_squeeze_and_excite_ratios": [0.25] * 7}),
        ("efficientnet_lite", {"stackwise_block_types": ["fused"] * 7}),
        ("vit", {"use_mha_bias": False}),
        ("swin", {"qkv_bias": False}),
    ],
)
def test_a_member_that_could_not_be_built_or_saved_as_it_is_is_refused(name, changed):
    with pytest.raises(UserError, match=r"is no Lite one|is none that can be saved"):
        HUB[name].with_configuration({**TINY[name], **changed})


def test_a_damaged_description_is_one_line(members, tmp_path):
    members("vit").source.save_to_preset(str(tmp_path / "preset"))
    weights = fetch("vit", tmp_path / "preset", tmp_path / "weights")
    for content in ('{"pixels": [1, 0], "image_size": 32, "architecture": {}}', "[]", "no json"):
        (weights.path / "network.json").write_text(content)
        with pytest.raises(UserError, match=r"network.json"):
            backbones.entry_of(weights)

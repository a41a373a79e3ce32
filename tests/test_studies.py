"""The five studies: the recipes say what was published, and their networks have the parameters that were published."""

from typing import Any

import keras
import pytest

from components.data.artifacts import Top
from components.data.datasets import DATA_SETS
from components.machinery.code import ROOT
from components.machinery.signature import load_step
from components.model import backbones, benchmark, heads
from components.model.cut import cut
from pipeline import recipes
from tests.conftest import MODELS

STUDIES = [name for name in DATA_SETS if name != "digits"]
CONTENT = recipes.read(ROOT / recipes.PARAMS)
RESOLVED = {name: recipes.resolve(CONTENT, name) for name in CONTENT["recipes"]}
RECIPES = {name: recipe.values for name, recipe in RESOLVED.items()}
IMAGE_SIZE, LARGER = 224, 320  # pixels
BY_VALIDATION = ("kth_animals_improved",)  # recipes that validation chose the larger images for

# What each study says of itself. A patience of all its epochs: it did not stop early.
PUBLISHED: dict[str, dict[str, dict[str, Any]]] = {
    "kth_animals": {
        "split": {"train": 1460, "validation": 138, "test": 140},
        "augment": {
            "rotation": 10.0, "shear": 0.2, "zoom": 0.2, "flip": "horizontal", "shift": 0.0, "brightness": 0.0,
        },
        "extract": {"unfreeze": "last_block"},
        "train_benchmark": {
            "network": "cnn", "image_size": 224, "optimizer": "rmsprop", "monitor": "log_loss", "patience": 5,
            "batch_size": 20,
        },
        "train_top": {
            "head": "linear", "dropout": 0.7, "optimizer": "rmsprop", "learning_rate": 0.001, "epochs": 500,
            "patience": 10, "batch_size": 20,
        },
        "fine_tune": {
            "optimizer": "sgd", "learning_rate": 0.0001, "momentum": 0.9, "epochs": 100, "patience": 5,
            "batch_size": 20,
        },
    },
    "sign_language": {
        "split": {"train": 1712, "validation": 300, "test": 50},
        "augment": {"views": 0},
        "extract": {"unfreeze": "last_block"},
        "train_top": {"head": "linear", "dropout": 0.0},
        "fine_tune": {"optimizer": "adam", "learning_rate": 0.0001, "epochs": 20, "patience": 20, "batch_size": 10},
    },
    "groceries": {
        "split": {"method": "published"},
        "augment": {"views": 0},
        "extract": {"unfreeze": "last_block"},
        "train_benchmark": {"network": "perceptron", "image_size": 224},
        "train_top": {"head": "linear", "dropout": 0.0, "optimizer": "adam"},
        "fine_tune": {},
    },
    "car_damage": {
        "split": {"method": "published"},
        "augment": {"views": 0},
        "extract": {"unfreeze": "block5_conv3"},
        "train_top": {
            "head": "hidden", "dropout": 0.0, "optimizer": "adam", "learning_rate": 0.001, "epochs": 15,
            "patience": 15, "batch_size": 32,
        },
        "fine_tune": {"optimizer": "adam", "learning_rate": 0.001, "epochs": 15, "patience": 15, "batch_size": 32},
    },
    "traffic_lights": {
        "split": {"method": "published"},
        "augment": {
            "shift": 0.2, "flip": "horizontal", "rotation": 0.0, "shear": 0.0, "zoom": 0.0, "brightness": 0.0,
        },
        "train_top": {
            "head": "conv", "dropout": 0.25, "optimizer": "adam", "epochs": 50, "monitor": "accuracy",
            "min_delta": 0.0001, "patience": 3, "batch_size": 32,
        },
    },
}  # fmt: skip
PLAIN = {  # what no study's training had more of
    "schedule": "constant", "warm_up": 0.0, "weight_decay": 0.0, "l2": 0.0, "label_smoothing": 0.0,
    "class_weights": "none", "ema_momentum": 0.0, "mixup": 0.0, "cutmix": 0.0, "backbone_rate": 1.0,
    "rate_decay": 1.0, "patience_updates": 0,
}  # fmt: skip
RARE = ("groceries", "traffic_lights")  # data sets with classes of few images

# Recipe, first layer to train (none: the head alone): trainable, frozen, total.
COUNTS = {
    ("car_damage", None): (33_027, 14_714_688, 14_747_715),
    ("car_damage", "block5_conv3"): (2_392_835, 12_354_880, 14_747_715),
    ("car_damage", "block5_conv2"): (4_752_643, 9_995_072, 14_747_715),
    ("kth_animals", None): (9_747, 20_024_384, 20_034_131),
    ("kth_animals", "last_block"): (9_448_979, 10_585_152, 20_034_131),
    ("groceries", None): (51_225, 23_587_712, 23_638_937),
    ("groceries", "last_block"): (4_510_745, 19_128_192, 23_638_937),
    ("traffic_lights", None): (199_267, 14_714_688, 14_913_955),
    ("traffic_lights", "last_block"): (7_278_691, 7_635_264, 14_913_955),  # added
    ("sign_language", "last_block"): (7_084_554, 7_635_264, 14_719_818),
}
BACKBONES = {"vgg16": 14_714_688, "vgg19": 20_024_384, "resnet50": 23_587_712}
BENCHMARKS = {"kth_animals": 3_920_531, "groceries": 224 * 224 * 3 * 25 + 25}


@pytest.mark.parametrize("data_set", STUDIES)
def test_every_data_set_has_a_recipe_as_published_and_one_improved(data_set):
    for recipe in (data_set, f"{data_set}_improved"):
        assert RESOLVED[recipe].data == data_set and RESOLVED[recipe].models == tuple(MODELS.values())
        assert RECIPES[recipe]["augment"]["image_size"] == (LARGER if recipe in BY_VALIDATION else IMAGE_SIZE)


@pytest.mark.parametrize("study", STUDIES)
def test_a_recipe_says_what_its_study_says(study):
    for name, said in PUBLISHED[study].items():
        found = RECIPES[study][name]
        plain = {key: value for key, value in PLAIN.items() if key in found}
        expected = {**plain, **said}
        assert {key: found[key] for key in expected} == expected
    if PUBLISHED[study]["augment"] != {"views": 0}:
        assert RECIPES[study]["augment"]["views"] >= 1


def test_the_groceries_study_fine_tuned_at_a_lower_rate():
    groceries = RECIPES["groceries"]
    assert groceries["fine_tune"]["learning_rate"] < groceries["train_top"]["learning_rate"]


@pytest.mark.parametrize("study", STUDIES)
def test_an_improved_recipe_fine_tunes_gently_from_a_trained_head_on_several_views(study):
    recipe = RECIPES[f"{study}_improved"]
    assert load_step("fine_tune").inputs["top"] is Top
    top, tuned = recipe["train_top"], recipe["fine_tune"]
    assert min(top["epochs"], top["patience"]) > 1
    assert tuned["backbone_rate"] < 1 and tuned["backbone_rate"] * tuned["learning_rate"] < top["learning_rate"]
    assert tuned["schedule"] == "cosine" and 0 < tuned["warm_up"] < 1
    assert recipe["augment"]["views"] >= 2
    if study in RARE:
        assert {recipe[name]["class_weights"] for name in MODELS} == {"balanced"}
    if DATA_SETS[study].numbered_by_person:
        assert recipe["split"]["method"] == "grouped"


@pytest.fixture(scope="module")
def network():
    """Return a backbone by its name, built once, all of it trainable."""
    built: dict[str, keras.Model] = {}

    def build(name: str) -> keras.Model:
        if name not in built:
            built[name] = backbones.get(name).build(IMAGE_SIZE)
        built[name].trainable = True
        return built[name]

    return build


def count(weights: list[keras.Variable]) -> int:
    return int(sum(keras.ops.size(weight) for weight in weights))


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones_have_the_parameters_of_the_studies(name, network):
    assert network(name).count_params() == BACKBONES[name]


@pytest.mark.parametrize(("study", "unfreeze"), COUNTS)
def test_trainable_frozen_and_all_parameters_are_those_of_the_study(study, unfreeze, network):
    """Batch normalisation counts as frozen, also where its block is open."""
    (weights,), recipe = RESOLVED[study].networks, RECIPES[study]
    entry, body = backbones.get(weights), network(weights)
    if unfreeze:
        prefix, suffix = cut(body, entry.first_trainable_layer(unfreeze, body))
        assert count(prefix.trainable_weights) == 0
        assert suffix.trainable_weights == body.trainable_weights
    else:
        body.trainable = False
    pooling, given = recipe["extract"]["pooling"], recipe["train_top"]
    pooling = entry.pooling_name(pooling)
    features = entry.pooling_layer(pooling, body)(body.output)
    classes = len(DATA_SETS[study].classes)
    head = heads.build(
        given["head"], pooling, features.shape[1:], classes, *(given[name] for name in ("dropout", "width", "depth"))
    )
    model = keras.Model(body.input, head(features))
    found = (count(model.trainable_weights), count(model.non_trainable_weights), model.count_params())
    assert found == COUNTS[study, unfreeze]


def test_the_last_block_of_resnet50_is_eleven_layers_with_the_pooling_and_frozen_batch_normalisation(network):
    _, suffix = cut(network("resnet50"), backbones.get("resnet50").cuts["last_block"])
    layers = [layer for layer in suffix.layers if not isinstance(layer, keras.layers.InputLayer)]
    assert len(layers) + 1 == 11 and all(layer.name.startswith("conv5_block3_") for layer in layers)
    normalisations = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert count([weight for layer in normalisations for weight in (layer.gamma, layer.beta)]) == 4_516_889 - 4_510_745
    assert not any(layer.trainable for layer in normalisations)


def benchmark_of(study: str) -> keras.Model:
    given = RECIPES[study]["train_benchmark"]
    size = {name: given[name] for name in ("image_size", "width", "stages")}
    return benchmark.build(given["network"], classes=len(DATA_SETS[study].classes), **size)


@pytest.mark.parametrize("study", BENCHMARKS)
def test_benchmarks_have_the_parameters_of_the_studies(study):
    network = benchmark_of(study)
    assert network.count_params() == count(network.trainable_weights) == BENCHMARKS[study]


def test_the_benchmark_is_the_network_of_the_kth_study():
    layers = benchmark_of("kth_animals").layers
    convolutions = [layer.filters for layer in layers if isinstance(layer, keras.layers.Conv2D)]
    assert convolutions == [64, 128, 256, 512, 512]
    assert [layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)] == [0.5, 0.4, 0.3]


def test_the_perceptron_is_one_dense_layer():
    (dense,) = (layer for layer in benchmark_of("groceries").layers if layer.weights)
    assert isinstance(dense, keras.layers.Dense)

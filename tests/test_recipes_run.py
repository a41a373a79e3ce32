"""The five studies as published, each through every step at 224 pixels with its own network, on a few images."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from components.data.artifacts import Classifier, Comparison, Report, Weights
from components.data.datasets import DATA_SETS
from components.data.sources import open_source
from components.model import backbones
from components.results import failures
from tests.conftest import MODELS, run_steps, write_images
from tests.data.test_data_sets import real, write_copy, write_splits
from tests.test_studies import BENCHMARKS, COUNTS, IMAGE_SIZE, RECIPES, RESOLVED, STUDIES

pytestmark = pytest.mark.slow  # photographs through VGG and ResNet, forward and backward

ABOVE = {"kth_animals": "KTH_ANIMALS", "sign_language": "Dataset"}  # the classes
ARCHIVES = {"kth_animals": "kth_animals.tar", "sign_language": "sign_language_digits.tar"}  # of the others, samples
IN_PARTS = ("car_damage", "traffic_lights")
VIEWS = {"traffic_lights": 1}  # an image; those of the animals would take longest
ENDINGS = (".jpg", ".jpeg", ".png")


def write(study: str, top: Path, per_folder: int) -> None:
    """Write a few images in the published layout."""
    if study in ABOVE:
        write_images(top / ABOVE[study], per_folder, classes=DATA_SETS[study].classes)
    else:
        write_copy(study, top)


def copy(study: str, top: Path, per_folder: int) -> None:
    """Copy the first real images of every folder."""
    with open_source(str(real(ARCHIVES.get(study, f"samples/{study}"))), top.parent) as whole:
        for folder in {path.parent for path in whole.rglob("*") if path.suffix.lower() in ENDINGS}:
            (top / folder.relative_to(whole)).mkdir(parents=True)
            for file in sorted(folder.iterdir())[:per_folder]:
                shutil.copyfile(file, top / file.relative_to(whole))
    if study == "groceries":
        write_splits(top / "splits", [f"{path.parent.name}/{path.name}" for path in top.rglob("*.png")])


@pytest.fixture(
    scope="module",
    params=[pytest.param((study, kind), id=f"{study}-{kind.__name__}") for kind in (write, copy) for study in STUDIES],
)
def ran(request) -> Iterator[tuple[str, dict[str, Path]]]:
    """Run a recipe on two or three images a folder, an image a class in training and validation, one epoch a model."""
    study, bring = request.param
    entry, recipe, (weights,) = DATA_SETS[study], RECIPES[study], RESOLVED[study].networks
    classes, per_folder = len(entry.classes), 2 if study in IN_PARTS else 3
    short: dict[str, Any] = {
        "fetch": {"data_set": study, "max_quarantined": 0},
        "fetch_weights": {"backbone": weights, "source": "random", "stock": "leave"},
        **recipe,
        "split": {**recipe["split"], **dict.fromkeys(("train", "validation", "test"), classes)},
        "augment": {**recipe["augment"], "views": VIEWS.get(study, 0)},
        **{name: {**recipe[name], "epochs": 1, "repeats": 1} for name in MODELS},
    }
    few = replace(entry, images=classes * per_folder * (1 + (study in IN_PARTS)), digest="")
    with tempfile.TemporaryDirectory(prefix="graft-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATA_SETS, study, few)
        patch.setattr(failures, "WRONG", 1)
        patch.setattr(failures, "RIGHT", 1)
        bring(study, Path(folder) / "source", per_folder)
        yield study, run_steps(Path(folder) / "made", Path(folder) / "source", study, short)


def delivered(at: dict[str, Path]) -> dict[str, Classifier]:
    return {model: Classifier.read(at[f"classifiers/{model}"]) for model in MODELS.values()}


def test_delivered_models_have_the_parameters_of_the_study(ran):
    study, at = ran
    found = {model: classifier.facts for model, classifier in delivered(at).items()}
    trainable, _, total = COUNTS[study, RECIPES[study]["extract"]["unfreeze"]]
    assert found["fine_tuned"].trainable_parameters == trainable
    assert found["fine_tuned"].model_parameters == found["top"].model_parameters == total
    if study in BENCHMARKS:
        assert found["benchmark"].model_parameters == BENCHMARKS[study]


def test_delivered_models_take_photographs_of_224_pixels_and_give_probabilities_of_the_classes_in_order(ran):
    study, at = ran
    classes = list(DATA_SETS[study].classes)
    for model, classifier in delivered(at).items():
        network = classifier.load()
        assert network.input_shape == (None, IMAGE_SIZE, IMAGE_SIZE, 3)
        assert network.output_shape == (None, len(classes))
        assert classifier.facts.classes == classes
        assert classifier.facts.train_counts == [1] * len(classes)
        probabilities = Report.read(at[model]).table("predictions.csv").filter(like="probability_")
        assert probabilities.columns.tolist() == [f"probability_{name}" for name in classes]
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_fine_tuning_moves_what_it_is_to_train_and_nothing_else(ran):
    """Not the frozen layers, and of batch normalisation neither weights nor statistics."""
    study, at = ran
    weights = Weights.read(at["weights"])
    entry = backbones.entry_of(weights)
    before = entry.build(IMAGE_SIZE, weights.file)
    after = delivered(at)["fine_tuned"].load().get_layer(before.name)
    first = entry.first_trainable_layer(RECIPES[study]["extract"]["unfreeze"], before)
    trained = False
    for layer, tuned in zip(before.layers, after.layers, strict=True):
        trained = trained or layer.name == first
        values = zip(layer.get_weights(), tuned.get_weights(), strict=True)
        moved = any((one != other).any() for one, other in values)
        expected = trained and layer.weights and not isinstance(layer, keras.layers.BatchNormalization)
        assert moved == bool(expected), layer.name
    assert trained


def test_the_three_models_are_compared_and_everything_is_drawn(ran):
    _, at = ran
    comparison = Comparison.read(at["comparison"])
    assert comparison.table("comparison.csv")["model"].tolist() == [*MODELS.values()]
    of_each = {"confusion_matrix", "learning_curves", "reliability", "classes", "mistakes"}
    figures = {
        at["drawings"]: {"images_per_class", "samples", "rgb_densities"},  # of one size, and without words
        at["page"]: {"comparison", "validation_curves"},
    }
    for folder in figures:
        assert {path.stem for path in (folder / "figures").glob("*.png")} >= figures[folder]
    for model in MODELS.values():
        assert {path.stem for path in (at["page"] / "figures" / model).iterdir()} >= of_each

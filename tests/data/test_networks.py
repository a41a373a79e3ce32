"""Networks from files: of the expected shape, of weights that are numbers, and never larger than their file."""

import json
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from components.data.artifacts import Classifier, Top
from components.data.networks import load_network
from components.machinery.running import run_step
from components.model import served
from components.system.errors import UserError
from pipeline.__main__ import main
from tests.conftest import PARAMETERS, evaluate, list_files_anew


def model_of(shape: tuple[int | None, ...], outputs: Callable[[Any], list[Any]]) -> keras.Model:
    """Return a network from inputs of a shape to what a function makes of their mean over positions."""
    inputs = keras.Input(shape)
    return keras.Model(inputs, outputs(keras.layers.GlobalAveragePooling2D()(inputs) if len(shape) == 3 else inputs))


def two_inputs() -> keras.Model:
    inputs = [keras.Input((32, 32, 3)), keras.Input((32, 32, 3))]
    pooled = [keras.layers.GlobalAveragePooling2D()(one) for one in inputs]
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Add()(pooled)))


FOREIGN: dict[str, Callable[[], keras.Model]] = {
    "any size": lambda: model_of((None, None, 3), lambda x: [keras.layers.Dense(3)(x)]),
    "no image": lambda: model_of((5,), lambda x: [keras.layers.Dense(3)(x)]),
    "another size": lambda: model_of((16, 16, 3), lambda x: [keras.layers.Dense(3)(x)]),
    "two inputs": two_inputs,
    "two outputs": lambda: model_of((32, 32, 3), lambda x: [keras.layers.Dense(3)(x), keras.layers.Dense(3)(x)]),
    "other classes": lambda: model_of((32, 32, 3), lambda x: [keras.layers.Dense(4)(x)]),
    "a map": lambda: model_of((32, 32, 3), lambda x: [keras.layers.Reshape((1, 3))(keras.layers.Dense(3)(x))]),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_network_of_another_shape_is_one_line(name, tmp_path):
    FOREIGN[name]().save(tmp_path / "model.keras")
    with pytest.raises(UserError, match=r"model\.keras is no model .*expected one from .* to .*; received") as caught:
        load_network(tmp_path / "model.keras", (32, 32, 3), 3)
    assert "\n" not in str(caught.value)


def replaced(made, folder: Path, model: keras.Model, key: str = "classifiers/top") -> Path:
    """Copy a saved model with another model in its file, and a manifest that lists it."""
    shutil.copytree(made[key], folder)
    kind = Top if key == "head" else Classifier
    kind.read(folder).save(model)
    list_files_anew(kind, folder)
    return folder


def without_numbers(made) -> keras.Model:
    """Return a classifier one of whose weights is no number."""
    model = Classifier.read(made["classifiers/top"]).load()
    weights = model.get_weights()
    weights[-1][0] = np.nan
    model.set_weights(weights)
    return model


def too_large(made) -> keras.Model:
    """Return a classifier whose weights are numbers, but not what it makes of them."""
    model = Classifier.read(made["classifiers/top"]).load()
    model.set_weights([np.full_like(weight, 1e38) for weight in model.get_weights()])
    return model


COMMANDS = {
    "predict": ("predict", "{source}/up/00.png"),
    "onnx": ("export", "--to", "onnx", "{folder}/file", "--images", "{source}/up/00.png"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("change", "message"), [(without_numbers, "are not all finite numbers"), (too_large, "are not numbers: train it")]
)
def test_a_model_without_numbers_predicts_nothing(change, message, command, made, source, tmp_path, capsys):
    folder = replaced(made, tmp_path / "model", change(made))
    words = [word.format(source=source, folder=tmp_path) for word in COMMANDS[command]]
    with pytest.raises(UserError, match=message):
        main([*words, "--model", str(folder)])
    assert capsys.readouterr().out == "" and [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("change", [without_numbers, too_large])
def test_a_model_without_numbers_is_not_scored_or_averaged(change, made, tmp_path):
    at = {**made, "classifier": replaced(made, tmp_path / "model", change(made)), "report": tmp_path / "report"}
    with pytest.raises(UserError, match="numbers"):
        evaluate(at)
    members = {"classifiers": [made["classifiers/top"], at["classifier"]], "classifier": tmp_path / "ensemble"}
    with pytest.raises(UserError, match="numbers"):
        run_step("average", {**made, **members, "augmented": [made["augmented"]]}, PARAMETERS["average"])
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_model_without_numbers_or_of_another_shape_is_not_served(made, tmp_path):
    for name, model in (("nan", without_numbers(made)), ("shape", FOREIGN["other classes"]())):
        folder = replaced(made, tmp_path / name, model)
        with pytest.raises(UserError, match=r"model\.keras is no model that can be loaded"):
            served._load_pyfunc(str(folder))
    assert served._load_pyfunc(str(made["classifiers/top"])).size == 32


def test_a_head_for_other_features_is_one_line(made, tmp_path):
    head = model_of((5,), lambda x: [keras.layers.Dense(3)(x)])
    at = {**made, "top": replaced(made, tmp_path / "head", head, "head"), "classifier": tmp_path / "classifier"}
    with pytest.raises(UserError, match=r"head\.keras is no model .*expected one from .*; received \[\(None, 5\)\]"):
        run_step("fine_tune", at, PARAMETERS["fine_tune"])
    assert [path.name for path in tmp_path.iterdir()] == ["head"]


@pytest.mark.parametrize("part", ["config.json", "metadata.json", "model.weights.h5"])
def test_a_part_that_would_unpack_to_more_than_the_file_is_refused_unread(part, made, tmp_path):
    size = 100_000_000
    with zipfile.ZipFile(Classifier.read(made["classifiers/top"]).file) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    parts[part] = json.dumps({"module": "keras"}).encode() + b" " * size
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content, zipfile.ZIP_DEFLATED if name == part else zipfile.ZIP_STORED)
    del parts
    tracemalloc.start()
    with pytest.raises(UserError, match=rf"its {part} is compressed, to 100,000,0\d\d bytes unpacked"):
        load_network(tmp_path / "model.keras", (32, 32, 3), 3)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < size / 10

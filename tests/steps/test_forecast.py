"""Forecasts: a curve from stored features, and what stands in its place where there can be none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.data.artifacts import Audit, Features, Forecast, Splits
from components.data.grouping import units_of
from components.machinery.running import run_step
from components.model import learning_curve
from components.system.errors import UserError
from tests.conftest import CLASSES, PARAMETERS, digests


def test_a_forecast_is_of_twice_the_training_images_and_of_each_class(made):
    forecast, splits = Forecast.read(made["forecast"]), Splits.read(made["splits"])
    table, classes = forecast.table("curve.csv"), forecast.table("classes.csv")
    assert table["images"].tolist() == [3, 6, 12, 24, 48] and len(splits.part("train")) == 24
    for score in ("accuracy", "log_loss"):
        assert (table[f"{score}_low"] <= table[score]).all() and (table[score] <= table[f"{score}_high"]).all()
    counts = splits.part("validation")["label"].value_counts()
    assert classes.set_index("label")["validation_images"].to_dict() == counts.to_dict()
    assert forecast.facts.obstacle == "" and forecast.facts.classes == [*CLASSES]


def test_what_a_forecast_keeps_gives_it_again_for_any_number(made):
    forecast = Forecast.read(made["forecast"])
    curve, labels = learning_curve.read_curve(forecast)
    table = learning_curve.forecast_scores(curve, 48, learning_curve.SEED)
    pd.testing.assert_frame_equal(table, forecast.table("curve.csv"), check_exact=True)
    classes = learning_curve.forecast_recalls(curve, labels, CLASSES, 48, learning_curve.SEED)
    pd.testing.assert_frame_equal(classes, forecast.table("classes.csv"), check_exact=True)
    more = learning_curve.forecast_scores(curve, 240, learning_curve.SEED)
    assert more["accuracy"].iloc[-1] >= table["accuracy"].iloc[-1]


def test_a_forecast_needs_no_test_image(made, tmp_path):
    at = {key: made[key] for key in ("features", "splits", "audit")}
    features = Features.read(made["features"])
    validating = {*Splits.read(made["splits"]).rows()["file"]}
    files = features.table("files.csv")["file"]
    assert not validating >= {*files}
    other = Features(tmp_path / "features", {**features.manifest, "digest": "other"})
    other.path.mkdir()
    array = other.create(files.tolist(), features.array.shape[1:], "float32")
    array[:] = np.where(files.isin(validating).to_numpy()[:, None, None], features.array, np.nan)
    other.write_manifest()
    run_step("forecast", {**at, "features": other.path, "forecast": tmp_path / "forecast"}, PARAMETERS["forecast"])
    written = [digests(folder) for folder in (made["forecast"], tmp_path / "forecast")]
    assert {name for name in written[0] if written[0][name] != written[1].get(name)} <= {"artifact.json"}


def forecast_without(made: dict[str, Path], folder: Path, **changed: Path) -> Forecast:
    run_step("forecast", {**made, **changed, "forecast": folder / "forecast"}, PARAMETERS["forecast"])
    return Forecast.read(folder / "forecast")


def test_of_maps_there_is_no_curve_and_the_forecast_says_why(made, tmp_path, capsys):
    run_step("extract", {**made, "features": tmp_path / "features", "tensors": tmp_path / "tensors"},
             {**PARAMETERS["extract"], "pooling": "none"})  # fmt: skip
    forecast = forecast_without(made, tmp_path, features=tmp_path / "features")
    assert forecast.facts.obstacle == learning_curve.MAPS
    assert f"forecast: there is no learning curve: {forecast.facts.obstacle}" in capsys.readouterr().out
    assert forecast.table("curve.csv").empty and forecast.table("classes.csv").empty
    with pytest.raises(UserError, match="there is no learning curve: the features are maps"):
        learning_curve.read_curve(forecast)


def test_of_an_image_a_class_there_is_no_curve(made, tmp_path):
    at = {**made, "splits": tmp_path / "splits", "test_split": tmp_path / "test_split"}
    run_step("split", at, {**PARAMETERS["split"], "train": 3})
    forecast = forecast_without(made, tmp_path, splits=at["splits"])
    assert forecast.facts.obstacle == "3 training images of 3 classes are too few for a curve: it takes 2 a class"


def test_damaged_features_are_an_error_and_no_forecast(made, tmp_path):
    features = Features.read(made["features"])
    damaged = Features(tmp_path / "features", features.manifest)
    damaged.path.mkdir()
    damaged.create(features.table("files.csv")["file"].tolist()[:-30], features.array.shape[1:], "float32")
    damaged.write_manifest()
    with pytest.raises(UserError, match="make it again"):
        forecast_without(made, tmp_path, features=damaged.path)
    assert not (tmp_path / "forecast").exists()


def test_images_of_a_group_and_copies_are_one_unit(made, tmp_path):
    audit = Audit(tmp_path, {})
    audit.write_table("hashes.csv", pd.DataFrame({"file": [*"abcde"], "hash": "0", "cluster": ["", "b", "b", "", ""]}))
    rows = pd.DataFrame({"file": [*"abcde"], "group": ["x", "", "x", "", ""]})
    units = units_of(audit, rows)
    assert units[0] == units[1] == units[2] and len({*units}) == 3

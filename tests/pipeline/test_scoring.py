"""Finished models on new labelled images: their scores, and whether they are worse than on their own."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.data.artifacts import Comparison, Page, Report
from components.scores import metrics
from components.system.errors import UserError
from pipeline.__main__ import main
from tests.conftest import CLASSES, write_images

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def new_images(tmp_path_factory) -> Path:
    """Images of the same kind as those of the recipe, of which none is among them."""
    return write_images(tmp_path_factory.mktemp("new") / "edges", 12, size=14)


@pytest.fixture
def swapped(new_images, tmp_path) -> Path:
    """The same with wrong labels."""
    for name, other in zip(CLASSES, [*CLASSES[1:], CLASSES[0]], strict=True):
        shutil.copytree(new_images / name, tmp_path / "swapped" / other)
    return tmp_path / "swapped"


def test_new_images_are_scored_with_all_that_a_test_split_has(made, new_images, tmp_path, capsys):
    model, folder = str(made["classifiers/fine_tuned"]), tmp_path / "scored"
    main(["evaluate", str(new_images), "--model", model, "--report", str(folder)])
    said = capsys.readouterr().out
    report = Report.read(folder / "report")
    table = report.table("predictions.csv")
    main(
        ["predict", *(str(new_images / file) for file in table["file"]), "--model", model, "--csv", str(tmp_path / "t")]
    )
    columns = [f"probability_{name}" for name in CLASSES]
    probabilities = pd.read_csv(tmp_path / "t")[columns].to_numpy()
    np.testing.assert_allclose(table[columns], probabilities, atol=1e-5)
    labels = table["label"].map({name: number for number, name in enumerate(CLASSES)}).to_numpy()
    for name, value in metrics.scores(labels, probabilities).items():
        low, high = report.intervals[name]
        assert report.metrics[name] == pytest.approx(value, abs=1e-5) and low <= value <= high
    assert len(table) == 36 and report.table("slices.csv")["by"].tolist() == ["size", *["brightness"] * 3]
    assert report.facts.warnings == []
    assert Comparison.read(folder / "comparison").table("comparison.csv")["test_images"].tolist() == [36]
    assert "edges: 36 test images" in (Page.read(folder / "page").path / "comparison.html").read_text()
    assert "evaluate: 36 images: kappa " in said and "not shown to be worse than on its own test images" in said
    with pytest.raises(UserError, match=r"scored is there already: give the path of a new folder"):
        main(["evaluate", str(new_images), "--model", model, "--report", str(folder)])


def test_a_model_that_is_worse_there_ends_the_command_with_status_1(made, journal, swapped, capsys):
    """By its own test predictions beside it, and by those that the journal has."""
    said = []
    for model in (str(made["classifiers/fine_tuned"]), journal):
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", str(swapped), "--model", model])
        assert ended.value.code == 1
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    verdict = said[0].splitlines()[-1]
    assert verdict.startswith("evaluate: worse in log loss and accuracy than on its own test images, by 36 new images")


def test_a_written_file_is_scored_as_its_model_and_compared_with_its_own_run(
    made, journal, new_images, tmp_path, capsys, monkeypatch
):
    model, file = str(made["classifiers/top"]), str(tmp_path / "edges.tflite")
    main(["export", file, "--model", model, "--to", "litert"])
    capsys.readouterr()
    said = []
    for one in (model, file):
        main(["evaluate", str(new_images), "--model", one])
        said.append(capsys.readouterr().out.splitlines())
    scores = [next(line for line in lines if line.startswith("evaluate: 36 images: ")) for lines in said]
    assert scores[0] == scores[1]
    assert said[0][-3:] == said[1][-3:]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
    main(["evaluate", str(new_images), "--model", file])
    assert "evaluate: its own test predictions are not here, neither in artifacts/" in capsys.readouterr().out


def test_images_of_its_own_data_set_are_named(made, source, capsys):
    main(["evaluate", str(source), "--model", str(made["classifiers/top"])])
    assert "48 of 48 images are of the data set that the model was made from" in capsys.readouterr().out


def test_classes_that_the_model_does_not_know_are_refused_or_left_out(made, new_images, tmp_path, capsys):
    shutil.copytree(new_images, tmp_path / "more")
    shutil.copytree(new_images / "up", tmp_path / "more" / "sideways")
    command = ["evaluate", str(tmp_path / "more"), "--model", str(made["classifiers/top"])]
    with pytest.raises(UserError, match=r"the model knows no class sideways \(there are: down, left, up\)"):
        main(command)
    main([*command, "--set", "fetch.classes=up,down"])
    assert "evaluate: 24 images: " in capsys.readouterr().out
    with pytest.raises(UserError, match="--set takes parameters of fetch here; received one of split"):
        main([*command, "--set", "split.test=0.5"])

"""The choice among classifiers by validation: the best is copied whole, and evaluated on its own views."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from components.data.artifacts import MANIFEST, Artifact, Augmented, Classifier, Report
from components.data.records import Record
from components.machinery.running import run_step
from components.model import choosing
from components.model.prediction import LOG_FLOOR, training_views
from components.results import costs
from components.system.errors import UserError
from pipeline.running import run_tasks
from tests.conftest import PARAMETERS, digests, evaluate, paths_of, recipe_of, tasks_of


def write_classifier(folder: Path, log_loss: float, model: str = "top", **values: float) -> Classifier:
    """Write a classifier as a training leaves it, as far as a choice looks at it."""
    parameters = {"split": {"seed": 1}, "train_top": {"l2": 0, **values}}
    facts = {"model": model, "validation_log_loss": log_loss}
    classifier = Classifier(folder, {"facts": facts, "parameters": parameters, "lineage": {"train_top": folder.name}})
    folder.mkdir()
    for name in choosing.FILES:
        (folder / name).write_text(f"{name} of {folder.name}")
    promises = pd.DataFrame({"margin": [1.0], "trials": [59.0], "mistakes": [0.0], "right": [0.950497]})
    classifier.write_table("promises.csv", promises)
    classifier.write_table("coverages.csv", pd.DataFrame({"coverage": [0.9], "loss": [2.0], "units": [59]}))
    return classifier


def empty_classifier(folder: Path) -> Classifier:
    folder.mkdir()
    return Classifier(folder)


def file_digests(artifact: Artifact) -> dict[str, str]:
    """Return the digests of all files but the manifest."""
    return {name: digest for name, digest in digests(artifact.path).items() if name != MANIFEST}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_lowest_log_loss_on_validation_is_chosen_and_the_values_of_all_are_kept_the_best_first(order, tmp_path):
    losses = {1: 0.5, 2: 0.2, 3: 0.9}  # by learning rate
    arms = [write_classifier(tmp_path / f"{rate}", loss, learning_rate=rate) for rate, loss in losses.items()]
    chosen = empty_classifier(tmp_path / "chosen")
    choosing.copy_best([arms[number] for number in order], chosen)
    assert vars(chosen.facts) == {
        **vars(arms[1].facts),
        "arms": [
            {"values": {"train_top.learning_rate": rate}, "validation_log_loss": loss}
            for rate, loss in ((2, 0.2), (1, 0.5), (3, 0.9))
        ],
    }
    for name in set(choosing.FILES) - {"promises.csv", "coverages.csv"}:
        assert (chosen.path / name).read_bytes() == (arms[1].path / name).read_bytes()
    (right,) = chosen.table("promises.csv")["right"]
    assert right == pytest.approx((0.05 / 3) ** (1 / 59), abs=1e-6)  # for all three at once
    (coverage,) = chosen.table("coverages.csv")["coverage"]
    assert coverage == pytest.approx(0.9 - (2 * np.log(3) * 0.9 * 0.1 / 59) ** 0.5, abs=1e-6)
    assert chosen.manifest["lineage"] == {"train_top": "2"}
    assert chosen.manifest["parameters"] == {**arms[1].manifest["parameters"], "choose_classifier": {}}
    assert not arms[1].facts.arms and "choose_classifier" not in arms[1].manifest["parameters"]


def test_of_equals_the_first_is_chosen(tmp_path):
    arms = [write_classifier(tmp_path / f"{rate}", 0.5, learning_rate=rate) for rate in (2, 1)]
    chosen = empty_classifier(tmp_path / "chosen")
    choosing.copy_best(arms, chosen)
    assert chosen.manifest["parameters"]["train_top"]["learning_rate"] == 2


def test_arms_that_cannot_be_chosen_from(tmp_path):
    top = write_classifier(tmp_path / "top", 0.5)
    tuned = write_classifier(tmp_path / "tuned", 0.6, "fine_tuned", learning_rate=1)
    with pytest.raises(UserError, match="one is chosen of the arms of one model; received fine_tuned, top"):
        choosing.copy_best([top, tuned], empty_classifier(tmp_path / "mixed"))
    alike = write_classifier(tmp_path / "alike", 0.7)
    with pytest.raises(UserError, match=r"alike and another arm are trained alike: give one of them"):
        choosing.copy_best([top, alike], empty_classifier(tmp_path / "twice"))
    assert not [*(tmp_path / "mixed").iterdir(), *(tmp_path / "twice").iterdir()]


@pytest.fixture(scope="module")
def varied(tmp_path_factory, source) -> tuple[Path, dict[str, list[Path]]]:
    """A recipe that tries two sizes of the images and two rates of the head; where it is, and its artifacts by key."""
    home = tmp_path_factory.mktemp("varied")
    vary = {"augment": {"image_size": [32, 48]}, "train_top": {"learning_rate": [0.01, 0.0001]}}
    tasks = tasks_of(recipe_of(models=("top", "benchmark", "ensemble"), vary=vary), source)
    run_tasks(tasks, home)
    paths: dict[str, list[Path]] = {}
    for task in tasks:
        for key, path in paths_of([task], home).items():
            name = f"chosen/{task.model}" if task.step == "choose_classifier" else key
            paths.setdefault(name, []).append(path)
    return home, paths


@pytest.mark.slow  # a whole recipe of arms
def test_a_recipe_that_tries_values_evaluates_what_validation_chose_on_the_images_that_it_was_trained_on(varied):
    _, paths = varied
    arms = [Classifier.read(path) for path in paths["classifiers/top"]]
    (chosen,), (report,) = map(Classifier.read, paths["chosen/top"]), map(Report.read, paths["top"])
    losses = [arm.facts.validation_log_loss for arm in arms]
    best = arms[int(np.argmin(losses))]
    assert len(arms) == 4 and chosen.digest == best.digest
    files, expected = file_digests(chosen), file_digests(best)
    for name in ("promises.csv", "coverages.csv"):
        assert files.pop(name) != expected.pop(name)  # which hold for all arms at once
    assert files == expected
    assert chosen.manifest["lineage"] == {**best.manifest["lineage"], "choose_classifier": chosen.digest}
    assert [arm["validation_log_loss"] for arm in chosen.facts.arms] == sorted(losses)
    sizes = sorted((arm["values"]["augment.image_size"], arm["values"]["train_top.learning_rate"])
                   for arm in chosen.facts.arms)  # fmt: skip
    assert sizes == [(32, 0.0001), (32, 0.01), (48, 0.0001), (48, 0.01)]
    assert report.facts.arms == chosen.facts.arms and report.facts.image_size == best.facts.image_size
    assert report.manifest["lineage"]["augment"] == best.manifest["lineage"]["augment"]


def test_the_costs_of_a_chosen_model_are_those_of_its_own_training(varied):
    home, paths = varied
    (report,) = map(Report.read, paths["top"])
    records = Record.read_all([home])
    (of_head,) = (record for record in records if record.digest == report.manifest["lineage"]["train_top"])
    spent = costs.report_costs(report, records)
    assert spent["seconds_training"] == pytest.approx(of_head.work["training"]["seconds"], abs=1e-3)
    assert "gpu_hours" in spent


def test_an_ensemble_of_chosen_models_is_of_no_arms_itself(varied):
    _, paths = varied
    (ensemble,) = map(Classifier.read, paths["classifiers/ensemble"])
    assert not ensemble.facts.arms and ensemble.facts.members == ["benchmark", "top"]


def test_classifiers_of_two_sizes_have_an_average_at_the_larger(made, other_views, tmp_path, capsys):
    """It is scored, served and drawn as any other; of two ways of resizing there is none."""
    at = {**made, "augmented": other_views, "classifier": tmp_path / "larger"}
    run_step("train_benchmark", at, {**PARAMETERS["train_benchmark"], "epochs": 1})
    members = [made["classifiers/top"], at["classifier"]]
    at |= {"augmented": [made["augmented"], other_views], "classifier": tmp_path / "average"}
    run_step("average", {**at, "classifiers": members}, PARAMETERS["average"])
    assert (
        "average: of images of 40 pixels, top_1 sees 32: they are resized within the model" in capsys.readouterr().out
    )
    run_step("evaluate", {**at, "report": tmp_path / "report"}, PARAMETERS["evaluate"])
    report, classifier = Report.read(tmp_path / "report"), Classifier.read(at["classifier"])
    assert report.facts.image_size == classifier.facts.image_size == 40
    pixels, resizing = Augmented.read(other_views).array[:, 0].astype(np.float32), keras.layers.Resizing(32, 32)
    top, larger = (Classifier.read(path).load() for path in members)
    mean = (top.predict_on_batch(resizing(pixels)) + larger.predict_on_batch(pixels)) / 2
    logits = np.log(mean + LOG_FLOOR) / classifier.facts.temperature
    np.testing.assert_allclose(classifier.load().predict_on_batch(pixels), softmax(logits, axis=1), rtol=1e-4)
    shutil.copytree(members[1], tmp_path / "cropped")
    cropped = Classifier.read(tmp_path / "cropped")
    cropped.facts.resize = "crop"
    cropped.write_manifest()
    with pytest.raises(UserError, match=r"resized in one way have an average; received crop, squash: vary no `augment"):
        run_step("average", {**at, "classifiers": [members[0], cropped.path]}, PARAMETERS["average"])


@pytest.fixture
def other_views(made, tmp_path) -> Path:
    """Other views of the images, of another size."""
    at = {**made, "augmented": tmp_path / "augmented"}
    run_step("augment", at, {**PARAMETERS["augment"], "seed": 2, "image_size": 40})
    return at["augmented"]


@pytest.mark.parametrize("position", [0, 1])
def test_of_several_views_those_that_the_classifier_was_trained_on_are_evaluated(position, made, other_views, tmp_path):
    """The same report comes out, wherever they are among others; with others alone it is an error."""
    views = [other_views]
    views.insert(position, made["augmented"])
    at = {**made, "classifier": made["classifiers/top"], "report": tmp_path / "report"}
    run_step("evaluate", {**at, "augmented": views}, PARAMETERS["evaluate"])
    report, expected = Report.read(at["report"]), Report.read(made["top"])
    assert file_digests(report) == file_digests(expected) and report.manifest == expected.manifest
    with pytest.raises(UserError, match="evaluate: its inputs go back to different runs of augment"):
        evaluate({**at, "augmented": other_views})


def test_views_that_a_classifier_was_not_trained_on_are_refused(made, other_views):
    classifier, other = Classifier.read(made["classifiers/top"]), Augmented.read(other_views)
    with pytest.raises(UserError, match=r"classifiers/top was trained on other views than .*augmented: give those"):
        training_views(classifier, [other, other])
    del classifier.manifest["lineage"]["augment"]  # as of an average over models of several views
    of_its_size = Augmented.read(made["augmented"])
    assert training_views(classifier, [other, of_its_size]) is of_its_size


def test_the_step_chooses_from_a_folder_of_classifiers_and_leaves_nothing_where_it_refuses(made, tmp_path):
    worse, better = tmp_path / "arms/a", tmp_path / "arms/b"
    for folder, rate in ((worse, 0.5), (better, 0.25)):
        shutil.copytree(made["classifiers/top"], folder)
        manifest = json.loads((folder / "artifact.json").read_text())
        manifest["parameters"]["train_top"]["learning_rate"] = rate
        manifest["facts"]["validation_log_loss"] += rate
        manifest["lineage"]["train_top"] = folder.name
        (folder / "artifact.json").write_text(json.dumps(manifest))
    run_step("choose_classifier", {"arms": [tmp_path / "arms"], "classifier": tmp_path / "chosen"}, {})
    chosen = Classifier.read(tmp_path / "chosen")
    assert chosen.manifest["lineage"]["train_top"] == better.name
    assert chosen.digest == chosen.content_digest() == Classifier.read(made["classifiers/top"]).digest
    mixed = [made["classifiers/top"], made["classifiers/benchmark"]]
    with pytest.raises(UserError, match="one is chosen of the arms of one model; received benchmark, top"):
        run_step("choose_classifier", {"arms": mixed, "classifier": tmp_path / "mixed"}, {})
    assert not (tmp_path / "mixed").exists()

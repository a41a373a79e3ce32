"""The journal: what a run holds, that it can be written again, and that a dead server costs no training."""

import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest
from mlflow.entities import Experiment, Run

from components.data import images
from components.data.artifacts import Augmented, Classifier, Comparison, Page, Probe, Report
from components.data.content import sha256
from components.data.records import Record
from components.machinery import code
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.model import served
from components.results import costs, fingerprints, titles, tracking
from components.results.texts import markdown
from components.results.tracking import registry, runs, ui, view, ways
from components.results.tracking.runs import LiveRun
from components.system.errors import UserError
from pipeline import journal
from tests.conftest import CLASSES, MODELS, PARAMETERS, copy_recipe, evaluate, free_port, list_files_anew, recorded

IGNORED = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
pytestmark = IGNORED


@pytest.fixture(params=["database", "server"])
def store(request, tmp_path, monkeypatch):
    """An empty journal: a SQLite file, or a real server."""
    address = request.getfixturevalue(request.param)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.chdir(tmp_path)
    tracking.client.cache_clear()
    if left := tracking.client().get_experiment_by_name("edges"):  # by tests of other files
        tracking.client().rename_experiment(left.experiment_id, f"edges before {tmp_path}")
    yield address
    tracking.client().rename_experiment(experiment().experiment_id, f"edges of {tmp_path}")
    tracking.client.cache_clear()


def experiment() -> Experiment:
    experiment_of_edges = tracking.client().get_experiment_by_name("edges")
    assert experiment_of_edges is not None
    return experiment_of_edges


def artifacts(made, model: str) -> tuple[Classifier, Report]:
    return Classifier.read(made[f"classifiers/{model}"]), recorded(made[model])


def costs_of(made, report: Report) -> dict[str, float]:
    return costs.report_costs(report, Record.read_all([made["comparison"].parent, report.path.parent]))


def everything(run_id: str) -> dict:
    run = tracking.client().get_run(run_id)
    history = [
        [(metric.step, metric.value) for metric in tracking.client().get_metric_history(run_id, name)]
        for name in sorted(run.data.metrics)
    ]
    return {"data": run.data.to_dictionary(), "history": history, "end": run.info.end_time, "status": run.info.status}


def test_runs_are_written_from_the_artifacts_alone_and_twice_is_once(made, store):
    for model in MODELS.values():
        classifier, report = artifacts(made, model)
        assert tracking.complete_run(classifier, report, costs_of(made, report)) is True
    logged = tracking.client().search_runs([experiment().experiment_id])
    assert {run.info.run_name for run in logged} == {
        "edges, benchmark, seed 1", "edges, top, vgg16_small, seed 1",
        "edges, fine_tuned, vgg16_small, seed 1",
    }  # fmt: skip
    state = json.loads(json.loads(experiment().tags["mlflow.sharedViewState.comparison"])["state"])
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`validation_log_loss`", True)
    before = {run.info.run_id: everything(run.info.run_id) for run in logged}
    for model in MODELS.values():
        classifier, report = artifacts(made, model)
        assert tracking.complete_run(classifier, report, costs_of(made, report)) is False
    assert {run.info.run_id: everything(run.info.run_id) for run in logged} == before
    for run in logged:
        classifier, report = artifacts(made, run.data.tags["model"])
        check_run(run.info.run_id, classifier, report, costs_of(made, report))
        everyone = {name for name in costs.COLUMNS if not name.endswith(("_extraction", "_start"))}
        assert everyone <= set(run.data.metrics)
        report.facts.never = [{**report.facts.never[0], "label": "left", "mistakes": 3}]  # asked for later
        assert tracking.complete_run(classifier, report) is True
        assert tracking.client().get_run(run.info.run_id).data.metrics["never/left as down"] == 3


def check_run(run_id: str, classifier: Classifier, report: Report, expected_costs: dict[str, float]) -> None:
    """Check that a run holds the whole record of a classifier and its report."""
    run = tracking.client().get_run(run_id)
    digests = {runs.MODEL: classifier.digest, runs.FINGERPRINT: report.facts.fingerprint}
    assert digests.items() <= run.data.tags.items()
    assert {"recipe": "edges", **report.record.revisions}.items() <= run.data.tags.items()
    chain = classifier.manifest["parameters"]
    expected = {f"{name}.{key}": str(value) for name, values in chain.items() for key, value in values.items()}
    assert expected.items() <= run.data.params.items()
    assert {"split.seed", "augment.rotation"} <= set(expected)
    scores = {name: pytest.approx(value, abs=1e-6) for name, value in runs.report_metrics(report).items()}
    spent = {name: pytest.approx(value, abs=1e-6) for name, value in expected_costs.items()}
    assert {name: run.data.metrics[name] for name in [*scores, *spent]} == scores | spent
    assert {len(tracking.client().get_metric_history(run_id, name)) for name in [*scores, *spent]} == {1}
    assert run.outputs is not None
    model = tracking.client().get_logged_model(run.outputs.model_outputs[0].model_id)
    assert {metric.key: metric.value for metric in model.metrics or []} == scores
    assert {
        *(set(view.COLUMNS) - {"seconds_total"}), "validation_kappa",
        "balanced_accuracy", "macro_f1", "majority_accuracy",
        "chance_accuracy", "kappa_low", "kappa_high", "log_loss_low", "accuracy_high",
    } <= set(scores)  # fmt: skip
    assert {"seconds_training", "images_per_second_training", "seconds_evaluation"} <= set(spent)
    assert run.data.metrics["best_epoch"] == classifier.facts.best_epoch
    losses = tracking.client().get_metric_history(run_id, "epoch/validation_loss")
    history = classifier.table("history.csv")
    assert [metric.step for metric in losses] == history["epoch"].tolist()
    assert [metric.value for metric in losses] == pytest.approx(history["validation_loss"].tolist(), abs=1e-6)
    assert run.info.status == "FINISHED"
    assert run.inputs is not None
    inputs = {data_input.dataset.name: data_input for data_input in run.inputs.dataset_inputs}
    assert run.data.tags["data_digest"] == classifier.manifest["lineage"]["fetch"]
    data = {"edges": run.data.tags["data_digest"][:32], "edges, test split": run.data.tags["test_split"]}
    assert {name: data_input.dataset.digest for name, data_input in inputs.items()} == data
    uses = {name: {tag.key: tag.value for tag in data_input.tags} for name, data_input in inputs.items()}
    context = "mlflow.data.context"
    assert uses == {"edges": {context: "training"}, "edges, test split": {context: "test"}}
    table = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="report/predictions.csv")
    assert pd.read_csv(table).equals(pd.read_csv(report.path / "predictions.csv"))


def test_the_model_comes_back_and_gives_the_probabilities_of_the_table(made, store, source):
    classifier, report = artifacts(made, "fine_tuned")
    tracking.complete_run(classifier, report)
    run = runs.find_run("edges", runs.MODEL, classifier.digest)
    assert run is not None and run.outputs is not None
    (output,) = run.outputs.model_outputs
    table, classes = report.table("predictions.csv"), classifier.facts.classes
    expected = table.filter(like="probability_").to_numpy()
    raw = np.stack([images.read_pixels(source / file, classifier.facts.image_size) for file in table["file"]])
    model = mlflow.pyfunc.load_model(f"models:/{output.model_id}")
    for given in ([*raw], [(source / file).read_bytes() for file in table["file"]]):
        answers = model.predict(pd.DataFrame({"image": given}))
        assert answers["predicted"].tolist() == table["predicted"].tolist()
        np.testing.assert_allclose(answers["probability"], expected.max(axis=1), atol=1e-6)
        np.testing.assert_allclose(pd.DataFrame([*answers["probabilities"]])[classes], expected, atol=1e-6)
    assert len(model.predict(model.input_example)) == 2
    assert model.metadata.signature.inputs.input_names() == [served.COLUMN]
    assert model.metadata.metadata["classes"] == ["down", "left", "up"]
    network = mlflow.tensorflow.load_model(f"models:/{output.model_id}")
    np.testing.assert_allclose(network.predict(raw, verbose=0), expected, atol=1e-6)
    assert table["predicted"].tolist() == [classes[row.argmax()] for row in expected]


def test_averaged_views_are_served_as_the_one_model_that_was_scored(made, store, source, tmp_path):
    evaluate({**made, "classifier": made["classifiers/top"], "report": tmp_path / "report"}, views="averaged")
    report = Report.read(tmp_path / "report")
    run = runs.find_run("edges", runs.FINGERPRINT, report.facts.fingerprint)
    assert run is not None and run.outputs is not None
    assert run.data.metrics["kappa"] == pytest.approx(report.metrics["kappa"], abs=1e-6)
    table = report.table("predictions.csv")
    files = [(source / file).read_bytes() for file in table["file"]]
    model = mlflow.pyfunc.load_model(f"models:/{run.outputs.model_outputs[0].model_id}")
    answers = model.predict(pd.DataFrame({served.COLUMN: files}))
    expected = table.filter(like="probability_").to_numpy()
    np.testing.assert_allclose(pd.DataFrame([*answers["probabilities"]])[[*CLASSES]], expected, atol=1e-6)
    plain = Report.read(made["top"]).table("predictions.csv").filter(like="probability_").to_numpy()
    assert abs(expected - plain).max() > 1e-3


def test_scores_of_averaged_views_that_were_broken_off_are_completed_in_their_run(made, store, monkeypatch):
    classifier, report = artifacts(made, "top")
    vars(report.facts).update(fingerprint="averaged", views="averaged")
    with monkeypatch.context() as patch:
        patch.setattr(runs, "log_params", lambda *given: 1 / 0)
        with pytest.raises(UserError, match="did not take this"):
            tracking.complete_run(classifier, report)
    assert tracking.complete_run(classifier, report)
    (run,) = logged_runs()
    assert run.data.tags[runs.COMPLETE] == "true"


def saved_view() -> dict[str, Any]:
    return json.loads(json.loads(experiment().tags[view.VIEW])["state"])


def test_the_table_has_a_row_for_each_way_closed_over_its_trainings(made, store):
    """Trainings with other seeds are of one way, others are not; a way stays in the view when another is added."""
    classifier, report = artifacts(made, "top")
    other = Classifier.read(made["classifiers/top"])
    changes: list[tuple[str, str, object]] = [("train_top", "seed", 7), ("split", "fold", 2), ("evaluate", "slices", 3)]
    for step, name, value in changes:
        other.manifest["parameters"].setdefault(step, {})[name] = value
    assert ways.way_name(other, "top") == ways.way_name(classifier, "top")
    assert ways.way_name(report, "top") == f"edges, top, {ways.way_name(classifier, 'top').partition(', top, ')[2]}"
    assert (ways.training_name(report, "top"), ways.training_name(other, "top")[-6:]) == (
        "edges, top, vgg16_small, seed 1", "seed 7",
    )  # fmt: skip
    other.manifest["parameters"]["train_top"]["dropout"] = 0.7
    assert ways.way_name(other, "top")[:-8] == ways.way_name(classifier, "top")[:-8]
    assert ways.way_name(other, "top") != ways.way_name(classifier, "top")
    tracking.complete_run(classifier, report)
    benchmark = artifacts(made, "benchmark")
    tracking.complete_run(*benchmark)
    rows = {f"tag.graft.way.{ways.way_name(one, one.facts.model)}" for one in (report, benchmark[1])}
    assert rows <= saved_view()["groupsExpanded"].keys() and not any(saved_view()["groupsExpanded"].values())
    tags = {run.data.tags[ways.WAY] for run in tracking.client().search_runs([experiment().experiment_id])}
    assert {f"tag.graft.way.{way}" for way in tags} == rows
    (group,) = saved_view()["groupBy"]["groupByKeys"]
    assert group == {"mode": "tag", "groupByData": ways.WAY}


def test_a_logged_model_is_called_as_its_run(made, store):
    classifier, report = artifacts(made, "top")
    report.record = replace(report.record, recipe="edges v1.5")
    tracking.complete_run(classifier, report)
    (model,) = tracking.client().search_logged_models([experiment().experiment_id])
    assert model.name == "edges v1-5, top, vgg16_small, seed 1"


def test_a_comparison_is_an_artifact_of_every_run_compared(made, store, capsys):
    """With the figures and the costs of each. Of a run that is not there yet it says so, in one line; twice is once."""
    page, comparison = Page.read(made["page"]), Comparison.read(made["comparison"])
    reports = [artifacts(made, model)[1] for model in MODELS.values()]
    spent = {report.facts.fingerprint: costs_of(made, report) for report in reports}
    compared = page, comparison, reports, spent
    tracking.complete_run(*artifacts(made, "top"))
    tracking.log_page_or_warn(*compared)
    output = capsys.readouterr().err
    assert "has no run of" in output and output.endswith("completes the journal later\n") and output.count("\n") == 1
    for model in MODELS.values():
        tracking.complete_run(*artifacts(made, model))
    assert [tracking.log_page(*compared) for _ in range(2)] == [True, False]
    names = page.table("costs.csv").set_index("fingerprint")["report"]
    logged = tracking.client().search_runs([experiment().experiment_id])
    assert len(logged) == len(reports)
    note = tracking.client().get_experiment(experiment().experiment_id).tags["mlflow.note.content"]
    answer = (made["page"] / "comparison.txt").read_text().split("\n\n")[-1].splitlines()
    assert all(markdown(line) in note for line in answer) and answer[0].startswith("Validation chose")
    (linked,) = re.findall(
        rf"\(#/experiments/\d+/runs/(\w+)/artifacts/comparison/comparison\.html\?{view.MODE}\): ", note
    )
    assert linked in {run.info.run_id for run in logged}
    assert note.startswith(f"**edges:** {markdown(answer[0])}")
    (parallel,) = (chart for chart in saved_view()["compareRunCharts"] if chart["type"] == "PARALLEL")
    assert {"model_parameters", "train_top.epochs"} - {*parallel["selectedParams"]} == {"train_top.epochs"}
    assert not [name for name in parallel["selectedParams"] if name.endswith((".seed", "backbone"))]
    (contour,) = (chart for chart in saved_view()["compareRunCharts"] if chart["type"] == "CONTOUR")
    assert all(contour[axis]["key"] in logged[0].data.metrics for axis in ("xaxis", "zaxis"))
    assert contour["yaxis"] == {"key": "trainable_parameters", "type": "PARAM"}
    assert contour["yaxis"]["key"] in logged[0].data.params
    view.save_view(tracking.client(), experiment().experiment_id, ["another"])
    assert parallel in saved_view()["compareRunCharts"]
    for run in logged:
        html = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/comparison/comparison.html")
        assert html == (made["page"] / "comparison.html").read_text()
        files = {Path(file.path).name for file in tracking.client().list_artifacts(run.info.run_id, "comparison")}
        assert files == {"comparison.html", "comparison.txt", "comparison.csv", "pairs.csv", "costs.csv"}
        fingerprint = run.data.tags[runs.FINGERPRINT]
        drawn = made["page"] / "figures" / titles.folder_name(names[fingerprint])
        figures = {Path(file.path).name for file in tracking.client().list_artifacts(run.info.run_id, "report/figures")}
        assert figures == {file.name for file in drawn.iterdir()} >= {"confusion_matrix.png", "learning_curves.png"}
        logged_costs = {name: run.data.metrics.get(name) for name in spent[fingerprint]}
        assert logged_costs == pytest.approx(spent[fingerprint], abs=1e-6)
        way = comparison.table("comparison.csv").set_index("model").loc[run.data.tags["model"]]
        for name in ("kappa", "log_loss_high", "accuracy_low"):
            assert run.data.metrics[f"way_{name}"] == pytest.approx(way[name], abs=1e-6)


def trained_with(made, folder, **changed) -> Classifier:
    """Train a head anew, as a step, on a copy of what it needs."""
    at = {**made, "top": folder / "top", "classifier": folder / "classifier"}
    run_step("train_top", at, {**PARAMETERS["train_top"], **changed}, "edges")
    return Classifier.read(at["classifier"])


def test_epochs_are_logged_live_and_the_run_is_completed_not_doubled(made, store, tmp_path):
    classifier = trained_with(made, tmp_path, seed=7)
    live = runs.find_run("edges", runs.MODEL, classifier.digest)
    assert live is not None
    assert live.data.metrics["epoch/loss"] == pytest.approx(classifier.table("history.csv")["loss"].iloc[-1], abs=1e-6)
    assert "kappa" not in live.data.metrics
    for name in ("validation_kappa", "validation_log_loss", "validation_accuracy"):
        assert live.data.metrics[name] == pytest.approx(getattr(classifier.facts, name), abs=1e-6)
    assert live.info.status == "FINISHED"
    at = {**made, "classifier": tmp_path / "classifier", "report": tmp_path / "report"}
    evaluate(at)
    done = runs.find_run("edges", runs.MODEL, classifier.digest)
    assert done is not None
    assert done.info.run_id == live.info.run_id
    report = recorded(tmp_path / "report")
    logged_costs = {name: value for name, value in costs_of(made, report).items() if name in done.data.metrics}
    check_run(done.info.run_id, classifier, report, logged_costs)
    assert trained_with(made, tmp_path, seed=7).digest == classifier.digest
    assert len(tracking.client().search_runs([experiment().experiment_id])) == 1


def test_a_training_that_fails_has_no_scores(made, store, tmp_path):
    classifier = Classifier(tmp_path, Classifier.read(made["classifiers/top"]).manifest, "broken off")
    with pytest.raises(OSError), tracking.live_run(classifier, "top"):
        raise OSError
    run = runs.find_run("edges", runs.TRAINING, "broken off")
    assert run is not None
    assert (run.info.status, run.data.metrics) == ("FAILED", {})
    assert runs.MODEL not in run.data.tags


@pytest.mark.parametrize("kubeflow", ["", "0f3a-run"])
def test_a_run_within_kubeflow_says_which(made, store, monkeypatch, kubeflow):
    monkeypatch.setenv("KFP_RUN_ID", kubeflow)
    classifier = artifacts(made, "benchmark")[0]
    with tracking.live_run(classifier, "benchmark"):
        pass
    run = runs.find_run("edges", runs.MODEL, classifier.digest)
    assert run is not None
    assert run.data.tags.get("kfp_run_id", "") == kubeflow


def test_a_run_has_an_address_where_there_is_a_server(made, store, monkeypatch, capsys):
    classifier, report = artifacts(made, "benchmark")
    assert [tracking.run_address(one) for one in (classifier, report)] == [None, None]
    tracking.complete_run(classifier, report)
    run = runs.find_run("edges", runs.MODEL, classifier.digest)
    assert run is not None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.replace("http://", "http://name:secret@"))
    tracking.client.cache_clear()
    expected = f"{store}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?workflowType=machine_learning"
    address = expected if store.startswith("http") else None
    assert [tracking.run_address(one) for one in (classifier, report)] == [address, address]
    assert [tracking.run_address(one) for one in artifacts(made, "top")] == [None, None]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
    assert [tracking.run_address(one) for one in (classifier, report)] == [None, None]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    tracking.client.cache_clear()
    classifier.facts.data_set = report.facts.data_set = "others"
    assert [tracking.run_address(one) for one in (classifier, report)] == [None, None]
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    tracking.client.cache_clear()


def test_a_dead_server_has_no_address_and_costs_one_line(made, monkeypatch, capsys):
    port = free_port()
    tracking.client.cache_clear()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://name:secret@127.0.0.1:{port}/")
    assert tracking.run_address(artifacts(made, "top")[0]) is None
    output = capsys.readouterr().err
    assert output.startswith(f"MLflow at http://127.0.0.1:{port}/ did not take this: ") and output.count("\n") == 1
    assert "secret" not in output
    tracking.client.cache_clear()


def test_a_dead_server_costs_one_line_and_the_journal_is_written_later(made, tmp_path, monkeypatch, capsys):
    port = free_port()
    tracking.client.cache_clear()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://name:secret@127.0.0.1:{port}")
    trained_with(made, tmp_path, seed=8)
    output = capsys.readouterr().err
    assert output.count("`graft log` completes the journal later") == 1
    assert f"MLflow at http://127.0.0.1:{port} did not take this" in output
    assert "secret" not in output
    with pytest.raises(UserError, match="did not take this") as refused:
        tracking.complete_run(*artifacts(made, "top"))
    assert "secret" not in str(refused.value)
    tracking.client.cache_clear()


def tell_apart(folder: Path, made) -> Path:
    """Give the models and reports of a copied recipe, which are those of another, digests of their own."""
    for model in MODELS.values():
        classifier, report = artifacts(made, model)
        for digest in (classifier.digest, report.facts.fingerprint):
            for file in (path for name in ("artifact.json", "costs.csv", "trials.csv") for path in folder.rglob(name)):
                file.write_text(file.read_text().replace(digest, sha256(digest, folder.name)))
    for kind, name in ((Page, "page"), (Comparison, "comparison")):
        list_files_anew(kind, folder / name)
    return folder


def run_log_command(folder: Path) -> subprocess.CompletedProcess:
    """Run `graft log` in a folder, on a store there."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipeline", "log"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


NOBODY = 65534  # a user and a group of every Linux
NAMES = ["glyphs/reports/fine_tuned", "glyphs/reports/top", "reports/benchmark", "comparison"]


@pytest.fixture
def small(database, tmp_path, monkeypatch) -> Iterator[Path]:
    """A folder with a store of its own, which this process has open too."""
    shutil.copy(database.removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    tracking.client.cache_clear()
    yield tmp_path
    tracking.client.cache_clear()


def test_the_command_log_finds_what_is_missing(made, small):
    """`graft log`, in a folder that holds the artifacts of a recipe; with what all of it cost."""
    copy_recipe(made, small / "artifacts/edges")
    tracking.complete_run(*artifacts(made, "top"))  # which lacks its costs
    for expected in ("written", "was there"):
        done = run_log_command(small)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [f"edges, {name}: {expected}" for name in NAMES]
    for model in MODELS.values():
        classifier, report = artifacts(made, model)
        run = runs.find_run("edges", runs.MODEL, classifier.digest)
        assert run is not None
        check_run(run.info.run_id, classifier, report, costs_of(made, report))
    assert {"seconds_augmentation", "seconds_extraction", "gpu_hours"} <= set(costs_of(made, artifacts(made, "top")[1]))


def test_the_command_log_goes_on_after_a_recipe_that_it_cannot_read(made, small):
    """One of an older format, one whose comparison is gone, one of whose models one was made anew; status 2."""
    for name in ("aged", "bare", "changed", "edges"):
        tell_apart(copy_recipe(made, small / "artifacts" / name), made)
    manifest = small / "artifacts/aged/glyphs/classifiers/top/artifact.json"
    content = json.loads(manifest.read_text())
    del content["format"]
    manifest.write_text(json.dumps({**content, "digest": "", "versions": {}, "seconds": 1.5}))
    shutil.rmtree(small / "artifacts/bare/comparison")
    shutil.rmtree(small / "artifacts/changed/glyphs/classifiers/top")
    (small / "artifacts/edges/glyphs/reports/top/metrics.json").write_text("{")
    done = run_log_command(small)
    assert done.returncode == 2
    aged, edges, changed, bare = done.stderr.splitlines()
    assert aged == (
        "aged: artifacts/aged/glyphs/classifiers/top/artifact.json was written by another version of Graft, in format "
        "1, and this one reads format 2: make it again with `dvc repro`, or check out the version that wrote it"
    )
    top = "glyphs/reports/top"
    assert changed == (
        f"changed, {top}: artifacts/changed/{top} is of a classifier that is not there: `dvc repro` makes both anew"
    )
    assert edges.startswith(f"edges: artifacts/edges/{top}/metrics.json is damaged (not what was written: it has 1 of")
    assert bare.startswith("bare, comparison: no Comparison at artifacts/bare/comparison: run the step that makes it")
    failed = {line.partition(": ")[0] for line in (changed, bare)}
    names = [f"{recipe}, {name}" for recipe in ("bare", "changed") for name in NAMES]
    assert sorted(done.stdout.splitlines()) == sorted(f"{name}: written" for name in names if name not in failed)
    assert done.stdout.splitlines()[-1] == "changed, comparison: written"


def test_a_model_that_lies_with_another_recipe_is_found(made, small):
    """What two recipes have in common lies with the first, and results that are there twice are logged once."""
    for name in ("edges", "others"):
        copy_recipe(made, small / "artifacts" / name)
    shutil.rmtree(small / "artifacts/edges/glyphs/classifiers")
    done = run_log_command(small)
    assert (done.returncode, done.stderr) == (0, "")
    comparison = "others, comparison: was there"
    assert done.stdout.splitlines() == [*(f"edges, {name}: written" for name in NAMES), comparison]
    assert len(logged_runs()) == len(MODELS)


def test_a_report_that_its_page_does_not_show_yet_is_logged_without_one(made, small):
    """A step has made it anew, and the comparison is still to come."""
    folder = copy_recipe(made, small / "artifacts/edges")
    at = {**made, "classifier": folder / "glyphs/classifiers/top", "report": folder / "glyphs/reports/top"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "off")
        evaluate(at, views="averaged")
    done = run_log_command(small)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"edges, {name}: written" for name in NAMES]
    with_page = {run.data.tags["model"]: "graft.comparison" in run.data.tags for run in logged_runs()}
    assert with_page == {"benchmark": True, "top": False, "fine_tuned": True}


@contextmanager
def ordinary_user(folder: Path) -> Iterator[None]:
    """Give a folder to a user who may not write what is read-only, as root may, and be that user in the block."""
    if os.geteuid():
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_run_that_was_broken_off_is_completed_though_its_files_are_copies_of_read_only_ones(
    made, database, monkeypatch
):
    """As DVC's hard links are: MLflow copies their mode into its local store. Before that end nothing is imported."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:  # which pytest would make in a folder of root's
        folder = Path(name)
        shutil.copy(database.removeprefix("sqlite:///"), folder / "mlflow.db")
        for file in copy_recipe(made, folder / "edges").rglob("*"):
            file.chmod(0o755 if file.is_dir() else 0o444)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        tracking.client.cache_clear()
        tracking.complete_run(*artifacts(made, "benchmark"))
        at = folder / "edges/glyphs"
        written = Classifier.read(at / "classifiers/top"), recorded(at / "reports/top")
        with monkeypatch.context() as patch:
            patch.setattr(tracking.client(), "finalize_logged_model", lambda *given: 1 / 0)
            with pytest.raises(UserError, match="did not take this"):
                tracking.complete_run(*written)
        copies = {(file.name, file.stat().st_mode & 0o777) for file in (folder / "mlruns").rglob("*")}
        assert copies >= {("model.keras", 0o444), ("predictions.csv", 0o444)}
        with ordinary_user(folder):
            assert tracking.complete_run(*written)
        assert {run.data.tags[runs.COMPLETE] for run in logged_runs()} == {"true"}
        tracking.client.cache_clear()


# What is one run


def logged_runs() -> list[Run]:
    """Return all runs that the journal has, deleted ones left out."""
    return list(tracking.client().search_runs([experiment().experiment_id]))


def looks() -> list[int]:
    """Return, for each run in the journal, how many models have been scored on its test images."""
    return [registry.count_looks(run) for run in logged_runs()]


def evaluated(made, folder: Path, **changed) -> Report:
    """Evaluate the classifier of a folder, as a step."""
    at = {**made, "classifier": folder / "classifier", "report": folder / "report", **changed.pop("at", {})}
    evaluate(at, **changed)
    return recorded(at["report"])


def test_the_same_model_trained_and_evaluated_again_is_one_run_and_one_look(made, small, monkeypatch):
    """By other code, which comes to the same: the live run of the second training goes when that is known."""
    classifier = trained_with(made, small, seed=7)
    report = evaluated(made, small)
    (before,) = [everything(run.info.run_id) for run in logged_runs()]
    assert looks() == [1]
    monkeypatch.setattr(code, "code_digest", lambda name: "other code")
    seen = []
    whole_training = LiveRun.log_epoch

    def watch(live: LiveRun, *epoch: Any) -> None:
        seen.append(len(logged_runs()))
        whole_training(live, *epoch)

    monkeypatch.setattr(LiveRun, "log_epoch", watch)
    assert trained_with(made, small, seed=7).digest == classifier.digest
    assert set(seen) == {2}  # while it was not known which model it would be
    assert vars(evaluated(made, small).facts) == vars(report.facts)
    assert evaluated(made, small, batch_size=5).facts.fingerprint == report.facts.fingerprint
    assert [everything(run.info.run_id) for run in logged_runs()] == [before]
    assert looks() == [1]


def test_another_seed_averaged_views_and_other_test_images_are_runs_of_their_own(made, small):
    first = trained_with(made, small, seed=7)
    evaluated(made, small)
    evaluated(made, small, views="averaged")
    assert looks() == [2, 2]
    second = trained_with(made, small, seed=8)
    assert second.digest != first.digest
    evaluated(made, small)
    assert looks() == [3, 3, 3]
    models = [run.data.tags.get(runs.MODEL) for run in logged_runs()]
    assert {first.digest, second.digest} < {*models} and len({*models}) == 3  # the third makes its views itself

    classifier, report = Classifier.read(small / "classifier"), recorded(small / "report")
    table = report.table("predictions.csv").iloc[:-1]
    split = fingerprints.test_split_digest(report.manifest["lineage"]["fetch"], table)
    report.write_table("predictions.csv", table)
    known = fingerprints.fingerprint(classifier.digest, "plain", "", split)
    vars(report.facts).update(test_split=split, fingerprint=known)
    assert [tracking.complete_run(classifier, report) for _ in range(2)] == [True, False]
    assert sorted(looks()) == [1, 3, 3, 3]
    assert [run.data.tags[runs.FINGERPRINT] for run in logged_runs()].count(known) == 1
    assert [run.data.tags.get(runs.MODEL) for run in logged_runs()].count(classifier.digest) == 2


KILLED = """
import os
from components.__main__ import main
from components.results.tracking.runs import LiveRun

whole = LiveRun.log_epoch

def log_epoch(live, *epoch):
    whole(live, *epoch)
    if epoch[0] == 2:
        os.kill(os.getpid(), 9)

LiveRun.log_epoch = log_epoch
main({arguments})
"""


@pytest.mark.slow  # a process that is killed
@pytest.mark.parametrize("again", [True, False])
def test_the_run_of_a_training_that_was_killed_is_begun_again_or_lost(made, small, again):
    """Trained anew with the journal, or without it and logged later: one run, whole."""
    step = load_step("train_top")
    at = {**made, "top": small / "top", "classifier": small / "classifier"}
    values = {**PARAMETERS["train_top"], "seed": 7}
    options = {**values, **{key: at[key] for key in (*step.inputs, *step.outputs)}}
    killed = KILLED.format(arguments=["train_top", *(f"--{key}={value}" for key, value in options.items())])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", killed], env=environment, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    (left,) = logged_runs()
    assert (left.info.status, runs.MODEL in left.data.tags) == ("RUNNING", False)
    assert "epoch/loss" in left.data.metrics
    with pytest.MonkeyPatch.context() as patch:
        if not again:
            patch.setenv("MLFLOW_TRACKING_URI", "off")
        classifier = trained_with(made, small, seed=7)
        report = evaluated(made, small)
    costs_so_far = costs_of(made, report)
    tracking.complete_run(classifier, report, costs_so_far)
    (run,) = logged_runs()
    assert run.info.run_id != left.info.run_id
    check_run(run.info.run_id, classifier, report, costs_so_far)
    assert looks() == [1]


def test_drawing_a_comparison_gives_the_runs_their_costs(made, small, monkeypatch):
    for model in MODELS.values():
        tracking.complete_run(*artifacts(made, model))
    assert not [name for run in logged_runs() for name in run.data.metrics if name.startswith("seconds_")]
    reports = [made[model] for model in MODELS.values()]
    at = {**made, "reports": reports, "drawings": [made["drawings"]], "page": small / "page"}
    at["records"] = [made["comparison"].parent]
    run_step("draw_comparison", at, {}, "edges")
    for run in logged_runs():
        known = costs_of(made, artifacts(made, run.data.tags["model"])[1])
        assert {name: run.data.metrics.get(name) for name in known} == pytest.approx(known, abs=1e-6)
        assert {"seconds_training", "seconds_evaluation", "gpu_hours"} <= set(known)
        assert run.data.tags["graft.comparison"] == Page.read(small / "page").digest


def test_the_classifier_is_the_one_that_validation_judged(made):
    """The saved model, on the plain validation views, gives the validation scores of its record."""
    from components.data.artifacts import Splits
    from components.scores import metrics

    for model in MODELS.values():
        classifier = Classifier.read(made[f"classifiers/{model}"])
        validation = Splits.read(made["splits"]).part("validation")
        augmented = Augmented.read(made["augmented"])
        network = keras.saving.load_model(classifier.file, compile=False)
        predictions = network.predict_on_batch(augmented.array[augmented.rows(validation["file"].tolist()), 0])
        labels = validation["label"].map({name: n for n, name in enumerate(classifier.facts.classes)}).to_numpy()
        scores = metrics.scores(labels, predictions)
        assert scores["log_loss"] == pytest.approx(classifier.facts.validation_log_loss, rel=1e-4)
        assert scores["kappa"] == pytest.approx(classifier.facts.validation_kappa)


def command_line(file: Path) -> bytes:
    """Return the command line of a process, which every user of the machine can see; nothing if it has ended."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


@pytest.mark.slow  # a server of its own
def test_the_ui_prints_where_the_comparison_is_and_ends_with_its_server(made, database, tmp_path):
    environment = {**os.environ, "MLFLOW_TRACKING_URI": database, "BROWSER": "true"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", database)
        tracking.client.cache_clear()
        tracking.complete_run(*artifacts(made, "top"))
        tracking.client.cache_clear()
    port = free_port()
    command = [sys.executable, "-m", "pipeline", "ui", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = list(itertools.takewhile(lambda line: "Ctrl-C ends the server" not in line, process.stdout))
            assert lines[1].startswith(f"edges: http://127.0.0.1:{port}/#/experiments/")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60) as answer:
                assert answer.read() == b"OK"
            assert not [
                line for line in Path("/proc").glob("[0-9]*/cmdline") if database.encode() in command_line(line)
            ]
        finally:
            process.terminate()
    assert process.returncode == 0
    with socket.socket() as closed:
        assert closed.connect_ex(("127.0.0.1", port)) != 0


def test_the_ui_of_an_environment_in_which_no_server_starts_says_so(made, small, monkeypatch):
    tracking.complete_run(*artifacts(made, "top"))
    monkeypatch.setattr(mlflow, "__file__", "/100%/mlflow/__init__.py")
    with pytest.raises(UserError, match="takes the % in /100%/mlflow for a variable: rename that folder"):
        ui.serve(free_port())


STUBBORN = """
import signal, subprocess, sys
if sys.argv[1:]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
else:
    subprocess.Popen([sys.executable, "-c", sys.stdin.read(), "child"]).wait()
signal.pause()
"""


@pytest.mark.parametrize("deaf", [True, False])
def test_a_server_that_does_not_stop_is_stopped_by_force_with_all_that_it_started(deaf, monkeypatch):
    """The server itself, or a child that goes on without it."""
    monkeypatch.setattr(ui, "SECONDS_TO_STOP", 0.1)
    command = [sys.executable, "-c", STUBBORN, *(["server"] if deaf else [])]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    with server:
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(STUBBORN)
        server.stdin.close()
        assert server.stdout.readline() == "deaf\n"
        started = psutil.Process(server.pid).children(recursive=True)
        assert len(started) == (not deaf)
        ui.stop_server(server)
    assert server.returncode == (-signal.SIGKILL if deaf else -signal.SIGTERM)
    assert psutil.wait_procs(started, timeout=60)[1] == []


# Probes


def test_a_probe_is_one_run_however_often_it_is_made_or_logged(made, store, tmp_path):
    at = {**made, "embeddings": [made["embeddings"]], "probe": tmp_path / "probe"}
    for _ in range(2):
        run_step("probe", at, PARAMETERS["probe"], "edges")
    probe = Probe.read(at["probe"])
    assert not tracking.log_probe(probe)
    (run,) = tracking.client().search_runs([experiment().experiment_id])
    assert (run.info.run_name, run.info.status) == ("edges, probe, vgg16_small", "FINISHED")
    assert run.data.metrics["validation_log_loss"] == pytest.approx(probe.facts.validation_log_loss, abs=1e-6)
    assert run.data.metrics["train_images"] == 24 and run.data.metrics["seconds_probing"] > 0
    assert run.data.params["embed.image_size"] == "32" and run.data.params["backbone"] == "vgg16_small"


def test_a_probe_that_the_journal_lacks_is_logged_later(made, store, tmp_path):
    folder = tmp_path / "artifacts/edges_chosen/glyphs/parts=1"
    shutil.copytree(made["probe"].parent, folder)
    for _ in range(2):
        assert journal.log(journal.Results())
    (run,) = tracking.client().search_runs([experiment().experiment_id])
    assert run.data.metrics["seconds_probing"] > 0


# What is read


def test_a_recipe_with_a_report_that_cannot_be_read_adds_nothing(made, tmp_path, monkeypatch):
    """Not even its other reports, whichever is read first."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        shutil.copytree(made["top"], tmp_path / f"artifacts/edges/reports/{name}")
    whole = journal.Results()
    assert len(whole.reports) == 1 and not whole.unread
    manifest = tmp_path / "artifacts/edges/reports/b/artifact.json"
    content = json.loads(manifest.read_text())
    del content["facts"]["fingerprint"]
    manifest.write_text(json.dumps(content))
    results = journal.Results()
    assert not results.reports and [*results.unread] == ["edges"]

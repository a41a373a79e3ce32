"""The journal: what a run holds, that it can be written again, and that a dead server costs no training."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Experiment

from components import step
from components.data import images
from components.data.artifacts import Augmented, Classifier, Comparison, Report
from components.errors import UserError
from components.results import tracking
from components.results.tracking import runs, served, view
from tests.conftest import MODELS, PARAMETERS, free_port

IGNORED = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
pytestmark = IGNORED


@pytest.fixture(params=["database", "server"])
def store(request, tmp_path, monkeypatch):
    """An empty journal: a SQLite file, or a real server."""
    address = request.getfixturevalue(request.param)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.chdir(tmp_path)
    tracking.client.cache_clear()
    yield address
    tracking.client().rename_experiment(experiment().experiment_id, f"edges of {tmp_path}")
    tracking.client.cache_clear()


def experiment() -> Experiment:
    found = tracking.client().get_experiment_by_name("edges")
    assert found is not None
    return found


def artifacts(made, model: str) -> tuple[Classifier, Report]:
    return Classifier.read(made[f"classifiers/{model}"]), Report.read(made["comparison"].parent / "reports" / model)


def everything(run_id: str) -> dict:
    run = tracking.client().get_run(run_id)
    history = [
        [(metric.step, metric.value) for metric in tracking.client().get_metric_history(run_id, name)]
        for name in sorted(run.data.metrics)
    ]
    return {"data": run.data.to_dictionary(), "history": history, "end": run.info.end_time, "status": run.info.status}


def test_runs_are_written_from_the_artifacts_alone_and_twice_is_once(made, store):
    for model in MODELS.values():
        assert tracking.complete(*artifacts(made, model)) is True
    found = tracking.client().search_runs([experiment().experiment_id])
    assert {run.info.run_name for run in found} == {f"edges-{model}" for model in MODELS.values()}
    assert "mlflow.sharedViewState.comparison" in experiment().tags
    before = {run.info.run_id: everything(run.info.run_id) for run in found}
    for model in MODELS.values():
        assert tracking.complete(*artifacts(made, model)) is False
    assert {run.info.run_id: everything(run.info.run_id) for run in found} == before
    for run in found:
        check_run(run.info.run_id, *artifacts(made, run.data.tags["model"]))


def check_run(run_id: str, classifier: Classifier, report: Report) -> None:
    """Check that a run holds the whole record of a classifier and its report."""
    run = tracking.client().get_run(run_id)
    chain = classifier.record["parameters"]
    expected = {f"{name}.{key}": str(value) for name, values in chain.items() for key, value in values.items()}
    assert expected.items() <= run.data.params.items()
    assert {"split.seed", "augment.rotation"} <= set(expected)
    scores = {name: pytest.approx(value, abs=1e-6) for name, value in runs.numbers(report).items()}
    assert {name: run.data.metrics[name] for name in scores} == scores
    assert {len(tracking.client().get_metric_history(run_id, name)) for name in scores} == {1}
    assert run.outputs is not None
    model = tracking.client().get_logged_model(run.outputs.model_outputs[0].model_id)
    assert {metric.key: metric.value for metric in model.metrics or []} == scores
    assert {
        *view.COLUMNS, "balanced_accuracy", "macro_f1", "majority_accuracy", "chance_accuracy", "seconds_evaluation",
        "images_per_second_training", "gpu_hours", "kappa_low", "kappa_high", "log_loss_low", "accuracy_high",
    } <= set(scores)  # fmt: skip
    losses = tracking.client().get_metric_history(run_id, "epoch/validation_loss")
    history = classifier.table("history.csv")
    assert [metric.step for metric in losses] == history["epoch"].tolist()
    assert [metric.value for metric in losses] == pytest.approx(history["validation_loss"].tolist(), abs=1e-6)
    assert run.info.status == "FINISHED"
    assert run.inputs is not None
    inputs = {given.dataset.name: given for given in run.inputs.dataset_inputs}
    assert run.data.tags["data_digest"] == classifier.record["lineage"]["fetch"]
    digests = {"edges": run.data.tags["data_digest"][:32], "edges, test split": run.data.tags["test_split"]}
    assert {name: given.dataset.digest for name, given in inputs.items()} == digests
    uses = {name: {tag.key: tag.value for tag in given.tags} for name, given in inputs.items()}
    context = "mlflow.data.context"
    assert uses == {"edges": {context: "training"}, "edges, test split": {context: "test"}}
    logged = {file.path for file in tracking.client().list_artifacts(run_id, "report/figures")}
    assert {f"report/figures/{name}.png" for name in ("confusion_matrix", "learning_curves")} <= logged
    table = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="report/predictions.csv")
    assert pd.read_csv(table).equals(pd.read_csv(report.path / "predictions.csv"))


def test_the_model_comes_back_and_gives_the_probabilities_of_the_table(made, store, source):
    classifier, report = artifacts(made, "fine_tuned")
    tracking.complete(classifier, report)
    run = runs.find("edges", classifier.digest)
    assert run is not None and run.outputs is not None
    (output,) = run.outputs.model_outputs
    table, classes = report.table("predictions.csv"), classifier.facts["classes"]
    expected = table.filter(like="probability_").to_numpy()
    raw = np.stack([images.read(source / file, classifier.facts["image_size"]) for file in table["file"]])
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


def test_scores_of_averaged_views_are_of_no_model_that_can_be_served(made, store):
    classifier, report = artifacts(made, "top")
    report.facts["fingerprint"] = "averaged"
    assert tracking.complete(classifier, report)
    run = runs.find("edges", "averaged")
    assert run is not None and not (run.outputs and run.outputs.model_outputs)
    assert run.data.metrics["kappa"] == pytest.approx(report.metrics["kappa"], abs=1e-6)


def test_a_comparison_is_an_artifact_of_every_run_compared(made, store, capsys):
    """Of a run that is not there yet it says so, in one line; twice is once."""
    comparison = Comparison.read(made["comparison"])
    reports = [artifacts(made, model)[1] for model in MODELS.values()]
    tracking.complete(*artifacts(made, "top"))
    tracking.log_comparison_or_say(comparison, reports)
    said = capsys.readouterr().err
    assert "has no run of" in said and said.endswith("completes the journal later\n") and said.count("\n") == 1
    for model in MODELS.values():
        tracking.complete(*artifacts(made, model))
    assert [tracking.log_comparison(comparison, reports) for _ in range(2)] == [True, False]
    for run in tracking.client().search_runs([experiment().experiment_id]):
        page = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/comparison/comparison.html")
        assert page == (made["comparison"] / "comparison.html").read_text()


def trained_with(made, folder, **changed) -> Classifier:
    """Train a head anew, as a step, on a copy of what it needs."""
    at = {**made, "top": folder / "top", "classifier": folder / "classifier"}
    step.run("train_top", at, {**PARAMETERS["train_top"], **changed}, "edges")
    return Classifier.read(at["classifier"])


def test_epochs_are_logged_live_and_the_run_is_completed_not_doubled(made, store, tmp_path):
    classifier = trained_with(made, tmp_path, seed=7)
    live = runs.find("edges", classifier.digest)
    assert live is not None
    assert live.data.metrics["epoch/loss"] == pytest.approx(classifier.table("history.csv")["loss"].iloc[-1], abs=1e-6)
    assert "kappa" not in live.data.metrics
    for name in ("validation_kappa", "validation_log_loss", "validation_accuracy"):
        assert live.data.metrics[name] == pytest.approx(classifier.facts[name], abs=1e-6)
    assert live.info.status == "FINISHED"
    at = {**made, "classifier": tmp_path / "classifier", "report": tmp_path / "report"}
    step.run("evaluate", at, PARAMETERS["evaluate"], "edges")
    done = runs.find("edges", classifier.digest)
    assert done is not None
    assert done.info.run_id == live.info.run_id
    check_run(done.info.run_id, classifier, Report.read(tmp_path / "report"))
    assert trained_with(made, tmp_path, seed=7).digest == classifier.digest
    assert len(tracking.client().search_runs([experiment().experiment_id])) == 1


def test_a_training_that_fails_has_no_scores(made, store, tmp_path):
    classifier = Classifier(tmp_path, {**Classifier.read(made["classifiers/top"]).record, "digest": "broken off"})
    with pytest.raises(OSError), tracking.live(classifier, "top"):
        raise OSError
    run = runs.find("edges", "broken off")
    assert run is not None
    assert (run.info.status, run.data.metrics) == ("FAILED", {})


@pytest.mark.parametrize("kubeflow", ["", "0f3a-run"])
def test_a_run_within_kubeflow_says_which(made, store, monkeypatch, kubeflow):
    monkeypatch.setenv("KFP_RUN_ID", kubeflow)
    classifier = artifacts(made, "benchmark")[0]
    with tracking.live(classifier, "benchmark"):
        pass
    run = runs.find("edges", classifier.digest)
    assert run is not None
    assert run.data.tags.get("kfp_run_id", "") == kubeflow


def test_a_run_has_an_address_where_there_is_a_server(made, store, monkeypatch, capsys):
    classifier, report = artifacts(made, "benchmark")
    assert tracking.address("edges", classifier.digest) is None
    tracking.complete(classifier, report)
    run = runs.find("edges", classifier.digest)
    assert run is not None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.replace("http://", "http://name:secret@"))
    tracking.client.cache_clear()
    expected = f"{store}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    assert tracking.address("edges", classifier.digest) == (expected if store.startswith("http") else None)
    assert tracking.address("edges", "another") is None
    assert tracking.address("others", classifier.digest) is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
    assert tracking.address("edges", classifier.digest) is None
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    tracking.client.cache_clear()


def test_a_dead_server_has_no_address_and_costs_one_line(monkeypatch, capsys):
    port = free_port()
    tracking.client.cache_clear()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://name:secret@127.0.0.1:{port}/")
    assert tracking.address("edges", "another") is None
    said = capsys.readouterr().err
    assert said.startswith(f"MLflow at http://127.0.0.1:{port}/ did not take this: ") and said.count("\n") == 1
    assert "secret" not in said
    tracking.client.cache_clear()


def test_a_dead_server_costs_one_line_and_the_journal_is_written_later(made, tmp_path, monkeypatch, capsys):
    port = free_port()
    tracking.client.cache_clear()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://name:secret@127.0.0.1:{port}")
    trained_with(made, tmp_path, seed=8)
    said = capsys.readouterr().err
    assert said.count("`python -m pipeline log` completes the journal later") == 1
    assert f"MLflow at http://127.0.0.1:{port} did not take this" in said
    assert "secret" not in said
    with pytest.raises(UserError, match="did not take this") as refused:
        tracking.complete(*artifacts(made, "top"))
    assert "secret" not in str(refused.value)
    tracking.client.cache_clear()


def test_the_command_log_finds_what_is_missing(made, tmp_path):
    """`python -m pipeline log`, in a folder that holds the artifacts of a recipe."""
    for model in MODELS.values():
        for kind in ("classifiers", "reports"):
            shutil.copytree(made["comparison"].parent / kind / model, tmp_path / "artifacts/edges" / kind / model)
    shutil.copytree(made["comparison"], tmp_path / "artifacts/edges/comparison")
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db", "PYTHONPATH": str(step.ROOT)}
    for expected in ("written", "was there"):
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", "log"], cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        names = [*(f"reports/{model}" for model in sorted(MODELS.values())), "comparison"]
        assert done.stdout.splitlines() == [f"edges, {name}: {expected}" for name in names]


def test_the_classifier_is_the_one_that_validation_judged(made):
    """The saved model, on the plain validation views, gives the validation scores of its record."""
    from components.data.artifacts import Splits
    from components.results import metrics

    for model in MODELS.values():
        classifier = Classifier.read(made[f"classifiers/{model}"])
        validation = Splits.read(made["splits"]).part("validation")
        augmented = Augmented.read(made["augmented"])
        network = keras.saving.load_model(classifier.file, compile=False)
        found = network.predict_on_batch(augmented.array[augmented.rows(validation["file"].tolist()), 0])
        labels = validation["label"].map({name: n for n, name in enumerate(classifier.facts["classes"])}).to_numpy()
        scores = metrics.scores(labels, found)
        assert scores["log_loss"] == pytest.approx(classifier.facts["validation_log_loss"], rel=1e-4)
        assert scores["kappa"] == pytest.approx(classifier.facts["validation_kappa"])


def shown(line: Path) -> bytes:
    """Return the command line of a process, which every user of the machine can see; nothing if it has ended."""
    try:
        return line.read_bytes()
    except OSError:
        return b""


def test_the_ui_prints_where_the_comparison_is_and_ends_with_its_server(made, database, tmp_path):
    environment = {**os.environ, "MLFLOW_TRACKING_URI": database, "BROWSER": "true"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", database)
        tracking.client.cache_clear()
        tracking.complete(*artifacts(made, "top"))
        tracking.client.cache_clear()
    port = free_port()
    command = [sys.executable, "-m", "pipeline", "ui", "--port", str(port)]
    with subprocess.Popen(command, cwd=step.ROOT, env=environment, stdout=subprocess.PIPE, text=True) as ui:
        try:
            assert ui.stdout is not None
            said = [ui.stdout.readline() for _ in range(2)]
            assert said[1].startswith(f"edges: http://127.0.0.1:{port}/#/experiments/")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60) as answer:
                assert answer.read() == b"OK"
            assert not [line for line in Path("/proc").glob("[0-9]*/cmdline") if database.encode() in shown(line)]
        finally:
            ui.terminate()
    assert ui.returncode == 0
    with socket.socket() as closed:
        assert closed.connect_ex(("127.0.0.1", port)) != 0

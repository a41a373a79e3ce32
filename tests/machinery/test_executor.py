"""What a finished step tells Kubeflow: the file that it reads, as kfp itself reads and writes it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format
from kfp import dsl
from kfp.pipeline_spec import pipeline_spec_pb2

from components import STEPS
from components.__main__ import main
from components.data import artifacts
from components.data.artifacts import Augmented, Page, Report
from components.data.records import Record
from components.machinery import executor
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.system.errors import UserError
from tests.conftest import MODELS, PARAMETERS

KINDS = dict.fromkeys([*(kind for name in STEPS for kind in load_step(name).outputs.values()), Record])


def task(folder, name: str) -> dict:
    """Return the ExecutorInput of a step whose outputs lie in a folder."""
    wanted = load_step(name)
    kinds = {**wanted.outputs, "record": Record}
    schemas = {key: executor.artifact_type(kind) for key, kind in kinds.items()} | executor.view_types(wanted.outputs)
    listed = {
        key: {"artifacts": [{"name": key, "type": {"schemaTitle": f"system.{schema}"}, "uri": str(folder / key)}]}
        for key, schema in schemas.items()
    }
    told = {"inputs": {}, "outputs": {"artifacts": listed, "outputFile": str(folder / "said" / "executor_output.json")}}
    json_format.ParseDict(told, pipeline_spec_pb2.ExecutorInput())
    return told


def told(folder, name: str, paths: dict, files: dict | None = None) -> dict[str, dict]:
    """Return the metadata that a step which has made its outputs tells, by artifact."""
    given = task(folder, name)
    executor.write_output(given, load_step(name), paths, files or {})
    written = json.loads((folder / "said" / "executor_output.json").read_text())
    json_format.ParseDict(written, pipeline_spec_pb2.ExecutorOutput())
    assert set(written["artifacts"]) == set(given["outputs"]["artifacts"])
    assert written["artifacts"]["record"] == {
        "artifacts": [{**given["outputs"]["artifacts"]["record"]["artifacts"][0], "metadata": {}}]
    }
    return {key: listed["artifacts"][0]["metadata"] for key, listed in written["artifacts"].items()}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_kubeflow_has_a_type_for_each_kind(kind):
    schemas = {executor.artifact_type(kind), *executor.view_types({"made": kind}).values()}
    assert all(issubclass(getattr(dsl, schema), dsl.Artifact) for schema in schemas)


def test_a_report_is_its_scores_and_its_confusion_matrix(made, tmp_path):
    metadata = told(tmp_path, "evaluate", {"classifier": made["classifiers/top"], "report": made["top"]})
    report = Report.read(made["top"])
    assert metadata["report"] == report.read_values("metrics")
    table, classes = report.table("predictions.csv"), report.facts.classes
    counts = [
        [int(((table["label"] == true) & (table["predicted"] == seen)).sum()) for seen in classes] for true in classes
    ]
    drawn = dsl.ClassificationMetrics()
    drawn.log_confusion_matrix(classes, counts)
    assert metadata["confusion_matrix"] == drawn.metadata


def test_a_comparison_is_what_was_chosen(made, tmp_path):
    metadata = told(tmp_path, "compare", {"comparison": made["comparison"]})["comparison"]
    assert metadata == json.loads((made["comparison"] / "chosen.json").read_text())
    assert metadata["model"] in MODELS.values() and {"kappa", "log_loss", "accuracy"} < metadata.keys()


def test_a_page_is_shown(made, tmp_path):
    file = tmp_path / "deep" / "page"
    metadata = told(tmp_path, "draw_comparison", {"page": made["page"]}, {"html": str(file)})
    assert metadata["page"]["digest"] == Page.read(made["page"]).digest
    assert metadata["html"] == {}
    assert file.read_bytes() == (made["page"] / "comparison.html").read_bytes()


def test_a_classifier_is_its_digest_and_its_facts(made, tmp_path):
    paths = {"classifier": made["classifiers/top"], "top": made["head"]}
    metadata = told(tmp_path, "train_top", paths)["classifier"]
    classifier = artifacts.Classifier.read(made["classifiers/top"])
    assert metadata["digest"] == classifier.digest
    assert metadata["validation_kappa"] == classifier.facts.validation_kappa
    assert "classes" not in metadata


def test_the_entry_point_tells_once_the_step_has_finished_and_a_failed_one_ends_on_its_error(made, tmp_path):
    given = json.dumps(task(tmp_path, "split"))
    flags = [f"--{key}={value}" for key, value in PARAMETERS["split"].items()]
    places = [f"--splits={tmp_path / 'splits'}", f"--test_split={tmp_path / 'test_split'}"]
    kubeflow = ["--executor_input", given]
    command = [sys.executable, "-m", "components", "split", f"--audit={made['audit']}", *flags, *places]
    for images, status in ((tmp_path / "none", 2), (made["images"], 0)):
        words = [*command, f"--images={images}", *kubeflow]
        done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == status
        assert (tmp_path / "said" / "executor_output.json").exists() == (status == 0)
        last = done.stdout.splitlines()[-1:]  # in a pod's log KFP's launcher adds its own lines
        assert any(line.startswith("error: ") for line in last) == (status != 0)


def test_a_task_of_kubeflow_that_fails_leaves_its_line_as_the_message_of_its_pod(made, tmp_path, monkeypatch):
    message = tmp_path / "termination-log"
    monkeypatch.setattr(executor, "TERMINATION_LOG", message)
    words = ["split", f"--audit={made['audit']}", f"--images={tmp_path / 'none'}"]
    words += [f"--splits={tmp_path / 'splits'}", f"--test_split={tmp_path / 'test_split'}"]
    kubeflow = ["--executor_input", json.dumps(task(tmp_path, "split"))]
    for given, exists, expected in ((kubeflow, False, ""), ([], True, ""), (kubeflow, True, "error: split lacks ")):
        if exists:
            message.touch()
        with pytest.raises(UserError, match="split lacks "):
            main([*words, *given])
        assert message.exists() == exists
        if exists:
            assert message.read_text().startswith(expected) and message.read_text().count("\n") == bool(expected)


def run(folder: Path, name: str, artifacts: dict[str, list[Path]]) -> dict[str, dict]:
    """Run a step in a process of its own as Kubeflow does; return what it tells of its outputs, by name."""
    given = task(folder, name)
    words = ["--recipe", "edges", "--executor_input", json.dumps(given)]
    for key, paths in artifacts.items():
        words += [word for path in paths for word in (f"--{key}", str(path))]
    for key in (*load_step(name).outputs, "record"):
        words += [f"--{key}", str(folder / key)]
    for key in executor.view_types(load_step(name).outputs):
        words += ["--view", key, str(folder / key)]
    words += [f"--{key}={value}" for key, value in PARAMETERS[name].items()]
    done = subprocess.run(
        [sys.executable, "-m", "components", name, *words], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    written = json.loads((folder / "said" / "executor_output.json").read_text())
    json_format.ParseDict(written, pipeline_spec_pb2.ExecutorOutput())
    assert {path.name for path in folder.iterdir()} == {*given["outputs"]["artifacts"], "said"}
    found = {key: listed["artifacts"][0] for key, listed in written["artifacts"].items()}
    assert {key: one["uri"] for key, one in found.items()} == {
        key: listed["artifacts"][0]["uri"] for key, listed in given["outputs"]["artifacts"].items()
    }
    return found


def test_a_task_of_kubeflow_leaves_its_artifacts_its_record_and_what_it_tells(made, tmp_path):
    told = run(tmp_path, "augment", {"images": [made["images"]]})
    augmented, record = Augmented.read(tmp_path / "augmented"), Record.read(told["record"]["uri"])
    assert told["augmented"]["metadata"]["digest"] == augmented.digest == Augmented.read(made["augmented"]).digest
    assert (record.step, record.digest, record.recipe) == ("augment", augmented.manifest["lineage"]["augment"], "edges")
    assert record.work["augmentation"]["seconds"] > 0 and record.machine and record.versions["python"]


def test_the_arm_that_is_chosen_is_told_as_the_classifier_that_it_is(made, tmp_path):
    paths = {"features": made["features"], "splits": made["splits"], "weights": made["weights"]}
    other = paths | {"top": tmp_path / "other" / "top", "classifier": tmp_path / "other" / "classifier"}
    run_step("train_top", other, {**PARAMETERS["train_top"], "dropout": 0.5})
    arms = [made["classifiers/top"], tmp_path / "other" / "classifier"]
    (tmp_path / "chosen").mkdir()
    metadata = run(tmp_path / "chosen", "choose_classifier", {"arms": arms})["classifier"]["metadata"]
    tried = [artifacts.Classifier.read(arm) for arm in arms]
    best = min(tried, key=lambda arm: arm.facts.validation_log_loss)
    assert metadata["digest"] == best.digest and metadata["validation_log_loss"] == best.facts.validation_log_loss
    assert len(artifacts.Classifier.read(tmp_path / "chosen" / "classifier").facts.arms) == 2


@pytest.mark.slow  # every step once more
def test_a_page_is_drawn_from_the_records_of_other_tasks_and_shown_by_kubeflow(made, tmp_path):
    records = []
    for number, file in enumerate(sorted(made["splits"].parent.rglob("*.record.json"))):  # on Kubeflow all are `record`
        records.append(tmp_path / f"task-{number}" / "record")
        records[-1].parent.mkdir()
        shutil.copyfile(file, records[-1])
    reports = [made[model] for model in MODELS.values()]
    (tmp_path / "drawn").mkdir()
    given = {"comparison": [made["comparison"]], "reports": reports, "drawings": [made["drawings"]], "records": records}
    given["forecasts"] = [made["forecast"]]
    told = run(tmp_path / "drawn", "draw_comparison", given)
    page = Page.read(tmp_path / "drawn" / "page")
    assert told["page"]["metadata"]["digest"] == page.digest
    assert told["html"]["type"]["schemaTitle"] == "system.HTML"
    assert (tmp_path / "drawn" / "html").read_bytes() == (page.path / "comparison.html").read_bytes()
    assert page.table("costs.csv")["gpu_hours"].notna().all()
    assert Record.read(told["record"]["uri"]).digest == page.manifest["lineage"]["draw_comparison"]


@pytest.mark.parametrize("given", ["{{$}}", "{}", "[]", '{"outputs": {}}', '{"outputs": {"outputFile": 1}}'])
def test_what_is_not_kubeflow_s_is_one_line_before_any_work(given, tmp_path):
    places = [f"--{key}={tmp_path / key}" for key in ("images", "audit", "splits", "test_split")]
    with pytest.raises(UserError, match="--executor_input is Kubeflow's own"):
        main(["split", *places, "--executor_input", given])

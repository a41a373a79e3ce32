"""What a finished step tells Kubeflow: the file that it reads, as kfp itself reads and writes it."""

import json
import subprocess
import sys

import pytest
from google.protobuf import json_format
from kfp import dsl
from kfp.pipeline_spec import pipeline_spec_pb2

from components import executor, step
from components.__main__ import main
from components.data import artifacts
from components.data.artifacts import Report
from components.errors import UserError
from components.step import ROOT
from tests.conftest import PARAMETERS

KINDS = dict.fromkeys(kind for name in step.STEPS for kind in step.load(name).outputs.values())


def task(folder, name: str) -> dict:
    """Return the ExecutorInput of a step whose outputs lie in a folder."""
    wanted = step.load(name)
    schemas = {key: executor.schema(kind) for key, kind in wanted.outputs.items()} | executor.views(wanted.outputs)
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
    executor.tell(given, step.load(name), paths, files or {})
    written = json.loads((folder / "said" / "executor_output.json").read_text())
    json_format.ParseDict(written, pipeline_spec_pb2.ExecutorOutput())
    assert set(written["artifacts"]) == set(given["outputs"]["artifacts"])
    return {key: listed["artifacts"][0]["metadata"] for key, listed in written["artifacts"].items()}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_kubeflow_has_a_type_for_each_kind(kind):
    schemas = {executor.schema(kind), *executor.views({"made": kind}).values()}
    assert all(issubclass(getattr(dsl, schema), dsl.Artifact) for schema in schemas)


def test_a_report_is_its_scores_and_its_confusion_matrix(made, tmp_path):
    metadata = told(tmp_path, "evaluate", {"classifier": made["classifiers/top"], "report": made["top"]})
    report = Report.read(made["top"])
    assert metadata["report"] == report.read_values("metrics")
    table, classes = report.table("predictions.csv"), report.facts["classes"]
    counts = [
        [int(((table["label"] == true) & (table["predicted"] == seen)).sum()) for seen in classes] for true in classes
    ]
    drawn = dsl.ClassificationMetrics()
    drawn.log_confusion_matrix(classes, counts)
    assert metadata["confusion_matrix"] == drawn.metadata


def test_a_comparison_is_what_was_chosen_and_its_page(made, tmp_path):
    page = tmp_path / "deep" / "page"
    metadata = told(tmp_path, "compare", {"comparison": made["comparison"]}, {"page": str(page)})
    assert metadata["comparison"]["model"] in ("benchmark", "top", "fine_tuned")
    assert metadata["page"] == {}
    assert page.read_bytes() == (made["comparison"] / "comparison.html").read_bytes()


def test_a_classifier_is_its_digest_and_its_facts(made, tmp_path):
    paths = {"classifier": made["classifiers/top"], "top": made["head"]}
    metadata = told(tmp_path, "train_top", paths)["classifier"]
    classifier = artifacts.Classifier.read(made["classifiers/top"])
    assert metadata["digest"] == classifier.digest
    assert metadata["validation_kappa"] == classifier.facts["validation_kappa"]
    assert "classes" not in metadata


def test_the_entry_point_tells_once_the_step_has_finished(made, tmp_path):
    given = json.dumps(task(tmp_path, "split"))
    flags = [f"--{key}={value}" for key, value in PARAMETERS["split"].items()]
    places = [f"--splits={tmp_path / 'splits'}", f"--test_split={tmp_path / 'test_split'}"]
    kubeflow = ["--executor_input", given]
    command = [sys.executable, "-m", "components", "split", f"--audit={made['audit']}", *flags, *places]
    for images, status in ((tmp_path / "none", 2), (made["images"], 0)):
        done = subprocess.run([*command, f"--images={images}", *kubeflow], cwd=ROOT, check=False, capture_output=True)
        assert done.returncode == status
        assert (tmp_path / "said" / "executor_output.json").exists() == (status == 0)


@pytest.mark.parametrize("given", ["{{$}}", "{}", "[]", '{"outputs": {}}', '{"outputs": {"outputFile": 1}}'])
def test_what_is_not_kubeflow_s_is_one_line_before_any_work(given, tmp_path):
    places = [f"--{key}={tmp_path / key}" for key in ("images", "audit", "splits", "test_split")]
    with pytest.raises(UserError, match="--executor_input is Kubeflow's own"):
        main(["split", *places, "--executor_input", given])

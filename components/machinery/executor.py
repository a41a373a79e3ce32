"""Adapter to Kubeflow Pipelines: artifact types, and the metadata that a finished step reports.

Source: the messages ExecutorInput and ExecutorOutput of pipeline_spec.proto, github.com/kubeflow/pipelines.
"""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.data.artifact import Artifact
from components.data.artifacts import (
    Classifier,
    Comparison,
    Drawings,
    Exploration,
    Forecast,
    Page,
    Report,
    Top,
    Weights,
)
from components.data.records import Record
from components.machinery.signature import Step
from components.system.errors import UserError, shorten

SCHEMAS: dict[type[Artifact] | type[Record], str] = {
    Weights: "Model", Top: "Model", Classifier: "Model",
    Report: "Metrics", Comparison: "Metrics", Exploration: "Artifact", Drawings: "Artifact", Forecast: "Artifact",
    Page: "Artifact", Record: "Artifact",
}  # fmt: skip
VIEWS: dict[type[Artifact], dict[str, str]] = {  # further outputs, which the UI draws: name and artifact type
    Report: {"confusion_matrix": "ClassificationMetrics"},
    Page: {"html": "HTML"},
}

TERMINATION_LOG = Path("/dev/termination-log")  # Kubernetes shows what it says of a container that has failed


def artifact_type(kind: type[Artifact] | type[Record]) -> str:
    """Return a kind's Kubeflow artifact type, without `system.`: `Model`, `Metrics`, `Artifact`, or else `Dataset`."""
    return SCHEMAS.get(kind, "Dataset")


def view_types(kinds: Mapping[str, type[Artifact]]) -> dict[str, str]:
    """Return {name: artifact type} of the further outputs that the UI draws of these kinds, as {"html": "HTML"}."""
    return {name: view for kind in kinds.values() for name, view in VIEWS.get(kind, {}).items()}


def read_input(text: str) -> dict[str, Any]:
    """Return the ExecutorInput of a task, parsed from its JSON text.

    Raises:
        UserError: The text is no ExecutorInput.
    """
    try:
        executor_input = json.loads(text)
        Path(executor_input["outputs"]["outputFile"])
    except (ValueError, KeyError, TypeError):
        raise UserError(f"--executor_input is Kubeflow's own `{{{{$}}}}`; received {shorten(text)}") from None
    return executor_input


def write_output(
    executor_input: Mapping[str, Any], step: Step, paths: Mapping[str, Any], files: Mapping[str, str]
) -> None:
    """Write a finished task's ExecutorOutput: metadata of its artifacts, any confusion matrix; copy any page to `html`.

    Of several trainings the metadata is that of the first, with their number as `trainings`.

    Args:
        executor_input: That of the task.
        step: The step, which has finished.
        paths: The path of each artifact of the step, by key.
        files: The path of each further output that is a file, by name.
    """
    trainings = {key: kind.read_all([paths[key]]) for key, kind in step.outputs.items()}
    metadata: dict[str, dict[str, Any]] = {}
    for key, (first, *others) in trainings.items():  # the UI shows the first training of a way
        several = {"trainings": 1 + len(others)} if others else {}
        metadata[key] = {**artifact_metadata(first), **mlflow_metadata(first), **several}
    for artifact, *_ in trainings.values():
        if isinstance(artifact, Report) and not artifact.shard:
            metadata["confusion_matrix"] = {"confusionMatrix": confusion_matrix(artifact)}
        if isinstance(artifact, Page) and "html" in files:
            Path(files["html"]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(artifact.path / "comparison.html", files["html"])
    write_metadata(executor_input, metadata)


def write_metadata(executor_input: Mapping[str, Any], metadata: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a task's ExecutorOutput: its output artifacts, each with its metadata by key, or none.

    Args:
        executor_input: That of the task.
        metadata: What the UI shows of an artifact, by key.
    """
    outputs = executor_input["outputs"].get("artifacts", {})
    artifacts = {
        key: {"artifacts": [{**output["artifacts"][0], "metadata": metadata.get(key, {})}]}
        for key, output in outputs.items()
    }
    file = Path(executor_input["outputs"]["outputFile"])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"artifacts": artifacts}), encoding="utf-8")


def write_termination_message(error: UserError) -> None:
    """Write an error's line where Kubernetes takes a pod's message from; do nothing where there is no such file."""
    if TERMINATION_LOG.is_file():
        with suppress(OSError):
            TERMINATION_LOG.write_text(f"error: {error}\n", encoding="utf-8")


def artifact_metadata(artifact: Artifact) -> dict[str, str | int | float]:
    """Return the values to show: a report's metrics.json, a comparison's chosen.json, else digest and single facts.

    Of a shard it is which one it is.
    """
    if artifact.shard:
        return {"digest": artifact.digest, "shard": artifact.shard["number"], "of": artifact.shard["of"]}
    if isinstance(artifact, Report):
        return artifact.read_values("metrics")
    if isinstance(artifact, Comparison):
        return artifact.read_values("chosen")
    single = {name: fact for name, fact in vars(artifact.facts).items() if isinstance(fact, str | int | float)}
    return {"digest": artifact.digest, **single}


def mlflow_metadata(artifact: Artifact) -> dict[str, str]:
    """Return a classifier's or report's address in MLflow, under `mlflow`; empty without one and for other kinds."""
    if not isinstance(artifact, Classifier | Report) or artifact.shard:
        return {}
    from components.results import tracking

    address = tracking.run_address(artifact)
    return {"mlflow": address} if address else {}


def confusion_matrix(report: Report) -> dict[str, Any]:
    """Return {"annotationSpecs": [{"displayName": class}], "rows": [{"row": counts}]}, a row for each true class.

    It is a report's confusion matrix as Kubeflow's UI draws it; the classes are in the report's order.
    """
    from components.results.failures import report_confusion_matrix

    return {
        "annotationSpecs": [{"displayName": name} for name in report.facts.classes],
        "rows": [{"row": counts} for counts in report_confusion_matrix(report).tolist()],
    }

"""The seam to Kubeflow Pipelines: as what it knows the artifacts, and what a finished step tells of them.

Source: the messages ExecutorInput and ExecutorOutput of pipeline_spec.proto, github.com/kubeflow/pipelines.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.data.artifacts import (
    Artifact,
    Classifier,
    Comparison,
    Drawings,
    Exploration,
    Page,
    Report,
    Top,
    Weights,
)
from components.data.records import Record
from components.machinery.signature import Step
from components.system.errors import UserError, shown

SCHEMAS: dict[type[Artifact] | type[Record], str] = {
    Weights: "Model", Top: "Model", Classifier: "Model",
    Report: "Metrics", Comparison: "Metrics", Exploration: "Artifact", Drawings: "Artifact",
    Page: "Artifact", Record: "Artifact",
}  # fmt: skip
VIEWS: dict[type[Artifact], dict[str, str]] = {  # what the UI draws of an artifact besides, by name and schema
    Report: {"confusion_matrix": "ClassificationMetrics"},
    Page: {"html": "HTML"},
}


def schema(kind: type[Artifact] | type[Record]) -> str:
    """Return the type of Kubeflow's that an artifact of a kind has, without `system.` before it."""
    return SCHEMAS.get(kind, "Dataset")


def views(kinds: Mapping[str, type[Artifact]]) -> dict[str, str]:
    """Return the names and schemas of all that is drawn of some artifacts."""
    return {name: view for kind in kinds.values() for name, view in VIEWS.get(kind, {}).items()}


def read(said: str) -> dict[str, Any]:
    """Return what Kubeflow says of a task, its ExecutorInput.

    Raises:
        UserError: It is not that.
    """
    try:
        told = json.loads(said)
        Path(told["outputs"]["outputFile"])
    except (ValueError, KeyError, TypeError):
        raise UserError(f"--executor_input is Kubeflow's own `{{{{$}}}}`; received {shown(said)}") from None
    return told


def tell(told: Mapping[str, Any], step: Step, paths: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Write the ExecutorOutput: the metadata of each artifact that the step made.

    Args:
        told: The task's ExecutorInput.
        step: The step, which has finished.
        paths: Where its artifacts are.
        files: Where the files of views are to be, by the view's name.
    """
    trainings = {key: kind.read_all([paths[key]]) for key, kind in step.outputs.items()}
    metadata: dict[str, dict[str, Any]] = {}
    for key, (first, *others) in trainings.items():  # of a way's trainings the first is shown
        several = {"trainings": 1 + len(others)} if others else {}
        metadata[key] = {**summary(first), **journal(first), **several}
    for artifact, *_ in trainings.values():
        if isinstance(artifact, Report):
            metadata["confusion_matrix"] = {"confusionMatrix": confusion_matrix(artifact)}
        if isinstance(artifact, Page) and "html" in files:
            Path(files["html"]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(artifact.path / "comparison.html", files["html"])
    outputs = told["outputs"].get("artifacts", {})
    finished = {
        key: {"artifacts": [{**listed["artifacts"][0], "metadata": metadata.get(key, {})}]}
        for key, listed in outputs.items()
    }
    file = Path(told["outputs"]["outputFile"])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"artifacts": finished}), encoding="utf-8")


def summary(artifact: Artifact) -> dict[str, str | int | float]:
    """Return what Kubeflow shows of an artifact: scores, or its digest and the facts that are one value."""
    if isinstance(artifact, Report):
        return artifact.read_values("metrics")
    if isinstance(artifact, Comparison):
        return artifact.read_values("chosen")
    single = {name: fact for name, fact in artifact.facts.items() if isinstance(fact, str | int | float)}
    return {"digest": artifact.digest, **single}


def journal(artifact: Artifact) -> dict[str, str]:
    """Return the address of the run in MLflow that an artifact belongs to, where there is one."""
    if not isinstance(artifact, Classifier | Report):
        return {}
    from components.results import tracking

    address = tracking.run_address(artifact)
    return {"mlflow": address} if address else {}


def confusion_matrix(report: Report) -> dict[str, Any]:
    """Return the test images counted by class (rows) and predicted class (columns), as Kubeflow's UI draws them."""
    from components.results.failures import report_confusion_matrix

    return {
        "annotationSpecs": [{"displayName": name} for name in report.facts["classes"]],
        "rows": [{"row": counts} for counts in report_confusion_matrix(report).tolist()],
    }

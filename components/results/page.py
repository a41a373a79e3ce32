"""The comparison as one page of HTML that needs nothing else: for a browser, a phone, a printer, Kubeflow's UI."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import pandas as pd

from components.data.artifacts import Comparison, Report

WORK = ("augmentation", "extraction", "training", "evaluation")
SIZES = {
    "epochs": "epochs", "best epoch": "best_epoch", "parameters": "model_parameters",
    "fine-tuned": "trainable_parameters",
}  # fmt: skip
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write(
    comparison: Comparison, reports: Mapping[str, Report], title: str, scores: pd.DataFrame, note: str,
    verdict: Sequence[str], runs: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Write `comparison.html` of a Comparison that has its metrics and its figures; the same for the same inputs.

    Args:
        comparison: What is shown.
        reports: The reports by name.
        title: What was compared.
        scores: The scores as text, a row a report.
        note: What the scores are to be held against.
        verdict: The verdict, a sentence each.
        runs: Address of the MLflow run of some reports, by name.
    """
    figures = {
        "Test scores": comparison.figure("comparison"),
        "Validation while training": comparison.figure("validation_curves"),
    }
    matrices = {name: report.path / "figures" / "confusion_matrix.png" for name, report in reports.items()}
    text = TEMPLATES.get_template("page.html").render(
        title=title,
        facts=comparison.facts,
        chosen=comparison.read_values("metrics")["chosen"]["model"],
        verdict=verdict,
        scores=scores.to_dict("index"),
        note=note,
        figures={name: embedded(path) for name, path in figures.items()},
        matrices={name: embedded(path) for name, path in matrices.items()},
        costs={name: costs(report) for name, report in reports.items()},
        data=data(comparison),
        parameters=parameters(reports),
        runs=runs or {},
    )
    (comparison.path / "comparison.html").write_text(text, encoding="utf-8")


def embedded(picture: Path) -> str:
    """Return the address that holds a PNG itself."""
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"


def costs(report: Report) -> dict[str, str]:
    """Return the seconds of each long computation, the epochs and the size of the network."""
    seconds = {f"{name} s": f"{report.work[name]['seconds']:,.1f}" if name in report.work else "" for name in WORK}
    return seconds | {title: f"{report.facts[key]:,}" if key in report.facts else "" for title, key in SIZES.items()}


def data(comparison: Comparison) -> dict[str, str]:
    """Return what all models were made from: the images, the split, the weights, the revisions."""
    facts, lineage = comparison.facts, comparison.record["lineage"]
    made = {
        "classes": f"{len(facts['classes'])}: {', '.join(facts['classes'])}",
        "training images": f"{sum(facts['train_counts']):,}",
        "validation images": f"{facts['validation_images']:,}",
        "digest of the images": lineage["fetch"],
        "digest of the split": lineage["split"],
    }
    if "weights_sha256" in facts:
        made["pretrained weights"] = f"{facts['backbone']}, {facts['weights_sha256']} ({facts['weights_license']})"
    revisions = comparison.record["revisions"].items()
    return made | {name.replace("_", " "): revision for name, revision in revisions}


def parameters(reports: Mapping[str, Report]) -> dict[str, dict[str, object]]:
    """Return the value of every parameter in the chain of each report, by `step.parameter` and the report's name."""
    found: dict[str, dict[str, object]] = {}
    for report_name, report in reports.items():
        for step, values in report.record["parameters"].items():
            for name, value in values.items():
                found.setdefault(f"{step}.{name}", {})[report_name] = value
    return found

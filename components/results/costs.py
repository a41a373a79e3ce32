"""Costs of results: seconds, rates and GPU hours of the long computations behind a report, as far as records say."""

from collections.abc import Iterable, Sequence

from components.data.artifacts import Report
from components.data.records import Record, records_by_step
from components.model.registry import MODELS

WORK = {
    "augmentation": "augment",
    "extraction": "extract",
    "training": "",
    "evaluation": "evaluate",
}  # and its step
COLUMNS = (
    *(f"seconds_{name}" for name in WORK), *(f"images_per_second_{name}" for name in WORK), "gpu_hours",
)  # fmt: skip


def report_costs(report: Report, records: Iterable[Record]) -> dict[str, float]:
    """Return `seconds_NAME` and `images_per_second_NAME` of work on record; `gpu_hours` only if no record is missing.

    The names are those in `COLUMNS`.

    The record of a step that is not behind the report is not missing.

    The seconds of training are those of the step that trained the classifier, and not those of what it began from; of
    an ensemble, those of its members.
    """
    by_step = records_by_step(report.manifest["lineage"], records)
    costs: dict[str, float] = {}
    gpu_seconds, complete = 0.0, True
    for name, step in WORK.items():
        steps = [step] if step else training_steps(report)
        if step and step not in report.manifest["lineage"]:
            continue
        work = [by_step[one].work[name] for one in steps if one in by_step and name in by_step[one].work]
        if len(work) < len(steps):
            complete = False
            continue
        seconds, images = (sum(one[key] for one in work) for key in ("seconds", "images"))
        costs |= seconds_and_rate(name, images, seconds)
        gpu_seconds += sum(one["seconds"] * one["gpus"] for one in work)
    return {**costs, "gpu_hours": gpu_seconds / 3600} if complete else costs


def seconds_and_rate(name: str, images: float, seconds: float) -> dict[str, float]:
    """Return the costs of one long computation: `seconds_NAME`, to 3 places, and `images_per_second_NAME`, to 2."""
    return {f"seconds_{name}": round(seconds, 3), f"images_per_second_{name}": round(images / max(seconds, 1e-3), 2)}


def promises_kept(records: Iterable[Record]) -> dict[str, tuple[float, float]]:
    """Return, by step, (seconds promised, seconds taken), sums over runs that had a promise; other steps are left out.

    What was promised is for the epochs that the runs had.

    Records of runs that nothing was promised of are left out.
    """
    steps: dict[str, tuple[float, float]] = {}
    for record in records:
        if "promised_seconds" in record.run:
            images = record.work.get("training", {}).get("images", 0)  # of all epochs
            promised, took = steps.get(record.step, (0.0, 0.0))
            promised += record.run["promised_seconds"] + record.run.get("promised_per_image", 0.0) * images
            steps[record.step] = promised, took + record.run["seconds"]
    return steps


def training_steps(report: Report) -> Sequence[str]:
    """Return the names of the steps that trained a report's classifier: one, or those of an ensemble's members."""
    model = MODELS[report.facts.model]
    return [model.step] if model.is_trained else [MODELS[member].step for member in report.facts.members]

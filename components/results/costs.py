"""Costs of results: seconds, rates and GPU hours of the long computations behind a report, as far as records say.

The price of a model is what it took to make: augmentation, extraction and all training behind it, without evaluation.
"""

from collections.abc import Iterable, Mapping, Sequence

from components.data.artifacts import Report
from components.data.records import Record, records_by_step
from components.model.registry import MODELS

WORK = {  # and the step of each: of a start, those that trained what the classifier was trained on from
    "augmentation": "augment",
    "extraction": "extract",
    "start": "",
    "training": "",
    "evaluation": "evaluate",
}
SHARED = ("augmentation", "extraction")  # done once for all models that need it
COLUMNS = (
    *(f"seconds_{name}" for name in WORK), *(f"images_per_second_{name}" for name in WORK),
    "seconds_per_epoch", "seconds_total", "gpu_hours",
)  # fmt: skip


def report_costs(report: Report, records: Iterable[Record]) -> dict[str, float]:
    """Return known costs: `seconds_WORK`, `images_per_second_WORK`, `seconds_per_epoch`, `seconds_total`, `gpu_hours`.

    The names are those in `COLUMNS`: seconds, rates, hours of all GPUs used.

    `seconds_total` and `gpu_hours` are the price of the one model: augmentation, extraction, start and training. They
    are there only if no record of these is missing. The record of a step that is not behind the report is not missing.

    `seconds_training` are those of the step that trained the classifier, of an ensemble those of its members;
    `seconds_start` those of what that step began from, as fine-tuning does from a trained head. `seconds_per_epoch` is
    there where one step trained in epochs.
    """
    by_step = records_by_step(report.manifest["lineage"], records)
    costs: dict[str, float] = {}
    total, gpu_seconds, complete = 0.0, 0.0, True
    for name, step in WORK.items():
        steps = {"start": start_steps(report), "training": training_steps(report)}.get(name, [step])
        steps = [one for one in steps if name == "training" or one in report.manifest["lineage"]]
        if not steps:
            continue
        key = "training" if name == "start" else name
        work = [by_step[one].work[key] for one in steps if one in by_step and key in by_step[one].work]
        if len(work) < len(steps):
            complete = complete and name == "evaluation"
            continue
        seconds, images = (sum(one[key] for one in work) for key in ("seconds", "images"))
        costs |= seconds_and_rate(name, images, seconds)
        if name != "evaluation":
            total += seconds
            gpu_seconds += sum(one["seconds"] * one["gpus"] for one in work)
    if "seconds_training" in costs and report.facts.epochs:
        costs["seconds_per_epoch"] = round(costs["seconds_training"] / report.facts.epochs, 3)
    return {**costs, "seconds_total": round(total, 3), "gpu_hours": gpu_seconds / 3600} if complete else costs


def comparison_costs(models: Mapping[str, Sequence[Report]], records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Return the costs of each report that is compared, by its fingerprint, with `seconds_shared` of its total.

    Those are the seconds of work that was done once for it and for another way; they are there if the total is.

    Args:
        models: The reports on each way, the main one first, by its name.
        records: Records of the steps behind them.
    """
    shared, costs = shared_work({name: trials[0] for name, trials in models.items()}), {}
    for name, trials in models.items():
        for report in trials:
            one = report_costs(report, records)
            if "seconds_total" in one:
                one["seconds_shared"] = round(sum(one.get(f"seconds_{work}", 0.0) for work in shared[name]), 3)
            costs[report.facts.fingerprint] = one
    return costs


def shared_work(reports: Mapping[str, Report]) -> dict[str, list[str]]:
    """Return, by report name, which of `augmentation` and `extraction` it has in common with another; [] of none.

    They are those of `SHARED`, done once for both.
    """
    steps = {"augmentation": "augment", "extraction": "extract"}
    lineages = {name: report.manifest["lineage"] for name, report in reports.items()}
    return {
        name: [
            work for work in SHARED
            if steps[work] in lineage
            and any(other.get(steps[work]) == lineage[steps[work]] for key, other in lineages.items() if key != name)
        ]
        for name, lineage in lineages.items()
    }  # fmt: skip


def seconds_and_rate(name: str, images: float, seconds: float) -> dict[str, float]:
    """Return the costs of one long computation: `seconds_NAME`, to 3 places, and `images_per_second_NAME`, to 2."""
    return {f"seconds_{name}": round(seconds, 3), f"images_per_second_{name}": round(images / max(seconds, 1e-3), 2)}


def seconds_promised_and_taken(records: Iterable[Record]) -> dict[str, tuple[float, float]]:
    """Return, by step, (seconds promised, seconds taken), sums over runs that had a promise; other steps are left out.

    What was promised is for the epochs that the runs had.
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


def start_steps(report: Report) -> list[str]:
    """Return the names of the steps in a report's lineage that trained what its training steps began from; [] of none.

    Such a step trains a model of the registry, and is neither a training step of the report nor evaluated in it.
    """
    training = training_steps(report)
    steps = [model.step for model in MODELS.values() if model.is_trained]
    return [step for step in steps if step in report.manifest["lineage"] and step not in training]

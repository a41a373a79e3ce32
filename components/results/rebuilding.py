"""What it takes to make a comparison again: commands, versions, and the recipe as it ran."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from components.data.artifacts import Report
from components.data.records import Record
from components.model.registry import MODELS
from components.results import titles
from components.results.trials import SEEDS

DIRTY = "-dirty"  # behind the revision of a file that has changed since


def is_changed(compare_records: Sequence[Record]) -> bool:
    """Return whether params.yaml had uncommitted changes when a comparison was made; False without a record of it."""
    return any(record.revisions.get("recipe_revision", "").endswith(DIRTY) for record in compare_records)


def rebuild_commands(recipe: str, compare_records: Sequence[Record]) -> list[tuple[str, str]]:
    """Return (command, purpose) pairs that make a page again: checkout, setup, arrange if changed, DVC for a recipe.

    Args:
        recipe: The recipe, if any.
        compare_records: The record of the comparison, if there is one.
    """
    revisions = [record.revisions.get("git_revision", "") for record in compare_records]
    holds = (
        "the code and the data's digests"
        if is_changed(compare_records)
        else "the code, the recipe and the data's digests"
    )
    commands = [(f"git checkout {revision}", holds) for revision in revisions if revision]
    commands.append(("make setup && . .venv/bin/activate", "the versions below, from their lock"))
    if is_changed(compare_records):
        commands.append(("graft arrange", "after the recipe below, which was not committed, is put into params.yaml"))
    if recipe:
        stage = shlex.quote(f"draw_comparison-{recipe}")
        commands.append((f"dvc pull --with-deps --allow-missing {stage}", "what was made then, from the DVC remote"))
        commands.append((f"dvc repro {stage}", "or all of it made again"))
    return commands


def revisions_and_versions(records: Sequence[Record]) -> dict[str, str]:
    """Return revisions, then package versions, by name with blanks for `_`; several values of one joined by commas."""
    versions: dict[str, dict[str, None]] = {}
    for entries in [*(record.revisions for record in records), *(record.versions for record in records)]:
        for name, version in entries.items():
            versions.setdefault(name.replace("_", " "), {})[version] = None
    return {name: ", ".join(different) for name, different in versions.items()}


def differing_parameters(reports: Mapping[str, Report]) -> dict[str, dict[str, object]]:
    """Return the parameters that differ between reports: values by report name, by the parameter's name.

    It is `step.parameter`, or `training.parameter` of the step that trained the model itself: so models are comparable.
    A report whose chain lacks a parameter is not in its row.
    """
    rows: dict[str, dict[str, object]] = {}
    for report_name, report in reports.items():
        for step, values in report.manifest["parameters"].items():
            stage = "training" if step == MODELS[report.facts.model].step else step
            for name, value in values.items():
                rows.setdefault(f"{stage}.{name}", {})[report_name] = value
    return {name: row for name, row in rows.items() if len({str(value) for value in row.values()}) > 1}


def recipe_text(recipe: str, models: Mapping[str, Sequence[Report]]) -> str:
    """Return the recipe that reports were made by, as YAML for params.yaml, with every value that it had.

    A parameter that differs between ways is under `vary`; seeds and folds of further trainings are not, but follow from
    `repeats` and `folds`.

    Args:
        recipe: Its name, or "".
        models: The reports on each way, the main one first, by its name.
    """
    parameters: dict[str, dict[str, list[Any]]] = {}
    for trials in models.values():
        for report in trials:
            for step, values in report.manifest["parameters"].items():
                for name, value in values.items():
                    several = parameters.setdefault(step, {}).setdefault(name, [])
                    if value not in several:
                        several.append(value)
    steps = {
        step: {name: several[0] for name, several in values.items()} for step, values in parameters.items() if values
    }
    for trials in models.values():
        step = MODELS[trials[0].facts.model].step
        if "repeats" in steps.get(step, {}):
            of_fold = [one for one in trials if fold_of(one) == fold_of(trials[0])]
            steps[step]["repeats"] = max(len(of_fold), steps[step]["repeats"])
    vary: dict[str, dict[str, list[Any]]] = {}
    for step, values in parameters.items():
        for name, several in values.items():
            if len(several) > 1 and name not in ("seed", "repeats") and f"{step}.{name}" not in SEEDS:
                vary.setdefault(step, {})[name] = several
    facts = [trials[0].facts for trials in models.values()]
    content = {
        "data": facts[0].data_set,
        "networks": [*dict.fromkeys(network for one in facts if (network := titles.network_name(one)))],
        "models": [*dict.fromkeys(one.model for one in facts)],
        **steps,
        **({"vary": vary} if vary else {}),
    }
    text = yaml.safe_dump({recipe or facts[0].data_set: content}, sort_keys=False, allow_unicode=True, width=1000)
    return "recipes:\n" + "".join(f"  {line}\n" for line in text.splitlines())


def fold_of(report: Report) -> object:
    """Return the number of the fold that a report's model was tested on; None where there are no folds."""
    return report.manifest["parameters"].get("split", {}).get("fold")

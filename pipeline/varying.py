"""What a recipe asks for beyond its three models, run on this machine: folds, repeats, the ensemble, averaged views."""

import json
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from components import quiet, step
from components.data.artifacts import RECORD
from components.machine import in_child
from pipeline.arranging import Axis, Made, Task, Values, arranged, axes_of

MODELS = {"train_benchmark": "benchmark", "train_top": "top", "fine_tune": "fine_tuned", "average": "ensemble"}
FOLDERS = {"classifier": "classifiers", "report": "reports"}  # with a folder for each model
LISTED = "variants.json"


def vary(recipe: str, values: Values, asked: Mapping[str, Any], uses: Mapping[str, str], folder: Path) -> None:
    """Run every task of a recipe's arrangement that is not one of its stages, if it is not up to date.

    What the recipe no longer asks for is removed.

    Args:
        recipe: Its name.
        values: Its parameters, by step.
        asked: What it says under `vary`.
        uses: Names of its data set and of its weights.
        folder: Where its artifacts are.
    """
    axes = axes_of(values, asked)
    fetched = {kind: Path("data", kind, uses[noun]) for kind, noun in (("images", "data"), ("weights", "weights"))}
    variants = folder / "variants"
    variants.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, str] = {}
    for task in arranged(axes, asked["ensemble"] != "none"):
        if not is_variant(task):
            continue
        paths: dict[str, Any] = {key: place(one, axes, folder, fetched) for key, one in task.outputs.items()}
        for key, taken in task.inputs.items():
            found = [place(one, axes, folder, fetched) for one in taken]
            paths[key] = found if key in step.load(task.step).several else found[0]
        wanted |= {str(Path(paths[key]).relative_to(variants)): task.step for key in task.outputs}
        given = {**values[task.step], **task.values}
        if not up_to_date(task, paths, given):
            quiet.load_keras()  # once, for all children
            print(f"{task.step}: {', '.join(str(paths[key]) for key in task.outputs)}", flush=True)
            status = in_child(partial(step.run, task.step, paths, given, recipe))
            if status != 0:  # nothing in the child, which is done
                sys.exit(status)
    for record in sorted(variants.rglob(RECORD)):
        if str(record.parent.relative_to(variants)) not in wanted:
            shutil.rmtree(record.parent)
    (variants / LISTED).write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")


def is_variant(task: Task) -> bool:
    """Return whether a task is none of the recipe's stages."""
    return task.step != "compare" and (task.step == "average" or any(task.arms.values()) or task.trained == "average")


def place(made: Made, axes: list[Axis], folder: Path, fetched: Mapping[str, Path]) -> Path:
    """Return where an artifact lies."""
    if made.key in fetched:
        return fetched[made.key]
    if is_variant(made.task):
        arms = [(axis, made.task.arms.get(axis.name, 0)) for axis in axes]
        words = [axis.said(number)[0].replace("=", "-") for axis, number in arms if number]
        folder = folder / "variants" / ("_".join(words) or "ensemble")
    inside = FOLDERS.get(made.key)
    return folder / inside / MODELS[made.task.trained] if inside else folder / made.key


def up_to_date(task: Task, paths: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Return whether what a task makes is there, made from these inputs, values and code."""
    wanted = step.load(task.step)
    inputs = {
        key: kind.read_all(paths[key]) if key in wanted.several else kind.read(paths[key])
        for key, kind in wanted.inputs.items()
    }
    digest = step.digest_of(wanted, inputs, wanted.checked(values))
    kept = [Path(paths[key]) / RECORD for key in wanted.outputs]
    return all(
        file.is_file() and kind.read(file.parent).record["lineage"].get(task.step) == digest
        for file, kind in zip(kept, wanted.outputs.values(), strict=True)
    )

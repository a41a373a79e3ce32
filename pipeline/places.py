"""Where the artifacts of a recipe lie."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from components import models
from components.data.records import SUFFIX, record_beside
from pipeline.arranging import RECORD, Axis, Made, Task

ARTIFACTS = Path("artifacts")
MODELS = {model.step: name for name, model in models.MODELS.items()}
FOLDERS = {"classifier": "classifiers", "report": "reports"}  # with a folder for each model
VARIANTS = "variants"  # what is made beyond the stages of a recipe
RECORDS = "variants.records"


def place(made: Made, axes: Sequence[Axis], folder: Path, fetched: Mapping[str, Path]) -> Path:
    """Return where an artifact or a record of a recipe's arrangement lies.

    Args:
        made: The artifact.
        axes: Those of the arrangement.
        folder: Of the recipe's artifacts.
        fetched: Where its data set and its weights lie, by the key of the step that makes them.
    """
    if made.key in fetched:
        return fetched[made.key]
    if made.key == RECORD:
        beside = place(next(iter(made.task.outputs.values())), axes, folder, fetched)
        if not is_variant(made.task):
            return record_beside(beside)
        inside = beside.relative_to(folder / VARIANTS)
        return folder / RECORDS / inside.with_name(f"{inside.name}{SUFFIX}")
    if is_variant(made.task):
        arms = [(axis, made.task.arms.get(axis.name, 0)) for axis in axes]
        words = [axis.said(number)[0].replace("=", "-") for axis, number in arms if number]
        folder = folder / VARIANTS / ("_".join(words) or "ensemble")
    inside_of = FOLDERS.get(made.key)
    return folder / inside_of / MODELS[made.task.trained] if inside_of else folder / made.key


def is_variant(task: Task) -> bool:
    """Return whether a task is none of the recipe's stages."""
    return task.step == "average" or any(task.arms.values()) or task.trained == "average"

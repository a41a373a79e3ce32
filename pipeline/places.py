"""Where things lie: the artifacts and records of tasks, and what DVC calls their stages."""

import re
from pathlib import Path

from components.data.content import sha256
from components.data.records import record_path
from pipeline.arranging import RECORD, Made, Task
from pipeline.recipes import COLLECTION

ARTIFACTS = Path("artifacts")
COLLECTIONS = {"images": Path("data/images"), "weights": Path("data/weights")}
LONGEST = 200  # characters of the name of a stage
OF_MODELS = {"classifier": "classifiers", "report": "reports"}  # folders with one for each model


def place(made: Made) -> Path:
    """Return where an artifact or a record lies: `artifacts/RECIPE/WORDS/...`, or the collection."""
    task, key = made.task, made.key
    if key == RECORD:
        return record_path(place(next(iter(task.outputs.values()))))
    if key in COLLECTIONS:
        return COLLECTIONS[key].joinpath(*task.words)
    folder = ARTIFACTS.joinpath(task.recipe, *task.words)
    if key in OF_MODELS:
        return folder / ("chosen" if task.step == "choose_classifier" else OF_MODELS[key]) / task.model
    return folder / key


def places(task: Task) -> dict[str, list[Path]]:
    """Return where all that a task takes and makes lies, by key, but for its record."""
    taken = {key: [place(made) for made in several] for key, several in task.inputs.items()}
    return taken | {key: [place(made)] for key, made in task.outputs.items() if key != RECORD}


def stage_name(task: Task) -> str:
    """Return what DVC calls a task's stage, as in `fine_tune-digits-glyphs`: letters, digits, _ and - alone.

    One that is too long for the name of a file ends on a digest.
    """
    model = [task.model] if task.step in ("choose_classifier", "evaluate") else []
    names = [task.step, *([] if task.step in COLLECTION else [task.recipe]), *task.words, *model]
    name = re.sub(r"[^A-Za-z0-9_-]", "_", "-".join(names))
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}-{sha256(names)[:8]}"

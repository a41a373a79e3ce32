"""Paths of the artifacts and records of tasks, and the names of their stages in DVC."""

import re
from pathlib import Path

from components.data.content import sha256
from components.data.records import record_path
from pipeline.arranging import RECORD, Output, Task
from pipeline.recipes import COLLECTION

ARTIFACTS = Path("artifacts")
COLLECTIONS = {"images": Path("data/images"), "weights": Path("data/weights")}
LISTING = ".source.json"  # after the path of what is fetched: the digest of its source's listing
LONGEST = 200  # characters of the name of a stage
OF_MODELS = {"classifier": "classifiers", "report": "reports"}  # folders with one for each model


def path_of(output: Output) -> Path:
    """Return `artifacts/RECIPE/WORDS/KEY`, by model for a classifier or report; if fetched, `data/images|weights/NAME`.

    In place of KEY a classifier has `classifiers/MODEL`, or `chosen/MODEL` where validation chose it, and a report
    `reports/MODEL`. A record is a file beside the task's first output. Each of WORDS is a folder.
    """
    task, key = output.task, output.key
    if key == RECORD:
        return record_path(path_of(next(iter(task.outputs.values()))))
    if key in COLLECTIONS:
        return COLLECTIONS[key].joinpath(*task.words)
    folder = ARTIFACTS.joinpath(task.recipe, *task.words)
    if key in OF_MODELS:
        return folder / ("chosen" if task.step == "choose_classifier" else OF_MODELS[key]) / task.model
    return folder / key


def paths_of(task: Task) -> dict[str, list[Path]]:
    """Return lists of paths, also of one, by key of a task's inputs and outputs; the path of its record is left out."""
    inputs = {key: [path_of(one) for one in several] for key, several in task.inputs.items()}
    return inputs | {key: [path_of(output)] for key, output in task.outputs.items() if key != RECORD}


def listing_path(output: Path) -> Path:
    """Return the path of the listing beside what is fetched: `data/images/pets.source.json` for `data/images/pets`."""
    return output.with_name(f"{output.name}{LISTING}")


def stage_name(task: Task) -> str:
    """Return a stage's name in DVC, joined by -: step, recipe unless it fetches, words, and for two steps the model.

    All but letters, digits, _ and - become _. `choose_classifier` and `evaluate` have the model. A name of more than
    200 characters is cut and ends on a digest.
    """
    model = [task.model] if task.step in ("choose_classifier", "evaluate") else []
    names = [task.step, *([] if task.step in COLLECTION else [task.recipe]), *task.words, *model]
    name = re.sub(r"[^A-Za-z0-9_-]", "_", "-".join(names))
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}-{sha256(names)[:8]}"

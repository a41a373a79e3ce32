"""DVC's stages, written from the tasks of the recipes that are switched on: dvc.yaml and data/dvc.yaml."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.data.artifact import MANIFEST
from components.data.artifacts import Classifier, Comparison, Images, Report
from components.machinery.trainings import training_paths
from components.system.errors import UserError
from pipeline.arranging import RECORD, Made, Task
from pipeline.places import place
from pipeline.planning import PLAN
from pipeline.recipes import COLLECTION, own_source

WRITE = "graft arrange"
EXPERIMENTS, DATA = Path("dvc.yaml"), Path("data/dvc.yaml")
HEADINGS = {
    EXPERIMENTS: f"""\
# Written by `{WRITE}`: the stages of the recipes that params.yaml switches on, from images to page.
# The first, `plan`, checks params.yaml and writes for every other what it runs, with which values, and the digest of
# the code behind its numbers; a stage depends on that and on its inputs. Of images that is the manifest, which holds
# their digest: DVC looks at all files of a data set once, for its `fetch`. A record says what a run took; where the
# same comes out again, it stays.
""",
    DATA: f"""\
# Written by `{WRITE}`: the data sets and weights of the recipes that params.yaml switches on. dvc.lock
# pins these and all that were fetched before. A published source is no dependency: its content is checked instead.
""",
}
PLANNING = {
    "cmd": "python -m pipeline plan",
    "deps": ["params.yaml", "requirements.txt", "components", "pipeline"],
    "outs": [{str(PLAN): {"cache": False}}],
}
RUN = 'python -m pipeline run "$DVC_STAGE"'  # no word of params.yaml reaches a shell


def render(content: Mapping[str, Any], tasks: Mapping[str, Task]) -> dict[Path, str]:
    """Return the text of dvc.yaml and of data/dvc.yaml.

    Args:
        content: All of params.yaml.
        tasks: The tasks by the names of their stages.
    """
    stages: dict[Path, dict[str, Any]] = {EXPERIMENTS: {"plan": PLANNING}, DATA: {}}
    metrics, plots = [], []
    for name, task in tasks.items():
        stages[DATA if task.step in COLLECTION else EXPERIMENTS][name] = stage(name, task, content)
        for made in task.outputs.values():
            if made.kind is Classifier:
                metrics += [str(path / "validation.json") for path in training_paths(place(made), task.trainings)]
            if made.kind is Comparison:
                metrics.append(str(place(made) / "chosen.json"))
            if made.kind is Report:
                plots += plots_of(made)
    others = {EXPERIMENTS: {"metrics": metrics, "plots": plots}, DATA: {}}
    return {file: HEADINGS[file] + dump({"stages": own, **others[file]}) for file, own in stages.items()}


def stage(name: str, task: Task, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stage of a task."""
    taken = [dependency(made) for several in task.inputs.values() for made in several]
    outs: list[Any] = []
    for key, made in task.outputs.items():  # a step that trains keeps what trainings are there
        kept = key == RECORD or "repeats" in task.values
        outs.append({str(place(made)): {"persist": True}} if kept else str(place(made)))
    if task.step not in COLLECTION:
        return {"cmd": RUN, "deps": [str(PLAN / f"{name}.json"), *dict.fromkeys(taken)], "outs": outs}
    noun = "data" if task.step == "fetch" else "weights"
    source = own_source(content, noun, task.words[0])
    deps = [f"{PLAN}/{name}.json", *([source] if source else [])]
    return {"wdir": "..", "cmd": RUN, "deps": deps, "outs": outs}


def dependency(made: Made) -> str:
    """Return the path by which a stage depends on what another makes."""
    return str(place(made) / MANIFEST if made.kind is Images else place(made))


def plots_of(report: Made) -> list[dict[str, Any]]:
    """Return DVC's plots of a report: its epochs, and its predictions as a confusion matrix."""
    task, plots = report.task, []
    for folder in training_paths(place(report), task.trainings):
        title = ", ".join([task.recipe, *task.words, task.model, *([folder.name] if task.trainings > 1 else [])])
        curve = {"x": "epoch", "y": "validation_loss", "title": f"{title}: validation loss"}
        matrix = {"template": "confusion", "x": "predicted", "y": "label", "title": f"{title}: test images"}
        plots += [{str(folder / "curves.csv"): curve}, {str(folder / "predictions.csv"): matrix}]
    return plots


def dump(content: Mapping[str, Any]) -> str:
    """Return YAML with a blank line before each stage."""
    text = yaml.safe_dump(content, sort_keys=False, width=1000, allow_unicode=True)
    return re.sub(r"(?m)^(  [\w-]+:|\w+:)$", r"\n\1", text).replace("stages:\n\n", "stages:\n", 1)


def write(texts: Mapping[Path, str]) -> list[Path]:
    """Write those files that are not as they are to be; return which."""
    changed = [file for file, text in texts.items() if not is_written(file, text)]
    for file in changed:
        unfinished = file.with_name(f".{file.name}.unfinished")
        unfinished.write_text(texts[file], encoding="utf-8")
        unfinished.replace(file)
    return changed


def check(texts: Mapping[Path, str]) -> None:
    """Check that DVC has the stages that params.yaml asks for.

    Raises:
        UserError: It has others.
    """
    for file, text in texts.items():
        if not is_written(file, text):
            raise UserError(f"{file} has other stages than params.yaml asks for: `{WRITE}` writes it anew")


def is_written(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == text

"""Writes dvc.yaml and data/dvc.yaml: a stage for each task of the recipes that are switched on."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.data.artifact import MANIFEST
from components.data.artifacts import Classifier, Comparison, Images, Report
from components.machinery.trainings import training_paths
from components.system.errors import UserError
from pipeline import recipes
from pipeline.arranging import RECORD, Output, Task
from pipeline.collection import COLLECTION, is_dependency, local_source
from pipeline.places import listing_path, path_of
from pipeline.planning import PLAN

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
# A source of one's own is listed each time, by names, sizes and times of change; if that differs, it is fetched.
""",
}
PLANNING = {
    "cmd": "python -m pipeline plan",
    "deps": ["params.yaml", "requirements.txt", "components", "pipeline"],
    "outs": [{str(PLAN): {"cache": False}}],
}
RUN = 'python -m pipeline run "$DVC_STAGE"'  # no word of params.yaml reaches a shell
LIST = 'python -m pipeline list_source "$DVC_STAGE"'
LISTING, FETCHING = "list_source", "fetch"  # how the names of stages begin


def render(content: Mapping[str, Any], tasks: Mapping[str, Task]) -> dict[Path, str]:
    """Return the text of dvc.yaml and that of data/dvc.yaml, which has the stages that fetch, by file; write neither.

    Args:
        content: All of params.yaml.
        tasks: The tasks by the names of their stages.
    """
    planning = {**PLANNING, "deps": [*PLANNING["deps"], *recipes.correction_lists(content)]}
    stages: dict[Path, dict[str, Any]] = {EXPERIMENTS: {"plan": planning}, DATA: {}}
    metrics, plots = [], []
    for name, task in tasks.items():
        if task.step in COLLECTION:
            stages[DATA] |= fetching_entries(name, task, content)
        else:
            stages[EXPERIMENTS][name] = stage_entry(name, task)
        for output in task.outputs.values():
            if output.kind is Classifier:
                metrics += [str(path / "validation.json") for path in training_paths(path_of(output), task.trainings)]
            if output.kind is Comparison:
                metrics.append(str(path_of(output) / "chosen.json"))
            if output.kind is Report:
                plots += plot_entries(output)
    others = {EXPERIMENTS: {"metrics": metrics, "plots": plots}, DATA: {}}
    return {file: HEADINGS[file] + to_yaml({"stages": entries, **others[file]}) for file, entries in stages.items()}


def stage_entry(name: str, task: Task) -> dict[str, Any]:
    """Return the entry of a task's stage: its `cmd`, `deps` and `outs`."""
    inputs = [dependency_path(one) for several in task.inputs.values() for one in several]
    outs: list[Any] = []
    for key, output in task.outputs.items():  # a step that trains keeps what trainings are there
        persists = key == RECORD or "repeats" in task.values
        outs.append({str(path_of(output)): {"persist": True}} if persists else str(path_of(output)))
    return {"cmd": RUN, "deps": [str(PLAN / f"{name}.json"), *dict.fromkeys(inputs)], "outs": outs}


def fetching_entries(name: str, task: Task, content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the entry of a stage that fetches, by name, after that of its listing stage if its source is listed.

    A weights file in the project is not listed: it is a dependency.
    """
    entry, noun = {"wdir": "..", **stage_entry(name, task)}, "data" if task.step == "fetch" else "weights"
    source = local_source(content, noun, task.words[0])
    if not source:
        return {name: entry}
    if is_dependency(noun, source):
        return {name: {**entry, "deps": [*entry["deps"], source]}}
    listing = str(listing_path(path_of(next(iter(task.outputs.values())))))
    listing_entry = {**entry, "cmd": LIST, "outs": [{listing: {"persist": True}}], "always_changed": True}
    return {name.replace(FETCHING, LISTING, 1): listing_entry, name: {**entry, "deps": [*entry["deps"], listing]}}


def fetching_stage(address: str) -> str:
    """Return the name of a listing's fetching stage: `fetch-pets` for `[data/dvc.yaml:]list_source-pets`."""
    return address.rpartition(":")[2].replace(LISTING, FETCHING, 1)


def dependency_path(output: Output) -> str:
    """Return the path by which a stage depends on an output: that of its manifest for images, else its own."""
    return str(path_of(output) / MANIFEST if output.kind is Images else path_of(output))


def plot_entries(report: Output) -> list[dict[str, Any]]:
    """Return a report's plots for dvc.yaml, {file: options} each: of each training a loss curve and a confusion matrix.

    The curve is that of the validation loss after each epoch's temperature; the matrix is of the test images.
    """
    task, plots = report.task, []
    for folder in training_paths(path_of(report), task.trainings):
        title = ", ".join([task.recipe, *task.words, task.model, *([folder.name] if task.trainings > 1 else [])])
        curve = {"x": "epoch", "y": "validation_log_loss", "title": f"{title}: validation log loss"}
        matrix = {"template": "confusion", "x": "predicted", "y": "label", "title": f"{title}: test images"}
        plots += [{str(folder / "curves.csv"): curve}, {str(folder / "predictions.csv"): matrix}]
    return plots


def to_yaml(content: Mapping[str, Any]) -> str:
    """Return content as YAML, in its order, with a blank line before each section and each stage but the first."""
    text = yaml.safe_dump(content, sort_keys=False, width=1000, allow_unicode=True)
    return re.sub(r"(?m)^(  [\w-]+:|\w+:)$", r"\n\1", text).replace("stages:\n\n", "stages:\n", 1)


def write(texts: Mapping[Path, str]) -> list[Path]:
    """Write each file whose content is not its text, in one move, and return those files; [] if all are up to date."""
    outdated = [file for file, text in texts.items() if not is_written(file, text)]
    for file in outdated:
        unfinished = file.with_name(f".{file.name}.unfinished")
        unfinished.write_text(texts[file], encoding="utf-8")
        unfinished.replace(file)
    return outdated


def check(texts: Mapping[Path, str]) -> None:
    """Check that each file holds exactly its text, and so the stages that params.yaml asks for.

    Raises:
        UserError: One of them has others.
    """
    for file, text in texts.items():
        if not is_written(file, text):
            raise UserError(f"{file} has other stages than params.yaml asks for: `{WRITE}` writes it anew")


def is_written(file: Path, text: str) -> bool:
    """Return whether a file is there and holds exactly this text."""
    return file.is_file() and file.read_text(encoding="utf-8") == text

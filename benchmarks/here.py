"""This project's side: the tasks of its recipes, run as anyone runs them, and what they write about themselves."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from components.data.artifacts import Report
from components.data.records import Record
from components.machinery.code import ROOT
from components.results import costs
from components.system.errors import UserError
from pipeline import recipes
from pipeline.arranging import RECORD, Output, Task, tasks_to_make
from pipeline.places import path_of
from pipeline.planning import tasks_by_recipe
from pipeline.running import artifact_paths, run_task


@dataclass(frozen=True)
class Cost:
    """What one step took: seconds, and the bytes of memory that it held at most."""

    seconds: float
    memory: float

    def beyond(self, other: "Cost", factor: float) -> "Cost":
        """Return this cost plus `factor` times what it is more than another: a line through both, continued."""
        seconds, memory = self.seconds - other.seconds, self.memory - other.memory
        return Cost(self.seconds + factor * seconds, self.memory + factor * memory)


def tasks_of(recipe: str, source: Path, network: str, entries: Mapping[str, Any]) -> list[Task]:
    """Return all tasks, none run, of a recipe like one of params.yaml, on other images and weights, trained once.

    Args:
        recipe: The recipe that it is like.
        source: Folder of the images, whose name the data set and the recipe get.
        network: The weights.
        entries: Its other entries, as in params.yaml.
    """
    content, name = recipes.read(), source.name
    content["data"]["own"] = {**(content["data"].get("own") or {}), name: {"source": str(source), "max_quarantined": 0}}
    once = {step: {"repeats": 1, **entries.get(step, {})} for step in recipes.TRAINING}
    content["recipes"][name] = {"like": recipe, "data": name, "networks": [network], **entries, **once}
    return tasks_by_recipe(content, [name])[name]


def with_values(task: Task, **values: Any) -> Task:
    """Return a copy of a task with some values replaced, unchecked, whose outputs have the same paths."""
    return replace(task, values={**task.values, **values})


@dataclass(frozen=True)
class Training:
    """What a step that trains took, in seconds: a run of one epoch, and one more epoch, of which `training` alone.

    Building, tracing and saving, which a run does once, are in `start`; validation and the like are in `epoch`.
    """

    start: float
    epoch: float
    training: float


def time_task(task: Task, home: Path) -> float:
    """Run a task in this process, even if its outputs are there; return the seconds that this took."""
    start = perf_counter()
    run_task(task, home)
    return perf_counter() - start


def time_training(task: Task, home: Path, epochs: int) -> Training:
    """Run a task for one epoch, then for `epochs` more; return the seconds of the first run and of one more epoch.

    It runs without early stopping, even if its outputs are there. The seconds of an epoch are the difference of both
    runs divided by `epochs`.
    """
    taken, alone = [], []
    for most in (1, 1 + epochs):
        taken.append(time_task(with_values(task, epochs=most, patience=most), home))
        alone.append(Record.read(home / path_of(task.outputs[RECORD])).work["training"]["seconds"])
    return Training(taken[0], (taken[1] - taken[0]) / epochs, (alone[1] - alone[0]) / epochs)


def keras_start_seconds() -> float:
    """Return the seconds in which a new process starts, loads Keras as a step's does, and ends."""
    start = perf_counter()
    subprocess.run([sys.executable, "-c", "import components, keras"], check=True)
    return perf_counter() - start


def costs_of(report: Output, home: Path) -> dict[str, float]:
    """Return `seconds_NAME` and `images_per_second_NAME` of each long computation behind a report, and its `gpu_hours`.

    NAME is such as `extraction`; what no record says is left out.
    """
    records = [home / path_of(task.outputs[RECORD]) for task in tasks_to_make(report)]
    return costs.report_costs(Report.read(home / path_of(report)), Record.read_all(records))


def step_cost(task: Task, home: Path) -> Cost:
    """Run a task's step as a command in a process of its own, without journal; return its seconds and its most memory.

    Raises:
        UserError: The step failed.
    """
    arguments = {**artifact_paths(task, home), **task.values}
    flags = [
        word
        for key, value in arguments.items()
        for word in (f"--{key}", *map(str, value if isinstance(value, list) else [value]))
    ]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": "off"}
    with tempfile.TemporaryFile("w+") as output:
        start = perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "components", task.step, *flags],
            env=environment, cwd=ROOT, stdout=output, stderr=output,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        taken = perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise UserError(f"{task.step} failed: {output.read()[-500:]}")
    return Cost(taken, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))

"""The local run: tasks in this process, one after the other, without DVC; for tests, benchmarks and curves."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components.machinery import running
from components.machinery.running import run_step
from components.machinery.signature import load_step
from pipeline.arranging import RECORD, Made, Task, tasks_behind
from pipeline.places import place, places


def run_tasks(tasks: Iterable[Task], home: Path = Path()) -> None:
    """Run tasks in their order, but those whose outputs are there, made from the same inputs, values and code.

    Args:
        tasks: The tasks, each after those that it takes something from.
        home: Folder in which `artifacts/` and `data/` lie.
    """
    for task in tasks:
        if not running.is_up_to_date(task.step, artifacts_of(task, home), task.values, note_of(task, home)):
            run_task(task, home)


def run_task(task: Task, home: Path = Path()) -> None:
    """Run a task, also where its outputs are there; arguments as `run_tasks` takes them."""
    artifacts, note = artifacts_of(task, home), note_of(task, home)
    note.unlink(missing_ok=True)
    run_step(task.step, artifacts, task.values, task.recipe, home / place(task.outputs[RECORD]))
    running.note_inputs(task.step, artifacts, task.values, note)


def make(made: Made, home: Path = Path()) -> Path:
    """Make an artifact and what it is made from, but what is there; return where it lies."""
    run_tasks(tasks_behind(made), home)
    return home / place(made)


def artifacts_of(task: Task, home: Path = Path()) -> dict[str, Any]:
    """Return the path of each input and output of a task, a list of paths where it takes several."""
    several = load_step(task.step).several
    paths = {key: [home / path for path in found] for key, found in places(task).items()}
    return {key: found if key in several else found[0] for key, found in paths.items()}


def note_of(task: Task, home: Path) -> Path:
    """Return where it is noted from what a task's outputs were made."""
    return (home / place(task.outputs[RECORD])).with_suffix(".made_from")


def find(tasks: Iterable[Task], key: str, model: str = "") -> Made:
    """Return the first of some tasks' outputs that has a key and, where one is named, is of a model.

    Args:
        tasks: The tasks, such as those of one network.
        key: What the step calls its output, such as `features` or `report`.
        model: Such as `top`.
    """
    return next(
        made
        for task in tasks
        for made in task.outputs.values()
        if made.key == key and (not model or task.model == model)
    )

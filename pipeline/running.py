"""Runs tasks in this process, one after the other, without DVC: for tests, benchmarks and curves."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components.machinery import running
from components.machinery.running import run_step
from components.machinery.signature import load_step
from pipeline.arranging import RECORD, Output, Task, tasks_to_make
from pipeline.places import path_of, paths_of


def run_tasks(tasks: Iterable[Task], home: Path = Path()) -> None:
    """Run tasks in their order; skip those whose outputs are there, from the same inputs, values and code.

    Args:
        tasks: The tasks, each after those that it takes something from.
        home: Folder in which `artifacts/` and `data/` lie.
    """
    for task in tasks:
        if not running.is_up_to_date(task.step, artifact_paths(task, home), task.values, note_path(task, home)):
            run_task(task, home)


def run_task(task: Task, home: Path = Path()) -> None:
    """Run a task, even if its outputs are there, and write the note by which `run_tasks` then skips it.

    Args:
        task: The task.
        home: Folder in which `artifacts/` and `data/` lie.
    """
    artifacts, note = artifact_paths(task, home), note_path(task, home)
    note.unlink(missing_ok=True)
    run_step(task.step, artifacts, task.values, task.recipe, home / path_of(task.outputs[RECORD]))
    running.note_inputs(task.step, artifacts, task.values, note)


def make(output: Output, home: Path = Path()) -> Path:
    """Run the tasks that an artifact needs, its own too, unless they are up to date, and return the artifact's path."""
    run_tasks(tasks_to_make(output), home)
    return home / path_of(output)


def artifact_paths(task: Task, home: Path = Path()) -> dict[str, Any]:
    """Return the paths of a task's inputs and outputs by key, a list where its step takes several; not its record's."""
    several = load_step(task.step).several
    paths = {key: [home / path for path in each] for key, each in paths_of(task).items()}
    return {key: each if key in several else each[0] for key, each in paths.items()}


def note_path(task: Task, home: Path) -> Path:
    """Return the path of the note that `run_task` writes: the record's, with `.made_from` in place of `.json`.

    It holds a digest of the inputs, values and code of the task's last run.
    """
    return (home / path_of(task.outputs[RECORD])).with_suffix(".made_from")


def find_output(tasks: Iterable[Task], key: str, model: str = "") -> Output:
    """Return the first output with a key and, if a model is named, of a task of that model; raise if there is none.

    Args:
        tasks: The tasks, such as those of one network.
        key: What the step calls its output, such as `features` or `report`.
        model: Such as `top`.

    Raises:
        StopIteration: There is none.
    """
    return next(
        output
        for task in tasks
        for output in task.outputs.values()
        if output.key == key and (not model or task.model == model)
    )

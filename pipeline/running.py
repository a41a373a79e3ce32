"""The local run: tasks in this process, one after the other, without DVC; for tests, benchmarks and curves."""

from collections.abc import Iterable
from pathlib import Path

from components import step
from pipeline.arranging import RECORD, Made, Task
from pipeline.places import place, places


def run_tasks(tasks: Iterable[Task], home: Path = Path()) -> None:
    """Run tasks in their order, but those whose outputs are there, made from the same inputs, values and code.

    Args:
        tasks: The tasks, each after those that it takes something from.
        home: Folder in which `artifacts/` and `data/` lie.
    """
    for task in tasks:
        wanted, record = step.load(task.step), home / place(task.outputs[RECORD])
        paths = {key: [home / path for path in several] for key, several in places(task).items()}
        artifacts = {key: several if key in wanted.several else several[0] for key, several in paths.items()}
        note = record.with_suffix(".made_from")
        if not step.is_made(task.step, artifacts, task.values, note):
            step.run(task.step, artifacts, task.values, task.recipe, record)
            step.write_note(task.step, artifacts, task.values, note)


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

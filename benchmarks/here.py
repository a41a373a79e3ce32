"""This project's side: its steps, called as anyone calls them, and what they write about themselves."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from components import step
from components.data.artifacts import Report
from components.data.records import Record, record_beside
from components.errors import UserError
from components.results import costs
from pipeline import recipes

Values = Mapping[str, Mapping[str, Any]]  # parameters, by step


@dataclass(frozen=True)
class Cost:
    """What one step took: seconds, and the bytes of memory that it held at most."""

    seconds: float
    memory: float

    def beyond(self, other: "Cost", factor: float) -> "Cost":
        """Return what lies so many times as far from this cost as this one does from another."""
        seconds, memory = self.seconds - other.seconds, self.memory - other.memory
        return Cost(self.seconds + factor * seconds, self.memory + factor * memory)


def values_of(recipe: str, changes: Values) -> dict[str, dict[str, Any]]:
    """Return the parameters of every step of a recipe, with changes."""
    known = recipes.completed(recipes.read(), recipe)
    return {name: {**values, **changes.get(name, {})} for name, values in known.items()}


def made(at: Mapping[str, Path], images: Path, backbone: str, values: Values, names: tuple[str, ...]) -> None:
    """Bring images and random weights to the layout, and run steps on them."""
    step.run("fetch", at, {"data_set": "synthetic", "source": str(images), "max_quarantined": 0})
    if not at["weights"].exists():
        step.run("fetch_weights", at, {"backbone": backbone, "source": "random", "stock": "leave"})
    for name in names:
        step.run(name, at, values[name])


@dataclass(frozen=True)
class Training:
    """What a step that trains took, in seconds: a run of one epoch, and one more epoch, of which `training` alone.

    Building, tracing and saving, which a run does once, are in `start`; validation and the like are in `epoch`.
    """

    start: float
    epoch: float
    training: float


def seconds(name: str, at: Mapping[str, Path], values: Mapping[str, Any]) -> float:
    """Run a step in this process; return its seconds."""
    start = perf_counter()
    step.run(name, at, values)
    return perf_counter() - start


def training(name: str, at: Mapping[str, Path], values: Mapping[str, Any], epochs: int) -> Training:
    """Return what a step that trains took: the difference of a run of one epoch and one of `epochs` more."""
    taken, alone = [], []
    for most in (1, 1 + epochs):
        taken.append(seconds(name, at, {**values, "epochs": most, "patience": most}))
        first = at[next(iter(step.load(name).outputs))]
        alone.append(Record.read(record_beside(first)).work["training"]["seconds"])
    return Training(taken[0], (taken[1] - taken[0]) / epochs, (alone[1] - alone[0]) / epochs)


def starting_keras() -> float:
    """Return the seconds in which a process starts and loads Keras, as a step's does."""
    start = perf_counter()
    subprocess.run([sys.executable, "-c", "from components import quiet; quiet.load_keras()"], check=True)
    return perf_counter() - start


def costs_of(report: Path, folder: Path) -> dict[str, float]:
    """Return the seconds of each long computation behind a report, such as `seconds_extraction`.

    Args:
        report: The report.
        folder: Where the records are.
    """
    return costs.costs(Report.read(report), Record.read_all([folder]))


def command(name: str, at: Mapping[str, Path], values: Mapping[str, Any]) -> Cost:
    """Run a step as its command, in a process of its own; return what it cost.

    Raises:
        UserError: The step failed.
    """
    wanted = step.load(name)
    given = {**{key: at[key] for key in (*wanted.inputs, *wanted.outputs)}, **values}
    flags = [word for key, value in given.items() for word in (f"--{key}", str(value))]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": "off"}
    with tempfile.TemporaryFile("w+") as said:
        start = perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "components", name, *flags], env=environment, cwd=step.ROOT, stdout=said, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        taken = perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise UserError(f"{name} failed: {said.read()[-500:]}")
    return Cost(taken, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))

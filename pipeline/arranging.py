"""Which tasks an experiment has: the steps in their order, each once for every way in which its inputs were made.

What is tried side by side is an axis: the values of a sweep, the folds, the repeats, the views. A task takes what was
made at one place of each axis, so that no arm takes another's artifacts; what lies before an axis is shared.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from components import STEPS, step
from components.data.artifacts import Artifact
from components.data.records import Record
from components.errors import UserError, no_such

SWEPT = ("augment", "extract", "train_benchmark", "train_top", "fine_tune")  # their arms share images and test split
TRAINING = ("train_benchmark", "train_top", "fine_tune")
SHOWN = ("augment", "extract", *TRAINING, "average", "evaluate", "compare")  # steps whose records a page shows
RECORD = "record"
Values = Mapping[str, Mapping[str, Any]]  # by step and parameter


@dataclass(frozen=True)
class Axis:
    """Values that are tried side by side; the recipe's own are the first, unless it is a sweep.

    Args:
        name: What it is called in the name of a task.
        arms: The values of each arm, by step and parameter; all have the same parameters.
    """

    name: str
    arms: Sequence[Values]

    def said(self, place: int) -> list[str]:
        """Return what an arm is told apart by, as in `learning_rate=0.001`."""
        return [*dict.fromkeys(f"{key}={value}" for own in self.arms[place].values() for key, value in own.items())]


@dataclass(frozen=True, eq=False)
class Task:
    """A step that runs once.

    Args:
        step: Its name.
        inputs: What it takes: one artifact of a name, or more where the step takes several.
        arms: The place on each axis that it lies on or comes from.
        own: The place on each axis that its own values are of.
        values: Those of its parameters that an axis sets.
    """

    step: str
    inputs: Mapping[str, "Sequence[Made]"]
    arms: Mapping[str, int]
    values: Mapping[str, Any]

    @cached_property
    def outputs(self) -> dict[str, "Made"]:
        """What the task makes, by key; the record of its run is the last."""
        kinds = {**step.load(self.step).outputs, RECORD: Record}
        return {key: Made(self, key, kind) for key, kind in kinds.items()}

    @property
    def trained(self) -> str:
        """The step that made the classifier that this task makes or judges; empty where there is none."""
        for judged in self.inputs.get("classifier", ()):
            return judged.task.step
        return self.step if "classifier" in self.outputs else ""


@dataclass(frozen=True, eq=False)
class Made:
    """An artifact that a task makes, or the record of its run."""

    task: Task
    key: str
    kind: type[Artifact] | type[Record]


def axes_of(values: Values, vary: Mapping[str, Any], sweeps: Mapping[str, Sequence[Any]] = {}) -> list[Axis]:
    """Return the axes of a recipe: what is swept, and what it varies by itself.

    Args:
        values: The recipe's parameters.
        vary: What it says under `vary`.
        sweeps: Values to try side by side, by `STEP.PARAMETER`; several sweeps are combined.

    Raises:
        UserError: There is no such parameter, or arms of it could not be put side by side, or two are the same.
    """
    split, views = values["split"], values["evaluate"]["views"]
    found = [sweep(name, sweeps) for name in STEPS]
    if split["folds"] > 1:
        folds = [(split["fold"] + number) % split["folds"] for number in range(split["folds"])]
        found.append(Axis("fold", [{"split": {"fold": fold}} for fold in folds]))
    if vary["repeats"] > 1:
        found.append(
            Axis("repeat", [
                {name: {"seed": values[name]["seed"] + number} for name in TRAINING}
                for number in range(vary["repeats"])
            ])
        )  # fmt: skip
    if vary["views"] not in ("none", views):
        found.append(Axis("views", [{"evaluate": {"views": kind}} for kind in (views, vary["views"])]))
    given = [(name, key) for axis in found for name, own in axis.arms[0].items() for key in own]
    for name, key in given:
        if given.count((name, key)) > 1:
            raise UserError(f"{name}.{key} is swept, and the recipe varies it too: do one of both")
    return [axis for axis in found if axis.arms[0]]


def sweep(name: str, sweeps: Mapping[str, Sequence[Any]]) -> Axis:
    """Return the combinations of the values that a step is swept over: one empty arm where it is not.

    Raises:
        UserError: There is no such parameter, or arms of it could not be put side by side, or two are the same.
    """
    own: dict[str, list[Any]] = {}
    for address, values in sweeps.items():
        swept, parameter = addressed(address)
        if swept == name:
            own[parameter] = [step.load(name).parameters[parameter].read(name, parameter, value) for value in values]
            for value in own[parameter]:
                if own[parameter].count(value) > 1:
                    raise UserError(f"{address} is swept over {value} twice")
    if own and name not in SWEPT:
        raise UserError(
            f"a sweep over {name} would change the images, the test split or no model: sweep over {', '.join(SWEPT)}"
        )
    combined = [dict(zip(own, arm, strict=True)) for arm in itertools.product(*own.values())]
    return Axis(name, [{name: arm} if arm else {} for arm in combined])


def addressed(address: str) -> tuple[str, str]:
    """Return the step and the parameter that STEP.PARAMETER names.

    Raises:
        UserError: There is none of that name.
    """
    name, _, parameter = address.partition(".")
    wanted = step.load(name)
    if parameter not in wanted.parameters:
        raise no_such(f"parameter of {name}", parameter, wanted.parameters)
    return name, parameter


def arranged(axes: Sequence[Axis], ensemble: bool) -> list[Task]:
    """Return the tasks in an order in which each comes after those that it takes something from.

    Args:
        axes: What is tried side by side.
        ensemble: Whether the classifiers of each trial are averaged.
    """
    tasks: list[Task] = []
    made: dict[type[Artifact] | type[Record], list[Made]] = {}
    for name in STEPS:
        if name == "average" and not ensemble:
            continue
        for inputs, behind in taken(name, made):
            if name == "explore" and behind.get("fold"):  # the folds' images are the same
                continue
            own = [axis for axis in axes if name in axis.arms[0]]
            places = [[behind[axis.name]] if axis.name in behind else range(len(axis.arms)) for axis in own]
            for chosen in itertools.product(*places):
                arms = dict(zip((axis.name for axis in own), chosen, strict=True))
                values: dict[str, Any] = {}
                for axis, place in zip(own, chosen, strict=True):
                    values |= axis.arms[place][name]
                tasks.append(Task(name, inputs, {**behind, **arms}, values))
        for task in tasks:
            if task.step == name:
                for one in task.outputs.values():
                    if one.key != RECORD or name in SHOWN:
                        made.setdefault(one.kind, []).append(one)
    return tasks


def taken(
    name: str, made: Mapping[type[Artifact] | type[Record], Sequence[Made]]
) -> Iterator[tuple[dict[str, Sequence[Made]], dict[str, int]]]:
    """Yield the inputs of each task of a step, with their places on the axes.

    Of what a step takes several, `average` takes all that one trial has, the others all that there are.
    """
    wanted = step.load(name)
    single = [key for key in wanted.inputs if key not in wanted.several]
    for combined in itertools.product(*(made[wanted.inputs[key]] for key in single)):
        behind = joined([one.task.arms for one in combined])
        if behind is None:
            continue
        inputs: dict[str, Sequence[Made]] = {key: [one] for key, one in zip(single, combined, strict=True)}
        if not wanted.several:
            yield inputs, behind
            continue
        trials: dict[int | None, dict[str, list[Made]]] = {}
        for key in (key for key in wanted.inputs if key in wanted.several):
            for one in made[wanted.inputs[key]]:
                if joined([behind, one.task.arms]) is not None:
                    repeat = one.task.arms.get("repeat") if name == "average" else None
                    trials.setdefault(repeat, {}).setdefault(key, []).append(one)
        for repeat, several in trials.items():
            yield {**inputs, **several}, behind if repeat is None else {**behind, "repeat": repeat}


def joined(arms: Sequence[Mapping[str, int]]) -> dict[str, int] | None:
    """Return the places that some artifacts have on the axes, or nothing where two lie apart on one."""
    found: dict[str, int] = {}
    for own in arms:
        for axis, place in own.items():
            if found.setdefault(axis, place) != place:
                return None
    return found

"""Arranges recipes as tasks, each a step with its values and its inputs, for DVC, Kubeflow and the local run.

What a recipe tries side by side is an axis: its networks, its folds, its repeats, the values of any parameter. A value
on an axis is an arm. A task takes the outputs of one arm of each axis, so that no arm takes another's artifacts; tasks
before an axis are shared by its arms, and so are tasks that two recipes have in common.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

from components import STEPS
from components.data.artifact import Artifact
from components.data.artifacts import Classifier
from components.data.content import sha256
from components.data.records import Record
from components.machinery.signature import load_step
from components.machinery.trainings import fewest_trainings
from components.model.registry import MODELS
from components.results.titles import folder_name
from components.system.errors import UserError
from pipeline.collection import COLLECTION
from pipeline.recipes import TRAINING, Recipe, Values

ON_PAGE = ("augment", "extract", *(model.step for model in MODELS.values()), "evaluate", "compare")  # by their records
RECORD = "record"
NETWORK, REPEAT = "network", "repeat"
CHOOSE = "choose_classifier"
OF_RECIPES = ("draw_exploration", "compare", "draw_comparison")  # steps whose results are a recipe's own
Kind = type[Artifact] | type[Record]
Arms = Mapping[str, int]  # the number of an arm, by axis


class Role(Enum):
    """What becomes of the arms of an axis."""

    WAY = "each is evaluated, and compared with the others"
    CHOICE = "validation chooses one, which alone is evaluated"
    TRIAL = "each is another draw of the same ways, evaluated and taken together"
    TEST_IMAGES = "each has test images of its own, and so a comparison of its own"


# The axes of which a step takes the first arm alone: to `explore`, all networks and trials have the same images.
FIRST_ARM = {"explore": (Role.WAY, Role.TRIAL), "forecast": (Role.TRIAL,)}
# The axes whose arms a step with several inputs does not mix.
NOT_MIXED = {"average": (Role.TRIAL, Role.TEST_IMAGES), "compare": (Role.TEST_IMAGES,)}


@dataclass(frozen=True)
class Axis:
    """Values that are tried side by side.

    Args:
        name: What is varied: `STEP.PARAMETER`, the network, or the repeat.
        role: What becomes of its arms.
        arms: The values of each arm, by step and parameter; all have the same parameters.
        words: What each arm adds to the names of its tasks; nothing where it is the recipe's own values.
    """

    name: str
    role: Role
    arms: Sequence[Values]
    words: Sequence[str]


@dataclass(frozen=True, eq=False)
class Task:
    """A step that runs once.

    Args:
        step: Its name.
        values: Its parameters, checked.
        inputs: The outputs of other tasks that it takes, by key: one, or more where the step takes several.
        recipe: The first of the recipes that need it.
        words: What its name has besides step and recipe: the network, each varied value, a data set or weights.
        varied: Those of its values that an axis sets.
    """

    step: str
    values: Mapping[str, Any]
    inputs: Mapping[str, "Sequence[Output]"]
    recipe: str
    words: Sequence[str] = ()
    varied: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def outputs(self) -> dict[str, "Output"]:
        """An `Output` for everything that the task writes, by key; the last, `record`, is the record of its run."""
        kinds = {**load_step(self.step).outputs, RECORD: Record}
        return {key: Output(self, key, kind) for key, kind in kinds.items()}

    @cached_property
    def identity(self) -> str:
        """The SHA-256, in hexadecimal, of step, values, inputs and, for some steps, recipe or words; equal is one task.

        A step of OF_RECIPES has its recipe's name in it too, and one that fetches its words.
        """
        behind = {key: [[one.task.identity, one.key] for one in several] for key, several in self.inputs.items()}
        named = [self.recipe] if self.step in OF_RECIPES else [*self.words] if self.step in COLLECTION else []
        return sha256(self.step, self.values, behind, *named)

    @property
    def model(self) -> str:
        """The name of the model whose classifier this task makes, chooses or evaluates; "" for every other task."""
        for name, model in MODELS.items():
            if model.step == self.step:
                return name
        for key in ("classifier", "arms"):
            if key in self.inputs:
                return self.inputs[key][0].task.model
        return ""

    @property
    def trainings(self) -> int:
        """How many trainings each output holds: `repeats`; else the smallest number above 1 of an input, or 1."""
        if "repeats" in self.values:
            return self.values["repeats"]
        if not any(getattr(output.kind, "of_training", False) for output in self.outputs.values()):
            return 1
        behind = [one.task.trainings for several in self.inputs.values() for one in several
                  if getattr(one.kind, "of_training", False)]  # fmt: skip
        return fewest_trainings(behind)


@dataclass(frozen=True, eq=False)
class Output:
    """An artifact that a task writes, or the record of its run.

    Args:
        task: The task.
        key: What the step calls it, such as `features`.
        kind: The class that reads it.
    """

    task: Task
    key: str
    kind: Kind


def arrange(
    recipes: Iterable[Recipe], sources: Mapping[str, Mapping[str, Mapping[str, Any]]], apart: bool = False
) -> dict[str, list[Task]]:
    """Return the list of each recipe's tasks by its name, inputs first; a task that recipes share is one object.

    Args:
        recipes: The recipes.
        sources: The parameters of `fetch` by data set, and those of `fetch_weights` by network.
        apart: Whether each training of a model is a task of its own; else one task has all of them.

    Raises:
        UserError: Values are varied that do not go together.
    """
    known: dict[str, Task] = {}
    arranged = {}
    for recipe in recipes:
        try:
            arranged[recipe.name] = _Arrangement(recipe, sources, known, apart).tasks
        except UserError as error:
            raise UserError(f"recipe {recipe.name}: {error}") from error
    return arranged


def axes_of(recipe: Recipe, weights: Mapping[str, Mapping[str, Any]], apart: bool) -> list[Axis]:
    """Return the axes, in order: networks, even one; each varied parameter; several folds; if `apart`, several repeats.

    The repeats are an axis only where trainings are apart.

    Args:
        recipe: The recipe.
        weights: The parameters of `fetch_weights`, by network.
        apart: Whether each training of a model is a task of its own; else one task has all of them.

    Raises:
        UserError: Something is varied twice, or trainings apart are not as many of each model.
    """
    split = recipe.values["split"]
    axes = [Axis(NETWORK, Role.WAY, [{"fetch_weights": weights[name]} for name in recipe.networks], recipe.networks)]
    varied = {(name, key): values for name, arms in recipe.vary.items() for key, values in arms.items()}
    if split["folds"] > 1:
        if ("split", "fold") in varied or ("split", "folds") in varied:
            raise UserError("vary: split: each of several folds is tried already: leave out fold and folds")
        varied["split", "fold"] = [(split["fold"] + number) % split["folds"] for number in range(split["folds"])]
    for (name, key), values in varied.items():
        default, address = recipe.values[name][key], f"{name}.{key}"
        words = ["" if value == default else folder_name(f"{address}={value}") for value in values]
        axes.append(Axis(address, role_of(name, key), [{name: {key: value}} for value in values], words))
    repeats = {name: recipe.values[name]["repeats"] for name in TRAINING}
    for name, key in varied:
        if key == "seed" and repeats.get(name, 1) > 1:
            raise UserError(f"{name}.seed is varied, and its repeats have seeds of their own: do one of both")
    if apart and max(repeats.values()) > 1:
        if len({*repeats.values()}) > 1:
            raise UserError(f"trainings apart are as many of each model; received repeats {repeats}")
        numbers = range(next(iter(repeats.values())))
        arms = [{name: {"seed": recipe.values[name]["seed"] + number, "repeats": 1} for name in TRAINING}
                for number in numbers]  # fmt: skip
        axes.append(Axis(REPEAT, Role.TRIAL, arms, [f"repeat={number + 1}" if number else "" for number in numbers]))
    return axes


def role_of(step: str, parameter: str) -> Role:
    """Return TRIAL for a seed or split.fold, TEST_IMAGES for others of audit and split, WAY for evaluate, else CHOICE.

    Every other parameter of `evaluate` is a WAY, and of all other steps a CHOICE.
    """
    if parameter == "seed" or (step, parameter) == ("split", "fold"):
        return Role.TRIAL
    if step in ("audit", "split"):
        return Role.TEST_IMAGES
    return Role.WAY if step == "evaluate" else Role.CHOICE


class _Arrangement:
    """The tasks of one recipe, in an order in which each comes after those that it takes something from."""

    def __init__(self, recipe: Recipe, sources: Mapping[str, Any], known: dict[str, Task], apart: bool):
        self.recipe, self.known = recipe, known
        values = {"fetch": sources["fetch"][recipe.data], "fetch_weights": {}}
        self.values: Values = {**values, **recipe.values}
        self.axes = axes_of(recipe, sources["fetch_weights"], apart)
        self.arms: dict[Task, Arms] = {}
        self.outputs: dict[Kind, list[Output]] = {}
        for name in steps_of(recipe.models):
            self._add_step(name)
            if Classifier in load_step(name).outputs.values():
                self._add_choices(name)

    @property
    def tasks(self) -> list[Task]:
        """The recipe's tasks, a list, each after those that it takes something from."""
        return [*self.arms]

    def _add_step(self, name: str) -> None:
        """Add a step's tasks: one for every combination of inputs that belong together and of arms but FIRST_ARM's.

        Of records, later tasks may take those of the steps in ON_PAGE.
        """
        once = [axis.name for axis in self.axes if axis.role in FIRST_ARM.get(name, ())]
        axes = [axis for axis in self.axes if name in axis.arms[0]]
        added = []
        for inputs, behind in self._inputs(name):
            if any(behind.get(axis) for axis in once):
                continue
            behind = {axis: number for axis, number in behind.items() if axis not in once}
            numbers = [[behind[axis.name]] if axis.name in behind else range(len(axis.arms)) for axis in axes]
            for combination in itertools.product(*numbers):
                arms = {axis.name: number for axis, number in zip(axes, combination, strict=True)}
                varied: dict[str, Any] = {}
                for axis in axes:
                    varied |= axis.arms[arms[axis.name]][name]
                added.append(self._add(name, inputs, {**behind, **arms}, varied))
        for task in added:
            for output in task.outputs.values():
                if output.key != RECORD or name in ON_PAGE:
                    self.outputs.setdefault(output.kind, []).append(output)

    def _add(self, name: str, inputs: Mapping[str, Sequence[Output]], arms: Arms, varied: Mapping[str, Any]) -> Task:
        """Add a task of a step, or in its place the known task with the same identity; return the one added."""
        words = [axis.words[arms[axis.name]] for axis in self.axes if axis.name in arms]
        words = [self.recipe.data] if name == "fetch" else [word for word in words if word]
        values = load_step(name).check_values({**self.values[name], **varied})
        task = Task(name, values, inputs, self.recipe.name, words, varied)
        task = self.known.setdefault(task.identity, task)
        self.arms[task] = arms
        return task

    def _add_choices(self, trained: str) -> None:
        """Add a `choose_classifier` task for each group of a step's classifiers that differ in arms of CHOICE alone.

        Later tasks take the one that is chosen, and no longer those that it was chosen from.
        """
        choices = {axis.name for axis in self.axes if axis.role is Role.CHOICE}
        arms: dict[tuple, list[Output]] = {}
        for one in self.outputs[Classifier]:
            if one.task.step == trained:
                apart = tuple((axis, number) for axis, number in self.arms[one.task].items() if axis not in choices)
                arms.setdefault(apart, []).append(one)
        for apart, tried in arms.items():
            if len(tried) > 1:
                chosen = self._add(CHOOSE, {"arms": tried}, dict(apart), {}).outputs["classifier"]
                classifiers = [one for one in self.outputs[Classifier] if one not in tried]
                self.outputs[Classifier] = [*classifiers, chosen]

    def _inputs(self, name: str) -> Iterator[tuple[dict[str, Sequence[Output]], Arms]]:
        """Yield (inputs, arms) for each set of inputs of a step: lists of outputs by key, and the arm's number by axis.

        Combinations that mix arms of an axis, or in which an input has no output, are left out. An input of several
        outputs has all that go with the other inputs: for an average those of one trial, for a comparison those on one
        set of test images.
        """
        step = load_step(name)
        candidates = {key: self._candidates(kind) for key, kind in step.inputs.items()}
        single = [key for key in step.inputs if key not in step.several]
        several = [key for key in step.inputs if key in step.several]
        axes_behind = {axis for key in several for one in candidates[key] for axis in self.arms[one.task]}
        for combination in itertools.product(*(candidates[key] for key in single)):
            behind = join_arms([self.arms[one.task] for one in combination])
            if behind is None:
                continue
            apart = [
                axis
                for axis in self.axes
                if axis.role in NOT_MIXED.get(name, ()) and axis.name in axes_behind and axis.name not in behind
            ]
            for numbers in itertools.product(*(range(len(axis.arms)) for axis in apart)):
                arms = behind | {axis.name: number for axis, number in zip(apart, numbers, strict=True)}
                inputs: dict[str, Sequence[Output]] = {key: [one] for key, one in zip(single, combination, strict=True)}
                for key in several:
                    inputs[key] = [one for one in candidates[key] if join_arms([arms, self.arms[one.task]]) is not None]
                if all(inputs[key] for key in inputs if key not in step.optional):
                    yield {key: inputs[key] for key in step.inputs}, arms

    def _candidates(self, kind: Kind) -> list[Output]:
        """Return the outputs of a kind that a task may take; classifiers only of models that the recipe compares."""
        outputs = self.outputs.get(kind, [])
        return [one for one in outputs if one.task.model in self.recipe.models] if kind is Classifier else outputs


def tasks_to_make(output: Output) -> list[Task]:
    """Return the task of an output, last, and before it every task behind its inputs, each once, whether done or not.

    They can run in this order.
    """
    inputs = [one for several in output.task.inputs.values() for one in several]
    return [*dict.fromkeys(task for one in inputs for task in tasks_to_make(one)), output.task]


def steps_of(models: Sequence[str]) -> list[str]:
    """Return the names of the steps that models need, from `fetch` to `draw_comparison`, in the order of STEPS.

    A step whose output another may do without is among them where all that it takes is there without it.
    `choose_classifier` is not among them: it depends on what is varied.
    """
    makers = {kind: name for name in STEPS for kind in load_step(name).outputs.values() if kind is not Classifier}
    needed = {"draw_exploration", "draw_comparison", *(MODELS[model].step for model in models)}
    optional: set[str] = set()
    for name in reversed(STEPS):
        if name in needed:
            step = load_step(name)
            behind = {key: makers[kind] for key, kind in step.inputs.items() if kind in makers}
            optional |= {behind[key] for key in step.optional}
            needed |= {maker for key, maker in behind.items() if key not in step.optional}
    for name in optional:
        if {makers[kind] for kind in load_step(name).inputs.values()} <= needed:
            needed.add(name)
    return [name for name in STEPS if name in needed]


def join_arms(each: Sequence[Arms]) -> dict[str, int] | None:
    """Return the arms of all tasks by axis, or None if two are in different arms of an axis; {} for no tasks."""
    arms: dict[str, int] = {}
    for one in each:
        for axis, number in one.items():
            if arms.setdefault(axis, number) != number:
                return None
    return arms

"""The one arrangement: from recipes to tasks, each a step with its values, its inputs and its place.

What a recipe tries side by side is an axis: its networks, its folds, its repeats, the values of any parameter. A task
takes what was made at one place of each axis, so that no arm takes another's artifacts; what lies before an axis is
shared, and so is what two recipes have in common. dvc.yaml, the Kubeflow pipeline and the local run all come from here.
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
from components.model.registry import MODELS
from components.results.titles import folder_name
from components.system.errors import UserError
from pipeline.recipes import COLLECTION, TRAINING, Recipe, Values

SHOWN = ("augment", "extract", *(model.step for model in MODELS.values()), "evaluate", "compare")  # whose records a
# page shows
RECORD = "record"
NETWORK, REPEAT = "network", "repeat"
CHOOSE = "choose_classifier"
OF_RECIPES = ("draw_exploration", "compare", "draw_comparison")  # steps whose results are a recipe's own
Kind = type[Artifact] | type[Record]
Arms = Mapping[str, int]  # a place on each of some axes


class Role(Enum):
    """What becomes of the arms of an axis."""

    WAY = "each is evaluated, and compared with the others"
    CHOICE = "validation chooses one, which alone is evaluated"
    TRIAL = "each is another draw of the same ways, evaluated and taken together"
    TEST_IMAGES = "each has test images of its own, and so a comparison of its own"


# What a step that takes several keeps apart.
APART = {"average": (Role.TRIAL, Role.TEST_IMAGES), "compare": (Role.TEST_IMAGES,)}


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
        inputs: What it takes: one artifact of a name, or more where the step takes several.
        recipe: The first recipe of all that has it.
        words: What tells it apart from the other tasks of the step in that recipe; a data set's or weights' name.
        varied: Those of its values that an axis sets.
    """

    step: str
    values: Mapping[str, Any]
    inputs: Mapping[str, "Sequence[Made]"]
    recipe: str
    words: Sequence[str] = ()
    varied: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def outputs(self) -> dict[str, "Made"]:
        """What the task makes, by key; the record of its run is the last."""
        kinds = {**load_step(self.step).outputs, RECORD: Record}
        return {key: Made(self, key, kind) for key, kind in kinds.items()}

    @cached_property
    def identity(self) -> str:
        """The digest of all that determines what the task makes, its code aside."""
        behind = {key: [[made.task.identity, made.key] for made in several] for key, several in self.inputs.items()}
        named = [self.recipe] if self.step in OF_RECIPES else [*self.words] if self.step in COLLECTION else []
        return sha256(self.step, self.values, behind, *named)

    @property
    def model(self) -> str:
        """The model whose classifier this task makes, chooses or evaluates; empty where there is none."""
        for name, model in MODELS.items():
            if model.step == self.step:
                return name
        for key in ("classifier", "arms"):
            if key in self.inputs:
                return self.inputs[key][0].task.model
        return ""

    @property
    def trainings(self) -> int:
        """How many trainings there are of what the task makes."""
        if "repeats" in self.values:
            return self.values["repeats"]
        if not any(getattr(made.kind, "of_training", False) for made in self.outputs.values()):
            return 1
        behind = [made.task.trainings for several in self.inputs.values() for made in several
                  if getattr(made.kind, "of_training", False)]  # fmt: skip
        return max(behind, default=1)


@dataclass(frozen=True, eq=False)
class Made:
    """An artifact that a task makes, or the record of its run."""

    task: Task
    key: str
    kind: Kind


def arrange(
    recipes: Iterable[Recipe], sources: Mapping[str, Mapping[str, Mapping[str, Any]]], apart: bool = False
) -> dict[str, list[Task]]:
    """Return the tasks of each recipe, by its name; what recipes have in common is one task, the first one's.

    Args:
        recipes: The recipes.
        sources: The parameters of `fetch` by data set, and those of `fetch_weights` by network.
        apart: Whether the trainings of a way are tasks of their own; else the task of the way makes all.

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
    """Return what a recipe tries side by side.

    Args:
        recipe: The recipe.
        weights: The parameters of `fetch_weights`, by network.
        apart: Whether the trainings of a way are tasks of their own; else the task of the way makes all.

    Raises:
        UserError: Something is varied twice.
    """
    split = recipe.values["split"]
    axes = [Axis(NETWORK, Role.WAY, [{"fetch_weights": weights[name]} for name in recipe.networks], recipe.networks)]
    varied = {(name, key): values for name, own in recipe.vary.items() for key, values in own.items()}
    if split["folds"] > 1:
        if ("split", "fold") in varied or ("split", "folds") in varied:
            raise UserError("vary: split: each of several folds is tried already: leave out fold and folds")
        varied["split", "fold"] = [(split["fold"] + number) % split["folds"] for number in range(split["folds"])]
    for (name, key), values in varied.items():
        own, address = recipe.values[name][key], f"{name}.{key}"
        words = ["" if value == own else folder_name(f"{address}={value}") for value in values]
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


def role_of(name: str, parameter: str) -> Role:
    """Return what becomes of the arms where a parameter is varied."""
    if parameter == "seed" or (name, parameter) == ("split", "fold"):
        return Role.TRIAL
    if name in ("audit", "split"):
        return Role.TEST_IMAGES
    return Role.WAY if name == "evaluate" else Role.CHOICE


class _Arrangement:
    """The tasks of one recipe, in an order in which each comes after those that it takes something from."""

    def __init__(self, recipe: Recipe, sources: Mapping[str, Any], known: dict[str, Task], apart: bool):
        self.recipe, self.known = recipe, known
        values = {"fetch": sources["fetch"][recipe.data], "fetch_weights": {}}
        self.values: Values = {**values, **recipe.values}
        self.axes = axes_of(recipe, sources["fetch_weights"], apart)
        self.arms: dict[Task, Arms] = {}
        self.made: dict[Kind, list[Made]] = {}
        for name in steps_of(recipe.models):
            self._add_all(name)
            if Classifier in load_step(name).outputs.values():
                self._choose(name)

    @property
    def tasks(self) -> list[Task]:
        return [*self.arms]

    def _add_all(self, name: str) -> None:
        """Add the tasks of a step: one for every way in which its inputs were made, and every arm of its own."""
        own = [axis for axis in self.axes if name in axis.arms[0]]
        added = []
        for inputs, behind in self._inputs(name):
            if name == "explore":  # once for all networks, folds and repeats, which have the same images
                once = [axis.name for axis in self.axes if axis.name == NETWORK or axis.role is Role.TRIAL]
                if any(behind.get(axis) for axis in once):
                    continue
                behind = {axis: place for axis, place in behind.items() if axis not in once}
            places = [[behind[axis.name]] if axis.name in behind else range(len(axis.arms)) for axis in own]
            for chosen in itertools.product(*places):
                at = {axis.name: place for axis, place in zip(own, chosen, strict=True)}
                varied: dict[str, Any] = {}
                for axis in own:
                    varied |= axis.arms[at[axis.name]][name]
                added.append(self._add(name, inputs, {**behind, **at}, varied))
        for task in added:
            for made in task.outputs.values():
                if made.key != RECORD or name in SHOWN:
                    self.made.setdefault(made.kind, []).append(made)

    def _add(self, name: str, inputs: Mapping[str, Sequence[Made]], arms: Arms, varied: Mapping[str, Any]) -> Task:
        """Return a task of a step, or the one that an earlier recipe has in common with this one."""
        words = [axis.words[arms[axis.name]] for axis in self.axes if axis.name in arms]
        words = [self.recipe.data] if name == "fetch" else [word for word in words if word]
        values = load_step(name).check_values({**self.values[name], **varied})
        task = Task(name, values, inputs, self.recipe.name, words, varied)
        task = self.known.setdefault(task.identity, task)
        self.arms[task] = arms
        return task

    def _choose(self, trained: str) -> None:
        """Let validation choose one arm of each classifier that a step made, where values of parameters are tried."""
        choices = {axis.name for axis in self.axes if axis.role is Role.CHOICE}
        arms: dict[tuple, list[Made]] = {}
        for made in self.made[Classifier]:
            if made.task.step == trained:
                apart = tuple((axis, place) for axis, place in self.arms[made.task].items() if axis not in choices)
                arms.setdefault(apart, []).append(made)
        for apart, tried in arms.items():
            if len(tried) > 1:
                chosen = self._add(CHOOSE, {"arms": tried}, dict(apart), {}).outputs["classifier"]
                classifiers = [made for made in self.made[Classifier] if made not in tried]
                self.made[Classifier] = [*classifiers, chosen]

    def _inputs(self, name: str) -> Iterator[tuple[dict[str, Sequence[Made]], Arms]]:
        """Yield the inputs of each task of a step, with their places on the axes.

        Of what a step takes several it takes all that go with its other inputs: an average those of one trial, a
        comparison those on one set of test images.
        """
        wanted = load_step(name)
        offered = {key: self._offered(kind) for key, kind in wanted.inputs.items()}
        single = [key for key in wanted.inputs if key not in wanted.several]
        several = [key for key in wanted.inputs if key in wanted.several]
        passed = {axis for key in several for made in offered[key] for axis in self.arms[made.task]}
        for combined in itertools.product(*(offered[key] for key in single)):
            behind = joined([self.arms[made.task] for made in combined])
            if behind is None:
                continue
            apart = [
                axis
                for axis in self.axes
                if axis.role in APART.get(name, ()) and axis.name in passed and axis.name not in behind
            ]
            for places in itertools.product(*(range(len(axis.arms)) for axis in apart)):
                at = behind | {axis.name: place for axis, place in zip(apart, places, strict=True)}
                inputs: dict[str, Sequence[Made]] = {key: [made] for key, made in zip(single, combined, strict=True)}
                for key in several:
                    inputs[key] = [made for made in offered[key] if joined([at, self.arms[made.task]]) is not None]
                if all(inputs.values()):
                    yield {key: inputs[key] for key in wanted.inputs}, at

    def _offered(self, kind: Kind) -> list[Made]:
        """Return what there is of a kind; of classifiers those of the models that the recipe compares."""
        made = self.made.get(kind, [])
        return [one for one in made if one.task.model in self.recipe.models] if kind is Classifier else made


def tasks_behind(made: Made) -> list[Task]:
    """Return the tasks that it takes to make something, each after those that it takes something from."""
    inputs = [taken for several in made.task.inputs.values() for taken in several]
    return [*dict.fromkeys(task for taken in inputs for task in tasks_behind(taken)), made.task]


def steps_of(models: Sequence[str]) -> list[str]:
    """Return the steps that it takes to compare some models, in their order; not the choice among arms."""
    makers = {kind: name for name in STEPS for kind in load_step(name).outputs.values() if kind is not Classifier}
    needed = {"draw_exploration", "draw_comparison", *(MODELS[model].step for model in models)}
    for name in reversed(STEPS):
        if name in needed:
            needed |= {makers[kind] for kind in load_step(name).inputs.values() if kind in makers}
    return [name for name in STEPS if name in needed]


def joined(arms: Sequence[Arms]) -> dict[str, int] | None:
    """Return the places that some artifacts have on the axes, or nothing where two lie apart on one."""
    places: dict[str, int] = {}
    for own in arms:
        for axis, place in own.items():
            if places.setdefault(axis, place) != place:
                return None
    return places

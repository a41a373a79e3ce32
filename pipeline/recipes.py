"""Recipes: what params.yaml says, each recipe resolved to the values of every step, and every word of it checked."""

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components import STEPS
from components.data.datasets import DATA_SETS
from components.machinery.parameters import read_yaml
from components.machinery.signature import load_step
from components.model.backbones import BACKBONES
from components.model.registry import MODELS
from components.system.errors import UserError, shorten, unknown_name

PARAMS = Path("params.yaml")
COLLECTION = ("fetch", "fetch_weights")  # the steps that bring data sets and weights in
IN_RECIPES = [name for name in STEPS if name not in COLLECTION]
TRAINING = [model.step for model in MODELS.values() if "seed" in load_step(model.step).parameters]
SHARED = "training"  # section of what all steps that train take
SECTIONS = [*IN_RECIPES, SHARED, "vary"]
ENTRIES = ["like", "data", "networks", "models", *SECTIONS]  # of a recipe
REGISTRIES: dict[str, Iterable[str]] = {"data": DATA_SETS, "weights": BACKBONES}
RANDOM = "random_"  # before a backbone's name: its weights as drawn at random
FOLDER_NAMES = {key for name in IN_RECIPES for key in load_step(name).outputs} | {
    "classifiers",
    "reports",
    "chosen",
}
LONGEST_NAME = 243  # bytes: a file name has 255, of which `..unfinished` takes 12

Values = Mapping[str, Mapping[str, Any]]  # by step and parameter


@dataclass(frozen=True)
class Recipe:
    """A recipe with all that it does not say itself filled in, and checked.

    Args:
        name: Its name.
        data: Its data set.
        networks: Its pretrained weights.
        models: The models that are compared.
        values: Of every step's parameters.
        vary: Values to try side by side, by step and parameter.
    """

    name: str
    data: str
    networks: tuple[str, ...]
    models: tuple[str, ...]
    values: Values
    vary: Mapping[str, Mapping[str, Sequence[Any]]]


def read(file: Path = PARAMS) -> dict[str, Any]:
    """Return params.yaml as it stands.

    Raises:
        UserError: It is not there, or lacks a part.
    """
    return shaped(read_yaml(file), file)


def shaped(content: Any, file: Path = PARAMS) -> dict[str, Any]:
    """Return what params.yaml holds, if it has the parts that it is to have.

    Raises:
        UserError: A part is missing, or of another shape.
    """
    if not isinstance(content, dict):
        raise UserError(
            f"{file} is a mapping with active, data, weights, defaults and recipes; received {shorten(content)}"
        )
    if not isinstance(content.get("active"), list):
        raise UserError(f"{file}: 'active' is a list of recipes; received {shorten(content.get('active'))}")
    for name in ("recipes", "defaults", "data", "weights"):
        if not isinstance(content.get(name), dict):
            raise UserError(f"{file}: {name!r} is a mapping of names; received {shorten(content.get(name))}")
    return content


def resolve(content: Mapping[str, Any], name: str) -> Recipe:
    """Return a recipe with all that it does not say filled in from the recipes that it is like and the defaults.

    Raises:
        UserError: There is no such recipe, or something in it is unknown, missing, or not what it may be.
    """
    said = sayings(content, name)
    values = {}
    try:
        for step_name in IN_RECIPES:
            values[step_name] = load_step(step_name).check_values(values_of(content, said, step_name))
        known = {key for training in TRAINING for key in load_step(training).parameters}
        for key in merged(content, said, SHARED):
            if key not in known:
                raise unknown_name("parameter of training", key, sorted(known))
        vary = {key: varied(key, arms) for key, arms in mapping(said.get("vary"), "vary").items()}
        check_sizes(values["split"])
        return Recipe(
            name,
            one_of("data", said.get("data"), declared(content, "data")),
            several_of("networks", said.get("networks"), declared(content, "weights")),
            several_of("models", said.get("models", content["defaults"].get("models")), MODELS),
            values,
            vary,
        )
    except UserError as error:
        raise UserError(f"recipe {name}: {error}") from error


def changed(
    content: Mapping[str, Any], name: str, values: Mapping[str, Any] = {}, sweeps: Mapping[str, Sequence[Any]] = {}
) -> dict[str, Any]:
    """Return params.yaml with other values in a recipe, and with values that it tries side by side.

    Args:
        content: All of params.yaml.
        name: The recipe.
        values: By `STEP.PARAMETER`.
        sweeps: By `STEP.PARAMETER`.

    Raises:
        UserError: There is no such recipe, or a parameter is set and swept or varied.
    """
    said = copy.deepcopy(sayings(content, name))
    for address, value in values.items():
        if address in sweeps:
            raise UserError(f"{address} is set and swept: do one of both")
        section, _, parameter = address.partition(".")
        if parameter in mapping(mapping(said.get("vary"), "vary").get(section), section):
            raise UserError(f"{address} is set, and {name} varies it: do one of both")
        said[section] = {**mapping(said.get(section), section), parameter: value}
    for address, several in sweeps.items():
        section, _, parameter = address.partition(".")
        vary = said["vary"] = mapping(said.get("vary"), "vary")
        vary[section] = {**mapping(vary.get(section), section), parameter: several}
    return {**content, "recipes": {**content["recipes"], name: said}}


def sayings(content: Mapping[str, Any], name: str, behind: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what a recipe says, with what it takes over: all of the recipe that it is like, and single sections.

    Raises:
        UserError: There is no such recipe, it has an unknown entry, or is in the end like itself.
    """
    one_of("recipe", name, content["recipes"])
    if name in behind:
        raise UserError(f"recipe {name} is like itself: {' is like '.join([*behind, name])}")
    own = mapping(content["recipes"][name], f"recipe {name}")
    for entry in own:
        if entry not in ENTRIES:
            raise unknown_name(f"step in the recipe {name}", entry, ENTRIES)
    said = sayings(content, own["like"], (*behind, name)) if "like" in own else {}
    for entry, value in own.items():
        if entry in SECTIONS:
            section = mapping(value, f"recipe {name}: {entry}")
            other, taken = section.get("like"), said.get(entry, {})
            if other is not None:
                taken = sayings(content, other, (*behind, name)).get(entry, {})
            said[entry] = {**taken, **{key: one for key, one in section.items() if key != "like"}}
        elif entry != "like":
            said[entry] = value
    return said


def values_of(content: Mapping[str, Any], said: Mapping[str, Any], step_name: str) -> dict[str, Any]:
    """Return the values of a step: its own, then what all training steps share, a recipe's before the defaults'."""
    known = load_step(step_name).parameters
    values: dict[str, Any] = {}
    for source, where in ((content["defaults"], "defaults"), (said, "the recipe")):
        if step_name in TRAINING:
            shared = mapping(source.get(SHARED), f"{where}: {SHARED}")
            values |= {key: value for key, value in shared.items() if key in known}
        values |= mapping(source.get(step_name), f"{where}: {step_name}")
    return values


def merged(content: Mapping[str, Any], said: Mapping[str, Any], section: str) -> dict[str, Any]:
    """Return a section of the defaults with what a recipe says in its place."""
    defaults = mapping(content["defaults"].get(section), f"defaults: {section}")
    return {**defaults, **mapping(said.get(section), section)}


def varied(name: str, arms: Any) -> dict[str, list[Any]]:
    """Return the values over which a step's parameters are varied, each as its parameter's type.

    Raises:
        UserError: There is no such step or parameter, or the values are no list, or not what they may be.
    """
    if name not in IN_RECIPES:
        raise unknown_name("step to vary", name, IN_RECIPES)
    kinds, read = load_step(name).parameters, {}
    for parameter, values in mapping(arms, f"vary: {name}").items():
        address = f"vary: {name}: {parameter}"
        if parameter not in kinds:
            raise unknown_name(f"parameter of {name}", parameter, kinds)
        if parameter == "repeats":
            raise UserError(f"{address}: repeats are trainings of one way, no choice: give their number alone")
        if not isinstance(values, list) or not values:
            raise UserError(f"{address} is a list of values; received {shorten(values)}")
        read[parameter] = [kinds[parameter].read("vary", f"{name}.{parameter}", value) for value in values]
        for value in read[parameter]:
            if read[parameter].count(value) > 1:
                raise UserError(f"{address} has {value} twice")
    return read


def one_of(entry: str, name: Any, known: Iterable[str]) -> str:
    """Return a name that is known.

    Raises:
        UserError: It is not.
    """
    if name not in list(known):
        raise unknown_name(entry, name, known)
    return name


def several_of(entry: str, names: Any, known: Iterable[str]) -> tuple[str, ...]:
    """Return names that are known, each once, one at least.

    Raises:
        UserError: They are not.
    """
    if not isinstance(names, list) or not names:
        raise UserError(f"{entry} is a list of names; received {shorten(names)}")
    for name in names:
        one_of(entry, name, known)
        if names.count(name) > 1:
            raise UserError(f"{entry} has {name} twice")
    return tuple(names)


def fetch_values(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the parameters of `fetch` for a data set."""
    own = (content["data"].get("own") or {}).get(name) or {"source": "published"}
    return {"data_set": name, "max_quarantined": content["data"].get("max_quarantined"), **own}


def weights_values(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the parameters of `fetch_weights` for pretrained weights."""
    stock = content["weights"].get("stock")
    if own := (content["weights"].get("own") or {}).get(name):
        return {"stock": stock, **own}
    if name.startswith(RANDOM):
        return {"backbone": name.removeprefix(RANDOM), "source": "random", "stock": "leave"}
    return {"backbone": name, "source": "imagenet", "stock": stock}


def own_source(content: Mapping[str, Any], noun: str, name: str) -> str:
    """Return the path on this machine that an own data set or weights file comes from; empty where it comes from none.

    Args:
        content: All of params.yaml.
        noun: `data` or `weights`.
        name: Of the data set or the weights.
    """
    source = str(((content[noun].get("own") or {}).get(name) or {}).get("source", ""))
    return "" if re.match(r"\w+://|git\+", source) else source


def mapping(value: Any, what: str) -> dict[str, Any]:
    """Return a mapping as it is, and nothing as an empty one.

    Raises:
        UserError: It is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{what} is `name: value` lines; received {shorten(value)}")
    return value


def section(value: Any, where: str, names: Iterable[str]) -> dict[str, Any]:
    """Return a mapping that has these names and no other.

    Raises:
        UserError: It has not, or it is none.
    """
    given = mapping(value, where)
    for name in given:
        if name not in names:
            raise unknown_name(f"setting in {where}", name, names)
    missing = [name for name in names if name not in given]
    if missing:
        raise UserError(f"{where} in params.yaml lacks {', '.join(missing)}")
    return given


def check(content: Mapping[str, Any]) -> None:
    """Check every recipe, the data sets and weights that are declared, and which recipes are switched on.

    Raises:
        UserError: What is wrong, what was received, what would be right.
    """
    for name, value in content["defaults"].items():
        if name not in [*IN_RECIPES, SHARED, "models"]:
            raise unknown_name("step in the defaults", name, [*IN_RECIPES, SHARED, "models"])
        if name != "models":
            mapping(value, f"defaults: {name}")
    check_names(content["recipes"], "recipes")
    check_pipelines(content["recipes"])
    for noun in REGISTRIES:
        declared(content, noun)
    load_step("fetch").parameters["max_quarantined"].read(
        "data", "max_quarantined", content["data"].get("max_quarantined")
    )
    load_step("fetch_weights").parameters["stock"].read("weights", "stock", content["weights"].get("stock"))
    for recipe in content["recipes"]:
        resolve(content, recipe)
    if content["active"]:
        several_of("recipe", content["active"], content["recipes"])


def check_sources(content: Mapping[str, Any]) -> None:
    """Check that the own data sets and weights files that are switched on are on this machine.

    Raises:
        UserError: One is not.
    """
    for name in content["active"]:
        recipe = resolve(content, name)
        for noun, used in (("data", recipe.data), *(("weights", network) for network in recipe.networks)):
            check_source(content, noun, used)


def check_source(content: Mapping[str, Any], noun: str, name: str) -> None:
    """Check that the folder or file of an own data set or weights file is there.

    Raises:
        UserError: It is not.
    """
    source = own_source(content, noun, name)
    try:
        there = not source or Path(source).exists()
    except OSError:  # a name too long, or a folder that this user may not look into
        there = False
    if not there:
        raise UserError(
            f"{noun}: own: {name}: nothing is at {shorten(source)}: correct the source; a path that is not absolute "
            f"begins at {shorten(str(Path.cwd()))}"
        )


def check_names(names: Iterable[Any], where: str) -> None:
    """Check names that become names of folders and stages.

    Raises:
        UserError: One has other characters than they may have, or is too long.
    """
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"\w[\w-]*", name, re.ASCII):
            raise UserError(f"{where}: a name is letters, digits, _ and -; received {shorten(name)}")
        if len(name) > LONGEST_NAME:
            raise UserError(
                f"{where}: a name has at most {LONGEST_NAME} characters, to be that of a folder; received "
                f"{len(name)}, {shorten(name)}"
            )


def check_pipelines(recipes: Iterable[str]) -> None:
    """Check that every recipe has a pipeline of its own on Kubeflow.

    Raises:
        UserError: The names of two are one to Kubernetes.
    """
    known: dict[str, str] = {}
    for name in recipes:
        other = known.setdefault(name.replace("_", "-").lower(), name)
        if other != name:
            raise UserError(
                f"recipes: {other} and {name} are one name to Kubernetes, which has no _ and no capitals: rename one"
            )


def declared(content: Mapping[str, Any], noun: str) -> list[str]:
    """Return the names of the data sets or of the weights that there are: one's own first, then those of the registry.

    Raises:
        UserError: An own one has no source, or a name that it cannot have.
    """
    registry = REGISTRIES[noun]
    own = mapping(content[noun].get("own"), f"{noun}: own")
    check_names(own, f"{noun}: own")
    for name, entry in own.items():
        source = mapping(entry, f"{noun}: own: {name}").get("source")
        if not isinstance(source, str) or not re.fullmatch(r"[^\x00-\x1f]+", source):
            raise UserError(f"{noun}: own: {name}: source is the path of a folder or file; received {shorten(source)}")
        if source.startswith("~"):
            raise UserError(
                f"{noun}: own: {name}: DVC knows no ~: write the path in full, from / on; received {shorten(source)}"
            )
        if noun == "weights":
            one_of("backbone", entry.get("backbone"), registry)
            if name.startswith(RANDOM) or name in FOLDER_NAMES:
                raise UserError(f"weights: own: {name}: that name is taken: give another")
    random = [RANDOM + name for name in registry] if noun == "weights" else []
    return [*own, *registry, *random]


def check_sizes(split: Mapping[str, Any]) -> None:
    """Check that the parts of a split that are fractions are no more than the whole.

    Raises:
        UserError: They are.
    """
    if split["method"] == "published":
        return
    used = ("validation",) if split["folds"] > 1 else ("train", "validation", "test")
    fractions = {part: split[part] for part in used if split[part] < 1}
    if sum(fractions.values()) > 1 + 1e-9:
        listed = " + ".join(f"{part} {size:g}" for part, size in fractions.items())
        raise UserError(
            f"split: {listed} = {sum(fractions.values()):g} of the images: give fractions that come to 1 or less"
        )

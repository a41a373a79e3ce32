"""Recipes: reading params.yaml, completing each recipe from the defaults, checking every value."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from components import STEPS, step
from components.data.datasets import DATA_SETS
from components.errors import UserError, no_such, shown
from components.model.backbones import BACKBONES
from components.parameters import Count, Names, Parameter, read_yaml

PARAMS = Path("params.yaml")
REGISTRIES = {  # what is in them, and which lists of their names params.yaml has
    "data": ("published data set", list(DATA_SETS), ["published"]),
    "weights": ("backbone", list(BACKBONES), ["published", "random"]),
}
UNSAID = ("draw_exploration", "choose_precision", "average", "compare", "draw_comparison")  # by a recipe, if it likes
IN_RECIPES = [name for name in STEPS if name not in ("fetch", "fetch_weights")]  # the collection is made once for all
SECTIONS = [*IN_RECIPES, "vary"]
LONGEST_NAME = 243  # bytes: a file name has 255, of which `..unfinished` takes 12


def read(file: Path = PARAMS) -> dict[str, Any]:
    """Return params.yaml as it stands.

    Raises:
        UserError: It is not there, or no YAML mapping.
    """
    return shaped(read_yaml(file), file)


def shaped(content: Any, file: Path = PARAMS) -> dict[str, Any]:
    """Return what params.yaml holds, if it has the parts that it is to have.

    Raises:
        UserError: A part is missing, or no mapping.
    """
    if not isinstance(content, dict):
        raise UserError(
            f"{file} is a mapping with active, data, weights, defaults and recipes; received {shown(content)}"
        )
    for name in ("active", "recipes", "defaults", "data", "weights"):
        if not isinstance(content.get(name), dict):
            raise UserError(f"{file}: {name!r} is a mapping of names; received {shown(content.get(name))}")
    return content


def completed(content: dict[str, Any], recipe: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of every step of a recipe, completed from the defaults and checked.

    Raises:
        UserError: There is no such recipe, or a step or parameter of it is unknown, missing or mistyped.
    """
    if recipe not in content["recipes"]:
        raise no_such("recipe", recipe, content["recipes"])
    own = mapping(content["recipes"][recipe], f"recipe {recipe}")
    for name in own:
        if name not in SECTIONS:
            raise no_such(f"step in the recipe {recipe}", name, SECTIONS)
    found = {}
    for name in IN_RECIPES:
        if name not in own and name not in UNSAID:
            raise UserError(f"recipe {recipe} has no section {name}: write `{name}: {{}}` to take the defaults")
        defaults = mapping(content["defaults"].get(name), f"defaults: {name}")
        values = {**defaults, **mapping(own.get(name), f"recipe {recipe}: {name}")}
        try:
            found[name] = step.load(name).checked(values)
        except UserError as error:
            raise UserError(f"recipe {recipe}: {error}") from error
    return found


def variations() -> dict[str, Parameter]:
    """Return what a recipe may ask for beyond its three models: the parameters of its section `vary`."""
    views = step.load("evaluate").parameters["views"].limits
    assert isinstance(views, Names)
    return {
        "repeats": Parameter.of(Count),
        "ensemble": Parameter(str, Names("kind of ensemble", ("none", "mean"))),
        "views": Parameter(str, Names(views.noun, ("none", *views.known))),
    }


def varied(content: dict[str, Any], recipe: str) -> dict[str, Any]:
    """Return what a recipe varies, completed from the defaults and checked.

    Raises:
        UserError: A value is unknown, missing or not what it may be.
    """
    own = mapping(content["recipes"][recipe], f"recipe {recipe}").get("vary")
    values = {**mapping(content["defaults"].get("vary"), "defaults: vary"), **mapping(own, f"recipe {recipe}: vary")}
    kinds = variations()
    given = section(values, f"recipe {recipe}: vary", kinds)
    return {name: kind.read(f"recipe {recipe}: vary", name, given[name]) for name, kind in kinds.items()}


def mapping(value: Any, what: str) -> dict[str, Any]:
    """Return a mapping as it is, and nothing as an empty one.

    Raises:
        UserError: It is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{what} is `name: value` lines; received {shown(value)}")
    return value


def section(value: Any, where: str, names: Iterable[str]) -> dict[str, Any]:
    """Return a mapping that has these names and no other.

    Raises:
        UserError: It has not, or it is none.
    """
    given = mapping(value, where)
    for name in given:
        if name not in names:
            raise no_such(f"setting in {where}", name, names)
    missing = [name for name in names if name not in given]
    if missing:
        raise UserError(f"{where} in params.yaml lacks {', '.join(missing)}")
    return given


def check_names(names: Iterable[Any], where: str) -> None:
    """Check names that become names of folders and stages.

    Raises:
        UserError: One has other characters than they may have, or is too long.
    """
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"\w[\w-]*", name, re.ASCII):
            raise UserError(f"{where}: a name is letters, digits, _ and -; received {shown(name)}")
        if len(name) > LONGEST_NAME:
            raise UserError(
                f"{where}: a name has at most {LONGEST_NAME} characters, to be that of a folder; received "
                f"{len(name)}, {shown(name)}"
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


def declared(content: dict[str, Any], noun: str) -> list[str]:
    """Return the names of the data sets or of the weights that there are.

    Raises:
        UserError: One is not in its registry, or has no source.
    """
    what, registry, lists = REGISTRIES[noun]
    names: dict[str, list[str]] = {}
    for part in lists:
        names[part] = content[noun].get(part)
        if not isinstance(names[part], list):
            raise UserError(f"{noun}: {part} is a list of names; received {shown(names[part])}")
        for name in names[part]:
            if name not in registry:
                raise no_such(what, name, registry)
    own = mapping(content[noun].get("own"), f"{noun}: own")
    check_names(own, f"{noun}: own")
    for name in own:
        if name in names["published"]:
            raise UserError(
                f"{noun}: {name} is under published and under own: take it off published to use the copy that you "
                "have, or give your own another name"
            )
    for name, entry in own.items():
        source = mapping(entry, f"{noun}: own: {name}").get("source")
        if not isinstance(source, str) or not re.fullmatch(r"[^\x00-\x1f]+", source):
            raise UserError(f"{noun}: own: {name}: source is the path of a folder or file; received {shown(source)}")
        if source.startswith("~"):
            raise UserError(
                f"{noun}: own: {name}: DVC knows no ~: write the path in full, from / on; received {shown(source)}"
            )
        if noun == "weights" and entry.get("backbone") not in registry:
            raise no_such(what, entry.get("backbone"), registry)
    return [*names["published"], *own, *(f"random_{name}" for name in names.get("random", []))]


def check(content: dict[str, Any]) -> None:
    """Check every recipe, and that what is switched on uses a data set and weights that are declared.

    Raises:
        UserError: What is wrong, what was received, what would be right.
    """
    for name in content["defaults"]:
        if name not in SECTIONS:
            raise no_such("step in the defaults", name, SECTIONS)
    check_names(content["recipes"], "recipes")
    check_pipelines(content["recipes"])
    for recipe in content["recipes"]:
        varied(content, recipe)
        check_sizes(recipe, completed(content, recipe)["split"])
    step.load("fetch").parameters["max_quarantined"].read(
        "data", "max_quarantined", content["data"].get("max_quarantined")
    )
    step.load("fetch_weights").parameters["stock"].read("weights", "stock", content["weights"].get("stock"))
    known = {noun: declared(content, noun) for noun in ("data", "weights")}
    for recipe, uses in content["active"].items():
        if recipe not in content["recipes"]:
            raise no_such("recipe", recipe, content["recipes"])
        for noun, names in known.items():
            used = mapping(uses, f"active: {recipe}").get(noun)
            if used not in names:
                raise no_such(f"{noun} of the recipe {recipe}", used, names)


def check_sources(content: Mapping[str, Any]) -> None:
    """Check that the own data sets and weights files that are switched on are on this machine.

    Raises:
        UserError: One is not.
    """
    for uses in content["active"].values():
        for noun in ("data", "weights"):
            check_source(content, noun, uses[noun])


def check_sizes(recipe: str, split: Mapping[str, Any]) -> None:
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
            f"recipe {recipe}: split: {listed} = {sum(fractions.values()):g} of the images: give fractions that come "
            "to 1 or less"
        )


def check_source(content: Mapping[str, Any], noun: str, name: str) -> None:
    """Check that the folder or file of an own data set or weights file is there.

    Raises:
        UserError: It is not.
    """
    own = (content[noun].get("own") or {}).get(name)
    if not own or re.match(r"\w+://|git\+", own["source"]):
        return
    try:
        there = Path(own["source"]).exists()
    except OSError:  # a name too long, or a folder that this user may not look into
        there = False
    if not there:
        raise UserError(
            f"{noun}: own: {name}: nothing is at {shown(own['source'])}: correct the source; a path that is not "
            f"absolute begins at {shown(str(Path.cwd()))}"
        )

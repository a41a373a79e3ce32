"""Recipes: reading params.yaml, completing each recipe from the defaults, checking every value."""

from pathlib import Path
from typing import Any

import yaml

from components import STEPS, step
from components.data.datasets import DATA_SETS
from components.errors import UserError, no_such
from components.model import backbones

PARAMS = Path("params.yaml")
IN_RECIPES = [name for name in STEPS if name not in ("fetch", "fetch_weights")]  # the collection is made once for all


def read(file: Path = PARAMS) -> dict[str, Any]:
    """Return params.yaml as it stands.

    Raises:
        UserError: It is not there, or no YAML mapping.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no {file} here: run this in the repository's root") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} is a mapping with active, data, weights, defaults and recipes; received {content!r}")
    for name in ("active", "recipes", "defaults", "data", "weights"):
        if not isinstance(content.get(name), dict):
            raise UserError(f"{file}: {name!r} is a mapping of names; received {content.get(name)!r}")
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
        if name not in IN_RECIPES:
            raise no_such(f"step in the recipe {recipe}", name, IN_RECIPES)
    found = {}
    for name in IN_RECIPES:
        if name not in own and name != "compare":
            raise UserError(f"recipe {recipe} has no section {name}: write `{name}: {{}}` to take the defaults")
        defaults = mapping(content["defaults"].get(name), f"defaults: {name}")
        values = {**defaults, **mapping(own.get(name), f"recipe {recipe}: {name}")}
        try:
            found[name] = step.load(name).checked(values)
        except UserError as error:
            raise UserError(f"recipe {recipe}: {error}") from error
    return found


def mapping(value: Any, what: str) -> dict[str, Any]:
    """Return a mapping as it is, and nothing as an empty one.

    Raises:
        UserError: It is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{what} is `name: value` lines; received {value!r}")
    return value


def declared(content: dict[str, Any], noun: str) -> list[str]:
    """Return the names of the data sets or of the weights that there are.

    Raises:
        UserError: One is not in its registry, or has no source.
    """
    published = content[noun].get("published")
    if not isinstance(published, list):
        raise UserError(f"{noun}: published is a list of names; received {published!r}")
    own = mapping(content[noun].get("own"), f"{noun}: own")
    for name in published:
        if noun == "data" and name not in DATA_SETS:
            raise no_such("published data set", name, DATA_SETS)
        if noun == "weights":
            backbones.get(name)
    for name, entry in own.items():
        if not mapping(entry, f"{noun}: own: {name}").get("source"):
            raise UserError(f"{noun}: own: {name} has no source: give the path of a folder or file")
        if noun == "weights":
            backbones.get(entry.get("backbone"))
    return [*published, *own]


def check(content: dict[str, Any]) -> None:
    """Check every recipe, and that what is switched on uses a data set and weights that are declared.

    Raises:
        UserError: What is wrong, what was received, what would be right.
    """
    for name in content["defaults"]:
        if name not in IN_RECIPES:
            raise no_such("step in the defaults", name, IN_RECIPES)
    for recipe in content["recipes"]:
        completed(content, recipe)
    known = {noun: declared(content, noun) for noun in ("data", "weights")}
    for recipe, uses in content["active"].items():
        if recipe not in content["recipes"]:
            raise no_such("recipe", recipe, content["recipes"])
        for noun, names in known.items():
            used = mapping(uses, f"active: {recipe}").get(noun)
            if used not in names:
                raise no_such(f"{noun} of the recipe {recipe}", used, names)

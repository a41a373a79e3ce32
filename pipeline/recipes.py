"""Recipes: reading params.yaml, completing each recipe from the defaults, checking every value."""

from pathlib import Path
from typing import Any

import yaml

from components import STEPS, step
from components.errors import UserError, no_such

PARAMS = Path("params.yaml")
GIVEN_BY_STAGE = {"fetch", "fetch_weights"}


def read(file: Path = PARAMS) -> dict[str, Any]:
    """Return params.yaml as it stands.

    Raises:
        UserError: It is not there, or no YAML mapping.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no {file} here: run this in the repository's root") from None
    except yaml.YAMLError as error:
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
    steps = [name for name in STEPS if name not in GIVEN_BY_STAGE]
    own = content["recipes"][recipe] or {}
    for name in own:
        if name not in steps:
            raise no_such(f"step in the recipe {recipe}", name, steps)
    found = {}
    for name in steps:
        if name not in own and name != "compare":
            raise UserError(f"recipe {recipe} has no section {name}: write `{name}: {{}}` to take the defaults")
        values = {**content["defaults"].get(name, {}), **(own.get(name) or {})}
        try:
            found[name] = step.load(name).checked(values)
        except UserError as error:
            raise UserError(f"recipe {recipe}: {error}") from error
    return found


def check(content: dict[str, Any]) -> None:
    """Check every recipe, and that what is switched on uses a data set and weights that are declared.

    Raises:
        UserError: What is wrong, what was received, what would be right.
    """
    for recipe in content["recipes"]:
        completed(content, recipe)
    for recipe, uses in content["active"].items():
        if recipe not in content["recipes"]:
            raise no_such("recipe", recipe, content["recipes"])
        for noun in ("data", "weights"):
            known = [*content[noun]["published"], *(content[noun]["own"] or {})]
            if uses.get(noun) not in known:
                raise no_such(f"{noun} of the recipe {recipe}", str(uses.get(noun)), known)

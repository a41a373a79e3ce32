"""Recipes: each resolved to the values of every step, with what params.yaml says of it and what it takes over."""

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components import STEPS
from components.data.corrections import items_of
from components.machinery.parameters import read_yaml
from components.machinery.signature import load_step
from components.model.registry import MODELS
from components.system.errors import UserError, unknown_name
from pipeline.collection import COLLECTION, usable_names

PARAMS = Path("params.yaml")
PROBES = ("embed", "probe")  # the steps by which candidates are tried before there is a recipe of them
IN_RECIPES = [name for name in STEPS if name not in (*COLLECTION, *PROBES)]
TRAINING = [model.step for model in MODELS.values() if "seed" in load_step(model.step).parameters]
SHARED = "training"  # section of what all steps that train take
SECTIONS = [*IN_RECIPES, SHARED, "vary"]  # of a recipe

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
    """Return params.yaml as YAML reads it, without defaults filled in; its parts are checked, its recipes not yet.

    Raises:
        UserError: The file is not there, or a part is missing, or not what it may be.
    """
    content = read_yaml(file)
    check_parts(content, file)
    return content


def read_text(file: Path = PARAMS) -> str:
    """Return the text of params.yaml, its parts checked, with line ends as they are.

    Raises:
        UserError: The file is not there, or a part is missing, or not what it may be.
    """
    read(file)
    return file.read_bytes().decode()


def write_text(text: str, file: Path = PARAMS) -> None:
    """Replace params.yaml by this text, at once, so that a kill leaves the one or the other."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.write_bytes(text.encode())
    shutil.copymode(file, unfinished)
    unfinished.replace(file.resolve())


def check_parts(content: Any, file: Path = PARAMS) -> None:
    """Check the parts of params.yaml, but not what each recipe says.

    Raises:
        UserError: A part is missing, or not what it may be.
    """
    from pipeline import checking, schema  # pydantic, for which `python -m pipeline run` need not wait

    checking.parse(schema.Params, content, str(file))


def check(content: Mapping[str, Any]) -> None:
    """Check all of params.yaml but `cluster:` and whether sources exist: its parts, each recipe, those switched on.

    Raises:
        UserError: What is wrong, what was received, what would be right.
    """
    check_parts(content)
    for step, noun, key in (("fetch", "data", "max_quarantined"), ("fetch_weights", "weights", "stock")):
        load_step(step).parameters[key].read(noun, key, content[noun].get(key))
    for name in content["recipes"]:
        resolve(content, name)
    for name in content["active"]:
        require_name("recipe", name, content["recipes"])


def resolve(content: Mapping[str, Any], name: str) -> Recipe:
    """Return a recipe, checked, with every value: its own, else that of one it is like, else that of `defaults:`.

    Raises:
        UserError: There is no such recipe, or something in it is unknown, missing, or not what it may be.
    """
    entries = entries_of(content, name)
    try:
        values = {step: load_step(step).check_values(step_values(content, entries, step)) for step in IN_RECIPES}
        check_shared([*(content["defaults"].get(SHARED) or {}), *entries.get(SHARED, {})])
        check_sizes(values["split"])
        models = require_names("model", entries.get("models") or content["defaults"].get("models"), MODELS)
        vary = {step: read_arms(step, arms) for step, arms in entries.get("vary", {}).items()}
        if "ensemble" in models and len(vary.get("augment", {}).get("resize", [])) > 1:
            raise UserError(
                "vary: augment: resize: members of an ensemble see squares of one kind: leave one of both out"
            )
        return Recipe(
            name,
            require_name("data set", entries.get("data"), usable_names(content, "data")),
            require_names("network", entries.get("networks"), usable_names(content, "weights")),
            models,
            values,
            vary,
        )
    except UserError as error:
        raise UserError(f"recipe {name}: {error}") from error


def apply_changes(
    content: Mapping[str, Any], name: str, values: Mapping[str, Any] = {}, sweeps: Mapping[str, Sequence[Any]] = {}
) -> dict[str, Any]:
    """Return a copy of params.yaml's content with other values in a recipe, and with values to try side by side.

    The recipe there has the entries of those it is like filled in. A sweep takes the place of values that it varies
    itself. Names of parameters, and values, are not checked.

    Args:
        content: All of params.yaml.
        name: The recipe.
        values: By `STEP.PARAMETER`.
        sweeps: By `STEP.PARAMETER`.

    Raises:
        UserError: There is no such recipe or step, or a parameter is set and swept or varied.
    """
    entries = entries_of(content, name)
    vary = {step: dict(arms or {}) for step, arms in entries.get("vary", {}).items()}
    for address, value in values.items():
        if address in sweeps:
            raise UserError(f"{address} is set and swept: do one of both")
        section, _, parameter = address.partition(".")
        if parameter in vary.get(section, {}):
            raise UserError(f"{address} is set, and {name} varies it: do one of both")
        require_name(f"step in the recipe {name}", section, SECTIONS[:-1])
        entries[section] = {**entries.get(section, {}), parameter: value}
    for address, several in sweeps.items():
        section, _, parameter = address.partition(".")
        vary.setdefault(section, {})[parameter] = several
    return {**content, "recipes": {**content["recipes"], name: {**entries, "vary": vary}}}


def entries_of(content: Mapping[str, Any], name: str, likes: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a recipe's entries, merged over those of the recipes that it, or a section, is like; without defaults.

    Sections are merged parameter by parameter; every other entry is taken whole. No `like` is left.

    Args:
        content: All of params.yaml.
        name: The recipe.
        likes: The recipes that are like it, one like the next.

    Raises:
        UserError: There is no such recipe, its entries are not what they may be, or it is in the end like itself.
    """
    from pipeline import checking, schema

    require_name("recipe", name, content["recipes"])
    if name in likes:
        raise UserError(f"recipe {name} is like itself: {' is like '.join([*likes, name])}")
    lines = content["recipes"][name]
    written = checking.parse(schema.Entries, {} if lines is None else lines, f"recipe {name}").written_values()
    like = written.pop("like", None)
    entries = {} if like is None else entries_of(content, like, (*likes, name))
    for entry, value in written.items():
        if entry in SECTIONS:
            other = value.get("like")
            base = entries if other is None else entries_of(content, other, (*likes, name))
            entries[entry] = {**base.get(entry, {}), **{key: one for key, one in value.items() if key != "like"}}
        else:
            entries[entry] = value
    return entries


def step_values(content: Mapping[str, Any], recipe: Mapping[str, Any], step: str) -> dict[str, Any]:
    """Return a step's unchecked values by parameter: a recipe's over those of `defaults:`, each over its `training`.

    Only steps that train take what is shared, and of that their own parameters.
    """
    parameters = load_step(step).parameters
    values: dict[str, Any] = {}
    for sections in (content["defaults"], recipe):
        if step in TRAINING:
            values |= {key: value for key, value in (sections.get(SHARED) or {}).items() if key in parameters}
        values |= sections.get(step) or {}
    return values


def correction_lists(content: Mapping[str, Any]) -> list[str]:
    """Return the paths of the lists of corrections that recipes name, in order, each once; [] without any.

    Args:
        content: All of params.yaml, checked.
    """
    values: list[Any] = []
    for name in content["recipes"]:
        entries = entries_of(content, name)
        values.append(step_values(content, entries, "split").get("corrections"))
        values += entries.get("vary", {}).get("split", {}).get("corrections", [])
    return list(dict.fromkeys(path for value in values for path in items_of(value) if isinstance(path, str)))


def read_arms(step: str, arms: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Return the list of values to try of each varied parameter of a step, in order, each as its parameter's type.

    Raises:
        UserError: There is no such parameter, it is `repeats`, a value is not what it may be, or is there twice.
    """
    parameters, values_of = load_step(step).parameters, {}
    for key, values in arms.items():
        require_name(f"parameter of {step}", key, parameters)
        if key == "repeats":
            raise UserError(f"vary: {step}: repeats are trainings of one way, no choice: give their number alone")
        values_of[key] = [parameters[key].read("vary", f"{step}.{key}", value) for value in values]
        for value in values_of[key]:
            if values_of[key].count(value) > 1:
                raise UserError(f"vary: {step}: {key} has {value} twice")
    return values_of


def require_name(noun: str, name: Any, names: Iterable[str]) -> str:
    """Return a name unchanged if it is one of several; else raise.

    Raises:
        UserError: It is not.
    """
    if name not in list(names):
        raise unknown_name(noun, name, names)
    return name


def require_names(noun: str, chosen: Sequence[str] | None, names: Collection[str]) -> tuple[str, ...]:
    """Return the chosen names as a tuple, in order, if there is one at least and each is known; else raise.

    Raises:
        UserError: They are not.
    """
    if not chosen:
        raise UserError(f"no {noun} is named: give a list of one or more, `{noun}s: [NAME]`")
    return tuple(require_name(noun, name, names) for name in chosen)


def check_shared(keys: Iterable[str]) -> None:
    """Check that every key of the section `training` is a parameter of one or more steps that train.

    Raises:
        UserError: It is not.
    """
    parameters = sorted({key for step in TRAINING for key in load_step(step).parameters})
    for key in keys:
        require_name(f"parameter of {SHARED}", key, parameters)


def check_sizes(split: Mapping[str, Any]) -> None:
    """Check that those sizes of a split that are below 1, fractions of the images, add up to 1 at most.

    A published split passes; of several folds only `validation` counts.

    Raises:
        UserError: They add up to more.
    """
    if split["method"] == "published":
        return
    parts = ("validation",) if split["folds"] > 1 else ("train", "validation", "test")
    fractions = {part: split[part] for part in parts if split[part] < 1}
    if sum(fractions.values()) > 1 + 1e-9:
        listed = " + ".join(f"{part} {size:g}" for part, size in fractions.items())
        raise UserError(
            f"split: {listed} = {sum(fractions.values()):g} of the images: give fractions that come to 1 or less"
        )

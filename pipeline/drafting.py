"""Drafts of recipes: a data set of one's own is looked at, and added to the text of params.yaml with a recipe."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import yaml

from components.data.datasets import DATA_SETS
from components.system.errors import UserError
from pipeline import editing, looking, recipes
from pipeline.collection import declarations

NETWORK = "mobilenet_v2"  # small and fast
ENDINGS = r"(\.tar|\.tar\.gz|\.tgz|\.zip)?(#.*)?$"  # of archives, and of addresses


class Draft(NamedTuple):
    """A recipe that may be written into params.yaml.

    Args:
        text: That of params.yaml with the recipe.
        name: Of the recipe and of its data set.
        networks: Its pretrained networks.
        others: The other recipes that are switched on.
        images: How many readable images the data set has.
    """

    text: str
    name: str
    networks: Sequence[str]
    others: Sequence[str]
    images: int


def draft_recipe(text: str, source: str, name: str, networks: Sequence[str], assignments: Mapping[str, str]) -> Draft:
    """Print what a data set holds; return a Draft of a recipe for it, with params.yaml's text; write nothing.

    Args:
        text: That of params.yaml, which is valid.
        source: A folder, an archive or an address.
        name: Of the data set and the recipe; if empty, it is made from the source.
        networks: Pretrained networks; if empty, mobilenet_v2.
        assignments: Values that are not the default, by `STEP.PARAMETER`.

    Raises:
        UserError: The name is taken, a network or a value is unknown, or a step refuses the data set.
    """
    content = yaml.safe_load(text)
    networks = networks or [NETWORK]
    name = name or name_of(source)
    if name in {*(content["recipes"] or {}), *declarations(content, "data"), *DATA_SETS}:
        raise UserError(f"there is a recipe or a data set {name} already: give another name, `--name`")

    def insert(chosen: recipes.Values) -> str:
        steps = {step: values for step, values in chosen.items() if step != "fetch"}
        fetched = {"source": source, **chosen.get("fetch", {})}
        return editing.insert_recipe(text, name, fetched, {"networks": networks, **steps})

    recipes.check(yaml.safe_load(insert({})))
    look = looking.look_at(content, source, assignments)
    return Draft(insert(look.values), name, networks, content["active"], look.images)


def name_of(source: str) -> str:
    """Return a data set's name of A-Z, a-z, 0-9, _ and -: `my_pets` for `/data/my pets.zip`; raise if nothing is left.

    It is made of the last part of its path or address.

    Raises:
        UserError: Nothing is left of it.
    """
    last = re.sub(ENDINGS, "", source.rstrip("/")).rpartition("/")[2]
    letters = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    if name := re.sub(r"[^\w-]+", "_", letters).strip("_-"):
        return name
    raise UserError(f"no name can be made from {source!r}: give one, `--name`")

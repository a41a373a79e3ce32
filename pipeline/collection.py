"""Data sets and weights: the names that a recipe may use, and the parameters of the steps that bring them in."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from components.data.datasets import DATA_SETS
from components.data.labelled_files import join_names
from components.data.sources import is_versioned
from components.model.backbones import BACKBONES
from components.model.backbones.hub_folders import PRESET
from components.model.backbones.keras_file import ENDING

COLLECTION = ("fetch", "fetch_weights")  # the steps that bring data sets and weights in
REGISTRIES: dict[str, Iterable[str]] = {"data": DATA_SETS, "weights": BACKBONES}
RANDOM = "random_"  # before a backbone's name: its weights as drawn at random


def declarations(content: Mapping[str, Any], noun: str) -> dict[str, dict[str, Any]]:
    """Return the entries under `own:` of `data` or `weights`, by name; {} without any.

    Where `backbone` is the path of a `.keras` file, the entry's `backbone` is its name and its `source` that path.
    """
    entries = {name: dict(lines or {}) for name, lines in (content[noun].get("own") or {}).items()}
    for lines in entries.values():
        path = lines.get("backbone", "")
        if noun == "weights" and path.endswith(ENDING):
            lines["backbone"] = path.rpartition("/")[2]
            lines.setdefault("source", path)
    return entries


def usable_names(content: Mapping[str, Any], noun: str) -> list[str]:
    """Return all names that a recipe may use: declared, then in the registry, then for `weights` `random_BACKBONE`."""
    registry = REGISTRIES[noun]
    random = [RANDOM + name for name in registry] if noun == "weights" else []
    return [*declarations(content, noun), *registry, *random]


def fetch_values(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what `fetch` takes: `data_set`, `max_quarantined` or None, what is declared, or `source: published`."""
    declaration = declarations(content, "data").get(name) or {"source": "published"}
    texts = {key: join_names(value) if isinstance(value, list) else value for key, value in declaration.items()}
    return {"data_set": name, "max_quarantined": content["data"].get("max_quarantined"), **texts}


def weights_values(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return `backbone`, `source`, `stock` for `fetch_weights`, as declared, else from `random` or `imagenet` by name.

    Any name that is not declared is taken for a backbone's weights; `stock` is `leave` for its random ones.
    """
    stock = content["weights"].get("stock")
    if declaration := declarations(content, "weights").get(name):
        return {"stock": stock, **declaration}
    if name.startswith(RANDOM):
        return {"backbone": name.removeprefix(RANDOM), "source": "random", "stock": "leave"}
    return {"backbone": name, "source": "imagenet", "stock": stock}


def local_source(content: Mapping[str, Any], noun: str, name: str) -> str:
    """Return the path that `own:` in params.yaml declares for data or weights; "" for what is downloaded, or if none.

    Whether something is at the path is not checked.

    Args:
        content: All of params.yaml.
        noun: `data` or `weights`.
        name: Of the data set or the weights.
    """
    source = declarations(content, noun).get(name, {}).get("source", "")
    return "" if re.match(rf"\w+://|git\+|{PRESET}", source) else source


def weights_kind(content: Mapping[str, Any], name: str) -> str:
    """Return `folder` if declared weights are of a backbone that is read from one, such as `dinov2`; else `file`."""
    entry = BACKBONES.get(declarations(content, "weights")[name].get("backbone", ""))
    return "folder" if entry and entry.from_folder else "file"


def is_dependency(noun: str, source: str) -> bool:
    """Return True for weights at a plain relative path, which DVC depends on; False for others and all data sets."""
    return noun == "weights" and is_versioned(source)

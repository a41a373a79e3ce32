"""The registry of backbones: networks without their top, and the facts that belong to each."""

from typing import TYPE_CHECKING

from components.model.backbones.applications import APPLICATIONS
from components.model.backbones.hub_families import HUB
from components.model.backbones.keras_file import ENDING, KerasFile
from components.model.backbones.protocol import Backbone
from components.system.errors import unknown_name

if TYPE_CHECKING:
    from components.data.artifacts import Weights

BACKBONES: dict[str, Backbone] = {**APPLICATIONS, **HUB}


def get(name: str) -> Backbone:
    """Return the registry's backbone of that name; for one that ends in `.keras` a `KerasFile` without size or network.

    Raises:
        UserError: There is none.
    """
    if name.endswith(ENDING):
        return KerasFile(image_size=0, scale=1.0, offset=0.0)
    if name not in BACKBONES:
        raise unknown_name("backbone", name, BACKBONES)
    return BACKBONES[name]


def entry_of(weights: "Weights") -> Backbone:
    """Return the Backbone of an artifact of weights: its registry entry, completed by the artifact's own description.

    Raises:
        UserError: There is no such backbone, or the description is damaged.
    """
    return get(weights.facts.backbone).described_by(weights)

"""What results are called where they are shown: that alone knows the recipe's name, and how names are put together.

A model compared is called after its entry in the registry, the network where there are several, and the parameters that
tell it from others: `fine_tuned, mobilenet_v2 learning_rate=0.0001`.
"""

import hashlib
import re
from collections.abc import Sequence

from components.data.artifacts import Classifier, Report

LONGEST = 80  # characters of a folder's name


def model_title(made: Classifier | Report, recipe: str = "", name: str = "") -> str:
    """Return what a model is called: its recipe or its data set, and which model it is, as in `digits, top`.

    Args:
        made: The model, or the report on it.
        recipe: The recipe; if not given, that of the record of its making.
        name: What it is called among those that it is compared with, if it is.
    """
    facts = made.facts
    averaged = ", views averaged" if facts.get("views") == "averaged" else ""
    alone = name in ("", facts["model"])
    return f"{recipe or made.record.recipe or facts['data_set']}, {facts['model'] + averaged if alone else name}"


def model_name(model: str, network: str, parameters: Sequence[str]) -> str:
    """Return what a model is called among others.

    Args:
        model: Its name in the registry.
        network: The pretrained network, or nothing.
        parameters: What tells it from others of the same model and network, as `learning_rate=0.0001`.
    """
    return " ".join([", ".join(filter(None, (model, network))), *parameters])


def model_of(name: str) -> str:
    """Return the name in the registry of the model that a name begins with."""
    return name.replace(",", " ").split()[0]


def arm_of(name: str) -> str:
    """Return what a name says behind the model's: the network, the parameters."""
    return name.removeprefix(model_of(name)).lstrip(", ")


def name_parts(name: str) -> list[str]:
    """Return the parts of a name: the model with its network, then each parameter."""
    return re.split("(?<!,) ", name)


def folder_name(name: str) -> str:
    """Return a name that a folder can have: letters, digits and `_.=+-,`; another one for another name."""
    safe = re.sub(r"[^A-Za-z0-9_.=+, -]", "_", name)[:LONGEST].lstrip("., ").replace(", ", ",").replace(" ", ",")
    model, *others = safe.split(",")
    network = others.pop(0) if others and "=" not in others[0] else ""
    if model_name(model, network, others) == name:
        return safe
    return f"{safe}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"

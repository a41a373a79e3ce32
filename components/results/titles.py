"""Names of models: how they are put together from model, network and parameters, and taken apart again.

A compared model is named by its entry in the registry, the network where there are several, and the parameters that
distinguish it from others: `fine_tuned, mobilenet_v2 learning_rate=0.0001`.
"""

import hashlib
import re
from collections.abc import Sequence

from components.data.artifacts import UNTRAINED, Classifier, ForecastFacts, ModelFacts, ProbeFacts, Report
from components.model.registry import MODELS

LONGEST = 80  # characters of a folder's name


def model_title(artifact: Classifier | Report, recipe: str = "", name: str = "") -> str:
    """Return a model's title: `RECIPE, NAME`, else `DATA SET, NAME`; `, onnx int8` and the like may follow.

    A report that averages views and goes by its model alone has `, views averaged` behind it, one on a written file
    its format and precision, as in `, onnx int8`.

    Args:
        artifact: The model, or the report on it.
        recipe: The recipe; by default that of the artifact's record.
        name: Its name among the models that it is compared with, if there are any.
    """
    facts = artifact.facts
    full_name = facts.model + served_as(artifact) if name in ("", facts.model) else name
    return f"{recipe or artifact.record.recipe or facts.data_set}, {full_name}"


def served_as(artifact: Classifier | Report) -> str:
    """Return `, views averaged` of a model whose views are averaged, `, onnx int8` of a written file; "" of others."""
    facts = artifact.facts
    is_averaged = facts.averaged_views or (isinstance(artifact, Report) and artifact.facts.views == "averaged")
    averaged = ", views averaged" if is_averaged else ""
    return averaged if facts.file_format == "keras" else f"{averaged}, {facts.file_format} {facts.file_precision}"


def network_name(facts: ModelFacts | ProbeFacts | ForecastFacts) -> str:
    """Return the backbone behind a model, or `random_BACKBONE` where its weights were drawn at random; "" for none."""
    return f"random_{facts.backbone}" if facts.weights_license == UNTRAINED else facts.backbone


def model_name(model: str, network: str, parameters: Sequence[str]) -> str:
    """Return the name of a model among others, such as `fine_tuned, mobilenet_v2 learning_rate=0.0001`.

    Args:
        model: Its name in the registry.
        network: The pretrained network, or nothing.
        parameters: Those that distinguish it from others of the same model and network, as `learning_rate=0.0001`.
    """
    return " ".join([", ".join(filter(None, (model, network))), *parameters])


def has_chance(name: str) -> bool:
    """Return whether another training of a model, given by its name among others, could come out otherwise."""
    return MODELS[model_of(name)].has_chance


def model_of(name: str) -> str:
    """Return the model of the registry that a name begins with: its first word, without a comma."""
    return name.replace(",", " ").split()[0]


def arm_of(name: str) -> str:
    """Return the rest of a name after the model: the network and the parameters; empty where it has none."""
    return name.removeprefix(model_of(name)).lstrip(", ")


def name_parts(name: str) -> list[str]:
    """Return the parts of a name: first the model with its network, `fine_tuned, mobilenet_v2`, then each parameter."""
    return re.split("(?<!,) ", name)


def folder_name(name: str) -> str:
    """Return a model's name as a folder's, `fine_tuned,mobilenet_v2`; with `-` and 8 digits if it cannot be read back.

    What a folder's name may not have is `_`, a blank `,`.

    So no two names have the same. It has letters, digits and `_.=+-,`; before the digest it is cut to `LONGEST`.
    """
    safe = re.sub(r"[^A-Za-z0-9_.=+, -]", "_", name)[:LONGEST].lstrip("., ").replace(", ", ",").replace(" ", ",")
    model, *others = safe.split(",")
    network = others.pop(0) if others and "=" not in others[0] else ""
    if model_name(model, network, others) == name:
        return safe
    return f"{safe}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"

"""The name of the model that a step makes; apart from the registry, whose colours must not count as training code."""

from components.model.registry import MODELS


def model_name(step: str) -> str:
    """Return the name of the model that a step makes."""
    return next(name for name, model in MODELS.items() if model.step == step)

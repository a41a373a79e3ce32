"""What a step calls the model that it makes: apart from the registry, since a colour there changes no training."""

from components.model.registry import MODELS


def name_of(step: str) -> str:
    """Return the name of the model that a step makes."""
    return next(name for name, model in MODELS.items() if model.step == step)

"""The name of the model that a step makes; apart from the registry, whose colours must not count as training code."""

from components.model.registry import MODELS


def model_of_step(step: str) -> str:
    """Return the name in `MODELS` of the model that a training step makes, such as `top` for `train_top`."""
    return next(name for name, model in MODELS.items() if model.step == step)

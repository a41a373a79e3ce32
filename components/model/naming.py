"""The name of the model that a step makes; apart from the registry, whose colours must not count as training code."""

from components.model.registry import MODELS


def model_name(step: str) -> str:
    """Return the name in `MODELS` of the one that a step makes, such as `top` for `train_top`; it must make one."""
    return next(name for name, model in MODELS.items() if model.step == step)

"""The registry of optimizers: the class of `keras.optimizers` and what it is given beside the learning rate."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "adam": ("Adam", {}),
    "rmsprop": ("RMSprop", {}),
    "sgd": ("SGD", {"momentum": 0.9}),
}


def build(name: str, learning_rate: float) -> "keras.Optimizer":
    """Return a new optimizer of the registry."""
    import keras

    kind, options = OPTIMIZERS[name]
    return getattr(keras.optimizers, kind)(learning_rate, **options)

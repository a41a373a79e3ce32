"""The registry of heads: from pooled features to one logit a class."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def linear(channels: int, classes: int, dropout: float) -> "keras.Model":
    """Dropout and one dense layer: multinomial logistic regression where dropout is 0."""
    import keras

    inputs = keras.Input((channels,))
    x = keras.layers.Dropout(dropout)(inputs)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="head")


def hidden(channels: int, classes: int, dropout: float) -> "keras.Model":
    """One hidden layer of 64 rectified units, dropout, and the logits."""
    import keras

    inputs = keras.Input((channels,))
    x = keras.layers.Dense(64, activation="relu", name="hidden")(inputs)
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="head")


HEADS: dict[str, Callable[[int, int, float], "keras.Model"]] = {"linear": linear, "hidden": hidden}


def build(name: str, channels: int, classes: int, dropout: float) -> "keras.Model":
    """Return a new head of the registry: pooled features (batch, channels) to logits (batch, classes)."""
    return HEADS[name](channels, classes, dropout)

"""The registry of heads: from a backbone's features to one logit a class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.system.errors import UserError

if TYPE_CHECKING:
    import keras


def linear(shape: tuple[int, ...], classes: int, dropout: float) -> "keras.Model":
    """Dropout and one dense layer: multinomial logistic regression where dropout is 0."""
    import keras

    inputs = keras.Input(shape)
    x = keras.layers.Dropout(dropout)(inputs)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="head")


def hidden(shape: tuple[int, ...], classes: int, dropout: float) -> "keras.Model":
    """One hidden layer of 64 rectified units, dropout, and the logits."""
    import keras

    inputs = keras.Input(shape)
    x = keras.layers.Dense(64, activation="relu", name="hidden")(inputs)
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="head")


def conv(shape: tuple[int, ...], classes: int, dropout: float) -> "keras.Model":
    """Convolutions of 32 and 64 channels, each with pooling, dropout between them, and 128 rectified units."""
    import keras

    inputs = keras.Input(shape)
    x = keras.layers.Conv2D(32, 3, padding="same", activation="relu", name="conv1")(inputs)
    x = keras.layers.MaxPooling2D(2, padding="same", name="pool1")(x)
    x = keras.layers.Dropout(dropout)(x)
    x = keras.layers.Conv2D(64, 3, padding="same", activation="relu", name="conv2")(x)
    x = keras.layers.MaxPooling2D(2, padding="same", name="pool2")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(128, activation="relu", name="hidden")(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="head")


@dataclass(frozen=True)
class Head:
    """One head.

    Args:
        network: Takes the shape of the features of one image, the number of classes and the share of dropout.
        pooling: The pooling of `extract` that gives the features it takes.
    """

    network: Callable[[tuple[int, ...], int, float], "keras.Model"]
    pooling: str


HEADS = {
    "linear": Head(linear, "average"),
    "hidden": Head(hidden, "average"),
    "conv": Head(conv, "none"),
}


def build(name: str, pooling: str, shape: tuple[int, ...], classes: int, dropout: float) -> "keras.Model":
    """Return a new head of the registry: features (batch, *shape) to logits (batch, classes).

    Raises:
        UserError: The head takes features of another pooling.
    """
    head = HEADS[name]
    if head.pooling != pooling:
        fitting = " or ".join(other for other, entry in HEADS.items() if entry.pooling == pooling)
        raise UserError(
            f"the head {name!r} takes features of `extract: {{pooling: {head.pooling}}}`; received {pooling}: "
            f"extract them so, or take the head {fitting}"
        )
    return head.network(shape, classes, dropout)

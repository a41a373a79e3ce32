"""The registry of heads: from a backbone's features to one logit a class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.system.errors import UserError

if TYPE_CHECKING:
    import keras


def linear_head(shape: tuple[int, ...], classes: int, dropout: float) -> "keras.Model":
    """Return a head of dropout, then one dense layer to logits: multinomial logistic regression where dropout is 0."""
    import keras

    inputs = keras.Input(shape)
    x = keras.layers.Dropout(dropout)(inputs)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="head")


def hidden_layer_head(shape: tuple[int, ...], classes: int, dropout: float) -> "keras.Model":
    """Return a head of 64 rectified units, then dropout, then one dense layer to logits."""
    import keras

    inputs = keras.Input(shape)
    x = keras.layers.Dense(64, activation="relu", name="hidden")(inputs)
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="head")


def convolutional_head(shape: tuple[int, ...], classes: int, dropout: float) -> "keras.Model":
    """Return a head of two convolutions, each with max-pooling, dropout between them, 128 rectified units, and logits.

    The convolutions are 3 x 3, of 32 and 64 channels.
    """
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
    """An entry of the registry: how a head is built, and which features it takes.

    Args:
        network: Takes the shape of the features of one image, the number of classes and the share of dropout; returns
            the head.
        pooling: The pooling of `extract` that gives such features.
    """

    network: Callable[[tuple[int, ...], int, float], "keras.Model"]
    pooling: str


HEADS = {
    "linear": Head(linear_head, "average"),
    "hidden": Head(hidden_layer_head, "average"),
    "conv": Head(convolutional_head, "none"),
}


def build(name: str, pooling: str, shape: tuple[int, ...], classes: int, dropout: float) -> "keras.Model":
    """Return a new head of the registry, from features (batch, *shape) of the pooling that it takes to logits.

    Args:
        name: Which one.
        pooling: The pooling of the features.
        shape: Of the features of one image.
        classes: Number of classes.
        dropout: Share of the features that are left out at random in training, in [0, 1).

    Raises:
        UserError: The head takes features of another pooling.
    """
    head = HEADS[name]
    if (head.pooling == "none") != (pooling == "none"):
        alternatives = " or ".join(
            other for other, entry in HEADS.items() if (entry.pooling == "none") == (pooling == "none")
        )
        raise UserError(
            f"the head {name!r} takes features of `extract: {{pooling: {head.pooling}}}`; received {pooling}: "
            f"extract them so, or take the head {alternatives}"
        )
    return head.network(shape, classes, dropout)

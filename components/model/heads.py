"""The registry of heads: from a backbone's features to one logit a class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.system.errors import UserError

if TYPE_CHECKING:
    import keras


def linear_head(shape: tuple[int, ...], classes: int, dropout: float, width: int, depth: int) -> "keras.Model":
    """Return a head of dropout, then one dense layer to logits: multinomial logistic regression where dropout is 0.

    Width and depth are ignored.
    """
    import keras

    inputs = keras.Input(shape)
    x = keras.layers.Dropout(dropout)(inputs)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="head")


def hidden_layer_head(shape: tuple[int, ...], classes: int, dropout: float, width: int, depth: int) -> "keras.Model":
    """Return a head of `depth` layers of `width` rectified units, each with dropout behind it, and logits."""
    import keras

    x = inputs = keras.Input(shape)
    for number in range(1, depth + 1):
        x = keras.layers.Dense(width, activation="relu", name="hidden" if number == 1 else f"hidden{number}")(x)
        x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="head")


def convolutional_head(shape: tuple[int, ...], classes: int, dropout: float, width: int, depth: int) -> "keras.Model":
    """Return a head of 3 x 3 convolutions, each with max-pooling, then 2 * `width` rectified units, and logits.

    The first convolution has half of `width` channels and dropout behind it; `depth` more have `width`.
    """
    import keras

    x = inputs = keras.Input(shape)
    for number in range(1, depth + 2):
        channels = width if number > 1 else (width + 1) // 2
        x = keras.layers.Conv2D(channels, 3, padding="same", activation="relu", name=f"conv{number}")(x)
        x = keras.layers.MaxPooling2D(2, padding="same", name=f"pool{number}")(x)
        if number == 1:
            x = keras.layers.Dropout(dropout)(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(2 * width, activation="relu", name="hidden")(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="head")


@dataclass(frozen=True)
class Head:
    """An entry of the registry: how a head is built, and which features it takes.

    Args:
        network: Takes the shape of the features of one image, the number of classes, the share of dropout, width and
            depth; returns the head.
        pooling: The pooling of `extract` that gives such features.
    """

    network: Callable[[tuple[int, ...], int, float, int, int], "keras.Model"]
    pooling: str


HEADS = {
    "linear": Head(linear_head, "average"),
    "hidden": Head(hidden_layer_head, "average"),
    "conv": Head(convolutional_head, "none"),
}


def build(
    name: str, pooling: str, shape: tuple[int, ...], classes: int, dropout: float, width: int = 64, depth: int = 1
) -> "keras.Model":
    """Return a new head of the registry, features (batch, *shape) to logits; refuse a pooling that it does not take.

    Args:
        name: Which one.
        pooling: The pooling of the features.
        shape: Of the features of one image.
        classes: Number of classes.
        dropout: Share of the features that are left out at random in training, in [0, 1).
        width: Of a head with hidden layers.
        depth: Of such a head.

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
    return head.network(shape, classes, dropout, width, depth)

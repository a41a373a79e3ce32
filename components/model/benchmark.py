"""The registry of benchmark networks, which are trained from scratch on the same images."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from components.system.errors import UserError

if TYPE_CHECKING:
    import keras


def cnn(image_size: int, classes: int, width: int, stages: int) -> "keras.Model":
    """Return a network to logits: a 3 x 3 convolution and max-pooling a stage; channels double, `width` to 8 times it.

    Dropout of 0.5, 0.4 and 0.3 follows the last three stages, then global average pooling. Width 64 and five stages at
    224 pixels make the network of the KTH animals study; unlike there, pixels are centred and weights start as He et
    al. draw them (arXiv 1502.01852), without which it does not learn photographs of one subject on a bright ground.

    Raises:
        UserError: The images are too small for so many stages.
    """
    import keras

    if image_size < 2**stages:
        raise UserError(f"{stages} stages of the benchmark need images of {2**stages} pixels; received {image_size}")
    inputs = keras.Input((image_size, image_size, 3))
    x = inputs
    for stage in range(stages):
        channels = width * min(2**stage, 8)
        x = keras.layers.Conv2D(
            channels, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=f"conv{stage + 1}"
        )(x)
        x = keras.layers.MaxPooling2D(2, name=f"pool{stage + 1}")(x)
        if stage >= stages - 3:
            x = keras.layers.Dropout((0.5, 0.4, 0.3)[stage - (stages - 3)])(x)
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="benchmark")


def perceptron(image_size: int, classes: int, width: int, stages: int) -> "keras.Model":
    """Return one dense layer from pixels to logits, the groceries study's baseline; width and stages are ignored."""
    import keras

    inputs = keras.Input((image_size, image_size, 3))
    x = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="benchmark")


NETWORKS: dict[str, Callable[[int, int, int, int], "keras.Model"]] = {"cnn": cnn, "perceptron": perceptron}


def build(name: str, image_size: int, classes: int, width: int, stages: int) -> "keras.Model":
    """Return a new network of the registry: RGB in [-1, 1], (batch, size, size, 3), to logits, (batch, classes).

    Args:
        name: Which one.
        image_size: Pixels a side.
        classes: Number of classes.
        width: Channels of the first stage.
        stages: Number of stages, three or more.

    Raises:
        UserError: The images are too small for so many stages.
    """
    return NETWORKS[name](image_size, classes, width, stages)

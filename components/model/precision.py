"""The precision that a frozen network computes in, and a copy of a network that computes its long sums in bfloat16."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

PRECISIONS = ("float32", "bfloat16", "auto")


def to_bfloat16(network: "keras.Model", min_products: int) -> "keras.Model":
    """Return a copy of a network with the long sums of convolutions and dense layers in bfloat16; the rest is float32.

    Weights, and what gains nothing from bfloat16 and rounds the most, such as batch normalisation and convolutions by
    channel, stay as they are. Long sums inside a layer, such as a block of a transformer, are in bfloat16, too, and
    what adds to its input in float32.

    Args:
        network: A functional network in float32.
        min_products: The fewest products that a convolution or a dense layer sums up for it to be a long sum.
    """

    import keras

    def clone_layer(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if products(layer) >= min_products:
            config["dtype"] = "mixed_bfloat16"
        return type(layer).from_config(config)

    copy = keras.models.clone_model(network, clone_function=clone_layer)
    copy.set_weights(network.get_weights())
    for block in copy.layers:
        for layer in block._flatten_layers():
            if not layer._trainable_variables:  # else it may add one, in float32, to what a part of it computes
                for part in layer._flatten_layers(include_self=False, recursive=False):
                    if products(part) >= min_products:
                        part.dtype_policy = "mixed_bfloat16"
    return copy


def products(layer: "keras.Layer") -> int:
    """Return how many products an output of Conv2D, Dense or EinsumDense sums up; 0 of other layers, also depthwise."""
    import keras

    if isinstance(layer, keras.layers.EinsumDense):
        operands, output = layer.equation.split("->")
        letters = zip(operands.split(",")[1], layer.kernel.shape, strict=True)
        return math.prod(size for letter, size in letters if letter not in output)
    if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
        return math.prod(layer.kernel.shape[:-1])
    return 0

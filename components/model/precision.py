"""The precision that a frozen network computes in, and a copy of a network that computes its long sums in bfloat16."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

PRECISIONS = ("float32", "bfloat16", "auto")


def to_bfloat16(network: "keras.Model", min_products: int) -> "keras.Model":
    """Return a copy whose long sums, of convolutions and dense layers, are in bfloat16; weights and rest stay float32.

    The rest, such as batch normalisation and convolutions by channel, gains nothing from it and rounds the most.

    Args:
        network: A functional network in float32.
        min_products: The fewest products that a convolution or a dense layer sums up for it to be a long sum.
    """

    import keras

    def copy_layer(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        sums = isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
        if sums and math.prod(layer.kernel.shape[:-1]) >= min_products:
            config["dtype"] = "mixed_bfloat16"
        return type(layer).from_config(config)

    copy = keras.models.clone_model(network, clone_function=copy_layer)
    copy.set_weights(network.get_weights())
    return copy

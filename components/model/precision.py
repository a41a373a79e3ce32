"""In which precision a frozen network computes."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

ASKED = ("float32", "bfloat16", "auto")


def in_bfloat16(network: "keras.Model", products: int) -> "keras.Model":
    """Return a copy whose long sums are computed in bfloat16, from weights kept in float32; the rest is as it was.

    The rest, such as batch normalisation and convolutions by channel, gains nothing from it and rounds the most.

    Args:
        network: A functional network in float32.
        products: The fewest products that a convolution or a dense layer sums up for it to be a long sum.
    """

    import keras

    def copied(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        sums = isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
        if sums and math.prod(layer.kernel.shape[:-1]) >= products:
            config["dtype"] = "mixed_bfloat16"
        return type(layer).from_config(config)

    copy = keras.models.clone_model(network, clone_function=copied)
    copy.set_weights(network.get_weights())
    return copy

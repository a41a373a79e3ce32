"""Multiply-adds of networks, counted from their layers: what a training step costs at least."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def forward(layer: "keras.Layer") -> int:
    """Return the multiply-adds of one image through a 2D convolution or a dense layer; 0 for any other layer."""
    import keras

    if isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.Conv2D):
        outputs = math.prod(layer.output.shape[1:])
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            return outputs * math.prod(layer.kernel_size)
        return outputs * math.prod(layer.kernel.shape[:-1])
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.output.shape[1:]) * layer.kernel.shape[0]
    return 0


def trainable(layers: "Sequence[keras.Layer]", first: str) -> list[int]:
    """Return the multiply-adds of each layer from the one named `first` on, in order; layers without are left out."""
    names = [layer.name for layer in layers]
    return [cost for layer in layers[names.index(first) :] if (cost := forward(layer))]


def floor(network: "keras.Model", first: str) -> float:
    """Return the multiply-adds of a training step on the whole network, divided by those on its layers from `first` on.

    The layers before `first` are not trained: both go forward and backward through those after, one also forward
    through them. Backward, every trainable layer costs as much as forward for the gradients by its weights, and again
    for those by its inputs, which the first of them does not need.
    """
    costs = trainable(network.layers, first)
    backward = 2 * sum(costs) - costs[0]
    return (sum(map(forward, network.layers)) + backward) / (sum(costs) + backward)

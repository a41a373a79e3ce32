"""What a network takes up, from its shapes alone: what is stored of each view, its weights, what training holds."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from components.model.backbones import Backbone

NUMBER = 4  # bytes of float32


@dataclass(frozen=True)
class Footprint:
    """The sizes of a backbone that is cut for fine-tuning.

    Args:
        features: Shape of the features of a view.
        at_cut: Shape of a view's tensor at the cut; None where all layers are trained, and views are what is stored.
        parameters: How many it has.
        trained: How many of them are trained.
        held: Numbers that a training step has to keep of each image, at the least: the inputs of the trained layers,
            for their gradients.
    """

    features: tuple[int, ...]
    at_cut: tuple[int, ...] | None
    parameters: int
    trained: int
    held: int

    def training_bytes(self, batch_size: int, frozen: bool) -> int:
        """Return the bytes of memory that a step of training takes at the least: weights, gradients, layers' inputs.

        Args:
            batch_size: Images a batch.
            frozen: Whether its own weights have no gradients, since others are trained in their place.
        """
        return NUMBER * (self.parameters + (0 if frozen else self.trained) + batch_size * self.held)


def footprint_of(entry: "Backbone", image_size: int, unfreeze: str, pooling: str) -> Footprint:
    """Return a backbone's Footprint at an image size and a cut: shapes, counts of parameters, numbers held to train.

    The backbone is built, with random weights, and dropped.

    Args:
        entry: The backbone.
        image_size: Pixels a side.
        unfreeze: First layer that fine-tuning trains, as `extract` takes it.
        pooling: How its output becomes features, likewise.

    Raises:
        UserError: It takes no images of this size, or has no such layer or pooling.
    """
    import keras

    from components.model.cut import ALL_LAYERS, cut

    keras.utils.clear_session()
    network = entry.build(image_size)
    first = entry.first_trainable_layer(unfreeze, network)
    pooled = entry.pooling_layer(entry.pooling_name(pooling), network)(network.output)
    _, suffix = cut(network, first)
    trained = [layer for layer in suffix.layers if layer.trainable and has_kernel(layer)]
    return Footprint(
        features=pooled.shape[1:],
        at_cut=None if first == ALL_LAYERS else suffix.input.shape[1:],
        parameters=network.count_params(),
        trained=sum(math.prod(weight.shape) for weight in suffix.trainable_weights),
        held=sum({id(layer.input): math.prod(layer.input.shape[1:]) for layer in trained}.values()),
    )


def has_kernel(layer: "keras.Layer") -> bool:
    """Return whether a layer has one input and a weight that multiplies it, of two dimensions or more."""
    return not isinstance(layer.input, list) and any(len(weight.shape) > 1 for weight in layer.weights)

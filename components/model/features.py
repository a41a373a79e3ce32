"""The features that a delivered model itself decides by: what its last layer makes logits of."""

from typing import Any

import keras
import numpy as np

from components.model.served import BATCH, ServedModel
from components.model.written import WrittenNetwork


def deciding_features(model: ServedModel, pixels: np.ndarray) -> tuple[str, np.ndarray, np.ndarray]:
    """Return what a model's deciding features are, in words; these, (n, features); and probabilities, (n, classes).

    They are the inputs of the layer of logits. An ensemble and a written file show none: theirs are the logarithms of
    the probabilities.

    Args:
        model: The model.
        pixels: Images at its size, uint8 (n, size, size, 3).
    """
    both = None if isinstance(model.network, WrittenNetwork) else features_and_probabilities(model.network)
    if both is None:
        probabilities = model.probabilities(pixels)
        smallest = np.finfo(np.float32).tiny
        return "the logarithms of its probabilities", np.log(np.maximum(probabilities, smallest)), probabilities
    batches = [both.predict_on_batch(pixels[at : at + BATCH]) for at in range(0, len(pixels), BATCH)]
    features, probabilities = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return f"{features.shape[1]} features that it decides by", features, probabilities


def features_and_probabilities(network: keras.Model) -> keras.Model | None:
    """Return a network to [inputs of a classifier's layer of logits, probabilities]; None without such a layer."""
    names = [layer.name for layer in network.layers]
    place = names.index("temperature") - 1
    head: Any = network.layers[place]
    if not isinstance(head, keras.Model) or not isinstance(head.layers[-1], keras.layers.Dense):
        return None
    body = keras.Model(head.input, head.layers[-1].input)
    before = head._inbound_nodes[-1].input_tensors[0]
    return keras.Model(network.input, [body(before), network.output])

"""The features that a delivered model itself decides by."""

import numpy as np

from components.model.penultimate import with_features
from components.model.served import BATCH, ServedModel
from components.model.written import WrittenNetwork


def deciding_features(model: ServedModel, pixels: np.ndarray) -> tuple[str, np.ndarray, np.ndarray]:
    """Return what a model's deciding features are, in words; these, (n, features); and probabilities, (n, classes).

    They are its penultimate ones. An ensemble and a written file show none: theirs are the logarithms of
    the probabilities.

    Args:
        model: The model.
        pixels: Images at its size, uint8 (n, size, size, 3).
    """
    network = None if isinstance(model.network, WrittenNetwork) else with_features(model.network)
    if network is None:
        probabilities = model.probabilities(pixels)
        smallest = np.finfo(np.float32).tiny
        return "the logarithms of its probabilities", np.log(np.maximum(probabilities, smallest)), probabilities
    batches = [network.predict_on_batch(pixels[at : at + BATCH]) for at in range(0, len(pixels), BATCH)]
    features, _, probabilities = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return f"{features.shape[1]} features that it decides by", features, probabilities

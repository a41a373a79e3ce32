"""Nearest neighbours as a head: the features of the training images are its weights."""

import keras
import numpy as np

from components.model.neighbours import SIMILARITY, unit_rows


def neighbour_head(features: np.ndarray, labels: np.ndarray, classes: int, count: int) -> keras.Model:
    """Return a head from features, (batch, channels), to logits, (batch, classes), by votes of the nearest images.

    Nearness is the cosine of the features. A vote weighs the more the more similar an image is; images as near as the
    last that votes vote too, and every class has one vote more of the weight that is least.

    Args:
        features: Of the training images, (n, channels).
        labels: Their class numbers, (n,).
        classes: Number of classes.
        count: How many neighbours vote; all where there are fewer.

    Source:
        Wu et al., arXiv 1805.01978, section 3.4.
    """
    kernel = unit_rows(features)
    inputs = keras.Input(features.shape[1:])
    x = keras.layers.UnitNormalization(name="normalised")(inputs)
    similar = keras.layers.Dense(len(kernel), use_bias=False, name="similarities")
    votes = keras.layers.Dense(classes, use_bias=False, name="votes")
    x = similar(x)
    least = keras.ops.top_k(x, min(count, len(kernel)))[0][:, -1:]
    weights = keras.ops.exp((keras.ops.minimum(x, 1.0) - 1) / SIMILARITY)
    x = votes(keras.ops.where(x >= least, weights, 0.0)) + keras.ops.exp((least - 1) / SIMILARITY)
    head = keras.Model(inputs, keras.ops.log(x + 1e-30), name="head")
    similar.set_weights([kernel.T])
    votes.set_weights([np.eye(classes, dtype=np.float32)[labels]])
    return head

"""Grad-CAM: where in an image a classifier sees a class, by its gradients."""

from functools import partial
from math import isqrt

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from components.model.cut import narrow_points

MIN_SIDE = 4  # positions a side of a feature map that says where something is


def heat_maps(
    model: keras.Model, images: npt.NDArray[np.uint8], classes: npt.NDArray[np.integer]
) -> npt.NDArray[np.float32] | None:
    """Return where each image shows its class, (n, height, width) of a feature map, in [0, 1]; None without such maps.

    Each is divided by its largest value; one that is 0 everywhere stays so.

    The map is the network's last one of 4 x 4 positions or more; of a transformer it is the tokens that enter the last
    block, behind which the class token alone may count. The score is the logit. A network without maps, as a
    perceptron, gives None: a pixel alone is no feature whose place means something. An ensemble's is the mean of the
    maps of its members that have some, at the size of the finest. One that averages views gives None as well.

    Args:
        model: A delivered classifier: layers one after another, the network behind the one named `preprocessing`; or
            an ensemble of such.
        images: Raw RGB, (n, size, size, 3) in [0, 255].
        classes: Number of the class to look for in each image.

    Source: Selvaraju et al., Grad-CAM, arXiv 1610.02391.
    """
    names = [layer.name for layer in model.layers]
    if "members" in names:
        members = [layer for layer in model.get_layer("members").layers if isinstance(layer, keras.Model)]
        seen = [images_for(member, images) for member in members]
        maps_of = (heat_maps(member, pixels, classes) for member, pixels in zip(members, seen, strict=True))
        of_members = [maps for maps in maps_of if maps is not None]
        side = max((maps.shape[1] for maps in of_members), default=0)
        return np.mean([resize_heats(maps, (side, side)) for maps in of_members], axis=0) if of_members else None
    if "preprocessing" not in names:
        return None
    place = names.index("preprocessing") + 1
    network = model.layers[place]
    feature_map = last_feature_map(network)
    if feature_map is None:
        return None
    map_and_output = keras.Model(network.input, [feature_map, network.output])

    @partial(tf.function, autograph=False)  # as a graph, in which no gradient goes back behind the map
    def map_and_gradient(image: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = tf.cast(image[None], tf.float32)
        for layer in model.layers[1:place]:
            x = layer(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            activations, x = map_and_output(x, training=False)
            for layer in model.layers[place + 1 : names.index("temperature")]:
                x = layer(x, training=False)
            score = x[:, number]
        return activations, tape.gradient(score, activations)

    heats = []
    for image, number in zip(images, classes, strict=True):
        activations, gradients = map_and_gradient(tf.constant(image), tf.constant(number))
        activations, gradients = as_grid(activations), as_grid(gradients)
        weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
        heat = tf.nn.relu(tf.reduce_sum(weights * activations, axis=-1))[0].numpy()
        heats.append(heat / (heat.max() or 1))
    return np.array(heats)


def last_feature_map(network: keras.Model) -> keras.KerasTensor | None:
    """Return a network's last maps of 4 x 4 or more, or of a transformer the tokens into its last block; or None."""
    operations = network.operations
    outputs = [operation._inbound_nodes[0].outputs[0] for operation in operations]
    maps = [one for one in outputs[1:] if len(one.shape) == 4 and min(one.shape[1:3]) >= MIN_SIDE]
    if len(network.output.shape) == 4:
        return next(reversed(maps), None)
    kernels = [any(len(weight.shape) > 1 for weight in getattr(one, "weights", [])) for one in operations]
    narrow = (number for number in narrow_points(network) if any(kernels[number + 1 :]))
    tokens = [outputs[number] for number in narrow if len(outputs[number].shape) == 3]
    return next(reversed([one for one in tokens if isqrt(one.shape[1]) >= MIN_SIDE] or maps), None)


def as_grid(tokens: tf.Tensor) -> tf.Tensor:
    """Return the tokens of patches, without those before them, as maps, (batch, side, side, channels); maps as is."""
    if len(tokens.shape) == 4:
        return tokens
    side = isqrt(tokens.shape[1])
    return tf.reshape(tokens[:, tokens.shape[1] - side**2 :], (-1, side, side, tokens.shape[2]))


def images_for(member: keras.Model, images: npt.NDArray) -> npt.NDArray:
    """Return images as a member of an ensemble sees them: resized by it, float32, if its size differs, or unchanged."""
    side = member.input_shape[1]
    if side == images.shape[1]:
        return images
    return np.asarray(keras.layers.Resizing(side, side)(images.astype(np.float32)))


def resize_heats(heats: npt.NDArray[np.floating], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return heat maps resampled bilinearly, float32 (n, height, width), at another size, given as (width, height)."""
    images = (Image.fromarray(heat.astype(np.float32)) for heat in heats)
    return np.stack([np.asarray(image.resize(size, Image.Resampling.BILINEAR)) for image in images])

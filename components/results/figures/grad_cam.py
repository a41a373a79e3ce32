"""Grad-CAM: what in an image speaks for a class, by a classifier's own gradients."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image

from components.results.figures.mosaic import Images, mosaic_axes, mosaic_side, put
from components.results.figures.style import saved, short, statement

if TYPE_CHECKING:
    import keras

COLUMNS = 4  # pairs in a row
LEAST = 4  # positions a side of a feature map that says where something is


def heat(
    model: "keras.Model", images: npt.NDArray[np.uint8], classes: npt.NDArray[np.integer]
) -> npt.NDArray[np.float32] | None:
    """Return where in each image its class is seen: (n, height, width) in [0, 1], 0 where nothing speaks for it.

    The map is the network's last one of 4 x 4 positions or more; the score is the logit. A network without maps, as a
    perceptron, gives None: a pixel alone is no feature whose place means something. An ensemble's is the mean of the
    maps of its members that have some, at the size of the finest.

    Args:
        model: A delivered classifier: layers one after another, the network behind the one named `preprocessing`; or
            an ensemble of such.
        images: Raw RGB, (n, size, size, 3) in [0, 255].
        classes: Number of the class to look for in each image.

    Source: Selvaraju et al., Grad-CAM, arXiv 1610.02391.
    """
    import keras
    import tensorflow as tf

    names = [layer.name for layer in model.layers]
    if "members" in names:
        members = [layer for layer in model.get_layer("members").layers if isinstance(layer, keras.Model)]
        seen_by = [seen for member in members if (seen := heat(member, images, classes)) is not None]
        side = max((seen.shape[1] for seen in seen_by), default=0)
        return np.mean([resized(seen, (side, side)) for seen in seen_by], axis=0) if seen_by else None
    place = names.index("preprocessing") + 1
    network = model.layers[place]
    outputs = [node.outputs[0] for node in (operation._inbound_nodes[0] for operation in network.operations[1:])]
    maps = [output for output in outputs if len(output.shape) == 4 and min(output.shape[1:3]) >= LEAST]
    if not maps:
        return None
    both = keras.Model(network.input, [maps[-1], network.output])

    @tf.function  # as a graph, in which no gradient goes back behind the map
    def traced(image: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = tf.cast(image[None], tf.float32)
        for layer in model.layers[1:place]:
            x = layer(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            activations, x = both(x, training=False)
            for layer in model.layers[place + 1 : names.index("temperature")]:
                x = layer(x, training=False)
            score = x[:, number]
        return activations, tape.gradient(score, activations)

    found = []
    for image, number in zip(images, classes, strict=True):
        activations, gradients = traced(tf.constant(image), tf.constant(number))
        weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
        seen = tf.nn.relu(tf.reduce_sum(weights * activations, axis=-1))[0].numpy()
        found.append(seen / (seen.max() or 1))
    return np.array(found)


def mistakes(
    images: Images, heats: npt.NDArray[np.floating] | None, true: Sequence[str], predicted: Sequence[str],
    probability: Sequence[float], path: Path, title: str,
) -> None:  # fmt: skip
    """Draw images, each beside itself under its heat: the wrong predictions, then the right ones, in the given order.

    Args:
        images: One array (h, w, 3) an image, in [0, 255]; the sizes may differ.
        heats: Where in each image the predicted class is seen, (n, height, width) in [0, 1]; None where no map says it.
        true: The class of each image.
        predicted: The class that the model gives it.
        probability: What the model gives that class, in [0, 1].
        path: PNG file to write.
        title: Whose predictions they are.
    """
    groups: dict[str, list[int]] = {"wrong": [], "right": []}
    for index in range(len(images)):
        groups["right" if true[index] == predicted[index] else "wrong"].append(index)
    rows = [(name, group[start : start + COLUMNS])
            for name, group in groups.items() for start in range(0, len(group), COLUMNS)]  # fmt: skip
    if not rows:
        statement(path, title, "No test images")
        return
    parts = 1 if heats is None else 2
    side = mosaic_side(parts * COLUMNS * len(rows), images)
    gap = 0.4 if heats is not None else 0.8  # inches, for the captions
    width, height = parts + gap / side, 1 + 0.38 / side  # of an image, its heat and its caption, in units of the image
    columns = max(len(group) for _, group in rows)
    note = "True → predicted class, and its probability; beside each image, where in it that class is seen (Grad-CAM)."
    if heats is None:
        note = "True → predicted class, and its probability. No heat maps: the network has no convolutions."
    size = ((columns * width - gap / side) * side, len(rows) * height * side)
    with saved(path, size, title, note, constrained=False) as figure:
        axes = mosaic_axes(figure, 0, size[0] / side, len(rows) * height)
        for row, (_, group) in enumerate(rows):
            for column, index in enumerate(group):
                put(axes, images[index], column * width, row * height)
                if heats is not None:
                    put(axes, under(images[index], heats[index]), column * width + 1, row * height)
                text = caption(true[index], predicted[index], probability[index])
                axes.text(column * width + parts / 2, row * height + 1, text, ha="center", va="top", fontsize=7.5)
        axes.set_yticks(np.arange(len(rows)) * height + 0.5, [name for name, _ in rows])


def caption(true: str, predicted: str, probability: float) -> str:
    """Return what an image is and is called, and with what probability, on two lines where the names are long."""
    names = dict.fromkeys(short(name, 18) for name in (true, predicted))
    arrow = " →\n" if len("".join(names)) > 14 else " → "
    return f"{arrow.join(names)} ({probability:.2f})"


def under(image: npt.NDArray[np.uint8], heat: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Return an image (h, w, 3) under its heat, half and half."""
    smooth = resized(heat[None], image.shape[1::-1])[0]
    return ((image + 255 * colormaps["inferno"](smooth)[..., :3]) / 2).astype(np.uint8)


def resized(heats: npt.NDArray[np.floating], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return heat maps, (n, height, width), at another width and height."""
    images = (Image.fromarray(heat.astype(np.float32)) for heat in heats)
    return np.stack([np.asarray(image.resize(size, Image.Resampling.BILINEAR)) for image in images])

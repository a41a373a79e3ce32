"""A classifier that averages over views: one network, which makes the views of each image itself."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from shutil import copyfile
from typing import Any

import keras
import numpy as np

from components.data.artifacts import Classifier, Report
from components.data.augmentation import ViewLimits, ViewTransform, draw_transform
from components.model.prediction import LOG_FLOOR
from components.model.written import TABLES, seal

FIELDS = ("rotation", "shear", "zoom", "shift", "flip", "brightness")  # colours of RandAugment are left out


def fixed_views(drawn: Mapping[str, Any]) -> list[ViewTransform]:
    """Return the transforms of all views, the same for every image, without RandAugment, whose colours no layer has.

    Args:
        drawn: Their number, `views`, their `seed`, and the limits of `FIELDS`, as the fact `averaged_views` has them.
    """
    limits = ViewLimits(**{name: drawn[name] for name in FIELDS})
    return [draw_transform(limits, drawn["seed"], "", number) for number in range(drawn["views"])]


def pixel_coefficients(transform: ViewTransform, size: int) -> np.ndarray:
    """Return the 8 coefficients of Keras's `affine_transform`, float32, from a view's pixel numbers to the image's."""
    linear, middle = transform.matrix[:, :2], np.full(2, (size - 1) / 2)
    offset = middle + transform.matrix[:, 2] * size - linear @ middle
    return np.array([*linear[0], offset[0], *linear[1], offset[1], 0, 0], np.float32)


def average_views(network: keras.Model, transforms: Sequence[ViewTransform], temperature: float = 1.0) -> keras.Model:
    """Return a network: another's uncalibrated probabilities, averaged over image and views, then the temperature.

    Its layer `temperature` divides the logarithms of the means, as a delivered classifier's does its logits.

    Args:
        network: A delivered classifier's, from raw RGB in [0, 255].
        transforms: What makes each view.
        temperature: By which the logarithms are divided.

    Source: Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, doi:10.1145/3065386.
    """
    ops, size = keras.ops, int(network.input_shape[1])
    one = keras.Model(network.input, ops.softmax(network.get_layer("temperature").input), name=network.name)
    image = keras.Input((size, size, 3), name="image")
    views = [image]
    for transform in transforms:
        coefficients = pixel_coefficients(transform, size)
        moved = ops.image.affine_transform(image, coefficients, interpolation="bilinear", fill_mode="nearest")
        views.append(ops.clip(moved * transform.gain, 0.0, 255.0))
    probabilities = one(ops.reshape(ops.stack(views, axis=1), (-1, size, size, 3)))
    mean = ops.mean(ops.reshape(probabilities, (-1, len(views), probabilities.shape[-1])), axis=1)
    x = keras.layers.Rescaling(1 / temperature, name="temperature")(ops.log(mean + LOG_FLOOR))
    return keras.Model(image, keras.layers.Softmax(name="probabilities")(x), name=network.name)


def averaged_classifier(classifier: Classifier, report: Report, folder: Path) -> Classifier:
    """Write into an empty folder, and return, a Classifier that itself averages over the views that a report is on.

    Args:
        classifier: The one that sees each view.
        report: The report, whose facts say which views, and the temperature of their mean.
        folder: The folder.
    """
    keras.utils.clear_session()  # what has no name of its own is numbered from the start: equal models, equal digests
    averaged, facts = Classifier(folder, deepcopy(classifier.manifest)), report.facts
    averaged.save(average_views(classifier.load(), fixed_views(facts.averaged_views), facts.temperature))
    for name in TABLES:
        copyfile(classifier.path / f"{name}.csv", folder / f"{name}.csv")
    scores = {name: value for name, value in vars(facts).items() if name.startswith("validation_")}
    vars(averaged.facts).update(scores, temperature=facts.temperature, averaged_views=facts.averaged_views)
    return seal(averaged, "average_views")


class SampledView(keras.layers.Layer):
    """What `affine_transform` does, by products and places alone, which every format has: for writing, not for saving.

    Args:
        coefficients: As `pixel_coefficients` returns them.
        name: Of the layer.
    """

    def __init__(self, coefficients: Sequence[float], name: str):
        super().__init__(name=name)
        self.coefficients = [*map(float, coefficients)]

    def call(self, image: Any) -> Any:
        """Return the view of each image, (n, size, size, 3)."""
        ops, size = keras.ops, int(image.shape[1])
        y, x = (axis.ravel() for axis in np.mgrid[:size, :size])
        a, b, c, d, e, f, *_ = self.coefficients
        places = np.array([a * x + b * y + c, d * x + e * y + f])
        low = np.floor(places)
        share, flat, total = places - low, ops.reshape(image, (-1, size * size, 3)), 0
        for right in (0, 1):
            for down in (0, 1):
                column, row = (np.clip(low + [[right], [down]], 0, size - 1)).astype(np.int32)
                weight = (share[0] if right else 1 - share[0]) * (share[1] if down else 1 - share[1])
                taken = ops.take(flat, row * size + column, axis=1)
                total = total + ops.multiply(taken, weight[None, :, None].astype(np.float32))
        return ops.reshape(total, (-1, size, size, 3))


def without_affine_ops(network: keras.Model) -> keras.Model:
    """Return an equal network, of the same layers, with `SampledView` for affine maps; itself where it has none."""
    if not any(type(operation).__name__ == "AffineTransform" for operation in network.operations):
        return network

    def call(operation: Any, *inputs: Any, **options: Any) -> Any:
        if type(operation).__name__ == "AffineTransform":
            coefficients = inputs[1] if len(inputs) > 1 else options["transform"]
            return SampledView(coefficients, f"{operation.name}_sampled")(inputs[0])
        return operation(*inputs, **options)

    return keras.models.clone_model(network, call_function=call, clone_function=lambda layer: layer)

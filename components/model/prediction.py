"""Predictions of a model for stored images, batch by batch."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.data.artifacts import Augmented, Classifier
from components.data.memory_maps import release
from components.model.written import WrittenNetwork
from components.system.errors import UserError
from components.system.progress import bar

if TYPE_CHECKING:
    from components.data.augmentation import DrawnViews

LOG_FLOOR = 1e-30  # added to a probability, so that no logarithm is infinite


def training_views(classifier: Classifier, augmented: Sequence[Augmented]) -> Augmented:
    """Return the views that a classifier was trained on; if its lineage names none, the first of its size and resizing.

    The lineage of an average names none where its members were trained on different sets.

    Raises:
        UserError: None of them is.
    """
    digest, facts = classifier.manifest["lineage"].get("augment"), classifier.facts
    for views in augmented:
        alike = (views.facts.image_size, views.facts.resize) == (facts.image_size, facts.resize)
        if views.digest == digest or (digest is None and alike):
            return views
    raise UserError(f"{classifier.path} was trained on other views than {augmented[0].path}: give those")


def inference_graph(model: keras.Model, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Callable[[np.ndarray], Any]:
    """Return a function from a batch of any size to a model's output, a tensor or a list of several, in inference mode.

    Args:
        model: The model.
        shape: Of one element of a batch, such as (size, size, 3).
        dtype: Of a batch.
    """
    batch_spec = tf.TensorSpec((None, *shape), dtype)
    return tf.function(lambda batch: model(batch, training=False), [batch_spec], autograph=False)


def predict_outputs(
    model: "keras.Model | WrittenNetwork", views: "np.ndarray | DrawnViews", rows: np.ndarray, batch_size: int
) -> np.ndarray:
    """Return the logits before the temperature of some images, (rows, views, classes); of a written file probabilities.

    Args:
        model: A delivered classifier, or the written file of one.
        views: Raw RGB, uint8 (files, views, size, size, 3).
        rows: Numbers of the files.
        batch_size: Images a batch.
    """
    if isinstance(model, WrittenNetwork):
        return predict_written(model, views, rows, batch_size)
    before = keras.Model(model.input, model.get_layer("temperature").input, name=model.name)
    (logits,) = predict_views(before, views, rows, batch_size)
    return logits


def probabilities_of(model: "keras.Model | WrittenNetwork", outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return calibrated, then uncalibrated probabilities by some outputs, (rows, classes) each, means over views.

    Uncalibrated are those before the temperature.

    Args:
        model: A delivered classifier, or the written file of one.
        outputs: Its `predict_outputs`, (rows, views, classes).

    Source: Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, doi:10.1145/3065386.
    """
    if isinstance(model, WrittenNetwork):
        return outputs.mean(axis=1), model.before_temperature(outputs).mean(axis=1)
    logits = model.get_layer("temperature").input
    end = keras.Model(logits, [model.output, keras.ops.softmax(logits)], name=model.name)
    after, before = (array.numpy().reshape(outputs.shape) for array in end(outputs.reshape(-1, outputs.shape[-1])))
    return after.mean(axis=1), before.mean(axis=1)


def predict_written(
    network: WrittenNetwork, views: "np.ndarray | DrawnViews", rows: np.ndarray, batch_size: int
) -> np.ndarray:
    """Return the probabilities of a written file for all views of some images, (rows, views, classes).

    Raises:
        UserError: A probability is not a finite number.
    """
    batches = []
    with bar(f"predict {network.name}", len(rows), "image") as progress:
        for start in range(0, len(rows), batch_size):
            batch = views[rows[start : start + batch_size]]
            outputs = network.predict_on_batch(batch.reshape(-1, *batch.shape[2:]))
            batches.append(outputs.reshape(*batch.shape[:2], -1))
            release(views)
            progress.update(len(batch))
    probabilities = np.concatenate(batches)
    check_finite(probabilities, network.name)
    return probabilities


def check_finite(outputs: np.ndarray, name: str) -> None:
    """Raise a UserError where outputs of a model of this name are not all finite numbers."""
    if not np.isfinite(outputs).all():
        raise UserError(f"the outputs of {name} are not numbers: train it again, at a lower learning rate")


def predict_views(
    model: keras.Model, views: "np.ndarray | DrawnViews", rows: np.ndarray, batch_size: int
) -> list[np.ndarray]:
    """Return a list with an array for each output of a model, for all views of some images, (rows, views, ...).

    Args:
        model: Takes views, (batch, ...).
        views: All images and their views, (files, views, ...), stored or drawn.
        rows: Numbers of the files.
        batch_size: Images a batch.

    Raises:
        UserError: An output is not a finite number.
    """
    batches: list[list[np.ndarray]] = [[] for _ in model.outputs]  # of each output
    infer = inference_graph(model, views.shape[2:], views.dtype)
    with bar(f"predict {model.name}", len(rows), "image") as progress:
        for start in range(0, len(rows), batch_size):
            batch = views[rows[start : start + batch_size]]
            outputs = infer(batch.reshape(-1, *batch.shape[2:]))
            for of_output, output in zip(batches, outputs if len(batches) > 1 else [outputs], strict=True):
                of_output.append(output.numpy().reshape(*batch.shape[:2], *output.shape[1:]))
            release(views)
            progress.update(len(batch))
    arrays = [np.concatenate(of_output) for of_output in batches]
    for array in arrays:
        check_finite(array, model.name)
    return arrays

"""What models say of stored images."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.data.artifacts import Augmented, Classifier
from components.data.memory_maps import release
from components.system.errors import UserError
from components.system.progress import bar

LEAST = 1e-30  # probability, so that no logarithm is infinite


def views_of(classifier: Classifier, augmented: Sequence[Augmented]) -> Augmented:
    """Return the images and views that a classifier was trained on; of an average over several, some of its size.

    Raises:
        UserError: They are not among those given.
    """
    digest, size = classifier.manifest["lineage"].get("augment"), classifier.facts.image_size
    for one in augmented:
        if one.digest == digest or (digest is None and one.facts.image_size == size):
            return one
    raise UserError(f"{classifier.path} was trained on other views than {augmented[0].path}: give those")


def inference(model: keras.Model, of_one: tuple[int, ...], dtype: npt.DTypeLike) -> Callable[[np.ndarray], Any]:
    """Return a model as one graph for batches of any size.

    Args:
        model: The model.
        of_one: Shape of what is inferred from, such as (size, size, 3).
        dtype: Its dtype.
    """
    of_batch = tf.TensorSpec((None, *of_one), dtype)
    return tf.function(lambda batch: model(batch, training=False), [of_batch], autograph=False)


def predictions(
    model: keras.Model, views: np.ndarray, rows: np.ndarray, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of some images, and those before the temperature, (rows, classes) each, in one pass.

    Where there are several views of an image, both are the means over them.

    Args:
        model: A delivered classifier.
        views: Raw RGB, uint8 (files, views, size, size, 3).
        rows: Numbers of the files.
        batch_size: Images a batch.

    Source: Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, doi:10.1145/3065386.
    """
    uncalibrated = keras.ops.softmax(model.get_layer("temperature").input)
    both = keras.Model(model.input, [model.output, uncalibrated], name=model.name)
    found = outputs(both, views, rows, batch_size)
    return found[0].mean(axis=1), found[1].mean(axis=1)


def outputs(model: keras.Model, views: np.ndarray, rows: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Return each output of a model, (rows, views, ...), for some images, as `predictions` takes them."""
    found: list[list[np.ndarray]] = [[] for _ in model.outputs]
    infer = inference(model, views.shape[2:], views.dtype)
    with bar(f"predict {model.name}", len(rows), "image") as progress:
        for start in range(0, len(rows), batch_size):
            batch = views[rows[start : start + batch_size]]
            made = infer(batch.reshape(-1, *batch.shape[2:]))
            for parts, part in zip(found, made if len(found) > 1 else [made], strict=True):
                parts.append(part.numpy().reshape(*batch.shape[:2], *part.shape[1:]))
            release(views)
            progress.update(len(batch))
    return [np.concatenate(parts) for parts in found]

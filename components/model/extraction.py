"""Extraction: the features and the tensors at the cut that the frozen network computes of every view."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from components.data.memory_maps import release
from components.data.reading import read_ahead
from components.model.backbones import Backbone
from components.model.cut import cut
from components.model.precision import to_bfloat16
from components.system.errors import UserError
from components.system.progress import bar

if TYPE_CHECKING:
    from components.data.augmentation import DrawnViews

BatchFunction = Callable[[np.ndarray], list[np.ndarray]]  # a batch of views to each output


def check_storage(files: int, shape: tuple[int, ...], dtype: str, limit: float, ways_out: str) -> None:
    """Raise where the tensors would take more GB, of 10^9 bytes, than they may; else print how many they will take.

    Args:
        files: How many images are stored.
        shape: Of an image: views, and the shape of each.
        dtype: Of the values.
        limit: GB that they may take.
        ways_out: What to do where it is more.

    Raises:
        UserError: It is more.
    """
    views, *rest = shape
    view = int(np.prod(rest)) * np.dtype(dtype).itemsize
    total = files * views * view / 1e9
    size = f"the tensors take {total:.3g} GB ({files:,} files, {views:,} views of each, {view:,} bytes a view)"
    if total > limit:
        raise UserError(f"extract: {size}; storage_limit is {limit:g} GB: {ways_out}")
    print(f"extract: {size}", file=sys.stderr, flush=True)


def frozen_network(
    entry: Backbone, network: keras.Model, first: str, pooling: str, at_cut: bool, precision: str
) -> keras.Model:
    """Return a frozen network from raw RGB, (batch, size, size, 3), to [features] or [features, tensors at the cut].

    RGB is in [0, 255]. The given network is frozen, too, unless a copy of it is made for bfloat16.

    Args:
        entry: The network's, for its preprocessing and its pooling.
        network: Backbone without its top.
        first: The layer that it is cut before, or `all`.
        pooling: Name of the layer that pools its output to features.
        at_cut: Whether to return the tensors at the cut too.
        precision: What long sums are computed in, `float32` or `bfloat16`.
    """
    if precision == "bfloat16":
        network = to_bfloat16(network, entry.min_products)
    prefix, suffix = cut(network, first)
    network.trainable = False
    image = keras.Input(network.input_shape[1:])
    tensor = prefix(entry.preprocessing()(image), training=False)
    pooled = entry.pooling_layer(pooling, network)(suffix(tensor, training=False))
    return keras.Model(image, [pooled, tensor] if at_cut else [pooled])


def extraction_graph(model: keras.Model) -> BatchFunction:
    """Return a function from a batch of views, uint8 (batch, ...), to the list of a model's outputs, float32 arrays.

    It is one graph. Where it normalises batches, its weights are constants, as they are now, so that TensorFlow folds
    that into the convolutions.
    """
    variables = (model.trainable_variables, model.non_trainable_variables)
    normalises = any(variable.name == "moving_mean" for variable in variables[1])
    weights = [[variable.numpy() for variable in group] for group in variables] if normalises else []

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)])
    def compute(images: tf.Tensor) -> list[tf.Tensor]:
        pixels = tf.cast(images, tf.float32)
        if normalises:
            constants = [[tf.constant(weight) for weight in group] for group in weights]
            outputs, _ = model.stateless_call(*constants, pixels, training=False)
        else:
            outputs = model(pixels, training=False)
        return [tf.cast(output, tf.float32) for output in keras.tree.flatten(outputs)]

    return lambda images: [output.numpy() for output in compute(images)]


def view_batches(views: "DrawnViews", batch_size: int) -> Iterator[np.ndarray]:
    """Yield all views, image by image, as batches, (batch, ...); the last may be smaller."""
    left = np.empty((0, *views.shape[2:]), views.dtype)
    for drawn in views.parts(np.arange(len(views.files))):
        flat = np.concatenate([left, drawn.reshape(-1, *left.shape[1:])])
        whole = len(flat) // batch_size * batch_size
        yield from (flat[start : start + batch_size] for start in range(0, whole, batch_size))
        left = flat[whole:]
    if len(left):
        yield left


def convert_to_stored(output: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return an array converted to the type in which it is stored, or unchanged if it has that type.

    Raises:
        UserError: A number is too large for it.
    """
    if output.dtype == dtype:
        return output
    if (largest := abs(output).max()) > np.finfo(dtype).max:
        raise UserError(f"extract: the tensors reach {largest:.3g}, too much for {dtype}: give `storage: float32`")
    return output.astype(dtype)


def write_outputs(compute: BatchFunction, views: "DrawnViews", arrays: Sequence[np.ndarray], batch_size: int) -> None:
    """Fill the rows of arrays on disk with what a network computes of each view, batch by batch; return nothing.

    Args:
        compute: Takes a batch of views; returns an output for each array.
        views: Of all images.
        arrays: Filled with the outputs, (files, views, ...) each; on disk.
        batch_size: Views a batch.
    """
    flat = [array.reshape(-1, *array.shape[2:]) for array in arrays]
    written = 0
    with bar("extract", views.shape[0] * views.shape[1], "view") as progress:
        for batch in read_ahead(view_batches(views, batch_size)):
            for array, output in zip(flat, compute(batch), strict=True):
                array[written : written + len(batch)] = convert_to_stored(output, array.dtype)
                release(array)
            written += len(batch)
            progress.update(len(batch))

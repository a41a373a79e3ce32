"""What the frozen network makes of every view, batch by batch, and how much of it there will be."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

from components.data.artifacts import release
from components.data.reading import ahead
from components.errors import UserError
from components.model import backbones
from components.model.cut import cut
from components.progress import bar

Run = Callable[[np.ndarray], list[np.ndarray]]

TRIED, ROUNDS = 8, 3  # views that each precision is measured on, and how often
FASTER, APART = 1.2, 0.01  # times float32's speed, at least, and of the features' length, at most, for bfloat16 to pay


def check_storage(files: int, shape: tuple[int, ...], dtype: str, limit: float, ways_out: str) -> None:
    """Say how many bytes the tensors will take.

    Args:
        files: Their rows.
        shape: Of a row: views, and the shape of each.
        dtype: Of the values.
        limit: GB that they may take.
        ways_out: What to do where it is more.

    Raises:
        UserError: It is more.
    """
    views, *rest = shape
    view = int(np.prod(rest)) * np.dtype(dtype).itemsize
    total = files * views * view / 1e9
    said = f"the tensors take {total:.3g} GB: files {files:,}, views of each {views:,}, bytes a view {view:,}"
    if total > limit:
        raise UserError(f"extract: {said}; storage_limit is {limit:g} GB: {ways_out}")
    print(f"extract: {said}", file=sys.stderr, flush=True)


def frozen(entry: backbones.Backbone, network: keras.Model, first: str, pooling: str, at_cut: bool) -> keras.Model:
    """Return a network from raw RGB, (batch, size, size, 3) in [0, 255], to its features and the tensors at the cut.

    Args:
        entry: The network's, for its preprocessing.
        network: Backbone without its top.
        first: The layer that it is cut before.
        pooling: Name of what makes features of its output.
        at_cut: Whether the tensors are wanted.
    """
    prefix, suffix = cut(network, first)
    network.trainable = False
    image = keras.Input(network.input_shape[1:])
    tensor = prefix(entry.preprocessing()(image), training=False)
    pooled = backbones.pooling(pooling)(suffix(tensor, training=False))
    return keras.Model(image, [pooled, tensor] if at_cut else [pooled])


def graph(model: keras.Model) -> Run:
    """Return a model as one graph, from uint8 to float32.

    Where it normalises batches, its weights are constants, so that TensorFlow folds that into the convolutions.
    """
    parts = (model.trainable_variables, model.non_trainable_variables)
    normalises = any(one.name == "moving_mean" for one in parts[1])
    weights = [[one.numpy() for one in part] for part in parts] if normalises else []

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)])
    def run(images: tf.Tensor) -> list[tf.Tensor]:
        pixels = tf.cast(images, tf.float32)
        if normalises:
            constants = [[tf.constant(one) for one in part] for part in weights]
            outputs, _ = model.stateless_call(*constants, pixels, training=False)
        else:
            outputs = model(pixels, training=False)
        return [tf.cast(output, tf.float32) for output in keras.tree.flatten(outputs)]

    return lambda images: [output.numpy() for output in run(images)]


def chosen(runs: Mapping[str, Run], batch: np.ndarray) -> str:
    """Return the better precision, and say why: bfloat16 where it is clearly faster and gives nearly the same features.

    Args:
        runs: The network in `float32` and in `bfloat16`.
        batch: Views that both are measured on, in turn.
    """
    features = {name: run(batch)[0] for name, run in runs.items()}
    seconds = dict.fromkeys(runs, np.inf)
    for name in [*runs] * ROUNDS:
        start = perf_counter()
        runs[name](batch)
        seconds[name] = min(seconds[name], perf_counter() - start)
    plain, short = features["float32"], features["bfloat16"]
    apart = float(np.linalg.norm(short - plain) / np.linalg.norm(plain))
    better = seconds["float32"] > FASTER * seconds["bfloat16"] and apart < APART
    best = "bfloat16" if better else "float32"
    speeds = ", ".join(f"{name} {len(batch) / taken:,.1f} views/s" for name, taken in seconds.items())
    print(f"extract: {speeds}, their features {apart:.1e} apart: {best} it is", file=sys.stderr, flush=True)
    return best


def batches(views: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Yield the views of a map, (files, views, ...), in order and in memory."""
    flat = views.reshape(-1, *views.shape[2:])
    for start in range(0, len(flat), batch_size):
        yield np.array(flat[start : start + batch_size])
        release(views)


def write(run: Run, views: np.ndarray, outputs: Sequence[np.ndarray], batch_size: int) -> None:
    """Write what a run makes of every view, from and to maps of (files, views, ...), while the next batch is read."""
    flat = [output.reshape(-1, *output.shape[2:]) for output in outputs]
    done = 0
    with bar("extract", views.shape[0] * views.shape[1], "view") as progress:
        for batch in ahead(batches(views, batch_size)):
            for array, output in zip(flat, run(batch), strict=True):
                array[done : done + len(batch)] = output
                release(array)
            done += len(batch)
            progress.update(len(batch))

"""What the frozen network makes of every view, batch by batch, and how much of it there will be."""

import sys
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from components.data.artifacts import Augmented, Weights
from components.data.memory_maps import release
from components.data.reading import read_ahead
from components.model import backbones
from components.model.cut import cut
from components.model.precision import in_bfloat16
from components.system.errors import UserError
from components.system.progress import bar

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


def frozen(
    entry: backbones.Backbone, network: keras.Model, first: str, pooling: str, at_cut: bool, precision: str
) -> keras.Model:
    """Return a network from raw RGB, (batch, size, size, 3) in [0, 255], to its features and the tensors at the cut.

    Args:
        entry: The network's, for its preprocessing.
        network: Backbone without its top.
        first: The layer that it is cut before.
        pooling: Name of what makes features of its output.
        at_cut: Whether the tensors are wanted.
        precision: What long sums are computed in, `float32` or `bfloat16`.
    """
    if precision == "bfloat16":
        network = in_bfloat16(network, entry.products)
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


def measure_precisions(augmented: Augmented, weights: Weights) -> pd.DataFrame:
    """Return how fast each precision is on a few views, and how far its pooled features are from those of float32.

    A row a precision: `precision`, `views_per_second`, and `difference` as a share of the features' length.
    """
    entry = backbones.get(weights.facts.backbone)
    network = entry.build(augmented.facts.image_size, weights.file)
    first = entry.first_trainable("last_block")
    runs = {name: graph(frozen(entry, network, first, "average", False, name)) for name in ("float32", "bfloat16")}
    batch = next(batches(augmented.array, TRIED))
    features = {name: run(batch)[0] for name, run in runs.items()}
    seconds = dict.fromkeys(runs, np.inf)
    for name in [*runs] * ROUNDS:  # in turns
        start = perf_counter()
        runs[name](batch)
        seconds[name] = min(seconds[name], perf_counter() - start)
    length = np.linalg.norm(features["float32"])
    rows = [
        (name, len(batch) / seconds[name], float(np.linalg.norm(features[name] - features["float32"]) / length))
        for name in runs
    ]
    return pd.DataFrame(rows, columns=["precision", "views_per_second", "difference"])


def better_precision(speeds: pd.DataFrame) -> str:
    """Return the better precision, and say why: bfloat16 where it is clearly faster and gives nearly the same features.

    Args:
        speeds: As `measure_precisions` returns them.
    """
    rates = dict(zip(speeds["precision"], speeds["views_per_second"], strict=True))
    apart = float(speeds["difference"].max())
    better = "bfloat16" if rates["bfloat16"] > FASTER * rates["float32"] and apart < APART else "float32"
    said = ", ".join(f"{name} {rate:,.1f} views/s" for name, rate in rates.items())
    print(f"choose_precision: {said}, their features {apart:.1e} apart: {better} it is", file=sys.stderr, flush=True)
    return better


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
        for batch in read_ahead(batches(views, batch_size)):
            for array, output in zip(flat, run(batch), strict=True):
                array[done : done + len(batch)] = output
                release(array)
            done += len(batch)
            progress.update(len(batch))

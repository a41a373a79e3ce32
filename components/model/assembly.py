"""The three models before their training: what is trained, on which rows, and what is delivered with it."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from components.data.artifacts import Augmented, Features, Splits, Tensors, Top, Weights
from components.data.augmentation import ViewLimits
from components.data.memory_maps import FileArray
from components.model import backbones, heads
from components.model import benchmark as network_from_scratch
from components.model.cut import cut
from components.model.epochs import FreshRows, Rows


@dataclass(frozen=True)
class Untrained:
    """A model before its training.

    Args:
        model: Stored views to logits, (batch, ...) to (batch, classes); what it is to train is marked trainable.
        parts: The training and the validation part.
        layers: From raw RGB, (batch, size, size, 3) in [0, 255], to logits; they share the model's weights.
        head: That part of the model which is no backbone; None where there is no backbone.
    """

    model: keras.Model
    parts: tuple[Rows, Rows]
    layers: list[keras.Layer]
    head: keras.Model | None = None


def benchmark(
    augmented: Augmented, splits: Splits, network: str, image_size: int, width: int, stages: int
) -> Untrained:
    """Return a network from scratch, which resizes the images itself."""
    layers = [
        keras.layers.Resizing(image_size, image_size, name="resizing"),
        keras.layers.Rescaling(1 / 127.5, -1.0, name="preprocessing"),
        network_from_scratch.build(network, image_size, len(splits.facts.classes), width, stages),
    ]
    model = keras.Sequential([keras.Input(augmented.array.shape[2:]), *layers])
    return Untrained(model, parts(augmented, splits), layers)


def top(features: Features, splits: Splits, weights: Weights, head: str, dropout: float) -> Untrained:
    """Return a new head, to be trained on stored features.

    Raises:
        UserError: The head takes features of another pooling.
    """
    model = new_head(features, head, dropout)
    entry = backbones.get(weights.facts.backbone)
    network = entry.build(features.facts.image_size, weights.file)
    layers = [entry.preprocessing(), network, backbones.pooling(features.facts.pooling), model]
    return Untrained(model, parts(features, splits), layers, model)


def new_head(features: Features, head: str, dropout: float) -> keras.Model:
    """Return a new head: features, (batch, ...), to logits, (batch, classes).

    Raises:
        UserError: The head takes features of another pooling.
    """
    shape, classes = features.array.shape[2:], len(features.facts.classes)
    return heads.build(head, features.facts.pooling, shape, classes, dropout)


def fine_tuned(tensors: Tensors, splits: Splits, top: Top, weights: Weights) -> Untrained:
    """Return the backbone from the cut on, with the trained head; under `prefix: live` the whole of it, on images."""
    entry = backbones.get(weights.facts.backbone)
    network = entry.build(tensors.facts.image_size, weights.file)
    prefix, suffix = cut(network, tensors.facts.first_trainable)
    head, pooling = top.load(), backbones.pooling(top.facts.pooling)
    model = keras.Model(suffix.input, head(pooling(suffix.output)))
    layers = [entry.preprocessing(), network, pooling, head]
    train, validation = parts(tensors, splits)
    if tensors.facts.prefix == "live":
        image = keras.Input(network.input_shape[1:])
        model = keras.Model(image, model(prefix(entry.preprocessing()(image), training=False)))
        if tensors.facts.views:
            limits = ViewLimits(**tensors.facts.view_limits)
            files = splits.part("train")["file"].tolist()
            train = FreshRows(train.array, train.rows, train.labels, files, limits, tensors.facts.view_seed)
    return Untrained(model, (train, validation), layers, head)


def parts(array: FileArray, splits: Splits) -> tuple[Rows, Rows]:
    """Return the training and the validation part of a stored array."""
    numbers = {name: number for number, name in enumerate(splits.facts.classes)}
    found = []
    for name in ("train", "validation"):
        table = splits.part(name)
        labels = table["label"].map(numbers).to_numpy(dtype=np.int64)
        found.append(Rows(array.array, array.rows(table["file"].tolist()), labels))
    return found[0], found[1]


BUILDERS: dict[str, Callable[..., Untrained]] = {
    "train_benchmark": benchmark,
    "train_top": top,
    "fine_tune": fine_tuned,
}

"""Untrained models: what each training step trains, on which rows, and the layers that are delivered with it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from components.data import augmentation
from components.data.artifacts import Augmented, Features, Splits, Tensors, Top, Weights
from components.data.memory_maps import FileArray
from components.model import backbones, heads
from components.model import benchmark as benchmark_networks
from components.model.cut import cut
from components.model.lora import add_lora, merge_lora
from components.model.rows import FreshRows, Rows, draw_into_file


@dataclass(frozen=True)
class Untrained:
    """A model before its training.

    Args:
        model: Stored views to logits, (batch, ...) to (batch, classes); what it is to train is marked trainable.
        split_rows: The rows that train, and those that validate.
        layers: From raw RGB, (batch, size, size, 3) in [0, 255], to logits; they share the model's weights.
        head: The layers of the model that are no part of a backbone; None for a model without a backbone.
    """

    model: keras.Model
    split_rows: tuple[Rows, Rows]
    layers: list[keras.Layer]
    head: keras.Model | None = None


def assemble_benchmark(
    augmented: Augmented, splits: Splits, network: str, image_size: int, width: int, stages: int,
    folder: Path | None = None,
) -> Untrained:  # fmt: skip
    """Return a new benchmark network, which resizes views itself, its rows that train and validate, and its layers.

    The views of the training images are drawn once, into a file without a name, in a folder or where such files go.
    """
    layers = [
        keras.layers.Resizing(image_size, image_size, name="resizing"),
        keras.layers.Rescaling(1 / 127.5, -1.0, name="preprocessing"),
        benchmark_networks.build(network, image_size, len(splits.facts.classes), width, stages),
    ]
    model = keras.Sequential([keras.Input(augmented.array.shape[2:]), *layers])
    train, validation = rows_of_splits(augmented, splits)
    if augmented.facts.views:
        drawn = draw_into_file(augmentation.draw_views(augmented), train.rows, folder)
        train = Rows(drawn, np.arange(len(drawn)), train.labels)
    return Untrained(model, (train, validation), layers)


def assemble_top(
    features: Features, splits: Splits, weights: Weights, head: str, dropout: float, width: int = 64, depth: int = 1
) -> Untrained:
    """Return a new head, its rows of stored features, and the layers to deliver: the backbone's, then the head's.

    Raises:
        UserError: The head takes features of another pooling.
    """
    model = new_head(features, head, dropout, width, depth)
    layers = [*backbone_layers(features, weights), model]
    return Untrained(model, rows_of_splits(features, splits), layers, model)


def backbone_layers(features: Features, weights: Weights) -> list[keras.Layer]:
    """Return [preprocessing, network, pooling], from raw RGB, (batch, size, size, 3), to features as stored; frozen."""
    entry = backbones.entry_of(weights)
    network = entry.build(features.facts.image_size, weights.file)
    network.trainable = False
    return [entry.preprocessing(), network, entry.pooling_layer(features.facts.pooling, network)]


def new_head(features: Features, head: str, dropout: float, width: int, depth: int) -> keras.Model:
    """Return a new head for stored features: (batch, ...) to logits, (batch, classes).

    Raises:
        UserError: The head takes features of another pooling.
    """
    shape, classes = features.array.shape[2:], len(features.facts.classes)
    return heads.build(head, features.facts.pooling, shape, classes, dropout, width, depth)


def assemble_fine_tuning(tensors: Tensors, splits: Splits, top: Top, weights: Weights, lora: int) -> Untrained:
    """Return a backbone from the cut on, or whole, with its head, rows to train and validate on, and layers to deliver.

    Those are the whole backbone's, then the head's. The rows are of stored tensors. Where no prefix is stored, the
    backbone is whole: under `prefix: live` the rows are images, of which every epoch makes views of its own, unless the
    tensors are to have none; where all layers are trained they are the stored views. With a rank of LoRA it is trained
    in place of the backbone's own weights.

    Raises:
        UserError: None of the layers that are trained takes LoRA.
    """
    entry = backbones.entry_of(weights)
    network = entry.build(tensors.facts.image_size, weights.file)
    prefix, suffix = cut(network, tensors.facts.first_trainable)
    if lora:
        add_lora(suffix, lora)
    pooling = entry.pooling_layer(top.facts.pooling, network)
    pooled = pooling(suffix.output)
    head = top.load(pooled.shape[1:])
    model = keras.Model(suffix.input, head(pooled))
    layers = [entry.preprocessing(), network, pooling, head]
    train, validation = rows_of_splits(tensors, splits)
    if tensors.facts.prefix != "stored":
        image = keras.Input(network.input_shape[1:])
        model = keras.Model(image, model(prefix(entry.preprocessing()(image), training=False)))
        if tensors.facts.prefix == "live" and tensors.facts.views:
            limits = augmentation.ViewLimits(**tensors.facts.view_limits)
            files = splits.part("train")["file"].tolist()
            train = FreshRows(train.array, train.rows, train.labels, files, limits, tensors.facts.view_seed)
    return Untrained(model, (train, validation), layers, head)


def plain_layers(layers: list[keras.Layer], weights: Weights) -> list[keras.Layer]:
    """Return [preprocessing, network, ...] with a new network in which LoRA's products are added to the kernels."""
    preprocessing, network, *rest = layers
    return [preprocessing, merge_lora(network, backbones.entry_of(weights)), *rest]


def rows_of_splits(array: FileArray, splits: Splits) -> tuple[Rows, Rows]:
    """Return the rows of a stored array that train, then those that validate, each in the order of `splits.csv`."""
    numbers = {name: number for number, name in enumerate(splits.facts.classes)}
    split_rows = []
    for name in ("train", "validation"):
        table = splits.part(name)
        labels = table["label"].map(numbers).to_numpy(dtype=np.int64)
        rows = array.rows(table["file"].tolist())
        split_rows.append(Rows(array.array, rows, labels, groups=table["group"].to_numpy()))
    return split_rows[0], split_rows[1]


ASSEMBLERS: dict[str, Callable[..., Untrained]] = {  # by step
    "train_benchmark": assemble_benchmark,
    "train_top": assemble_top,
    "fine_tune": assemble_fine_tuning,
}

"""Compute once what the frozen network makes of every image and view."""

from typing import Annotated

from components.data.artifacts import Augmented, Features, Tensors, Weights
from components.model.backbones import POOLINGS
from components.parameters import Count, Names
from components.step import Input, Output


def extract(
    augmented: Input[Augmented],
    weights: Input[Weights],
    features: Output[Features],
    tensors: Output[Tensors],
    *,
    unfreeze: str,
    pooling: Annotated[str, Names("pooling", POOLINGS)],
    batch_size: Count,
) -> None:
    """Compute once what the frozen network makes of every image and view: its features, and its tensors at the cut.

    Args:
        augmented: The plain images and their views.
        weights: Pretrained weights, which say what the backbone is.
        features: The backbone's output, pooled, of every file and view.
        tensors: The activations that the first trainable layer's part of the network starts from, likewise.
        unfreeze: First layer that fine-tuning will train: its name, `last_block`, or `last_blocks`, a third.
        pooling: `average` over positions, for the heads that take channels; `none` for those that take maps.
        batch_size: Views a batch.

    Raises:
        UserError: The backbone has no such layer.
    """
    import keras
    import numpy as np

    from components.data.artifacts import release
    from components.model import backbones
    from components.model.cut import cut
    from components.progress import bar

    entry = backbones.get(weights.facts["backbone"])
    network = entry.build(augmented.facts["image_size"], weights.file)
    first = entry.first_trainable(unfreeze)
    prefix, suffix = cut(network, first)
    network.trainable = False
    image = keras.Input(network.input_shape[1:])
    at_cut = prefix(entry.preprocessing()(image), training=False)
    pooled = backbones.pooling(pooling)(suffix(at_cut, training=False))
    both = keras.Model(image, [pooled, at_cut])

    files = augmented.table("files.csv")["file"].tolist()
    views = augmented.array
    per_file = views.shape[1]
    outputs = [
        features.create(files, (per_file, *pooled.shape[1:]), "float32"),
        tensors.create(files, (per_file, *at_cut.shape[1:]), "float32"),
    ]
    flat = [array.reshape(-1, *array.shape[2:]) for array in (views, *outputs)]
    with features.timed("extraction", len(flat[0])), bar("extract", len(flat[0]), "view") as progress:
        for start in range(0, len(flat[0]), batch_size):
            batch = flat[0][start : start + batch_size]
            for array, output in zip(flat[1:], both.predict_on_batch(batch.astype(np.float32)), strict=True):
                array[start : start + batch_size] = output
            for array in flat:
                release(array)
            progress.update(len(batch))
    tensors.work.update(features.work)
    for artifact in (features, tensors):
        artifact.facts.update(first_trainable=first, pooling=pooling)

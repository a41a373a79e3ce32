"""Compute once the features and tensors of every image and view."""

from typing import Annotated

from components.data.artifacts import Augmented, Features, Precision, Tensors, Weights
from components.machinery.signature import Input, Output
from components.model.backbones import POOLINGS
from components.system.limits import Count, Names, Positive

PREFIXES = {  # what to do where the tensors take more than `storage_limit`
    "stored": "take fewer views, `augment: {views: ..}`, or store the images alone, `extract: {prefix: live}`",
    "live": "take smaller images, `augment: {image_size: ..}`",
}


def extract(
    augmented: Input[Augmented],
    weights: Input[Weights],
    chosen_precision: Input[Precision],
    features: Output[Features],
    tensors: Output[Tensors],
    *,
    unfreeze: str,
    pooling: Annotated[str, Names("pooling", POOLINGS)],
    prefix: Annotated[str, Names("prefix", PREFIXES)],
    batch_size: Count,
    storage_limit: Positive,
) -> None:
    """Compute once, with the frozen network, the features of every image and view, and their tensors at the cut.

    Args:
        augmented: The plain images and their views.
        weights: Pretrained weights, which say what the backbone is.
        chosen_precision: The precision that long sums are computed in.
        features: The backbone's output, pooled, of every file and view.
        tensors: What fine-tuning starts from: the activations at the cut of every file and view, or the plain images.
        unfreeze: First layer that fine-tuning will train: its name, `last_block`, or `last_blocks`, a third.
        pooling: `average` over positions, for the heads that take channels; `none` for those that take maps.
        prefix: The layers before the cut: `stored`, their output is kept, or `live`, they are run again on fresh views.
        batch_size: Views a batch.
        storage_limit: GB that the tensors may take at most.

    Raises:
        UserError: The backbone has no such layer, or the tensors would take more than the limit.
    """
    from components.model import backbones, extraction

    entry, precision = backbones.get(weights.facts.backbone), chosen_precision.facts.precision
    network = entry.build(augmented.facts.image_size, weights.file)
    first = entry.first_trainable_layer(unfreeze)
    frozen = extraction.frozen_network(entry, network, first, pooling, at_cut=prefix == "stored", precision=precision)

    files, views = augmented.table("files.csv")["file"].tolist(), augmented.array
    pooled, *at_cut = [(views.shape[1], *output.shape[1:]) for output in frozen.outputs]
    stored = (at_cut[0], "float32") if at_cut else ((1, *views.shape[2:]), "uint8")
    extraction.check_storage(len(files), *stored, storage_limit, PREFIXES[prefix])

    arrays = [features.create(files, pooled, "float32"), tensors.create(files, *stored)]
    with features.time_work("extraction", views.shape[0] * views.shape[1]):
        extraction.write_outputs(extraction.extraction_graph(frozen), views, arrays[: 1 + len(at_cut)], batch_size)
    if not at_cut:
        extraction.write_outputs(lambda images: [images], views[:, :1], arrays[1:], batch_size)
    for artifact in (features, tensors):
        facts = artifact.facts
        facts.first_trainable, facts.pooling, facts.prefix, facts.precision = first, pooling, prefix, precision

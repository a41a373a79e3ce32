"""Compute once what the frozen network makes of every image and view."""

from typing import Annotated

from components.data.artifacts import Augmented, Features, Precision, Tensors, Weights
from components.machinery.signature import Input, Output
from components.model.backbones import POOLINGS
from components.system.limits import Count, Names, Positive

PREFIXES = {  # what to do where the tensors take more than they may
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
    """Compute once what the frozen network makes of every image and view: its features, and its tensors at the cut.

    Args:
        augmented: The plain images and their views.
        weights: Pretrained weights, which say what the backbone is.
        chosen_precision: What long sums are computed in.
        features: The backbone's output, pooled, of every file and view.
        tensors: What fine-tuning starts from: the activations at the cut, likewise, or the plain images.
        unfreeze: First layer that fine-tuning will train: its name, `last_block`, or `last_blocks`, a third.
        pooling: `average` over positions, for the heads that take channels; `none` for those that take maps.
        prefix: The layers before the cut: `stored`, what they make, or `live`, to be run again on fresh views.
        batch_size: Views a batch.
        storage_limit: Most that the tensors may take, GB.

    Raises:
        UserError: The backbone has no such layer, or the tensors would take more than they may.
    """
    from components.model import backbones, extraction

    entry, precision = backbones.get(weights.facts.backbone), chosen_precision.facts.precision
    network = entry.build(augmented.facts.image_size, weights.file)
    first = entry.first_trainable(unfreeze)
    frozen = extraction.frozen(entry, network, first, pooling, at_cut=prefix == "stored", precision=precision)

    files, views = augmented.table("files.csv")["file"].tolist(), augmented.array
    pooled, *at_cut = [(views.shape[1], *output.shape[1:]) for output in frozen.outputs]
    stored = (at_cut[0], "float32") if at_cut else ((1, *views.shape[2:]), "uint8")
    extraction.check_storage(len(files), *stored, storage_limit, PREFIXES[prefix])

    arrays = [features.create(files, pooled, "float32"), tensors.create(files, *stored)]
    with features.time_work("extraction", views.shape[0] * views.shape[1]):
        extraction.write(extraction.graph(frozen), views, arrays[: 1 + len(at_cut)], batch_size)
    if not at_cut:
        extraction.write(lambda images: [images], views[:, :1], arrays[1:], batch_size)
    for artifact in (features, tensors):
        facts = artifact.facts
        facts.first_trainable, facts.pooling, facts.prefix, facts.precision = first, pooling, prefix, precision

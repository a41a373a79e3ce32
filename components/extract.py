"""Compute once the features and tensors of every image and view."""

from typing import Annotated

from components.data.artifacts import Augmented, Features, Precision, Tensors, Weights
from components.machinery.signature import Input, Output
from components.model.backbones.poolings import POOLINGS
from components.system.limits import Count, Names, Positive

PREFIXES = {  # what is stored, and what to do where it takes more than `storage_limit`
    "stored": "take fewer views, `augment: {views: ..}`, half the bytes, `extract: {storage: float16}`, or store the "
    "images alone, `extract: {prefix: live}`",
    "live": "take smaller images, `augment: {image_size: ..}`",
    "none": "take fewer views, `augment: {views: ..}`, or store the images alone, `extract: {prefix: live}`",
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
    prefix: Annotated[str, Names("prefix", ("stored", "live"))],
    storage: Annotated[str, Names("type of stored tensors", ("float32", "float16"))],
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
        unfreeze: First layer that fine-tuning will train: its name, `last_block`, `last_blocks`, a third, a share of
            the network's depth such as 0.5, or `all`, in which case the tensors are the views themselves.
        pooling: How the network's output becomes features: `average` over maps or over the tokens of patches,
            `class_token`, `both` of these, or `auto`, what is usual for the network; `none` for heads that take maps.
        prefix: The layers before the cut: `stored`, their output is kept, or `live`, they are run again on fresh views.
        storage: Type of stored tensors' numbers: `float32`, as they are computed, or `float16`, in half the bytes.
        batch_size: Views a batch.
        storage_limit: GB that the tensors may take at most.

    Raises:
        UserError: The backbone has no such layer, or the tensors would take more than the limit, or have numbers that
            are too large for `float16`.
    """
    from components.data import augmentation
    from components.model import backbones, extraction
    from components.model.cut import ALL_LAYERS

    entry, precision = backbones.entry_of(weights), chosen_precision.facts.precision
    network = entry.build(augmented.facts.image_size, weights.file)
    first, pooling = entry.first_trainable_layer(unfreeze, network), entry.pooling_name(pooling)
    print(f"extract: {network.name}, pooling {pooling}, trained from {first} on" if first != ALL_LAYERS else
          f"extract: {network.name}, pooling {pooling}, all layers are trained")  # fmt: skip
    prefix = "none" if first == ALL_LAYERS and prefix == "stored" else prefix
    frozen = extraction.frozen_network(entry, network, first, pooling, at_cut=prefix == "stored", precision=precision)

    views = augmentation.draw_views(augmented)
    pooled, *at_cut = [(views.shape[1], *output.shape[1:]) for output in frozen.outputs]
    kept = views if prefix == "none" else augmentation.draw_views(augmented, 0)  # where no activations are
    stored = (at_cut[0], storage) if at_cut else (kept.shape[1:], "uint8")
    extraction.check_storage(len(views.files), *stored, storage_limit, PREFIXES[prefix])

    arrays = [features.create(views.files, pooled, "float32"), tensors.create(views.files, *stored)]
    with features.time_work("extraction", views.shape[0] * views.shape[1]):
        extraction.write_outputs(extraction.extraction_graph(frozen), views, arrays[: 1 + len(at_cut)], batch_size)
    if not at_cut:
        extraction.write_outputs(lambda images: [images], kept, arrays[1:], batch_size)
    tensors.facts.storage = storage
    for artifact in (features, tensors):
        facts = artifact.facts
        facts.first_trainable, facts.pooling, facts.prefix, facts.precision = first, pooling, prefix, precision

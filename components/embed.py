"""Compute the features of a part of the training and validation images, for probes."""

from typing import Annotated

from components.data.artifacts import Embeddings, Images, Splits, Weights
from components.data.nested_parts import PartNumber
from components.data.resizing import RESIZINGS
from components.machinery.signature import Input, Output
from components.system.limits import Count, Names, Pixels, Seed


def embed(
    images: Input[Images],
    splits: Input[Splits],
    weights: Input[Weights],
    embeddings: Output[Embeddings],
    *,
    image_size: Pixels,
    resize: Annotated[str, Names("way of resizing", RESIZINGS)] = "squash",
    part: PartNumber = 0,
    first: Count = 256,
    seed: Seed = 1,
    batch_size: Count = 32,
) -> None:
    """Compute the features of the plain images of one part of the training and validation rows.

    The parts share no image: with the parts before it, each makes a sample that is four times as large.

    Args:
        images: The data set.
        splits: The training and validation rows; no test image is read.
        weights: Pretrained weights, which say what the backbone is.
        embeddings: The backbone's output, pooled as is usual for it, of every image of the part.
        image_size: Working size, pixels a side.
        resize: How an image becomes a square: `squash`, `crop` or `pad`, as in `augment`.
        part: Number of the part, from 0.
        first: Training images of part 0, and validation images at most; or four of each class if those are more.
        seed: Seed of the drawing of the parts.
        batch_size: Images a batch.

    Raises:
        UserError: There is no such part, or the network takes no images of this size.
    """
    from components.data import nested_parts
    from components.model import embedding

    parts = nested_parts.divide(splits, first, seed)
    files = nested_parts.require_part(parts, part)
    compute, facts = embedding.embedding_function(weights, image_size)
    vars(embeddings.facts).update(facts, image_size=image_size, part=part)
    embedding.write_embeddings(compute, images, files, embeddings, image_size, resize, batch_size)

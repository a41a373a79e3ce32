"""Embeddings: the features of plain images, from their files, without a copy of their pixels."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from components.data import images as image_files
from components.data.artifacts import Embeddings, Images, Weights
from components.model import backbones, extraction
from components.model.cut import ALL_LAYERS
from components.system.progress import bar


def embedding_function(weights: Weights, image_size: int) -> tuple[extraction.BatchFunction, dict[str, Any]]:
    """Return a function from uint8 images to [features (n, channels)], and {network_parameters, network_bytes}.

    Images are (n, size, size, 3). `network_parameters` are those of the backbone; `network_bytes` what it needs for one
    image in float32: its weights, and the largest two outputs of its layers.

    Raises:
        UserError: The network takes no images of this size.
    """
    keras.utils.clear_session()
    entry = backbones.entry_of(weights)
    network = entry.build(image_size, weights.file)
    frozen = extraction.frozen_network(
        entry, network, ALL_LAYERS, entry.pooling_name("auto"), at_cut=False, precision="float32"
    )
    tensors = [one for operation in network.operations for one in operation._inbound_nodes[0].outputs]
    outputs = sorted(math.prod(side or 1 for side in tensor.shape[1:]) for tensor in tensors)
    parameters = network.count_params()
    facts = {"network_parameters": parameters, "network_bytes": 4 * (parameters + sum(outputs[-2:]))}
    return extraction.extraction_graph(frozen), facts


def write_embeddings(
    compute: Callable[[np.ndarray], list[np.ndarray]], images: Images, files: Sequence[str], embeddings: Embeddings,
    image_size: int, resize: str, batch_size: int,
) -> None:  # fmt: skip
    """Write the features of images to an artifact, (files, channels), and note in its record what that took.

    The first batch is computed once before, untimed: it builds the graph.

    Args:
        compute: What `embedding_function` returns.
        images: The data set.
        files: Names of the images.
        embeddings: The artifact to fill.
        image_size: Working size, pixels a side.
        resize: How an image becomes a square.
        batch_size: Images a batch.
    """

    def pixels_of(name: str) -> np.ndarray:
        return image_files.read_pixels(images.file(name), image_size, images.facts.white_level, resize)

    (like,) = compute(np.zeros((min(batch_size, len(files)), image_size, image_size, 3), np.uint8))
    array = embeddings.create([*files], like.shape[1:], "float32")
    with embeddings.time_work("embedding", len(files)), bar("embed", len(files), "image") as progress:
        for rows, batch in image_files.map_in_batches(pixels_of, files, batch_size):
            (array[rows],) = compute(batch)
            progress.update(len(batch))

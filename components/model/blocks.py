"""The blocks of a network, by which the depth of its layers is counted."""

from collections.abc import Iterator
from itertools import pairwise

import keras

from components.model.cut import narrow_points


def trainable_blocks(network: keras.Model) -> list[list[keras.Variable]]:
    """Return the variables to train, a list for each block with a kernel, input first; others join the block before.

    A block begins wherever all that follows is computed from a single tensor: it is one layer of a plain network, and a
    whole residual block, dense layer or inception module of others. What has no kernel, such as a normalisation between
    two blocks, counts with the one before it.
    """
    blocks: list[list[keras.Variable]] = []
    for operations in stretches(network):
        variables = [variable for one in operations for variable in getattr(one, "trainable_variables", [])]
        if blocks and not any(len(variable.shape) > 1 for variable in variables):
            blocks[-1] += variables
        elif variables:
            blocks.append(variables)
    return blocks


def stretches(network: keras.Model) -> Iterator[list[keras.Operation]]:
    """Yield lists of operations, each from behind a narrow point to the next; a nested network gives its own lists."""
    if isinstance(network, keras.Sequential):
        pieces = [[layer] for layer in network.layers]
    else:
        points = narrow_points(network)
        pieces = [network.operations[start + 1 : end + 1] for start, end in pairwise(points)]
    for piece in pieces:
        if len(piece) == 1 and (isinstance(piece[0], keras.Sequential) or hasattr(piece[0], "operations")):
            yield from stretches(piece[0])
        else:
            yield piece

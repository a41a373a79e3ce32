"""Cuts a network at its first trainable layer: a frozen prefix, computed once, and a suffix that is trained."""

from typing import TYPE_CHECKING

from components.system.errors import unknown_name

if TYPE_CHECKING:
    import keras


ALL_LAYERS = "all"


def cut(network: "keras.Model", first_trainable: str) -> tuple["keras.Model", "keras.Model"]:
    """Set which layers of a functional network train; return its frozen prefix and its suffix, which share its layers.

    The cut is the last single tensor, before the first trainable layer, that everything behind it is computed from:
    inside a residual block that is the block's input. Layers of the suffix that come before the first trainable one are
    frozen, and so is every batch normalisation, which Keras then runs in inference mode.

    Args:
        network: One input, one output; its layers in topological order, as Keras keeps them.
        first_trainable: Name of the first layer to be trained, or `all`.

    Returns:
        The prefix, images to the cut, and the suffix, the cut to the network's output.

    Raises:
        UserError: The network has no such layer.
    """
    import keras

    layers = network.layers
    names = [layer.name for layer in layers]
    first_trainable = names[1] if first_trainable == ALL_LAYERS else first_trainable
    if first_trainable not in names[1:]:
        raise unknown_name(f"layer of {network.name}", first_trainable, names[1:])
    first = names.index(first_trainable)
    for number, layer in enumerate(layers):
        layer.trainable = number >= first and not isinstance(layer, keras.layers.BatchNormalization)
    tensor = tensor_before(network, first_trainable)
    prefix = keras.Model(network.input, tensor, name=f"{network.name}_prefix")
    return prefix, keras.Model(tensor, network.output, name=f"{network.name}_suffix")


def tensor_before(network: "keras.Model", layer: str) -> "keras.KerasTensor":
    """Return the last tensor before a layer, at worst the input, from which alone it and all behind it are computed."""
    names = [operation.name for operation in network.operations]
    best = max(number for number in narrow_points(network) if number < names.index(layer))
    return network.operations[best]._inbound_nodes[0].outputs[0]


def layer_at_depth(network: "keras.Model", share: float) -> str:
    """Return the name of a block's first layer with weights, from which on about a share of the network's depth lies.

    The depth is counted in layers that have a kernel. Only layers directly behind a single tensor count, those with
    which blocks begin, so that nothing in front of the layer that is returned has to be computed in training.

    Args:
        network: A functional network.
        share: Of the depth, in (0, 1).
    """
    operations = network.operations
    with_kernel = [any(len(weight.shape) > 1 for weight in getattr(one, "weights", [])) for one in operations]
    nearest: tuple[float, str] | None = None
    for number in narrow_points(network)[:-1]:
        behind = sum(with_kernel[number + 1 :]) / sum(with_kernel)
        first = next((one.name for one in operations[number + 1 :] if getattr(one, "weights", [])), None)
        if first and (nearest is None or abs(behind - share) < nearest[0]):
            nearest = abs(behind - share), first
    assert nearest is not None  # there is always the input
    return nearest[1]


def narrow_points(network: "keras.Model") -> list[int]:
    """Return, ascending, the numbers of the operations whose output alone all later operations are computed from.

    The first is that of the input, the last that of the output. Operations are layers, and sums and the like that were
    written as such.
    """
    operations = network.operations
    position = {operation.name: number for number, operation in enumerate(operations)}
    last_use = [0] * len(operations)
    for number, operation in enumerate(operations):
        for node in operation._inbound_nodes:
            for parent in node.parent_nodes:
                name = parent.operation.name
                if name in position:
                    last_use[position[name]] = max(last_use[position[name]], number)
    points, reach = [], 0
    for number in range(len(operations)):
        if reach <= number:
            points.append(number)
        reach = max(reach, last_use[number])
    return points

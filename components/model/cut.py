"""Cuts a network at its first trainable layer: a frozen prefix, computed once, and a suffix that is trained."""

from typing import TYPE_CHECKING

from components.system.errors import unknown_name

if TYPE_CHECKING:
    import keras


def cut(network: "keras.Model", first_trainable: str) -> tuple["keras.Model", "keras.Model"]:
    """Set which layers of a functional network train; return its frozen prefix and its suffix, which share its layers.

    The cut is the last single tensor, before the first trainable layer, that everything behind it is computed from:
    inside a residual block that is the block's input. Layers of the suffix that come before the first trainable one are
    frozen, and so is every batch normalisation, which Keras then runs in inference mode.

    Args:
        network: One input, one output; its layers in topological order, as Keras keeps them.
        first_trainable: Name of the first layer to be trained.

    Returns:
        The prefix, images to the cut, and the suffix, the cut to the network's output.

    Raises:
        UserError: The network has no such layer, or nothing before it to freeze.
    """
    import keras

    layers = network.layers
    names = [layer.name for layer in layers]
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
    operations = network.operations  # the layers, and sums and the like that were written as such
    position = {operation.name: number for number, operation in enumerate(operations)}
    last_use = [0] * len(operations)
    for number, operation in enumerate(operations):
        for node in operation._inbound_nodes:
            for parent in node.parent_nodes:
                name = parent.operation.name
                if name in position:
                    last_use[position[name]] = max(last_use[position[name]], number)
    reach, best = 0, 0
    for number in range(position[layer]):
        if reach <= number:
            best = number
        reach = max(reach, last_use[number])
    return operations[best]._inbound_nodes[0].outputs[0]

"""LoRA: a product of two narrow matrices is trained beside each kernel, which is frozen itself.

Source: Hu et al., arXiv 2106.09685.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import keras

from components.model.backbones.protocol import Backbone
from components.system.errors import UserError


def add_lora(network: keras.Model, rank: int) -> None:
    """Freeze a network in place, but for new products of a rank, 0 at first, beside the kernels that were trainable.

    The kernels are those of the layers for which Keras has it: dense ones and convolutions, but no depthwise ones.

    Raises:
        UserError: No such layer was to be trained.
    """
    layers = [
        layer
        for layer in network._flatten_layers(include_self=False)
        if layer.trainable
        and hasattr(layer, "enable_lora")
        and not isinstance(layer, keras.layers.Embedding)
        and layer.kernel_constraint is None
    ]
    if not layers:
        raise UserError(
            f"lora adapts dense layers and convolutions; received {rank}, and none is trained: train more layers, "
            f"`extract: {{unfreeze: last_blocks}}`, or set it to 0"
        )
    for variable in network.trainable_variables:
        variable.trainable = False
    for layer in layers:
        layer.enable_lora(rank)


def merge_lora(network: keras.Model, entry: Backbone) -> keras.Model:
    """Return a new, plain network of an entry, LoRA's products added to its kernels, so that outputs are the same.

    Args:
        network: As the entry builds it, with LoRA.
        entry: The network's.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder) / "merged.weights.h5"
        network.save_weights(file)  # Keras saves a kernel with its product
        return entry.build(network.input_shape[1], file)

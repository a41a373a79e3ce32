"""The registry of backbones: networks without their top, and the facts that belong to each."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import UserError, no_such

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Backbone:
    """One network without its top.

    Args:
        network: Takes an image size in pixels and returns the functional network, randomly initialised; input
            (batch, size, size, 3), output (batch, height, width, channels).
        scale: Factor that turns a pixel in [0, 255] into what the network was pretrained on, before `offset`.
        offset: Added after `scale`.
        image_size: Pixels a side that the network was pretrained at.
        last_block: Name of the first layer of its last block, which `unfreeze: last_block` stands for.
        imagenet: The function of `keras.applications` that has ImageNet weights to download; empty where none has.
        license: Terms of the pretrained weights.
    """

    network: Callable[[int], "keras.Model"]
    scale: float
    offset: float
    image_size: int
    last_block: str
    imagenet: str
    license: str

    def build(self, image_size: int, weights: Path | None = None) -> "keras.Model":
        """Return the network for images of `image_size` pixels, with the weights of a file or random ones.

        Raises:
            UserError: The file does not fit the network.
        """
        network = self.network(image_size)
        if weights is not None:
            try:
                with warnings.catch_warnings():  # Keras only warns where it leaves a layer at random
                    warnings.simplefilter("error", UserWarning)
                    network.load_weights(weights)
            except Exception as error:  # Keras and h5py throw what they like at a file that is none of theirs
                reason = " ".join(str(error).split())[:200]
                raise UserError(f"the weights {weights} do not fit the backbone {network.name!r}: {reason}") from error
        return network

    def download(self, target: Path) -> None:
        """Write the ImageNet weights that keras.applications downloads to a file.

        Raises:
            UserError: There are none for this backbone, or the download fails.
        """
        import keras

        if not self.imagenet:
            raise UserError("keras.applications has no ImageNet weights of this backbone: give the path of a file")
        network = getattr(keras.applications, self.imagenet)
        try:
            network(include_top=False, input_shape=(self.image_size, self.image_size, 3)).save_weights(target)
        except Exception as error:  # Keras raises a bare Exception for a download that fails
            message = f"cannot download the ImageNet weights of {self.imagenet}: {error}; give the path of a file"
            raise UserError(message) from error

    def first_trainable(self, unfreeze: str) -> str:
        """Return the layer that `unfreeze` names: `last_block`, or a layer of the network."""
        return self.last_block if unfreeze == "last_block" else unfreeze


def get(name: str) -> Backbone:
    """Return the backbone of that name, or raise a UserError that lists the names."""
    if name not in BACKBONES:
        raise no_such("backbone", name, BACKBONES)
    return BACKBONES[name]


def vgg16_small(image_size: int) -> "keras.Model":
    """VGG16's thirteen convolutions at a quarter of the width, named as VGG16's layers (16 to 128 channels).

    Source: Simonyan and Zisserman, arXiv 1409.1556, configuration D.
    """
    import keras

    inputs = keras.Input((image_size, image_size, 3))
    x = inputs
    for block, (channels, convolutions) in enumerate(((16, 2), (32, 2), (64, 3), (128, 3), (128, 3)), start=1):
        for convolution in range(1, convolutions + 1):
            x = keras.layers.Conv2D(
                channels, 3, padding="same", activation="relu", kernel_initializer="he_normal",
                name=f"block{block}_conv{convolution}",
            )(x)  # fmt: skip
        x = keras.layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    return keras.Model(inputs, x, name="vgg16_small")


def mobilenet_v2(image_size: int) -> "keras.Model":
    """MobileNetV2 of width 1.0.

    Source: Sandler et al., arXiv 1801.04381.
    """
    import keras

    return keras.applications.MobileNetV2((image_size, image_size, 3), include_top=False, weights=None)


BACKBONES = {
    "vgg16_small": Backbone(
        vgg16_small, 1 / 127.5, -1.0, 32, "block5_conv1", "", "this project's own, Apache-2.0"
    ),
    "mobilenet_v2": Backbone(
        mobilenet_v2, 1 / 127.5, -1.0, 224, "block_16_expand", "MobileNetV2", "Apache-2.0"
    ),
}  # fmt: skip

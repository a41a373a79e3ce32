"""The registry of backbones: networks without their top, and the facts that belong to each."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from components.system.errors import UserError, unknown_name

if TYPE_CHECKING:
    import keras

CUTS = ("last_block", "last_blocks")
ChannelValues = float | tuple[float, ...]  # one for all channels, or one for each
Network = Callable[[int, str | None, bool], "keras.Model"]


@dataclass(frozen=True)
class Backbone:
    """An entry of the registry: a network without its top, and the facts that belong to it.

    Args:
        network: Takes an image size in pixels, `imagenet`, for the weights that keras.applications has to download, or
            None, for random ones, and whether to add its top; returns the functional network, input (batch, size, size,
            3), output (batch, height, width, channels), with the top the probabilities of ImageNet's classes.
        bgr: Whether it was pretrained on blue, green, red instead of red, green, blue.
        scale: Factor that turns a pixel in [0, 255] into what it was pretrained on, before `offset`: one, or one for
            each of its channels.
        offset: Added after `scale`, likewise.
        image_size: Pixels a side that the network was pretrained at.
        cuts: The first layer that is trained under `unfreeze: last_block`, and under `last_blocks`, a third of the
            network.
        license: Terms of the pretrained weights.
        min_products: The fewest products in a sum for `precision: bfloat16` to compute it so; shorter sums are not
            worth it, and where roundings add up to more than a hundredth of the features, only the longest are.
    """

    network: Network
    bgr: bool
    scale: ChannelValues
    offset: ChannelValues
    image_size: int
    cuts: tuple[str, str]
    license: str
    min_products: int = 256

    def build(self, image_size: int, weights: Path | None = None, top: bool = False) -> "keras.Model":
        """Return the network for images of `image_size` pixels, with a file's or random weights, its top only if `top`.

        Raises:
            UserError: The images are too small for the network, the file does not fit it, or it has no top.
        """
        try:
            network = self.network(image_size, None, top)
        except ValueError as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"no backbone for images of {image_size} pixels: {reason}; give a larger size") from error
        if weights is not None:
            try:
                with warnings.catch_warnings():  # Keras only warns where it leaves a layer at random
                    warnings.simplefilter("error", UserWarning)
                    load_weights(network, weights)
            except Exception as error:  # Keras and h5py throw what they like at a file that is none of theirs
                reason = " ".join(str(error).split())[:200]
                raise UserError(f"the weights {weights} do not fit the backbone {network.name!r}: {reason}") from error
        return network

    def build_from_file(self, weights: Path) -> "keras.Model":
        """Return the network at its own image size with the weights of a file, with its top where the file holds one.

        Raises:
            UserError: The file does not fit it.
        """
        try:
            return self.build(self.image_size, weights, top=True)
        except UserError:
            return self.build(self.image_size, weights)

    def download(self, top: bool) -> "keras.Model":
        """Return the network at its own image size, with or without `top`, with ImageNet weights downloaded by Keras.

        Raises:
            UserError: There are none for this backbone, or the download fails.
        """
        try:
            return self.network(self.image_size, "imagenet", top)
        except UserError:
            raise
        except Exception as error:  # Keras raises a bare Exception for a download that fails
            raise UserError(f"cannot download the ImageNet weights: {error}; give the path of a file") from error

    def preprocessing(self) -> "keras.Model":
        """Return the layers before the network: raw RGB in [0, 255], of any size, to what it takes."""
        import keras

        image = keras.Input((None, None, 3))
        x = keras.ops.flip(image, axis=-1) if self.bgr else image
        return keras.Model(image, keras.layers.Rescaling(self.scale, self.offset)(x), name="preprocessing")

    def first_trainable_layer(self, unfreeze: str) -> str:
        """Return the first layer to train: one of `cuts` for `last_block` or `last_blocks`; else the name as it is."""
        return dict(zip(CUTS, self.cuts, strict=True)).get(unfreeze, unfreeze)


def get(name: str) -> Backbone:
    """Return the entry of the registry of that name.

    Raises:
        UserError: There is none.
    """
    if name not in BACKBONES:
        raise unknown_name("backbone", name, BACKBONES)
    return BACKBONES[name]


def load_weights(network: "keras.Model", weights: Path) -> None:
    """Load a weights file of Keras 3 or of Keras 2, whatever its name, into a network; its content tells which it is.

    Keras goes by the name, and is given a link to the file that has the right one.
    """
    import h5py  # type: ignore[import-untyped]

    with h5py.File(weights) as content, TemporaryDirectory() as folder:
        is_keras_2 = "layer_names" in content.attrs or "model_weights" in content
        link = Path(folder) / ("keras_2.h5" if is_keras_2 else "keras_3.weights.h5")
        link.symlink_to(weights.resolve())
        network.load_weights(link)


POOLINGS = {"average": "GlobalAveragePooling2D", "none": "Identity"}


def pooling_layer(name: str) -> "keras.Layer":
    """Return the layer from a backbone's output to features: each channel's mean for `average`, else the maps."""
    import keras

    return getattr(keras.layers, POOLINGS[name])(name="pooling")


def imagenet_class_names() -> list[str]:
    """Return ImageNet's 1000 class names, such as `tench`, in a network's order of output; Keras downloads them once.

    Raises:
        UserError: The download fails.
    """
    import keras
    import numpy as np

    try:
        decoded = keras.applications.imagenet_utils.decode_predictions(np.eye(1000), top=1)
    except Exception as error:  # Keras raises a bare Exception for a download that fails
        raise UserError(
            f"cannot download the names of ImageNet's classes: {error}; put imagenet_class_index.json into "
            f"~/.keras/models, or set `stock: leave`"
        ) from error
    return [name for ((_, name, _),) in decoded]


def vgg16_small(image_size: int, weights: str | None, top: bool) -> "keras.Model":
    """Return VGG16's convolutions and poolings, untrained, at a quarter of the width, with the names of VGG16's layers.

    They are thirteen and five, with 16 to 128 channels.

    Source: Simonyan and Zisserman, arXiv 1409.1556, configuration D.

    Raises:
        UserError: ImageNet weights or a top are asked for; there are none.
    """
    import keras

    if weights or top:
        raise UserError("keras.applications has no ImageNet weights of this backbone: give the path of a file")

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


def application(name: str, image_size: int, weights: str | None, top: bool, **options: Any) -> "keras.Model":
    """Return a network of keras.applications, such as `MobileNet`: with random weights for None, else downloaded."""
    import keras

    arguments = {"input_shape": (image_size, image_size, 3), "include_top": top, "weights": weights}
    return getattr(keras.applications, name)(**arguments, **options)


# What networks were pretrained on, as keras.applications' `preprocess_input` makes it: bgr, scale, offset.
CENTRED = (False, 1 / 127.5, -1.0)
CAFFE = (True, 1.0, (-103.939, -116.779, -123.68))
TORCH = (
    False,
    (1 / (0.229 * 255), 1 / (0.224 * 255), 1 / (0.225 * 255)),
    (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
)

# Sources: Simonyan and Zisserman, arXiv 1409.1556 (VGG); He et al., arXiv 1512.03385 (ResNet); Howard et al., arXiv
# 1704.04861 (MobileNet); Sandler et al., arXiv 1801.04381 (MobileNetV2); Tan and Le, arXiv 2104.00298 (EfficientNetV2);
# Liu et al., arXiv 2201.03545 (ConvNeXt). Terms of the weights: as the documentation of Keras 2 says; of the last
# two those of the repositories that they come from, google/automl and facebookresearch/ConvNeXt.
BACKBONES = {
    "vgg16_small": Backbone(
        vgg16_small, *CENTRED, 32, ("block5_conv1", "block4_conv1"), "this project's own, Apache-2.0"
    ),
    "vgg16": Backbone(
        partial(application, "VGG16"), *CAFFE, 224, ("block5_conv1", "block4_conv1"), "CC-BY-4.0"
    ),
    "vgg19": Backbone(
        partial(application, "VGG19"), *CAFFE, 224, ("block5_conv1", "block4_conv1"), "CC-BY-4.0"
    ),
    "resnet50": Backbone(
        partial(application, "ResNet50"), *CAFFE, 224, ("conv5_block3_1_conv", "conv5_block1_1_conv"), "MIT"
    ),
    "mobilenet_025": Backbone(
        partial(application, "MobileNet", alpha=0.25), *CENTRED, 224, ("conv_dw_13", "conv_dw_9"), "Apache-2.0"
    ),
    "mobilenet_v2": Backbone(
        partial(application, "MobileNetV2"), *CENTRED, 224, ("block_16_expand", "block_10_expand"), "Apache-2.0",
        min_products=768,
    ),
    "efficientnet_v2_b0": Backbone(
        partial(application, "EfficientNetV2B0", include_preprocessing=False), *TORCH, 224,
        ("block6h_expand_conv", "block6a_expand_conv"), "Apache-2.0", min_products=768,
    ),
    "convnext_tiny": Backbone(
        partial(application, "ConvNeXtTiny", include_preprocessing=False), *TORCH, 224,
        ("convnext_tiny_stage_3_block_2_depthwise_conv", "convnext_tiny_stage_3_block_0_depthwise_conv"), "MIT",
    ),
}  # fmt: skip

"""Networks of keras.applications as backbones, and this project's own small one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.model.backbones.protocol import Backbone
from components.system.errors import UserError

if TYPE_CHECKING:
    import keras

    from components.data.artifacts import Weights

Network = Callable[[int, str | None, bool], "keras.Model"]


@dataclass(frozen=True, kw_only=True)
class Application(Backbone):
    """A network that a function builds, and for which Keras may have weights to download.

    Args:
        network: Takes an image size in pixels, `imagenet`, for the weights that keras.applications has to download, or
            None, for random ones, and whether to add its top; returns the functional network.
    """

    network: Network

    def new_network(self, image_size: int, top: bool = False) -> "keras.Model":
        return self.network(image_size, None, top)

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

    def fetch(self, weights: "Weights", source: str, keep_top: bool) -> str:
        import shutil

        import keras
        import pandas as pd

        from components.data.artifacts import UNTRAINED
        from components.data.sources import is_versioned, local_path

        keras.utils.clear_session()  # layers without a name of their own are numbered from the start
        file, from_file = Path(source) if is_versioned(source) else local_path(source), False
        if source == "imagenet":
            network = self.download(keep_top)
        elif source == "random":
            keras.utils.set_random_seed(0)
            network = self.build(self.image_size)
        elif file.is_file():
            network, from_file = self.build_from_file(file), True
        else:
            raise UserError(f"no weights file {source!r}: give `imagenet`, `random` or the path of a .h5 file")
        topped = len(network.output_shape) == 2
        if topped and keep_top:
            weights.write_table("words.csv", pd.DataFrame({"word": imagenet_class_names()}))
            network.save_weights(weights.stock)
        if topped:
            bare = self.build(self.image_size)
            bare.set_weights(network.get_weights()[: len(bare.weights)])
            network = bare
        if from_file and not topped:
            shutil.copyfile(file, weights.file)
        else:
            network.save_weights(weights.file)
        return UNTRAINED if source == "random" else self.license


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


# What networks were pretrained on, as keras.applications' `preprocess_input` makes it.
CENTRED: dict[str, Any] = {"scale": 1 / 127.5, "offset": -1.0}
CAFFE: dict[str, Any] = {"bgr": True, "scale": 1.0, "offset": (-103.939, -116.779, -123.68)}
TORCH: dict[str, Any] = {
    "scale": (1 / (0.229 * 255), 1 / (0.224 * 255), 1 / (0.225 * 255)),
    "offset": (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
}

# Sources: Simonyan and Zisserman, arXiv 1409.1556 (VGG); He et al., arXiv 1512.03385 (ResNet); Howard et al., arXiv
# 1704.04861 (MobileNet); Sandler et al., arXiv 1801.04381 (MobileNetV2); Tan and Le, arXiv 2104.00298 (EfficientNetV2);
# Liu et al., arXiv 2201.03545 (ConvNeXt; the base one was pretrained on ImageNet-21k, then trained on ImageNet-1k).
# Terms of the weights: as the documentation of Keras 2 says; of the last three those of the repositories that they come
# from, google/automl and facebookresearch/ConvNeXt.
APPLICATIONS = {
    "vgg16_small": Application(
        network=vgg16_small,
        **CENTRED,
        image_size=32,
        cuts={"last_block": "block5_conv1", "last_blocks": "block4_conv1"},
        license="this project's own, Apache-2.0",
    ),
    "vgg16": Application(
        network=partial(application, "VGG16"),
        **CAFFE,
        cuts={"last_block": "block5_conv1", "last_blocks": "block4_conv1"},
        license="CC-BY-4.0",
    ),
    "vgg19": Application(
        network=partial(application, "VGG19"),
        **CAFFE,
        cuts={"last_block": "block5_conv1", "last_blocks": "block4_conv1"},
        license="CC-BY-4.0",
    ),
    "resnet50": Application(
        network=partial(application, "ResNet50"),
        **CAFFE,
        cuts={"last_block": "conv5_block3_1_conv", "last_blocks": "conv5_block1_1_conv"},
        license="MIT",
    ),
    "mobilenet_025": Application(
        network=partial(application, "MobileNet", alpha=0.25),
        **CENTRED,
        cuts={"last_block": "conv_dw_13", "last_blocks": "conv_dw_9"},
        license="Apache-2.0",
    ),
    "mobilenet_v2": Application(
        network=partial(application, "MobileNetV2"),
        **CENTRED,
        cuts={"last_block": "block_16_expand", "last_blocks": "block_10_expand"},
        license="Apache-2.0",
        min_products=768,
    ),
    "efficientnet_v2_b0": Application(
        network=partial(application, "EfficientNetV2B0", include_preprocessing=False),
        **TORCH,
        cuts={"last_block": "block6h_expand_conv", "last_blocks": "block6a_expand_conv"},
        license="Apache-2.0",
        min_products=768,
    ),
    "convnext_tiny": Application(
        network=partial(application, "ConvNeXtTiny", include_preprocessing=False),
        **TORCH,
        cuts={
            "last_block": "convnext_tiny_stage_3_block_2_depthwise_conv",
            "last_blocks": "convnext_tiny_stage_3_block_0_depthwise_conv",
        },
        license="MIT",
    ),
    "convnext_base": Application(
        network=partial(application, "ConvNeXtBase", include_preprocessing=False),
        **TORCH,
        cuts={
            "last_block": "convnext_base_stage_3_block_2_depthwise_conv",
            "last_blocks": "convnext_base_stage_2_block_18_depthwise_conv",
        },
        license="MIT",
        min_products=768,
    ),
}

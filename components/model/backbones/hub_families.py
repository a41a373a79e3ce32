"""The families of keras-hub that are backbones: how each is laid out in layers, and what its members have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from components.data.networks import import_keras_hub
from components.model.backbones.applications import CENTRED, TORCH
from components.model.backbones.hub import POSITIONS, HubFamily
from components.system.errors import UserError

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class DinoV2(HubFamily):
    """DINOv2, with or without registers: tokens, the class token first."""

    usual_pooling: str = "both"
    name = "dinov2"
    classes = ("DINOV2Backbone",)
    foreign = ("dinov2",)  # and with registers
    rates: ClassVar = {"dropout_rate": 0.0, "drop_path_rate": 0.0}

    def fields_of_configuration(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **grid_facts(configuration["position_embedding_shape"], configuration["patch_size"]),
            "cuts": block_cuts(configuration["num_layers"]),
            "leading_tokens": 1 + configuration.get("num_register_tokens", 0),
            "smooths_positions": configuration.get("antialias_in_interpolation", False),
        }

    def output(self, source: Any, image: "keras.KerasTensor") -> "keras.KerasTensor":
        import numpy as np

        of = source.embeddings
        rows, first = np.asarray(of.interpolated_position_embeddings)[0], np.asarray(of.cls_token)[0]
        registers = [np.asarray(of.register_tokens)[0]] if source.num_register_tokens else []
        rows = np.concatenate([first + rows[:1], *registers, rows[1:]])
        x = embed_patches(image, of.patch_embeddings.projection, rows)
        for number, block in enumerate(source.encoder.layers, start=1):
            x = apply_copy(block, x, name=f"block_{number}")
        return apply_copy(source.layernorm, x, name="norm")


@dataclass(frozen=True, kw_only=True)
class VisionTransformer(HubFamily):
    """ViT: tokens, the class token first where it has one."""

    usual_pooling: str = "class_token"
    name = "vit"
    classes = ("ViTBackbone",)
    foreign = ("vit",)
    prefix = "vit."
    rates: ClassVar = {"dropout_rate": 0.0, "attention_dropout": 0.0}

    def fields_of_configuration(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        if not (configuration.get("use_mha_bias", True) and configuration.get("use_mlp_bias", True)):
            raise UserError("a ViT whose blocks have no biases is none that can be saved")
        has_class_token = configuration.get("use_class_token", True)
        return {
            **grid_facts(configuration["image_shape"], configuration["patch_size"]),
            "cuts": block_cuts(configuration["num_layers"]),
            "leading_tokens": int(has_class_token),
            "usual_pooling": "class_token" if has_class_token else "average",
        }

    def output(self, source: Any, image: "keras.KerasTensor") -> "keras.KerasTensor":
        import numpy as np

        _, embedding, encoder = source.layers
        rows = np.array(embedding.position_embedding.embeddings)
        if embedding.use_class_token:
            rows[:1] += np.asarray(embedding.class_token)[0]
        x = embed_patches(image, embedding.patch_embedding, rows)
        for number, block in enumerate(encoder.encoder_layers, start=1):
            x = transformer_block(block, x, f"block_{number}")
        return apply_copy(encoder.layer_norm, x, name="norm")


@dataclass(frozen=True, kw_only=True)
class SigLip2(HubFamily):
    """The image tower of SigLIP 2, with its attention over the tokens: features."""

    name = "siglip2"
    classes = ("SigLIPVisionEncoder", "SigLIPBackbone")

    def tower(self, network: Any) -> Any:
        return getattr(network, "vision_encoder", network)

    def fields_of_configuration(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **grid_facts(configuration["image_shape"], configuration["patch_size"]),
            "cuts": block_cuts(configuration["num_layers"]),
        }

    def output(self, source: Any, image: "keras.KerasTensor") -> "keras.KerasTensor":
        import numpy as np

        x = embed_patches(
            image, source.embedding.patch_embedding, np.array(source.embedding.position_embedding.embeddings)
        )  # fmt: skip
        for number, block in enumerate(source.encoder_layers, start=1):
            x = apply_copy(block, x, name=f"block_{number}")
        return apply_copy(source.head, apply_copy(source.post_layer_norm, x, name="norm"), name="attention_pooling")


@dataclass(frozen=True, kw_only=True)
class Swin(HubFamily):
    """Swin Transformer: maps."""

    name = "swin"
    classes = ("SwinTransformerBackbone",)
    foreign = ("swin",)
    rates: ClassVar = {"dropout_rate": 0.0, "attention_dropout": 0.0, "drop_path": 0.0}

    def fields_of_configuration(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        if not configuration.get("qkv_bias", True):
            raise UserError("a Swin Transformer without biases of queries and keys is none that can be saved")
        stages = len(configuration["depths"])
        least = configuration.get("patch_size", 4) * 2 ** (stages - 1) * configuration["window_size"]
        cuts = block_cuts(sum(configuration["depths"]))
        return {"image_size": configuration["image_shape"][0], "size_step": least, "least_size": least, "cuts": cuts}

    def output(self, source: Any, image: "keras.KerasTensor") -> "keras.KerasTensor":
        import keras

        x, embedding = apply_copy(source.patch_embedding.proj, image, name="patches"), source.patch_embedding
        side = x.shape[1]
        x = keras.layers.Reshape((side * side, x.shape[-1]), name="tokens")(x)
        if embedding.norm is not None:
            x = apply_copy(embedding.norm, x, name="embeddings")
        blocks = 0
        for stage in source.stages:
            for block in stage.blocks:
                blocks += 1
                x = apply_copy(block, x, name=f"block_{blocks}")
            if stage.downsample is not None:
                x = apply_copy(stage.downsample, x, name=f"merging_{blocks}", H=side, W=side)
                side //= 2
                x = keras.layers.Reshape((side * side, x.shape[-1]), name=f"tokens_{blocks}")(x)
        x = apply_copy(source.norm, x, name="norm")
        return keras.layers.Reshape((side, side, x.shape[-1]), name="maps")(x)


@dataclass(frozen=True, kw_only=True)
class EfficientNetLite(HubFamily):
    """EfficientNet-Lite: maps."""

    name = "efficientnet_lite"
    classes = ("EfficientNetBackbone",)
    foreign = ("efficientnet_lite",)
    rates: ClassVar = {"dropout": 0.0}
    size_key = ""

    def fields_of_configuration(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        squeezes = any(configuration["stackwise_squeeze_and_excite_ratios"])
        if squeezes or {*configuration["stackwise_block_types"]} != {"v1"}:
            raise UserError("this EfficientNet is no Lite one: its blocks are others, or squeeze and excite")
        return {"cuts": {"last_block": "block7a_expand_conv", "last_blocks": "block6a_expand_conv"}}

    def output(self, source: Any, image: "keras.KerasTensor") -> "keras.KerasTensor":
        import keras

        plain = keras.Model(source.input, source.output)
        network = keras.models.clone_model(plain, input_tensors=image)
        network.set_weights(plain.get_weights())
        return network.output


def grid_facts(image_shape: Any, patch_size: Any) -> dict[str, Any]:
    """Return `image_size`, the image's side, and `size_step` and `least_size`, both the side of one of its patches."""
    patch = patch_size if isinstance(patch_size, int) else patch_size[0]
    return {"image_size": image_shape[0], "size_step": patch, "least_size": patch}


def block_cuts(blocks: int) -> dict[str, str]:
    """Return the first block to train, by cut: of 12 {"last_block": "block_12", "last_blocks": "block_9"}, a third."""
    return {"last_block": f"block_{blocks}", "last_blocks": f"block_{blocks - max(blocks // 3, 1) + 1}"}


def apply_copy(
    layer: "keras.Layer", *inputs: "keras.KerasTensor", name: str, **options: int
) -> "keras.KerasTensor":  # fmt: skip
    """Return the output tensor, for inputs, of a copy of a layer: same configuration and weights, another name."""
    copy = type(layer).from_config({**layer.get_config(), "name": name})
    output = copy(*inputs, **options)
    copy.set_weights(layer.get_weights())
    return output


def embed_patches(image: "keras.KerasTensor", patches: "keras.Layer", rows: "np.ndarray") -> "keras.KerasTensor":
    """Return tokens, (batch, tokens, channels): `rows`, to the last of which the image's embedded patches are added.

    Args:
        image: The image.
        patches: The convolution that makes tokens of patches.
        rows: A row for each token, (tokens, channels), the class token and registers among them.
    """
    import keras

    x = apply_copy(patches, image, name="patches")
    count, channels = x.shape[1] * x.shape[2], x.shape[3]
    x = keras.layers.Reshape((count, channels), name="tokens")(x)
    if leading := len(rows) - count:
        x = keras.layers.ZeroPadding1D((leading, 0), name="leading_tokens")(x)
    positions = import_keras_hub().layers.PositionEmbedding(len(rows), name=POSITIONS)
    x = keras.layers.Add(name="embeddings")([x, positions(x)])
    positions.set_weights([rows])
    return x


def transformer_block(block: Any, tokens: "keras.KerasTensor", name: str) -> "keras.KerasTensor":
    """Return the output for tokens of a copy of ViT's block, built as SigLIP's equal layer: ViT's cannot be loaded."""
    layer = import_module("keras_hub.src.models.siglip.siglip_layers").SigLIPEncoderLayer(
        block.hidden_dim, block.num_heads, block.mlp_dim, "gelu", layer_norm_epsilon=block.layer_norm_epsilon, name=name
    )
    output = layer(tokens)
    layer.layer_norm1.set_weights(block.layer_norm_1.get_weights())
    layer.self_attn.set_weights(block.mha.get_weights())
    layer.layer_norm2.set_weights(block.layer_norm_2.get_weights())
    layer.mlp.fc1.set_weights(block.mlp.dense_1.get_weights())
    layer.mlp.fc2.set_weights(block.mlp.dense_2.get_weights())
    return output


DINOV2_SMALL = {
    "patch_size": 14, "num_layers": 12, "hidden_dim": 384, "num_heads": 6, "intermediate_dim": 1536,
    "image_shape": [518, 518, 3], "position_embedding_shape": [518, 518],
}  # fmt: skip
BASE_16 = {"image_shape": [224, 224, 3], "patch_size": 16, "num_layers": 12, "num_heads": 12, "hidden_dim": 768}
SWIN_TINY = {
    "image_shape": [224, 224, 3], "embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24],
    "window_size": 7, "drop_path": 0.0,
}  # fmt: skip
LITE0 = {
    "stackwise_kernel_sizes": [3, 3, 5, 3, 5, 5, 3], "stackwise_num_repeats": [1, 2, 2, 3, 3, 4, 1],
    "stackwise_input_filters": [32, 16, 24, 40, 80, 112, 192],
    "stackwise_output_filters": [16, 24, 40, 80, 112, 192, 320], "stackwise_expansion_ratios": [1, 6, 6, 6, 6, 6, 6],
    "stackwise_strides": [1, 2, 2, 2, 1, 2, 1], "stackwise_block_types": ["v1"] * 7,
    "stackwise_squeeze_and_excite_ratios": [0] * 7, "stackwise_width_coefficients": [1.0] * 7,
    "stackwise_depth_coefficients": [1.0] * 7, "min_depth": None, "use_depth_divisor_as_min_depth": True,
    "cap_round_filter_decrease": True, "activation": "relu6", "dropout": 0.0,
}  # fmt: skip

# Sources: Oquab et al., arXiv 2304.07193 (DINOv2); Dosovitskiy et al., arXiv 2010.11929 (ViT); Tschannen et al., arXiv
# 2502.14786 (SigLIP 2); Liu et al., arXiv 2103.14030 (Swin); Liu, EfficientNet-Lite, in tensorflow/tpu.
# Terms: of the weights as their authors published them.
HUB: dict[str, HubFamily] = {
    "dinov2": DinoV2(**TORCH, configuration={}, license="Apache-2.0").with_configuration(DINOV2_SMALL),
    "vit": VisionTransformer(**CENTRED, configuration={}, license="Apache-2.0").with_configuration(
        {**BASE_16, "mlp_dim": 3072}
    ),
    "siglip2": SigLip2(**CENTRED, configuration={}, license="Apache-2.0").with_configuration(
        {**BASE_16, "intermediate_dim": 3072}
    ),
    "swin": Swin(**TORCH, configuration={}, license="MIT").with_configuration(SWIN_TINY),
    "efficientnet_lite": EfficientNetLite(**TORCH, configuration={}, license="Apache-2.0").with_configuration(LITE0),
}

"""From a backbone's output to features: of maps, of tokens, or as they are."""

from typing import TYPE_CHECKING

from components.system.errors import UserError

if TYPE_CHECKING:
    import keras

POOLINGS = ("auto", "average", "class_token", "both", "none")


def pooling_layer(name: str, shape: tuple[int, ...], leading_tokens: int = 0) -> "keras.Layer":
    """Return a layer that makes features of a backbone's output, (batch, n); for `none` one that leaves it as it is.

    `average` is the mean of each channel over the positions of maps or over the tokens of patches, and of features
    they themselves; `class_token` is the first token, `both` that one and the average behind it, and `none` the output
    as it is.

    Args:
        name: Any of POOLINGS but `auto`.
        shape: Of the output for one image: maps (height, width, channels), tokens (tokens, channels) or (channels,).
        leading_tokens: How many tokens stand before those of the patches.

    Raises:
        UserError: The output has not what is pooled: positions for `none`, tokens for `class_token` and `both`.
    """
    import keras

    needed = {"none": "positions", "class_token": "tokens", "both": "tokens"}.get(name)
    if (needed and len(shape) == 1) or (needed == "tokens" and len(shape) == 3):
        raise UserError(f"pooling {name}: the network's output, {shape}, has no {needed}: take average")
    if name == "none" or len(shape) == 1:
        return keras.layers.Identity(name="pooling")
    if len(shape) == 3:
        return keras.layers.GlobalAveragePooling2D(name="pooling")
    tokens = keras.Input(shape)
    average = keras.ops.mean(tokens[:, leading_tokens:], axis=1)
    features = {"average": [average], "class_token": [tokens[:, 0]], "both": [tokens[:, 0], average]}[name]
    return keras.Model(tokens, keras.ops.concatenate(features, axis=-1), name="pooling")

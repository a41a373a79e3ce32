"""What every backbone is and knows: how it is built, loaded, fed, cut, and how its output becomes features."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from components.model.backbones.poolings import pooling_layer
from components.model.backbones.weights_files import load_weights
from components.model.cut import ALL_LAYERS, layer_at_depth
from components.system.errors import UserError, unknown_name

if TYPE_CHECKING:
    import keras

    from components.data.artifacts import Weights

ChannelValues = float | tuple[float, ...]  # one for all channels, or one for each
DEPTHS = {"last_block": 1 / 10, "last_blocks": 1 / 3}  # share of a network that has no such cuts of its own


@dataclass(frozen=True, kw_only=True)
class Backbone(ABC):
    """A network without its top, and the facts that belong to it.

    Args:
        scale: Factor that turns a pixel in [0, 255] into what it was pretrained on, before `offset`: one, or one for
            each of its channels.
        offset: Added after `scale`, likewise.
        bgr: Whether it was pretrained on blue, green, red instead of red, green, blue.
        image_size: Pixels a side that it was pretrained at.
        least_size: The fewest pixels a side that it takes.
        size_step: What the side of an image is a multiple of.
        cuts: The first layer that is trained under `unfreeze: last_block`, and under `last_blocks`, a third of the
            network; without them shares of the depth are taken.
        usual_pooling: What `pooling: auto` takes.
        leading_tokens: Of an output of tokens, how many stand before those of the patches, the class token first.
        license: Terms of the pretrained weights.
        min_products: The fewest products in a sum for `precision: bfloat16` to compute it so; shorter sums are not
            worth it, and where roundings add up to more than a hundredth of the features, only the longest are.
        source_words: What a source of its weights is.
        from_folder: Whether that is a folder.
    """

    scale: ChannelValues
    offset: ChannelValues
    bgr: bool = False
    image_size: int = 224
    least_size: int = 32
    size_step: int = 1
    cuts: Mapping[str, str] = field(default_factory=dict)
    usual_pooling: str = "average"
    leading_tokens: int = 0
    license: str = "not known here"
    min_products: int = 256
    source_words: str = "a Keras weights file"
    from_folder: bool = False

    @abstractmethod
    def new_network(self, image_size: int, top: bool = False) -> "keras.Model":
        """Build the network as a functional Keras model with random weights; with ImageNet's classifier only if `top`.

        Its input is preprocessed pixels, (batch, size, size, 3). Its output is maps, (batch, height, width, channels);
        tokens, (batch, tokens, channels); features, (batch, channels); or with `top` ImageNet's probabilities.

        Raises:
            UserError: It has no top.
            ValueError: It takes no images of that size.
        """

    @abstractmethod
    def fetch(self, weights: "Weights", source: str, keep_top: bool) -> str:
        """Bring weights from a source into an artifact; return their license, such as `MIT`, or words for random ones.

        Args:
            weights: The artifact to be written.
            source: As `fetch_weights` takes it.
            keep_top: Whether the network's top is kept, where the source has one.

        Raises:
            UserError: There are none there, or they do not fit.
        """

    def described_by(self, weights: "Weights") -> Self:
        """Return this entry with what an artifact says of its network, if the family leaves that open; else unchanged.

        Raises:
            UserError: That description is damaged.
        """
        return self

    def build(self, image_size: int, weights: Path | None = None, top: bool = False) -> "keras.Model":
        """Return the network for images of `image_size` pixels, with a file's or random weights, its top only if `top`.

        Raises:
            UserError: It takes no images of that size, the file does not fit it, or it has no top.
        """
        if image_size < self.least_size or image_size % self.size_step:
            raise UserError(f"no backbone for images of {image_size} pixels: it takes {self.sizes_text()}")
        try:
            network = self.new_network(image_size, top)
        except ValueError as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"no backbone for images of {image_size} pixels: {reason}; give {self.sizes_text()}"
            ) from error
        if weights is not None:
            try:
                with warnings.catch_warnings():  # Keras only warns where it leaves a layer at random
                    warnings.simplefilter("error", UserWarning)
                    load_weights(network, weights)
            except Exception as error:  # Keras and h5py throw what they like at a file that is none of theirs
                reason = " ".join(str(error).split())[:200]
                raise UserError(f"the weights {weights} do not fit the backbone {network.name!r}: {reason}") from error
        return network

    def sizes_text(self) -> str:
        """Return which image sizes it takes, in words: `32 pixels or more, 224 as pretrained`."""
        steps = f", multiples of {self.size_step}" if self.size_step > 1 else ""
        return f"{self.least_size} pixels or more{steps}, {self.image_size} as pretrained"

    def preprocessing(self) -> "keras.Model":
        """Return a model from raw RGB in [0, 255] to pixels as pretrained on: `bgr`, `scale`, `offset`, no resizing."""
        import keras

        image = keras.Input((None, None, 3))
        x = keras.ops.flip(image, axis=-1) if self.bgr else image
        return keras.Model(image, keras.layers.Rescaling(self.scale, self.offset)(x), name="preprocessing")

    def pooling_name(self, asked: str) -> str:
        """Return the name of the pooling to use: the one that is asked for, or for `auto` the network's usual one.

        Raises:
            UserError: It is of class tokens, and the network has none.
        """
        if asked in ("class_token", "both") and not self.leading_tokens:
            raise UserError(f"pooling {asked}: this network has no class token: take average, none or auto")
        return self.usual_pooling if asked == "auto" else asked

    def pooling_layer(self, name: str, network: "keras.Model") -> "keras.Layer":
        """Return the layer named `pooling` from the network's output to features, for a name of `pooling_name`."""
        return pooling_layer(name, network.output.shape[1:], self.leading_tokens)

    def first_trainable_layer(self, unfreeze: str, network: "keras.Model") -> str:
        """Return the name of the first layer of a built network that is trained; `all` for all of them.

        Args:
            unfreeze: That name itself, `all`, a share of the depth such as 0.33, `last_block` or `last_blocks`.
            network: The network.

        Raises:
            UserError: It is none of these.
        """
        if unfreeze in self.cuts:
            return self.cuts[unfreeze]
        names = [layer.name for layer in network.layers[1:]]
        if unfreeze in names or unfreeze == ALL_LAYERS:
            return unfreeze
        try:
            share = DEPTHS[unfreeze] if unfreeze in DEPTHS else float(unfreeze)
        except ValueError:
            raise unknown_name(f"layer of {network.name}", unfreeze, [*names, ALL_LAYERS, *DEPTHS]) from None
        if not 0 < share <= 1:
            raise UserError(f"unfreeze: a share of the network's depth is in (0, 1]; received {unfreeze}")
        return ALL_LAYERS if share == 1 else layer_at_depth(network, share)

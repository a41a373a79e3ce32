"""Networks of keras-hub as backbones: from a folder of pretrained weights, block by block, at sizes of one's own."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from components.data.networks import import_keras_hub
from components.model.backbones.hub_folders import PRESET, read_pretrained
from components.model.backbones.protocol import Backbone, ChannelValues
from components.model.backbones.weights_files import Description
from components.system.errors import UserError

if TYPE_CHECKING:
    import keras
    import numpy as np

    from components.data.artifacts import Weights

POSITIONS = "positions"  # the layer whose table has a row for each token
NOT_OF_THE_NETWORK = ("name", "trainable", "dtype")  # in keras-hub's configurations


@dataclass(frozen=True, kw_only=True)
class HubFamily(Backbone):
    """A family of keras-hub, whose members differ in their configuration, which comes with their weights.

    Args:
        configuration: Arguments of keras-hub's class: of a published member, until weights say theirs.
        smooths_positions: Whether fewer positions are taken from smoothed ones.
    """

    configuration: Mapping[str, Any]
    smooths_positions: bool = True
    source_words: str = f"the folder of a preset of Keras or of Hugging Face, or {PRESET}NAME to download one,"
    from_folder: bool = True

    name: ClassVar[str]
    classes: ClassVar[tuple[str, ...]]  # of keras-hub, that hold such a network; the first is built
    foreign: ClassVar[tuple[str, ...]] = ()  # what folders of others call it
    prefix: ClassVar[str] = ""  # of names of weights in such folders
    rates: ClassVar[Mapping[str, float]] = {}  # of dropout and the like: not all of keras-hub's draws repeat
    size_key: ClassVar[str] = "image_shape"  # empty where a network takes images of any size

    @abstractmethod
    def output(self, source: Any, image: "keras.KerasTensor") -> "keras.KerasTensor":
        """Return the symbolic output, for `image`, of copies of a keras-hub network's layers, one layer a block."""

    @abstractmethod
    def fields_of_configuration(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of this entry that a configuration determines, by name, such as `image_size` and `cuts`.

        Raises:
            UserError: It is of a network that the family does not have.
        """

    def with_configuration(self, configuration: Mapping[str, Any], **changes: Any) -> Self:
        """Return a copy of this entry with a configuration, the fields that it determines, and changes of others."""
        return replace(self, configuration=configuration, **{**changes, **self.fields_of_configuration(configuration)})

    def described_by(self, weights: "Weights") -> Self:
        with Description.read(weights) as description:
            scale, offset = description.pixels
            architecture, image_size = description.architecture, description.image_size
            return self.with_configuration(architecture, scale=scale, offset=offset, image_size=image_size)

    def new_network(self, image_size: int, top: bool = False) -> "keras.Model":
        if top:
            raise UserError(f"{self.name} comes without its top")
        size = {self.size_key: (image_size, image_size, 3)} if self.size_key else {}
        source = getattr(import_keras_hub().models, self.classes[0])
        return self.network(source(**{**self.configuration, **size}), image_size)

    def network(self, source: Any, image_size: int) -> "keras.Model":
        """Return a functional network, a layer a block, with the weights of keras-hub's `source` of that image size."""
        import keras

        image = keras.Input((image_size, image_size, 3), name="image")
        return keras.Model(image, self.output(source, image), name=self.name)

    def build(self, image_size: int, weights: Path | None = None, top: bool = False) -> "keras.Model":
        """Return the network for images of a size, its weights random or a file's, whose table of positions is resized.

        Raises:
            UserError: It takes no images of that size, the file does not fit it, or it has no top.
        """
        if weights is None or image_size == self.image_size:
            return super().build(image_size, weights, top)
        network, pretrained = super().build(image_size), super().build(self.image_size, weights, top)
        for layer, other in zip(network.layers, pretrained.layers, strict=True):
            values = other.get_weights()
            if layer.name == POSITIONS:
                count = layer.sequence_length
                values = [resize_positions(values[0], count, self.leading_tokens, self.smooths_positions)]
            layer.set_weights(values)
        return network

    def fetch(self, weights: "Weights", source: str, keep_top: bool) -> str:
        import keras

        entry, kind = self, "random initialisation"
        if source == "random":
            keras.utils.clear_session()
            keras.utils.set_random_seed(0)
            network = self.build(self.image_size)
        else:
            pretrained = read_pretrained(source, self.classes, self.foreign, self.prefix, self.rates)
            tower, kind = self.tower(pretrained.network), pretrained.kind
            configuration = {key: one for key, one in tower.get_config().items() if key not in NOT_OF_THE_NETWORK}
            entry = self.with_configuration(json.loads(json.dumps(configuration)), **pretrained.facts)
            keras.utils.clear_session()  # layers without a name of their own are numbered from the start
            network = entry.network(tower, entry.image_size)
        Description((entry.scale, entry.offset), entry.image_size, dict(entry.configuration)).write(weights)
        network.save_weights(weights.file)
        origin = "as usual for it" if entry.scale is self.scale else "as said there"
        pixels = f"times {numbers_text(entry.scale)} plus {numbers_text(entry.offset)}, {origin}"
        print(
            f"fetch_weights: {self.name}, {kind}: {network.count_params():,} parameters; "
            f"images of {entry.sizes_text()}; pixels {pixels}"
        )
        return kind if source == "random" else self.license

    def tower(self, network: Any) -> Any:
        """Return the part of a keras-hub network that takes images: all of it, unless a family says otherwise."""
        return network


def numbers_text(values: ChannelValues) -> str:
    """Return a number, or the numbers of a tuple joined by commas, as text with three significant digits each."""
    return ", ".join(f"{value:.3g}" for value in (values if isinstance(values, tuple) else (values,)))


def resize_positions(table: "np.ndarray", count: int, leading: int, smooth: bool) -> "np.ndarray":
    """Return a table of positions, (count, channels): its leading rows, then its square grid resampled bicubically.

    Args:
        table: Has `leading` rows, which stay, before those of the grid, row by row.
        count: Tokens, `leading` ones too.
        leading: How many tokens stand before those of the patches.
        smooth: Whether fewer positions are taken from smoothed ones.

    Source: Dosovitskiy et al., arXiv 2010.11929, 3.2.
    """
    import keras
    import numpy as np

    before, after = (round((tokens - leading) ** 0.5) for tokens in (len(table), count))
    grid = table[leading:].reshape(1, before, before, -1)
    resized = keras.ops.image.resize(grid, (after, after), interpolation="bicubic", antialias=smooth)
    return np.concatenate([table[:leading], np.asarray(resized).reshape(after * after, -1)])

"""Which network weights are of, as the parameters of `fetch_weights` and params.yaml say it."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from components.model import backbones
from components.model.backbones.keras_file import ENDING
from components.model.backbones.protocol import Backbone
from components.system.errors import UserError
from components.system.limits import ChannelScale, Names, Range, read_yaml_text


@dataclass(frozen=True, kw_only=True)
class NetworkChoice:
    """Which network weights are of: an entry of the registry, or one of your own.

    Args:
        backbone: Name of an entry in the registry of backbones; or the name of the `.keras` file of your own network.
        pixels: What your own network takes, scale and offset of pixels in [0, 255], as in `[0.00784, -1]` for pixels
            in [-1, 1]; each a number, or three for red, green and blue. For networks of the registry it is known.
        image_size: Pixels a side that your own network was pretrained at. For networks of the registry it is known.

    Raises:
        UserError: There is no such backbone, or what describes one's own network is missing, or given for another.
    """

    backbone: Annotated[str, Names("backbone", backbones.BACKBONES, ENDING)]
    pixels: ChannelScale = ""
    image_size: Annotated[int, Range("from 0 to 4096", lambda value: 0 <= value <= 4096)] = 0

    def __post_init__(self) -> None:
        is_own = self.backbone.endswith(ENDING)
        if is_own and not (self.pixels and self.image_size):
            raise UserError(
                f"{self.backbone} is a network of your own: give what pixels it takes and at which size it was "
                "pretrained, `pixels: [scale, offset]` and `image_size: N`"
            )
        if not is_own and (self.pixels or self.image_size):
            raise UserError(f"pixels and image_size of {self.backbone} are known: leave them out")

    @property
    def entry(self) -> Backbone:
        """The Backbone: the registry's entry, or for one's own network a `KerasFile` with its pixels and image size."""
        entry = backbones.get(self.backbone)
        if not self.pixels:
            return entry
        values: list[Any] = [tuple(one) if isinstance(one, list) else one for one in read_yaml_text(self.pixels)]
        return replace(entry, scale=values[0], offset=values[1], image_size=self.image_size)

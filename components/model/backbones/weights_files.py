"""Weights files of Keras, of whichever version, and what stands beside them of a network that the registry lacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from components.system.errors import UserError

if TYPE_CHECKING:
    import keras

    from components.data.artifacts import Weights


@dataclass(frozen=True)
class Description:
    """What an artifact of weights says of its network, in its `network.json`.

    Args:
        pixels: Scale and offset of pixels in [0, 255], each one for all channels or one for each.
        image_size: Pixels a side that the network was pretrained at.
        architecture: Its configuration.
    """

    pixels: tuple[Any, Any]
    image_size: int
    architecture: dict[str, Any]

    def write(self, weights: "Weights") -> None:
        """Write the description into an artifact of weights, as `network.json`."""
        weights.write_values("network", asdict(self))

    @classmethod
    @contextmanager
    def read(cls, weights: "Weights") -> Iterator["Description"]:
        """Yield the description in an artifact; lookup, type and value errors in the block are raised as a UserError.

        Raises:
            UserError: It is damaged, which the block may find out by a lookup, a type or a value.
        """
        values = weights.read_values("network")
        try:
            scale, offset = (tuple(one) if isinstance(one, list) else one for one in values["pixels"])
            yield cls((scale, offset), values["image_size"], values["architecture"])
        except (LookupError, TypeError, ValueError) as error:
            raise UserError(f"{weights.path}/network.json is damaged: make it again with `dvc repro`") from error


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

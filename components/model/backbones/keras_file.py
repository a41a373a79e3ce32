"""One's own network as a backbone: any functional model of Keras in a `.keras` file."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from components.data.networks import load_checked
from components.model.backbones.protocol import Backbone
from components.model.backbones.weights_files import Description
from components.system.errors import UserError

if TYPE_CHECKING:
    import keras

    from components.data.artifacts import Weights

ENDING = ".keras"


@dataclass(frozen=True, kw_only=True)
class KerasFile(Backbone):
    """One's own network.

    Args:
        architecture: Its configuration, as Keras writes it in JSON; empty before its weights are there.
    """

    license: str = "as of the file that it came from"
    architecture: str = ""
    least_size: int = 1
    source_words: str = "a whole functional model as Keras saves it"

    def described_by(self, weights: "Weights") -> Self:
        """Return a copy of this entry with the architecture, scale, offset and image size that the artifact says."""
        with Description.read(weights) as description:
            scale, offset = description.pixels
            architecture, image_size = json.dumps(description.architecture), description.image_size
            return replace(self, scale=scale, offset=offset, architecture=architecture, image_size=image_size)

    def new_network(self, image_size: int, top: bool = False) -> "keras.Model":
        import keras

        if top:
            raise UserError("a network of one's own is a backbone as it is: it has no top")
        network = keras.models.model_from_json(self.architecture)
        if not isinstance(network, keras.Model):
            raise ValueError("its architecture is no network")
        if network.input_shape[1:3] == (image_size, image_size):
            return network
        resized = keras.models.clone_model(network, input_tensors=keras.Input((image_size, image_size, 3)))
        if [weight.shape for weight in resized.weights] != [weight.shape for weight in network.weights]:
            raise ValueError("its layers have weights for each position")
        return resized

    def fetch(self, weights: "Weights", source: str, keep_top: bool) -> str:
        from components.data.sources import is_versioned, local_path

        file = Path(source) if is_versioned(source) else local_path(source)
        if not file.is_file():
            raise UserError(f"no file {source!r}: give the path of a {ENDING} file")
        network = read_functional(file)
        Description((self.scale, self.offset), self.image_size, json.loads(network.to_json())).write(weights)
        network.save_weights(weights.file)
        self.described_by(weights).build(self.image_size, weights.file)
        return self.license


def read_functional(file: Path) -> "keras.Model":
    """Return the network in a `.keras` file of one's own, a plain functional model from an image to one output.

    It may have been saved as any model whose layers make one graph, such as a `Sequential`.

    Raises:
        UserError: The file is no such network, is damaged, holds code, or has weights that are not numbers.
    """
    import keras

    def check(network: "keras.Model") -> None:
        """Raise a ValueError unless the network goes from one image to one output: maps, tokens or features."""
        inputs, outputs = ([one.shape for one in tensors or []] for tensors in (network.inputs, network.outputs))
        if len(inputs) != 1 or len(inputs[0]) != 4 or inputs[0][3] != 3 or inputs[0][1] != inputs[0][2]:
            raise ValueError(f"expected one input, (None, size, size, 3); received {inputs}")
        if len(outputs) != 1 or len(outputs[0]) not in (2, 3, 4):
            raise ValueError(f"expected one output: maps, tokens or features; received {outputs}")

    network = load_checked(file, check)
    return keras.Model(network.inputs[0], network.outputs[0], name=network.name)

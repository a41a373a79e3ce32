"""Weights files of Keras, of whichever version."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


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

"""Reading a network from a file that is not trusted: data alone, no larger than the file, of the expected shape."""

import importlib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from components.system.errors import UserError, not_installed

if TYPE_CHECKING:
    import keras


def load_network(file: Path, shape: Sequence[int | None], classes: int) -> "keras.Model":
    """Return the network in a `.keras` file, not compiled, whose one output has a number for each class.

    Args:
        file: The file.
        shape: What the network is to take, without the axis of the batch.
        classes: Number of classes.

    Raises:
        UserError: The file is no such network, is damaged, holds code, or has weights that are not numbers.
    """

    def check(network: "keras.Model") -> None:
        expected = [(None, *shape)], [(None, classes)]
        received = tuple([tensor.shape for tensor in tensors] for tensors in (network.inputs, network.outputs))
        if received != expected:
            raise ValueError("expected one from {} to {}; received {} to {}".format(*expected, *received))

    return load_checked(file, check)


def load_checked(file: Path, check: Callable[["keras.Model"], None]) -> "keras.Model":
    """Return the network in a `.keras` file, not compiled, that passes a check.

    A file that holds code is refused: Keras's safe mode runs and unpickles none. So is one with a compressed part,
    which could unpack to any size, as none has that Keras writes.

    Args:
        file: The file.
        check: Raises a ValueError where the network is not what is expected.

    Raises:
        UserError: The file is no such network, is damaged, holds code, or has weights that are not numbers; or has
            layers of keras-hub, which is not installed.
    """
    import keras
    import numpy as np

    try:
        with zipfile.ZipFile(file) as archive:
            for part in archive.infolist():
                if part.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"its {part.filename} is compressed, to {part.file_size:,} bytes unpacked")
        if uses_keras_hub(file):
            import_keras_hub()
        network = keras.saving.load_model(file, compile=False, safe_mode=True)
        check(network)
        for weight in network.weights:
            if not np.isfinite(weight.numpy()).all():
                raise ValueError(f"its weights {weight.path} are not all finite numbers")
    except UserError:
        raise
    except Exception as error:  # Keras, h5py and zipfile throw what they like
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{file} is no model that can be loaded ({reason}): make it again") from error
    return network


def uses_keras_hub(file: Path) -> bool:
    """Return whether the network in a `.keras` file, whole and not compressed, has layers of keras-hub."""
    with zipfile.ZipFile(file) as archive:
        return b'"keras_hub' in archive.read("config.json")


def import_keras_hub() -> ModuleType:
    """Import and return keras-hub, whose layers Keras loads in its safe mode, too.

    Raises:
        UserError: It is not installed.
    """
    try:  # by name, since no version of it is locked for those who do without
        keras_hub = importlib.import_module("keras_hub")
        swin = importlib.import_module("keras_hub.src.models.swin_transformer.swin_transformer_layers")
    except ImportError as error:
        raise not_installed(error, "hub") from error
    swin.WindowAttention.supports_masking = True  # what Keras warns of otherwise, in every graph and at each loading
    for kind in (swin.SwinTransformerBlock, swin.PatchMerging):
        kind.build = lambda self, shape: None
    return keras_hub

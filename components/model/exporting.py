"""Delivered models as files that run without Keras: ONNX and LiteRT, held to the same probabilities."""

import importlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from components.model.served import ServedModel
from components.system.errors import UserError

if TYPE_CHECKING:
    import keras

TOLERANCE = 1e-4
OPSET = 18  # of ONNX


def export(model: ServedModel, kind: str, file: Path, pixels: np.ndarray) -> float:
    """Write a model as a file that takes and gives what it does; return the largest difference in probability.

    Args:
        model: The model.
        kind: One of `FORMATS`.
        file: Where it is written; only if the probabilities are the same.
        pixels: Images to hold it to, uint8 (n, size, size, 3).

    Raises:
        UserError: There is no image to check it on, the converter is not installed or fails, or the probabilities
            differ by more than `TOLERANCE`.
    """
    if not len(pixels):
        raise UserError("no image is kept with this model to check the export on: give some with --images")
    convert, run = FORMATS[kind]
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.") as folder:
        fresh = Path(folder, file.name)
        try:
            convert(model.network, fresh)
            probabilities = run(fresh, pixels.astype(np.float32))
        except UserError:
            raise
        except Exception as error:  # converters throw what they like
            raise UserError(
                f"{kind}: this model could not be converted ({' '.join(str(error).split())[:200]})"
            ) from error
        difference = float(np.abs(probabilities - model.probabilities(pixels)).max())
        if not difference <= TOLERANCE:
            raise UserError(f"{kind}: the probabilities differ by {difference:.2g}, more than {TOLERANCE}: not written")
        fresh.replace(file)
    return difference


def import_optional(name: str) -> ModuleType:
    """Return a module of a converter or of what runs its files.

    Raises:
        UserError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"{error.name or name} is not installed: `.venv/bin/uv pip install --group export` brings it"
        ) from error


def to_onnx(network: "keras.Model", file: Path) -> None:
    """Write a network for ONNX Runtime: input `image`, output `probabilities`; any number of images."""
    import tensorflow

    converter = import_optional("tf2onnx")
    shape = tensorflow.TensorSpec(network.input_shape, tensorflow.float32, name="image")
    function = tensorflow.function(lambda image: {"probabilities": network(image, training=False)})
    converter.convert.from_function(function, input_signature=[shape], opset=OPSET, output_path=str(file))


def run_onnx(file: Path, pixels: np.ndarray) -> np.ndarray:
    """Return what a file of ONNX makes of images, (n, classes)."""
    session = import_optional("onnxruntime").InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pixels})[0]


def to_litert(network: "keras.Model", file: Path) -> None:
    """Write a network for LiteRT; its input may be resized to any number of images."""
    import tensorflow

    file.write_bytes(tensorflow.lite.TFLiteConverter.from_keras_model(network).convert())


def run_litert(file: Path, pixels: np.ndarray) -> np.ndarray:
    """Return what a file of LiteRT makes of images, (n, classes)."""
    interpreter = import_optional("ai_edge_litert.interpreter").Interpreter(str(file))
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, pixels.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, pixels)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


FORMATS: dict[str, tuple[Callable[["keras.Model", Path], None], Callable[[Path, np.ndarray], np.ndarray]]] = {
    "onnx": (to_onnx, run_onnx),
    "litert": (to_litert, run_litert),
}

"""Delivered models as files that run without Keras: ONNX and LiteRT, checked to give the same probabilities."""

import importlib
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from components.model.served import ServedModel
from components.system.errors import UserError, not_installed
from components.system.outputs import write_in_one_move

if TYPE_CHECKING:
    import keras

TOLERANCE = 1e-4


def run_onnx(file: Path, pixels: np.ndarray) -> np.ndarray:
    """Return the probabilities, (n, classes), that an ONNX file gives for images, float32 (n, size, size, 3)."""
    session = import_optional("onnxruntime").InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pixels})[0]


def run_litert(file: Path, pixels: np.ndarray) -> np.ndarray:
    """Return the probabilities, (n, classes), that a LiteRT file gives for images, float32 (n, size, size, 3)."""
    interpreter = import_optional("ai_edge_litert.interpreter").Interpreter(str(file))
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, pixels.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, pixels)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


class Format(NamedTuple):
    """A format that Keras exports to.

    Args:
        suffix: Of its files, without which Keras writes none.
        options: Options of Keras's export.
        converter: Module that Keras needs besides TensorFlow; empty for none.
        run: Takes a file and images, float32 (n, size, size, 3); returns their probabilities, (n, classes).
    """

    suffix: str
    options: Mapping[str, Any]
    converter: str
    run: Callable[[Path, np.ndarray], np.ndarray]


FORMATS = {
    "onnx": Format(".onnx", {"opset_version": 18}, "tf2onnx", run_onnx),
    "litert": Format(".tflite", {}, "", run_litert),
}


def export(model: ServedModel, name: str, file: Path, pixels: np.ndarray) -> float:
    """Write a model in another format and return by how much a probability differs at most; raise if over `TOLERANCE`.

    Args:
        model: The model.
        name: One of `FORMATS`.
        file: Where it is written; only if the probabilities are the same.
        pixels: Images to compare the probabilities on, uint8 (n, size, size, 3).

    Raises:
        UserError: There is no image to compare on, the converter is not installed or fails, or the probabilities
            differ by more than `TOLERANCE`.
    """
    if not len(pixels):
        raise UserError("no image is kept with this model to check the export on: give some with --images")
    with write_in_one_move(file) as unfinished, TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.") as folder:
        unchecked = Path(folder, f"model{FORMATS[name].suffix}")
        try:
            convert(model.network, name, unchecked)
            probabilities = FORMATS[name].run(unchecked, pixels.astype(np.float32))
        except UserError:
            raise
        except Exception as error:  # converters throw what they like
            raise UserError(
                f"{name}: this model could not be converted ({' '.join(str(error).split())[:200]})"
            ) from error
        difference = float(np.abs(probabilities - model.probabilities(pixels)).max())
        if not difference <= TOLERANCE:
            raise UserError(f"{name}: the probabilities differ by {difference:.2g}, more than {TOLERANCE}: not written")
        unchecked.replace(unfinished)
    return difference


def convert(network: "keras.Model", name: str, file: Path) -> None:
    """Write a network in another format, unchecked: input `image`, any number of images; output `probabilities`.

    The file's name must end in the format's suffix.

    Raises:
        UserError: The converter is not installed.
    """
    import keras

    _, options, converter, _ = FORMATS[name]
    if converter:
        import_optional(converter)
        teach_erfc()
    image = keras.InputSpec(dtype="float32", shape=network.input_shape, name="image")
    model = keras.Model(network.inputs, {"probabilities": network.output})  # else converters choose the name
    with warnings.catch_warnings():  # on what Keras and converters do themselves
        warnings.simplefilter("ignore")
        model.export(file, format=name, verbose=False, input_signature=[image], **options)


@cache
def teach_erfc() -> None:
    """Have the converter to ONNX write TensorFlow's `Erfc`, of exact GELUs, as 1 - `Erf`, which ONNX has."""

    @import_optional("tf2onnx.handler").tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, graph: Any, node: Any, **_: Any) -> None:
            places = {"shapes": node.output_shapes, "dtypes": node.output_dtypes}
            one = graph.make_const(f"{node.name}_one", np.array(1, np.float32)).output
            erf = graph.make_node("Erf", node.input, **places).output
            graph.remove_node(node.name)
            graph.make_node("Sub", [*one, *erf], name=node.name, outputs=node.output, **places)


def import_optional(name: str) -> ModuleType:
    """Import and return a module that may not be installed: a converter's, or of a library that runs its files.

    Raises:
        UserError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise not_installed(error, "export") from error

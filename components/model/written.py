"""Written files: classifiers as ONNX or LiteRT files, each with its classes and how images are read for it inside."""

import importlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from scipy.special import softmax

from components.data.artifacts import MODEL_FILES, Classifier
from components.data.json_files import read_json
from components.system.errors import UserError, not_installed, one_line

LABELS = "labels.txt"
TABLES = ("history", "layers")  # of a classifier, `NAME.csv`
METADATA = "metadata.json"  # in the archive at the end of a LiteRT file
LITERT_MARK = b"TFL3"  # after the first 4 bytes of a file
PIXELS = (
    "RGB, upright by EXIF, in sRGB, transparency on white; resized bilinearly, antialiased; float32 (n, image_size, "
    "image_size, 3) in [0, 255]"
)

Runner = Callable[[np.ndarray], np.ndarray]  # from images, float32 (n, size, size, 3), to probabilities, (n, classes)


def open_onnx(file: Path) -> Runner:
    """Return a function from images, float32 (n, size, size, 3), to an ONNX file's probabilities, (n, classes)."""
    session = import_optional("onnxruntime").InferenceSession(str(file), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda pixels: session.run(None, {name: pixels})[0]


def open_litert(file: Path) -> Runner:
    """Return a function from images, float32 (n, size, size, 3), to a LiteRT file's probabilities, (n, classes)."""
    interpreter = import_optional("ai_edge_litert.interpreter").Interpreter(str(file))
    place = interpreter.get_input_details()[0]["index"]
    answer = interpreter.get_output_details()[0]["index"]
    shape: tuple[int, ...] = ()

    def run(pixels: np.ndarray) -> np.ndarray:
        nonlocal shape
        if pixels.shape != shape:
            interpreter.resize_tensor_input(place, pixels.shape)
            interpreter.allocate_tensors()
            shape = pixels.shape
        interpreter.set_tensor(place, pixels)
        interpreter.invoke()
        return interpreter.get_tensor(answer)

    return run


def embed_in_onnx(file: Path, metadata: Mapping[str, str]) -> None:
    """Write metadata into an ONNX file, as its `metadata_props`."""
    onnx = import_optional("onnx")
    model = onnx.load(file)
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.save(model, file)


def read_from_onnx(file: Path) -> dict[str, str]:
    """Return the metadata of an ONNX file, by name."""
    session = import_optional("onnxruntime").InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return dict(session.get_modelmeta().custom_metadata_map)


def embed_in_litert(file: Path, metadata: Mapping[str, str]) -> None:
    """Append an archive to a LiteRT file, where its readers look for associated files: labels.txt and metadata.json.

    Source: https://ai.google.dev/edge/litert/conversion/tensorflow/metadata
    """
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zipfile.ZipInfo(LABELS), labels_text(json.loads(metadata["classes"])))
        archive.writestr(zipfile.ZipInfo(METADATA), json.dumps(metadata))


def read_from_litert(file: Path) -> dict[str, str]:
    """Return the metadata in the archive at the end of a LiteRT file, by name."""
    with zipfile.ZipFile(file) as archive:
        return json.loads(archive.read(METADATA))


class Format(NamedTuple):
    """A format of written files.

    Args:
        title: Its name for a reader.
        suffix: Of the files that Keras writes.
        options: Options of Keras's export.
        converter: Module that Keras needs besides TensorFlow; empty for none.
        open: Returns what runs a file.
        embed: Writes metadata into a file.
        read: Returns the metadata in a file.
    """

    title: str
    suffix: str
    options: Mapping[str, Any]
    converter: str
    open: Callable[[Path], Runner]
    embed: Callable[[Path, Mapping[str, str]], None]
    read: Callable[[Path], dict[str, str]]


FORMATS = {
    "onnx": Format("ONNX", ".onnx", {"opset_version": 18}, "tf2onnx", open_onnx, embed_in_onnx, read_from_onnx),
    "litert": Format("LiteRT", ".tflite", {}, "", open_litert, embed_in_litert, read_from_litert),
}


class WrittenNetwork:
    """A written file that predicts as a Keras model does: from raw RGB in [0, 255] to probabilities.

    Args:
        file: The file.
        kind: One of `FORMATS`.
        size: Pixels a side of its images.
        temperature: That of the model that it was written from.
        name: Name of that model.

    Raises:
        UserError: The file cannot be run, or what runs it is not installed.
    """

    def __init__(self, file: Path, kind: str, size: int, temperature: float = 1.0, name: str = "file"):
        self.input_shape, self.temperature, self.name = (None, size, size, 3), temperature, name
        with one_line_errors(file):
            self.run = FORMATS[kind].open(file)

    def predict_on_batch(self, pixels: np.ndarray) -> np.ndarray:
        """Return the probabilities, float32 (n, classes), of images of raw RGB, (n, size, size, 3)."""
        return self.run(np.ascontiguousarray(pixels, np.float32))

    def before_temperature(self, probabilities: np.ndarray) -> np.ndarray:
        """Return what the probabilities, (..., classes), were before the temperature, which the file has inside."""
        smallest = np.finfo(np.float32).tiny
        return softmax(np.log(np.maximum(probabilities, smallest)) * self.temperature, axis=-1)


@contextmanager
def one_line_errors(file: Path) -> Iterator[None]:
    """Turn whatever a runtime throws on a file in the block into a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{file} is no model that can be run ({reason}): export it again") from error


def metadata_of(classifier: Classifier) -> dict[str, str]:
    """Return what a written file says of itself, texts by name: `classes` (JSON), `image_size`, `resize`, and more.

    `white_level` is white of images of 16 bits a sample, `pixels` how an image becomes the input, in words, and
    `manifest`, `history` and `layers` are the classifier's `artifact.json`, `history.csv` and `layers.csv`.
    """
    facts = classifier.facts
    return {
        "classes": json.dumps(facts.classes, ensure_ascii=False),
        "image_size": str(facts.image_size),
        "resize": facts.resize,
        "white_level": str(facts.white_level),
        "pixels": PIXELS,
        **{name: (classifier.path / f"{name}.csv").read_text(encoding="utf-8") for name in TABLES},
        "manifest": json.dumps({**classifier.manifest, "digest": "", "files": {}}, ensure_ascii=False),
    }


def labels_text(classes: list[str]) -> str:
    """Return the classes, a line each, in the order of the probabilities."""
    return "".join(f"{one_line(name)}\n" for name in classes)


def format_of(file: Path) -> str:
    """Return which of `FORMATS` a file is of, by its content: `litert` where it bears that mark, else `onnx`."""
    with file.open("rb") as opened:
        return "litert" if opened.read(8)[4:] == LITERT_MARK else "onnx"


def read_written_classifier(file: Path, folder: Path) -> Classifier:
    """Fill an empty folder with a Classifier from a written file: manifest, tables, a link to the file; return it.

    Raises:
        UserError: It is no file that `graft export` wrote, or what runs it is not installed.
    """
    kind = format_of(file)
    try:
        metadata = FORMATS[kind].read(file)
        manifest, tables = json.loads(metadata["manifest"]), {name: metadata[name] for name in TABLES}
    except UserError:
        raise
    except Exception as error:  # runtimes throw what they like
        raise UserError(f"{file} is no file that `graft export` wrote: give the folder of a classifier, too") from error
    (folder / MODEL_FILES[kind]).symlink_to(file.absolute())
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return seal(Classifier(folder, manifest), "export")


def seal(classifier: Classifier, step: str) -> Classifier:
    """Write a classifier's manifest with its digest, which is also its lineage for `step`; return it, read anew."""
    classifier.manifest["digest"] = classifier.manifest["lineage"][step] = classifier.content_digest()
    classifier.write_manifest()
    return Classifier(classifier.path, read_json(classifier.path / "artifact.json"))


def open_network(classifier: Classifier) -> Any:
    """Return a classifier's network: a Keras model, or of a written file its WrittenNetwork.

    Raises:
        UserError: It cannot be loaded.
    """
    facts = classifier.facts
    if facts.file_format == "keras":
        return classifier.load()
    return WrittenNetwork(classifier.file, facts.file_format, facts.image_size, facts.temperature, facts.model)


def import_optional(name: str) -> ModuleType:
    """Import and return a module that may not be installed: a converter's, or of a library that runs its files.

    Raises:
        UserError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise not_installed(error, "export") from error

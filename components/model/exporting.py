"""Delivered models as files that run without Keras, ONNX and LiteRT, kept only if they predict as the model does."""

import warnings
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from math import inf
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Any

import numpy as np

from components.data.artifacts import Classifier
from components.model.written import FORMATS, TABLES, import_optional, metadata_of, seal
from components.scores.registry import LOWEST_PROBABILITY
from components.system.errors import UserError

if TYPE_CHECKING:
    import keras

CALIBRATION, BATCH = 256, 32  # training images that int8 is calibrated on, at most; images a batch


@dataclass(frozen=True)
class Agreement:
    """How far a file's probabilities are those of its model.

    Args:
        images: Number of images.
        difference: By how much a probability differs at most.
        changed: Images whose class changed.
        divergence: Mean divergence of Kullback and Leibler from the model to the file, in nats: by how much the log
            loss rises if the model's probabilities are true.
    """

    images: int
    difference: float
    changed: int
    divergence: float


def agreement_of(model: np.ndarray, file: np.ndarray) -> Agreement:
    """Return the Agreement of a model's probabilities and a file's, (n, classes) each, of the same images."""
    of_model, of_file = (np.clip(one.astype(np.float64), LOWEST_PROBABILITY, 1) for one in (model, file))
    return Agreement(
        len(model),
        float(np.abs(model - file).max()),
        int((model.argmax(axis=1) != file.argmax(axis=1)).sum()),
        max(float((of_model * np.log(of_model / of_file)).sum(axis=1).mean()), 0.0),  # rounding makes it less
    )


@dataclass(frozen=True)
class Rule:
    """When a file is kept.

    Args:
        difference: By how much a probability may differ at most.
        changed: Largest share of the images that may change class; one image always may.
        divergence: By how much the log loss may rise, in nats, as `Agreement` has it.
    """

    difference: float = inf
    changed: float = 1.0
    divergence: float = inf

    def __str__(self) -> str:
        parts = {
            f"no probability differs by more than {self.difference:g}": self.difference < inf,
            f"no more than {self.changed:.0%} of the images, or one, change class": self.changed < 1,
            f"the log loss rises by no more than {self.divergence:g} nats": self.divergence < inf,
        }
        return " and ".join(words for words, counts in parts.items() if counts)

    def breaches(self, agreement: Agreement) -> Iterator[str]:
        """Yield in words what a file breaches; nothing of one that is kept. What is not a number is a breach."""
        if not agreement.difference <= self.difference:
            yield f"the probabilities differ by {agreement.difference:.2g}, more than {self.difference:g}"
        if agreement.changed > max(1, self.changed * agreement.images):
            yield f"{agreement.changed} of {agreement.images} images change class, more than {self.changed:.0%}"
        if not agreement.divergence <= self.divergence:
            yield f"the log loss rises by {agreement.divergence:.2g} nats, more than {self.divergence:g}"


RULES = {"float32": Rule(1e-4), "float16": Rule(0.01), "int8": Rule(changed=0.02, divergence=0.02)}  # by precision


def check_agreement(agreement: Agreement, to: str, precision: str) -> None:
    """Raise a UserError, which names all breaches, where an agreement breaches the rule of its precision."""
    if breaches := [*RULES[precision].breaches(agreement)]:
        others = "another precision or format" if precision != "float32" else "the other format"
        raise UserError(f"{to} {precision}: {'; '.join(breaches)}: not written; try {others}")


def write_classifier(
    model: Classifier, network: "keras.Model", folder: Path, to: str, precision: str, calibration: np.ndarray | None
) -> Classifier:
    """Write into an empty folder, and return, a Classifier with another's network in another format, unchecked.

    Args:
        model: The other, a Keras model.
        network: Its network.
        folder: The folder.
        to: One of `FORMATS`.
        precision: One of `RULES`.
        calibration: Images from which int8 learns the ranges of its numbers, uint8 (n, size, size, 3).

    Raises:
        UserError: The converter is not installed, or fails.
    """
    written = Classifier(folder, deepcopy(model.manifest))
    written.facts.file_format, written.facts.file_precision = to, precision
    written.manifest["parameters"]["export"] = {"to": to, "precision": precision}
    for name in TABLES:
        copyfile(model.path / f"{name}.csv", folder / f"{name}.csv")
    convert(network, to, precision, written.file, calibration, metadata_of(written))
    return seal(written, "export")


def convert(
    network: "keras.Model", to: str, precision: str, file: Path, calibration: np.ndarray | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Write a network in another format, unchecked: input `image`, any number of images; output `probabilities`.

    Both are float32, whatever the precision of what is between.

    Args:
        network: From raw RGB, (batch, size, size, 3) in [0, 255], to probabilities.
        to: One of `FORMATS`.
        precision: One of `RULES`.
        file: Where it is written; its name must end in the format's suffix.
        calibration: Images from which int8 learns the ranges of its numbers, uint8 (n, size, size, 3).
        metadata: What the file says of itself.

    Raises:
        UserError: The converter is not installed, or fails.
    """
    try:
        write_unchecked(network, to, precision, file, calibration)
        if metadata:
            FORMATS[to].embed(file, metadata)
    except UserError:
        raise
    except Exception as error:  # converters throw what they like
        raise UserError(
            f"{to} {precision}: this model could not be converted ({' '.join(str(error).split())[:200]})"
        ) from error


def write_unchecked(
    network: "keras.Model", to: str, precision: str, file: Path, calibration: np.ndarray | None
) -> None:
    """Write a network as `convert` does, without metadata; errors are the converters' own."""
    import keras

    from components.model.averaged_views import without_affine_ops

    form = FORMATS[to]
    if form.converter:
        import_optional(form.converter)
        teach_erfc()
    signature = keras.InputSpec(dtype="float32", shape=network.input_shape, name="image")
    image, network = keras.Input(network.input_shape[1:], name="image"), without_affine_ops(network)
    probabilities = network(image, training=False)  # else an ensemble's members drop out in ONNX
    model = keras.Model(image, {"probabilities": probabilities})  # else converters choose the name
    options = {**form.options, **(litert_options(precision, calibration) if to == "litert" else {})}
    with warnings.catch_warnings():  # on what Keras and converters do themselves
        warnings.simplefilter("ignore")
        model.export(file, format=to, verbose=False, input_signature=[signature], **options)
        if to == "onnx" and precision != "float32":
            lower_onnx(file, precision, calibration)


def litert_options(precision: str, calibration: np.ndarray | None) -> dict[str, Any]:
    """Return the options of LiteRT's converter for a precision, by name; none for float32."""
    import tensorflow as tf

    if precision == "float32":
        return {}
    options: dict[str, Any] = {"optimizations": [tf.lite.Optimize.DEFAULT]}
    if precision == "float16":
        return {**options, "target_spec": {"supported_types": [tf.float16]}}
    assert calibration is not None
    return {**options, "representative_dataset": lambda: ([image[None]] for image in calibration.astype(np.float32))}


def lower_onnx(file: Path, precision: str, calibration: np.ndarray | None) -> None:
    """Rewrite an ONNX file of float32 at a lower precision: all in float16, or convolutions and products in int8."""
    if precision == "float16":
        onnx, float16 = import_optional("onnx"), import_optional("onnxruntime.transformers.float16")
        onnx.save(float16.convert_float_to_float16(onnx.load(file), keep_io_types=True), file)
        return
    assert calibration is not None
    quantization = import_optional("onnxruntime.quantization")
    starts = range(0, len(calibration), BATCH)
    batches = iter([{"image": calibration[at : at + BATCH].astype(np.float32)} for at in starts])

    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined]
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(batches, None)

    quantization.quantize_static(
        file, file, Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"], weight_type=quantization.QuantType.QInt8,
        activation_type=quantization.QuantType.QUInt8,
    )  # fmt: skip


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

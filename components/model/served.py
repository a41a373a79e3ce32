"""A classifier as MLflow serves it: images in, class names and probabilities out.

MLflow loads this file from the model's own folder, where the repository is not; of the project it needs what
`components.results.tracking.logged` lists.
"""

import base64
import json
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from components.data import images
from components.data.networks import load_network
from components.model import scoring_server
from components.model.penultimate import with_features
from components.scores import abstention, conformal
from components.scores.unlikeness import Unlikeness, read_unlikeness
from components.system.errors import UserError

if TYPE_CHECKING:
    import keras
    import pandas as pd
    from mlflow.exceptions import MlflowException

BATCH = 32  # images
COLUMN = "image"


class ServedModel:
    """A classifier that takes images as files, base64 or arrays.

    Args:
        network: From raw RGB, (batch, size, size, 3) in [0, 255], to probabilities.
        classes: Names of the classes in the order of the probabilities.
        white_level: That of its data set, for images of 16 bits a sample.
        resize: How its training images became squares, of `resizing.RESIZINGS`.
        max_images: How many are predicted at most in one call; None for any number.
        promises: The table `promises.csv` of its artifact; None where it has none.
        coverages: The table `coverages.csv` of its artifact; None where it has none.
        unlikeness: What tells images unlike its training images, of its artifact's `unlikeness.npz`; None for none.
    """

    def __init__(
        self, network: "keras.Model", classes: list[str], white_level: int = images.WHITE, resize: str = "squash",
        max_images: int | None = None, promises: "pd.DataFrame | None" = None,
        coverages: "pd.DataFrame | None" = None, unlikeness: Unlikeness | None = None,
    ):  # fmt: skip
        self.promises, self.coverages, self.unlikeness = promises, coverages, unlikeness
        self.network, self.classes, self.max_images = network, classes, max_images
        self.network_with_features = with_features(network) if unlikeness else None
        self.white_level, self.resize = white_level, resize
        self.size = int(network.input_shape[1])
        self.lock = Lock()  # requests come in several threads
        self.decoders = ThreadPoolExecutor(os.cpu_count())  # of all requests

    def decode(self, content: bytes) -> np.ndarray:
        """Return the image that a file's bytes encode, made a square as in training, uint8 (size, size, 3).

        Raises:
            Exception: It is not a readable image; the type depends on the format.
        """
        return images.decode_pixels(content, self.size, self.white_level, self.resize)

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Return the probabilities, (n, classes), of one or more images at the model's size, RGB (n, size, size, 3).

        Raises:
            UserError: They are not numbers, as its weights are too large.
        """
        return self.answer(pixels)[0]

    def answer(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the probabilities of some images, (n, classes), and how unlike its training images each is, (n,).

        That is the share of validation that is less unlike, in [0, 1]; None where the model does not tell.

        Args:
            pixels: One or more images at the model's size, RGB (n, size, size, 3).

        Raises:
            UserError: The probabilities are not numbers, as its weights are too large.
        """
        batches = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
        network = self.network_with_features or self.network
        with self.lock:
            outputs = [network.predict_on_batch(batch) for batch in batches]
        if self.unlikeness is None or self.network_with_features is None:
            return require_numbers(np.concatenate(outputs)), None
        features, logits, probabilities = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
        return require_numbers(probabilities), self.unlikeness.share_below(features, logits)

    def promise(self, at_least: float) -> abstention.Promise:
        """Return the Promise for a share of right answers: the margin from which to answer, and what validation says.

        Raises:
            UserError: Validation does not promise such a share.
        """
        return abstention.find_promise(self.promises, at_least)

    def coverage(self, stated: float) -> conformal.Coverage:
        """Return the Coverage for a share of sets that hold the true class: which classes they have, and what it means.

        Raises:
            UserError: Validation states none for this model.
        """
        return conformal.find_coverage(self.coverages, stated)

    def predict(self, data: "pd.DataFrame", params: dict[str, Any] | None = None) -> "pd.DataFrame":
        """Return a row an image: `predicted`, `probability`, `probabilities` by class name, `unlike`, `set` if asked.

        `unlike` is the share of validation that is less unlike the training images; there is none where the model does
        not tell.

        Args:
            data: The column `image`: the bytes of an image file, as they are or in base64, or raw RGB.
            params: `at_least`, the share of right answers to be promised, or 0: `predicted` is None where an image is
                left to a person. `sets`, the coverage to be stated, or 0: `set` lists the classes that are in it.

        Raises:
            MlflowException: There is no image, or too many, one cannot be read, or validation does not promise the
                share or state the coverage; the server answers with status 400.
        """
        import pandas as pd

        at_least, stated = ((params or {}).get(name, 0.0) for name in ("at_least", "sets"))
        try:
            least = self.promise(at_least).margin if at_least else 0.0
            loss = self.coverage(stated).loss if stated else None
        except UserError as error:
            raise bad_request(str(error)) from error

        cells = list(flatten(data[COLUMN]))
        if not cells:
            raise bad_request("no image: give one or more")
        if self.max_images and len(cells) > self.max_images:
            raise bad_request(
                f"{len(cells)} images: more than {self.max_images} in one request; send several, or raise the server's "
                "environment variable GRAFT_REQUEST_IMAGES"
            )
        batches = [cells[start : start + BATCH] for start in range(0, len(cells), BATCH)]
        numbers = iter(range(1, len(cells) + 1))
        with images.without_pillow_warnings():
            answers = [self.answer(np.stack([*self.decoders.map(self.pixels, batch, numbers)])) for batch in batches]
        probabilities = np.concatenate([batch for batch, _ in answers])
        predicted, is_answered = probabilities.argmax(axis=1), abstention.margins(probabilities) >= least
        names = [self.classes[number] if sure else None for number, sure in zip(predicted, is_answered, strict=True)]
        table = pd.DataFrame({
            "predicted": pd.Series(names, dtype=object),
            "probability": [float(row[number]) for row, number in zip(probabilities, predicted, strict=True)],
            "probabilities": [dict(zip(self.classes, map(float, row), strict=True)) for row in probabilities],
        })  # fmt: skip
        if self.unlikeness is not None:
            table["unlike"] = np.concatenate([unlike for _, unlike in answers if unlike is not None])
        if loss is not None:
            table["set"] = pd.Series(conformal.name_sets(probabilities, loss, self.classes), dtype=object)
        return table

    def pixels(self, image: Any, number: int) -> np.ndarray:
        """Return one image as raw RGB, (size, size, 3): a file's resized, uint8; an array's as it is, float32.

        Args:
            image: Bytes of a file, their base64, or an array.
            number: The image's in its request, for the error.

        Raises:
            MlflowException: It cannot be read, or is an array of another shape or range.
        """
        if isinstance(image, str | bytes):
            try:
                return self.decode(decode_base64(image))
            except Exception as error:  # Pillow throws what it likes
                raise bad_request(f"image {number} cannot be read ({' '.join(str(error).split())[:200]})") from error
        shape = (self.size, self.size, 3)
        neither = f"image {number} is neither base64 nor an array of numbers of the shape {shape}"
        try:
            array = np.asarray(image)
        except ValueError:
            raise bad_request(neither) from None
        if array.shape != shape:
            raise bad_request(
                f"image {number}: expected raw RGB of the shape {shape}, or a file in base64; received {array.shape}"
            )
        if array.dtype.kind not in "biuf":
            raise bad_request(neither)
        low, high = array.min(), array.max()
        if not (low >= 0 and high <= 255):
            raise bad_request(f"image {number}: expected raw RGB in [0, 255]; received values from {low} to {high}")
        if array.dtype.kind in "bf" and 0 < high <= 1:
            raise bad_request(
                f"image {number}: expected raw RGB in [0, 255]; received fractions, {low} to {high}: multiply by 255"
            )
        return array.astype(np.float32)


def require_numbers(probabilities: np.ndarray) -> np.ndarray:
    """Return probabilities; raise a UserError if some are not numbers, as where a model's weights are too large."""
    if not np.isfinite(probabilities).all():
        raise UserError("the model's probabilities are not numbers: train it again, at a lower learning rate")
    return probabilities


def decode_base64(image: str | bytes) -> bytes:
    """Return the bytes of an image file: as they are, or decoded where they are a text in base64.

    The text may have line breaks and be an address, `data:image/png;base64,...`.

    Raises:
        ValueError: The text is no base64.
    """
    if isinstance(image, bytes):
        return image
    text = re.sub(r"^data:[^,]*;base64,", "", "".join(image.split()))
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError(f"no base64: {error}") from None


def flatten(column: Iterable[Any]) -> Iterable[Any]:
    """Yield every image of a column: of a cell that is a list of texts each text, else the cell itself.

    MLflow makes such a cell of a list of texts; a list of numbers is one image.
    """
    for cell in column:
        if isinstance(cell, list) and all(isinstance(image, str) for image in cell):
            yield from cell
        else:
            yield cell


def bad_request(reason: str) -> "MlflowException":
    """Return the error that MLflow's server answers with status 400 and the reason."""
    from mlflow.exceptions import MlflowException

    return MlflowException.invalid_parameter_value(reason)


def _load_pyfunc(path: str) -> ServedModel:
    """Return the ServedModel of the classifier whose artifact lies at a path; MLflow calls this on a logged model.

    Its server is held to limits; `mlflow.pyfunc.load_model` has none.
    """
    import pandas as pd

    max_images = images.setting("GRAFT_REQUEST_IMAGES", 1000) if scoring_server.limit_server() else None
    facts = json.loads((Path(path) / "artifact.json").read_text(encoding="utf-8"))["facts"]
    size, classes = facts["image_size"], facts["classes"]
    network = load_network(Path(path) / "model.keras", (size, size, 3), len(classes))
    reading = facts.get("white_level", images.WHITE), facts.get("resize", "squash")
    files = (Path(path) / name for name in ("promises.csv", "coverages.csv"))
    promises, coverages = (pd.read_csv(file) if file.is_file() else None for file in files)
    unlikeness = read_unlikeness(Path(path))
    return ServedModel(network, classes, *reading, max_images, promises, coverages, unlikeness)

"""Logged models: the whole Classifier artifact in MLflow's format, beside the code that serves it anywhere."""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from components.data import images
from components.data.artifact import MANIFEST
from components.data.artifacts import Classifier, Report
from components.data.content import sha256
from components.data.networks import uses_keras_hub
from components.model import served
from components.results.tracking import store
from components.system.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from mlflow.models import ModelSignature

COMPONENTS = Path(__file__).parents[2]
CODE = (  # of the components: all that serving needs
    "data/colours.py",
    "data/deep_images.py",
    "data/images.py",
    "data/networks.py",
    "data/resizing.py",
    "model/penultimate.py",
    "model/scoring_server.py",
    "model/served.py",
    "scores/abstention.py",
    "scores/conformal.py",
    "scores/unlikeness.py",
    "system/errors.py",
    "system/signals.py",
)
NEEDED = ("keras", "numpy", "pandas", "pillow", "tensorflow")  # and MLflow, which is smaller in the steps' images


def save_model(folder: str, classifier: Classifier, report: Report, run_id: str, model_id: str) -> None:
    """Save a classifier as an MLflow model, which `mlflow models serve` serves and `mlflow.tensorflow` loads.

    Args:
        folder: Where to write it.
        classifier: The model.
        report: The report on it, whose example image goes with it.
        run_id: The run that it belongs to.
        model_id: Its identifier in MLflow.
    """
    import pandas as pd
    from mlflow import __version__, pyfunc
    from mlflow.models import Model

    metadata = {"classes": classifier.facts.classes, "model": classifier.digest}
    model = Model(run_id=run_id, model_uuid=model_id, model_id=model_id, metadata=metadata)
    data = {"data": f"data/{classifier.path.name}", "model_type": "keras", "save_format": "tf"}
    model.add_flavor("tensorflow", **data, keras_version=version("keras"), code=None)
    with TemporaryDirectory() as code:
        package = write_package(Path(code))
        pyfunc.save_model(
            folder,
            loader_module=f"{package.name}.model.served",
            data_path=str(classifier.path),
            code_paths=[str(package)],
            mlflow_model=model,
            signature=model_signature(),
            input_example=pd.DataFrame({served.COLUMN: [*map(png_base64, report.examples)]}),
            pip_requirements=[
                f"mlflow=={__version__}",
                *(f"{name}=={version(name)}" for name in serving_packages(classifier)),
            ],
        )


def serving_packages(classifier: Classifier) -> list[str]:
    """Return the names of packages besides MLflow that serving takes: `NEEDED`, and those for HEIF and KerasHub."""
    optional = {"pillow-heif": "HEIF" in images.readable_formats(), "keras-hub": uses_keras_hub(classifier.file)}
    return [*NEEDED, *(name for name, is_needed in optional.items() if is_needed)]


def write_package(folder: Path) -> Path:
    """Write the code that serving needs as a package `graft_DIGEST` in a folder, and return the package's path.

    A server has every model's code on one path, where another project may have `components`, and another version of
    this one: the name has the digest of the code.
    """
    texts = {file: (COMPONENTS / file).read_text(encoding="utf-8") for file in CODE}
    package = folder / f"graft_{sha256(texts)[:8]}"
    for file, text in texts.items():
        copy = package / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text.replace("from components.", f"from {package.name}."), encoding="utf-8")
        for parent in (package, copy.parent):
            (parent / "__init__.py").touch()
    return package


def model_signature() -> "ModelSignature":
    """Return the signature of logged models: an image, `at_least`, `sets` in; what `ServedModel.predict` says out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType, Array, DataType, Map

    answers = [ColSpec("string", "predicted"), ColSpec("double", "probability")]
    return ModelSignature(
        inputs=Schema([ColSpec(AnyType(), served.COLUMN)]),
        outputs=Schema(
            [
                *answers,
                ColSpec(Map("double"), "probabilities"),
                ColSpec("double", "unlike", required=False),
                ColSpec(Array(DataType.string), "set", required=False),
            ]
        ),
        params=ParamSchema([ParamSpec("at_least", "double", 0.0), ParamSpec("sets", "double", 0.0)]),
    )


def png_base64(image: "np.ndarray") -> str:
    """Return an image, uint8 (height, width, 3), as a PNG in base64."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@contextmanager
def open_logged_model(uri: str) -> Iterator[Classifier]:
    """Yield the classifier of a logged model, `models:/...` or `runs:/...`.

    Raises:
        UserError: The journal has no such model or does not answer, or the model is not one of this project.
    """
    store.client()
    import mlflow

    with TemporaryDirectory() as folder:
        with store.one_line_errors():
            path = Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
        records = sorted(path.glob(f"data/*/{MANIFEST}"))
        if path.is_dir() and not any(path.iterdir()):
            raise UserError(f"the files of {uri} are no longer where MLflow says that they lie: bring them back there")
        if not records:
            raise UserError(f"{uri} holds no classifier of this project: `graft log` logs yours")
        yield Classifier.read(records[0].parent)

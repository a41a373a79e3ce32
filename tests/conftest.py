"""What the tests share: a small data set on disk, the artifacts made from it, and a journal on a real server."""

import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import hypothesis
import numpy as np
import psutil
import pytest
from PIL import Image

from components.data.artifacts import MANIFEST, Artifact, Classifier, Report, TestSplit
from components.data.content import file_sha256
from components.data.json_files import read_json
from components.data.records import Record, record_path
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.model.backbones.applications import APPLICATIONS
from components.results import tracking
from components.results.tracking import runs
from components.system.signals import STOPS
from pipeline.arranging import Task, arrange
from pipeline.collection import COLLECTION
from pipeline.places import path_of
from pipeline.recipes import Recipe
from pipeline.running import run_tasks

TestSplit.__test__ = False  # type: ignore[attr-defined]  # its name is the project's word, no test

hypothesis.settings.register_profile("unhurried", deadline=None)  # a machine may be busy
hypothesis.settings.load_profile("unhurried")

AnyArtifact = TypeVar("AnyArtifact", bound=Artifact)
CLASSES = ("down", "left", "up")


def write_images(folder: Path, per_class: int, size: int = 12, classes: tuple[str, ...] = CLASSES) -> Path:
    """Write noisy images, `folder/CLASS/NN.png`, that a small network can tell apart: a bright edge on one side."""
    random = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for image in range(per_class):
            pixels = random.integers(0, 90, (size, size, 3), dtype=np.uint8)
            side = np.rot90(pixels, number)  # a view: what is written to it is written to the pixels
            side[: size // 3] += 150
            Image.fromarray(pixels).save(folder / name / f"{image:02}.png")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is slow by nature, unless GRAFT_SLOW=1 asks for it."""
    if not os.environ.get("GRAFT_SLOW"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow by nature; GRAFT_SLOW=1 runs it, as .ci/run does"))


@pytest.fixture(scope="module", autouse=True)
def frozen_objects() -> None:
    """Exempt from garbage collection all that is there when a module begins: it is long lived, and costs much time."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_journal():
    """Keep the journal off except where a test opens one of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "off")
        yield


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> Path:
    return write_images(tmp_path_factory.mktemp("source") / "edges", 16)


TRAINING: dict[str, str | int | float] = {
    "optimizer": "adam", "learning_rate": 0.01, "schedule": "constant", "warm_up": 0, "momentum": 0.9,
    "weight_decay": 0, "label_smoothing": 0, "class_weights": "none", "ema_momentum": 0, "mixup": 0, "cutmix": 0,
    "monitor": "log_loss", "min_delta": 0,
    "epochs": 3, "patience": 2, "patience_updates": 0, "batch_size": 8, "seed": 1,
    "repeats": 1,
}  # fmt: skip

PARAMETERS: dict[str, dict[str, str | int | float]] = {
    "fetch": {"data_set": "edges", "max_quarantined": 0},
    "fetch_weights": {
        "backbone": "vgg16_small", "source": str(ROOT / "pretraining/vgg16_small.weights.h5"), "stock": "leave",
    },
    "audit": {"distance": 8, "near": "on"},
    "split": {
        "method": "stratified", "train": 24, "validation": 12, "test": 12, "folds": 1, "fold": 0, "seed": 1,
        "duplicates": "keep", "two_labels": "keep", "untrained_classes": "refuse", "corrections": "",
    },
    "augment": {
        "image_size": 32, "resize": "squash", "views": 2, "rotation": 5.0, "shear": 0.05, "zoom": 0.05, "shift": 0.05,
        "flip": "none", "brightness": 0.1, "randaugment": 0, "magnitude": 9.0, "seed": 1,
    },
    "extract": {
        "unfreeze": "last_block", "pooling": "auto", "prefix": "stored", "storage": "float32", "batch_size": 16,
        "storage_limit": 1,
    },
    "embed": {"image_size": 32, "part": 0, "seed": 1},
    "probe": {},
    "explore": {"samples": 3, "seed": 1},
    "draw_exploration": {},
    "choose_precision": {"precision": "float32"},
    "forecast": {},
    "train_benchmark": {"network": "cnn", "image_size": 16, "width": 4, "stages": 3, **TRAINING},
    "fit_neighbours": {},
    "fit_logistic": {"class_weights": "none"},
    "train_top": {"head": "linear", "dropout": 0.1, "width": 8, "depth": 1, "l2": 0, **TRAINING},
    "fine_tune": {
        **TRAINING, "learning_rate": 0.001, "backbone_rate": 1, "rate_decay": 1, "lora": 0, "soup": 1, "l2": 0,
        "epochs": 2,
    },
    "choose_classifier": {},
    "average": {"batch_size": 8},
    "evaluate": {"views": "plain", "batch_size": 8, "slices": 2, "never": "[[up, down]]"},
    "compare": {},
    "draw_comparison": {},
}  # fmt: skip

MODELS = {"train_benchmark": "benchmark", "train_top": "top", "fine_tune": "fine_tuned"}
FITTING = {"fit_neighbours", "fit_logistic"}  # steps that a recipe has if it names their models


NETWORK = "glyphs"
LARGE = (
    "vgg16",
    "vgg19",
    "resnet50",
    "efficientnet_v2_b0",
    "convnext_tiny",
    "convnext_base",
)  # slow where they are run twice
TRAINED = [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in APPLICATIONS]


def recipe_of(parameters: dict[str, dict] = PARAMETERS, name: str = "edges", **said) -> Recipe:
    """Return a recipe with the values of every step; what else it says may be given."""
    values = {key: values for key, values in parameters.items() if key not in COLLECTION}
    nothing: dict = {"data": "edges", "networks": (NETWORK,), "vary": {}}
    return Recipe(name, values=values, **{**nothing, "models": tuple(MODELS.values()), **said})


def tasks_of(recipe: Recipe, source: Path, parameters: dict[str, dict] = PARAMETERS, apart: bool = False) -> list[Task]:
    """Return the tasks of a recipe on a data set, all of whose networks have the same weights."""
    sources = {
        "fetch": {recipe.data: {**parameters["fetch"], "source": str(source)}},
        "fetch_weights": dict.fromkeys(recipe.networks, parameters["fetch_weights"]),
    }
    return arrange([recipe], sources, apart)[recipe.name]


def paths_of(tasks: list[Task], home: Path) -> dict[str, Path]:
    """Return where each artifact of a recipe lies: a classifier by `classifiers/MODEL`, a report by its model."""
    at: dict[str, Path] = {}
    for task in tasks:
        names = {"classifier": f"classifiers/{task.model}", "report": task.model, "top": "head"}
        at |= {names.get(key, key): home / path_of(made) for key, made in task.outputs.items() if key != "record"}
    return at


def run_steps(
    home: Path, source: Path, recipe: str = "edges", parameters: dict[str, dict] = PARAMETERS
) -> dict[str, Path]:
    """Run every step on a data set; return where each artifact lies."""
    tasks = tasks_of(recipe_of(parameters, recipe), source, parameters)
    run_tasks(tasks, home)
    return paths_of(tasks, home)


def evaluate(at: Mapping[str, Path], **changed: str | int) -> None:
    """Evaluate a classifier, with the values of `PARAMETERS` but for those that are given."""
    run_step("evaluate", {**at, "augmented": [at["augmented"]]}, {**PARAMETERS["evaluate"], **changed}, "edges")


def recorded(path: Path) -> Report:
    """Open a report, with the record of its making."""
    report = Report.read(path)
    report.record = Record.read(record_path(path))
    return report


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file in a folder by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


@pytest.fixture(scope="session")
def made(tmp_path_factory, source) -> dict[str, Path]:
    """Every artifact of a small recipe, and a probe of its network, made once for all tests; not to be changed."""
    home = tmp_path_factory.mktemp("made")
    at = {**run_steps(home, source), **{key: home / "probed" / key for key in ("embeddings", "probe")}}
    run_step("embed", at, PARAMETERS["embed"])
    run_step("probe", {**at, "embeddings": [at["embeddings"]]}, PARAMETERS["probe"])
    return at


def list_files_anew(kind: type[AnyArtifact], folder: Path) -> AnyArtifact:
    """Return the artifact in a folder whose files a test has changed, after writing its manifest with what is there."""
    artifact = kind(folder, read_json(folder / MANIFEST))
    artifact.write_manifest()
    return artifact


def copy_recipe(made: Mapping[str, Path], folder: Path) -> Path:
    """Copy what the journal is written from: a recipe's models, reports, comparison and page, and all its records."""
    arrays = shutil.ignore_patterns("augmented", "features", "tensors")
    return shutil.copytree(made["comparison"].parent, folder, ignore=arrays)


def heed_signals() -> None:
    """Let a process that a test starts heed what stops it, even where the tests run in the background or by nohup."""
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(server: subprocess.Popen, address: str) -> None:
    for _ in range(600):
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server did not come up")


@pytest.fixture(scope="session")
def database(tmp_path_factory) -> str:
    """A SQLite store with its tables, which take a while to be made."""
    address = f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"
    tracking.client.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", address)
        tracking.client().search_experiments()
    tracking.client.cache_clear()
    return address


@pytest.fixture(scope="module")
def journal(made, database, tmp_path_factory) -> Iterator[str]:
    """A journal that holds the fine-tuned model; the address of the logged model."""
    folder = tmp_path_factory.mktemp("journal")
    shutil.copy(database.removeprefix("sqlite:///"), folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.chdir(folder)
        tracking.client.cache_clear()
        classifier = Classifier.read(made["classifiers/fine_tuned"])
        tracking.complete_run(classifier, Report.read(made["fine_tuned"]))
        run = runs.find_run("edges", runs.MODEL, classifier.digest)
        assert run is not None and run.outputs is not None
        yield f"models:/{run.outputs.model_outputs[0].model_id}"
    tracking.client.cache_clear()


@contextmanager
def serving(command: list[str], port: int, environment: dict[str, str], folder: Path | str) -> Iterator[str]:
    """Yield the address of MLflow's server that a command starts; it and all that it started is stopped."""
    with subprocess.Popen(
        [sys.executable, "-m", "mlflow", *command, "--host", "127.0.0.1", "--port", str(port)],
        env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            wait_for(process, f"http://127.0.0.1:{port}/health")
            yield f"http://127.0.0.1:{port}"
        finally:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.terminate()
            process.terminate()


@pytest.fixture(scope="session")
def server(database):
    """A real `mlflow server` on the store."""
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment = {**os.environ, **settings, "MLFLOW_BACKEND_STORE_URI": database}
    folder = database.removeprefix("sqlite:///").removesuffix("/mlflow.db")
    with serving(["server", "--workers", "1"], free_port(), environment, folder) as address:
        yield address

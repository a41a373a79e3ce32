"""The journal: one MLflow run for each model trained, written live while it trains and completed by its evaluation.

The artifacts hold the whole record; nothing is ever read back from the journal into a result. A run is found by its
fingerprint, the digest of the classifier's inputs, parameters and code, so that writing it twice changes nothing.
"""

import logging
import os
import re
import signal
import subprocess
import sys
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from time import sleep, time
from typing import TYPE_CHECKING, Any

from components.data.artifacts import Classifier, Report
from components.errors import UserError
from components.results import view

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

LOCAL_STORE = "sqlite:///mlflow.db"
FINGERPRINT = "graft.fingerprint"
COMPLETE = "graft.complete"
LATER = "`python -m pipeline log` completes the journal later"


def store() -> str:
    """Return the tracking address: MLFLOW_TRACKING_URI, or a local SQLite file; `off` keeps no journal."""
    return os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_STORE


@contextmanager
def _plain() -> Iterator[None]:
    """Turn whatever a server, a proxy or a database throws into one line, without user name and password."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(_public(str(error)).split())[:300]
        raise UserError(f"MLflow at {_public(store())} did not take this: {reason}") from error


def _public(text: str) -> str:
    """Return a text without the user name and password of any address in it."""
    return re.sub(r"://[^/\s]*@", "://", text)


@cache
def client() -> "MlflowClient":
    """Return a client of the store; an address that does not answer is given up after a few seconds.

    Raises:
        UserError: There is no store: the journal is off.
    """
    if store() == "off":
        raise UserError("MLFLOW_TRACKING_URI is `off`: there is no journal")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    mlflow.set_tracking_uri(store())
    return mlflow.MlflowClient()


class Live:
    """The run of a classifier in training; a store that does not answer costs one line, never the training."""

    def __init__(self, classifier: Classifier, model: str):
        self.run_id: str | None = None if store() == "off" else _attempt(_begin, classifier, model)

    def log_epoch(self, epoch: int, values: dict[str, float]) -> None:
        """Log the losses and scores of an epoch, numbered from 1."""
        if self.run_id and _attempt(_log_epoch, self.run_id, epoch, values) is None:
            self.run_id = None

    def end(self, state: str) -> None:
        if self.run_id:
            _attempt(client().set_terminated, self.run_id, state)


@contextmanager
def live(classifier: Classifier, model: str) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Open the run of a classifier in training, and yield the function that logs an epoch.

    A complete run with the same fingerprint is left as it is; one that was broken off is deleted and begun again.
    """
    run = Live(classifier, model)
    try:
        yield run.log_epoch
    except BaseException:
        run.end("FAILED")
        raise
    run.end("FINISHED")


@_plain()
def complete(classifier: Classifier, report: Report) -> bool:
    """Write all of a run that is missing, from the artifacts alone; return whether anything was.

    Raises:
        UserError: The store does not answer or refuses, or the journal is off.
    """
    run = _find(classifier.facts["data_set"], classifier.digest)
    if run and run.data.tags.get(COMPLETE):
        return False
    run_id = run.info.run_id if run else _create(classifier, classifier.facts["model"], classifier.digest)
    _log_params(run_id, classifier)
    known = {metric.step for metric in client().get_metric_history(run_id, "epoch/loss")}
    history = classifier.table("history.csv").set_index("epoch")
    for epoch in history.index.difference(list(known)):
        _log_epoch(run_id, epoch, history.loc[epoch].to_dict())
    _log_metrics(run_id, report.metrics)
    client().log_artifacts(run_id, str(report.path), "report")
    _log_data(run_id, classifier)
    _log_model(run_id, classifier, report)
    client().set_tag(run_id, "mlflow.note.content", _note(report))
    client().set_tag(run_id, COMPLETE, "true")
    client().set_terminated(run_id, "FINISHED")
    return True


def complete_or_say(classifier: Classifier, report: Report) -> None:
    """Complete a run; where the store does not answer, say so in one line."""
    if store() != "off":
        _attempt(complete, classifier, report)


def serve(port: int = 5000) -> None:
    """Serve the local store on 127.0.0.1 until Ctrl-C, and open the comparisons; of a server, say where they are.

    Raises:
        UserError: There is no journal to open, or the server does not start.
    """
    address = store()
    with _plain():
        experiments = client().search_experiments(filter_string="name != 'Default'")
    if not experiments:
        raise UserError(f"no run in {_public(address)} yet: `make repro` writes some, `python -m pipeline log` too")
    if address.startswith(("http://", "https://")):
        _point_to(_public(address), experiments)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server ends with this process
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = ["-m", "mlflow", "server", "--backend-store-uri", address, "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, *command, "--workers", "1"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(server, f"http://127.0.0.1:{port}/health")
        _point_to(f"http://127.0.0.1:{port}", experiments)
        server.wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.terminate()
        server.wait()


def _wait(server: subprocess.Popen, health: str) -> None:
    """Wait until a server answers."""
    print("MLflow is starting ...", flush=True)
    while server.poll() is None:
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except OSError:
            sleep(0.5)
    raise UserError(
        f"mlflow server ended with {server.returncode}: is the port taken? `python -m pipeline ui --port N`"
    )


def _point_to(host: str, experiments: "Sequence[Experiment]") -> None:
    """Print where each data set's comparison is, and open the newest."""
    newest = sorted(experiments, key=lambda experiment: experiment.last_update_time or 0, reverse=True)
    addresses = view.address(host, [experiment.experiment_id for experiment in newest])
    for experiment, address in zip(newest, addresses, strict=True):
        print(f"{experiment.name}: {address}")
    print("(the second icon above the table shows the same as charts; Ctrl-C ends the server)", flush=True)
    webbrowser.open(addresses[0])


def _attempt(action: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the action gives, or None after one line on standard error: the training comes first."""
    try:
        with _plain():
            return action(*arguments)
    except UserError as error:
        print(f"{error}; {LATER}", file=sys.stderr)
        return None


def _begin(classifier: Classifier, model: str) -> str | None:
    """Return the run to log to; none where it is complete already."""
    fingerprint = classifier.digest
    run = _find(classifier.facts["data_set"], fingerprint)
    if run and run.data.tags.get(COMPLETE):
        return None
    if run:
        client().delete_run(run.info.run_id)
    run_id = _create(classifier, model, fingerprint)
    _log_params(run_id, classifier)
    return run_id


def _experiment(name: str) -> str:
    found = client().get_experiment_by_name(name)
    if found:
        return found.experiment_id
    experiment = client().create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"})
    view.share(client(), experiment)
    return experiment


def _find(experiment: str, fingerprint: str) -> "Run | None":
    found = client().get_experiment_by_name(experiment)
    if not found:
        return None
    runs = client().search_runs([found.experiment_id], f"tags.`{FINGERPRINT}` = '{fingerprint}'", max_results=1)
    return runs[0] if runs else None


def _create(classifier: Classifier, model: str, fingerprint: str) -> str:
    facts, record = classifier.facts, classifier.record
    tags = {
        FINGERPRINT: fingerprint,
        "model": model,
        "recipe": record["recipe"],
        "comparison": record["lineage"]["split"][:12],
        "data_set": facts["data_set"],
        "data_digest": record["lineage"]["fetch"],
        **record["revisions"],
    }
    name = f"{record['recipe'] or facts['data_set']}-{model}"
    return client().create_run(_experiment(facts["data_set"]), run_name=name, tags=tags).info.run_id


def _log_params(run_id: str, classifier: Classifier) -> None:
    from mlflow.entities import Param

    chain = classifier.record["parameters"]
    params = {f"{step}.{name}": value for step, values in chain.items() for name, value in values.items()}
    facts = ("backbone", "weights_sha256", "first_trainable", "model_parameters", "trainable_parameters", "best_epoch")
    params |= {name: classifier.facts[name] for name in facts if name in classifier.facts}
    client().log_batch(run_id, params=[Param(name, str(value)) for name, value in params.items()])


def _log_epoch(run_id: str, epoch: int, values: dict[str, float]) -> bool:
    _log_metrics(run_id, {f"epoch/{name}": value for name, value in values.items()}, epoch)
    return True


def _log_metrics(run_id: str, values: dict[str, float], step: int = 0) -> None:
    from mlflow.entities import Metric

    now = int(time() * 1000)
    client().log_batch(
        run_id, metrics=[Metric(name, round(float(value), 6), now, step) for name, value in values.items()]
    )


def _log_data(run_id: str, classifier: Classifier) -> None:
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.http_dataset_source import HTTPDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput

    from components.data.datasets import DATA_SETS

    name = classifier.facts["data_set"]
    address = DATA_SETS[name].address if name in DATA_SETS else ""
    source = HTTPDatasetSource(address) if address else CodeDatasetSource(classifier.record["revisions"])
    data = MetaDataset(source, name=name, digest=classifier.record["lineage"]["fetch"][:32])  # type: ignore[abstract]
    client().log_inputs(run_id, [DatasetInput(data._to_mlflow_entity(), [])])


def _log_model(run_id: str, classifier: Classifier, report: Report) -> None:
    import keras
    import mlflow
    import numpy as np
    import tensorflow
    from mlflow.models import infer_signature

    model = keras.saving.load_model(classifier.file, compile=False)
    example = np.load(report.path / "example.npy")
    with mlflow.start_run(run_id=run_id):
        mlflow.tensorflow.log_model(
            model,
            name="model",
            signature=infer_signature(example, model.predict_on_batch(example)),
            input_example=example,
            pip_requirements=[f"keras=={keras.__version__}", f"tensorflow=={tensorflow.__version__}"],
            metadata={"classes": classifier.facts["classes"], "fingerprint": classifier.digest},
        )


def _note(report: Report) -> str:
    scores = report.metrics
    rows = "\n".join(f"| {name} | {scores[name]:.4g} |" for name in view.COLUMNS)
    return f"{report.facts['title']}\n\n| score | |\n|---|---|\n{rows}\n"

"""The journal: one MLflow run for each model trained, written live while it trains and completed by its evaluation.

The artifacts hold the whole record; nothing is ever read back from the journal into a result. A run is found by its
fingerprint, the digest of the classifier's inputs, parameters and code, so that writing it twice changes nothing.
"""

import fcntl
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, time
from typing import TYPE_CHECKING, Any

from components.data.artifacts import Classifier, Report
from components.errors import UserError, public
from components.results import view

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

Epoch = tuple[int, dict[str, float], int]  # its number, its losses and scores, when it ended, ms

LOCAL_STORE = "sqlite:///mlflow.db"
FINGERPRINT = "graft.fingerprint"
COMPLETE = "graft.complete"
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a request that was taken, though no answer came, is not to be done twice
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # seconds
}
LIVE_SECONDS = 30  # that the epochs of one training may wait for the store, all together
TOGETHER_SECONDS = 1  # in which a training's epochs are sent together
MOST = 1000  # metrics that MLflow takes at once
LATER = "`python -m pipeline log` completes the journal later"


def store() -> str:
    """Return the tracking address: MLFLOW_TRACKING_URI, or a local SQLite file; `off` keeps no journal."""
    return os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_STORE


def shown() -> str:
    """Return the tracking address without what signs in there."""
    return _public(store())


@contextmanager
def _plain() -> Iterator[None]:
    """Turn whatever a server, a proxy or a database throws into one line, without user name, password and token."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(_public(str(error).partition("[SQL:")[0]).split())[:300]
        raise UserError(f"MLflow at {shown()} did not take this: {reason}") from error


def _public(text: str) -> str:
    """Return a text without the secrets of its addresses, and without what signs in to MLflow."""
    text = public(text)
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        if secret := os.environ.get(f"MLFLOW_TRACKING_{name}", "").strip():
            text = text.replace(secret, "...")
    return text


@cache
def client() -> "MlflowClient":
    """Return a client of the store, which prints nothing and waits for no answer longer than its settings say.

    Raises:
        UserError: There is no store: the journal is off, or its address names no server.
    """
    if store() == "off":
        raise UserError("MLFLOW_TRACKING_URI is `off`: there is no journal")
    if re.fullmatch("https?:/*", store()):
        raise UserError(f"MLFLOW_TRACKING_URI names no server: {store()!r}; give http://HOST:PORT")
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow

    for noisy in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    if not store().startswith(("http://", "https://")):
        from mlflow.store.db import utils  # which an image of the steps has not

        utils.MAX_RETRY_COUNT = 1  # it would try a broken database for 100 seconds
        _make_tables()
    mlflow.set_tracking_uri(store())
    return mlflow.MlflowClient()


def _make_tables() -> None:
    """Make a SQLite store that is not there, in one process and under another name until it is whole.

    MLflow cannot make one in two processes, nor open one whose making was broken off.
    """
    import mlflow

    file = Path(store().removeprefix("sqlite:///").partition("?")[0])
    if not store().startswith("sqlite:///") or file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{file}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            fresh = Path(f"{file}.unfinished")
            for left in file.parent.glob(f"{fresh.name}*"):  # its journal too, which would be played into the new one
                left.unlink()
            mlflow.MlflowClient(f"sqlite:///{fresh}").search_experiments()
            fresh.replace(file)


class Live:
    """The run of a classifier in training; a store that does not answer costs one line, never the training.

    Epochs that follow each other fast are sent together, so that a short one does not wait for the store.
    """

    def __init__(self, classifier: Classifier, model: str):
        self.seconds, self.sent = 0.0, 0.0
        self.waiting: list[Epoch] = []
        self.run: Run | None = None if store() == "off" else _attempt(_begin, classifier, model)

    def log_epoch(self, epoch: int, values: dict[str, float]) -> None:
        """Log the losses and scores of an epoch, numbered from 1, unless the store has failed or is too slow."""
        if self.run:
            self.waiting.append((epoch, values, int(time() * 1000)))
            if perf_counter() - self.sent > TOGETHER_SECONDS:
                self._send()

    def _send(self) -> None:
        if self.run and self.waiting and not _attempt(self._send_in_time, self.run.info.run_id):
            self.run = None

    def _send_in_time(self, run_id: str) -> bool:
        start, epoch = perf_counter(), self.waiting[-1][0]
        _log_epochs(run_id, self.waiting)
        self.waiting, self.sent = [], perf_counter()
        self.seconds += self.sent - start
        if self.seconds > LIVE_SECONDS:
            raise UserError(f"MLflow at {shown()} is too slow: {self.seconds:.1f} s for {epoch} epochs")
        return True

    def end(self, state: str, scores: dict[str, float]) -> None:
        self._send()
        if self.run:
            _attempt(_end, self.run, state, scores)


@contextmanager
def live(classifier: Classifier, model: str) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Open the run of a classifier in training, and yield the function that logs an epoch.

    What the record of the delivered classifier says of its validation is logged at the end. A complete run with the
    same fingerprint is left as it is; one that was broken off is deleted and begun again.
    """
    run = Live(classifier, model)
    try:
        yield run.log_epoch
    except BaseException:
        run.end("FAILED", {})
        raise
    run.end("FINISHED", {name: value for name, value in classifier.facts.items() if name in view.COLUMNS})


@_plain()
def complete(classifier: Classifier, report: Report) -> bool:
    """Write all of a run that is missing, from the artifacts alone; return whether anything was.

    Raises:
        UserError: The store does not answer or refuses, or the journal is off.
    """
    run = _find(classifier.facts["data_set"], classifier.digest)
    if run and run.data.tags.get(COMPLETE):
        return False
    run = run or _create(classifier, classifier.facts["model"], classifier.digest)
    run_id = run.info.run_id
    _log_params(run_id, classifier)
    known = {metric.step for metric in client().get_metric_history(run_id, "epoch/loss")}
    history = classifier.table("history.csv").set_index("epoch")
    missing = history.index.difference(list(known))
    _log_epochs(run_id, [(epoch, history.loc[epoch].to_dict(), int(time() * 1000)) for epoch in missing])
    client().log_artifacts(run_id, str(report.path), "report")
    _log_data(run_id, classifier)
    model_id = _log_model(run, classifier, report)
    scores = report.metrics
    if scores.keys() - run.data.metrics.keys():
        _log_scores(run, scores, model_id)
    client().set_tag(run_id, "mlflow.note.content", _note(report))
    client().set_terminated(run_id, "FINISHED")
    client().set_tag(run_id, COMPLETE, "true")
    return True


def complete_or_say(classifier: Classifier, report: Report) -> None:
    """Complete the run of a report that lacks its record yet; where the store does not answer, say so in one line."""
    if store() != "off":
        report.write_record()
        _attempt(complete, classifier, report)


@_plain()
def experiments() -> dict[str, str]:
    """Return the identifier of each data set's experiment by its name, the newest first.

    Raises:
        UserError: The store does not answer or refuses, or the journal is off.
    """
    found = client().search_experiments(filter_string="name != 'Default'", order_by=["last_update_time DESC"])
    return {experiment.name: experiment.experiment_id for experiment in found}


def address(experiment: str, fingerprint: str) -> str | None:
    """Return the address of a run in the UI of the server that keeps the journal; none where there is no such run.

    Where the server does not answer, that is said in one line on standard error.

    Args:
        experiment: The name of the data set.
        fingerprint: The digest of the classifier.
    """
    run = _attempt(_find, experiment, fingerprint) if store().startswith("http") else None
    return run and f"{shown().rstrip('/')}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def _attempt(action: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the action gives, or None after one line on standard error: the training comes first."""
    try:
        with _plain():
            return action(*arguments)
    except UserError as error:
        print(f"{error}; {LATER}", file=sys.stderr)
        return None


def _begin(classifier: Classifier, model: str) -> "Run | None":
    """Return the run to log to; none where it is complete already."""
    fingerprint = classifier.digest
    run = _find(classifier.facts["data_set"], fingerprint)
    if run and run.data.tags.get(COMPLETE):
        return None
    if run:
        client().delete_run(run.info.run_id)
    run = _create(classifier, model, fingerprint)
    _log_params(run.info.run_id, classifier)
    return run


def _end(run: "Run", state: str, scores: dict[str, float]) -> None:
    if scores:
        _log_scores(run, scores)
    client().set_terminated(run.info.run_id, state)


def _experiment(name: str) -> str:
    """Return the experiment of a data set, made if it is not there, with the view that compares its runs."""
    from mlflow.exceptions import MlflowException

    found = client().get_experiment_by_name(name)
    if found:
        experiment = found.experiment_id
    else:
        try:
            experiment = client().create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"})
        except MlflowException as error:  # made by another process in the meantime
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return _experiment(name)
    view.share(client(), experiment)
    return experiment


def _find(experiment: str, fingerprint: str) -> "Run | None":
    found = client().get_experiment_by_name(experiment)
    if not found:
        return None
    runs = client().search_runs([found.experiment_id], f"tags.`{FINGERPRINT}` = '{fingerprint}'", max_results=1)
    return runs[0] if runs else None


def _create(classifier: Classifier, model: str, fingerprint: str) -> "Run":
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
    if kubeflow := os.environ.get("KFP_RUN_ID"):
        tags["kfp_run_id"] = kubeflow
    name = f"{record['recipe'] or facts['data_set']}-{model}"
    return client().create_run(_experiment(facts["data_set"]), run_name=name, tags=tags)


def _params(classifier: Classifier) -> dict[str, str]:
    chain = classifier.record["parameters"]
    params = {f"{step}.{name}": value for step, values in chain.items() for name, value in values.items()}
    facts = (
        "backbone",
        "weights_sha256",
        "first_trainable",
        "precision",
        "model_parameters",
        "trainable_parameters",
        "best_epoch",
    )
    params |= {name: classifier.facts[name] for name in facts if name in classifier.facts}
    return {name: str(value) for name, value in params.items()}


def _log_params(run_id: str, classifier: Classifier) -> None:
    from mlflow.entities import Param

    client().log_batch(run_id, params=[Param(*param) for param in _params(classifier).items()])


def _log_epochs(run_id: str, epochs: Sequence[Epoch]) -> None:
    """Log epochs, each whole in one request."""
    while epochs:
        together = max(1, MOST // len(epochs[0][1]))
        metrics = [
            _metric(f"epoch/{name}", value, time_ms, epoch)
            for epoch, values, time_ms in epochs[:together]
            for name, value in values.items()
        ]
        client().log_batch(run_id, metrics=metrics)
        epochs = epochs[together:]


def _log_scores(run: "Run", scores: dict[str, float], model_id: str | None = None) -> None:
    """Log scores as of the run's beginning, for of values with one time MLflow keeps one."""
    metrics = [_metric(name, value, run.info.start_time, 0, model_id) for name, value in scores.items()]
    client().log_batch(run.info.run_id, metrics=metrics)


def _metric(name: str, value: float, time_ms: int, step: int, model_id: str | None = None) -> "Metric":
    from mlflow.entities import Metric

    return Metric(name, round(float(value), 6), time_ms, step, model_id)


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


def _log_model(run: "Run", classifier: Classifier, report: Report) -> str:
    """Log the model, or what of it was broken off, and return its identifier."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    run_id, experiment = run.info.run_id, run.info.experiment_id
    begun = client().search_logged_models([experiment], f"source_run_id = '{run_id}'", max_results=1)
    logged = begun[0] if begun else client().create_logged_model(experiment, "model", run_id, None, _params(classifier))
    if logged.status != LoggedModelStatus.READY:
        with TemporaryDirectory() as folder:
            _save_model(folder, classifier, report, run_id, logged.model_id)
            client().log_model_artifacts(logged.model_id, folder)
        client().finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    if not run.outputs or not run.outputs.model_outputs:
        client().log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    return logged.model_id


def _save_model(folder: str, classifier: Classifier, report: Report, run_id: str, model_id: str) -> None:
    import keras
    import mlflow
    import numpy as np
    import tensorflow
    from mlflow.models import Model, infer_signature

    model = classifier.load()
    example = np.load(report.path / "example.npy")
    metadata = {"classes": classifier.facts["classes"], "fingerprint": classifier.digest}
    mlflow.tensorflow.save_model(
        model,
        folder,
        mlflow_model=Model(run_id=run_id, model_uuid=model_id, model_id=model_id, metadata=metadata),
        signature=infer_signature(example, model.predict_on_batch(example)),
        input_example=example,
        pip_requirements=[f"keras=={keras.__version__}", f"tensorflow=={tensorflow.__version__}"],
    )


def _note(report: Report) -> str:
    scores = report.metrics
    rows = "\n".join(f"| {name} | {scores[name]:.4g} |" for name in view.COLUMNS)
    return f"{report.facts['title']}\n\n| score | |\n|---|---|\n{rows}\n"

"""Runs: one for each model trained, written live while it trains and completed by its evaluation.

A run is found by its fingerprint, the digest of the classifier's inputs, parameters and code, so that writing it twice
changes nothing.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from time import perf_counter, time
from typing import TYPE_CHECKING

from components.data.artifacts import Classifier, Report
from components.errors import UserError
from components.results.tracking import logged, store, view
from components.results.tracking.store import client

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric, Run

Epoch = tuple[int, dict[str, float], int]  # its number, its losses and scores, when it ended, ms

FINGERPRINT = "graft.fingerprint"
COMPLETE = "graft.complete"
TEST_SPLIT = "test_split"
LIVE_SECONDS = 30  # that the epochs of one training may wait for the store, all together
TOGETHER_SECONDS = 1  # in which a training's epochs are sent together
MOST = 1000  # metrics that MLflow takes at once


class Live:
    """The run of a classifier in training; a store that does not answer costs one line, never the training.

    Epochs that follow each other fast are sent together, so that a short one does not wait for the store.
    """

    def __init__(self, classifier: Classifier, model: str):
        self.seconds, self.sent = 0.0, 0.0
        self.waiting: list[Epoch] = []
        self.run: Run | None = None if store.address() == "off" else store.attempt(_begin, classifier, model)

    def log_epoch(self, epoch: int, values: dict[str, float]) -> None:
        """Log the losses and scores of an epoch, numbered from 1, unless the store has failed or is too slow."""
        if self.run:
            self.waiting.append((epoch, values, int(time() * 1000)))
            if perf_counter() - self.sent > TOGETHER_SECONDS:
                self._send()

    def _send(self) -> None:
        if self.run and self.waiting and not store.attempt(self._send_in_time, self.run.info.run_id):
            self.run = None

    def _send_in_time(self, run_id: str) -> bool:
        start, epoch = perf_counter(), self.waiting[-1][0]
        _log_epochs(run_id, self.waiting)
        self.waiting, self.sent = [], perf_counter()
        self.seconds += self.sent - start
        if self.seconds > LIVE_SECONDS:
            raise UserError(f"MLflow at {store.shown()} is too slow: {self.seconds:.1f} s for {epoch} epochs")
        return True

    def end(self, state: str, scores: dict[str, float]) -> None:
        self._send()
        if self.run:
            store.attempt(_end, self.run, state, scores)


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


@store.plain()
def complete(classifier: Classifier, report: Report) -> bool:
    """Write all of a run that is missing, from the artifacts alone; return whether anything was.

    Raises:
        UserError: The store does not answer or refuses, or the journal is off.
    """
    fingerprint = report.facts["fingerprint"]
    run = find(classifier.facts["data_set"], fingerprint)
    if run and run.data.tags.get(COMPLETE):
        return False
    run = run or _create(report, classifier.facts["model"], fingerprint)
    run_id = run.info.run_id
    _log_params(run_id, report)
    known = {metric.step for metric in client().get_metric_history(run_id, "epoch/loss")}
    history = classifier.table("history.csv").set_index("epoch")
    missing = history.index.difference(list(known))
    _log_epochs(run_id, [(epoch, history.loc[epoch].to_dict(), int(time() * 1000)) for epoch in missing])
    client().log_artifacts(run_id, str(report.path), "report")
    client().log_inputs(run_id, _data(classifier, report))
    client().set_tag(run_id, TEST_SPLIT, test_split(report))
    plain = fingerprint == classifier.digest  # with averaged views, no model that is served gives these scores
    model_id = _log_model(run, classifier, report) if plain else None
    scores = numbers(report)
    if scores.keys() - run.data.metrics.keys():
        _log_scores(run, scores, model_id)
    client().set_tag(run_id, "mlflow.note.content", _note(report))
    client().set_terminated(run_id, "FINISHED")
    client().set_tag(run_id, COMPLETE, "true")
    return True


def complete_or_say(classifier: Classifier, report: Report) -> None:
    """Complete the run of a report that lacks its record yet; where the store does not answer, say so in one line."""
    if store.address() != "off":
        report.write_record()
        store.attempt(complete, classifier, report)


def numbers(report: Report) -> dict[str, float]:
    """Return all that is logged of a report: scores, the ends of their 95 % intervals, costs, what the audit found."""
    intervals = {
        f"{name}_{end}": value
        for name, interval in report.intervals.items()
        for end, value in zip(("low", "high"), interval, strict=True)
    }
    leakage = {f"leakage_{name}": found for name, found in report.facts.get("leakage", {}).items()}
    return {**report.metrics, **intervals, **leakage}


def test_split(report: Report) -> str:
    """Return the digest of the test images with their labels, which models share that can be compared in pairs."""
    table = report.table("predictions.csv")
    rows = sorted(zip(table["file"], table["label"], strict=True))
    return hashlib.sha256(json.dumps([report.record["lineage"]["fetch"], rows]).encode()).hexdigest()[:32]


@store.plain()
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
    run = store.attempt(find, experiment, fingerprint) if store.served() else None
    return run and f"{store.shown().rstrip('/')}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def _begin(classifier: Classifier, model: str) -> "Run | None":
    """Return the run to log to; none where it is complete already."""
    fingerprint = classifier.digest
    run = find(classifier.facts["data_set"], fingerprint)
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


def find(experiment: str, fingerprint: str) -> "Run | None":
    found = client().get_experiment_by_name(experiment)
    if not found:
        return None
    runs = client().search_runs([found.experiment_id], f"tags.`{FINGERPRINT}` = '{fingerprint}'", max_results=1)
    return runs[0] if runs else None


def _create(made: Classifier | Report, model: str, fingerprint: str) -> "Run":
    facts, record = made.facts, made.record
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


def _params(made: Classifier | Report) -> dict[str, str]:
    chain = made.record["parameters"]
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
    params |= {name: made.facts[name] for name in facts if name in made.facts}
    return {name: str(value) for name, value in params.items()}


def _log_params(run_id: str, made: Classifier | Report) -> None:
    from mlflow.entities import Param

    client().log_batch(run_id, params=[Param(*param) for param in _params(made).items()])


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


def _data(classifier: Classifier, report: Report) -> list["DatasetInput"]:
    """Return the data set, which the run trained on, and its test images, which are a data set of their own."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.http_dataset_source import HTTPDatasetSource
    from mlflow.entities import Dataset, DatasetInput, InputTag

    from components.data.datasets import DATA_SETS

    facts = classifier.facts
    name, trained = facts["data_set"], sum(facts["train_counts"]) + facts["validation_images"]
    address = DATA_SETS[name].address if name in DATA_SETS else ""
    source = HTTPDatasetSource(address) if address else CodeDatasetSource(classifier.record["revisions"])
    whence = source._get_source_type(), source.to_json()
    parts = (
        (name, classifier.record["lineage"]["fetch"][:32], trained, "training"),
        (f"{name}, test split", test_split(report), int(report.metrics["test_images"]), "test"),
    )
    return [
        DatasetInput(
            Dataset(title, digest, *whence, profile=json.dumps({"num_rows": images, "classes": len(facts["classes"])})),
            [InputTag("mlflow.data.context", use)],
        )
        for title, digest, images, use in parts
    ]


def _log_model(run: "Run", classifier: Classifier, report: Report) -> str:
    """Log the model, or what of it was broken off, and return its identifier."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    run_id, experiment = run.info.run_id, run.info.experiment_id
    begun = client().search_logged_models([experiment], f"source_run_id = '{run_id}'", max_results=1)
    model = begun[0] if begun else client().create_logged_model(experiment, "model", run_id, None, _params(classifier))
    if model.status != LoggedModelStatus.READY:
        with TemporaryDirectory() as folder:
            logged.save(folder, classifier, report, run_id, model.model_id)
            client().log_model_artifacts(model.model_id, folder)
        client().finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    if not run.outputs or not run.outputs.model_outputs:
        client().log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    return model.model_id


def _note(report: Report) -> str:
    scores, intervals = report.metrics, report.intervals
    between = {name: f"{low:.4g} to {high:.4g}" for name, (low, high) in intervals.items()}
    rows = "\n".join(f"| {name} | {scores[name]:.4g} | {between.get(name, '')} |" for name in view.COLUMNS)
    return f"{report.facts['title']}\n\n| score | | 95 % interval |\n|---|---|---|\n{rows}\n"

"""Runs: one for each model trained, written live while it trains and completed by its evaluation.

A run is known by what it is: the content of the model, from its training on, and with that of the test images once it
is evaluated. The same model made or evaluated again is the same run, so that writing it twice changes nothing.
"""

import fcntl
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, time
from typing import TYPE_CHECKING

from components.data.artifact import MANIFEST, Artifact
from components.data.artifacts import Classifier, Probe, Report
from components.data.content import sha256
from components.results import titles
from components.results.costly_mistakes import costly_metrics
from components.results.costs import seconds_and_rate
from components.results.texts import markdown
from components.results.tracking import logged, store, view, ways
from components.results.tracking.store import client
from components.scores.registry import MAIN, VALIDATION
from components.system.errors import UserError

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric, Run

Epoch = tuple[int, dict[str, float], int]  # its number, its losses and scores, when it ended, ms

TRAINING = "graft.training"  # what the model is trained from: inputs, parameters, code
MADE_WITH = "graft.made_with"  # likewise, as far as a finished model records it: without the code
MODEL = "graft.model"  # digest of its content
FINGERPRINT = "graft.fingerprint"  # of model, views and test images
COMPLETE = "graft.complete"
BEST = "best_epoch"  # came out of the training: a metric, no parameter
TEST_SPLIT = "test_split"
LIVE_SECONDS = 30  # that the epochs of one training may wait for the store, all together
TOGETHER_SECONDS = 1  # in which a training's epochs are sent together
MOST = 1000  # metrics that MLflow takes at once
REFUSED = """[/:.%"']"""  # in the name of a model, by MLflow


class LiveRun:
    """The run of a classifier in training; a store that does not answer costs one line, never the training.

    Epochs that follow each other fast are sent together, so that a short one does not wait for the store.
    """

    def __init__(self, classifier: Classifier, model: str):
        self.seconds, self.sent = 0.0, 0.0
        self.waiting: list[Epoch] = []
        self.run: Run | None = (
            None if store.tracking_address() == "off" else store.attempt(_begin_run, classifier, model)
        )

    def log_epoch(self, epoch: int, values: dict[str, float]) -> None:
        """Log an epoch's values, numbered from 1, at once or together with later ones; nothing after a failure."""
        if self.run:
            self.waiting.append((epoch, values, int(time() * 1000)))
            if perf_counter() - self.sent > TOGETHER_SECONDS:
                self._send()

    def _send(self) -> None:
        """Send the waiting epochs; give up the run, after one line, where the store fails or is too slow."""
        if self.run and self.waiting and not store.attempt(self._send_in_time, self.run.info.run_id):
            self.run = None

    def _send_in_time(self, run_id: str) -> bool:
        """Log the waiting epochs and return True; raise where sending has taken over `LIVE_SECONDS` in all.

        Raises:
            UserError: The store has taken longer than `LIVE_SECONDS` by now.
        """
        start, epoch = perf_counter(), self.waiting[-1][0]
        _log_epochs(run_id, self.waiting)
        self.waiting, self.sent = [], perf_counter()
        self.seconds += self.sent - start
        if self.seconds > LIVE_SECONDS:
            raise UserError(f"MLflow at {store.public_address()} is too slow: {self.seconds:.1f} s for {epoch} epochs")
        return True

    def fail(self) -> None:
        """Send what waits, and end the run of a training that broke off as FAILED."""
        self._send()
        if self.run:
            store.attempt(_end_run, self.run, "FAILED")

    def finish(self, classifier: Classifier) -> None:
        """Send waiting epochs and validation scores, end the run as FINISHED; delete it if the model has another."""
        self._send()
        if self.run:
            store.attempt(_finish_run, self.run, classifier)


@contextmanager
def live_run(classifier: Classifier, model: str) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Open the run of a classifier in training; yield the function that logs an epoch, or does nothing without a run.

    The validation scores of the delivered classifier are logged at the end. The finished run of the same training is
    left as it is, one that was broken off is deleted and begun again; and where the model comes out as one that has a
    run already, that run is its own.
    """
    run = LiveRun(classifier, model)
    try:
        yield run.log_epoch
    except BaseException:
        run.fail()
        raise
    run.finish(classifier)


@store.one_line_errors()
@store.repeat_on_conflict
def complete_run(classifier: Classifier, report: Report, costs: Mapping[str, float] = {}) -> bool:
    """Log all that a report's run lacks, creating it if it is missing; return whether it lacked anything.

    Of several processes that do so with one report, each waits for the one before.

    Args:
        classifier: The model.
        report: Its test scores, with the record of their making.
        costs: Seconds, rates and GPU hours behind it, as far as records say.

    Raises:
        UserError: The store does not answer or refuses, or the journal is off.
    """
    with lock(report):
        return _complete_run(classifier, report, costs)


def _complete_run(classifier: Classifier, report: Report, costs: Mapping[str, float]) -> bool:
    """Log all that a report's run lacks, without the lock of `complete_run`; return whether it lacked anything."""
    facts, fingerprint = classifier.facts, report.facts.fingerprint
    experiment, plain = facts.data_set, report.facts.views == "plain"
    run = find_run(experiment, FINGERPRINT, fingerprint)
    if run and run.data.tags.get(COMPLETE):  # before its costs were known, or these confusions were asked for
        return log_missing(run, {**costs, **costly_metrics(report)})
    tags = {FINGERPRINT: fingerprint}
    if plain:
        tags |= {MODEL: classifier.digest, MADE_WITH: _inputs_digest(classifier)}
        run = run or find_run(experiment, MODEL, classifier.digest, without=FINGERPRINT)
        if not run:
            _delete_broken_off_run(experiment, tags[MADE_WITH])
    run = run or create_run(report, classifier.facts.model, tags)
    run_id = run.info.run_id
    client().set_tag(run_id, FINGERPRINT, fingerprint)
    log_params(run_id, report)
    logged_epochs = {metric.step for metric in client().get_metric_history(run_id, "epoch/loss")}
    history = classifier.table("history.csv").set_index("epoch")
    missing = history.index.difference(list(logged_epochs))
    _log_epochs(run_id, [(epoch, history.loc[epoch].to_dict(), int(time() * 1000)) for epoch in missing])
    log_folder(partial(client().log_artifact, run_id), report.path, "report")
    client().log_inputs(run_id, _dataset_inputs(classifier, report))
    client().set_tag(run_id, TEST_SPLIT, report.facts.test_split)
    model_id = _log_served(run, classifier, report)
    scores = report_metrics(report)
    if scores.keys() - run.data.metrics.keys():
        log_scores(run, scores, model_id)
    log_missing(run, {**costs, BEST: classifier.facts.best_epoch})
    client().set_tag(run_id, "mlflow.note.content", _run_note(report))
    client().set_terminated(run_id, "FINISHED")
    client().set_tag(run_id, COMPLETE, "true")
    return True


@contextmanager
def lock(artifact: Artifact) -> Iterator[None]:
    """Wait until no other process writes of an artifact to the journal, and keep others from it during the block."""
    with (artifact.path / MANIFEST).open() as manifest:
        with suppress(OSError):  # on a file system without locks
            fcntl.flock(manifest, fcntl.LOCK_EX)
        yield


def complete_run_or_warn(classifier: Classifier, report: Report) -> None:
    """Write a report's manifest and complete its run; print one line if that fails; nothing if the journal is off."""
    if store.tracking_address() != "off":
        *_, step = report.manifest["parameters"]
        report.manifest["digest"] = report.manifest["lineage"][step] = report.content_digest()
        report.write_manifest()
        store.attempt(complete_run, classifier, report, work_metrics(report.record.work))


def report_metrics(report: Report) -> dict[str, float]:
    """Return a report's metrics by name: scores, baselines, interval ends (`_low`, `_high`), leakage (`leakage_`).

    Costly mistakes are among them, as `never/red as green`.
    """
    intervals = {
        f"{name}_{end}": value
        for name, interval in report.intervals.items()
        for end, value in zip(("low", "high"), interval, strict=True)
    }
    leakage = {f"leakage_{name}": count for name, count in report.facts.leakage.items()}
    return {**report.metrics, **intervals, **leakage, **costly_metrics(report)}


def work_metrics(work: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return `seconds_NAME` and `images_per_second_NAME` of each long computation."""
    metrics: dict[str, float] = {}
    for name, computation in work.items():
        metrics |= seconds_and_rate(name, computation["images"], computation["seconds"])
    return metrics


@store.one_line_errors()
def experiment_ids() -> dict[str, str]:
    """Return the identifier of each data set's experiment by its name, the last updated first; `Default` is left out.

    Raises:
        UserError: The store does not answer or refuses, or the journal is off.
    """
    experiments = client().search_experiments(filter_string="name != 'Default'", order_by=["last_update_time DESC"])
    return {experiment.name: experiment.experiment_id for experiment in experiments}


def run_address(artifact: Classifier | Report) -> str | None:
    """Return the address of an artifact's run in the UI of the journal's server; None without such a run or a server.

    Where the server does not answer, one line is printed on standard error.
    """
    tag = (FINGERPRINT, artifact.facts.fingerprint) if isinstance(artifact, Report) else (MODEL, artifact.digest)
    run = store.attempt(find_run, artifact.facts.data_set, *tag) if store.is_server() else None
    if run is None:
        return None
    page = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?{view.MODE}"
    return f"{store.public_address().rstrip('/')}/{page}"


def _begin_run(classifier: Classifier, model: str) -> "Run | None":
    """Return a new run, in place of one that broke off; None where the same training has a finished run already."""
    tags = {TRAINING: classifier.inputs_digest, MADE_WITH: _inputs_digest(classifier)}
    run = find_run(classifier.facts.data_set, TRAINING, classifier.inputs_digest)
    if run and MODEL in run.data.tags:
        return None
    if run:
        client().delete_run(run.info.run_id)
    run = create_run(classifier, model, tags)
    log_params(run.info.run_id, classifier)
    return run


def _delete_broken_off_run(experiment: str, inputs_digest: str) -> None:
    """Delete the latest run, if any, of a training with these inputs that has no model: it ended without the store."""
    run = find_run(experiment, MADE_WITH, inputs_digest, without=MODEL)
    if run:
        client().delete_run(run.info.run_id)


def _inputs_digest(classifier: Classifier) -> str:
    """Return the digest of a training's inputs and parameters, without its code; the same during it and afterwards."""
    manifest = classifier.manifest
    *_, training = manifest["parameters"]
    inputs = {step: digest for step, digest in manifest["lineage"].items() if step != training}
    return sha256(manifest["parameters"], inputs)


def _end_run(run: "Run", state: str) -> None:
    """End a run in a state, such as FINISHED or FAILED."""
    client().set_terminated(run.info.run_id, state)


def _finish_run(run: "Run", classifier: Classifier) -> None:
    """Log scores and costs, name the model, end the run as FINISHED; or delete it if the model has an earlier one."""
    digest = classifier.content_digest()
    earlier = find_run(classifier.facts.data_set, MODEL, digest)
    if earlier and earlier.info.run_id != run.info.run_id:
        client().delete_run(run.info.run_id)
        return
    scores = {name: value for name, value in vars(classifier.facts).items() if name in [*VALIDATION, BEST]}
    log_scores(run, scores | work_metrics(classifier.record.work))
    client().set_tag(run.info.run_id, MODEL, digest)
    _end_run(run, "FINISHED")


def _find_or_create_experiment(name: str) -> str:
    """Return the identifier of a data set's experiment, created if it is missing."""
    experiment = _find_experiment(name)
    if not experiment:
        experiment = client().create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"})
    return experiment


def _find_experiment(name: str) -> str | None:
    """Return the identifier of a data set's experiment, None without one; restore one that was deleted, with a line."""
    experiment = client().get_experiment_by_name(name)
    if not experiment:
        return None
    if experiment.lifecycle_stage == "deleted":  # MLflow keeps its name, and takes nothing into it
        client().restore_experiment(experiment.experiment_id)
        print(f"the experiment {name!r} was deleted in MLflow: it is restored, with its runs", file=sys.stderr)
    return experiment.experiment_id


def find_run(experiment: str, tag: str, value: str, without: str = "") -> "Run | None":
    """Return the latest run of an experiment with a tag of this value and, if named, without another tag; else None."""
    identifier = _find_experiment(experiment)
    if not identifier:
        return None
    runs = client().search_runs([identifier], f"tags.`{tag}` = '{value}'")
    return next((run for run in runs if without not in run.data.tags), None)


def create_run(artifact: Classifier | Report | Probe, model: str, identity: Mapping[str, str]) -> "Run":
    """Create and return a run in a data set's experiment, with tags of its identity, model, recipe and data."""
    facts, lineage, recipe = artifact.facts, artifact.manifest["lineage"], artifact.record.recipe
    way = ways.way_name(artifact, model)
    tags = {
        **identity,
        ways.WAY: way,
        "model": model,
        "recipe": recipe,
        "comparison": lineage["split"][:12],
        "data_set": facts.data_set,
        "data_digest": lineage["fetch"],
        **artifact.record.revisions,
    }
    if kubeflow := os.environ.get("KFP_RUN_ID"):
        tags["kfp_run_id"] = kubeflow
    experiment = _find_or_create_experiment(facts.data_set)
    view.save_view(client(), experiment, [way])
    return client().create_run(experiment, run_name=ways.training_name(artifact, model), tags=tags)


def _run_params(artifact: Classifier | Report | Probe) -> dict[str, str]:
    """Return a run's parameters as text: `step.parameter` of every step in its chain, and some facts of the model."""
    chain = artifact.manifest["parameters"]
    params = {f"{step}.{name}": value for step, values in chain.items() for name, value in values.items()}
    facts = (
        "backbone",
        "weights_sha256",
        "first_trainable",
        "precision",
        "model_parameters",
        "trainable_parameters",
    )
    params |= {name: value for name, value in vars(artifact.facts).items() if name in facts}
    return {name: str(value) for name, value in params.items()}


def log_params(run_id: str, artifact: Classifier | Report | Probe) -> None:
    """Log the parameters behind an artifact, as `step.parameter`, and some facts of its model, as a run's params."""
    from mlflow.entities import Param

    client().log_batch(run_id, params=[Param(*param) for param in _run_params(artifact).items()])


def _log_epochs(run_id: str, epochs: Sequence[Epoch]) -> None:
    """Log epochs as metrics `epoch/NAME`, several epochs in one request but none in two."""
    while epochs:
        together = max(1, MOST // len(epochs[0][1]))
        metrics = [
            _metric(f"epoch/{name}", value, time_ms, epoch)
            for epoch, values, time_ms in epochs[:together]
            for name, value in values.items()
        ]
        client().log_batch(run_id, metrics=metrics)
        epochs = epochs[together:]


def log_scores(
    run: "Run", scores: Mapping[str, float], model_id: str | None = None, time_ms: int | None = None
) -> None:
    """Log scores at one time, by default the run's start; of several values at one time MLflow shows the highest.

    Of several times it shows the latest, so that scores which may change are logged with the present time.
    """
    metrics = [_metric(name, value, time_ms or run.info.start_time, 0, model_id) for name, value in scores.items()]
    client().log_batch(run.info.run_id, metrics=metrics)


def log_missing(run: "Run", metrics: Mapping[str, float]) -> bool:
    """Log those metrics that a run lacks; return whether it lacked any."""
    missing = {name: value for name, value in metrics.items() if name not in run.data.metrics}
    if missing:
        log_scores(run, missing)
    return bool(missing)


def log_folder(log_file: Callable[[str, str], None], folder: Path, inside: str = "") -> None:
    """Log every file of a folder, each in place of the one that an interruption left.

    MLflow's own way, all at once, cannot overwrite in a local store what it has copied from DVC's read-only links.

    Args:
        log_file: Takes a file and the folder, within the artifacts of a run or a model, that it is to lie in.
        folder: The folder.
        inside: Where it is to lie itself.
    """
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        parent = Path(inside, file.relative_to(folder)).parent
        log_file(str(file), parent.as_posix() if parent.name else "")


def _metric(name: str, value: float, time_ms: int, step: int, model_id: str | None = None) -> "Metric":
    """Return a metric as MLflow takes it, rounded to six places."""
    from mlflow.entities import Metric

    return Metric(name, round(float(value), 6), time_ms, step, model_id)


def _dataset_inputs(classifier: Classifier, report: Report) -> list["DatasetInput"]:
    """Return the two inputs that MLflow lists of a run: the images of training and validation, and the test images."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.http_dataset_source import HTTPDatasetSource
    from mlflow.entities import Dataset, DatasetInput, InputTag

    from components.data.datasets import DATA_SETS

    facts = classifier.facts
    name, trained = facts.data_set, sum(facts.train_counts) + facts.validation_images
    address = DATA_SETS[name].address if name in DATA_SETS else ""
    source = HTTPDatasetSource(address) if address else CodeDatasetSource(report.record.revisions)
    source_fields = source._get_source_type(), source.to_json()
    parts = (
        (name, classifier.manifest["lineage"]["fetch"][:32], trained, "training"),
        (f"{name}, test split", report.facts.test_split, int(report.metrics["test_images"]), "test"),
    )
    return [
        DatasetInput(
            Dataset(
                title,
                digest,
                *source_fields,
                profile=json.dumps({"num_rows": images, "classes": len(facts.classes)}),
            ),
            [InputTag("mlflow.data.context", use)],
        )
        for title, digest, images, use in parts
    ]


def _log_served(run: "Run", classifier: Classifier, report: Report) -> str | None:
    """Log the model that is served, averaging views if the report does; return its identifier, or None for none.

    A written file is none: it has a run, and no model; likewise averaged views of a report of an earlier version.
    """
    if classifier.facts.file_format != "keras" or (report.facts.views != "plain" and not report.facts.averaged_views):
        return None
    if report.facts.views == "plain":
        return _log_model(run, classifier, report)
    from components.model.averaged_views import averaged_classifier

    with TemporaryDirectory() as folder:
        averaged = averaged_classifier(classifier, report, Path(folder))
        client().set_tag(run.info.run_id, MODEL, averaged.digest)
        return _log_model(run, averaged, report)


def _log_model(run: "Run", classifier: Classifier, report: Report) -> str:
    """Log the model, or what an interruption left of it, unless it is whole; return its identifier in MLflow."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    run_id, experiment = run.info.run_id, run.info.experiment_id
    existing = client().search_logged_models([experiment], f"source_run_id = '{run_id}'", max_results=1)
    params = _run_params(classifier)
    name = re.sub(REFUSED, "-", ways.training_name(report, classifier.facts.model))
    model = existing[0] if existing else client().create_logged_model(experiment, name, run_id, None, params)
    if model.status != LoggedModelStatus.READY:
        with TemporaryDirectory() as folder:
            logged.save_model(folder, classifier, report, run_id, model.model_id)
            log_folder(partial(client().log_model_artifact, model.model_id), Path(folder))
        client().finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    if not run.outputs or not run.outputs.model_outputs:
        client().log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    return model.model_id


def _run_note(report: Report) -> str:
    """Return the note of a run as Markdown: title, and main scores on test, with intervals, and on validation."""
    scores, intervals = report.metrics, report.intervals
    ranges = {name: f"{low:.4g} to {high:.4g}" for name, (low, high) in intervals.items()}
    names = [name for name in [*MAIN, *VALIDATION] if name in scores]
    rows = "\n".join(f"| {name} | {scores[name]:.4g} | {ranges.get(name, '')} |" for name in names)
    return f"{markdown(titles.model_title(report))}\n\n| score | | 95 % interval |\n|---|---|---|\n{rows}\n"

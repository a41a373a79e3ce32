"""Written files in the journal: each a run of its own, with the file, its certificate and what lies beside it."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from components.data.artifacts import Classifier, Report
from components.results.certificates import Certificate
from components.results.tracking import certified, registry, runs, store
from components.results.tracking.card import card_text
from components.results.tracking.runs import FINGERPRINT, MODEL
from components.results.tracking.store import client

if TYPE_CHECKING:
    import pandas as pd


def file_looks(report: Report) -> int | None:
    """Return how many models and files have scores on a report's test split; None where the journal does not say."""
    return None if store.tracking_address() == "off" else store.attempt(_count_looks, report)


def _count_looks(report: Report) -> int | None:
    """Return how many models and files have scores on the test split of a report's run; None if it has no run."""
    run = runs.find_run(report.facts.data_set, FINGERPRINT, report.facts.fingerprint)
    return registry.count_looks(run) if run else None


def file_card(certificate: Certificate, shipped: Classifier, report: Report | None) -> str:
    """Return the card of a written file as Markdown: the model card, where it was scored, and what is certified."""
    section = f"{certificate.card_section()}\n"
    return f"{card_text(shipped, report, certificate.looks)}\n{section}" if report else section


def logged_predictions(classifier: Classifier) -> "pd.DataFrame | None":
    """Return `predictions.csv` of the report that the journal has on a classifier; None where it has none."""
    return None if store.tracking_address() == "off" else store.attempt(_logged_predictions, classifier)


@store.one_line_errors()
def _logged_predictions(classifier: Classifier) -> "pd.DataFrame | None":
    """Return `predictions.csv` of a classifier's run; None if there is no run or it is not complete; or raise."""
    run = runs.find_run(classifier.facts.data_set, MODEL, classifier.digest)
    if run is None or runs.COMPLETE not in run.data.tags:
        return None
    with TemporaryDirectory() as folder:
        return registry.download_report(run.info.run_id, folder).table("predictions.csv")


def log_files_or_warn(model: Classifier, report: Report | None, files: Sequence[Path]) -> None:
    """Log a written file and what lies beside it to the run of its report and to that of its model, in `export/`.

    Where the model is registered, its card has the certificate too.

    Nothing if the journal is off; one line on standard error if it fails.

    Args:
        model: What the file was written from.
        report: That on the file; None where it was not scored.
        files: The files.
    """
    if store.tracking_address() != "off":
        store.attempt(_log_files, model, report, files)


@store.one_line_errors()
def _log_files(model: Classifier, report: Report | None, files: Sequence[Path]) -> None:
    """Log files to the model's run and to the report's, in `export/`, where there are such runs; or raise."""
    name = model.facts.data_set
    journal_runs = [runs.find_run(name, MODEL, model.digest)]
    if report:
        journal_runs.append(runs.find_run(name, FINGERPRINT, report.facts.fingerprint))
    for run in filter(None, journal_runs):
        for file in files:
            client().log_artifact(run.info.run_id, str(file), certified.FOLDER)
        certified.renew_cards(run, name)

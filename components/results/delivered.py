"""Delivered models, opened from the folder of a Classifier or from the journal."""

from pathlib import Path

import numpy as np

from components.data.artifacts import MANIFEST, Classifier, Report
from components.model.served import ServedModel
from components.results.tracking import logged

URIS = ("models:/", "runs:/")


def open_model(address: str) -> tuple[ServedModel, np.ndarray]:
    """Return a delivered model with its example images, uint8 (n, size, size, 3); n is 0 where none were kept.

    Args:
        address: The folder of a Classifier, or where MLflow has it: `models:/NAME@champion`, `models:/ID`, `runs:/...`.

    Raises:
        UserError: There is no such model, or it cannot be loaded.
    """
    if address.startswith(URIS):
        with logged.open_logged_model(address) as (classifier, examples):
            return load_served(classifier), examples
    classifier = Classifier.read(address)
    served = load_served(classifier)
    report = report_path(classifier.path)
    if (report / MANIFEST).is_file():
        return served, Report.read(report).examples
    return served, np.empty((0, served.size, served.size, 3), np.uint8)


def load_served(classifier: Classifier) -> ServedModel:
    """Load a classifier's network from its file, and return it as a ServedModel."""
    facts = classifier.facts
    return ServedModel(classifier.load(), facts.classes, facts.white_level, facts.resize)


def report_path(classifier: Path) -> Path:
    """Return a report's folder: the classifier's, with `reports` for `classifiers` or `chosen`; else `report` in it.

    Where several parts of the path are called so, the last is replaced; the classifier's own name is not.
    """
    parts = [*classifier.absolute().parts]
    names = [number for number, part in enumerate(parts[:-1]) if part in ("classifiers", "chosen")]
    return Path(*parts[: names[-1]], "reports", *parts[names[-1] + 1 :]) if names else classifier / "report"

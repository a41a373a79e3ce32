"""Delivered models, opened from the folder of a Classifier, from a written file, or from the journal."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from components.data.artifacts import Classifier
from components.model.served import ServedModel
from components.model.written import open_network, read_written_classifier
from components.results.tracking import logged
from components.scores.unlikeness import read_unlikeness

URIS = ("models:/", "runs:/")


@contextmanager
def open_classifier(address: str) -> Iterator[Classifier]:
    """Yield the Classifier at an address, whose files are there until the block ends.

    Args:
        address: The folder of a Classifier, a file that `graft export` wrote, or where MLflow has it:
            `models:/NAME@champion`, `models:/ID`, `runs:/...`.

    Raises:
        UserError: There is no such model.
    """
    if address.startswith(URIS):
        with logged.open_logged_model(address) as classifier:
            yield classifier
    elif Path(address).is_file():
        with TemporaryDirectory() as folder:
            yield read_written_classifier(Path(address), Path(folder))
    else:
        yield Classifier.read(address)


def open_model(address: str) -> ServedModel:
    """Return the model at an address that `open_classifier` takes, ready to predict.

    Raises:
        UserError: There is no such model, or it cannot be loaded.
    """
    with open_classifier(address) as classifier:
        return load_served(classifier)


def load_served(classifier: Classifier) -> ServedModel:
    """Load a classifier's network from its file, and return it as a ServedModel."""
    facts = classifier.facts
    reading = facts.classes, facts.white_level, facts.resize
    promises, coverages = (
        classifier.table(name) if (classifier.path / name).is_file() else None  # an earlier version has none
        for name in ("promises.csv", "coverages.csv")
    )
    unlikeness = read_unlikeness(classifier.path)
    return ServedModel(
        open_network(classifier), *reading, promises=promises, coverages=coverages, unlikeness=unlikeness
    )


def report_path(classifier: Path) -> Path:
    """Return a report's folder: the classifier's, with `reports` for `classifiers` or `chosen`; else `report` in it.

    Where several parts of the path are called so, the last is replaced; the classifier's own name is not.
    """
    parts = [*classifier.absolute().parts]
    names = [number for number, part in enumerate(parts[:-1]) if part in ("classifiers", "chosen")]
    return Path(*parts[: names[-1]], "reports", *parts[names[-1] + 1 :]) if names else classifier / "report"

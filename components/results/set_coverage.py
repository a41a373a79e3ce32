"""Which share of test images have their true class in their set, beside what validation states."""

import numpy as np
import pandas as pd

from components.data.artifacts import Classifier
from components.scores.conformal import class_sets, find_coverage
from components.scores.intervals import score_intervals

STATED = (0.8, 0.9, 0.95)


def read_coverages(classifier: Classifier) -> pd.DataFrame | None:
    """Return the table `coverages.csv` of a classifier; None where it has none, as one of an earlier version."""
    return classifier.table("coverages.csv") if (classifier.path / "coverages.csv").is_file() else None


def set_coverage_table(
    coverages: pd.DataFrame | None, labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray
) -> pd.DataFrame:
    """Return, for each coverage of `STATED`, what test images have: stated, observed, low, high, classes.

    `observed` is the share of images whose set holds the true class, `low` and `high` its 95 % interval, over groups
    where there are any, and `classes` the mean size of the sets. There are no rows where no coverage is stated.

    Args:
        coverages: The table `coverages.csv` of the classifier; None for none.
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        groups: Names of the images' groups, (n,).
    """
    rows = []
    for stated in STATED if coverages is not None and len(coverages) else ():
        held = class_sets(probabilities, find_coverage(coverages, stated).loss)
        covered = held[np.arange(len(labels)), labels].astype(int)
        # a covered image is right, another wrong: the interval is that of an accuracy
        low, high = score_intervals(np.ones_like(labels), np.eye(2)[covered], groups, ["accuracy"])["accuracy"]
        rows.append((stated, float(covered.mean()), low, high, float(held.sum(axis=1).mean())))
    return pd.DataFrame(rows, columns=["stated", "observed", "low", "high", "classes"])

"""Where a classifier fails: confusions of classes, the most confident mistakes, scores by slice of the test images."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from components.data.artifacts import Report
from components.scores import metrics
from components.scores.intervals import score_intervals
from components.scores.registry import MAIN

WRONG, RIGHT = 12, 4  # wrong and right predictions that are shown with their heat maps


def class_numbers(names: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """Return the number of each name, its place in the list of classes from 0, int64 (n,); all must be in the list."""
    return names.map({name: number for number, name in enumerate(classes)}).to_numpy(dtype=np.int64)


def report_confusion_matrix(report: Report) -> np.ndarray:
    """Return a report's confusion matrix: test images of each true class (rows) predicted as each class (columns)."""
    table, classes = report.table("predictions.csv"), report.facts.classes
    labels, predicted = (class_numbers(table[column], classes) for column in ("label", "predicted"))
    return metrics.confusion_matrix(labels, predicted, len(classes))


def confusions(labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Return the pairs of classes confused, commonest first: label, predicted, count, share of the label's test images.

    Args:
        labels: Number of the true class, (n,).
        predicted: Number of the predicted class, (n,).
        classes: The names.

    Returns:
        One row for each pair that occurs; `share` is of the test images of the label, in (0, 1].
    """
    matrix = metrics.confusion_matrix(labels, predicted, len(classes))
    totals = matrix.sum(axis=1)
    rows = [
        (classes[label], classes[other], count, count / totals[label])
        for (label, other), count in np.ndenumerate(matrix)
        if count and label != other
    ]
    table = pd.DataFrame(rows, columns=["label", "predicted", "count", "share"])
    return table.sort_values(["count", "share"], ascending=False, kind="stable")


def example_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return up to 12 mistakes, the most confident first, then up to 4 right predictions, evenly along the table.

    Args:
        predictions: One row a test image, with its label, the predicted class and the probability of that.
    """
    wrong, right = (predictions.query(f"label {relation} predicted") for relation in ("!=", "=="))
    places = np.unique(np.linspace(0, len(right) - 1, min(RIGHT, len(right)), dtype=int))
    confident = wrong.sort_values("probability", ascending=False, kind="stable").head(WRONG)
    return pd.concat([confident, right.iloc[places]])


def slice_scores(
    by: Mapping[str, np.ndarray], parts: int, labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray
) -> pd.DataFrame:
    """Return a row a slice: `by` which measure, `low`, `high`, `images`, main scores, each with `_low` and `_high`.

    There are `parts` slices by each measure, or fewer where values tie.

    Args:
        by: Measures of the images, (n,) each, by name.
        parts: Slices of each measure, or fewer where many images have the same.
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        groups: Names of the images' groups, (n,).

    Returns:
        One row a slice: by, low and high (the range of the measure), images, and the main scores, each with _low and
        _high behind it, the ends of its 95 % interval.
    """
    rows = []
    for name, values in by.items():
        part = part_numbers(values, parts)
        for inside in (part == number for number in np.unique(part)):
            scores = metrics.main_scores(labels[inside], probabilities[inside])
            ends = score_intervals(labels[inside], probabilities[inside], groups[inside])
            row = {"by": name, "low": values[inside].min(), "high": values[inside].max(), "images": int(inside.sum())}
            for score in MAIN:
                row |= {score: scores[score], f"{score}_low": ends[score][0], f"{score}_high": ends[score][1]}
            rows.append(row)
    columns = ["by", "low", "high", "images", *(f"{score}{end}" for score in MAIN for end in ("", "_low", "_high"))]
    return pd.DataFrame(rows, columns=columns)


def part_numbers(values: np.ndarray, parts: int) -> np.ndarray:
    """Return each value's part by its rank, 0 to parts - 1, (n,): parts of about equal size; equal values share one."""
    return ((rankdata(values) - 0.5) * parts / len(values)).astype(np.int64)

"""Test images whose label a classifier doubts, and what its scores would be were it right about them."""

from typing import Any

import numpy as np
import pandas as pd

from components.data.artifacts import Report
from components.data.corrections import DECISION
from components.scores import metrics
from components.scores.label_errors import rank_suspects
from components.scores.registry import MAIN, SCORES


def write_suspects(report: Report, files: pd.Series, labels: np.ndarray, probabilities: np.ndarray) -> None:
    """Write the test images whose label is doubted, `suspects.csv`, and scores as corrected, `corrected.json`.

    The scores of the report stay those of the labels as they are. Those as corrected have each suspect's label replaced
    by the one that the classifier itself suggests, so that they are an upper figure.

    Args:
        report: The report.
        files: The test images.
        labels: Number of the class that each is labelled as, (n,).
        probabilities: Of each class, (n, classes).
    """
    suspects, classes = rank_suspects(labels, probabilities), dict(enumerate(report.facts.classes))
    rows, corrected = suspects["row"].to_numpy(), labels.copy()
    corrected[rows] = suspects["suggested"]
    named = suspects.assign(label=suspects["label"].map(classes), suggested=suspects["suggested"].map(classes))
    named.insert(0, "file", files.iloc[rows].to_numpy())
    named.insert(1, DECISION, "")
    report.write_table("suspects.csv", named.drop(columns="row"))
    report.write_values("corrected", {"suspects": len(rows), **metrics.scores(corrected, probabilities, MAIN)})


def suspects_section(report: Report, most: int) -> dict[str, Any]:
    """Return the doubted labels of test images as texts: `summary`, the `scores` with and without them, `files`.

    Args:
        report: A report.
        most: Lines at most; the surest are first.
    """
    table, corrected = report.table("suspects.csv"), report.read_values("corrected")
    scores = ", ".join(
        f"{SCORES[name].title} {report.metrics[name]:.3f} as labelled, {corrected[name]:.3f} with suggested labels"
        for name in MAIN
    )
    lines = table.head(most)[["file", "label", "suggested", "probability_of_suggested"]].itertuples(index=False)
    return {
        "summary": f"Test images whose label this model doubts: {len(table):,}",
        "scores": scores,
        "files": [f"{line.file}\t{line.label}\t{line.suggested}\t{line[3]:.2f}" for line in lines],
    }

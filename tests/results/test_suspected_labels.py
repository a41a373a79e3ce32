"""Doubted labels of test images: which they are, and what scores would be with the suggested ones."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from components.data.artifacts import Report
from components.results import suspected_labels
from components.scores import metrics
from components.scores.registry import MAIN
from tests.conftest import CLASSES, MODELS


@pytest.fixture
def report(tmp_path) -> Report:
    return Report(tmp_path, {"facts": {"classes": ["0", "1", "2"]}})


def test_labels_that_were_changed_are_doubted_and_as_corrected_the_scores_are_those_before(report):
    random = np.random.default_rng(0)
    true = random.integers(0, 3, 600)
    probabilities = softmax(random.normal(0, 0.5, (600, 3)) + 5 * np.eye(3)[true], axis=1)
    labels, files = true.copy(), pd.Series([f"{row}.png" for row in range(600)])
    labels[:30] = (true[:30] + 1) % 3
    suspected_labels.write_suspects(report, files, labels, probabilities)
    table, corrected = report.table("suspects.csv"), report.read_values("corrected")
    assert {*table["file"]} == {*files[:30]} and (table["decision"] == "").all()
    rows = table["file"].str.removesuffix(".png").astype(int).to_numpy()
    assert table["label"].tolist() == [str(label) for label in labels[rows]]
    assert table["suggested"].tolist() == [str(label) for label in true[rows]]
    assert corrected.pop("suspects") == 30
    assert corrected == pytest.approx(metrics.scores(true, probabilities, MAIN))
    assert corrected["accuracy"] > metrics.scores(labels, probabilities)["accuracy"] + 0.04


def test_without_a_doubt_the_scores_are_the_same(report):
    labels = np.array([0, 1, 2, 0, 1, 2])
    probabilities = np.eye(3)[labels] * 0.9 + 0.1 / 3
    suspected_labels.write_suspects(report, pd.Series([*"abcdef"]), labels, probabilities)
    assert report.table("suspects.csv").empty
    assert report.read_values("corrected")["suspects"] == 0
    assert report.read_values("corrected")["accuracy"] == 1


def test_a_report_scores_labels_as_they_are_and_lists_suspects_of_its_test_images(made):
    for model in MODELS.values():
        report = Report.read(made[model])
        predictions, suspects = report.table("predictions.csv"), report.table("suspects.csv")
        right = (predictions["label"] == predictions["predicted"]).mean()
        assert report.metrics["accuracy"] == pytest.approx(right)
        assert {*suspects["file"]} <= {*predictions["file"]} and {*suspects["suggested"]} <= {*CLASSES}
        assert len(suspects) == report.read_values("corrected")["suspects"]
        section = suspected_labels.suspects_section(report, 1)
        assert len(section["files"]) == min(len(suspects), 1) and f"{len(suspects):,}" in section["summary"]
        assert f"{report.metrics['accuracy']:.3f} as labelled" in section["scores"]

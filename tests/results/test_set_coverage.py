"""The coverage of sets on test images, by cases whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from components.results.set_coverage import set_coverage_table

COVERAGES = pd.DataFrame({"coverage": [0.8, 0.9], "loss": -np.log([0.5, 0.2]), "units": 15})


def test_the_share_of_sets_with_the_true_class_stands_beside_what_was_stated():
    probabilities = np.repeat([[0.7, 0.2, 0.1], [0.45, 0.3, 0.25]], 50, axis=0)  # sets of 1 and 1, then 2 and 3 classes
    labels = np.repeat([0, 1, 0, 2], [40, 10, 30, 20])
    table = set_coverage_table(COVERAGES, labels, probabilities, np.full(100, ""))
    assert table["observed"].tolist() == [0.7, 1.0, 1.0] and table["classes"].tolist() == [1.0, 2.5, 3.0]
    assert (table["low"] <= table["observed"]).all() and (table["observed"] <= table["high"]).all()
    assert table["low"][0] == pytest.approx(0.6, abs=0.03) and table["high"][0] == pytest.approx(0.79, abs=0.03)


def test_images_of_groups_have_a_wider_interval():
    labels = np.repeat([0, 1], [70, 30])
    probabilities = np.tile([0.9, 0.05, 0.05], (100, 1))
    widths = []
    for groups in (np.full(100, ""), np.repeat(np.char.mod("%d", np.arange(10)), 10)):
        row = set_coverage_table(COVERAGES, labels, probabilities, groups).iloc[0]
        widths.append(row["high"] - row["low"])
    assert widths[1] > 1.5 * widths[0]


def test_where_nothing_is_stated_there_are_no_rows():
    for none in (None, COVERAGES.iloc[:0]):
        assert set_coverage_table(none, np.zeros(3, int), np.eye(3), np.full(3, "")).empty

"""Labels that are changed on purpose: as many as are asked for, each to another class."""

import numpy as np

from benchmarks import suspects
from tests.model.test_learning_curve import CLASSES, blobs


def test_so_many_labels_are_flipped_each_to_another_class_and_counted():
    features, labels = blobs(400, 3)
    changed, rows = suspects.flip_labels(labels, CLASSES, 0.05, 7)
    assert np.flatnonzero(changed != labels).tolist() == rows.tolist() and len(rows) == 20
    assert {*changed} <= {*range(CLASSES)}
    features += 4 * np.eye(CLASSES, features.shape[1], dtype=np.float32)[labels]
    case = suspects.suspect_case(features, labels, np.arange(400), CLASSES, 0.05, 7)
    assert case["flipped"] == 20 and case["recall"] > 0.9 and case["precision"] > 0.9

"""Images of a class that is left out: told from new images of the others, whose share beyond 0.95 is as stated."""

import numpy as np

from benchmarks import unlikeness
from tests.scores.test_unlikeness import CLASSES, draw


def test_each_class_is_left_out_once_and_told_from_the_others():
    features, labels = draw(np.random.default_rng(3), 600)
    table = unlikeness.left_out_cases(features, labels, np.arange(600), CLASSES, 7)
    assert table["left_out"].tolist() == [*range(CLASSES)]
    assert table["unlike"].min() > 0.95 and table["unsure"].min() > 0.5 and 0 < table["beyond"].mean() < 0.15

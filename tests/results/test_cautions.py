"""Cautions: what is degenerate is said of the ways that it is true of, and of no others."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from components.data.artifacts import Report
from components.results.cautions import caution_sentences
from components.scores import intervals, metrics

CLASSES = ["go", "slow", "stop"]
SHARES = [0.8, 0.15, 0.05]


def write(folder: Path, skill: float, *, best: int = 3, epochs: int = 9, validated: float = 0.9, train=(80, 15, 5),
          constant: bool = False, weights=(0, 0, 0)) -> Report:  # fmt: skip
    """Write a report on 200 images, most of them of one class, which a model tells apart by its skill."""
    random = np.random.default_rng(5)
    labels = random.choice(3, 200, p=SHARES)
    logits = random.normal(0, 1, (200, 3)) + skill * np.eye(3)[labels] + np.log(SHARES) + weights
    probabilities = np.tile([0.7, 0.2, 0.1], (200, 1)) if constant else softmax(logits, axis=1)
    facts = {"classes": CLASSES, "train_counts": [*train], "validation_images": 40, "epochs": epochs}
    report = Report(folder, {"facts": facts})
    folder.mkdir()
    table = {"label": np.array(CLASSES)[labels], "group": "", "predicted": np.array(CLASSES)[probabilities.argmax(1)]}
    report.write_table("predictions.csv", pd.DataFrame(table))
    report.write_values("intervals", intervals.score_intervals(labels, probabilities))
    report.write_values("metrics", {**metrics.scores(labels, probabilities), "validation_accuracy": validated})
    report.write_values("baselines", {**metrics.baselines(labels, train), "best_epoch": best})
    return report


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, None),
        ({"best": 0, "epochs": 0}, None),  # of an ensemble
        ({"train": (80, 20, 0)}, "no training image was of stop: none can be recognised as such."),
        ({"constant": True}, "every test image is called go, so that kappa is 0 by definition."),
        ({"skill": 0}, "on these 200 test images no better than always saying go, which is right on 80.5%."),
        ({"weights": (-4, 0, 4)}, "always saying go, which is right on 80.5%, though its kappa is above 0."),
        ({"validated": 1.0}, "no error on the 40 validation images, which can therefore choose little."),
        ({"best": 1}, "validation kept the first epoch, and all later ones were worse"),
        ({"best": 9}, "validation kept the last epoch: more epochs may be better."),
        ({"best": 1, "epochs": 1}, "trained for one epoch alone, so that validation chose none."),
    ],
)
def test_what_is_degenerate_is_said_and_nothing_else(tmp_path, changed, words):
    sentences = caution_sentences({"top": [write(tmp_path / "top", **{"skill": 4, **changed})]})
    if words is None:
        assert not sentences
    else:
        (sentence,) = sentences
        assert sentence.startswith("top: ") and words in sentence


def test_ways_are_told_together_with_the_trainings_that_it_holds_for_the_gravest_first(tmp_path):
    """A model that always says one class is not told once more that it is no better than that."""
    ways = {
        "benchmark": [write(tmp_path / "0", 4, constant=True, best=9)],
        "top": [write(tmp_path / "1", 4), write(tmp_path / "2", 4, best=9), write(tmp_path / "3", 4, best=9)],
        "fine_tuned": [write(tmp_path / "4", 4)],
    }
    assert caution_sentences(ways) == [
        "benchmark: every test image is called go, so that kappa is 0 by definition.",
        "benchmark, top (in 2 of 3 trainings): validation kept the last epoch: more epochs may be better.",
    ]


def test_of_many_ways_the_first_are_named_and_all_are_counted(tmp_path):
    ways = {
        f"top, {number}": [
            write(tmp_path / f"{number}-{training}", 4, best=9 if number < 4 else 3) for training in range(2)
        ]
        for number in range(5)
    }
    assert caution_sentences(ways) == [
        "4 of 5 ways (top, 0; top, 1 and 2 more), in 8 of 10 trainings: validation kept the last epoch: more epochs "
        "may be better."
    ]
    del ways["top, 4"]
    assert caution_sentences(ways) == [
        "all 4 ways, in every training: validation kept the last epoch: more epochs may be better."
    ]

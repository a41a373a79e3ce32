"""Costly mistakes: counted by image or by group, with thresholds whose cost is told."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.data.artifacts import Report
from components.results.costly_mistakes import (
    Predictions,
    compare_costly_mistakes,
    costly_metrics,
    costly_words,
    find_costly_mistakes,
    read_confusions,
    threshold_sentences,
)
from components.system.errors import UserError

CLASSES = ["red", "amber", "green"]
NEVER = [(0, 2)]


def predictions(*images: tuple[int, float, int], group_size: int = 0) -> Predictions:
    """Return predictions of images, each the true class, the probability of green, and how many images are so.

    What is not green is red for the most part.
    """
    labels, green = (
        np.repeat([image[column] for image in images], [image[2] for image in images]) for column in (0, 1)
    )
    probabilities = np.stack([0.9 * (1 - green), 0.1 * (1 - green), green], axis=1)
    names = [f"person {number // group_size}" if group_size else "" for number in range(len(labels))]
    return Predictions(labels.astype(int), probabilities, np.array(names))


TEST = predictions((0, 0.1, 97), (0, 0.7, 2), (0, 0.9, 1), (2, 0.8, 50))


def report_of(validation: Predictions, test: Predictions = TEST) -> Report:
    found = find_costly_mistakes(NEVER, CLASSES, test, validation)
    return Report("report", {"facts": {"never": [asdict(mistake) for mistake in found]}})


def test_mistakes_are_counted_with_the_limit_of_their_rate():
    """Of Clopper and Pearson, 3 of 100; one way alone."""
    report = report_of(TEST)
    assert (
        costly_words([report])
        == "Costly mistakes, with 95 % limits: 3 of 100 images of red called green (at most 7.6 %)."
    )
    (other,) = find_costly_mistakes([(2, 0)], CLASSES, TEST, TEST)
    assert (other.label, other.mistakes, other.images) == ("green", 0, 50)


def test_groups_are_counted_where_images_have_some():
    test = predictions((0, 0.7, 4), (0, 0.1, 96), group_size=5)
    assert "4 of 100 images of red called green, in 1 of 20 groups (at most 21.6 %)." in costly_words(
        [report_of(test, test)]
    )
    assert "validation groups of images of red; 1 % takes 299" in threshold_sentences(report_of(test, test))[0]


def test_a_class_without_images_is_told():
    report = report_of(predictions((2, 0.8, 5)), predictions((2, 0.8, 5)))
    assert costly_words([report]).endswith("limits: no test image of red.")
    assert threshold_sentences(report) == [
        "Against red as green no threshold can be offered: validation has no image of red."
    ]


@pytest.mark.parametrize(
    ("validation", "sentence"),
    [
        (
            predictions((0, 0.1, 496), (0, 0.7, 3), (0, 0.95, 1), (2, 0.6, 10), (2, 0.8, 40)),
            "Against red as green: with green said only above a probability of 0.7000, it stays below 1.0 % (95 % "
            "limit on 500 validation images of red); 10 of 50 right calls of green are given up there, and on test 1 "
            "of 3 mistaken images are left.",
        ),
        (
            predictions((0, 0.1, 19), (0, 0.95, 1), (2, 0.6, 5)),
            "Against red as green: with green said only above a probability of 0.9500, it stays below 13.9 % (95 % "
            "limit on 20 validation images of red; 1 % takes 299); 5 of 5 right calls of green are given up there, and "
            "on test 0 of 3 mistaken images are left.",
        ),
        (
            predictions((0, 0.1, 400), (2, 0.6, 5)),
            "Against red as green no threshold is needed to stay below 1.0 % (95 % limit on 400 validation images of "
            "red).",
        ),
    ],
)
def test_the_threshold_is_told_with_what_it_promises_and_costs(validation, sentence):
    assert threshold_sentences(report_of(validation)) == [sentence]


def test_of_several_trainings_the_worst_is_told():
    worse = predictions((0, 0.1, 90), (0, 0.7, 10))
    reports = [report_of(TEST, test) for test in (TEST, worse, TEST)]
    assert costly_words(reports) == (
        "Costly mistakes in the worst of 3 trainings, with 95 % limits: 10 of 100 images of red called green (at most "
        "16.4 %)."
    )


def write_report(folder: Path, called: list[str], never: list[dict], group_size: int) -> Report:
    """Write a report on images of red and what each is called; those of a group follow each other."""
    report = Report(folder, {"facts": {"never": never}})
    folder.mkdir()
    groups = [f"person {number // group_size}" if group_size > 1 else "" for number in range(len(called))]
    files = [f"{number}.png" for number in range(len(called))]
    table = pd.DataFrame({"file": files, "label": "red", "group": groups, "predicted": called})
    report.write_table("predictions.csv", table.sample(frac=1, random_state=len(folder.name)))
    return report


@pytest.mark.parametrize(
    ("group_size", "expected", "sentence"),
    [
        (
            1, True,
            "red as green 7 of 40 (at most 30.4 %) against 1 of 40 (at most 11.3 %) of the champion: significantly "
            "more, p = 0.035",
        ),
        (
            10, False,
            "red as green 1 of 4 (at most 75.1 %) against 1 of 4 (at most 75.1 %) of the champion: not significantly "
            "more, p = 1",
        ),
    ],
)  # fmt: skip
def test_a_candidate_is_held_to_what_the_champion_must_not_do(tmp_path, group_size, expected, sentence):
    """Seven against one of another image, p = 9 / 256; of ten images in each group, all of one group."""
    never = [{"label": "red", "predicted": "green"}]
    champion = write_report(tmp_path / "champion", ["red"] * 7 + ["green"] + ["red"] * 32, never, group_size)
    candidate = write_report(tmp_path / "candidate", ["green"] * 7 + ["red"] * 33, [], group_size)
    assert compare_costly_mistakes(candidate, champion) == (expected, [sentence])
    assert compare_costly_mistakes(candidate, candidate) == (False, [])


def test_the_journal_has_counts_and_limits_under_names_that_it_takes():
    (mistake,) = find_costly_mistakes(NEVER, ["red = *", "amber", "grün/ok"], TEST, TEST)
    report = Report("report", {"facts": {"never": [asdict(mistake)]}})
    assert costly_metrics(report) == {"never/red _ _ as grün_ok": 3, "never/red _ _ as grün_ok_high": mistake.limit}


def test_nothing_is_said_where_no_confusion_is_named():
    report = Report("report", {"facts": {}})
    assert costly_words([report, report]) == "" and threshold_sentences(report) == []


def test_an_unknown_class_is_an_error_that_names_the_classes():
    assert read_confusions("[[red, green], [amber, green]]", CLASSES) == [(0, 2), (1, 2)]
    with pytest.raises(UserError, match=r"no class 'gren'; did you mean 'green'\? \(there are: amber, green, red\)"):
        read_confusions("[[red, gren]]", CLASSES)

"""The report: intervals, calibration, where a classifier fails, by cases whose answer is known."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from components.data.artifacts import Augmented, Classifier, Report, Splits, TestSplit
from components.results import failures, fingerprints, reporting
from components.results.costly_mistakes import Predictions, costly_mistakes, find_costly_mistakes
from components.scores import calibration, intervals, metrics
from components.system.errors import UserError
from tests.conftest import CLASSES, MODELS, evaluate


@pytest.fixture
def report(tmp_path) -> Report:
    facts = {"model": "top", "classes": ["a", "b", "c", "d"]}
    return Report(tmp_path, {"facts": facts | dict.fromkeys(reporting.VALIDATION, 0.5)})


def columns(table: pd.DataFrame, score: str) -> list[tuple[float, float, float]]:
    return list(table[[score, f"{score}_low", f"{score}_high"]].itertuples(index=False, name=None))


def test_the_surest_images_are_wrong_at_the_rate_that_is_reported_with_its_interval():
    sure, right = np.linspace(0.51, 0.99, 100), np.arange(100) >= 40
    probabilities = np.stack([sure, 1 - sure], axis=1)
    table = reporting.risk_table(np.where(right, 0, 1), probabilities, np.full(100, ""))
    assert table["images"].tolist() == [25, 50, 75, 90, 100]
    assert table["risk"].tolist() == pytest.approx([0, 0, 15 / 75, 30 / 90, 0.4])
    assert (table["low"] <= table["risk"]).all() and (table["risk"] < table["high"]).all()


def test_a_report_has_the_interval_of_every_test_score(made):
    for model in MODELS.values():
        report = Report.read(made[model])
        table = report.table("predictions.csv")
        labels = table["label"].map(CLASSES.index).to_numpy()
        probabilities = table[[f"probability_{name}" for name in CLASSES]].to_numpy()
        expected = intervals.score_intervals(labels, probabilities, table["group"].to_numpy())
        interval_of = report.intervals
        uncalibrated = interval_of.pop("log_loss_uncalibrated")
        error = calibration.calibration_error(labels, probabilities, table["group"].to_numpy())
        assert report.metrics["ece"] == pytest.approx(error.observed, abs=1e-4)
        assert interval_of["ece"] == pytest.approx(error.interval, abs=1e-3)
        assert interval_of["ece_chance"] == pytest.approx(error.chance_interval, abs=1e-3)
        assert {"ece_uncalibrated", "ece_uncalibrated_chance"} < interval_of.keys() & report.metrics.keys()
        interval_of = {name: ends for name, ends in interval_of.items() if not name.startswith("ece")}
        assert interval_of.keys() == metrics.scores(labels, probabilities).keys()
        for name, ends in interval_of.items():
            assert ends == pytest.approx(expected[name], rel=1e-4)
            assert ends[0] <= report.metrics[name] <= ends[1]
        assert uncalibrated[0] < report.metrics["log_loss_uncalibrated"] < uncalibrated[1]


def test_a_report_counts_what_must_not_happen_and_finds_its_threshold_by_the_delivered_model(made):
    for model in MODELS.values():
        report, classifier = Report.read(made[model]), Classifier.read(made[f"classifiers/{model}"])
        validation, augmented = Splits.read(made["splits"]).part("validation"), Augmented.read(made["augmented"])
        rows = augmented.rows(validation["file"].tolist())
        validated = classifier.load().predict(augmented.array[rows, 0], verbose=0)
        parts = []
        for table, probabilities in (
            (validation, validated),
            (predictions := report.table("predictions.csv"), predictions.filter(like="probability_").to_numpy()),
        ):
            parts.append(
                Predictions(table["label"].map(CLASSES.index).to_numpy(), probabilities, table["group"].to_numpy())
            )
        (expected,) = find_costly_mistakes([(2, 0)], CLASSES, parts[1], parts[0])
        assert costly_mistakes(report) == [expected] and expected.validation_units == 4


def test_a_class_that_must_not_be_confused_is_one_of_the_data_set(made, tmp_path):
    with pytest.raises(UserError, match=r"no class 'upp'; did you mean 'up'\? \(there are: down, left, up\)"):
        evaluate({**made, "classifier": made["classifiers/top"], "report": tmp_path / "report"}, never="[[upp, down]]")


def test_a_model_that_is_too_sure_is_told_before_and_after_the_temperature(report):
    """Labels are drawn from the probabilities, which are therefore calibrated; three times the logits are too sure."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (6000, 4))
    calibrated, sure = softmax(logits, axis=1), softmax(3 * logits, axis=1)
    labels = np.array([random.choice(4, p=row) for row in calibrated])
    reporting.write_scores(report, labels, calibrated, sure, np.full(6000, ""))
    scores = report.read_values("metrics")
    excess = sure.max(axis=1).mean() - np.mean(sure.argmax(axis=1) == labels)
    assert scores["ece"] < 0.03
    assert scores["ece_uncalibrated"] == pytest.approx(excess, abs=0.01) and excess > 0.15
    assert scores["log_loss_uncalibrated"] > report.intervals["log_loss"][1]
    assert report.intervals["log_loss_uncalibrated"][0] > scores["log_loss"]
    bins = report.table("calibration.csv")
    assert bins["temperature"].unique().tolist() == ["before", "after"] and bins["images"].min() >= 20
    many = bins[bins["images"] > 200].groupby("temperature")
    distances = {name: (rows["confidence"] - rows["accuracy"]).max() for name, rows in many}
    assert distances["before"] > 0.15 and distances["after"] < 0.1
    for name, rows in bins.groupby("temperature"):
        error = (rows["images"] / 6000 * (rows["confidence"] - rows["accuracy"]).abs()).sum()
        assert error == pytest.approx(scores["ece" if name == "after" else "ece_uncalibrated"], abs=0.02)


def test_confusions_are_counted_by_pair_the_most_frequent_first(report):
    labels = np.array([0] * 10 + [1] * 4 + [2] * 2 + [3])
    predicted = np.array([0] * 7 + [1] * 3 + [0, 0, 0, 1] + [2, 0] + [3])
    probabilities = 0.1 + 0.6 * np.eye(4)[predicted]
    reporting.write_failures(report, labels, probabilities, np.full(len(labels), ""))
    table = report.table("confusions.csv")
    assert list(table.itertuples(index=False, name=None)) == [
        ("b", "a", 3, 0.75), ("a", "b", 3, 0.3), ("c", "a", 1, 0.5),
    ]  # fmt: skip
    classes = report.table("classes.csv").set_index("class")
    assert classes["support"].tolist() == [10, 4, 2, 1]
    assert classes["recall"].tolist() == [0.7, 0.25, 0.5, 1.0]
    assert classes["precision"].tolist() == pytest.approx([7 / 11, 1 / 4, 1, 1])


def test_a_class_without_test_images_has_no_recall(report):
    predicted = np.array([0, 1, 1])
    reporting.write_failures(report, np.array([0, 0, 1]), np.eye(4)[predicted], np.full(3, ""))
    table = report.table("classes.csv").set_index("class")
    assert table.loc["c", ["precision", "precision_low", "recall", "recall_high", "f1"]].isna().all()
    assert not table.loc[["a", "b"]].isna().any(axis=None)


@pytest.fixture
def lit(report) -> dict[str, np.ndarray]:
    """Sixty of a hundred images, from the last on: dark ones, on which a model is wrong, then bright ones."""
    random = np.random.default_rng(0)
    images = np.full((100, 4, 4, 3), 90, np.uint8)
    rows = np.arange(100)[::-1][:60]
    images[rows] = np.repeat([20, 200], 30)[:, None, None, None] + random.integers(0, 20, (60, 4, 4, 3))
    labels = np.tile([0, 1], 30)
    probabilities = 0.1 + 0.6 * np.eye(4)[np.where(np.arange(60) < 30, 1 - labels, labels)]
    report.write_values("metrics", metrics.scores(labels, probabilities))
    return {"images": images, "rows": rows, "labels": labels, "probabilities": probabilities}


def slice_table(report: Report, parts: int, lit: dict[str, np.ndarray], widths: list[int]) -> pd.DataFrame:
    test = pd.DataFrame({"width": widths, "height": 8})
    by = reporting.image_measures(test, lit["images"], lit["rows"])
    reporting.write_slices(report, by, parts, lit["labels"], lit["probabilities"], np.full(60, ""))
    return report.table("slices.csv")


def test_slices_find_the_light_in_which_a_model_fails(report, lit):
    slices = slice_table(report, 2, lit, [8, 8, 8, 10, 10] * 12)
    assert slices["by"].tolist() == ["size", "size", "brightness", "brightness"]
    assert slices["images"].tolist() == [36, 24, 30, 30]
    assert slices[["low", "high"]].iloc[:2].to_numpy().tolist() == [[64, 64], [80, 80]]
    (dark_low, dark_high), (light_low, light_high) = slices[["low", "high"]].iloc[2:].to_numpy()
    assert 20 < dark_low < dark_high < 40 and 200 < light_low < light_high < 220
    dark, light = columns(slices, "accuracy")[2:]
    assert dark[:2] == (0, 0) and dark[2] == pytest.approx(0.1157, abs=1e-4)  # Clopper and Pearson's of 0 of 30
    assert light[::2] == (1, 1) and light[1] == pytest.approx(0.8843, abs=1e-4)
    assert slices["log_loss"].iloc[2:].tolist() == pytest.approx([-np.log(0.1), -np.log(0.7)])


def test_images_that_are_all_of_one_size_are_one_slice(report, lit):
    slices = slice_table(report, 3, lit, [8] * 60)
    assert slices["by"].tolist() == ["size"] + ["brightness"] * 3
    assert slices["images"].tolist() == [60, 20, 20, 20]
    assert (slices["low"][0], slices["high"][0]) == (64, 64)


def test_no_slices_are_made_where_none_are_asked_for(report, lit):
    reporting.write_slices(report, {}, 0, lit["labels"], lit["probabilities"], np.full(60, ""))
    table = report.table("slices.csv")
    assert table.empty and {"by", "low", "high", "images", "kappa_low", "log_loss_high", "accuracy"} <= set(table)


@pytest.mark.parametrize("parts", [2, 3, 10])
@pytest.mark.parametrize("images", [10, 31, 200])
def test_parts_are_equal_and_in_order(parts, images):
    values = np.random.default_rng(0).permutation(images)
    part = failures.part_numbers(values, parts)
    sizes = np.bincount(part, minlength=parts)
    assert sizes.sum() == images and sizes.max() - sizes.min() <= 1
    ends = [(values[part == number].min(), values[part == number].max()) for number in range(parts)]
    assert all(high < low for (_, high), (low, _) in pairwise(ends))


def test_equal_values_stay_together():
    assert failures.part_numbers(np.array([5, 5, 5, 5, 5, 5, 5, 5, 5, 9]), 3).tolist() == [1] * 9 + [2]
    assert set(failures.part_numbers(np.ones(7), 10)) == {5}


def test_a_report_is_known_by_its_model_its_views_and_its_test_images(made):
    report, classifier = Report.read(made["top"]), Classifier.read(made["classifiers/top"])
    facts, rows = report.facts, TestSplit.read(made["test_split"]).table("test_split.csv")
    split = fingerprints.test_split_digest(report.manifest["lineage"]["fetch"], rows.sample(frac=1, random_state=0))
    assert (facts.classifier, facts.test_split, facts.views) == (classifier.digest, split, "plain")
    assert facts.fingerprint == fingerprints.fingerprint(classifier.digest, "plain", "any", split)
    others = {("other", "plain", "a", split), (classifier.digest, "plain", "a", "other")}
    others |= {(classifier.digest, "averaged", augmented, split) for augmented in ("a", "b")}
    assert len({facts.fingerprint, *(fingerprints.fingerprint(*other) for other in others)}) == 5


def test_the_images_that_are_shown_are_the_most_confident_mistakes_and_some_that_are_right(made):
    report = Report.read(made["benchmark"])
    table, mistakes = (report.table(f"{name}.csv") for name in ("predictions", "mistakes"))
    arrays = report.arrays("mistakes")
    wrong = int((table["label"] != table["predicted"]).sum())
    assert (mistakes["label"] != mistakes["predicted"]).tolist() == [True] * wrong + [False] * min(
        4, len(table) - wrong
    )
    assert mistakes["probability"][:wrong].is_monotonic_decreasing
    assert arrays["images"].shape == (len(mistakes), 32, 32, 3) and arrays["images"].dtype == np.uint8
    assert arrays["heats"].shape[0] == len(mistakes) and arrays["heats"].max() == 1


def test_a_model_that_makes_no_mistake_has_no_confusions(report):
    labels = np.array([0, 1, 2, 3] * 3)
    reporting.write_failures(report, labels, np.eye(4)[labels], np.full(12, ""))
    assert report.table("confusions.csv").columns.tolist() == ["label", "predicted", "count", "share"]
    assert report.table("confusions.csv").empty


def test_what_leaks_goes_with_the_report(report, tmp_path):
    splits = Splits(tmp_path / "splits")
    splits.path.mkdir()
    splits.write_table("leakage.csv", pd.DataFrame({"kind": ["near"], "file": ["a.png"], "other": ["b.png"]}))
    splits.write_arrays("leakage", {"0": np.zeros((2, 3, 3), np.uint8), "0_other": np.ones((2, 3, 3), np.uint8)})
    reporting.copy_leakage(splits, report)
    for file in ("leakage.csv", "leakage.npz"):
        assert (report.path / file).read_bytes() == (splits.path / file).read_bytes()


def test_the_whole_confusion_matrix_is_a_table(report):
    report.facts.classes = ["a", "b", "3"]
    reporting.write_failures(report, np.array([0, 0, 1, 2]), np.eye(3)[[0, 1, 1, 0]], np.full(4, ""))
    lines = (report.path / "confusion_matrix.csv").read_text().splitlines()
    assert lines == [",a,b,3", "a,1,1,0", "b,0,1,0", "3,1,0,0"]


def test_the_predictions_of_hundreds_of_classes_are_written_without_a_warning(report):
    names = [f"class {number:03}" for number in range(300)]
    probabilities = np.random.default_rng(0).dirichlet(np.ones(300), 300)
    test = pd.DataFrame({"file": [f"{name}.png" for name in names], "label": names, "group": ""})
    table = reporting.prediction_table(test, probabilities, names)
    assert table["probability_class 299"].tolist() == probabilities[:, 299].tolist()
    assert failures.example_predictions(table.assign(probability=probabilities.max(axis=1)))["label"].is_unique
    report.write_table("predictions.csv", table)

"""The report on one classifier: its test scores, its predictions, where it fails, and the images that figures show."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import keras
import numpy as np
import pandas as pd

from components.data import thumbnails
from components.data.artifacts import PROBABILITY, Augmented, Classifier, Report, Splits, TestSplit
from components.model import grad_cam
from components.model.prediction import predict_outputs, probabilities_of
from components.model.written import WrittenNetwork, open_network
from components.results import failures, fingerprints, predicting
from components.results.costly_mistakes import Predictions, find_costly_mistakes, read_confusions
from components.results.failures import class_numbers
from components.results.set_coverage import read_coverages, set_coverage_table
from components.results.suspected_labels import write_suspects
from components.scores import metrics
from components.scores.abstention import margins
from components.scores.calibration import calibration_error, reliability_bins
from components.scores.intervals import class_scores, score_intervals
from components.scores.registry import VALIDATION

SHARES = (0.25, 0.5, 0.75, 0.9, 1.0)  # of the test images, the surest first


def fill_report(
    report: Report, augmented: Augmented, splits: Splits, test_split: TestSplit, classifier: Classifier, views: str,
    batch_size: int, slices: int, never: str,
) -> None:  # fmt: skip
    """Set the facts and write all files of a Report: scores, predictions, epochs, failures, leakage, images to draw.

    Raises:
        UserError: Views are to be averaged, and there are none; or there is no class that `never` names.
    """
    test = test_split.table("test_split.csv")
    classes, confusions = classifier.facts.classes, read_confusions(never, classifier.facts.classes)
    network, rows = open_network(classifier), augmented.rows(test["file"].tolist())
    validation = splits.part("validation") if views != "plain" or confusions else None
    set_facts(report, augmented, classifier, views, test)
    model = predicting.predicting_network(network, augmented, views)
    outputs = predicting.outputs_of_shards(report) if report.shards else None
    if outputs is None:
        with report.time_work("evaluation", len(rows)):
            outputs = predict_outputs(model, augmented.array, rows, batch_size)
    on_validation = None
    if validation is not None:
        rows_of_validation = augmented.rows(validation["file"].tolist())
        on_validation = predict_outputs(model, augmented.array, rows_of_validation, batch_size)
        if views != "plain":
            model = predicting.calibrate_average(report, network, augmented, validation["label"], on_validation)
    probabilities, uncalibrated = probabilities_of(model, outputs)
    plain = augmented.array[:, 0]
    np.save(report.path / "example.npy", plain[rows[:2]])
    table = prediction_table(test, probabilities, classes)
    report.write_table("predictions.csv", table)
    report.write_table("curves.csv", classifier.table("history.csv"))
    report.write_table("layers.csv", classifier.table("layers.csv"))

    labels, groups = class_numbers(test["label"], classes), test["group"].to_numpy()
    write_scores(report, labels, probabilities, uncalibrated, groups)
    write_baselines(report, labels)
    write_failures(report, labels, probabilities, groups)
    report.write_table("risks.csv", risk_table(labels, probabilities, groups))
    write_suspects(report, test["file"], labels, probabilities)
    coverages = read_coverages(classifier) if views == "plain" else None  # stated of the classifier by itself
    report.write_table("sets.csv", set_coverage_table(coverages, labels, probabilities, groups))
    if validation is not None and on_validation is not None and confusions:
        validated, _ = probabilities_of(model, on_validation)
        validation_labels = class_numbers(validation["label"], classes)
        validated_predictions = Predictions(validation_labels, validated, validation["group"].to_numpy())
        predictions = Predictions(labels, probabilities, groups)
        costly_mistakes = find_costly_mistakes(confusions, classes, predictions, validated_predictions)
        report.facts.never = [asdict(mistake) for mistake in costly_mistakes]
    write_slices(report, image_measures(test, plain, rows) if slices else {}, slices, labels, probabilities, groups)
    write_mistakes(report, network, table, plain, rows, probabilities)
    copy_leakage(splits, report)


def prediction_table(test: pd.DataFrame, probabilities: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Return the test rows with `predicted`, the likeliest class, and each class's probability, `probability_CLASS`."""
    predicted = [classes[number] for number in probabilities.argmax(axis=1)]
    columns = [PROBABILITY + name for name in classes]
    return pd.concat([test.assign(predicted=predicted), pd.DataFrame(probabilities, test.index, columns)], axis=1)


def set_facts(report: Report, augmented: Augmented, classifier: Classifier, views: str, test: pd.DataFrame) -> None:
    """Set the facts, in memory, that identify a report: digests of classifier and test split, views, fingerprint."""
    test_split = fingerprints.test_split_digest(report.manifest["lineage"]["fetch"], test)
    report.facts.classifier, report.facts.test_split, report.facts.views = classifier.digest, test_split, views
    report.facts.fingerprint = fingerprints.fingerprint(classifier.digest, views, augmented.digest, test_split)


def write_scores(
    report: Report, labels: np.ndarray, probabilities: np.ndarray, uncalibrated: np.ndarray, groups: np.ndarray
) -> None:
    """Write the scores, their intervals and the calibration: `metrics.json`, `intervals.json`, `calibration.csv`.

    Args:
        report: The report.
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        uncalibrated: The same before the temperature.
        groups: Names of the images' groups, (n,).
    """
    scores, ends = metrics.scores(labels, probabilities), score_intervals(labels, probabilities, groups)
    scores["log_loss_uncalibrated"] = metrics.log_loss(labels, uncalibrated)
    ends["log_loss_uncalibrated"] = score_intervals(labels, uncalibrated, groups, ["log_loss"])["log_loss"]
    bins = {}
    for name, of, when in (("ece_uncalibrated", uncalibrated, "before"), ("ece", probabilities, "after")):
        bins[when], error = reliability_bins(labels, of, groups), calibration_error(labels, of, groups)
        scores |= {name: error.observed, f"{name}_chance": error.chance}
        ends |= {name: error.interval, f"{name}_chance": error.chance_interval}
    report.write_values("metrics", scores | {name: getattr(report.facts, name) for name in VALIDATION})
    report.write_values("intervals", ends)
    report.write_table("calibration.csv", pd.concat(bins, names=["temperature"]).reset_index("temperature"))


def write_baselines(report: Report, labels: np.ndarray) -> None:
    """Write `baselines.json`: scores of baselines that see no image, the number of test images, the best epoch."""
    baselines = metrics.baselines(labels, report.facts.train_counts)
    report.write_values("baselines", {**baselines, "test_images": len(labels), "best_epoch": report.facts.best_epoch})


def risk_table(labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray) -> pd.DataFrame:
    """Return what share is wrong of the surest images, for each of `SHARES`: answered, images, risk, low, high.

    `low` and `high` are the 95 % interval of the risk, over groups where there are any. The surest images are those of
    the highest margins.

    Args:
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        groups: Names of the images' groups, (n,).
    """
    order, rows = np.argsort(-margins(probabilities), kind="stable"), []
    for share in SHARES:
        surest = order[: max(round(share * len(order)), 1)]
        risk = float((probabilities[surest].argmax(axis=1) != labels[surest]).mean())
        low, high = score_intervals(labels[surest], probabilities[surest], groups[surest], ["accuracy"])["accuracy"]
        rows.append((share, len(surest), risk, 1 - high, 1 - low))
    return pd.DataFrame(rows, columns=["answered", "images", "risk", "low", "high"])


def write_failures(report: Report, labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray) -> None:
    """Write the scores of each class and the confusions: `classes.csv`, `confusions.csv`, `confusion_matrix.csv`."""
    classes, predicted = report.facts.classes, probabilities.argmax(axis=1)
    report.write_table("classes.csv", class_scores(labels, predicted, classes, groups))
    report.write_table("confusions.csv", failures.confusions(labels, predicted, classes))
    matrix = pd.DataFrame(metrics.confusion_matrix(labels, predicted, len(classes)), columns=[*classes])
    matrix.insert(0, "", [*classes])
    report.write_table("confusion_matrix.csv", matrix)


def image_measures(test: pd.DataFrame, images: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return `size`, width times height in pixels, and `brightness`, the mean in [0, 255], of each test image, (rows,).

    Args:
        test: The test rows, with width and height.
        images: Plain images at the working size, uint8 (n, size, size, 3).
        rows: Numbers of the images.
    """
    brightness = np.array([images[row].mean() for row in rows])
    return {"size": (test["width"] * test["height"]).to_numpy(), "brightness": brightness}


def write_slices(
    report: Report, by: Mapping[str, np.ndarray], slices: int, labels: np.ndarray, probabilities: np.ndarray,
    groups: np.ndarray,
) -> None:  # fmt: skip
    """Write the scores of slices, `slices.csv`, which has no rows where there are no measures to slice by."""
    report.write_table("slices.csv", failures.slice_scores(by, slices, labels, probabilities, groups))


def write_mistakes(
    report: Report, model: keras.Model | WrittenNetwork, table: pd.DataFrame, images: np.ndarray, rows: np.ndarray,
    probabilities: np.ndarray,
) -> None:  # fmt: skip
    """Write `mistakes.csv` and `mistakes.npz`: confident mistakes, some right predictions, heat maps where possible."""
    predictions_table = table.assign(
        probability=probabilities.max(axis=1), row=rows, number=probabilities.argmax(axis=1)
    )
    examples = failures.example_predictions(predictions_table)
    pictures, pixels = images[examples["row"].to_numpy()], thumbnails.thumbnail_side(2 * len(examples))
    numbers = examples["number"].to_numpy()
    heats = None if isinstance(model, WrittenNetwork) else grad_cam.heat_maps(model, pictures, numbers)
    arrays = {"images": np.array([thumbnails.make_thumbnail(picture, pixels) for picture in pictures])}
    report.write_table("mistakes.csv", examples[["file", "label", "predicted", "probability"]])
    report.write_arrays("mistakes", arrays if heats is None else {**arrays, "heats": heats})


def copy_leakage(splits: Splits, report: Report) -> None:
    """Copy `leakage.csv` and its thumbnails, `leakage.npz`, of what leaks between parts, from Splits to a Report."""
    for name in ("leakage.csv", "leakage.npz"):
        shutil.copyfile(splits.path / name, report.path / name)

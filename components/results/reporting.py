"""The report on one classifier: its test scores, where it fails, its predictions, and what is drawn of them."""

import shutil
from collections.abc import Mapping

import keras
import numpy as np
import pandas as pd
from scipy.special import softmax

from components.data import thumbnails
from components.data.artifacts import PROBABILITY, Augmented, Classifier, Report, Splits, TestSplit
from components.model import grad_cam
from components.model.prediction import LEAST, predictions
from components.results import failures, fingerprints
from components.results.failures import class_numbers
from components.scores import metrics
from components.scores.calibration import calibration_bins
from components.scores.intervals import class_scores, score_intervals
from components.scores.registry import VALIDATION
from components.scores.temperature import fit_temperature
from components.system.errors import UserError


def fill_report(
    report: Report, augmented: Augmented, splits: Splits, test_split: TestSplit, classifier: Classifier, views: str,
    batch_size: int, slices: int,
) -> None:  # fmt: skip
    """Fill a Report: the scores with their intervals, where the classifier fails, and what the figures show."""
    test = test_split.table("test_split.csv")
    classes, model = classifier.facts["classes"], classifier.load()
    images, rows = input_views(augmented, views), augmented.rows(test["file"].tolist())
    with report.timed("evaluation", len(rows)):
        probabilities, uncalibrated = predictions(model, images, rows, batch_size)
    write_facts(report, augmented, classifier, views, test)
    if views != "plain":
        validation = splits.part("validation")
        _, means = predictions(model, images, augmented.rows(validation["file"].tolist()), batch_size)
        probabilities = calibrate_means(report, class_numbers(validation["label"], classes), means, uncalibrated)
    plain = images[:, 0]
    np.save(report.path / "example.npy", plain[rows[:2]])
    table = test.assign(predicted=[classes[number] for number in probabilities.argmax(axis=1)])
    table[[PROBABILITY + name for name in classes]] = probabilities
    report.write_table("predictions.csv", table)
    report.write_table("curves.csv", classifier.table("history.csv"))

    labels, groups = class_numbers(test["label"], classes), test["group"].to_numpy()
    write_scores(report, labels, probabilities, uncalibrated, groups)
    write_baselines(report, labels)
    write_failures(report, labels, probabilities, groups)
    write_slices(report, image_measures(test, plain, rows) if slices else {}, slices, labels, probabilities, groups)
    write_mistakes(report, model, table, plain, rows, probabilities)
    copy_leakage(splits, report)


def write_facts(report: Report, augmented: Augmented, classifier: Classifier, views: str, test: pd.DataFrame) -> None:
    """Note what the report is on: the classifier, the views and the test images, and the fingerprint of them all."""
    test_split = fingerprints.test_split_digest(report.manifest["lineage"]["fetch"], test)
    report.facts.update(
        classifier=classifier.digest,
        test_split=test_split,
        views=views,
        fingerprint=fingerprints.fingerprint(classifier.digest, views, augmented.digest, test_split),
    )


def input_views(augmented: Augmented, views: str) -> np.ndarray:
    """Return the images that a classifier predicts from: uint8 (files, views, size, size, 3).

    Raises:
        UserError: Views are to be averaged, and there are none.
    """
    if views == "plain":
        return augmented.array[:, :1]
    if not augmented.facts["views"]:
        raise UserError("evaluate: views is averaged, but `augment` made none: give it views of 1 or more")
    return augmented.array


def calibrate_means(report: Report, labels: np.ndarray, validation: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the means over views with a temperature of their own, (n, classes); note it and the validation scores.

    A mean of probabilities is less sure than these, so that the temperature of one image's prediction is not its own.

    Args:
        report: The report.
        labels: Number of the true class of the validation images, (m,).
        validation: Means of the probabilities before the temperature, of the validation images, (m, classes).
        test: Likewise of the test images, (n, classes).

    Source: Rahaman & Thiery, Uncertainty Quantification and Deep Ensembles, arXiv 2007.08792.
    """
    logits, of_test = (np.log(means + LEAST) for means in (validation, test))
    temperature = fit_temperature(labels, logits)
    found = metrics.validation_scores(labels, softmax(logits / temperature, axis=1))
    report.facts.update(found, temperature=temperature)
    return softmax(of_test / temperature, axis=1)


def write_scores(
    report: Report, labels: np.ndarray, probabilities: np.ndarray, uncalibrated: np.ndarray, groups: np.ndarray
) -> None:
    """Write `metrics.json`, `intervals.json` and `calibration.csv`.

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
    after, scores["ece"] = calibration_bins(labels, probabilities)
    before, scores["ece_uncalibrated"] = calibration_bins(labels, uncalibrated)
    report.write_values("metrics", scores | {name: report.facts[name] for name in VALIDATION})
    report.write_values("intervals", ends)
    bins = {"before": before, "after": after}
    report.write_table("calibration.csv", pd.concat(bins, names=["temperature"]).reset_index("temperature"))


def write_baselines(report: Report, labels: np.ndarray) -> None:
    """Write `baselines.json`: what can be had without looking, the number of test images, the best epoch."""
    baselines = metrics.baselines(labels, report.facts["train_counts"])
    report.write_values(
        "baselines", {**baselines, "test_images": len(labels), "best_epoch": report.facts["best_epoch"]}
    )


def write_failures(report: Report, labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray) -> None:
    """Write `classes.csv` and `confusions.csv`."""
    classes, predicted = report.facts["classes"], probabilities.argmax(axis=1)
    report.write_table("classes.csv", class_scores(labels, predicted, classes, groups))
    report.write_table("confusions.csv", failures.confusions(labels, predicted, classes))


def image_measures(test: pd.DataFrame, images: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the size of each test image's file, in pixels, and its brightness, the mean in [0, 255]; (rows,) each.

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
    """Write `slices.csv`, which has no rows where there are no measures to slice by."""
    report.write_table("slices.csv", failures.slice_scores(by, slices, labels, probabilities, groups))


def write_mistakes(
    report: Report, model: keras.Model, table: pd.DataFrame, images: np.ndarray, rows: np.ndarray,
    probabilities: np.ndarray,
) -> None:  # fmt: skip
    """Write the most confident mistakes and some right predictions, each with what in the image spoke for its class."""
    known = table.assign(probability=probabilities.max(axis=1), row=rows, number=probabilities.argmax(axis=1))
    shown = failures.example_predictions(known)
    pictures, pixels = images[shown["row"].to_numpy()], thumbnails.side(2 * len(shown))
    heats = grad_cam.heat(model, pictures, shown["number"].to_numpy())
    arrays = {"images": np.array([thumbnails.of_array(picture, pixels) for picture in pictures])}
    report.write_table("mistakes.csv", shown[["file", "label", "predicted", "probability"]])
    report.write_arrays("mistakes", arrays if heats is None else {**arrays, "heats": heats})


def copy_leakage(splits: Splits, report: Report) -> None:
    """Copy what a split says of images that leak between its parts into a Report: the table and the thumbnails."""
    for name in ("leakage.csv", "leakage.npz"):
        shutil.copyfile(splits.path / name, report.path / name)

"""The report on one classifier: its test scores, where it fails, its predictions and its figures."""

import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import version

import keras
import numpy as np
import pandas as pd
from scipy.special import softmax

from components.data.artifacts import PROBABILITY, Augmented, Classifier, Report, Splits, TestSplit
from components.errors import UserError
from components.model.prediction import LEAST, predictions
from components.results import failures, figures, metrics, statistics

WRONG, RIGHT = 12, 4  # test images of either kind that are shown with what they are told by
VALIDATION = ("validation_kappa", "validation_log_loss", "validation_accuracy")
PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn")  # whose versions may change a number


def report(
    augmented: Augmented, splits: Splits, test_split: TestSplit, classifier: Classifier, report: Report, views: str,
    batch_size: int, slices: int,
) -> None:  # fmt: skip
    """Fill a Report: the scores with their intervals, the costs, where the classifier fails, the figures."""
    test = test_split.table("test_split.csv")
    classes, model = classifier.facts["classes"], classifier.load()
    images, rows = seen(augmented, views), augmented.rows(test["file"].tolist())
    with report.timed("evaluation", len(rows)):
        probabilities, uncalibrated = predictions(model, images, rows, batch_size)
    averaged = "" if views == "plain" else f", views {views}"
    title = f"{report.record['recipe'] or classifier.facts['data_set']}, {classifier.facts['model']}{averaged}"
    report.facts["title"] = title
    report.facts["versions"] = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    report.facts["classifier"] = classifier.digest
    report.facts["fingerprint"] = classifier.digest if views == "plain" else report.digest
    if views != "plain":
        validation = splits.part("validation")
        _, means = predictions(model, images, augmented.rows(validation["file"].tolist()), batch_size)
        probabilities = calibrated(report, numbers(validation, classes), means, uncalibrated)
    plain = images[:, 0]
    np.save(report.path / "example.npy", plain[rows[:2]])
    table = test.assign(predicted=[classes[number] for number in probabilities.argmax(axis=1)])
    table[[PROBABILITY + name for name in classes]] = probabilities
    report.write_table("predictions.csv", table)
    history = classifier.table("history.csv")
    report.write_table("curves.csv", history)

    labels, groups = numbers(test, classes), test["group"].to_numpy()
    write_scores(report, labels, probabilities, uncalibrated, groups)
    write_costs(report, labels)
    write_failures(report, labels, probabilities, groups)
    write_slices(report, measures(test, plain, rows) if slices else {}, slices, labels, probabilities, groups)
    if history.empty:
        figures.statement(report.figure("learning_curves"), title, "An average is not trained: it has no epochs")
    else:
        figures.learning_curves(history, report.facts["best_epoch"], report.figure("learning_curves"), title)
    draw_mistakes(report, model, table, plain, rows, probabilities)
    copy_leakage(splits, report)


def seen(augmented: Augmented, views: str) -> np.ndarray:
    """Return the images that a classifier predicts from: uint8 (files, views, size, size, 3).

    Raises:
        UserError: Views are to be averaged, and there are none.
    """
    if views == "plain":
        return augmented.array[:, :1]
    if not augmented.facts["views"]:
        raise UserError("evaluate: views is averaged, but `augment` made none: give it views of 1 or more")
    return augmented.array


def calibrated(report: Report, labels: np.ndarray, validation: np.ndarray, test: np.ndarray) -> np.ndarray:
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
    temperature = metrics.temperature(labels, logits)
    found = metrics.scores(labels, softmax(logits / temperature, axis=1))
    report.facts.update({name: found[name.removeprefix("validation_")] for name in VALIDATION}, temperature=temperature)
    return softmax(of_test / temperature, axis=1)


def numbers(table: pd.DataFrame, classes: list[str]) -> np.ndarray:
    """Return the number of the class of each row, (n,)."""
    return table["label"].map({name: number for number, name in enumerate(classes)}).to_numpy(dtype=np.int64)


def write_scores(
    report: Report, labels: np.ndarray, probabilities: np.ndarray, uncalibrated: np.ndarray, groups: np.ndarray
) -> None:
    """Write `metrics.json`, `intervals.json` and `calibration.csv`, and draw the reliability diagram.

    Args:
        report: The report.
        labels: Number of the true class, (n,).
        probabilities: Of each class, (n, classes).
        uncalibrated: The same before the temperature.
        groups: Names of the images' groups, (n,).
    """
    found, ends = metrics.scores(labels, probabilities), statistics.intervals(labels, probabilities, groups)
    found["log_loss_uncalibrated"] = metrics.log_loss(labels, uncalibrated)
    ends["log_loss_uncalibrated"] = statistics.intervals(labels, uncalibrated, groups)["log_loss"]
    after, found["ece"] = statistics.calibration(labels, probabilities)
    before, found["ece_uncalibrated"] = statistics.calibration(labels, uncalibrated)
    report.write_values("metrics", found | {name: report.facts[name] for name in VALIDATION})
    report.write_values("intervals", ends)
    bins = {"before": before, "after": after}
    report.write_table("calibration.csv", pd.concat(bins, names=["temperature"]).reset_index("temperature"))
    note = (
        f"Before and after the temperature: expected calibration error {found['ece_uncalibrated']:.3f} and "
        f"{found['ece']:.3f}, log loss {found['log_loss_uncalibrated']:.3f} and {found['log_loss']:.3f}."
    )
    title = f"{report.facts['title']}: how sure, and how right"
    figures.reliability(bins, report.figure("reliability"), title, note, report.facts["model"])


def write_costs(report: Report, labels: np.ndarray) -> None:
    """Write `costs.json`: baselines, seconds and rates."""
    costs = metrics.baselines(labels, report.facts["train_counts"])
    costs |= {"test_images": len(labels), "best_epoch": report.facts["best_epoch"]}
    for name, done in report.work.items():
        costs[f"seconds_{name}"] = done["seconds"]
        costs[f"images_per_second_{name}"] = round(done["images"] / max(done["seconds"], 1e-3), 2)
    costs["gpu_hours"] = sum(done["seconds"] * done["gpus"] for done in report.work.values()) / 3600
    report.write_values("costs", costs)


def write_failures(report: Report, labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray) -> None:
    """Write `classes.csv` and `confusions.csv`, and draw the scores of each class and the confusion matrix."""
    classes, title, predicted = report.facts["classes"], report.facts["title"], probabilities.argmax(axis=1)
    of_each = statistics.per_class(labels, predicted, classes, groups)
    report.write_table("classes.csv", of_each)
    report.write_table("confusions.csv", failures.confusions(labels, predicted, classes))
    figures.per_class(of_each, report.figure("classes"), f"{title}: class by class", report.facts["model"])
    counts = failures.counts(labels, predicted, len(classes))
    figures.confusion_matrix(counts, classes, report.figure("confusion_matrix"), f"{title}, test")


def measures(test: pd.DataFrame, images: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
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
    """Write `slices.csv`, and draw the scores of the slices, where there are measures to slice by."""
    found = failures.slices(by, slices, labels, probabilities, groups)
    report.write_table("slices.csv", found)
    if by:
        title = f"{report.facts['title']}: by {' and '.join(by)} of the test images"
        figures.slices(found, report.read_values("metrics"), report.figure("slices"), title, report.facts["model"])


def draw_mistakes(
    report: Report, model: keras.Model, table: pd.DataFrame, images: np.ndarray, rows: np.ndarray,
    probabilities: np.ndarray,
) -> None:  # fmt: skip
    """Draw the most confident mistakes and some right predictions, each with what in the image spoke for its class."""
    known = table.assign(top=probabilities.max(axis=1), row=rows, number=probabilities.argmax(axis=1))
    wrong, right = known.query("label != predicted"), known.query("label == predicted")
    spread = np.unique(np.linspace(0, len(right) - 1, min(RIGHT, len(right)), dtype=int))
    shown = pd.concat([wrong.sort_values("top", ascending=False, kind="stable").head(WRONG), right.iloc[spread]])
    pictures = images[shown["row"].to_numpy()]
    part = f"; the {WRONG} most confident" if len(wrong) > WRONG else ""
    figures.mistakes(
        pictures,
        figures.heat(model, pictures, shown["number"].to_numpy()),
        shown["label"].tolist(),
        shown["predicted"].tolist(),
        shown["top"].tolist(),
        report.figure("mistakes"),
        f"{report.facts['title']}: {len(wrong):,} of {len(table):,} test images wrong{part}",
    )


def copy_leakage(splits: Splits, report: Report) -> None:
    """Copy what a split says of images that leak between its parts into a Report: the table and the picture."""
    shutil.copyfile(splits.path / "leakage.csv", report.path / "leakage.csv")
    shutil.copyfile(splits.figure("leakage"), report.figure("leakage"))

"""The report on one classifier: its test scores, its predictions and its figures."""

import numpy as np
import pandas as pd

from components.data.artifacts import Augmented, Classifier, Report, Splits, TestSplit
from components.errors import UserError
from components.model.prediction import predictions
from components.results import figures, metrics

PROBABILITY = "probability_"
EXAMPLES = 8  # test images of either kind that are shown with what they are told by
VALIDATION = ("validation_kappa", "validation_log_loss", "validation_accuracy")


def report(
    augmented: Augmented, splits: Splits, test_split: TestSplit, classifier: Classifier, report: Report, views: str,
    batch_size: int,
) -> None:  # fmt: skip
    """Fill a Report: scores in `metrics.json`; baselines, seconds, rates in `costs.json`; the tables; the figures."""
    test = test_split.table("test_split.csv")
    classes, model = classifier.facts["classes"], classifier.load()
    images, rows = seen(augmented, views), augmented.rows(test["file"].tolist())
    with report.timed("evaluation", len(rows)):
        probabilities, uncalibrated = predictions(model, images, rows, batch_size)
    labels = numbers(test, classes)
    table = test.assign(predicted=[classes[number] for number in probabilities.argmax(axis=1)])
    table[[PROBABILITY + name for name in classes]] = probabilities
    report.write_table("predictions.csv", table)
    history = classifier.table("history.csv")
    report.write_table("curves.csv", history)
    np.save(report.path / "example.npy", images[rows[:2], 0])

    found = metrics.scores(labels, probabilities)
    found["log_loss_uncalibrated"] = metrics.log_loss(labels, uncalibrated)
    if views != "plain":
        validation = splits.part("validation")
        told, _ = predictions(model, images, augmented.rows(validation["file"].tolist()), batch_size)
        again = metrics.scores(numbers(validation, classes), told)
        report.facts.update({name: again[name.removeprefix("validation_")] for name in VALIDATION})
    found |= {name: report.facts[name] for name in VALIDATION}
    report.write_values("metrics", found)
    costs = metrics.baselines(labels, classifier.facts["train_counts"])
    costs |= {"test_images": len(test), "best_epoch": classifier.facts["best_epoch"]}
    for name, done in report.work.items():
        costs[f"seconds_{name}"] = done["seconds"]
        costs[f"images_per_second_{name}"] = round(done["images"] / max(done["seconds"], 1e-3), 2)
    costs["gpu_hours"] = sum(done["seconds"] * done["gpus"] for done in report.work.values()) / 3600
    report.write_values("costs", costs)
    report.facts["title"] = f"{report.record['recipe'] or classifier.facts['data_set']}, {classifier.facts['model']}"
    draw(report, classifier, table, images[:, 0], rows, probabilities, history)


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


def numbers(table: pd.DataFrame, classes: list[str]) -> np.ndarray:
    """Return the number of the class of each row, (n,)."""
    return table["label"].map({name: number for number, name in enumerate(classes)}).to_numpy(dtype=np.int64)


def draw(
    report: Report, classifier: Classifier, table: pd.DataFrame, images: np.ndarray, rows: np.ndarray,
    probabilities: np.ndarray, history: pd.DataFrame,
) -> None:  # fmt: skip
    """Draw the confusion matrix, the curves, the most confident mistakes, and what in an image spoke for its class."""
    classes, title = report.facts["classes"], report.facts["title"]
    counts = pd.crosstab(table["label"], table["predicted"]).reindex(index=classes, columns=classes, fill_value=0)
    figures.confusion_matrix(counts.to_numpy(), classes, report.figure("confusion_matrix"), f"{title}, test")
    if history.empty:
        figures.statement(report.figure("learning_curves"), title, "An average is not trained: it has no epochs")
    else:
        figures.learning_curves(history, classifier.facts["best_epoch"], report.figure("learning_curves"), title)
    known = table.assign(top=probabilities.max(axis=1), row=rows, number=probabilities.argmax(axis=1))
    wrong = known.query("label != predicted")
    worst = wrong.sort_values("top", ascending=False).head(16)
    figures.confident_mistakes(
        [images[row] for row in worst["row"]],
        worst["label"].tolist(),
        worst["predicted"].tolist(),
        worst["top"].tolist(),
        report.figure("confident_mistakes"),
        f"{title}: {len(wrong)} of {len(table)} test images wrong",
    )  # fmt: skip
    right = known.query("label == predicted")
    spread = np.unique(np.linspace(0, len(right) - 1, min(EXAMPLES, len(right)), dtype=int))
    shown = pd.concat([right.iloc[spread], worst.head(EXAMPLES)])
    pictures = images[shown["row"].to_numpy()]
    figures.grad_cam(
        pictures,
        figures.heat(classifier.load(), pictures, shown["number"].to_numpy()),
        shown["label"].tolist(),
        shown["predicted"].tolist(),
        report.figure("grad_cam"),
        f"{title}: what test images are told by, some right and the most confident wrong",
    )  # fmt: skip

"""The model card: what a model is for, what it was made from, how it does, and where that ends; as measured, no more.

Source: Mitchell et al., Model Cards for Model Reporting, doi:10.1145/3287560.3287596.
"""

import textwrap
from collections.abc import Iterator

from components.data.artifacts import Classifier, Report
from components.data.datasets import DATA_SETS
from components.results import titles

FILE = "model_card.md"
LISTED = 12  # classes
LONGEST = 400  # characters of the classes' names


def written(classifier: Classifier, report: Report, looks: int) -> str:
    """Return the card of a model as Markdown.

    Args:
        classifier: The model.
        report: Its test scores and predictions.
        looks: How many models have been scored on its test split.
    """
    parts = {
        "Intended use": use(classifier),
        "Scores": scores(report),
        "Limits": limits(report, looks),
        "Scores by class": by_class(report),
        "Data": data(classifier, report),
        "Training": training(classifier, report),
    }
    texts = (f"## {title}\n\n" + "\n".join(lines) + "\n" for title, lines in parts.items())
    return f"# {titles.title(report)}\n\n" + "\n".join(texts)


def use(classifier: Classifier) -> Iterator[str]:
    """Yield what the model is for."""
    facts = classifier.facts
    name, size, classes = facts.data_set, facts.image_size, facts.classes
    listed = textwrap.shorten(", ".join(classes), LONGEST, placeholder=" ...")
    yield f"Says which of {len(classes)} classes an image belongs to: {listed}."
    yield f"For images like those of the data set {name}, seen at {size} x {size} pixels; no others were tried."
    yield "An image of none of these classes gets one of them all the same."


def shown(report: Report, name: str) -> str:
    """Return a score with its interval, as in `0.9144 [0.8961, 0.9310]`."""
    low, high = report.intervals[name]
    return f"{report.metrics[name]:.4f} [{low:.4f}, {high:.4f}]"


def scores(report: Report) -> Iterator[str]:
    """Yield the test scores with their intervals, and what they are to be held against."""
    found = report.metrics
    yield f"On {int(found['test_images']):,} test images, with 95 % intervals:\n"
    yield "| score | |\n|---|---|"
    for name in report.intervals:
        yield f"| {name.replace('_', ' ')} | {shown(report, name)} |"
    yield (
        f"\nWithout looking at an image: accuracy {found['majority_accuracy']:.4f} by the most frequent class, "
        f"log loss {found['prior_log_loss']:.4f} by the classes' shares."
    )


def limits(report: Report, looks: int) -> Iterator[str]:
    """Yield what the measurements say of how far the scores can be trusted."""
    images, (low, high) = int(report.metrics["test_images"]), report.intervals["accuracy"]
    yield f"- {images:,} test images leave the accuracy anywhere from {low:.1%} to {high:.1%} (95 % interval)."
    yield f"- Models whose scores on these test images are known: {looks}. The best of several looks better than it is."
    worst = report.table("classes.csv").sort_values("recall", kind="stable").to_dict("records")[0]
    yield (
        f"- The class recognised least, {worst['class']}: {worst['recall']:.1%} of {worst['support']} test images "
        f"(95 % interval {worst['recall_low']:.1%} to {worst['recall_high']:.1%})."
    )
    groups, method = report.facts.groups["test"], report.facts.split_method
    if method == "grouped":
        yield f"- The test images are of {groups} groups, none of which it was trained on."
    elif groups:
        yield f"- The test images are of {groups} groups, which may be among the training images too (split: {method})."
    else:
        yield f"- Which images belong together is not known: the split, {method}, could keep no groups in one part."
    for name, found in report.facts.leakage.items():
        yield f"- Audit of the data, {name.replace('_', ' ')}: {found:g}."


def by_class(report: Report) -> Iterator[str]:
    """Yield the scores of each class, or of those that are recognised least."""
    table = report.table("classes.csv").sort_values("recall", kind="stable")
    yield "| class | test images | precision | recall |\n|---|---|---|---|"
    for row in table.head(LISTED).to_dict("records"):
        precision, recall = (
            f"{row[name]:.3f} [{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]" for name in ("precision", "recall")
        )
        yield f"| {str(row['class']).replace('|', ' ')} | {row['support']} | {precision} | {recall} |"
    if len(table) > LISTED:
        yield f"\nThe {LISTED} recognised least of {len(table)}; all are in the run's `report/classes.csv`."


def data(classifier: Classifier, report: Report) -> Iterator[str]:
    """Yield which images it was made from, and how they were parted."""
    facts, lineage = classifier.facts, classifier.manifest["lineage"]
    name = facts.data_set
    if name in DATA_SETS:
        yield f"- {DATA_SETS[name].title} ({DATA_SETS[name].license}): {DATA_SETS[name].citation}"
    yield f"- {name}, digest `{lineage['fetch']}`"
    counts = sum(facts.train_counts), facts.validation_images, int(report.metrics["test_images"])
    yield "- {:,} training, {:,} validation and {:,} test images".format(*counts)
    for key, revision in report.record.revisions.items():
        yield f"- {key.replace('_', ' ')} `{revision}`"


def training(classifier: Classifier, report: Report) -> Iterator[str]:
    """Yield how it was made."""
    facts = classifier.facts
    yield f"- recipe {report.record.recipe}, model {facts.model}, {facts.model_parameters:,} parameters"
    if facts.backbone:
        yield f"- backbone {facts.backbone}, weights `{facts.weights_sha256}` ({facts.weights_license})"
    if facts.members:
        yield f"- the mean of {', '.join(facts.members)}"
    else:
        yield f"- epoch {facts.best_epoch} of {facts.epochs}, the best on validation"
    yield f"- temperature {facts.temperature:.4g}, fitted on validation"

"""The model card: intended use, scores, limits, data and training of a model, as far as they were measured.

Source: Mitchell et al., Model Cards for Model Reporting, doi:10.1145/3287560.3287596.
"""

import textwrap
from collections.abc import Iterator

from components.data.artifacts import Classifier, Report
from components.data.datasets import DATA_SETS
from components.results import titles
from components.results.costly_mistakes import costly_words, threshold_sentences
from components.results.texts import markdown, with_interval

FILE = "model_card.md"
SEEN = {"squash": "seen at", "crop": "the largest square in their middle seen at", "pad": "padded to a square, seen at"}
LISTED = 12  # classes
LONGEST = 400  # characters of the classes' names


def card_text(classifier: Classifier, report: Report, looks: int | None) -> str:
    """Return the model card as Markdown, given how many models were scored on its test images.

    Args:
        classifier: The model.
        report: Its test scores and predictions.
        looks: How many models have been scored on its test split; None where that is not known.
    """
    parts = {
        "Intended use": use_lines(classifier),
        "Scores": score_lines(report),
        "Limits": limit_lines(report, looks),
        "Scores by class": class_lines(report),
        "Data": data_lines(classifier, report),
        "Training": training_lines(classifier, report),
    }
    texts = (f"## {title}\n\n" + "\n".join(lines) + "\n" for title, lines in parts.items())
    return f"# {markdown(titles.model_title(report))}\n\n" + "\n".join(texts)


def use_lines(classifier: Classifier) -> Iterator[str]:
    """Yield the lines on the intended use: classes, image size, data set."""
    facts = classifier.facts
    name, size, classes = markdown(facts.data_set), facts.image_size, facts.classes
    listed = textwrap.shorten(", ".join(classes), LONGEST, placeholder=" ...")
    yield f"Says which of {len(classes)} classes an image belongs to: {markdown(listed)}."
    seen = f"{SEEN[facts.resize]} {size} x {size} pixels"
    yield f"For images like those of the data set {name}, {seen}; no others were tried."
    yield "An image of none of these classes gets one of them all the same, unless `--at-least` holds the answer back."


def score_with_interval(report: Report, name: str) -> str:
    """Return a score of a report with its interval as text, such as `0.9144 [0.8961, 0.9310]`."""
    low, high = report.intervals[name]
    return with_interval(report.metrics[name], low, high, 4)


def score_lines(report: Report) -> Iterator[str]:
    """Yield lines of Markdown: a table of the test scores with 95 % intervals, and a sentence on the baselines."""
    metrics = report.metrics
    yield f"On {int(metrics['test_images']):,} test images, with 95 % intervals:\n"
    yield "| score | |\n|---|---|"
    for name in report.intervals:
        yield f"| {name.replace('_', ' ')} | {score_with_interval(report, name)} |"
    yield (
        f"\nBaselines: always the commonest class, accuracy {metrics['majority_accuracy']:.4f}; "
        f"the class frequencies, log loss {metrics['prior_log_loss']:.4f}."
    )


def limit_lines(report: Report, looks: int | None) -> Iterator[str]:
    """Yield the lines on how far the scores can be trusted: interval, looks, classes, groups, audit counts."""
    images, (low, high) = int(report.metrics["test_images"]), report.intervals["accuracy"]
    yield f"- {images:,} test images leave the accuracy anywhere from {low:.1%} to {high:.1%} (95 % interval)."
    counted = "unknown, for want of a journal" if looks is None else looks
    yield f"- Models scored on these test images so far: {counted}. The best of several looks better than it is."
    worst = report.table("classes.csv").sort_values("recall", kind="stable").to_dict("records")[0]
    yield (
        f"- The class recognised least, {markdown(worst['class'])}: {worst['recall']:.1%} of {worst['support']} "
        f"test images (95 % interval {worst['recall_low']:.1%} to {worst['recall_high']:.1%})."
    )
    for sentence in filter(None, [costly_words([report]), *threshold_sentences(report)]):
        yield f"- {markdown(sentence)}"
    groups, method = report.facts.groups["test"], report.facts.split_method
    if method == "grouped":
        yield f"- The test images are of {groups} groups, none of which it was trained on."
    elif groups:
        yield f"- The test images are of {groups} groups, which may be among the training images too (split: {method})."
    else:
        yield f"- Which images belong together is not known: the split, {method}, could keep no groups in one part."
    for name, count in report.facts.leakage.items():
        yield f"- Audit of the data, {name.replace('_', ' ')}: {count:g}."


def class_lines(report: Report) -> Iterator[str]:
    """Yield a table of precision and recall of the 12 classes of lowest recall; where there are more, a note, too."""
    table = report.table("classes.csv").sort_values("recall", kind="stable")
    yield "| class | test images | precision | recall |\n|---|---|---|---|"
    for row in table.head(LISTED).to_dict("records"):
        precision, recall = (
            with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in ("precision", "recall")
        )
        yield f"| {markdown(row['class'])} | {row['support']} | {precision} | {recall} |"
    if len(table) > LISTED:
        yield f"\nThe {LISTED} recognised least of {len(table)}; all are in the run's `report/classes.csv`."


def data_lines(classifier: Classifier, report: Report) -> Iterator[str]:
    """Yield the lines on the data: a known data set's title and licence; name, digest, image counts and revisions."""
    facts, lineage = classifier.facts, classifier.manifest["lineage"]
    name = facts.data_set
    if name in DATA_SETS:
        yield f"- {DATA_SETS[name].title} ({DATA_SETS[name].license}): {DATA_SETS[name].citation}"
    yield f"- {markdown(name)}, digest `{lineage['fetch']}`"
    counts = sum(facts.train_counts), facts.validation_images, int(report.metrics["test_images"])
    yield "- {:,} training, {:,} validation and {:,} test images".format(*counts)
    for key, revision in report.record.revisions.items():
        yield f"- {key.replace('_', ' ')} `{revision}`"


def training_lines(classifier: Classifier, report: Report) -> Iterator[str]:
    """Yield the lines on the training: recipe, model, any backbone, members or else best epoch, temperature."""
    facts = classifier.facts
    recipe, model = markdown(report.record.recipe), markdown(facts.model)
    yield f"- recipe {recipe}, model {model}, {facts.model_parameters:,} parameters"
    if facts.backbone:
        weights = f"weights `{facts.weights_sha256}` ({markdown(facts.weights_license)})"
        yield f"- backbone {markdown(facts.backbone)}, {weights}"
    if facts.members:
        yield f"- the mean of {markdown(', '.join(facts.members))}"
    elif facts.averaged_runs > 1:
        yield f"- the mean of the weights of {facts.averaged_runs} runs, each at its best epoch on validation"
    else:
        yield f"- epoch {facts.best_epoch} of {facts.epochs}, the best on validation"
    yield f"- temperature {facts.temperature:.4g}, fitted on validation"

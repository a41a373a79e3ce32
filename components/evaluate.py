"""Score a classifier on the test split."""

from typing import Annotated

from components.data.artifacts import Augmented, Classifier, Report, Splits, TestSplit
from components.parameters import Count, Names
from components.step import Input, Output


def evaluate(
    augmented: Input[Augmented],
    splits: Input[Splits],
    test_split: Input[TestSplit],
    classifier: Input[Classifier],
    report: Output[Report],
    *,
    views: Annotated[str, Names("choice of views", ("plain", "averaged"))],
    batch_size: Count,
) -> None:
    """Score a classifier on the test split, and complete its run in the journal.

    One pass over the images gives every number: file, label and probabilities stay together.

    Args:
        augmented: The plain images and their views.
        splits: The training and validation rows, for what the classifier is chosen by where it predicts from views.
        test_split: The test rows.
        classifier: The classifier.
        report: Scores, predictions and figures.
        views: What it predicts from: plain, the image as it is, or averaged, the mean over it and its views.
        batch_size: Images a batch.

    Raises:
        UserError: Views are to be averaged, and there are none.
    """
    from components.results import reporting, tracking

    reporting.report(augmented, splits, test_split, classifier, report, views, batch_size)
    tracking.complete_or_say(classifier, report)

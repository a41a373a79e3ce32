"""Score a classifier on the test split."""

from typing import Annotated

from components.data.artifacts import Augmented, Classifier, Report, TestSplit
from components.parameters import Count, Range
from components.step import Input, Output


def evaluate(
    augmented: Input[Augmented],
    test_split: Input[TestSplit],
    classifier: Input[Classifier],
    report: Output[Report],
    *,
    batch_size: Count,
    slices: Annotated[int, Range("0, or from 2 to 10", lambda value: value == 0 or 2 <= value <= 10)],
) -> None:
    """Score a classifier on the test split, and complete its run in the journal.

    One pass over the plain images gives every number: file, label and probabilities stay together.

    Args:
        augmented: The plain images; their views are not used.
        test_split: The test rows.
        classifier: The classifier.
        report: Scores with their intervals, predictions, where the classifier fails, and figures.
        batch_size: Images a batch.
        slices: Equal parts into which the test images are cut, by size and by brightness, to be scored each by itself;
            0 for none.
    """
    from components.results import reporting, tracking

    reporting.report(augmented, test_split, classifier, report, batch_size, slices)
    report.facts["fingerprint"] = classifier.digest
    tracking.complete_or_say(classifier, report)

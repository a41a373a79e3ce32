"""Score a classifier on the test split."""

from components.data.artifacts import Augmented, Classifier, Report, TestSplit
from components.parameters import Count
from components.step import Input, Output


def evaluate(
    augmented: Input[Augmented],
    test_split: Input[TestSplit],
    classifier: Input[Classifier],
    report: Output[Report],
    *,
    batch_size: Count,
) -> None:
    """Score a classifier on the test split, and complete its run in the journal.

    One pass over the plain images gives every number: file, label and probabilities stay together.

    Args:
        augmented: The plain images; their views are not used.
        test_split: The test rows.
        classifier: The classifier.
        report: Scores, predictions and figures.
        batch_size: Images a batch.
    """
    from components.results import reporting, tracking

    reporting.report(augmented, test_split, classifier, report, batch_size)
    report.facts["fingerprint"] = classifier.digest
    tracking.complete_or_say(classifier, report)

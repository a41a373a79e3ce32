"""Score a classifier on the test split."""

from typing import Annotated

from components.data.artifacts import Augmented, Classifier, Report, Splits, TestSplit
from components.machinery.signature import Input, Output
from components.system.limits import Confusions, Count, Names, Range


def evaluate(
    augmented: Input[list[Augmented]],
    splits: Input[Splits],
    test_split: Input[TestSplit],
    classifier: Input[Classifier],
    report: Output[Report],
    *,
    views: Annotated[str, Names("choice of views", ("plain", "averaged"))],
    batch_size: Count,
    slices: Annotated[int, Range("0, or from 2 to 10", lambda value: value == 0 or 2 <= value <= 10)],
    never: Confusions,
) -> None:
    """Score a classifier on the test split into a Report, and complete its run in MLflow unless tracking is off.

    Every number comes from one pass over the images, so that file, label and probabilities stay together. On a shard of
    the test rows it only predicts; on all of them it takes from such shards of its report what they predicted.

    Args:
        augmented: The plain images and their views; of several, those that the classifier was trained on are used.
        splits: The training and validation rows: means over views are calibrated on validation. Also the table of the
            images that leak between the parts.
        test_split: The test rows.
        classifier: The classifier.
        report: Scores with their intervals, predictions, and where the classifier fails.
        views: What it predicts from: `plain`, the image as it is; or `averaged`, the mean over it and fixed views, with
            a temperature of its own.
        batch_size: Images a batch.
        slices: Number of equal parts into which the test images are cut, by size and by brightness, to be scored each
            by itself; 0 for none.
        never: The confusions that must not happen, each a true class and the class that it must not be called: they
            are counted, with an upper limit of their rate, and validation gives a threshold that keeps them rare.

    Raises:
        UserError: Views are to be averaged, and there are none; the classifier was trained on others; or there is no
            such class.
    """
    from components.model.prediction import training_views
    from components.results import predicting, reporting, tracking

    trained_on = training_views(classifier, augmented)
    if test_split.shard:
        predicting.fill_shard(report, trained_on, test_split, classifier, views, batch_size)
        return
    reporting.fill_report(report, trained_on, splits, test_split, classifier, views, batch_size, slices, never)
    tracking.complete_run_or_warn(classifier, report)

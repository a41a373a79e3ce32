"""Average the classifiers of one comparison."""

from components.data.artifacts import Augmented, Classifier, Splits
from components.machinery.signature import Input, Output
from components.model.naming import model_of_step
from components.system.limits import Count


def average(
    augmented: Input[list[Augmented]],
    splits: Input[Splits],
    classifiers: Input[list[Classifier]],
    classifier: Output[Classifier],
    *,
    batch_size: Count,
) -> None:
    """Average the probabilities of classifiers: an ensemble, one classifier like any other.

    Its temperature is fitted on validation, and its scores there are those that it can be chosen by.

    Args:
        augmented: The plain images; of several sets, the one of the largest images that a classifier takes is used.
        splits: The training and validation rows.
        classifiers: The classifiers to average, all trained on these rows.
        classifier: The ensemble.
        batch_size: Images a batch.

    Raises:
        UserError: There is one classifier alone, or their images became squares in different ways.
    """
    from components.model import ensemble
    from components.results import tracking

    with tracking.live_run(classifier, model_of_step("average")):
        ensemble.average_classifiers(augmented, splits, classifiers, classifier, batch_size)

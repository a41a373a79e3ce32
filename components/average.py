"""Average the classifiers of one comparison."""

from components.data.artifacts import Augmented, Classifier, Splits
from components.machinery.signature import Input, Output
from components.model.naming import name_of
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

    Its temperature is fitted on validation, where its scores are those that it can be chosen by.

    Args:
        augmented: The plain images, of several those of the classifiers' size; their views are not used.
        splits: The training and validation rows.
        classifiers: What is averaged, all trained on these rows.
        classifier: The ensemble.
        batch_size: Images a batch.

    Raises:
        UserError: There is one classifier alone, or they take images of different sizes.
    """
    from components.model import ensemble
    from components.results import tracking

    with tracking.live_run(classifier, name_of("average")):
        ensemble.average(augmented, splits, classifiers, classifier, batch_size)

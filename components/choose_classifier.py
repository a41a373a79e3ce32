"""Choose among classifiers by validation."""

from components.data.artifacts import Classifier
from components.machinery.signature import Input, Output


def choose_classifier(arms: Input[list[Classifier]], classifier: Output[Classifier]) -> None:
    """Choose the classifier with the lowest log loss on validation, of several that differ in some parameters.

    The values of all and their log losses are kept with the chosen one. The test split is not read.

    Args:
        arms: The classifiers to choose from.
        classifier: A copy of the best.

    Raises:
        UserError: They are of different models, or two are alike.
    """
    from components.model import choosing

    choosing.copy_best(arms, classifier)

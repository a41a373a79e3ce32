"""Choose among classifiers by validation."""

from components.data.artifacts import Classifier
from components.machinery.signature import Input, Output


def choose_classifier(arms: Input[list[Classifier]], classifier: Output[Classifier]) -> None:
    """Choose the classifier with the lowest log loss on validation, of several trained alike but for some values.

    What was tried, and what it came to, goes with the chosen one. The test split is not read.

    Args:
        arms: What is chosen from.
        classifier: The chosen one.

    Raises:
        UserError: They are of different models, or two are alike.
    """
    from components.model import choosing

    choosing.choose(arms, classifier)

"""Put the reports of a recipe side by side."""

from components.data.artifacts import Comparison, Report
from components.machinery.signature import Input, Output


def compare(reports: Input[list[Report]], comparison: Output[Comparison]) -> None:
    """Put reports side by side, and say which model was chosen, how it did, and what the test images can tell apart.

    The choice is made on validation log loss; the test scores only say how good it was.

    Args:
        reports: Reports on the models, of which one may be there several times, trained with other parameters, or with
            other seeds or on other folds, which are its trials. The first report's test split is the main one.
        comparison: The table, the tests of every two models and the verdict.

    Raises:
        UserError: The reports are on several data sets or test splits, or two are on one and the same model.
    """
    from components.results import comparing

    comparing.compare(reports, comparison)

"""Compare the reports of a recipe."""

from components.data.artifacts import Comparison, Report
from components.machinery.signature import Input, Output


def compare(reports: Input[list[Report]], comparison: Output[Comparison]) -> None:
    """Compare ways of reuse: a table of their scores, a test of every pair, a verdict on the one that validation chose.

    A way's score is the mean over its trainings. The choice is made on validation log loss; the test scores only say
    how good the chosen way is.

    Args:
        reports: Reports on the models. A model may have several: with other parameters each is a way of its own; with
            other seeds or on other folds they are its trainings. The first report's test split is the main one.
        comparison: The table, the tests of every two ways and the verdict.

    Raises:
        UserError: The reports are on several data sets or test splits, or two are on one and the same model.
    """
    from components.results.comparing import compare_reports

    compare_reports(reports, comparison)

"""Put the reports of a recipe side by side."""

from components.data.artifacts import Comparison, Report
from components.step import Input, Output


def compare(reports: Input[list[Report]], comparison: Output[Comparison]) -> None:
    """Put reports on one test split side by side, and say which model was chosen and how it did.

    The choice is made on validation log loss; the test scores only say how good it was.

    Args:
        reports: Reports on the models, of which one may be there several times, trained with other parameters.
        comparison: The table, the verdict, the figures and a page of them all.
    """
    from components.results import comparing, tracking

    comparing.compare(reports, comparison)
    tracking.log_comparison_or_say(comparison, reports)

"""Draw a comparison and its reports as a page."""

from components.data.artifacts import Comparison, Drawings, Forecast, Page, Report
from components.data.records import Record
from components.machinery.signature import Input, OptionalInput, Output


def draw_comparison(
    comparison: Input[Comparison],
    reports: Input[list[Report]],
    drawings: Input[list[Drawings]],
    records: Input[list[Record]],
    forecasts: OptionalInput[list[Forecast]],
    page: Output[Page],
) -> None:
    """Draw a comparison and its reports into a folder with one HTML page, and log it to the runs in the journal.

    Args:
        comparison: The comparison.
        reports: The reports that were compared, in the same order.
        drawings: Figures of the data set; of several, the first are shown.
        records: Records of the steps behind them, for costs and versions; cells are empty where there is no record.
        forecasts: What more training images would bring to regressions on the networks' features, if there are any.
        page: The page, its text, the figures and the table of costs.

    Raises:
        UserError: The reports are not those that were compared.
    """
    from components.results import drawing, tracking

    costs = drawing.draw_comparison(comparison, reports, drawings, records, forecasts, page)
    tracking.log_page_or_warn(page, comparison, reports, costs)

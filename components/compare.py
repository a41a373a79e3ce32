"""Put the reports of a recipe side by side."""

from components.data.artifacts import Comparison, Report
from components.step import Input, Output


def compare(
    benchmark: Input[Report],
    top: Input[Report],
    fine_tuned: Input[Report],
    comparison: Output[Comparison],
) -> None:
    """Put the reports of a recipe side by side, and say which model was chosen and how it did.

    The choice is made on validation log loss; the test scores only say how good it was.

    Args:
        benchmark: Report on the network trained from scratch.
        top: Report on the head on the frozen backbone.
        fine_tuned: Report on the fine-tuned network.
        comparison: The table, the verdict and the figures.
    """
    from components.results import comparing

    comparing.compare([benchmark, top, fine_tuned], comparison)

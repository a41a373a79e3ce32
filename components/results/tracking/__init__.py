"""The journal: one MLflow run for each model trained, its model to serve, comparisons, and a registry of champions.

The artifacts hold the whole record; nothing is ever read back from the journal into a result.
"""

from components.results.tracking.comparisons import log_comparison, log_comparison_or_say
from components.results.tracking.runs import address, complete, complete_or_say, experiments, live
from components.results.tracking.store import client

__all__ = [
    "address",
    "client",
    "complete",
    "complete_or_say",
    "experiments",
    "live",
    "log_comparison",
    "log_comparison_or_say",
]

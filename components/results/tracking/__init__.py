"""The journal: one MLflow run for each model trained, its model to serve, comparisons, and a registry of champions.

Artifacts and records hold the whole of it; nothing is ever read back from the journal into a result.
"""

from components.results.tracking.comparisons import log_page, log_page_or_say
from components.results.tracking.runs import address, complete, complete_or_say, experiments, live
from components.results.tracking.store import client

__all__ = [
    "address",
    "client",
    "complete",
    "complete_or_say",
    "experiments",
    "live",
    "log_page",
    "log_page_or_say",
]

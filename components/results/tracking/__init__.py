"""The journal: one MLflow run for each model trained, its model to serve, comparisons, and a registry of champions.

Artifacts and records hold the whole of it; nothing is ever read back from the journal into a result.
"""

from components.results.tracking.comparisons import log_page, log_page_or_warn
from components.results.tracking.probes import log_probe, log_probe_or_warn
from components.results.tracking.runs import complete_run, complete_run_or_warn, experiment_ids, live_run, run_address
from components.results.tracking.store import client

__all__ = [
    "client",
    "complete_run",
    "complete_run_or_warn",
    "experiment_ids",
    "live_run",
    "log_page",
    "log_page_or_warn",
    "log_probe",
    "log_probe_or_warn",
    "run_address",
]

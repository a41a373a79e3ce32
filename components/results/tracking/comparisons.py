"""Comparisons in the journal: an artifact of every run that was compared."""

from collections.abc import Sequence

from components.data.artifacts import Comparison, Report
from components.errors import UserError
from components.results.tracking import runs, store

COMPARED = "graft.comparison"
FILES = ("comparison.html", "comparison.txt", "comparison.csv", "pairs.csv")


@store.plain()
def log_comparison(comparison: Comparison, reports: Sequence[Report]) -> bool:
    """Put the page, the text and the tables of a comparison on every run compared; return whether one lacked them.

    Of a run that is in several comparisons the last one's are kept.

    Raises:
        UserError: The store does not answer or refuses, the journal is off, or it has no run of a model compared.
    """
    found = [(report, runs.find(comparison.facts["data_set"], report.facts["fingerprint"])) for report in reports]
    lacking = []
    for report, run in found:
        if run is None:
            raise UserError(f"the journal has no run of {report.path} to put the comparison on")
        if run.data.tags.get(COMPARED) != comparison.digest:
            lacking.append(run.info.run_id)
    files = [comparison.path / name for name in FILES]
    for run_id in lacking:
        for file in files:
            if file.exists():
                store.client().log_artifact(run_id, str(file), "comparison")
        store.client().set_tag(run_id, COMPARED, comparison.digest)
    return bool(lacking)


def log_comparison_or_say(comparison: Comparison, reports: Sequence[Report]) -> None:
    """Put a comparison on the runs compared; where the store does not answer, say so in one line."""
    if store.address() != "off":
        store.attempt(log_comparison, comparison, reports)

"""Comparisons in the journal: the page, and the figures and costs of each run that was compared."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from components.data.artifacts import Comparison, Page, Report
from components.results import titles
from components.results.tracking import runs, store
from components.system.errors import UserError

if TYPE_CHECKING:
    from mlflow.entities import Run

COMPARED = "graft.comparison"  # the page that a run has


@store.plain()
def log_page(
    page: Page, comparison: Comparison, reports: Sequence[Report], costs: Mapping[str, Mapping[str, float]]
) -> bool:
    """Put a page, its tables, and a report's figures and costs on every run compared; return whether one lacked them.

    Of a run that is in several comparisons the last one's are kept.

    Args:
        page: The page.
        comparison: What it shows.
        reports: The reports that were compared.
        costs: What is known of the costs of each report, by its fingerprint.

    Raises:
        UserError: The store does not answer or refuses, the journal is off, or it has no run of a model compared.
    """
    digest, names = page.content_digest(), page.table("costs.csv").set_index("fingerprint")["report"]
    found = [(report, find_run(report)) for report in reports]
    lacking = [(report, run) for report, run in found if run.data.tags.get(COMPARED) != digest]
    files = [page.path / name for name in ("comparison.html", "comparison.txt", "costs.csv")]
    files += [comparison.path / name for name in ("comparison.csv", "pairs.csv")]
    for report, run in lacking:
        run_id, fingerprint = run.info.run_id, report.facts.fingerprint
        for file in files:
            store.client().log_artifact(run_id, str(file), "comparison")
        figures = page.path / "figures" / titles.folder_name(names[fingerprint])
        store.client().log_artifacts(run_id, str(figures), "report/figures")
        runs.log_costs(run, costs[fingerprint])
        store.client().set_tag(run_id, COMPARED, digest)
    return bool(lacking)


def log_page_or_say(
    page: Page, comparison: Comparison, reports: Sequence[Report], costs: Mapping[str, Mapping[str, float]]
) -> None:
    """Put a page on the runs compared; where the store does not answer, say so in one line."""
    if store.address() != "off":
        store.attempt(log_page, page, comparison, reports, costs)


def find_run(report: Report) -> "Run":
    """Return the run of a report.

    Raises:
        UserError: The journal has none.
    """
    run = runs.find(report.facts.data_set, runs.FINGERPRINT, report.facts.fingerprint)
    if run is None:
        raise UserError(f"the journal has no run of {report.path} to put the comparison on")
    return run

"""What lies in artifacts/ for the journal: reports with the records of their making, their models, and the pages."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.data.artifacts import Classifier, Comparison, Page, Report
from components.data.records import Record, records_by_step
from components.results import costs, tracking
from components.system.errors import UserError
from pipeline.places import ARTIFACTS


class Results:
    """All that has been made and can be read, whichever recipe asked for it first.

    Attributes:
        reports: By fingerprint, each with its record where there is one.
        classifiers: By digest.
        records: All of them.
        pages: All of them.
        unread: What is wrong, by the recipe of which nothing is taken because something of it cannot be read.
    """

    def __init__(self) -> None:
        self.reports: dict[str, Report] = {}
        self.classifiers: dict[str, Classifier] = {}
        self.records: list[Record] = []
        self.pages: list[Page] = []
        self.unread: dict[str, UserError] = {}
        for recipe in sorted(path for path in ARTIFACTS.glob("*") if path.is_dir()):
            try:
                self._read(recipe)
            except UserError as error:
                self.unread[recipe.name] = error

    def _read(self, folder: Path) -> None:
        """Add what lies in a folder: all of it, or nothing where something cannot be read."""
        records = Record.read_all([folder])
        classifiers, reports, pages = Classifier.list_in(folder), Report.list_in(folder), Page.list_in(folder)
        self.records += records
        self.pages += pages
        self.classifiers |= {classifier.digest: classifier for classifier in classifiers}
        for report in reports:
            report.record = records_by_step(report.manifest["lineage"], records).get("evaluate", Record())
            self.reports.setdefault(report.facts.fingerprint, report)

    def classifier_of(self, report: Report) -> Classifier:
        """Return the classifier that a report is on.

        Raises:
            UserError: It is not there.
        """
        if report.facts.classifier not in self.classifiers:
            raise UserError(f"{report.path} is of a classifier that is not there: `dvc repro` makes both anew")
        return self.classifiers[report.facts.classifier]


def log(results: Results) -> bool:
    """Write whatever the journal lacks of some results, a line each; return whether all could be read and written.

    Raises:
        UserError: The journal does not answer or refuses.
    """
    for name, error in results.unread.items():
        print(f"{name}: {error}", file=sys.stderr)
    spent = {
        fingerprint: costs.report_costs(report, results.records) for fingerprint, report in results.reports.items()
    }
    logged: dict[str, Report] = {}

    def log_report(report: Report) -> bool:
        fingerprint = report.facts.fingerprint
        written = tracking.complete_run(results.classifier_of(report), report, spent[fingerprint])
        logged[fingerprint] = report
        return written

    def log_page(page: Page) -> bool:
        """Put a page on the runs of those reports on it that are logged; one that was made anew is on no page yet."""
        shown = [logged[name] for name in page.table("costs.csv")["fingerprint"] if name in logged]
        return tracking.log_page(page, Comparison.read(page.path.with_name("comparison")), shown, spent)

    done = [attempt(report.path, log_report, report) for report in results.reports.values()]
    done += [attempt(page.path.with_name("comparison"), log_page, page) for page in results.pages]
    return all(done) and not results.unread


def attempt(path: Path, action: Callable[..., bool], *arguments: Any) -> bool:
    """Say in a line whether something was written or was there, or why it could not be; return whether it could.

    Raises:
        UserError: It could not because the journal does not answer.
    """
    recipe, *inside = path.relative_to(ARTIFACTS).parts
    name = f"{recipe}, {'/'.join(inside)}"
    try:
        print(f"{name}: {'written' if action(*arguments) else 'was there'}")
    except UserError as error:
        tracking.experiment_ids()
        print(f"{name}: {error}", file=sys.stderr)
        return False
    return True

"""What lies in artifacts/ for the journal: reports with the records of their making, their models, and the pages."""

from pathlib import Path

from components.data.artifacts import Classifier, Comparison, Page, Report
from components.data.records import Record, records_behind
from components.errors import UserError


class Results:
    """All that has been made and can be read, whichever recipe asked for it first.

    Attributes:
        reports: By fingerprint, each with its record where there is one.
        classifiers: By digest.
        records: All of them.
        pages: All of them.
    """

    def __init__(self) -> None:
        self.reports: dict[str, Report] = {}
        self.classifiers: dict[str, Classifier] = {}
        self.records: list[Record] = []
        self.pages: list[Page] = []

    @classmethod
    def of(cls, artifacts: Path) -> "Results":
        """Return all that lies in a folder.

        Raises:
            UserError: Something there cannot be read.
        """
        results = cls()
        for recipe in sorted(path for path in artifacts.glob("*") if path.is_dir()):
            results.read(recipe)
        return results

    def read(self, folder: Path) -> None:
        """Add what lies in a folder: all of it, or nothing where something cannot be read.

        Raises:
            UserError: Something cannot be read.
        """
        records = Record.read_all([folder])
        classifiers, reports, pages = Classifier.list_in(folder), Report.list_in(folder), Page.list_in(folder)
        for report in reports:
            report.record = records_behind(report.manifest["lineage"], records).get("evaluate", Record())
        self.records += records
        self.pages += pages
        self.classifiers |= {classifier.digest: classifier for classifier in classifiers}
        for report in reports:
            self.reports.setdefault(report.facts["fingerprint"], report)

    def classifier_of(self, report: Report) -> Classifier:
        """Return the classifier that a report is on.

        Raises:
            UserError: It is not there.
        """
        if report.facts["classifier"] not in self.classifiers:
            raise UserError(f"{report.path} is of a classifier that is not there: `dvc repro` makes both anew")
        return self.classifiers[report.facts["classifier"]]

    def comparison_of(self, page: Page) -> Comparison:
        """Return the comparison that a page shows.

        Raises:
            UserError: It is not there.
        """
        return Comparison.read(page.path.with_name("comparison"))

    def reports_of(self, page: Page) -> list[Report]:
        """Return those reports on a page that are there; one that was made anew is on no page yet."""
        shown = page.table("costs.csv")["fingerprint"]
        return [self.reports[fingerprint] for fingerprint in shown if fingerprint in self.reports]

"""Reads the results and records in artifacts/, and writes what the MLflow journal lacks of them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.data.artifacts import Classifier, Comparison, Page, Probe, Report
from components.data.records import Record, records_by_step
from components.results import costs, tracking
from components.system.errors import UserError
from pipeline.places import ARTIFACTS


class Results:
    """The results in artifacts/ that can be read.

    Attributes:
        reports: By fingerprint, each with its record where there is one.
        classifiers: By digest.
        records: Of all runs.
        pages: Of all recipes.
        probes: Of all candidates.
        unread: Why a recipe has no results here, by recipe: something of it cannot be read.
    """

    def __init__(self) -> None:
        self.reports: dict[str, Report] = {}
        self.classifiers: dict[str, Classifier] = {}
        self.records: list[Record] = []
        self.pages: list[Page] = []
        self.probes: list[Probe] = []
        self.unread: dict[str, UserError] = {}
        for recipe in sorted(path for path in ARTIFACTS.glob("*") if path.is_dir()):
            try:
                self._read(recipe)
            except UserError as error:
                self.unread[recipe.name] = error

    def _read(self, folder: Path) -> None:
        """Add the results in a recipe's folder; if one of them cannot be read, raise and add none.

        Of several reports with one fingerprint the first that is read stays.

        Raises:
            UserError: One cannot be read.
        """
        records = Record.read_all([folder])
        classifiers, reports, pages = Classifier.list_in(folder), Report.list_in(folder), Page.list_in(folder)
        probes = Probe.list_in(folder)
        for step, results in (("probe", probes), ("evaluate", reports)):
            for result in results:
                result.record = records_by_step(result.manifest["lineage"], records).get(step, Record())
        fingerprints = [report.facts.fingerprint for report in reports]
        self.records += records
        self.pages += pages
        self.probes += probes
        self.classifiers |= {classifier.digest: classifier for classifier in classifiers}
        for fingerprint, report in zip(fingerprints, reports, strict=True):
            self.reports.setdefault(fingerprint, report)

    def classifier_of(self, report: Report) -> Classifier:
        """Return the classifier that a report scores, by the digest that the report names.

        Raises:
            UserError: It is not there.
        """
        if report.facts.classifier not in self.classifiers:
            raise UserError(f"{report.path} is of a classifier that is not there: `dvc repro` makes both anew")
        return self.classifiers[report.facts.classifier]


def log(results: Results) -> bool:
    """Write to the journal what it lacks of reports, pages and probes, a line for each; return whether none failed.

    A recipe that cannot be read has failed as well; what the journal already had has not.

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
        """Add a page to the runs of its reports that are logged, and return whether a run lacked it."""
        reports = [logged[name] for name in page.table("costs.csv")["fingerprint"] if name in logged]  # not a newer one
        return tracking.log_page(page, Comparison.read(page.path.with_name("comparison")), reports, spent)

    done = [write_and_print(report.path, log_report, report) for report in results.reports.values()]
    done += [write_and_print(page.path.with_name("comparison"), log_page, page) for page in results.pages]
    done += [write_and_print(probe.path, tracking.log_probe, probe) for probe in results.probes]
    return all(done) and not results.unread


def write_and_print(path: Path, action: Callable[..., bool], *arguments: Any) -> bool:
    """Call an action, print `written` or `was there` as it returns True or False; return False only on a UserError.

    Raises:
        UserError: The journal does not answer.
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

"""Comparisons in the journal: the page, and the figures and costs of each run that was compared."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import isfinite
from time import time
from typing import TYPE_CHECKING

from components.data.artifacts import Comparison, Page, Report
from components.results import titles
from components.results.texts import markdown
from components.results.tracking import runs, store, view
from components.results.tracking.ways import TRIALS, WAY
from components.scores.registry import MAIN
from components.system.errors import UserError

if TYPE_CHECKING:
    from mlflow.entities import Run

COMPARED = "graft.comparison"  # the page that a run has


@store.one_line_errors()
@store.repeat_on_conflict
def log_page(
    page: Page, comparison: Comparison, reports: Sequence[Report], costs: Mapping[str, Mapping[str, float]]
) -> bool:
    """Log a page, its tables, and each report's figures and costs to those runs that lack them; return whether any did.

    The scores of its way, means over trainings, become metrics of each run, as `way_kappa` with `way_kappa_low`.
    Of a run that is in several comparisons the last one's are kept.

    Args:
        page: The page.
        comparison: The comparison that it shows.
        reports: The reports that were compared.
        costs: Costs of each report, as far as records say, by its fingerprint.

    Raises:
        UserError: The store does not answer or refuses, the journal is off, or it has no run of a model compared.
    """
    digest, names = page.content_digest(), page.table("costs.csv").set_index("fingerprint")["report"]
    reported = [(report, require_run(report)) for report in reports]
    incomplete = [(report, run) for report, run in reported if run.data.tags.get(COMPARED) != digest]
    files = [page.path / name for name in ("comparison.html", "comparison.txt", "costs.csv")]
    files += [comparison.path / name for name in ("comparison.csv", "pairs.csv")]
    table = comparison.table("comparison.csv").set_index("model")
    way_of = comparison.table("trials.csv").set_index("fingerprint")["model"]
    for report, run in incomplete:
        run_id, fingerprint = run.info.run_id, report.facts.fingerprint
        for file in files:
            store.client().log_artifact(run_id, str(file), "comparison")
        figures = page.path / "figures" / titles.folder_name(names[fingerprint])
        runs.log_folder(partial(store.client().log_artifact, run_id), figures, "report/figures")
        names_of_way = [f"{name}{end}" for name in MAIN for end in ("", "_low", "_high")]
        of_way = {f"way_{score}": float(table[score][way_of[fingerprint]]) for score in names_of_way}
        runs.log_missing(run, costs[fingerprint])
        runs.log_scores(run, of_way, time_ms=int(time() * 1000))  # another comparison may have others
        store.client().set_tag(run_id, COMPARED, digest)
    if incomplete:
        describe_experiment(page, incomplete[0][1])
        experiment = incomplete[0][1].info.experiment_id
        logged = store.client().search_runs([experiment])
        view.save_view(store.client(), experiment, *ways_and_varied_parameters(logged))
    return bool(incomplete)


def ways_and_varied_parameters(logged: Sequence["Run"]) -> tuple[list[str], list[str]]:
    """Return the names of the ways that runs are of, and the names of the numeric parameters in which the ways differ.

    Those are parameters that every way has, as MLflow draws no parallel coordinates of groups where one lacks a number,
    but no seeds or folds. Those of steps come first.
    """
    by_way = {run.data.tags[WAY]: run.data.params for run in logged if WAY in run.data.tags}
    shared = set.intersection(*map(set, by_way.values())) if by_way else set()
    names = sorted(shared, key=lambda name: ("." not in name, name))
    names = [name for name in names if name.rpartition(".")[2] not in TRIALS]
    values = {name: [params[name] for params in by_way.values()] for name in names}
    return [*by_way], [name for name, ones in values.items() if len({*ones}) > 1 and all(map(is_number, ones))]


def is_number(text: str) -> bool:
    """Return whether a parameter's text is that of a number."""
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def describe_experiment(page: Page, run: "Run") -> None:
    """Make the answer of the page, and a link to it at a run that has it, the description of the run's experiment.

    Its first paragraph is all that MLflow shows of it until it is opened: recipe and verdict.
    """
    experiment, run_id = run.info.experiment_id, run.info.run_id
    title, *_, answer = (page.path / "comparison.txt").read_text(encoding="utf-8").strip().split("\n\n")
    verdict, *others = map(markdown, answer.splitlines())
    link = f"#/experiments/{experiment}/runs/{run_id}/artifacts/comparison/comparison.html?{view.MODE}"
    recipe, _, measured = title.partition(": ")
    paragraphs = [f"**{markdown(recipe)}:** {verdict}", *others, f"[The page]({link}): {markdown(measured)}"]
    store.client().set_experiment_tag(experiment, "mlflow.note.content", "\n\n".join(paragraphs))


def log_page_or_warn(
    page: Page, comparison: Comparison, reports: Sequence[Report], costs: Mapping[str, Mapping[str, float]]
) -> None:
    """Log a page to the runs compared; print one line where that fails, do nothing where the journal is off."""
    if store.tracking_address() != "off":
        store.attempt(log_page, page, comparison, reports, costs)


def require_run(report: Report) -> "Run":
    """Return the run of a report in the journal; raise where it has none.

    Raises:
        UserError: The journal has none.
    """
    run = runs.find_run(report.facts.data_set, runs.FINGERPRINT, report.facts.fingerprint)
    if run is None:
        raise UserError(f"the journal has no run of {report.path} to put the comparison on")
    return run

"""What is drawn of a comparison and the reports that it is of: figures, a text and a page."""

from collections.abc import Sequence

import pandas as pd

from components.data import leakage
from components.data.artifacts import Comparison, Page, Report
from components.data.records import Record
from components.results import comparing, failures, figures, page, titles
from components.results.costs import COLUMNS, costs
from components.scores.registry import MAIN, SCORES
from components.system import processes
from components.system.errors import UserError


def draw_comparison(
    comparison: Comparison, reports: Sequence[Report], records: Sequence[Record], shown: Page
) -> dict[str, dict[str, float]]:
    """Fill a Page, print its text, and return what is known of the costs of each report, by its fingerprint.

    Raises:
        UserError: The reports are not those that were compared.
    """
    models = comparing.names(reports)
    compared = comparison.table("trials.csv")["fingerprint"].tolist()
    if [report.facts["fingerprint"] for trials in models.values() for report in trials] != compared:
        raise UserError("draw_comparison: other reports were compared: give those that compare was given, in its order")
    main, recipe = {name: trials[0] for name, trials in models.items()}, shown.record.recipe
    found = {report.facts["fingerprint"]: costs(report, records) for report in reports}
    named = comparing.trial_names(models)
    rows = [{"report": name, "fingerprint": one.facts["fingerprint"]} for name, one in named.items()]
    table = pd.DataFrame([{**row, **found[row["fingerprint"]]} for row in rows])
    shown.write_table("costs.csv", table.reindex(columns=["report", "fingerprint", *COLUMNS]))
    processes.call_in_processes(
        draw_report,
        (
            (report, titles.title(report, recipe, name), shown, titles.folder_name(name))
            for name, report in named.items()
        ),
    )

    scores = comparison.table("comparison.csv").set_index("model")
    scores["seconds_training"] = [
        found[report.facts["fingerprint"]].get("seconds_training", float("nan")) for report in main.values()
    ]
    said = comparison.read_values("verdict")
    what = recipe or comparison.facts["data_set"]
    figures.comparison(scores, shown.figure("comparison"), f"{what}: {said['verdict'][0]}")
    curves = {name: report.table("curves.csv") for name, report in main.items() if report.facts["epochs"]}
    best = {name: int(main[name].metrics["best_epoch"]) for name in curves}
    figures.model_curves(curves, best, shown.figure("validation_curves"), f"{what}: validation, epoch by epoch")

    title = f"{what}: {int(scores['test_images'].iloc[0])} test images"
    texts, note = score_texts(scores), f"95 % intervals in brackets; {baselines(scores)}"
    sentences = [*said["verdict"], *said["warnings"]]
    text = "\n".join([title, "", texts.to_string(), f"* best on test; {note}", "", *sentences, *said["trials"], ""])
    (shown.path / "comparison.txt").write_text(text, encoding="utf-8")
    page.write(shown, comparison, main, title, texts, note, sentences, found, records)
    print(f"\n{text}")
    return found


def draw_report(report: Report, title: str, shown: Page, folder: str) -> None:
    """Draw the figures of a report into a folder of a page's figures."""
    classes, model, scores = report.facts["classes"], report.facts["model"], report.read_values("metrics")
    history = report.table("curves.csv")
    file = shown.figure(f"{folder}/learning_curves")
    if history.empty:
        figures.statement(file, title, "It was not trained epoch by epoch")
    else:
        figures.learning_curves(history, report.facts["best_epoch"], file, title)

    calibration = report.table("calibration.csv")
    bins = {str(name): rows for name, rows in calibration.groupby("temperature", sort=False)}
    note = (
        f"Before and after the temperature: expected calibration error {scores['ece_uncalibrated']:.3f} and "
        f"{scores['ece']:.3f}, log loss {scores['log_loss_uncalibrated']:.3f} and {scores['log_loss']:.3f}."
    )
    headed = f"{title}: how sure, and how right"
    figures.reliability(bins, shown.figure(f"{folder}/reliability"), headed, note, model)

    counts = failures.report_confusion_matrix(report)
    figures.confusion_matrix(counts, classes, shown.figure(f"{folder}/confusion_matrix"), f"{title}, test")
    of_each = report.table("classes.csv")
    figures.per_class(of_each, shown.figure(f"{folder}/classes"), f"{title}: class by class", model)
    slices = report.table("slices.csv")
    if not slices.empty:
        headed = f"{title}: by {' and '.join(slices['by'].unique())} of the test images"
        figures.slices(slices, scores, shown.figure(f"{folder}/slices"), headed, model)
    draw_mistakes(report, title, shown, folder)

    leaks, thumbnails = report.table("leakage.csv"), report.arrays("leakage")
    examples = leakage.examples(leaks)
    pairs = [[thumbnails[f"{row}"], thumbnails[f"{row}_other"]] for row in examples]
    figures.leakage(leaks, examples, pairs, shown.figure(f"{folder}/leakage"))


def draw_mistakes(report: Report, title: str, shown: Page, folder: str) -> None:
    """Draw the test images that a report shows, wrong and right, each with what in it spoke for its class."""
    predictions, mistakes, arrays = (
        report.table("predictions.csv"),
        report.table("mistakes.csv"),
        report.arrays("mistakes"),
    )
    wrong = int((predictions["label"] != predictions["predicted"]).sum())
    part = f"; the {failures.WRONG} most confident" if wrong > failures.WRONG else ""
    figures.mistakes(
        [*arrays["images"]],
        arrays.get("heats"),
        mistakes["label"].tolist(),
        mistakes["predicted"].tolist(),
        mistakes["probability"].tolist(),
        shown.figure(f"{folder}/mistakes"),
        f"{title}: {wrong:,} of {len(predictions):,} test images wrong{part}",
    )


def score_texts(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores as text, the test scores with their intervals, the best of each with a star."""
    table = pd.DataFrame(index=scores.index)
    for name in MAIN:
        best = SCORES[name].best(scores[name])
        columns = (scores[name], scores[f"{name}_low"], scores[f"{name}_high"])
        table[SCORES[name].title] = [
            f"{x:.3f} [{low:.3f}, {high:.3f}]{'*' if x == best else ' '}" for x, low, high in zip(*columns, strict=True)
        ]
    for name, score in SCORES.items():
        if score.main and score.on_validation:
            table[f"val. {score.title}"] = [f"{x:.3f}" for x in scores[f"validation_{name}"]]
    table["train s"] = ["" if pd.isna(x) else f"{x:.1f}" for x in scores["seconds_training"]]
    return table


def baselines(scores: pd.DataFrame) -> str:
    """Return in words what one scores on the test images without looking at them."""
    first = scores.iloc[0]
    return f"without looking: accuracy {first['majority_accuracy']:.3f}, log loss {first['prior_log_loss']:.3f}"

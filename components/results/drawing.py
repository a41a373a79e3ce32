"""The drawing of a comparison and of the reports behind it: figures, a text, a page."""

from collections.abc import Mapping, Sequence

import pandas as pd

from components.data import leakage
from components.data.artifacts import Comparison, Drawings, Forecast, Page, Report
from components.data.records import Record
from components.results import failures, figures, titles
from components.results.answers import answer_sentences
from components.results.costs import COLUMNS, comparison_costs
from components.results.page import write_page
from components.results.texts import with_interval
from components.results.trials import reports_by_name, trials_by_model
from components.results.verdicts import few_trainings_sentence
from components.scores.pairs import best_ways
from components.scores.registry import MAIN, SCORES
from components.system import processes
from components.system.errors import UserError


def draw_comparison(
    comparison: Comparison,
    reports: Sequence[Report],
    drawings: Sequence[Drawings],
    records: Sequence[Record],
    forecasts: Sequence[Forecast],
    page: Page,
) -> dict[str, dict[str, float]]:
    """Write a page's costs.csv, figures, text and HTML; return each report's costs on record, by its fingerprint.

    Raises:
        UserError: The reports are not those that were compared.
    """
    models = trials_by_model(reports)
    compared = comparison.table("trials.csv")["fingerprint"].tolist()
    if [report.facts.fingerprint for trials in models.values() for report in trials] != compared:
        raise UserError("draw_comparison: other reports were compared: give those that compare was given, in its order")
    main, recipe = {name: trials[0] for name, trials in models.items()}, page.record.recipe
    costs = comparison_costs(models, records)
    by_name = reports_by_name(models)
    rows = [{"report": name, "fingerprint": report.facts.fingerprint} for name, report in by_name.items()]
    table = pd.DataFrame([{**row, **costs[row["fingerprint"]]} for row in rows])
    page.write_table("costs.csv", table.reindex(columns=["report", "fingerprint", *COLUMNS, "seconds_shared"]))
    processes.call_in_processes(
        draw_report,
        (
            (report, titles.model_title(report, recipe, name), page, titles.folder_name(name))
            for name, report in by_name.items()
        ),
    )

    scores = comparison.table("comparison.csv").set_index("model")
    of_way = {name: costs[report.facts.fingerprint] for name, report in main.items()}
    scores = scores.assign(
        **{
            name: [one.get(name, float("nan")) for one in of_way.values()]
            for name in ("seconds_total", "seconds_shared", "gpu_hours")
        },
        million_weights=[report.facts.model_parameters / 1e6 for report in main.values()],
        milliseconds=[milliseconds(one) for one in of_way.values()],
    )
    verdict, pairs, trials = (
        comparison.read_values("verdict"), comparison.table("pairs.csv"), comparison.table("trials.csv"),
    )  # fmt: skip
    subject = recipe or comparison.facts.data_set
    choice = next(sentence for sentence in verdict["verdict"] if " is chosen on validation" in sentence)
    figures.draw_model_scores(scores, trials, page.figure("comparison"), f"{subject}: {choice}")
    figures.draw_fronts(scores, page.figure("fronts"), f"{subject}: what accuracy costs")
    curves = {name: report.table("curves.csv") for name, report in main.items() if report.facts.epochs}
    best = {name: int(main[name].metrics["best_epoch"]) for name in curves}
    figures.draw_model_curves(curves, best, page.figure("validation_curves"), f"{subject}: validation, epoch by epoch")

    title = f"{subject}: {int(scores['test_images'].iloc[0]):,} test images{trainings_text(scores)}"
    table, note = score_table(scores, pairs), f"95 % intervals in brackets; {baseline_note(scores)}"
    answer = answer_sentences(scores, pairs, main, of_way)
    few = few_trainings_sentence(scores)
    cautions = [*filter(None, [few]), *verdict["cautions"], *verdict["warnings"]]
    reasons = [sentence.removeprefix(few).lstrip() for sentence in verdict["verdict"]]  # the first begins with it
    text = "\n".join([title, "", table.to_string(), f"* none is better; {note}", "", *answer, *cautions, ""])
    (page.path / "comparison.txt").write_text(text, encoding="utf-8")
    write_page(
        page,
        comparison,
        models,
        title,
        scores,
        table,
        note,
        answer,
        cautions,
        reasons,
        drawings,
        costs,
        records,
        forecasts,
    )
    return costs


def milliseconds(costs: Mapping[str, float]) -> float:
    """Return the milliseconds that an image took in evaluation, by a report's costs; not a number where unknown."""
    return 1000 / costs.get("images_per_second_evaluation", float("nan"))


def draw_report(report: Report, title: str, page: Page, folder: str) -> None:
    """Draw a report's figures as PNG files into `figures/FOLDER` of a page; none where there is nothing to draw."""
    classes, model, scores = report.facts.classes, report.facts.model, report.read_values("metrics")
    history = report.table("curves.csv")
    file = page.figure(f"{folder}/learning_curves")
    if not history.empty:
        figures.draw_training_curves(history, report.facts.best_epoch, file, title, report.facts.averaged_runs)

    calibration = report.table("calibration.csv")
    bins = {str(name): rows for name, rows in calibration.groupby("temperature", sort=False)}
    note = (
        f"Before and after the temperature: expected calibration error {scores['ece_uncalibrated']:.3f} and "
        f"{scores['ece']:.3f} ({scores['ece_chance']:.3f} by chance alone), log loss "
        f"{scores['log_loss_uncalibrated']:.3f} and {scores['log_loss']:.3f}."
    )
    heading = f"{title}: confidence and accuracy"
    figures.draw_reliability(bins, page.figure(f"{folder}/reliability"), heading, note, model)

    counts = failures.report_confusion_matrix(report)
    figures.draw_confusion_matrix(counts, classes, page.figure(f"{folder}/confusion_matrix"), f"{title}, test")
    class_scores = report.table("classes.csv")
    figures.draw_class_scores(class_scores, page.figure(f"{folder}/classes"), f"{title}: class by class", model)
    slices = report.table("slices.csv")
    if slices["by"].duplicated().any():
        heading = f"{title}: by {' and '.join(slices['by'].unique())} of the test images"
        figures.draw_slice_scores(slices, scores, page.figure(f"{folder}/slices"), heading, model)
    draw_report_mistakes(report, title, page, folder)

    leaks, thumbnails = report.table("leakage.csv"), report.arrays("leakage")
    if not leaks.empty:
        examples = leakage.example_rows(leaks)
        pairs = [[thumbnails[f"{row}"], thumbnails[f"{row}_other"]] for row in examples]
        figures.draw_leakage(leaks, examples, pairs, page.figure(f"{folder}/leakage"))


def draw_report_mistakes(report: Report, title: str, page: Page, folder: str) -> None:
    """Draw `mistakes.png`: a report's example images, wrong then right, each beside its heat map if there is one."""
    predictions, mistakes = report.table("predictions.csv"), report.table("mistakes.csv")
    arrays = report.arrays("mistakes")
    wrong = int((predictions["label"] != predictions["predicted"]).sum())
    part = f"; the {failures.WRONG} most confident" if wrong > failures.WRONG else ""
    figures.draw_mistakes(
        [*arrays["images"]],
        arrays.get("heats"),
        mistakes["label"].tolist(),
        mistakes["predicted"].tolist(),
        mistakes["probability"].tolist(),
        page.figure(f"{folder}/mistakes"),
        f"{title}: {wrong:,} of {len(predictions):,} test images wrong{part}",
    )


def trainings_text(scores: pd.DataFrame) -> str:
    """Return a title's end, such as `, means of 3 trainings on 5 folds`; empty if no model was trained several times.

    The folds are named only where there are several.

    Ways without chance, whose one training counts as all that there are, are left out.
    """
    trainings = scores["trainings"][[titles.has_chance(str(name)) for name in scores.index]]
    fewest, most = (int(value) for value in trainings.agg(["min", "max"]).fillna(1))
    folds = int(scores["folds"].max())
    if most == 1:
        return ""
    number = f"{most}" if fewest == most else f"{fewest} to {most}"
    return f", means of {number} trainings" + (f" on {folds} folds" if folds > 1 else "")


def score_table(scores: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the comparison as texts: main test scores, each starred if no way beats it, `val.` ones, `s in all`.

    A score without a star ends with a blank; `s in all`, what one such model took with shared work, is empty where it
    is unknown.

    Args:
        scores: A row a way, as in `comparison.csv`, with `seconds_total`.
        pairs: A row a pair of ways, as in `pairs.csv`.
    """
    table = pd.DataFrame(index=scores.index)
    for name in MAIN:
        best = best_ways(pairs, [*map(str, scores.index)], name)
        columns = (scores.index, scores[name], scores[f"{name}_low"], scores[f"{name}_high"])
        table[SCORES[name].title] = [
            with_interval(value, low, high) + ("*" if way in best else " ")
            for way, value, low, high in zip(*columns, strict=True)
        ]
    for name, score in SCORES.items():
        if score.main and score.on_validation:
            table[f"val. {score.title}"] = [f"{value:.3f}" for value in scores[f"validation_{name}"]]
    table["s in all"] = ["" if pd.isna(seconds) else f"{seconds:.1f}" for seconds in scores["seconds_total"]]
    return table


def baseline_note(scores: pd.DataFrame) -> str:
    """Return `baselines: always the commonest class, accuracy 0.110; the class frequencies, log loss 2.303`."""
    first = scores.iloc[0]
    return (
        f"baselines: always the commonest class, accuracy {first['majority_accuracy']:.3f}; "
        f"the class frequencies, log loss {first['prior_log_loss']:.3f}"
    )

"""The comparison as one self-contained page of HTML: for a browser, a phone, a printer, Kubeflow's UI.

It runs no script: charts follow light and dark, marks have their values as titles, and a style sheet hides models.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from components.data import leakage
from components.data.artifacts import PROBABILITY, Artifact, Comparison, Drawings, Forecast, Page, Report, ReportFacts
from components.data.records import Record, records_by_step
from components.model.registry import MODELS
from components.results import charts, failures, pictures, rebuilding, titles
from components.results.costly_mistakes import costly_mistakes
from components.results.costs import SHARED, WORK, seconds_promised_and_taken, shared_work
from components.results.figures.fronts import front_of
from components.results.figures.predictions import join_classes
from components.results.figures.style import name_colours
from components.results.forecasts import forecast_section
from components.results.suspected_labels import suspects_section
from components.results.texts import with_interval
from components.results.verdicts import FEWEST_DRAWS, MOST_WAYS
from components.scores.pairs import least_difference_text
from components.scores.registry import EXACT, MAIN, SCORES, TESTED

Rows = Mapping[str, Mapping[str, Any]]  # the rows of a table, cells by column, by the heading of each row

SHARED_MARK = "\N{DAGGER}"  # behind seconds of work that was done once for several ways
FRONTS = {  # what accuracy is drawn against, and its unit
    "seconds_total": ("Seconds to make one such model, shared work included", "s"),
    "milliseconds": ("Milliseconds an image", "ms"),
    "million_weights": ("Weights of the model, millions", "million weights"),
}
CURVES = {"validation_log_loss": ("log loss", True), "validation_kappa": ("kappa", False)}  # and whether by ratios
LEAKAGE = {
    "identical_pairs": "byte-identical pairs", "near_pairs": "near-identical pairs",
    "turned_pairs": "mirrored or turned copies", "cropped_pairs": "cropped or bordered copies",
    "marked_pairs": "copies with a mark",
    "two_labels": "images with two labels", "clusters": "clusters of duplicate images",
    "largest_cluster": "images in the largest cluster",
    "alike_by_nature": "pairs of classes whose images are alike by nature, not clustered",
    "across_splits": "test images that training or validation has too", "test_share": "of all test images",
    "groups_across_splits": "groups of test images that training or validation has too",
}  # fmt: skip
CONFUSIONS, LEAKS, CLASSES = 10, 20, 30  # rows of their tables
NAMES = 50  # of classes in the list of all
MOST_CLASSES = 150  # with a row and a column each in a confusion matrix
CLASSES_IN_ORDER = 20  # in a confusion matrix as they come; of more, those that are confused most are first
FILES = 500  # in the list of mistakes
NO_LEAKS = "None of these duplicates leaks: none lies across two parts of the split, and none has two labels."
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_page(
    page: Page, comparison: Comparison, models: Mapping[str, Sequence[Report]], title: str, scores: pd.DataFrame,
    table: pd.DataFrame, note: str, answer: Sequence[str], cautions: Sequence[str], reasons: Sequence[str],
    drawings: Sequence[Drawings], costs: Mapping[str, Mapping[str, float]], records: Sequence[Record],
    forecasts: Sequence[Forecast],
) -> None:  # fmt: skip
    """Write `comparison.html` into a Page; the same inputs give the same bytes.

    Args:
        page: The page.
        comparison: The comparison.
        models: The reports on each way, the main one first, by its name.
        title: Title of the page.
        scores: A row a way, as in `comparison.csv`, with `FRONTS`, which may be missing.
        table: The table of `drawing.score_table`.
        note: The baselines, in words.
        answer: The sentences of `answers.answer_sentences`.
        cautions: Sentences on what to know before one relies on it.
        reasons: The sentences of the verdict.
        drawings: Figures of the data set, of which the first are shown.
        costs: Costs of each report, as far as records say, by its fingerprint.
        records: Records of the steps behind them.
        forecasts: What more training images would bring, of each network.
    """
    reports, trials = {name: several[0] for name, several in models.items()}, comparison.table("trials.csv")
    first, chosen = next(iter(reports.values())), comparison.read_values("chosen")["model"]
    looks = model_looks([*reports])
    compare_records = step_records(comparison, "compare", records)
    all_records = [
        *compare_records,
        *(record for report in reports.values() for record in step_records(report, "evaluate", records)),
    ]
    text = TEMPLATES.get_template("page.html").render(
        title=title,
        facts=comparison.facts,
        chosen=chosen,
        looks=looks,
        markers={name: charts.marker(look) for name, look in looks.items()},
        meanings=model_meanings([*reports]),
        answer=answer,
        cautions=cautions,
        reasons=reasons,
        answer_chart=score_chart(EXACT, scores, trials, looks),
        score_charts=[score_chart(name, scores, trials, looks) for name in MAIN if name != EXACT],
        scores=table.to_dict("index"),
        note=note,
        units=interval_note(first, int(scores["trainings"].min())),
        pairs=pair_tables(comparison, chosen),
        trials=trial_rows(comparison),
        fronts=front_charts(scores, looks),
        curves=curve_charts(reports, looks),
        matrices={name: confusion_section(name, report) for name, report in reports.items()},
        diagrams={name: reliability_section(name, report, looks[name]) for name, report in reports.items()},
        calibration={name: calibration_row(report) for name, report in reports.items()},
        failures={name: failure_section(name, report, looks[name]) for name, report in reports.items()},
        risks={name: risk_row(report) for name, report in reports.items()},
        risk_chart=risk_chart(reports, chosen, looks),
        sets={name: row for name, report in reports.items() if (row := set_row(report))},
        costly={key: row for name, report in reports.items() for key, row in costly_rows(name, report).items()},
        forecast=forecast_section(reports, scores, forecasts),
        costs=cost_rows(models, costs),
        sizes={name: size_row(report) for name, report in reports.items()},
        layers={name: layer_rows(report) for name, report in reports.items()},
        promises=promise_rows(records),
        data=data_facts(reports),
        exploration=[one for drawn in drawings[:1] for one in exploration_pictures(drawn)],
        leakage=leakage_section(first),
        commands=rebuilding.rebuild_commands(page.record.recipe, compare_records),
        versions=rebuilding.revisions_and_versions(all_records),
        differing=rebuilding.differing_parameters(reports),
        recipe=rebuilding.recipe_text(page.record.recipe, models),
        is_committed=not rebuilding.is_changed(compare_records),
        value_and_interval=value_and_interval,
    )
    (page.path / "comparison.html").write_text(text, encoding="utf-8")


def model_looks(names: Sequence[str]) -> dict[str, charts.Look]:
    """Return how each named way is drawn, by its name; arms of one model are darker from one to the next."""
    return {
        name: charts.Look(to_hex(colour), MODELS[titles.model_of(name)].marker, f"w{number}")
        for number, (name, colour) in enumerate(name_colours(names).items())
    }


def model_meanings(names: Sequence[str]) -> dict[str, str]:
    """Return what each model of the registry is, in words, by the first of the ways' names that is of it."""
    first = {titles.model_of(name): name for name in reversed(names)}
    return {name: MODELS[model].meaning for model, name in first.items()}


def score_chart(score: str, scores: pd.DataFrame, trials: pd.DataFrame, looks: Mapping[str, charts.Look]) -> str:
    """Return the SVG of a test score of all ways, with their intervals and their single trainings."""
    several = {str(name): rows[score].tolist() for name, rows in trials.groupby("model") if len(rows) > 1}
    marks = [
        charts.Mark(
            str(name), row[score], row[f"{score}_low"], row[f"{score}_high"], looks[str(name)], f"{row[score]:.3f}",
            several.get(str(name), ()),
        )
        for name, row in scores.to_dict("index").items()
    ]  # fmt: skip
    label = "; ".join(f"{mark.name} {with_interval(mark.value, mark.low, mark.high)}" for mark in marks)
    heading = SCORES[score].heading
    return charts.interval_chart(marks, f"Test {heading[0].lower()}{heading[1:]}", label)


def front_charts(scores: pd.DataFrame, looks: Mapping[str, charts.Look]) -> list[str]:
    """Return an SVG of accuracy against each cost that is known of any way; [] where none is."""
    drawn = []
    for cost, (words, unit) in FRONTS.items():
        table = scores[scores[cost] > 0]
        marks = [
            (
                row[cost],
                charts.Mark(str(name), row[EXACT], row[f"{EXACT}_low"], row[f"{EXACT}_high"], looks[str(name)], unit),
            )
            for name, row in table.to_dict("index").items()
        ]
        if marks:
            label = "; ".join(f"{mark.name}: accuracy {mark.value:.3f}, {value:.4g} {unit}" for value, mark in marks)
            drawn.append(charts.front_chart(marks, words, front_of(table[cost], table[EXACT]), label))
    return drawn


def curve_charts(reports: Mapping[str, Report], looks: Mapping[str, charts.Look]) -> list[str]:
    """Return the charts of validation loss and kappa by epoch; [] where no way was trained in epochs."""
    curves = {name: report.table("curves.csv") for name, report in reports.items() if report.facts.epochs}
    if not curves:
        return []
    drawn = []
    for column, (score, logarithmic) in CURVES.items():
        lines = [
            charts.Line(
                name, rows["epoch"].tolist(), rows[column].tolist(), reports[name].facts.best_epoch, looks[name]
            )
            for name, rows in curves.items()
        ]
        better = "lower" if logarithmic else "higher"
        kept = ", ".join(f"{line.name} {line.kept}" for line in lines)
        label = f"Validation {score} by epoch. The weights that were kept are of epoch: {kept}."
        heading = f"Validation {score} ({better} is better)"
        drawn.append(charts.line_chart(lines, heading, label, logarithmic=logarithmic))
    return drawn


def confusion_section(name: str, report: Report) -> dict[str, Any]:
    """Return what shows a model's confusions: `rows`, the commonest, and the `matrix` with a `note` on its order."""
    rows = confusion_rows(report)
    label = f"Confusion matrix of {name}, accuracy {report.metrics['accuracy']:.3f}. Most often: "
    label += "; ".join(f"{pair}, {row['images']}" for pair, row in rows.items()) or "no confusion"
    matrix, note = worst_first(failures.report_confusion_matrix(report), report.facts.classes, label)
    return {"rows": rows, "matrix": matrix, "note": note}


def worst_first(counts: np.ndarray, classes: Sequence[str], label: str) -> tuple[charts.Matrix, str]:
    """Return a confusion matrix, of over 20 classes the worst first, and a note on order and joined classes, or "".

    Of more than 20 classes those that are confused most come first, and of more than 150 the others are one.
    """
    note = ""
    if len(classes) > MOST_CLASSES:
        counts, classes, others = join_classes(counts, classes, MOST_CLASSES - 1)
        note = f"The {MOST_CLASSES - 1} classes confused most; the other {others:,} share one row and one column. "
    if len(classes) > CLASSES_IN_ORDER:
        wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
        order = (-wrong).argsort(kind="stable")
        counts, classes = counts[order][:, order], [classes[number] for number in order]
        note += "The classes confused most come first; scroll for the rest. "
    return charts.confusion_matrix(counts, classes, label), note


def reliability_section(name: str, report: Report, look: charts.Look) -> dict[str, Any]:
    """Return what shows a model's calibration after the temperature: the `chart`, and the `rows` of its bins."""
    table = report.table("calibration.csv")
    rows = table[table["temperature"] == "after"].to_dict("records")
    label = f"Reliability diagram of {name}: calibration error {report.metrics['ece_uncalibrated']:.3f} before the "
    label += f"temperature, {report.metrics['ece']:.3f} after it."
    cells = {
        f"{row['low']:.2f} to {row['high']:.2f}": {
            "images": f"{row['images']:,}", "confidence": f"{row['confidence']:.3f}",
            "accuracy": with_interval(row["accuracy"], row["accuracy_low"], row["accuracy_high"]),
        }
        for row in rows
    }  # fmt: skip
    return {"chart": charts.reliability_chart(rows, look, label), "rows": cells}


def step_records(artifact: Artifact, step: str, records: Sequence[Record]) -> list[Record]:
    """Return the record of a step in an artifact's lineage, in a list that is empty if it is not among the records."""
    by_step = records_by_step(artifact.manifest["lineage"], records)
    return [by_step[step]] if step in by_step else []


def score_text(row: Mapping[Any, Any], name: str) -> str:
    """Return a score of a row with its interval as text, such as `0.914 [0.896, 0.931]`; a dash where undefined."""
    return with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"])


def interval_note(report: Report, trainings: int) -> str:
    """Return the sentences on what the intervals are over, and on the least difference that the test images can tell.

    Args:
        report: The main report on a model.
        trainings: Of the way that has the fewest; with few the intervals are those of files.
    """
    groups = report.facts.groups["test"]
    units = f"the {groups:,} groups of the test images" if groups else "the test images"
    if trainings >= FEWEST_DRAWS:
        over = f"over {units} and over trainings: they say how far a mean moves with others of both"
    else:
        over = f"over {units}: they say how far a score moves with other images, not with another training"
    images = int(report.metrics["test_images"])
    return f"The intervals are {over}. With {images:,} test images: {least_difference_text(images)}."


def value_and_interval(value: object) -> tuple[str, str]:
    """Return a cell such as `0.9 [0.8, 1.0]*` as value with star, `0.9*`, and interval, which may be empty."""
    text = str(value).strip()
    match = re.fullmatch(r"(.+) (\[[-+\d., ]+\])(\*?)", text)
    return (match[1] + match[3], match[2]) if match else (text, "")


def pair_tables(comparison: Comparison, chosen: str) -> Mapping[str, Rows]:
    """Return, by `SECOND against FIRST`, a row a score, `difference` and `p` as texts; of many ways the chosen's.

    Its columns are the difference with its interval, and p, both corrected for all claims. Of over `MOST_WAYS` ways
    only the pairs of the chosen one are there.
    """
    tables: dict[str, dict[str, dict[str, str]]] = {}
    rows = comparison.table("pairs.csv").to_dict("records")
    few = len({row["second"] for row in rows}) < MOST_WAYS
    for row in sorted(rows, key=lambda row: chosen not in (row["first"], row["second"])):
        if not few and chosen not in (row["first"], row["second"]):
            break
        table = tables.setdefault(f"{row['second']} against {row['first']}", {})
        for name in sorted(TESTED, key=[*SCORES].index):
            difference, low, high, p = (row[f"{name}_{column}"] for column in ("difference", "low", "high", "p"))
            table[SCORES[name].title] = {
                "difference": f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]",
                "p": f"{p:.3f}" if p >= 0.001 else "< 0.001",
            }
    return tables


def trial_rows(comparison: Comparison) -> Rows:
    """Return, by model with several trials, their number and `mean ± standard deviation` of each main score as text."""
    return {
        str(model): {"trainings": f"{len(trials)}"}
        | {SCORES[name].title: f"{trials[name].mean():.3f} ± {trials[name].std():.3f}" for name in MAIN}
        for model, trials in comparison.table("trials.csv").groupby("model", sort=False)
        if len(trials) > 1
    }


def calibration_row(report: Report) -> dict[str, str]:
    """Return a model's calibration as texts: temperature, log loss and calibration error before and after, chance."""
    row = report.metrics
    for name, (low, high) in report.intervals.items():
        row |= {f"{name}_low": low, f"{name}_high": high}
    return {
        "temperature": f"{report.facts.temperature:.3g}",
        "log loss before": score_text(row, "log_loss_uncalibrated"),
        "log loss after": score_text(row, "log_loss"),
        "calibration error before": score_text(row, "ece_uncalibrated"),
        "calibration error after": score_text(row, "ece"),
        "by chance": score_text(row, "ece_chance"),
    }


def risk_row(report: Report) -> dict[str, str]:
    """Return, by the share answered as in `50% answered`, the share wrong of the surest test images, with interval."""
    return {
        f"{row['answered']:.0%} answered": with_interval(row["risk"], row["low"], row["high"])
        for row in report.table("risks.csv").to_dict("records")
    }


def risk_chart(reports: Mapping[str, Report], chosen: str, looks: Mapping[str, charts.Look]) -> str:
    """Return the SVG of what share of the surest test images is wrong, by their share; the chosen way's in its band."""
    bands = []
    for name in sorted(reports, key=lambda name: name != chosen):
        table = reports[name].table("risks.csv")
        ends = (table["low"].tolist(), table["high"].tolist()) if name == chosen else ([], [])
        bands.append(charts.Band(name, table["answered"].tolist(), table["risk"].tolist(), *ends, looks[name]))
    across = charts.scale_of(bands[0].x, charts.LEFT, charts.WIDTH - charts.RIGHT, margin=0.03)
    across, label = replace(across, ticks=bands[0].x), "Share of wrong answers by the share answered, as in the table."
    return charts.band_chart(bands, across, "Share of wrong answers (lower is better)", "share answered", label)


def set_row(report: Report) -> dict[str, str]:
    """Return, by the coverage stated, the share of test images whose set holds the true class, and the sets' size."""
    row = {}
    for one in report.table("sets.csv").to_dict("records"):
        row[f"{one['stated']:.0%} stated"] = with_interval(one["observed"], one["low"], one["high"])
        row[f"classes at {one['stated']:.0%}"] = f"{one['classes']:.2f}"
    return row


def costly_rows(name: str, report: Report) -> Rows:
    """Return, by `MODEL: LABEL as PREDICTED`, a row of texts: `mistakes`, `at most`, `threshold`, and what that costs.

    They are the confusions that must not happen; a threshold may be `not needed`, or a dash without validation images.
    """
    return {
        f"{name}: {one.name}": {
            "mistakes": f"{one.units_mistaken:,} of {one.units:,}",
            "at most": f"{one.limit:.1%}",
            "threshold": (f"{one.threshold:.4f}" if one.threshold else "not needed") if one.validation_units else "–",
            "for": f"{one.rate:.1%}" if one.validation_units else "–",
            "right calls given up": f"{one.right_calls_lost:,} of {one.right_calls:,}",
            "mistakes left": f"{one.units_left:,} of {one.units_mistaken:,}",
        }
        for one in costly_mistakes(report)
    }


def failure_section(name: str, report: Report, look: charts.Look) -> dict[str, Any]:
    """Return where a model fails: `summary`, pictures of `mistakes`, `files`, tables and charts of classes, slices.

    `mistakes` are pictures, `files` the wrong images, a line each, up to 500, and `more_files` the number of the rest,
    negative where there are fewer; `suspects` has the doubted labels; `classes` and `slices` are tables,
    `class_charts` and `slice_charts` charts; `more_classes` is the number of classes less those in
    their table, negative where there are fewer.
    """
    predictions = report.table("predictions.csv")
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    wrong = wrong.assign(top=wrong.filter(like=PROBABILITY).max(axis=1)).sort_values("top", ascending=False)
    lines = wrong.head(FILES)[["file", "label", "predicted", "top"]].itertuples(index=False)
    classes = lowest_classes(report)
    return {
        "summary": f"{name}: {len(wrong):,} of {len(predictions):,} test images wrong",
        "mistakes": pictures.mistake_pictures(report),
        "files": [f"{line.file}\t{line.label}\t{line.predicted}\t{line.top:.2f}" for line in lines],
        "more_files": len(wrong) - FILES,
        "suspects": suspects_section(report, FILES),
        "classes": class_rows(classes),
        "class_charts": [
            row_chart(classes, classes["class"].tolist(), score, look, f"{score.capitalize()} of each class of {name}")
            for score in ("precision", "recall")
        ],
        "more_classes": len(report.facts.classes) - CLASSES,
        "slices": slice_rows(report),
        "slice_charts": slice_charts(name, report, look),
    }


def row_chart(
    table: pd.DataFrame, names: Sequence[str], score: str, look: charts.Look, title: str, line: float = math.nan
) -> str:
    """Return the chart of a score with its interval in each row of a table, which `names` name."""
    rows = zip(names, table.to_dict("records"), strict=True)
    marks = [charts.Mark(name, row[score], row[f"{score}_low"], row[f"{score}_high"], look) for name, row in rows]
    return charts.interval_chart(marks, title, f"{title}, as in the table.", line)


def slice_charts(name: str, report: Report, look: charts.Look) -> list[str]:
    """Return a chart of each main score by slice of the test images; [] where there is nothing to slice."""
    table = report.table("slices.csv")
    cut = table[table["by"].duplicated(keep=False)]
    if cut.empty:
        return []
    names = [slice_name(row) for row in cut.to_dict("records")]
    return [
        row_chart(
            cut, names, score, look, f"{SCORES[score].title} of {name}; dotted: all images", report.metrics[score]
        )
        for score in MAIN
    ]


def lowest_classes(report: Report) -> pd.DataFrame:
    """Return the rows of `classes.csv`; of over 30 classes the 30 of lowest F1, the lowest first."""
    table = report.table("classes.csv")
    return table.sort_values("f1", kind="stable").head(CLASSES) if len(table) > CLASSES else table


def class_rows(table: pd.DataFrame) -> Rows:
    """Return, by class, a row of texts: `test images`, then `precision`, `recall`, `F1` with intervals or a dash."""
    return {
        row["class"]: {
            "test images": f"{row['support']:,}",
            "precision": score_text(row, "precision"),
            "recall": score_text(row, "recall"),
            "F1": score_text(row, "f1"),
        }
        for row in table.to_dict("records")
    }


def confusion_rows(report: Report) -> Rows:
    """Return the 10 commonest confusions by `LABEL → PREDICTED`: images, and their share of the label's, as texts."""
    return {
        f"{row['label']} → {row['predicted']}": {"images": f"{row['count']:,}", "of the class": f"{row['share']:.1%}"}
        for row in report.table("confusions.csv").head(CONFUSIONS).to_dict("records")
    }


def slice_rows(report: Report) -> Rows:
    """Return, by measure and range as in `brightness 20 to 40`, a slice's images and main scores as texts."""
    return {
        slice_name(row): {
            "images": f"{row['images']:,}",
            **{SCORES[name].title: score_text(row, name) for name in MAIN},
        }
        for row in report.table("slices.csv").to_dict("records")
    }


def slice_name(row: Mapping[Any, Any]) -> str:
    """Return a slice's measure and range as text, as `brightness 20 to 40`, or `size 64` if the ends agree."""
    return f"{row['by']} {' to '.join(dict.fromkeys(f'{row[end]:,.0f}' for end in ('low', 'high')))}"


def cost_rows(models: Mapping[str, Sequence[Report]], costs: Mapping[str, Mapping[str, float]]) -> Rows:
    """Return each way's costs as texts: of its main training, seconds by kind of work and in all, and GPU-hours.

    Behind seconds that were spent once for several ways stands `SHARED_MARK`. `all trainings s` has the work behind all
    trainings of the way, that in common once. What no record says is empty.
    """
    shared, rows = shared_work({name: trials[0] for name, trials in models.items()}), {}
    for name, trials in models.items():
        facts, each = trials[0].facts, [costs.get(report.facts.fingerprint, {}) for report in trials]
        seconds = {
            f"{work} s": f"{each[0][f'seconds_{work}']:,.1f}{SHARED_MARK * (work in shared[name])}"
            if f"seconds_{work}" in each[0]
            else ""
            for work in WORK
        }
        evaluation = seconds.pop("evaluation s")
        rows[name] = {
            "epochs": f"{facts.epochs:,}", "kept": f"{facts.best_epoch:,}",
            "s an epoch": number_text(each[0], "seconds_per_epoch", 3), **seconds,
            "in all s": number_text(each[0], "seconds_total", 1), "GPU-hours": number_text(each[0], "gpu_hours", 2),
            "trainings": f"{len(trials)}", "all trainings s": all_seconds(each), "evaluation s": evaluation,
        }  # fmt: skip
    return rows


def size_row(report: Report) -> dict[str, str]:
    """Return as texts a model's image size, layers and parameters, and how many of these its training could change."""
    facts, layers = report.facts, len(report.table("layers.csv"))
    trained = facts.trainable_parameters
    return {
        "image": f"{facts.image_size} x {facts.image_size}", "layers": f"{layers:,}",
        "parameters": f"{facts.model_parameters:,}", "trainable": f"{trained:,}",
        "frozen": f"{max(facts.model_parameters - trained, 0):,}",
    }  # fmt: skip


def layer_rows(report: Report) -> Rows:
    """Return, by number and name as in `1 conv`, each layer's kind, output shape, parameters and trainable ones."""
    return {
        f"{number} {row['layer']}": {
            "kind": row["kind"], "output": row["output_shape"].replace(" x ", " \u00d7 "),
            "parameters": f"{row['parameters']:,}", "trainable": f"{row['trainable']:,}",
        }
        for number, row in enumerate(report.table("layers.csv").to_dict("records"), start=1)
    }  # fmt: skip


def all_seconds(costs: Sequence[Mapping[str, float]]) -> str:
    """Return the seconds behind all trainings of a way as text, shared work once; empty where any is unknown."""
    if not all("seconds_total" in one for one in costs):
        return ""
    common = sum(costs[0].get(f"seconds_{work}", 0.0) for work in SHARED)
    unshared = (one["seconds_total"] - sum(one.get(f"seconds_{work}", 0.0) for work in SHARED) for one in costs)
    return f"{common + sum(unshared):,.1f}"


def number_text(values: Mapping[str, float], name: str, places: int) -> str:
    """Return a number as text with so many decimals; empty where it is not there."""
    return f"{values[name]:,.{places}f}" if name in values else ""


def promise_rows(records: Sequence[Record]) -> Rows:
    """Return, by step, the seconds promised and taken as texts, and the ratio of both; {} where none were promised."""
    return {
        step: {"promised s": f"{promised:,.1f}", "took s": f"{took:,.1f}", "of the promise": f"{took / promised:.0%}"}
        for step, (promised, took) in seconds_promised_and_taken(records).items()
    }


def data_facts(reports: Mapping[str, Report]) -> dict[str, str]:
    """Return texts by name: classes, images in each part, digests of images and split, pretrained weights if any."""
    first = next(iter(reports.values()))
    facts, lineage = first.facts, first.manifest["lineage"]
    more = len(facts.classes) - NAMES
    names = ", ".join(facts.classes[:NAMES]) + (f" and {more:,} more" if more > 0 else "")
    weights = {
        f"{facts.backbone}, {facts.weights_sha256} ({facts.weights_license})": None
        for facts in (report.facts for report in reports.values())
        if facts.weights_sha256
    }
    return {
        "classes": f"{len(facts.classes):,}: {names}",
        "training images": f"{sum(facts.train_counts):,}",
        "validation images": f"{facts.validation_images:,}",
        "test images": f"{first.metrics['test_images']:,}",
        **correction_facts(facts),
        "digest of the images": lineage["fetch"],
        "digest of the split": lineage["split"],
        **({"pretrained weights": "; ".join(weights)} if weights else {}),
    }


def correction_facts(facts: ReportFacts) -> dict[str, str]:
    """Return how many images a person's corrections left out, and gave another class, as texts; {} without any."""
    counts = {"left out by corrections": facts.dropped.get("excluded", 0), "another class by them": facts.relabelled}
    return {name: f"{count:,}" for name, count in counts.items() if count}


def exploration_pictures(drawings: Drawings) -> list[pictures.Picture | str]:
    """Return the captioned figures of a data set in their order; where a figure is missing, its caption as text."""
    figures: list[pictures.Picture | str] = []
    for name, caption in drawings.read_values("captions").items():
        file = drawings.path / "figures" / f"{name}.png"
        figures.append(pictures.file_picture(file, caption, caption) if file.is_file() else caption)
    return figures


def leakage_section(report: Report) -> dict[str, Any]:
    """Return what leaks: `counts`, `pictures` of pairs, up to 20 `rows`, and `more`, their number less 20.

    `more` is negative where there are fewer than 20. `conclusion` is a sentence where nothing leaks, else empty.
    """
    table, counts = report.table("leakage.csv"), report.facts.leakage
    duplicates = any(counts.get(name) for name in LEAKAGE if name.endswith("_pairs"))
    leaks = bool((table["kind"] != leakage.HARMLESS).any())
    return {
        "conclusion": "" if leaks else NO_LEAKS if duplicates else "Nothing was found.",
        "counts": {
            LEAKAGE[key]: f"{count:,}" if isinstance(count, int) else f"{count:.1%}"
            for key, count in counts.items()
            if count
        },
        "pictures": pictures.leak_pictures(report),
        "rows": {
            f"{row['kind']}: {row['file']}": {
                "part": row["split"], "class": row["label"],
                "other image": row["other"], "its part": row["other_split"], "its class": row["other_label"],
            }
            for row in table.head(LEAKS).to_dict("records")
        },
        "more": len(table) - LEAKS,
    }  # fmt: skip

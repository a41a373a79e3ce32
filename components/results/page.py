"""The comparison as one self-contained page of HTML: for a browser, a phone, a printer, Kubeflow's UI."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from components.data.artifacts import Artifact, Comparison, Page, Report
from components.data.records import Record, records_by_step
from components.results import pictures
from components.results.costly_mistakes import costly_mistakes
from components.results.costs import WORK, promises_kept
from components.results.texts import with_interval
from components.results.verdicts import FEWEST_DRAWS, MOST_WAYS
from components.scores.pairs import least_difference_text
from components.scores.registry import MAIN, SCORES, TESTED

Rows = Mapping[str, Mapping[str, Any]]  # the rows of a table, cells by column, by the heading of each row

SIZES = {  # columns of the table of costs, and their facts
    "epochs": "epochs", "best epoch": "best_epoch", "parameters": "model_parameters",
    "fine-tuned": "trainable_parameters",
}  # fmt: skip
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
NO_LEAKS = "None of these duplicates leaks: none lies across two parts of the split, and none has two labels."
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_page(
    page: Page, comparison: Comparison, reports: Mapping[str, Report], title: str, scores: pd.DataFrame, note: str,
    verdict: Sequence[str], costs: Mapping[str, Mapping[str, float]], records: Sequence[Record],
    runs: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Write `comparison.html` into a Page whose figures are drawn; the same inputs give the same bytes.

    Args:
        page: The page.
        comparison: The comparison.
        reports: The main report on each model, by name.
        title: Title of the page.
        scores: The table of `drawing.score_table`.
        note: The baselines, in words.
        verdict: The sentences of the verdict.
        costs: Costs of each report, as far as records say, by its fingerprint.
        records: Records of the steps behind them.
        runs: Address of the MLflow run of some reports, by name.
    """
    trainings = int(comparison.table("comparison.csv")["trainings"].min())
    (main, first), chosen = next(iter(reports.items())), comparison.read_values("chosen")["model"]
    compare_records = step_records(comparison, "compare", records)
    all_records = [
        *compare_records,
        *(record for report in reports.values() for record in step_records(report, "evaluate", records)),
    ]
    text = TEMPLATES.get_template("page.html").render(
        title=title,
        facts=comparison.facts,
        chosen=chosen,
        verdict=verdict,
        scores=scores.to_dict("index"),
        note=note,
        units=interval_note(first, trainings),
        pairs=pair_tables(comparison, chosen),
        trials=trial_rows(comparison),
        score_figure=pictures.scores_picture(page, scores),
        fronts=pictures.fronts_picture(page, reports),
        curves=pictures.curves_picture(page, reports),
        matrices=[pictures.confusion_picture(page, name, report) for name, report in reports.items()],
        diagrams=[pictures.reliability_picture(page, name, report) for name, report in reports.items()],
        calibration={name: calibration_row(report) for name, report in reports.items()},
        failures=[failure_section(page, name, report) for name, report in reports.items()],
        costly={key: row for name, report in reports.items() for key, row in costly_rows(name, report).items()},
        costs={name: cost_row(report, costs) for name, report in reports.items()},
        promises=promise_rows(records),
        data=data_facts(reports),
        leakage=leakage_section(page, main, first),
        commands=rebuild_commands(page.record.recipe, compare_records),
        versions=revisions_and_versions(all_records),
        parameters=parameter_rows(reports),
        runs=runs or {},
        value_and_interval=value_and_interval,
    )
    (page.path / "comparison.html").write_text(text, encoding="utf-8")


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
    """Return tables by `SECOND against FIRST`, those of the chosen model first: a row of texts for each tested score.

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
        str(model): {"trials": f"{len(trials)}"}
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


def costly_rows(name: str, report: Report) -> Rows:
    """Return, by `MODEL: LABEL as PREDICTED`, each confusion that must not happen and its threshold, as texts."""
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


def failure_section(page: Page, name: str, report: Report) -> dict[str, Any]:
    """Return what shows where a model fails: a `summary` with the number of wrong test images, figures and tables.

    The figures are `class_figure`, `mistakes` and `slice_figure`, which may be None; the tables `classes`, `confusions`
    and `slices`; `more_classes` is the number of classes less those in their table, negative where there are fewer.
    """
    predictions = report.table("predictions.csv")
    wrong = int((predictions["label"] != predictions["predicted"]).sum())
    return {
        "summary": f"{name}: {wrong:,} of {len(predictions):,} test images wrong",
        "class_figure": pictures.classes_picture(page, name, report),
        "classes": class_rows(report),
        "more_classes": len(report.facts.classes) - CLASSES,
        "confusions": confusion_rows(report),
        "mistakes": pictures.mistakes_picture(page, name, report),
        "slice_figure": pictures.slices_picture(page, name, report),
        "slices": slice_rows(report),
    }


def class_rows(report: Report) -> Rows:
    """Return, by class, test images and scores as texts, a dash where undefined; of over 30, those of lowest F1."""
    table = report.table("classes.csv")
    if len(table) > CLASSES:
        table = table.sort_values("f1", kind="stable").head(CLASSES)
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
        f"{row['by']} {' to '.join(dict.fromkeys(f'{row[end]:,.0f}' for end in ('low', 'high')))}": {
            "images": f"{row['images']:,}",
            **{SCORES[name].title: score_text(row, name) for name in MAIN},
        }
        for row in report.table("slices.csv").to_dict("records")
    }


def cost_row(report: Report, costs: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Return a model's costs as texts: seconds of each long computation, epochs, parameters; empty where unknown."""
    report_costs = costs.get(report.facts.fingerprint, {})
    keys = {f"{name} s": f"seconds_{name}" for name in WORK}
    seconds = {title: f"{report_costs[key]:,.1f}" if key in report_costs else "" for title, key in keys.items()}
    facts = vars(report.facts)
    return seconds | {title: f"{facts[key]:,}" if key in facts else "" for title, key in SIZES.items()}


def promise_rows(records: Sequence[Record]) -> Rows:
    """Return, by step, the seconds promised and taken as texts, and the ratio of both; {} where none were promised."""
    return {
        step: {"promised s": f"{promised:,.1f}", "took s": f"{took:,.1f}", "of the promise": f"{took / promised:.0%}"}
        for step, (promised, took) in promises_kept(records).items()
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
        "digest of the images": lineage["fetch"],
        "digest of the split": lineage["split"],
        **({"pretrained weights": "; ".join(weights)} if weights else {}),
    }


def leakage_section(page: Page, name: str, report: Report) -> dict[str, Any]:
    """Return what leaks: `counts`, `figure` (None if nothing does), up to 20 `rows`, and `more`, their number less 20.

    `more` is negative where there are fewer than 20. `conclusion` is the sentence where nothing leaks.
    """
    table, found = report.table("leakage.csv"), report.facts.leakage
    duplicates = any(found.get(name) for name in LEAKAGE if name.endswith("_pairs"))
    return {
        "conclusion": NO_LEAKS if duplicates else "Nothing was found.",
        "counts": {
            LEAKAGE[key]: f"{count:,}" if isinstance(count, int) else f"{count:.1%}"
            for key, count in found.items()
        },
        "figure": None if table.empty else pictures.leakage_picture(page, name),
        "rows": {
            f"{row['kind']}: {row['file']}": {
                "part": row["split"], "class": row["label"],
                "other image": row["other"], "its part": row["other_split"], "its class": row["other_label"],
            }
            for row in table.head(LEAKS).to_dict("records")
        },
        "more": len(table) - LEAKS,
    }  # fmt: skip


def rebuild_commands(recipe: str, compare_records: Sequence[Record]) -> list[tuple[str, str]]:
    """Return (command, purpose) to make a page again: checkout if the revision is known, setup, DVC if it has a recipe.

    Args:
        recipe: The recipe, if any.
        compare_records: The record of the comparison, if there is one.
    """
    revisions = [record.revisions.get("git_revision", "").removesuffix("-dirty") for record in compare_records]
    commands = [
        (f"git checkout {revision}", "the code, the recipe and the data's digests")
        for revision in revisions
        if revision
    ]
    commands.append(("make setup && . .venv/bin/activate", "the versions below, from their lock"))
    if recipe:
        stage = shlex.quote(f"draw_comparison-{recipe}")
        commands.append((f"dvc pull --with-deps --allow-missing {stage}", "what was made then, from the DVC remote"))
        commands.append((f"dvc repro {stage}", "or all of it made again"))
    return commands


def revisions_and_versions(records: Sequence[Record]) -> dict[str, str]:
    """Return revisions, then package versions, by name with blanks for `_`; those that differ, joined by commas."""
    versions: dict[str, dict[str, None]] = {}
    for entries in [*(record.revisions for record in records), *(record.versions for record in records)]:
        for name, version in entries.items():
            versions.setdefault(name.replace("_", " "), {})[version] = None
    return {name: ", ".join(different) for name, different in versions.items()}


def parameter_rows(reports: Mapping[str, Report]) -> dict[str, dict[str, object]]:
    """Return parameters by `step.parameter`, then by report name; a report whose chain lacks one is not in its row."""
    rows: dict[str, dict[str, object]] = {}
    for report_name, report in reports.items():
        for step, values in report.manifest["parameters"].items():
            for name, value in values.items():
                rows.setdefault(f"{step}.{name}", {})[report_name] = value
    return rows

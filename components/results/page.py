"""The comparison as one page of HTML that needs nothing else: for a browser, a phone, a printer, Kubeflow's UI."""

import math
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
from components.results.costs import WORK
from components.scores.registry import MAIN, SCORES, TESTED

Rows = Mapping[str, Mapping[str, Any]]  # of a table, by what heads each

SIZES = {
    "epochs": "epochs", "best epoch": "best_epoch", "parameters": "model_parameters",
    "fine-tuned": "trainable_parameters",
}  # fmt: skip
LEAKAGE = {
    "identical_pairs": "byte-identical pairs", "near_pairs": "near-identical pairs",
    "two_labels": "images with two labels", "clusters": "clusters of images that are there twice",
    "largest_cluster": "images in the largest cluster",
    "across_splits": "test images that training or validation has too", "test_share": "of all test images",
    "groups_across_splits": "groups of test images that training or validation has too",
}  # fmt: skip
CONFUSIONS, LEAKS = 10, 20  # that are listed
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write(
    page: Page, comparison: Comparison, reports: Mapping[str, Report], title: str, scores: pd.DataFrame, note: str,
    verdict: Sequence[str], costs: Mapping[str, Mapping[str, float]], records: Sequence[Record],
    runs: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Write `comparison.html` of a Page that has its figures; the same for the same inputs.

    Args:
        page: The page.
        comparison: What is shown.
        reports: The main report on each model, by name.
        title: What was compared.
        scores: The scores as text, a row a report.
        note: What the scores are to be held against.
        verdict: The verdict, a sentence each.
        costs: What is known of the costs of each report, by its fingerprint.
        records: Records of the steps behind them.
        runs: Address of the MLflow run of some reports, by name.
    """
    (main, first), chosen = next(iter(reports.items())), comparison.read_values("chosen")["model"]
    made = [
        *known(comparison, "compare", records),
        *(record for report in reports.values() for record in known(report, "evaluate", records)),
    ]
    text = TEMPLATES.get_template("page.html").render(
        title=title,
        facts=comparison.facts,
        chosen=chosen,
        verdict=verdict,
        scores=scores.to_dict("index"),
        note=note,
        units=units(first),
        pairs=pairs(comparison, chosen),
        trials=trials(comparison),
        score_figure=pictures.scores(page, scores),
        curves=pictures.curves(page, reports),
        matrices=[pictures.matrix(page, name, report) for name, report in reports.items()],
        diagrams=[pictures.reliability(page, name, report) for name, report in reports.items()],
        calibration={name: calibration(report) for name, report in reports.items()},
        failures=[failures(page, name, report) for name, report in reports.items()],
        costs={name: cost_texts(report, costs) for name, report in reports.items()},
        data=data(reports),
        leakage=leakage(page, main, first),
        commands=commands(page.record.recipe, known(comparison, "compare", records)),
        versions=versions(made),
        parameters=parameters(reports),
        runs=runs or {},
        parted=parted,
    )
    (page.path / "comparison.html").write_text(text, encoding="utf-8")


def known(made: Artifact, step: str, records: Sequence[Record]) -> list[Record]:
    """Return the record of a step that an artifact goes back to; none where it is not among those given."""
    found = records_by_step(made.manifest["lineage"], records)
    return [found[step]] if step in found else []


def score(row: Mapping[Any, Any], name: str) -> str:
    """Return a score of a row and its interval, as `0.914 [0.896, 0.931]`; a dash where there is no number."""
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return "–" if math.isnan(value) else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def units(report: Report) -> str:
    """Return what the intervals are over."""
    groups = report.facts.groups["test"]
    of = f"the {groups:,} groups of the test images" if groups else "the test images"
    return f"The intervals are over {of}: they say how far a score moves with other images, not with another training."


def parted(value: object) -> tuple[str, str]:
    """Return a text and the interval behind it, the star behind both with the first: `0.9 [0.8, 1.0]*`."""
    text = str(value).strip()
    found = re.fullmatch(r"(.+) (\[[-+\d., ]+\])(\*?)", text)
    return (found[1] + found[3], found[2]) if found else (text, "")


def pairs(comparison: Comparison, chosen: str) -> Mapping[str, Rows]:
    """Return how each model does against each other, score by score; the pairs of the chosen one first."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    rows = comparison.table("pairs.csv").to_dict("records")
    for row in sorted(rows, key=lambda row: chosen not in (row["first"], row["second"])):
        for name in sorted(TESTED, key=[*SCORES].index):
            difference, low, high = (row[f"{name}_{what}"] for what in ("difference", "low", "high"))
            p, needed = row[f"{name}_p_corrected"], row[f"{name}_images_needed"]
            found.setdefault(f"{row['second']} against {row['first']}", {})[SCORES[name].title] = {
                "difference": f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]",
                "p": f"{p:.3f}" if p >= 0.001 else "< 0.001",
                "images": about(needed),
            }
    return found


def about(number: float) -> str:
    """Return a number to two digits; a dash where it is infinite."""
    return f"{float(f'{number:.2g}'):,.0f}" if math.isfinite(number) else "–"


def trials(comparison: Comparison) -> Rows:
    """Return mean and spread of each model's scores over its trials, where it has several."""
    return {
        str(model): {"trials": f"{len(own)}"}
        | {SCORES[name].title: f"{own[name].mean():.3f} ± {own[name].std():.3f}" for name in MAIN}
        for model, own in comparison.table("trials.csv").groupby("model", sort=False)
        if len(own) > 1
    }


def calibration(report: Report) -> dict[str, str]:
    """Return the temperature of a model, and its calibration before and after it."""
    row = report.metrics
    for name, (low, high) in report.intervals.items():
        row |= {f"{name}_low": low, f"{name}_high": high}
    return {
        "temperature": f"{report.facts.temperature:.3g}",
        "log loss before": score(row, "log_loss_uncalibrated"),
        "log loss after": score(row, "log_loss"),
        "calibration error before": f"{row['ece_uncalibrated']:.3f}",
        "calibration error after": f"{row['ece']:.3f}",
    }


def failures(page: Page, name: str, report: Report) -> dict[str, Any]:
    """Return where a model fails: figures and tables."""
    told = report.table("predictions.csv")
    wrong = int((told["label"] != told["predicted"]).sum())
    return {
        "summary": f"{name}: {wrong:,} of {len(told):,} test images wrong",
        "class_figure": pictures.classes(page, name, report),
        "classes": classes(report),
        "confusions": confusions(report),
        "mistakes": pictures.mistakes(page, name, report),
        "slice_figure": pictures.slices(page, name, report),
        "slices": slices(report),
    }


def classes(report: Report) -> Rows:
    """Return the scores of each class."""
    return {
        row["class"]: {
            "test images": f"{row['support']:,}",
            "precision": score(row, "precision"),
            "recall": score(row, "recall"),
            "F1": "–" if math.isnan(row["f1"]) else f"{row['f1']:.3f}",
        }
        for row in report.table("classes.csv").to_dict("records")
    }


def confusions(report: Report) -> Rows:
    """Return the pairs of classes that are confused most often."""
    return {
        f"{row['label']} → {row['predicted']}": {"images": f"{row['count']:,}", "of the class": f"{row['share']:.1%}"}
        for row in report.table("confusions.csv").head(CONFUSIONS).to_dict("records")
    }


def slices(report: Report) -> Rows:
    """Return the scores of the slices of the test images."""
    return {
        f"{row['by']} {' to '.join(dict.fromkeys(f'{row[end]:,.0f}' for end in ('low', 'high')))}": {
            "images": f"{row['images']:,}",
            **{SCORES[name].title: score(row, name) for name in MAIN},
        }
        for row in report.table("slices.csv").to_dict("records")
    }


def cost_texts(report: Report, costs: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Return the seconds of each long computation, the epochs and the size of the network."""
    own = costs.get(report.facts.fingerprint, {})
    seconds = {f"{name} s": f"{own[f'seconds_{name}']:,.1f}" if f"seconds_{name}" in own else "" for name in WORK}
    facts = vars(report.facts)
    return seconds | {title: f"{facts[key]:,}" if key in facts else "" for title, key in SIZES.items()}


def data(reports: Mapping[str, Report]) -> dict[str, str]:
    """Return what the models were made from: the images, the split, the weights."""
    first = next(iter(reports.values()))
    facts, lineage = first.facts, first.manifest["lineage"]
    weights = {
        f"{own.backbone}, {own.weights_sha256} ({own.weights_license})": None
        for own in (report.facts for report in reports.values())
        if own.weights_sha256
    }
    return {
        "classes": f"{len(facts.classes)}: {', '.join(facts.classes)}",
        "training images": f"{sum(facts.train_counts):,}",
        "validation images": f"{facts.validation_images:,}",
        "test images": f"{first.metrics['test_images']:,}",
        "digest of the images": lineage["fetch"],
        "digest of the split": lineage["split"],
        **({"pretrained weights": "; ".join(weights)} if weights else {}),
    }


def leakage(page: Page, name: str, report: Report) -> dict[str, Any]:
    """Return what leaks from one part of the split to another: the counts, the figure, the first rows of the table."""
    table = report.table("leakage.csv")
    return {
        "counts": {
            LEAKAGE[key]: f"{count:,}" if isinstance(count, int) else f"{count:.1%}"
            for key, count in report.facts.leakage.items()
        },
        "figure": None if table.empty else pictures.leakage(page, name),
        "rows": {
            f"{row['kind']}: {row['file']}": {
                "part": row["split"], "class": row["label"],
                "other image": row["other"], "its part": row["other_split"], "its class": row["other_label"],
            }
            for row in table.head(LEAKS).to_dict("records")
        },
        "more": len(table) - LEAKS,
    }  # fmt: skip


def commands(recipe: str, compared: Sequence[Record]) -> list[tuple[str, str]]:
    """Return the commands that bring a page back or make it again, each with what it does.

    Args:
        recipe: The recipe, if any.
        compared: The record of the comparison, if there is one.
    """
    revisions = [record.revisions.get("git_revision", "").removesuffix("-dirty") for record in compared]
    found = [
        (f"git checkout {revision}", "the code, the recipe and the data's digests")
        for revision in revisions
        if revision
    ]
    found.append(("make setup && . .venv/bin/activate", "the versions below, from their lock"))
    if recipe:
        stage = shlex.quote(f"draw_comparison-{recipe}")
        found.append((f"dvc pull --with-deps --allow-missing {stage}", "what was made then, from the DVC remote"))
        found.append((f"dvc repro {stage}", "or all of it made again"))
    return found


def versions(records: Sequence[Record]) -> dict[str, str]:
    """Return the revisions of code and data, and the version of each package, that records say, each once."""
    found: dict[str, dict[str, None]] = {}
    for own in [*(record.revisions for record in records), *(record.versions for record in records)]:
        for name, version in own.items():
            found.setdefault(name.replace("_", " "), {})[version] = None
    return {name: ", ".join(different) for name, different in found.items()}


def parameters(reports: Mapping[str, Report]) -> dict[str, dict[str, object]]:
    """Return the value of every parameter in the chain of each report, by `step.parameter` and the report's name."""
    found: dict[str, dict[str, object]] = {}
    for report_name, report in reports.items():
        for step, values in report.manifest["parameters"].items():
            for name, value in values.items():
                found.setdefault(f"{step}.{name}", {})[report_name] = value
    return found

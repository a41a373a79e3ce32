"""Reports side by side: the table, the verdict in words, the figures."""

import itertools
from collections.abc import Sequence

import pandas as pd

from components.data.artifacts import Comparison, Report
from components.results import figures

SHOWN = {
    "kappa": "kappa", "log_loss": "log loss", "accuracy": "accuracy",
    "validation_kappa": "val. kappa", "validation_log_loss": "val. log loss", "seconds_training": "train s",
}  # fmt: skip


def compare(reports: Sequence[Report], comparison: Comparison) -> None:
    """Fill a Comparison from reports on one test split, and print its table and verdict."""
    scores = pd.DataFrame({report.facts["model"]: report.metrics for report in reports}).T.rename_axis("model")
    recipe = comparison.record["recipe"] or comparison.facts["data_set"]
    comparison.write_table("comparison.csv", scores.reset_index())
    said = verdict(scores)
    text = f"{recipe}: {int(scores['test_images'].iloc[0])} test images\n\n{printed(scores)}\n\n{said}\n"
    (comparison.path / "comparison.txt").write_text(text, encoding="utf-8")
    chosen = str(scores["validation_log_loss"].idxmin())
    ranked = {name: value for name, value in scores.loc[chosen].items() if str(name).startswith("validation_")}
    comparison.write_values("metrics", {"chosen": {"model": chosen, **ranked}})
    figures.comparison(scores, comparison.figure("comparison"), f"{recipe}: {said.splitlines()[0]}")
    curves = {report.facts["model"]: report.table("curves.csv") for report in reports}
    best = {report.facts["model"]: int(report.metrics["best_epoch"]) for report in reports}
    figures.model_curves(curves, best, comparison.figure("validation_curves"), f"{recipe}: validation, epoch by epoch")
    print(f"\n{text}")


def printed(scores: pd.DataFrame) -> str:
    """Return the scores as a table of text, the best of each test score marked with a star."""
    table = pd.DataFrame(index=scores.index)
    for name, title in SHOWN.items():
        best = scores[name].min() if "loss" in name else scores[name].max()
        starred = name in ("kappa", "log_loss", "accuracy")
        places = 1 if name.startswith("seconds") else 4
        table[title] = [f"{x:.{places}f}{'*' if x == best and starred else ' ' * starred}" for x in scores[name]]
    baseline = scores.iloc[0]
    note = f"without looking: accuracy {baseline['majority_accuracy']:.4f}, log loss {baseline['prior_log_loss']:.4f}"
    return f"{table.to_string()}\n* best on test; {note}"


def verdict(scores: pd.DataFrame) -> str:
    """Return in words which model validation chose, how it did on test, and each stage that made things worse."""
    chosen, best = str(scores["validation_log_loss"].idxmin()), str(scores["kappa"].idxmax())
    kappa = scores["kappa"].to_dict()
    said = [f"{chosen} is chosen on validation; on test its kappa is {kappa[chosen]:.4f}."]
    if kappa[best] > kappa[chosen]:
        said.append(f"On test {best} has the higher kappa, {kappa[best]:.4f}.")
    for before, after in itertools.pairwise(scores.index):
        if kappa[after] < kappa[before]:
            said.append(f"{after} is worse than {before}: kappa {kappa[after]:.4f} after {kappa[before]:.4f}.")
    return "\n".join(said)

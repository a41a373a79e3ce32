"""Reports side by side: the table, the verdict in words, the figures, the page."""

import itertools
from collections.abc import Mapping, Sequence

import pandas as pd

from components.data.artifacts import Comparison, Report
from components.errors import UserError
from components.results import figures, page

MODELS = ("benchmark", "top", "fine_tuned")
SHOWN = {
    "kappa": "kappa", "log_loss": "log loss", "accuracy": "accuracy",
    "validation_kappa": "val. kappa", "validation_log_loss": "val. log loss", "seconds_training": "train s",
}  # fmt: skip


def compare(reports: Sequence[Report], comparison: Comparison) -> None:
    """Fill a Comparison from reports on one test split, and print its table and verdict.

    Raises:
        UserError: Two reports are on one and the same model.
    """
    named = names(reports)
    scores = pd.DataFrame({name: report.metrics for name, report in named.items()}).T.rename_axis("model")
    recipe = comparison.record["recipe"] or comparison.facts["data_set"]
    comparison.write_table("comparison.csv", scores.reset_index())
    said = verdict(scores)
    title = f"{recipe}: {int(scores['test_images'].iloc[0])} test images"
    table, note = shown(scores), baselines(scores)
    text = f"{title}\n\n{table.to_string()}\n* best on test; {note}\n\n{said}\n"
    (comparison.path / "comparison.txt").write_text(text, encoding="utf-8")
    chosen = str(scores["validation_log_loss"].idxmin())
    ranked = {name: value for name, value in scores.loc[chosen].items() if str(name).startswith("validation_")}
    comparison.write_values("metrics", {"chosen": {"model": chosen, **ranked}})
    figures.comparison(scores, comparison.figure("comparison"), f"{recipe}: {said.splitlines()[0]}")
    curves = {name: report.table("curves.csv") for name, report in named.items()}
    best = {name: int(report.metrics["best_epoch"]) for name, report in named.items()}
    figures.model_curves(curves, best, comparison.figure("validation_curves"), f"{recipe}: validation, epoch by epoch")
    page.write(comparison, named, title, table, note, said.splitlines())
    print(f"\n{text}")


def names(reports: Sequence[Report]) -> dict[str, Report]:
    """Return the reports by name, in the order of the stages; those of one model by validation log loss, best first.

    A report is named after its model; of several on one model, each says in what it was made differently from the
    others, as in `fine_tuned learning_rate=0.0001`.

    Raises:
        UserError: Two reports are on one and the same model.
    """
    found: dict[str, Report] = {}
    ordered = sorted(reports, key=lambda report: report.metrics["validation_log_loss"])
    for model in MODELS:
        arms = [(report, made_with(report)) for report in ordered if report.facts["model"] == model]
        for report, own in arms:
            differing = [key for key in own if any(other.get(key) != own[key] for _, other in arms)]
            name = " ".join([model, *(f"{key}={own[key]}" for key in differing)])
            if name in found:
                raise UserError(f"{found[name].path} and {report.path} are on one model, {name}: give one of them")
            found[name] = report
    return found


def made_with(report: Report) -> dict[str, object]:
    """Return what made a report's model: the weights, the parameters of its training, and those of the steps before.

    The training is the last step before the evaluation; the parameters of the others go by the name of their step too.
    """
    chain: Mapping[str, Mapping[str, object]] = report.record["parameters"]
    *_, trained, _ = chain
    made = {
        name if step == trained else f"{step}.{name}": value
        for step, values in chain.items()
        for name, value in values.items()
    }
    if "backbone" in report.facts:
        made["weights"] = f"{report.facts['backbone']}-{report.facts['weights_sha256'][:8]}"
    return made


def shown(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores as text, the best of each test score marked with a star."""
    table = pd.DataFrame(index=scores.index)
    for name, title in SHOWN.items():
        best = scores[name].min() if "loss" in name else scores[name].max()
        starred = name in ("kappa", "log_loss", "accuracy")
        places = 1 if name.startswith("seconds") else 4
        table[title] = [f"{x:.{places}f}{'*' if x == best and starred else ' ' * starred}" for x in scores[name]]
    return table


def baselines(scores: pd.DataFrame) -> str:
    """Return in words what one scores on the test images without looking at them."""
    first = scores.iloc[0]
    return f"without looking: accuracy {first['majority_accuracy']:.4f}, log loss {first['prior_log_loss']:.4f}"


def verdict(scores: pd.DataFrame) -> str:
    """Return in words which model validation chose, how it did on test, and each stage that made things worse.

    Args:
        scores: A row a report in the order of `names`; the first word of its name is the model.
    """
    chosen, best = str(scores["validation_log_loss"].idxmin()), str(scores["kappa"].idxmax())
    kappa = scores["kappa"].to_dict()
    said = [f"{chosen} is chosen on validation; on test its kappa is {kappa[chosen]:.4f}."]
    if kappa[best] > kappa[chosen]:
        said.append(f"On test {best} has the higher kappa, {kappa[best]:.4f}.")
    stages = dict(iter(scores.groupby(lambda name: name.split()[0], sort=False)))
    for before, after in itertools.pairwise(arms.index[0] for arms in stages.values()):
        if kappa[after] < kappa[before]:
            said.append(f"{after} is worse than {before}: kappa {kappa[after]:.4f} after {kappa[before]:.4f}.")
    for model, arms in stages.items():
        if len(arms) > 1:
            losses = arms["validation_log_loss"].items()
            ranked = ", ".join(f"{str(name).removeprefix(f'{model} ')} ({loss:.4f})" for name, loss in losses)
            said.append(f"{model} by its log loss on validation: {ranked}.")
    return "\n".join(said)

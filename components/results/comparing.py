"""Reports side by side: the table, the tests of what differs, the verdict in words."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from components.data.artifacts import PROBABILITY, Comparison, Report
from components.model.registry import MODELS
from components.results import titles
from components.scores.pairs import compare_pairs
from components.scores.registry import CHOICE, EXACT, HEADLINE, MAIN, SCORES, TESTED
from components.scores.resampling import ALPHA
from components.system.errors import UserError

TRIAL = (  # what trials of one model differ in
    "seed", *(f"{model.step}.seed" for model in MODELS.values() if model.trained),
    "augment.seed", "split.seed", "split.fold",
)  # fmt: skip
TRAININGS = [model.step for model in MODELS.values()]
SPREAD = {**{name: SCORES[name].title for name in MAIN}, CHOICE: "val. log loss"}  # over trials


def compare(reports: Sequence[Report], comparison: Comparison) -> None:
    """Fill a Comparison from reports on one data set.

    Raises:
        UserError: The reports are on several data sets or test splits, or two are on one and the same model.
    """
    models = names(reports)
    main = {name: trials[0] for name, trials in models.items()}
    trials = trial_scores(models)
    scores = test_scores(main, trials)
    pairs = pair_tests(models)
    for table_name, table in (("comparison", scores.reset_index()), ("pairs", pairs), ("trials", trials)):
        comparison.write_table(f"{table_name}.csv", table)
    chosen = str(scores[CHOICE].idxmin())
    report = main[chosen]
    comparison.write_values("verdict", {
        "verdict": [*verdict(scores, pairs), *arm_sentences(main)], "warnings": reports[0].facts["warnings"],
        "trials": spread(trials), "chosen": {"model": chosen, "fingerprint": report.facts["fingerprint"]},
    })  # fmt: skip
    validated = {name: report.metrics[f"validation_{name}"] for name in MAIN}
    comparison.write_values("chosen", {"model": chosen, **validated})


def names(reports: Sequence[Report]) -> dict[str, list[Report]]:
    """Return the trials of each model by its name, in the registry's order, and of one there by validation log loss.

    Reports on models that were made alike but for seeds and the fold are trials of one. The main one, which stands for
    the model and comes first here, is on the test split of the first report of all, and has the seeds of the first
    reports of all: models are told apart by what differs in them, not by luck. A model is called as the registry has
    it; where there are several pretrained networks, after its own too; and of several that are still alike, each says
    in what it was made differently, as in `fine_tuned, mobilenet_v2 learning_rate=0.0001`.

    Raises:
        UserError: The reports are on several data sets or test splits, or two are on one and the same model.
    """
    called = network_names(reports)
    arms: dict[tuple[str, str, frozenset], list[Report]] = {}
    for report in reports:
        if report.manifest["lineage"]["fetch"] != reports[0].manifest["lineage"]["fetch"]:
            raise UserError(f"{reports[0].path} and {report.path} are on different data sets: compare reports on one")
        own = frozenset((key, value) for key, value in made_with(report).items() if key not in TRIAL)
        arms.setdefault((report.facts["model"], called.get(network_of(report), ""), own), []).append(report)
    main: dict[str, object] = {}
    for report in reports:
        main = seeds(report) | main
    for trials in arms.values():
        trials.sort(key=lambda one: (split_of(one) != split_of(reports[0]), len(seeds(one).items() - main.items())))
        if split_of(trials[0]) != split_of(reports[0]):
            raise UserError(
                f"{reports[0].path} and {trials[0].path} are on different test splits: "
                "give a report of every model on one"
            )
    ordered = sorted(arms.items(), key=lambda arm: arm[1][0].metrics[CHOICE])
    found: dict[str, list[Report]] = {}
    for (model, network, own), trials in sorted(ordered, key=lambda arm: [*MODELS].index(arm[0][0])):
        alike = [dict(other) for (*whose, other), _ in ordered if whose == [model, network]]
        made = dict(own)
        keys = [key for key in made_with(trials[0]) if any(other.get(key) != made.get(key) for other in alike)]
        name = titles.model_name(model, network, [f"{key}={made[key]}" for key in keys])
        found[name] = distinct(name, trials)
    return found


def network_names(reports: Sequence[Report]) -> dict[tuple[str, str] | None, str]:
    """Return what each pretrained network is called: after its backbone; with its weights, where that has several.

    Nothing where there are not several networks.
    """
    networks = {network for report in reports if (network := network_of(report))}
    backbones = [backbone for backbone, _ in networks]
    return {
        (backbone, weights): f"{backbone}-{weights[:8]}" if backbones.count(backbone) > 1 else backbone
        for backbone, weights in networks
        if len(networks) > 1
    }


def network_of(report: Report) -> tuple[str, str] | None:
    """Return the backbone and the digest of the weights that a report's model was made with; none without one."""
    backbone, weights = (report.facts.get(name) for name in ("backbone", "weights_sha256"))
    return (backbone, weights) if backbone and weights else None


def trial_names(models: Mapping[str, Sequence[Report]]) -> dict[str, Report]:
    """Return every report by a name of its own: the model's for the main one, with its seeds and fold for another."""
    found = {}
    for name, trials in models.items():
        made = [made_with(report) for report in trials]
        keys = [key for key in TRIAL if any(own.get(key) != made[0].get(key) for own in made)]
        for report, own in zip(trials, made, strict=True):
            trial = [f"{key}={own.get(key)}" for key in keys] if report is not trials[0] else []
            found[" ".join([name, *trial])] = report
    return found


def distinct(name: str, trials: list[Report]) -> list[Report]:
    """Return the trials of a model as they are.

    Raises:
        UserError: Two of them are one and the same.
    """
    for one, other in itertools.combinations(trials, 2):
        if made_with(one) == made_with(other):
            raise UserError(f"{one.path} and {other.path} are on one model, {name}: give one of them")
    return trials


def split_of(report: Report) -> str:
    """Return the digest of the split that a report's images are the test part of."""
    return report.manifest["lineage"]["split"]


def made_with(report: Report) -> dict[str, object]:
    """Return what made a report's model, but for the network: the parameters of its training and of the steps before.

    The parameters of the steps before the training go by the name of their step too. What validation chose among
    several values is no difference between models, and what a model predicts from is the evaluation's own.
    """
    chain: Mapping[str, Mapping[str, object]] = report.manifest["parameters"]
    *_, evaluated = chain
    *_, trained = (step for step in chain if step in TRAININGS)
    chosen = {address for arm in report.facts.get("arms", ()) for address in arm["values"]}
    made = {
        name if step == trained else f"{step}.{name}": value
        for step, values in chain.items()
        if step != evaluated
        for name, value in values.items()
        if f"{step}.{name}" not in chosen
    }
    return made | {"views": chain[evaluated]["views"]}


def seeds(report: Report) -> dict[str, object]:
    """Return the seeds and the fold that made a report's model, as in `train_top.seed`."""
    chain: Mapping[str, Mapping[str, object]] = report.manifest["parameters"]
    found = {f"{step}.{name}": value for step, values in chain.items() for name, value in values.items()}
    return {key: value for key, value in found.items() if key in TRIAL}


def trial_scores(models: Mapping[str, Sequence[Report]]) -> pd.DataFrame:
    """Return a row a report: its model, its fingerprint, its seeds and fold, its scores.

    A seed or fold is empty where a model has none of the kind.
    """
    rows = [
        [name, report.facts["fingerprint"], *(made_with(report).get(key, "") for key in TRIAL)]
        + [report.metrics[score] for score in SPREAD]
        for name, trials in models.items()
        for report in trials
    ]
    return pd.DataFrame(rows, columns=["model", "fingerprint", *TRIAL, *SPREAD])


def test_scores(named: Mapping[str, Report], trials: pd.DataFrame) -> pd.DataFrame:
    """Return a row a model: the scores of its main report, such as `kappa`, with `kappa_low` and `kappa_high`.

    Where a model has several trials, their number, `trials`, and `kappa_mean` and `kappa_std` (of trials - 1).
    """
    rows = {}
    for name, report in named.items():
        ends = report.intervals.items()
        low, high = (
            {f"{score}_{end}": both[number] for score, both in ends} for number, end in enumerate(("low", "high"))
        )
        rows[name] = report.metrics | low | high
    scores = pd.DataFrame(rows).T.rename_axis("model")
    if len(trials) > len(named):
        grouped = trials.groupby("model")
        scores["trials"] = grouped.size()
        for score in SPREAD:
            scores[f"{score}_mean"], scores[f"{score}_std"] = grouped[score].mean(), grouped[score].std(ddof=1)
    return scores


def tested_together(models: Mapping[str, Sequence[Report]]) -> dict[str, list[Report]]:
    """Return the reports on each model whose test images are taken together: of all folds, else the main one alone.

    Folds are taken together where every model was tried on the same, and no image is in the test part of two.
    """
    main = {name: [trials[0]] for name, trials in models.items()}
    folds = {name: {split_of(report): report for report in reversed(trials)} for name, trials in models.items()}
    splits, *others = folds.values()
    if any(own.keys() != splits.keys() for own in others):
        return main
    files = pd.concat([report.table("predictions.csv")["file"] for report in splits.values()])
    return main if files.duplicated().any() else {name: [own[split] for split in splits] for name, own in folds.items()}


def pair_tests(models: Mapping[str, Sequence[Report]]) -> pd.DataFrame:
    """Return the table of `pairs.compare_pairs`, with the number of `folds` whose test images were taken together.

    The tests take the images of several folds for independent, although the models behind them share training images.

    Raises:
        UserError: Reports on one split have different test images.

    Source: on folds, Bengio & Grandvalet, Journal of Machine Learning Research 5 (2004), pages 1089 to 1105.
    """
    taken = tested_together(models)
    tables = {
        name: pd.concat([report.table("predictions.csv") for report in own]).set_index("file")
        for name, own in taken.items()
    }
    (main, *_), (first, *_) = taken.values(), tables.values()
    for name, table in tables.items():
        if set(table.index) != set(first.index):
            paths = f"{main[0].path} and {taken[name][0].path}"
            raise UserError(f"{paths} have different test images: make them again, from one test split")
    columns = [column for column in first.columns if column.startswith(PROBABILITY)]
    numbers = {column.removeprefix(PROBABILITY): number for number, column in enumerate(columns)}
    pairs = compare_pairs(
        first["label"].map(numbers).to_numpy(dtype=int),
        {name: table.loc[first.index, columns].to_numpy() for name, table in tables.items()},
        first["group"].to_numpy(),
    )
    pairs.insert(4, "folds", len(main))
    return pairs


def verdict(scores: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
    """Return in sentences which model validation chose, how it did on test, how others compare, and what got worse.

    Args:
        scores: A row a model in the order of `names`.
        pairs: A row a pair of models, as `pair_tests` returns it.
    """
    chosen = str(scores[CHOICE].idxmin())
    main = scores.loc[chosen]
    value, low, high = (main[f"{HEADLINE}{end}"] for end in ("", "_low", "_high"))
    score = f"{SCORES[HEADLINE].title} is {value:.3f} (95 % interval {low:.3f} to {high:.3f})"
    said = [f"{chosen} is chosen on validation; on test its {score}."]
    for other in scores.index.drop(chosen):
        said += pair_sentences(turn(pairs, chosen, other))
    models = dict(iter(scores.groupby(titles.model_of, sort=False)))
    for before, after in itertools.pairwise(arms.index[0] for arms in models.values()):
        values = scores.loc[[before, after], HEADLINE]
        if chosen not in (before, after) and SCORES[HEADLINE].best(values) != values[after]:
            said += pair_sentences(turn(pairs, after, before))
    for model, arms in models.items():
        if len(arms) > 1:
            ranked = ", ".join(f"{titles.arm_of(str(name))} ({loss:.4f})" for name, loss in arms[CHOICE].items())
            said.append(f"{model} by its log loss on validation: {ranked}.")
    return said


def turn(pairs: pd.DataFrame, second: str, first: str) -> dict[str, Any]:
    """Return the row of a pair of models, turned round where needed, so that it says how one scores after the other."""
    rows = ({str(name): value for name, value in row.items()} for row in pairs.to_dict("records"))
    row = next(row for row in rows if {row["first"], row["second"]} == {first, second})
    if row["first"] == first:
        return row
    swapped = {"first": row["second"], "second": row["first"]}
    for score in TESTED:
        one, other, difference, low, high = (
            f"{score}_{name}" for name in ("first", "second", "difference", "low", "high")
        )
        swapped |= {one: row[other], other: row[one], difference: -row[difference], low: -row[high], high: -row[low]}
    return row | swapped


def pair_sentences(pair: Mapping[str, Any]) -> list[str]:
    """Return in sentences how the second model of a pair does after the first.

    By accuracy; by the other scores where these do not say the same.
    """
    ranks = {score: rank(pair, score) for score in TESTED}
    return [sentence(pair, score) for score in ranks if score == EXACT or ranks[score] != ranks[EXACT]]


def rank(pair: Mapping[str, Any], score: str) -> str:
    """Return whether the second model of a pair is `better` or `worse` by a score; empty where that cannot be told."""
    if pair[f"{score}_p_corrected"] >= ALPHA:
        return ""
    return "better" if (pair[f"{score}_difference"] > 0) == (SCORES[score].better == "higher") else "worse"


def sentence(pair: Mapping[str, Any], score: str) -> str:
    """Return the sentence to quote on a score of a pair."""
    one, other, difference, low, high, p, needed = (
        pair[f"{score}_{name}"]
        for name in ("first", "second", "difference", "low", "high", "p_corrected", "images_needed")
    )
    title = SCORES[score].title
    by = "" if score == EXACT else f" by {title}"
    test = "McNemar's exact test" if score == EXACT else "paired bootstrap"
    if pair["groups"]:
        test = f"{'exact sign-flip test' if score == EXACT else test} over {pair['groups']} groups"
    chance = "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
    chance += f", corrected for {pair['pairs']} pairs" if pair["pairs"] > 1 else ""
    scale, places, unit = (100, 1, " points") if score == EXACT else (1, 3, "")
    scores = f"{title} {other:.3f} after {one:.3f}"
    folds = f" of {pair['folds']} folds" if pair["folds"] > 1 else ""
    if found := rank(pair, score):
        ends = (low, high) if difference > 0 else (-high, -low)
        low, high = (f"{scale * end:.{places}f}" for end in ends)
        amount = f"{scale * abs(difference):.{places}f}{unit} {'more' if difference > 0 else 'less'}"
        whence = f"On {pair['images']:,} test images{folds} " if folds else ""
        subject = f"{whence}{pair['second']} is {found} than {pair['first']}{by}"
        return f"{subject}: {scores}, {amount} (95 % interval {low} to {high}; {test}, {chance})."
    images = f"These {pair['images']:,} test images{folds}"
    interval = f"95 % interval of the difference {scale * low:.{places}f} to {scale * high:.{places}f}{unit}"
    would = f"; at this difference it would take about {float(f'{needed:.2g}'):,.0f}" if np.isfinite(needed) else ""
    both = f"{pair['second']} from {pair['first']}{by}"
    return f"{images} cannot tell {both}: {scores} ({interval}; {test}, {chance}){would}."


def arm_sentences(named: Mapping[str, Report]) -> list[str]:
    """Return in a sentence for each model what validation chose among several values, and what the others came to."""
    said = []
    for name, report in named.items():
        if arms := report.facts.get("arms"):
            values = [", ".join(f"{key}={value}" for key, value in arm["values"].items()) for arm in arms]
            ranked = "; ".join(f"{text} {arm[CHOICE]:.4f}" for text, arm in zip(values, arms, strict=True))
            said.append(f"Of {len(arms)} arms of {name}, validation chose {values[0]}, by log loss: {ranked}.")
    return said


def spread(trials: pd.DataFrame) -> list[str]:
    """Return in sentences the mean and the standard deviation over the trials of each model that has several."""
    said = []
    for name, own in trials.groupby("model", sort=False):
        if len(own) > 1:
            seeds = own[["split.seed", "split.fold"]].drop_duplicates().shape[0] == 1
            kind = "folds" if own["split.fold"].nunique() == len(own) else "seeds" if seeds else "trials"
            values = (f"{title} {own[score].mean():.3f} +- {own[score].std():.3f}" for score, title in SPREAD.items())
            said.append(f"{name}, mean of {len(own)} {kind}: {', '.join(values)}.")
    return said

"""Reports side by side: the tables of their scores, the tests of what differs, the choice."""

from collections.abc import Mapping, Sequence

import pandas as pd

from components.data.artifacts import PROBABILITY, Comparison, Report
from components.results.cautions import caution_sentences
from components.results.costly_mistakes import costly_words, threshold_sentences
from components.results.trials import SEEDS, chain_parameters, split_digest, trials_by_model
from components.results.verdicts import TRIAL_SCORES, arm_sentences, trial_sentences, verdict_sentences
from components.scores.pairs import compare_pairs
from components.scores.registry import CHOICE, MAIN
from components.system.errors import UserError


def compare_reports(reports: Sequence[Report], comparison: Comparison) -> None:
    """Write a Comparison of reports: `comparison.csv`, `pairs.csv`, `trials.csv`, `verdict.json` and `chosen.json`.

    The chosen model is that whose main report has the lowest log loss on validation.

    Raises:
        UserError: The reports are on several data sets or test splits, or two are on one and the same model.
    """
    models = trials_by_model(reports)
    main = {name: trials[0] for name, trials in models.items()}
    trials = trial_scores(models)
    scores = model_scores(main, trials)
    pairs = pair_tests(models)
    for table_name, table in (("comparison", scores.reset_index()), ("pairs", pairs), ("trials", trials)):
        comparison.write_table(f"{table_name}.csv", table)
    chosen = str(scores[CHOICE].idxmin())
    report = main[chosen]
    first, *sentences = verdict_sentences(scores, pairs)
    comparison.write_values("verdict", {
        "cautions": caution_sentences(models),
        "verdict": [
            f"{first} {costly_words(models[chosen])}".strip(), *sentences, *arm_sentences(main),
            *threshold_sentences(report),
        ],
        "warnings": reports[0].facts.warnings, "trials": trial_sentences(trials),
        "chosen": {"model": chosen, "fingerprint": report.facts.fingerprint},
    })  # fmt: skip
    validation = {name: report.metrics[f"validation_{name}"] for name in MAIN}
    comparison.write_values("chosen", {"model": chosen, **validation})


def trial_scores(models: Mapping[str, Sequence[Report]]) -> pd.DataFrame:
    """Return a table with a row a report: `model`, `fingerprint`, the columns of `SEEDS`, the scores of `TRIAL_SCORES`.

    A seed or fold is empty where a model has none of the kind.
    """
    rows = [
        [name, report.facts.fingerprint, *(chain_parameters(report).get(key, "") for key in SEEDS)]
        + [report.metrics[score] for score in TRIAL_SCORES]
        for name, trials in models.items()
        for report in trials
    ]
    return pd.DataFrame(rows, columns=["model", "fingerprint", *SEEDS, *TRIAL_SCORES])


def model_scores(reports: Mapping[str, Report], trials: pd.DataFrame) -> pd.DataFrame:
    """Return a table, indexed by model: all metrics of its main report, with `_low` and `_high` where it has intervals.

    If any model has several trials, every row has their number, `trials`, and for each score of `TRIAL_SCORES` the mean
    and the standard deviation too, such as `kappa_mean` and `kappa_std` (divided by trials - 1; empty for one trial).
    """
    rows = {}
    for name, report in reports.items():
        intervals = report.intervals.items()
        low, high = (
            {f"{score}_{end}": ends[number] for score, ends in intervals} for number, end in enumerate(("low", "high"))
        )
        rows[name] = report.metrics | low | high
    scores = pd.DataFrame(rows).T.rename_axis("model")
    if len(trials) > len(reports):
        grouped = trials.groupby("model")
        scores["trials"] = grouped.size()
        for score in TRIAL_SCORES:
            scores[f"{score}_mean"], scores[f"{score}_std"] = grouped[score].mean(), grouped[score].std(ddof=1)
    return scores


def pooled_reports(models: Mapping[str, Sequence[Report]]) -> dict[str, list[Report]]:
    """Return, by model, the reports whose test images the tests pool: one of each fold, or else the main one alone.

    Folds are pooled where every model was tried on the same, and no image is in the test part of two; they are in the
    same order for all models.
    """
    main = {name: [trials[0]] for name, trials in models.items()}
    folds = {name: {split_digest(report): report for report in reversed(trials)} for name, trials in models.items()}
    splits, *others = folds.values()
    if any(other.keys() != splits.keys() for other in others):
        return main
    files = pd.concat([report.table("predictions.csv")["file"] for report in splits.values()])
    if files.duplicated().any():
        return main
    return {name: [by_split[split] for split in splits] for name, by_split in folds.items()}


def pair_tests(models: Mapping[str, Sequence[Report]]) -> pd.DataFrame:
    """Return the table of `compare_pairs`, a row a pair of models, with the number of `folds` pooled, 1 if none are.

    The tests take the images of several folds for independent, although the models behind them share training images.

    Raises:
        UserError: Reports on one split have different test images.

    Source: on folds, Bengio & Grandvalet, Journal of Machine Learning Research 5 (2004), pages 1089 to 1105.
    """
    pooled = pooled_reports(models)
    tables = {
        name: pd.concat([report.table("predictions.csv") for report in reports]).set_index("file")
        for name, reports in pooled.items()
    }
    (main, *_), (first, *_) = pooled.values(), tables.values()
    for name, table in tables.items():
        if set(table.index) != set(first.index):
            paths = f"{main[0].path} and {pooled[name][0].path}"
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

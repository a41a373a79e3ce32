"""Reports side by side: the tables of the ways' scores, the tests of what differs, the choice."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from components.data.artifacts import PROBABILITY, Comparison, Report
from components.results import titles
from components.results.cautions import caution_sentences
from components.results.costly_mistakes import costly_words, threshold_sentences
from components.results.trials import SEEDS, chain_parameters, split_digest, trials_by_model
from components.results.verdicts import (
    FEWEST_DRAWS,
    TRIAL_SCORES,
    arm_sentences,
    trust_sentence,
    verdict_sentences,
)
from components.scores.estimates import Sample, estimate, pool_folds, pool_trainings, sample_of
from components.scores.pairs import compare_same_ways, compare_ways
from components.scores.proportions import independent_units
from components.scores.registry import CHOICE, EXACT, MAIN
from components.system.errors import UserError


def compare_reports(reports: Sequence[Report], comparison: Comparison) -> None:
    """Write a Comparison of reports: `comparison.csv`, `pairs.csv`, `trials.csv`, `verdict.json` and `chosen.json`.

    The chosen way is that whose trainings have the lowest mean log loss on validation.

    Raises:
        UserError: The reports are on several data sets or test splits, or two are on one and the same model.
    """
    models = trials_by_model(reports)
    main = {name: trials[0] for name, trials in models.items()}
    trials = trial_scores(models)
    samples = samples_by_split(models)
    same = [
        compare_same_ways(next(iter(of_way.values()))) for name, of_way in samples.items() if titles.has_chance(name)
    ]
    ways = {name: pool_way(models[name], samples[name]) for name in models}
    scores, pairs = way_scores(models, ways), compare_ways(ways)
    for table_name, table in (("comparison", scores.reset_index()), ("pairs", pairs), ("trials", trials)):
        comparison.write_table(f"{table_name}.csv", table)
    chosen = str(scores[CHOICE].idxmin())
    report = main[chosen]
    comparison.write_values("verdict", {
        "cautions": caution_sentences(models),
        "verdict": [
            *verdict_sentences(scores, pairs, costly_words(models[chosen])), *trust_sentence(same),
            *arm_sentences(main), *threshold_sentences(report),
        ],
        "warnings": reports[0].facts.warnings,
        "chosen": {"model": chosen, "fingerprint": report.facts.fingerprint},
    })  # fmt: skip
    validation = {name: float(scores[f"validation_{name}"][chosen]) for name in MAIN}
    comparison.write_values("chosen", {"model": chosen, **validation})


def trial_scores(models: Mapping[str, Sequence[Report]]) -> pd.DataFrame:
    """Return a row a report: `model`, `fingerprint`, its seeds and fold, the main test scores, `validation_log_loss`.

    The columns of seeds and folds are those of `SEEDS`, the scores those of `TRIAL_SCORES`.

    A seed or fold is empty where a model has none of the kind.
    """
    rows = [
        [name, report.facts.fingerprint, *(chain_parameters(report).get(key, "") for key in SEEDS)]
        + [report.metrics[score] for score in TRIAL_SCORES]
        for name, trials in models.items()
        for report in trials
    ]
    return pd.DataFrame(rows, columns=["model", "fingerprint", *SEEDS, *TRIAL_SCORES])


def samples_by_split(models: Mapping[str, Sequence[Report]]) -> dict[str, dict[str, list[Sample]]]:
    """Return, by way, then by digest of a split, a Sample of each training; the main split and the main training first.

    They are of the splits on which every way was trained, if there are `FEWEST_DRAWS` or more of them; else of the main
    split. Two folds do not show how much folds differ. The one training of a way without chance stands for as many as
    the others have: each would be the same.

    Raises:
        UserError: Reports on one split have different test images.
    """
    splits: dict[str, dict[str, list[Report]]] = {name: {} for name in models}
    for name, trials in models.items():
        for report in trials:
            splits[name].setdefault(split_digest(report), []).append(report)
    main, *others = next(iter(splits.values()))
    common = [main, *(digest for digest in others if all(digest in by_digest for by_digest in splits.values()))]
    if len(common) < FEWEST_DRAWS:
        common = [main]
    samples: dict[str, dict[str, list[Sample]]] = {name: {} for name in models}
    for digest in common:
        first = next(iter(splits.values()))[digest][0]
        order = first.table("predictions.csv").set_index("file")
        for name, by_digest in splits.items():
            samples[name][digest] = [sample_of(*predictions_on(report, first, order)) for report in by_digest[digest]]
        most = max(FEWEST_DRAWS, *(len(of_way[digest]) for of_way in samples.values()))
        for name, of_way in samples.items():
            if not titles.has_chance(name):
                of_way[digest] = of_way[digest] * most
    return samples


def predictions_on(report: Report, first: Report, order: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels (n,), probabilities (n, classes), units (n,) of a report's test images, ordered as another's are.

    The classes are in the other's order, too.

    Args:
        report: The report.
        first: The other.
        order: The predictions of the other, by file.

    Raises:
        UserError: The two have different test images.
    """
    table = report.table("predictions.csv").set_index("file")
    if len(order) != len(table) or set(order.index) != set(table.index):
        raise UserError(
            f"{first.path} and {report.path} have different test images: make them again, from one test split"
        )
    columns = [column for column in order.columns if column.startswith(PROBABILITY)]
    numbers = {column.removeprefix(PROBABILITY): number for number, column in enumerate(columns)}
    labels = order["label"].map(numbers).to_numpy(dtype=int)
    unit = independent_units(order["group"].to_numpy(), len(order))
    return labels, table.loc[order.index, columns].to_numpy(), unit


def pool_way(trials: Sequence[Report], samples: Mapping[str, Sequence[Sample]]) -> Sample:
    """Return one Sample of a way: several splits pooled as folds; else its trainings; of under 3 the main one alone."""
    if len(samples) > 1:
        train_images = np.mean([sum(report.facts.train_counts) for report in trials])
        return pool_folds([pool_trainings(of_split) for of_split in samples.values()], float(train_images))
    (of_split,) = samples.values()
    return pool_trainings(of_split if len(of_split) >= FEWEST_DRAWS else of_split[:1])


def way_scores(models: Mapping[str, Sequence[Report]], ways: Mapping[str, Sample]) -> pd.DataFrame:
    """Return a row a way, index `model`: scores, each with `_low`, `_high`, `_std`, `trainings`, `folds`, other means.

    `trainings` is how many there are, 1 where it is about a file, and `folds` on how many splits. Each score of the
    registry has its interval, over images and trainings, as `kappa_low` and `kappa_high`, and the standard deviation of
    the trainings (of the folds where there are several), as `kappa_std`, empty for one. `test_images` are those of all
    folds, `best_epoch` is the main training's, and other columns are the means of the reports' metrics.
    """
    rows = {}
    for name, sample in ways.items():
        trials = models[name] if sample.trainings > 1 else models[name][:1]
        row = {key: float(np.mean([report.metrics[key] for report in trials])) for key in trials[0].metrics}
        row |= {"test_images": sample.images, "best_epoch": trials[0].metrics["best_epoch"]}
        row |= {"trainings": sample.trainings, "folds": len(sample.values[EXACT]) if sample.is_folded else 1}
        for score, values in sample.values.items():
            low, high = estimate(sample, score).interval()
            deviation = values.std(ddof=1) if len(values) > 1 else np.nan
            row |= {score: sample.score(score), f"{score}_low": low, f"{score}_high": high, f"{score}_std": deviation}
        rows[name] = row
    return pd.DataFrame(rows).T.rename_axis("model")

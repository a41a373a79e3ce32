"""The verdict of a comparison, in sentences."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from components.data.artifacts import Report
from components.results import titles
from components.results.texts import two_digits
from components.scores.registry import CHOICE, EXACT, HEADLINE, MAIN, SCORES, TESTED
from components.scores.resampling import ALPHA

TRIAL_SCORES = {**{name: SCORES[name].title for name in MAIN}, CHOICE: "val. log loss"}  # of each trial


def verdict_sentences(scores: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
    """Return sentences: the model that validation chose, its test kappa, its tests against every other model, and more.

    More are the tests of two models of the registry that follow each other, by the first arm of each, where neither is
    chosen and the later has the worse kappa; and of each with several arms, all arms with their log loss on validation.

    Args:
        scores: A row a model in the order of `trials_by_model`.
        pairs: A row a pair of models, as `comparing.pair_tests` returns it.
    """
    chosen = str(scores[CHOICE].idxmin())
    row = scores.loc[chosen]
    value, low, high = (row[f"{HEADLINE}{end}"] for end in ("", "_low", "_high"))
    score = f"{SCORES[HEADLINE].title} is {value:.3f} (95 % interval {low:.3f} to {high:.3f})"
    sentences = [f"{chosen} is chosen on validation; on test its {score}."]
    for other in scores.index.drop(chosen):
        sentences += pair_sentences(pair_row(pairs, chosen, other))
    models = dict(iter(scores.groupby(titles.model_of, sort=False)))
    for before, after in itertools.pairwise(arms.index[0] for arms in models.values()):
        values = scores.loc[[before, after], HEADLINE]
        if chosen not in (before, after) and SCORES[HEADLINE].best(values) != values[after]:
            sentences += pair_sentences(pair_row(pairs, after, before))
    for model, arms in models.items():
        if len(arms) > 1:
            ranking = ", ".join(f"{titles.arm_of(str(name))} ({loss:.4f})" for name, loss in arms[CHOICE].items())
            sentences.append(f"{model} by its log loss on validation: {ranking}.")
    return sentences


def pair_row(pairs: pd.DataFrame, second: str, first: str) -> dict[str, Any]:
    """Return a pair's row by column; where the table has it the other way, scores, signs and ends are turned round."""
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
    """Return a sentence on a pair of models by accuracy, and one by each other tested score that judges it otherwise.

    Args:
        pair: A row of `pairs.csv`.
    """
    ranks = {score: better_or_worse(pair, score) for score in TESTED}
    return [score_sentence(pair, score) for score in ranks if score == EXACT or ranks[score] != ranks[EXACT]]


def better_or_worse(pair: Mapping[str, Any], score: str) -> str:
    """Return whether the second model of a pair is `better` or `worse` by a score; empty if it is not significant."""
    if pair[f"{score}_p_corrected"] >= ALPHA:
        return ""
    return "better" if (pair[f"{score}_difference"] > 0) == (SCORES[score].better == "higher") else "worse"


def score_sentence(pair: Mapping[str, Any], score: str) -> str:
    """Return a sentence by one score, to be quoted as it is: better or worse, and by how much, or not told apart."""
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
    scores = f"{title} {other:.3f} against {one:.3f}"
    folds = f" of {pair['folds']} folds" if pair["folds"] > 1 else ""
    if rank := better_or_worse(pair, score):
        ends = (low, high) if difference > 0 else (-high, -low)
        low, high = (f"{scale * end:.{places}f}" for end in ends)
        amount = f"{scale * abs(difference):.{places}f}{unit} {'more' if difference > 0 else 'less'}"
        prefix = f"On {pair['images']:,} test images{folds} " if folds else ""
        subject = f"{prefix}{pair['second']} is {rank} than {pair['first']}{by}"
        return f"{subject}: {scores}, {amount} (95 % interval {low} to {high}; {test}, {chance})."
    images = f"These {pair['images']:,} test images{folds}"
    interval = f"95 % interval of the difference {scale * low:.{places}f} to {scale * high:.{places}f}{unit}"
    sample_size = f"; at this difference it would take about {two_digits(needed)}" if np.isfinite(needed) else ""
    both = f"{pair['second']} from {pair['first']}{by}"
    return f"{images} cannot tell {both}: {scores} ({interval}; {test}, {chance}){sample_size}."


def arm_sentences(reports: Mapping[str, Report]) -> list[str]:
    """Return a sentence for each model with arms: the values that validation chose, and the log loss of every arm."""
    sentences = []
    for name, report in reports.items():
        if arms := report.facts.arms:
            values = [", ".join(f"{key}={value}" for key, value in arm["values"].items()) for arm in arms]
            ranking = "; ".join(f"{text} {arm[CHOICE]:.4f}" for text, arm in zip(values, arms, strict=True))
            sentences.append(f"Of {len(arms)} arms of {name}, validation chose {values[0]}, by log loss: {ranking}.")
    return sentences


def trial_sentences(trials: pd.DataFrame) -> list[str]:
    """Return a sentence for each model with several trials: how many, mean and standard deviation of `TRIAL_SCORES`.

    Args:
        trials: The table of `comparing.trial_scores`.
    """
    sentences = []
    for name, rows in trials.groupby("model", sort=False):
        if len(rows) > 1:
            one_split = rows[["split.seed", "split.fold"]].drop_duplicates().shape[0] == 1
            kind = "folds" if rows["split.fold"].nunique() == len(rows) else "seeds" if one_split else "trials"
            values = (
                f"{title} {rows[score].mean():.3f} +- {rows[score].std():.3f}" for score, title in TRIAL_SCORES.items()
            )
            sentences.append(f"{name}, mean of {len(rows)} {kind}: {', '.join(values)}.")
    return sentences

"""The verdict of a comparison, in sentences."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import pandas as pd

from components.data.artifacts import Report
from components.results import titles
from components.results.texts import join_words
from components.scores.pairs import SameWay, best_ways
from components.scores.proportions import ALPHA, FEWEST
from components.scores.registry import CHOICE, EXACT, HEADLINE, MAIN, SCORES, TESTED
from components.system.errors import fold_words

TRIAL_SCORES = {**{name: SCORES[name].title for name in MAIN}, CHOICE: "val. log loss"}  # of each trial
FEWEST_DRAWS = 3  # trainings of a way; with fewer, a verdict is on a file
MOST_WAYS = 6  # in a verdict that has a sentence a pair
MARGIN = 0.01  # of accuracy: ways that differ by less are as good as equal


def verdict_sentences(scores: pd.DataFrame, pairs: pd.DataFrame, costly: str = "") -> list[str]:
    """Return sentences: the chosen way and its test kappa first, its pairs (of over 6 ways, the best), models' arms.

    The first says, too, where the verdict is on single files.

    The pairs are those of the chosen way; of few ways also those of two models of the registry that follow each other,
    by the first arm of each, where neither is chosen and the later has the worse kappa. Of many ways a set of the best
    is named. Of each model with several arms, all arms have their log loss on validation.

    Args:
        scores: A row a way in the order of `trials_by_model`, as `comparing.way_scores` returns it.
        pairs: A row a pair of ways, as `pairs.compare_ways` returns it.
        costly: What is to be said of the costly mistakes of the chosen way, in the first line.
    """
    chosen = str(scores[CHOICE].idxmin())
    words = [few_trainings_sentence(scores), choice_sentence(chosen, scores.loc[chosen].to_dict()), costly]
    sentences = [" ".join(filter(None, words))]
    models = dict(iter(scores.groupby(titles.model_of, sort=False)))
    if len(scores) <= MOST_WAYS:
        sentences += [pair_sentence(pair_row(pairs, chosen, other)) for other in scores.index.drop(chosen)]
        for before, after in itertools.pairwise(arms.index[0] for arms in models.values()):
            values = scores.loc[[before, after], HEADLINE]
            if chosen not in (before, after) and SCORES[HEADLINE].best(values) != values[after]:
                sentences.append(pair_sentence(pair_row(pairs, after, before)))
    else:
        sentences += best_sentences(pairs, [*map(str, scores.index)])
    if len(pairs):
        sentences.append(correction_sentence(pairs))
    for model, arms in models.items():
        if len(arms) > 1:
            losses = arms[CHOICE].sort_values(kind="stable").items()
            ranking = fold_words(f"{titles.arm_of(str(name))} ({loss:.4f})" for name, loss in losses)
            sentences.append(f"{model} by its log loss on validation: {ranking}.")
    return sentences


def few_trainings_sentence(scores: pd.DataFrame) -> str:
    """Return the sentence that ways with fewer than 3 trainings are judged as single files; "" if there are none."""
    few = scores.index[scores["trainings"] < FEWEST_DRAWS]
    of = "" if len(few) == len(scores) else f" of {', '.join(map(str, few))}"
    return (
        f"This is on single files{of}, not on ways: another training may turn it round; `repeats` of {FEWEST_DRAWS} or "
        "more tell of ways."
    ) * bool(len(few))


def choice_sentence(chosen: str, row: Mapping[Any, Any]) -> str:
    """Return `NAME is chosen on validation; on test its kappa is 0.9 ... (95 % interval 0.88 to 0.92, over images).`"""
    value, low, high = (row[f"{HEADLINE}{end}"] for end in ("", "_low", "_high"))
    mean, over = "", "images"
    if row["trainings"] >= FEWEST_DRAWS:
        folds = f" on {row['folds']:.0f} folds" if row["folds"] > 1 else ""
        mean, over = f", the mean of {row['trainings']:.0f} trainings{folds}", "images and trainings"
        if not titles.has_chance(chosen):
            mean, over = f", the same in every training{folds}", "images"
    return (
        f"{chosen} is chosen on validation; on test its {SCORES[HEADLINE].title} is {value:.3f}{mean} "
        f"(95 % interval {low:.3f} to {high:.3f}, over {over})."
    )


def pair_row(pairs: pd.DataFrame, second: str, first: str) -> dict[str, Any]:
    """Return a pair's row by column; where the table has it the other way, scores, signs and ends are turned round."""
    rows = ({str(name): value for name, value in row.items()} for row in pairs.to_dict("records"))
    row = next(row for row in rows if {row["first"], row["second"]} == {first, second})
    if row["first"] == first:
        return row
    swapped = {"first": row["second"], "second": row["first"]}
    swapped |= {"first_trainings": row["second_trainings"], "second_trainings": row["first_trainings"]}
    for score in TESTED:
        one, other, difference, low, high = (
            f"{score}_{name}" for name in ("first", "second", "difference", "low", "high")
        )
        swapped |= {one: row[other], other: row[one], difference: -row[difference], low: -row[high], high: -row[low]}
    return row | swapped


def better_or_worse(pair: Mapping[str, Any], score: str) -> str:
    """Return `better` or `worse`, the second way of a pair by a score; empty where the corrected p is 0.05 or more."""
    if pair[f"{score}_p"] >= ALPHA:
        return ""
    return "better" if (pair[f"{score}_difference"] > 0) == (SCORES[score].better == "higher") else "worse"


def pair_sentence(pair: Mapping[str, Any]) -> str:
    """Return the sentence on a pair: its second better or worse, by how much; or equivalent; or not told apart.

    Accuracy comes first; other scores by which the pair is told apart follow.

    Args:
        pair: A row of `pairs.csv`.
    """
    ranks = {score: better_or_worse(pair, score) for score in TESTED}
    are_ways = {key: pair[f"{key}_trainings"] >= FEWEST_DRAWS for key in ("second", "first")}
    second, first = (pair[key] if is_way else f"the file of {pair[key]}" for key, is_way in are_ways.items())
    significant = [score for score in TESTED if ranks[score]]
    if not significant:
        images = f"these {pair['images']:,} test images{' and trainings' * any(are_ways.values())}"
        if max(-pair[f"{EXACT}_low"], pair[f"{EXACT}_high"]) < MARGIN:
            margin = f"{100 * MARGIN:.0f} point{'s' * (MARGIN != 0.01)}"
            return f"{second} and {first} are equivalent within {margin}: {difference_text(pair, EXACT)}."
        return f"{images[0].upper()}{images[1:]} cannot tell {second} from {first}: {difference_text(pair, EXACT)}."
    lead = significant[0]
    by = "" if lead == EXACT else f" by {SCORES[lead].title}"
    text = f"{second} is {ranks[lead]} than {first}{by}: {difference_text(pair, lead)}"
    agree = [SCORES[score].title for score in significant[1:] if ranks[score] == ranks[lead]]
    if lead == EXACT and agree:
        text += f"; by {join_words(agree)} too"
    for score in significant[1:]:
        if ranks[score] != ranks[lead]:
            text += f"; it is {ranks[score]} by {SCORES[score].title}, {difference_text(pair, score)}"
    if undecided := [score for score in TESTED if not ranks[score]]:
        accuracy = f" ({pair[f'{EXACT}_second']:.3f} against {pair[f'{EXACT}_first']:.3f})"
        names = [SCORES[score].title + accuracy * (score == EXACT) for score in undecided]
        text += f"; by {join_words(names)} they cannot be told apart"
    return f"{text}."


def difference_text(pair: Mapping[str, Any], score: str) -> str:
    """Return `accuracy 0.914 against 0.896, 1.8 points more (95 % interval 0.5 to 3.1)`, second way against first.

    Where the pair is not told apart the interval of the difference alone is in brackets.
    """
    one, other, difference, low, high = (
        pair[f"{score}_{name}"] for name in ("first", "second", "difference", "low", "high")
    )
    scale, places, unit = (100, 1, " points") if score == EXACT else (1, 3, "")
    scores = f"{SCORES[score].title} {other:.3f} against {one:.3f}"
    if pair[f"{score}_p"] >= ALPHA:
        return f"{scores} (95 % interval of the difference {scale * low:.{places}f} to {scale * high:.{places}f}{unit})"
    ends = (low, high) if difference > 0 else (-high, -low)
    low, high = (f"{scale * end:.{places}f}" for end in ends)
    amount = f"{scale * abs(difference):.{places}f}{unit} {'more' if difference > 0 else 'less'}"
    return f"{scores}, {amount} (95 % interval {low} to {high})"


def best_sentences(pairs: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return sentences that name the ways among which the best one is, one for all tested scores that agree on them."""
    sets: dict[tuple[str, ...], list[str]] = {}
    for score in TESTED:
        sets.setdefault(tuple(best_ways(pairs, names, score)), []).append(SCORES[score].title)
    sentences = []
    for best, scores in sets.items():
        among = f"{best[0]}" if len(best) == 1 else f"one of these {len(best)}: {'; '.join(best)}"
        sentences.append(f"By {join_words(scores)}, with 95 % confidence the best of {len(names)} ways is {among}.")
    return sentences


def correction_sentence(pairs: pd.DataFrame) -> str:
    """Return the sentence on what the intervals of the pairs are over, and for how many claims they hold at once."""
    groups = int(pairs["groups"].iloc[0])
    over = f"the {groups:,} groups of the test images" if groups else "the test images"
    most = pairs[["first_trainings", "second_trainings"]].max().max()
    trainings = " and the trainings" * bool(most >= FEWEST_DRAWS)
    claims = len(pairs) * len(TESTED)
    text = f"These intervals are over {over}{trainings}, and hold for all {claims} claims of the comparison at once."
    return text + f" Fewer than {FEWEST} groups tell nothing of others." * (0 < groups < FEWEST)


def trust_sentence(same: Sequence[SameWay]) -> list[str]:
    """Return a list of one sentence, the A/A test: how often trainings of one way are told apart; empty without pairs.

    There are none where no way has two trainings, nor where there is no way.
    """
    counts = [(0, 0, 0, 0), *map(astuple, same)]
    files, files_told, halves, halves_told = (sum(values) for values in zip(*counts, strict=True))
    if not files:
        return []
    text = f"A/A: two trainings of one way, as files, are told apart by accuracy in {files_told} of {files} pairs"
    if halves:
        text += f"; halves of the trainings of one way, as ways, in {halves_told} of {halves}"
    return [f"{text} (5 % are to be expected of a test that can be trusted)."]


def arm_sentences(reports: Mapping[str, Report]) -> list[str]:
    """Return a sentence for each model with arms: the values that validation chose, and the log loss of every arm."""
    sentences = []
    for name, report in reports.items():
        if arms := report.facts.arms:
            values = [", ".join(f"{key}={value}" for key, value in arm["values"].items()) for arm in arms]
            ranking = "; ".join(f"{text} {arm[CHOICE]:.4f}" for text, arm in zip(values, arms, strict=True))
            sentences.append(f"Of {len(arms)} arms of {name}, validation chose {values[0]}, by log loss: {ranking}.")
    return sentences

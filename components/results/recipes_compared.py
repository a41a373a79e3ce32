"""Two recipes on one data set: the ways that validation chose, on the test images that both have."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from components.data.artifacts import PROBABILITY, Comparison, Report
from components.results import comparing, titles
from components.results.failures import class_numbers
from components.results.trials import split_digest, trials_by_model
from components.results.verdicts import FEWEST_DRAWS, pair_sentence
from components.scores.estimates import Sample, sample_of
from components.scores.pairs import compare_ways
from components.scores.proportions import independent_units
from components.system.errors import UserError


def chosen_trials(comparison: Comparison, reports: Sequence[Report]) -> list[Report]:
    """Return the reports, on one test split, on the trainings of the way that a comparison chose on validation.

    Args:
        comparison: The comparison.
        reports: All reports that it is of.
    """
    trials = trials_by_model(reports)[comparison.read_values("chosen")["model"]]
    return [trial for trial in trials if split_digest(trial) == split_digest(trials[0])]


def compare_chosen(chosen: Mapping[str, Sequence[Report]]) -> list[str]:
    """Return sentences on two recipes: on which test images, and by each one's labels of these which is better, paired.

    Where the labels of some of the images differ, as by corrections, there is a sentence by those of either recipe.

    Args:
        chosen: What `chosen_trials` returns, by the names of two recipes.

    Raises:
        UserError: They are on different data sets or classes, or no image is in both test parts.
    """
    names, trials = [*chosen], [*chosen.values()]
    one, other = (of_recipe[0] for of_recipe in trials)
    for what, first, second in (
        ("data sets", one.manifest["lineage"]["fetch"], other.manifest["lineage"]["fetch"]),
        ("classes", one.facts.classes, other.facts.classes),
    ):
        if first != second:
            raise UserError(f"{names[0]} and {names[1]} have different {what}: compare recipes on one data set")
    tables = [report.table("predictions.csv").set_index("file") for report in (one, other)]
    files = tables[0].index.intersection(tables[1].index)
    if files.empty:
        raise UserError(f"no image is in the test parts of both {names[0]} and {names[1]}: give them one split")
    labels = {name: table.loc[files, "label"] for name, table in zip(names, tables, strict=True)}
    changed = int((labels[names[0]] != labels[names[1]]).sum())
    sentences = [
        f"{len(files):,} test images are in both, of {len(tables[0]):,} of {names[0]} and {len(tables[1]):,} of "
        f"{names[1]}; {changed:,} of them are labelled otherwise there."
    ]
    unit = independent_units(tables[0].loc[files, "group"].to_numpy(), len(files))
    for by in names if changed else names[1:]:
        numbers = class_numbers(labels[by], one.facts.classes)
        ways = {name: pool(several, files, numbers, unit) for name, several in chosen.items()}
        pair = {str(column): value for column, value in compare_ways(ways).iloc[0].items()}
        sentences.append(f"By the labels of {by}: {pair_sentence(pair)}" if changed else pair_sentence(pair))
    return sentences


def pool(trials: Sequence[Report], files: pd.Index, labels: np.ndarray, unit: np.ndarray) -> Sample:
    """Return the Sample of a way's trainings on some of its test images; of fewer than three, of the first one alone.

    Args:
        trials: The reports on its trainings.
        files: The test images.
        labels: Numbers of the classes that count as true, (n,).
        unit: Numbers of the images' units, (n,).
    """
    columns = [PROBABILITY + name for name in trials[0].facts.classes]
    samples = [
        sample_of(labels, trial.table("predictions.csv").set_index("file").loc[files, columns].to_numpy(), unit)
        for trial in trials
    ]
    if not titles.has_chance(trials[0].facts.model):
        samples = samples * FEWEST_DRAWS
    return comparing.pool_way(trials, {"": samples})

"""Cautions: what is degenerate about models, or about the validation that chose them, to be said before any score."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from components.data.artifacts import Report
from components.scores.proportions import ALPHA, independent_units, sign_flip_p
from components.system.errors import fold_words, one_line

MOST_NAMED = 3  # ways in a sentence


def caution_sentences(ways: Mapping[str, Sequence[Report]]) -> list[str]:
    """Return sentences such as `top (in 2 of 5 trainings): no error on the 90 validation images, ...`, gravest first.

    There is one for each thing that is degenerate: in which ways, and in how many trainings.

    Args:
        ways: The reports on each way's trainings, by its name.
    """
    counts_by_way = {
        name: Counter(caution for report in reports for caution in cautions(report)) for name, reports in ways.items()
    }
    sentences = []
    for caution in sorted({caution for counts in counts_by_way.values() for caution in counts}):
        affected = {name: counts[caution] for name, counts in counts_by_way.items() if caution in counts}
        if len(affected) <= MOST_NAMED:
            who = ", ".join(
                name if len(ways[name]) == 1 else f"{name} (in {trainings} of {len(ways[name])} trainings)"
                for name, trainings in affected.items()
            )
        elif all(affected.get(name) == len(reports) for name, reports in ways.items()):
            who = f"all {len(ways)} ways, in every training"
        else:
            first, others = [*affected][: MOST_NAMED - 1], len(affected) - MOST_NAMED + 1
            who = f"{len(affected)} of {len(ways)} ways ({'; '.join(first)} and {others} more)"
            who += f", in {sum(affected.values())} of {sum(map(len, ways.values()))} trainings"
        sentences.append(one_line(f"{who}: {caution[1]}."))
    return sentences


def cautions(report: Report) -> Iterator[tuple[int, str]]:
    """Yield (rank, words) of each thing that is degenerate about a training, the gravest, 0, first; none if it is fine.

    The words are without the training's name.
    """
    facts, metrics, table = report.facts, report.metrics, report.table("predictions.csv")
    untrained = [name for name, images in zip(facts.classes, facts.train_counts, strict=True) if not images]
    if untrained:
        yield 0, f"no training image was of {fold_words(untrained)}: none can be recognised as such"
    if table["predicted"].nunique() == 1:
        yield 1, f"every test image is called {table['predicted'][0]}, so that kappa is 0 by definition"
    else:
        commonest = facts.classes[int(np.argmax(facts.train_counts))]
        gains = (table["label"] == table["predicted"]).astype(int) - (table["label"] == commonest)
        unit = independent_units(table["group"].to_numpy(), len(table))
        per_unit = np.bincount(unit, gains).astype(int)
        if per_unit.sum() <= 0 or sign_flip_p(per_unit) >= ALPHA:
            kappa = "" if report.intervals["kappa"][0] <= 0 else ", though its kappa is above 0"
            yield (
                2,
                (
                    f"on these {len(table):,} test images no better than always saying {commonest}, which is right on "
                    f"{metrics['majority_accuracy']:.1%}{kappa}"
                ),
            )
    if metrics["validation_accuracy"] == 1:
        yield 3, f"no error on the {facts.validation_images:,} validation images, which can therefore choose little"
    epoch, epochs = int(metrics["best_epoch"]), facts.epochs
    if epochs == 1:
        yield 4, "trained for one epoch alone, so that validation chose none"
    elif epoch == 1:
        yield 4, "validation kept the first epoch, and all later ones were worse: a lower learning rate may help"
    elif epoch and epoch == epochs:
        yield 5, "validation kept the last epoch: more epochs may be better"

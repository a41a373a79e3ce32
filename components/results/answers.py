"""The answer of a comparison: what was chosen, how much better it is, how sure that is, and at what price."""

from collections.abc import Mapping, Sequence

import pandas as pd

from components.data.artifacts import Report
from components.results import titles
from components.results.costs import SHARED
from components.results.texts import join_words
from components.results.verdicts import FEWEST_DRAWS, pair_row
from components.scores.proportions import ALPHA
from components.scores.registry import CHOICE, EXACT

MOST = 3  # ways that the answer names beside the chosen one


def answer_sentences(
    scores: pd.DataFrame, pairs: pd.DataFrame, reports: Mapping[str, Report],
    costs: Mapping[str, Mapping[str, float]],
) -> list[str]:  # fmt: skip
    """Return the answer, a sentence on the chosen way's accuracy beside others', and one on its price if that is known.

    The others are the first way of each other model of the registry, or of few ways all.

    Args:
        scores: A row a way, as `comparing.way_scores` returns it.
        pairs: A row a pair of ways, as in `pairs.csv`.
        reports: The main report on each way, by its name.
        costs: Costs of each way's main training, as `costs.report_costs` returns them, by its name.
    """
    chosen = str(scores[CHOICE].idxmin())
    names = [str(name) for name in scores.index if name != chosen]
    if len(names) > MOST:
        names = [*{titles.model_of(name): name for name in reversed(names)}.values()][::-1]
        names = [name for name in names if titles.model_of(name) != titles.model_of(chosen)][:MOST]
    row, network = scores.loc[chosen].to_dict(), titles.network_name(reports[chosen].facts)
    value, low, high = (100 * row[f"{EXACT}{end}"] for end in ("", "_low", "_high"))
    trainings = f" in the mean of {row['trainings']:.0f} trainings" * (row["trainings"] >= FEWEST_DRAWS)
    first = f"{chosen}{f' on {network}' * (bool(network) and network not in chosen)}"
    first = f"Validation chose {first}: it" if len(scores) > 1 else first
    first += f" is right on {value:.1f} % of {row['test_images']:,.0f} test images{trainings}"
    first += f" (95 % interval {low:.1f} to {high:.1f})"
    differences = [difference_words(pairs, chosen, name) for name in names]
    words = [text for is_significant, text in differences if is_significant]
    if undecided := [text for is_significant, text in differences if not is_significant]:
        words.append(f"not told apart from {join_words(undecided)}")
    first += f", {join_words(words)}" if words else ""
    return [f"{first}.", *price_sentence(chosen, names, reports, costs)]


def difference_words(pairs: pd.DataFrame, chosen: str, other: str) -> tuple[bool, str]:
    """Return whether the chosen way is told apart from another by accuracy, and their difference in words.

    The words are `11.3 points more than OTHER (5.3 to 17.4)`, or `OTHER (+1.8 points, -0.4 to +3.9)` where it is not.
    """
    pair = pair_row(pairs, chosen, other)
    difference, low, high = (100 * pair[f"{EXACT}_{name}"] for name in ("difference", "low", "high"))
    if pair[f"{EXACT}_p"] >= ALPHA:
        return False, f"{other} ({difference:+.1f} points, {low:+.1f} to {high:+.1f})"
    ends = (low, high) if difference > 0 else (-high, -low)
    more = "more" if difference > 0 else "fewer"
    return True, f"{abs(difference):.1f} points {more} than {other} ({ends[0]:.1f} to {ends[1]:.1f})"


def price_sentence(
    chosen: str, others: Sequence[str], reports: Mapping[str, Report], costs: Mapping[str, Mapping[str, float]]
) -> list[str]:
    """Return a list of the sentence on what making one model of the chosen way, and of others, took; [] if unknown."""
    known = {name: costs[name]["seconds_total"] for name in (chosen, *others) if "seconds_total" in costs[name]}
    if chosen not in known:
        return []
    shared = sum(costs[chosen].get(f"seconds_{name}", 0.0) for name in shared_work(reports)[chosen])
    hours = costs[chosen]["gpu_hours"]
    text = f"One such model took {duration(known[chosen])} to make, from images to weights"
    text += f" ({hours:.2g} GPU-hours)" if hours else " (no GPU)"
    if shared:
        text += f", {duration(shared)} of it for work done once for several"
    compared = [f"{name} {duration(known[name])}" for name in others if name in known]
    return [f"{text}; {join_words(compared)}." if compared else f"{text}."]


def shared_work(reports: Mapping[str, Report]) -> dict[str, list[str]]:
    """Return, by report name, which of `augmentation` and `extraction` it has in common with another; [] of none.

    They are those of `SHARED`, done once for both.
    """
    steps = {"augmentation": "augment", "extraction": "extract"}
    lineages = {name: report.manifest["lineage"] for name, report in reports.items()}
    return {
        name: [
            work for work in SHARED
            if steps[work] in lineage
            and any(other.get(steps[work]) == lineage[steps[work]] for key, other in lineages.items() if key != name)
        ]
        for name, lineage in lineages.items()
    }  # fmt: skip


def duration(seconds: float) -> str:
    """Return seconds as words: `4.8 s`, `12 min` from 2 minutes on, `3.1 h` from 2 hours on."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

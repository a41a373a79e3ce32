"""The answer of a comparison: what was chosen, how much better it is, how sure that is, and at what price."""

from collections.abc import Mapping, Sequence

import pandas as pd

from components.data.artifacts import Report
from components.results import titles
from components.results.texts import duration, join_words
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
        costs: Costs of each way's main training, as `costs.comparison_costs` returns them, by its name.
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
    return [f"{first}.", *price_sentence(chosen, names, costs)]


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


def price_sentence(chosen: str, others: Sequence[str], costs: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return a list of the sentence on what making one model of the chosen way, and of others, took; [] if unknown."""
    known = {name: costs[name]["seconds_total"] for name in (chosen, *others) if "seconds_total" in costs[name]}
    if chosen not in known:
        return []
    shared, hours = costs[chosen]["seconds_shared"], costs[chosen]["gpu_hours"]
    text = f"One such model took {duration(known[chosen])} to make, from images to weights"
    text += f" ({hours:.2g} GPU-hours)" if hours else " (no GPU)"
    if shared:
        text += f", {duration(shared)} of it for work done once for several"
    compared = [f"{name} {duration(known[name])}" for name in others if name in known]
    return [f"{text}; {join_words(compared)}." if compared else f"{text}."]

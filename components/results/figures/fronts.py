"""The figure of what better scores cost: accuracy against the time of an image and against the size of the model."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from components.model.registry import MODELS
from components.results.figures.style import MUTED, name_colours, new_figure, shorten_name
from components.results.titles import model_of

COSTS = {"milliseconds": "Milliseconds an image", "million_weights": "Weights of the model, millions"}
NOTE = "Lines join the front: no way is both cheaper and more accurate. Bars are 95 % intervals."


def draw_fronts(table: pd.DataFrame, path: Path, title: str) -> None:
    """Draw accuracy, with intervals, against each known cost, a panel each; a line joins the ways on the front.

    Args:
        table: One row a way, indexed by its name, with accuracy, accuracy_low, accuracy_high, million_weights, and
            milliseconds, which may be missing.
        path: PNG file to write.
        title: What was compared, on what data.
    """
    known = [name for name in COSTS if table[name].notna().any()]
    with new_figure(path, (4.6 * len(known), 3.2), title, NOTE, legend=3) as figure:
        for number, name in enumerate(known):
            axes = figure.add_subplot(1, len(known), number + 1)
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel(COSTS[name])
            axes.set_title("Accuracy")
            ways = table.dropna(subset=[name])
            # means of equal costs may differ in the last bit, between which no axis has room
            _draw_ways(axes, ways.assign(**{name: ways[name].map("{:.6g}".format).astype(float)}), name)


def _draw_ways(axes: Axes, table: pd.DataFrame, cost: str) -> None:
    """Draw each way, with its interval, as its model's mark, and the line that joins the front."""
    front = front_of(table[cost], table["accuracy"])
    axes.plot(table[cost][front], table["accuracy"][front], "-", color=MUTED, linewidth=1, zorder=1)
    for name, colour in name_colours(map(str, table.index)).items():
        row = table.loc[name]
        spread = [[row["accuracy"] - row["accuracy_low"]], [row["accuracy_high"] - row["accuracy"]]]
        axes.errorbar(
            [row[cost]], [row["accuracy"]], spread, color=colour, marker=MODELS[model_of(name)].marker,
            linestyle="none", elinewidth=1, label=shorten_name(name),
        )  # fmt: skip


def front_of(costs: pd.Series, scores: pd.Series) -> list[str]:
    """Return, by ascending cost, the names of rows that score higher than any as cheap or cheaper; one of equals."""
    order = pd.DataFrame({"cost": costs, "score": -scores}).sort_values(["cost", "score"], kind="stable")
    best, front = float("inf"), []
    for name, row in order.iterrows():
        if row["score"] < best:
            best = row["score"]
            front.append(str(name))
    return front

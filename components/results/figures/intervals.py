"""The figures of scores with their intervals: of models, of classes, of slices of the test images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType

from components.model.registry import MODELS
from components.results.figures.style import (
    INK,
    MUTED,
    name_colours,
    new_figure,
    shorten_name,
    stack_name,
)
from components.results.texts import duration
from components.results.titles import model_of
from components.scores.registry import MAIN, SCORES

MOST_CLASSES = 30  # with a row each
HEADINGS = {name: SCORES[name].heading for name in MAIN}
NOTE = "Lines are 95 % intervals."
SHARED_NOTE = "Shared: of what it took, work done once for several ways."


def draw_model_scores(table: pd.DataFrame, trials: pd.DataFrame, path: Path, title: str) -> None:
    """Draw the test scores of the ways with their intervals: a panel for each score, the best value in bold.

    Dots are the single trainings where a way has several.

    Args:
        table: One row a model, indexed by its name, with seconds_total, seconds_shared and gpu_hours, which may be
            missing, and the main scores, each with _low and _high behind it too.
        trials: A row a training: `model`, and the main scores.
        path: PNG file to write.
        title: What was compared, on what data.
    """
    colours = name_colours(table.index)
    marks = [MODELS[model_of(str(name))].marker for name in table.index]
    labels = ["\n".join([stack_name(str(model)), *cost_lines(row)]) for model, row in table.iterrows()]
    height = 0.2 + 0.13 * max(label.count("\n") + 1 for label in labels)
    several = trials.groupby("model").filter(lambda rows: len(rows) > 1)
    note = f"{NOTE} Dots are single trainings." if len(several) else NOTE
    note += f" {SHARED_NOTE}" * bool((table["seconds_shared"] > 0).any())
    with new_figure(path, (3 * len(HEADINGS), 0.75 + height * len(table)), title, note) as figure:
        panels = _score_panels(figure, HEADINGS, labels)
        for score, axes in panels.items():
            _draw_intervals(axes, table, score, [colours[str(model)] for model in table.index], marks)
            for name, values in several.groupby("model", sort=False)[score]:
                place = [*table.index].index(name)
                axes.plot(values, [place + 0.2] * len(values), ".", color=colours[str(name)], markersize=4)
            best = SCORES[score].best(table[score])
            for place, value in enumerate(table[score]):
                axes.annotate(
                    f"{value:.3f}".replace("-", "\N{MINUS SIGN}"), (value, place), (0, 5), ha="center", va="bottom",
                    textcoords="offset points", weight="bold" if value == best else "normal",
                )  # fmt: skip
            _fit_axis(axes, table, score)


def cost_lines(row: pd.Series) -> list[str]:
    """Return what a way cost: `5.6 s in all, 3.7 s shared`, and GPU-hours on a line of their own; [] if unknown."""
    if pd.isna(row["seconds_total"]):
        return []
    shared = f", {duration(row['seconds_shared'])} shared" if row["seconds_shared"] > 0 else ""
    hours = [f"{row['gpu_hours']:.2g} GPU-hours"] if row["gpu_hours"] > 0 else []
    return [f"{duration(row['seconds_total'])} in all{shared}", *hours]


def draw_class_scores(table: pd.DataFrame, path: Path, title: str, model: str) -> None:
    """Draw precision and recall with intervals of the classes, at most 30, that have the lowest F1; the lowest on top.

    Args:
        table: One row a class: class, support, f1, precision and recall, the last two with _low and _high behind them.
        path: PNG file to write.
        title: What was tested.
        model: Which model it was, for its colour.
    """
    lowest = table.sort_values("f1", kind="stable").head(MOST_CLASSES)
    labels = [f"{shorten_name(row['class'], 24)} ({row['support']:,})" for row in lowest.to_dict("records")]
    some = f" The {MOST_CLASSES} of {len(table)} classes with the lowest F1." if len(table) > len(lowest) else ""
    note = f"Beside each class its test images, the lowest F1 on top.{some} {NOTE}"
    headings = {"precision": "Precision: predictions that are right", "recall": "Recall: images that are recognised"}
    least = float(lowest[["precision_low", "recall_low"]].fillna(1).to_numpy().min())
    with new_figure(path, (8.5, 0.75 + 0.22 * len(lowest)), title, note) as figure:
        for score, axes in _score_panels(figure, headings, labels).items():
            _draw_intervals(
                axes, lowest, score, [MODELS[model].colour] * len(lowest), [MODELS[model].marker] * len(lowest)
            )
            axes.set_xlim(min(least, 0.9) - 0.03, 1.03)


def draw_slice_scores(table: pd.DataFrame, scores: Mapping[str, float], path: Path, title: str, model: str) -> None:
    """Draw a PNG of the main scores of slices of the test images, with intervals, and lines at those of all images.

    A measure of one slice alone is in the note only.

    Args:
        table: One row a slice: by (the measure that the images are cut by), low and high (its range in the slice),
            images, and the main scores, each with _low and _high behind it too.
        scores: The main scores of all test images.
        path: PNG file to write.
        title: What was tested.
        model: Which model it was, for its colour.
    """
    alone = table[~table["by"].duplicated(keep=False)]
    note = " ".join(
        [NOTE, "Dotted: all test images.", *(f"All have {_slice_range(row)}." for _, row in alone.iterrows())]
    )
    cut = table.drop(alone.index).reset_index(drop=True)
    labels = [f"{_slice_range(row)} ({row['images']:,})" for _, row in cut.iterrows()]
    with new_figure(path, (3 * len(HEADINGS), 0.75 + 0.26 * len(cut)), title, note) as figure:
        for score, axes in _score_panels(figure, HEADINGS, labels).items():
            _draw_intervals(axes, cut, score, [MODELS[model].colour] * len(cut), [MODELS[model].marker] * len(cut))
            axes.axvline(scores[score], color=MUTED, linewidth=1, linestyle=":", zorder=1)
            for place in cut.index[1:][cut["by"].iloc[1:].to_numpy() != cut["by"].iloc[:-1].to_numpy()]:
                axes.axhline(place - 0.5, color="#AAAAAA", linewidth=0.8)
            _fit_axis(axes, cut, score)


def _slice_range(row: pd.Series) -> str:
    """Return a slice's measure and range as text, as `brightness 20 to 40`, or `size 64 pixels` if the ends agree."""
    ends = dict.fromkeys(f"{row[end]:,.0f}" for end in ("low", "high"))
    return f"{row['by']} {' to '.join(ends)}{' pixels' * (row['by'] == 'size')}"


def _score_panels(figure: Figure, headings: Mapping[str, str], labels: Sequence[str]) -> dict[str, Axes]:
    """Return the axes of a panel for each score, side by side, with the same labelled rows."""
    panels = dict(zip(headings, figure.subplots(1, len(headings), sharey=True), strict=True))
    for score, axes in panels.items():
        axes.set(title=headings[score], ylim=(len(labels) - 0.45, -0.65))
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    figure.axes[0].set_yticks(range(len(labels)), labels, color=INK)
    return panels


def _draw_intervals(
    axes: Axes, table: pd.DataFrame, score: str, colours: Sequence[ColorType], marks: Sequence[str]
) -> None:
    """Draw the score of each row as its mark on a line that is its interval."""
    columns = (table[score], table[f"{score}_low"], table[f"{score}_high"])
    for place, (value, low, high, colour, mark) in enumerate(zip(*columns, colours, marks, strict=True)):
        axes.plot((low, high), (place, place), color=colour, linewidth=2.2, alpha=0.6, solid_capstyle="butt")
        axes.plot([value], [place], mark, color=colour, markersize=6)


def _fit_axis(axes: Axes, table: pd.DataFrame, score: str) -> None:
    """Set the limits of an axis to show all intervals, not too narrowly; leave them where no score is known."""
    low, high = table[f"{score}_low"].min(), table[f"{score}_high"].max()
    if low <= high:  # none of them where no score is known
        margin = 0.15 * max(high - low, 0.05)
        axes.set_xlim(low - margin, high + margin)

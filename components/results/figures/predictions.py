"""The figures of a classifier's predictions: confusion matrix, reliability diagram."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.ticker import MaxNLocator, PercentFormatter

from components.model.registry import MODELS
from components.results.figures.style import GRID, INK, MUTED, SHADES, new_figure, shorten_name

CLASSES_WITH_COUNTS = 25  # in a confusion matrix; beyond it the numbers are too small to read
MOST_CLASSES = 40  # with a row each


def draw_confusion_matrix(matrix: npt.NDArray[np.integer], classes: Sequence[str], path: Path, title: str) -> None:
    """Draw a confusion matrix, shaded by the share of each true class; with counts for at most 25 classes.

    Of more than 40 classes the 24 that are confused most have a row each, and the others one together.

    Args:
        matrix: Counts (C, C): rows are the true classes, columns the predicted ones.
        classes: The C names, in the order of the matrix.
        path: PNG file to write.
        title: What was predicted; the accuracy and the number of images are added.
    """
    total, correct, note = int(matrix.sum()), int(np.trace(matrix)), ""
    if len(classes) > MOST_CLASSES:
        matrix, classes, others = join_classes(matrix, classes, CLASSES_WITH_COUNTS - 1)
        note = (
            f"The {len(classes) - 1} classes with the most wrong predictions; the {others:,} others share the last row "
        )
        note += "and column, confused with one another or not."
    count = len(classes)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(0.46 * count, 2.4, 9.0))
    title = f"{title}: accuracy {correct / max(total, 1):.3f} ({correct:,} of {total:,} images)"
    with new_figure(path, (side, side), title, note, constrained=False) as figure:
        axes = figure.add_axes((0, 0, 1, 1), xlabel="predicted class", ylabel="true class")
        shading = axes.imshow(shares, SHADES, vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        if count <= CLASSES_WITH_COUNTS:
            for (row, column), number in np.ndenumerate(matrix):
                colour = "white" if shares[row, column] > 0.68 else INK if number else "#999999"
                axes.text(column, row, f"{number}", ha="center", va="center", color=colour, fontsize=8)
        names = [shorten_name(name) for name in classes]
        slanted = max(map(len, names)) * 0.08 > side / count
        axes.set_yticks(range(count), names, color=INK)
        axes.set_xticks(
            range(count), names, color=INK, rotation=45 if slanted else 0,
            ha="right" if slanted else "center", rotation_mode="anchor" if slanted else "default",
        )  # fmt: skip
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.hlines(np.arange(1, count) - 0.5, -0.5, count - 0.5, GRID, linewidth=0.5)
        axes.vlines(np.arange(1, count) - 0.5, -0.5, count - 0.5, GRID, linewidth=0.5)
        axes.spines[:].set_visible(True)
        bar = figure.colorbar(shading, cax=figure.add_axes((1 + 0.15 / side, 0, 0.12 / side, 1)))
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1))
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0)
        bar.set_label("share of the true class")


def join_classes(
    matrix: npt.NDArray[np.integer], classes: Sequence[str], most: int
) -> tuple[npt.NDArray[np.integer], list[str], int]:
    """Return a confusion matrix of the `most` classes confused most, then all others as one; names; number of others.

    Args:
        matrix: Counts (C, C): rows are the true classes, columns the predicted ones.
        classes: The C names, in the order of the matrix.
        most: How many classes, fewer than C, stay by themselves, in their order: those with the most wrong predictions
            of or as them.
    """
    wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    kept = np.sort(np.argsort(-wrong, kind="stable")[:most])
    place = np.full(len(classes), most)
    place[kept] = np.arange(most)
    joined = np.zeros((most + 1, most + 1), matrix.dtype)
    np.add.at(joined, (place[:, None], place[None, :]), matrix)
    others = len(classes) - most
    return joined, [*(classes[number] for number in kept), f"{others:,} others"], others


def draw_reliability(bins: Mapping[str, pd.DataFrame], path: Path, title: str, note: str, model: str) -> None:
    """Draw a PNG of a reliability diagram, a line for each kind of probabilities, and each bin's share of images.

    The bars of the last kind, which is emphasised, are 95 % intervals of the accuracy in each bin.

    Args:
        bins: For each kind of probabilities, two at most, such as before and after a temperature, one row a bin: low
            and high end, images, confidence (their mean probability of the predicted class), accuracy, accuracy_low,
            accuracy_high.
        path: PNG file to write.
        title: What was tested.
        note: The calibration in numbers.
        model: Which model it was, for its colour.

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599.
    """
    look = MODELS[model]
    lines = dict(zip(reversed([*bins]), ((look.colour, "-", look.marker), (MUTED, "--", "o")), strict=False))
    note = f"{note} Bars: 95 % intervals of the accuracy in a bin."
    with new_figure(path, (5.5, 5.2), title, note, legend=len(bins) + 1) as figure:
        shares, counts = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        shares.plot((0, 1), (0, 1), ":", color=MUTED, linewidth=1, label="perfect", zorder=1)
        for name, table in bins.items():
            colour, line, mark = lines[name]
            filled = table[table["images"] > 0]
            parts = table["images"] / table["images"].sum()
            shares.plot(filled["confidence"], filled["accuracy"], color=colour, linestyle=line, label=name)
            areas = 4 + 120 * np.sqrt(parts[filled.index])
            shares.scatter(filled["confidence"], filled["accuracy"], areas, colour, marker=mark, linewidths=0, zorder=3)
            edges = [*table["low"], table["high"].iloc[-1]]
            counts.stairs(parts, edges, color=colour, linestyle=line, linewidth=1.4)
        shares.vlines(filled["confidence"], filled["accuracy_low"], filled["accuracy_high"], colour, linewidth=1)
        shares.set(xlim=(0, 1.02), ylim=(-0.03, 1.03), ylabel="accuracy")
        counts.set(xlabel="confidence: probability of the predicted class", ylabel="images")
        counts.yaxis.set_major_locator(MaxNLocator(2))
        counts.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))

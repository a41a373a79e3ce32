"""The figures of what a classifier predicts."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import PercentFormatter

from components.results.figures.mosaic import Images, mosaic_axes, mosaic_side, put
from components.results.figures.style import GRID, INK, SHADES, saved, short, statement

CLASSES_WITH_COUNTS = 25  # in a confusion matrix; beyond it the numbers are too small to read


def confusion_matrix(matrix: npt.NDArray[np.integer], classes: Sequence[str], path: Path, title: str) -> None:
    """Draw a confusion matrix, shaded by the share of each true class; with counts where they can be read.

    Args:
        matrix: Counts (C, C): rows are the true classes, columns the predicted ones.
        classes: The C names, in the order of the matrix.
        path: PNG file to write.
        title: What was predicted; the accuracy and the number of images are added.
    """
    count, total, right = len(classes), int(matrix.sum()), int(np.trace(matrix))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(0.46 * count, 2.4, 9.0))
    title = f"{title}: accuracy {right / max(total, 1):.3f} ({right:,} of {total:,} images)"
    with saved(path, (side, side), title, constrained=False) as figure:
        axes = figure.add_axes((0, 0, 1, 1), xlabel="predicted class", ylabel="true class")
        shading = axes.imshow(shares, SHADES, vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        if count <= CLASSES_WITH_COUNTS:
            for (row, column), number in np.ndenumerate(matrix):
                colour = "white" if shares[row, column] > 0.68 else INK if number else "#999999"
                axes.text(column, row, f"{number}", ha="center", va="center", color=colour, fontsize=8)
        ticks = range(0, count, math.ceil(count / 80))
        names = [short(classes[tick]) for tick in ticks]
        size = 8 if count <= 40 else 6
        slanted = max(map(len, names)) * 0.08 > side / count
        axes.set_yticks(ticks, names, color=INK, fontsize=size)
        axes.set_xticks(
            ticks, names, color=INK, fontsize=size, rotation=45 if slanted else 0,
            ha="right" if slanted else "center", rotation_mode="anchor" if slanted else "default",
        )  # fmt: skip
        axes.tick_params(length=0)
        axes.grid(visible=False)
        if count <= 40:
            axes.hlines(np.arange(1, count) - 0.5, -0.5, count - 0.5, GRID, linewidth=0.5)
            axes.vlines(np.arange(1, count) - 0.5, -0.5, count - 0.5, GRID, linewidth=0.5)
        axes.spines[:].set_visible(True)
        bar = figure.colorbar(shading, cax=figure.add_axes((1 + 0.15 / side, 0, 0.12 / side, 1)))
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1))
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0)
        bar.set_label("share of the true class")


def confident_mistakes(
    images: Images, true: Sequence[str], predicted: Sequence[str], probability: Sequence[float], path: Path, title: str
) -> None:
    """Draw the wrong predictions with the highest probability, at most 16, or say that there are none.

    Args:
        images: One array (h, w, 3) an image, in [0, 255]; the sizes may differ. Right predictions are left out.
        true: The class of each image.
        predicted: The class that the model gives it.
        probability: What the model gives that class, in [0, 1].
        path: PNG file to write.
        title: Whose mistakes they are.
    """
    wrong = [index for index in range(len(images)) if true[index] != predicted[index]]
    shown = sorted(wrong, key=lambda index: -probability[index])[:16]
    if not shown:
        statement(path, title, "No mistakes")
        return
    columns = min(len(shown), 4)
    rows = math.ceil(len(shown) / columns)
    order = f"the {len(shown)} most confident of {len(wrong):,}" if len(wrong) > len(shown) else "most confident first"
    note = f"True → predicted class (and its probability), {order}."
    side = mosaic_side(16, [images[index] for index in shown])
    width, height = 1.45 / side, 1 + 0.38 / side  # of an image and its caption, in units of the image
    with saved(path, (columns * width * side, rows * height * side), title, note, constrained=False) as figure:
        axes = mosaic_axes(figure, 0, columns * width, rows * height)
        for place, index in enumerate(shown):
            row, column = divmod(place, columns)
            put(axes, images[index], column * width + (width - 1) / 2, row * height)
            names, end = [short(name, 18) for name in (true[index], predicted[index])], f"({probability[index]:.2f})"
            text = f"{names[0]} → {names[1]} {end}"
            if len(text) > 23:
                text = f"{names[0]} →\n{names[1]} {end}"
            axes.text((column + 0.5) * width, row * height + 1, text, ha="center", va="top", fontsize=7.5)

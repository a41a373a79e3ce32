"""The figure of what leaks from one part of a data set to another."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from components.results.figures.mosaic import Images, mosaic_axes, mosaic_side, put
from components.results.figures.style import MUTED, saved, short, statement

NOUNS = {
    "two labels": "labelled otherwise than their twins",
    "identical": "byte-identical across parts",
    "near": "near-identical across parts",
    "group": "groups in two parts",
}


def leakage(found: pd.DataFrame, shown: Sequence[int], images: Sequence[Images], path: Path) -> None:
    """Draw pairs of images that are there twice, or of one group, side by side; or say that there are none.

    Args:
        found: A row each of what was found: kind, and split and label of both images, the second's as `other_`.
        shown: Numbers of the rows to draw.
        images: The two images of each of those, (h, w, 3) in [0, 255]; the sizes may differ.
        path: PNG file to write.
    """
    if found.empty:
        statement(path, "Identical and near-identical images, and groups, across the parts", "Nothing found")
        return
    counts = found["kind"].value_counts()
    title = "; ".join(f"{counts[kind]:,} {noun}" for kind, noun in NOUNS.items() if kind in counts)
    note = f"{len(shown)} of {len(found):,}. " if len(shown) < len(found) else ""
    columns = min(len(shown), 3)
    rows = math.ceil(len(shown) / columns)
    side = mosaic_side(2 * len(shown), [image for pair in images for image in pair])
    width, height = 2 + 0.3 / side, 1 + 0.55 / side  # of a pair and its captions, in units of an image
    size = (columns * width * side, rows * height * side)
    with saved(path, size, title, f"{note}Below each image its part and its class.", constrained=False) as figure:
        axes = mosaic_axes(figure, 0, columns * width, rows * height)
        for place, (number, pair) in enumerate(zip(shown, images, strict=True)):
            x, y, row = place % columns * width, place // columns * height, found.iloc[number]
            axes.text(x, y + 0.14 / side, str(row["kind"]), va="bottom", fontsize=7.5, weight="bold")
            for column, (image, whose) in enumerate(zip(pair, ("", "other_"), strict=True)):
                put(axes, image, x + column, y + 0.15 / side)
                lines = f"{row[f'{whose}split']}\n{short(row[f'{whose}label'], int(side * 15))}"
                axes.text(x + column + 0.03, y + 1 + 0.17 / side, lines, va="top", fontsize=7, color=MUTED)

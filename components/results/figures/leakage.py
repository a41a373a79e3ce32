"""The figure of duplicates, and of what leaks from one part of a data set to another."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from components.results.figures.mosaic import Images, draw_image, mosaic_axes, mosaic_side
from components.results.figures.style import MUTED, new_figure, shorten_name

NOUNS = {
    "two labels": "labelled otherwise than their twins",
    "identical": "byte-identical across parts",
    "near": "near-identical or changed, across parts",
    "group": "groups in two parts",
    "same part": "duplicates inside one part, which leak nothing",
}


def draw_leakage(leaks: pd.DataFrame, examples: Sequence[int], images: Sequence[Images], path: Path) -> None:
    """Draw a PNG of example pairs of images that leak or are duplicates, side by side, with counts in the title.

    Args:
        leaks: A row a pair: kind, and split and label of both images, the second's as `other_`.
        examples: Numbers of the rows to draw.
        images: The two images of each of those, (h, w, 3) in [0, 255]; the sizes may differ.
        path: PNG file to write.
    """
    counts = leaks["kind"].value_counts()
    title = "; ".join(f"{counts[kind]:,} {noun}" for kind, noun in NOUNS.items() if kind in counts)
    note = f"{len(examples)} of {len(leaks):,}. " if len(examples) < len(leaks) else ""
    columns = min(len(examples), 3)
    rows = math.ceil(len(examples) / columns)
    side = mosaic_side(2 * len(examples), [image for pair in images for image in pair])
    width, height = 2 + 0.3 / side, 1 + 0.55 / side  # of a pair and its captions, in units of an image
    size = (columns * width * side, rows * height * side)
    with new_figure(path, size, title, f"{note}Below each image its part and its class.", constrained=False) as figure:
        axes = mosaic_axes(figure, 0, columns * width, rows * height)
        for place, (number, pair) in enumerate(zip(examples, images, strict=True)):
            x, y, row = place % columns * width, place // columns * height, leaks.iloc[number]
            axes.text(x, y + 0.14 / side, str(row["kind"]), va="bottom", fontsize=7.5, weight="bold")
            for column, (image, prefix) in enumerate(zip(pair, ("", "other_"), strict=True)):
                draw_image(axes, image, x + column, y + 0.15 / side)
                lines = f"{row[f'{prefix}split']}\n{shorten_name(row[f'{prefix}label'], int(side * 15))}"
                axes.text(x + column + 0.03, y + 1 + 0.17 / side, lines, va="top", fontsize=7, color=MUTED)

"""The figure of images to look at: those whose label is doubted, and odd ones."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.results.figures.mosaic import Images, draw_image, mosaic_axes
from components.results.figures.style import new_figure

COLUMNS = 8  # images in a row
CELL, IMAGE, CAPTION = 1.1, 0.98, 0.42  # inches: from image to image, a side of one, the two lines below it


def draw_suspects(
    groups: Mapping[str, Images], captions: Mapping[str, Sequence[str]], path: Path, title: str, note: str
) -> None:
    """Draw groups of images, each group from a new row on below its name, each image with its caption below it.

    Args:
        groups: The images of each group, one or more, (h, w, 3) in [0, 255] each; the sizes may differ.
        captions: A text of at most two lines for each of them.
        path: PNG file to write.
        title: What they are.
        note: What else a reader should know.
    """
    columns = min(COLUMNS, max(map(len, groups.values())))
    rows = {name: math.ceil(len(images) / columns) for name, images in groups.items()}
    width, height, heading = CELL / IMAGE, 1 + CAPTION / IMAGE, 0.3 / IMAGE  # in units of an image
    tall = sum(rows.values()) * height + len(groups) * heading
    size = (columns * CELL, tall * IMAGE)
    with new_figure(path, size, title, note, constrained=False) as figure:
        axes, top = mosaic_axes(figure, 0, columns * width, tall), 0.0
        for name, images in groups.items():
            axes.text(0, top + heading * 0.8, name, va="bottom", fontsize=9, weight="bold")
            for place, (image, caption) in enumerate(zip(images, captions[name], strict=True)):
                x, y = place % columns * width, top + heading + place // columns * height
                draw_image(axes, image, x, y)
                axes.text(x + 0.02, y + 1.02, caption, va="top", fontsize=7)
            top += heading + rows[name] * height

"""Images side by side in one figure."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.data.thumbnails import AREA, SMALL
from components.results.figures.style import INK

Images: TypeAlias = Sequence[npt.NDArray[np.uint8]]


def mosaic_side(cells: int, images: Images) -> float:
    """Return the side in inches, at most 1, of each of `cells` images on 11 square inches, on 22 if all are small."""
    area = AREA * (2 if max(max(image.shape[:2]) for image in images) <= SMALL else 1)
    return min(1.0, math.sqrt(area / cells))


def mosaic_axes(figure: Figure, left: float, right: float, bottom: float) -> Axes:
    """Return bare axes over the whole figure, from `left` to `right` and from 0 at the top to `bottom`."""
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(bottom, 0), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor=INK)
    axes.grid(visible=False)
    return axes


def draw_image(axes: Axes, image: npt.NDArray[np.uint8], column: float, row: float) -> None:
    """Draw an image (h, w, 3), in proportion, in the middle of the unit cell whose top left is at (column, row)."""
    height, width = image.shape[:2]
    scale = 0.94 / max(height, width)
    x, y, half_width, half_height = column + 0.5, row + 0.5, width * scale / 2, height * scale / 2
    axes.imshow(
        image, extent=(x - half_width, x + half_width, y + half_height, y - half_height),
        aspect="auto", interpolation="nearest" if max(height, width) <= SMALL else "antialiased",
    )  # fmt: skip

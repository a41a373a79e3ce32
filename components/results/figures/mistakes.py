"""The figure of mistakes, each image with the heat map of its predicted class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image

from components.results.figures.mosaic import Images, draw_image, mosaic_axes, mosaic_side
from components.results.figures.style import new_figure, shorten_name

COLUMNS = 4  # pairs in a row


def draw_mistakes(
    images: Images, heats: npt.NDArray[np.floating] | None, true: Sequence[str], predicted: Sequence[str],
    probability: Sequence[float], path: Path, title: str,
) -> None:  # fmt: skip
    """Draw images, each beside its heat map if there are any: wrong predictions, then right ones, in their order.

    Args:
        images: One array (h, w, 3) an image, in [0, 255]; the sizes may differ.
        heats: Where in each image the predicted class is seen, (n, height, width) in [0, 1]; None if the network has no
            maps.
        true: The class of each image.
        predicted: The class that the model gives it.
        probability: What the model gives that class, in [0, 1].
        path: PNG file to write.
        title: Whose predictions they are.
    """
    groups: dict[str, list[int]] = {"wrong": [], "right": []}
    for index in range(len(images)):
        groups["right" if true[index] == predicted[index] else "wrong"].append(index)
    rows = [(name, group[start : start + COLUMNS])
            for name, group in groups.items() for start in range(0, len(group), COLUMNS)]  # fmt: skip
    parts = 1 if heats is None else 2
    side = mosaic_side(parts * COLUMNS * len(rows), images)
    gap = 0.4 if heats is not None else 0.8  # inches, for the captions
    width, height = parts + gap / side, 1 + 0.38 / side  # of an image, its heat and its caption, in units of the image
    columns = max(len(group) for _, group in rows)
    note = "True → predicted class, and its probability; beside each image, where in it that class is seen (Grad-CAM)."
    if heats is None:
        note = "True → predicted class, and its probability. No heat maps: the network has no convolutions."
    size = ((columns * width - gap / side) * side, len(rows) * height * side)
    with new_figure(path, size, title, note, constrained=False) as figure:
        axes = mosaic_axes(figure, 0, size[0] / side, len(rows) * height)
        for row, (_, group) in enumerate(rows):
            for column, index in enumerate(group):
                draw_image(axes, images[index], column * width, row * height)
                if heats is not None:
                    draw_image(axes, overlay_heat(images[index], heats[index]), column * width + 1, row * height)
                text = prediction_caption(true[index], predicted[index], probability[index])
                axes.text(column * width + parts / 2, row * height + 1, text, ha="center", va="top", fontsize=7.5)
        axes.set_yticks(np.arange(len(rows)) * height + 0.5, [name for name, _ in rows])


def prediction_caption(true: str, predicted: str, probability: float) -> str:
    """Return `TRUE → PREDICTED (0.98)`, one name where both are alike; on two lines where the names are long."""
    names = dict.fromkeys(shorten_name(name, 18) for name in (true, predicted))
    arrow = " →\n" if len("".join(names)) > 14 else " → "
    return f"{arrow.join(names)} ({probability:.2f})"


def overlay_heat(image: npt.NDArray[np.uint8], heat: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Return an image, uint8 (h, w, 3), blended half and half with its heat map, resized to it and in colours."""
    small = Image.fromarray(heat.astype(np.float32))
    smooth = np.asarray(small.resize(image.shape[1::-1], Image.Resampling.BILINEAR))
    return ((image + 255 * colormaps["inferno"](smooth)[..., :3]) / 2).astype(np.uint8)

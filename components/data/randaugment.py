"""RandAugment: operations on a view, drawn with equal chances, all of one magnitude.

What moves pixels is a map that joins the view's own, so that it is resampled once; what changes colours comes after.

Source: Cubuk et al., RandAugment, arXiv 1909.13719; the ranges of its 14 operations are torchvision's.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

LARGEST = 30  # magnitude
MOVES: dict[str, Callable[[float], list[list[float]]]] = {  # a share of the largest, in [-1, 1], to a map, as of a view
    "shear x": lambda share: [[1, 0.3 * share, 0], [0, 1, 0]],
    "shear y": lambda share: [[1, 0, 0], [0.3 * share, 1, 0]],
    "translate x": lambda share: [[1, 0, 150 / 331 * share], [0, 1, 0]],
    "translate y": lambda share: [[1, 0, 0], [0, 1, 150 / 331 * share]],
    "rotate": lambda share: rotation_map(np.deg2rad(30 * share)),
}
COLOURS: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "identity": lambda image, share: image,
    "brightness": lambda image, share: ImageEnhance.Brightness(image).enhance(1 + 0.9 * share),
    "color": lambda image, share: ImageEnhance.Color(image).enhance(1 + 0.9 * share),
    "contrast": lambda image, share: ImageEnhance.Contrast(image).enhance(1 + 0.9 * share),
    "sharpness": lambda image, share: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * share),
    "posterize": lambda image, share: ImageOps.posterize(image, 8 - round(4 * abs(share))),
    "solarize": lambda image, share: ImageOps.solarize(image, round(255 * (1 - abs(share)))),
    "autocontrast": lambda image, share: ImageOps.autocontrast(image),
    "equalize": lambda image, share: ImageOps.equalize(image),
}
NAMES = [*MOVES, *COLOURS]


def rotation_map(angle: float) -> list[list[float]]:
    """Return the map of a turn by an angle in radians, (2, 3)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return [[cosine, -sine, 0], [sine, cosine, 0]]


def draw_operations(random: np.random.Generator, count: int, magnitude: float) -> list[tuple[str, float]]:
    """Return so many random operations: each its name, of `NAMES`, and `magnitude / 30` with a sign drawn at random."""
    names, signs = random.integers(len(NAMES), size=count), random.choice([-1, 1], size=count)
    return [(NAMES[name], sign * magnitude / LARGEST) for name, sign in zip(names, signs, strict=True)]

"""Thumbnails: images as large as a figure shows them, uint8 (height, width, 3)."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from components.data import images

DOTS = 150  # an inch, of the figures
AREA = 11.0  # square inches of photographs in one figure, which keeps its file below 500 kB
SMALL = 64  # pixels a side up to which an image is drawn as its pixels
LARGEST = 160  # pixels a side; no figure shows an image larger


def side(number: int) -> int:
    """Return the pixels a side that each of a number of images has at most in one figure."""
    return min(LARGEST, max(SMALL + 1, math.ceil(DOTS * math.sqrt(AREA / max(number, 1)))))


def of_file(file: Path, pixels: int = LARGEST) -> np.ndarray:
    """Return a file's image with at most so many pixels a side."""
    return reduced(images.decode(file, enough=pixels), pixels)


def of_array(image: np.ndarray, pixels: int = LARGEST) -> np.ndarray:
    """Return an image, uint8 (height, width, 3), with at most so many pixels a side."""
    return reduced(Image.fromarray(image), pixels)


def reduced(image: Image.Image, pixels: int) -> np.ndarray:
    image.thumbnail((pixels, pixels))
    return np.asarray(image)

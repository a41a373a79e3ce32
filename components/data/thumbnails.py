"""Thumbnails: images at the size at which a figure draws them, uint8 (height, width, 3)."""

import math

import numpy as np
from PIL import Image

from components.data import images
from components.data.packing import ImageFile

DOTS = 150  # an inch, of the figures
AREA = 11.0  # square inches of photographs in one figure, which keeps its file below 500 kB
SMALL = 64  # pixels a side up to which an image is drawn as its pixels
LARGEST = 160  # pixels a side; no figure shows an image larger


def thumbnail_side(images_in_figure: int) -> int:
    """Return the largest side, from 65 to 160 pixels, that each of so many images may have in one figure."""
    return min(LARGEST, max(SMALL + 1, math.ceil(DOTS * math.sqrt(AREA / max(images_in_figure, 1)))))


def read_thumbnail(file: ImageFile, white_level: int, pixels: int = LARGEST) -> np.ndarray:
    """Return the image in a file, uint8 (height, width, 3), shrunk, if larger, to at most so many pixels a side.

    Args:
        file: The file, of a data set.
        white_level: The data set's.
        pixels: The most that it may have a side.
    """
    return shrink(images.read_image(file, white_level, pixels), pixels)


def make_thumbnail(image: np.ndarray, pixels: int = LARGEST) -> np.ndarray:
    """Return an image, uint8 (height, width, 3), shrunk, if larger, to at most so many pixels a side."""
    return shrink(Image.fromarray(image), pixels)


def shrink(image: Image.Image, pixels: int) -> np.ndarray:
    """Shrink a Pillow image in place, if larger, to at most so many pixels a side, and return its pixels as uint8."""
    image.thumbnail((pixels, pixels))
    return np.asarray(image)

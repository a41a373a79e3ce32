"""Random views: one affine map and one change of brightness each."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Limits:
    """How far a view may go: rotation in degrees, the others as fractions, each either way."""

    rotation: float
    shear: float
    zoom: float
    shift: float
    flip: str
    brightness: float


@dataclass(frozen=True)
class Draw:
    """One view: `matrix` (2, 3) maps its coordinates, in fractions from the centre, to the image's; brightness gain."""

    matrix: np.ndarray
    gain: float


def draw(limits: Limits, seed: int, file: str, view: int) -> Draw:
    """Draw a view of a file: the same for the same limits, seed, file name and number."""
    key = hashlib.sha256(f"{seed}\0{file}\0{view}".encode()).digest()
    random = np.random.default_rng(np.frombuffer(key, dtype=np.uint32))
    angle, shear, zoom, right, down, gain, coin = random.uniform(-1, 1, size=7)
    turn = np.deg2rad(limits.rotation * angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    mirror = -1.0 if limits.flip == "horizontal" and coin < 0 else 1.0
    linear = rotation @ np.array([[mirror, limits.shear * shear], [0, 1]]) * (1 + limits.zoom * zoom)
    shift = limits.shift * np.array([right, down])
    return Draw(np.column_stack([linear, shift]), 1 + limits.brightness * gain)


def apply(image: np.ndarray, draws: Sequence[Draw]) -> np.ndarray:
    """Return an image and its views: uint8 (size, size, 3) to uint8 (1 + views, size, size, 3).

    What lies outside the image repeats its edge; resampling is bilinear.
    """
    size = len(image)
    padded = Image.fromarray(np.pad(image, ((size, size), (size, size), (0, 0)), mode="edge"))
    views = np.empty((1 + len(draws), *image.shape), dtype=np.float32)
    views[0] = image
    centre = np.array([size / 2, size / 2])
    for number, one in enumerate(draws, start=1):
        linear, shift = one.matrix[:, :2], one.matrix[:, 2] * size
        offset = size + centre + shift - linear @ centre
        coefficients = tuple(np.column_stack([linear, offset]).ravel())
        views[number] = padded.transform(
            (size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
        )  # fmt: skip
        views[number] *= one.gain
    return views.round().clip(0, 255).astype(np.uint8)

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
    centre = np.full(2, size / 2)
    margin = 1 + max((overhang(one.matrix, size) for one in draws), default=0)
    edge = np.clip(np.arange(-margin, size + margin), 0, size - 1)
    padded = Image.fromarray(image.take(edge, axis=0).take(edge, axis=1))
    views = np.empty((1 + len(draws), *image.shape), dtype=np.uint8)
    views[0] = image
    for number, one in enumerate(draws, start=1):
        linear, shift = one.matrix[:, :2], one.matrix[:, 2] * size
        offset = margin + centre + shift - linear @ centre
        rows = np.column_stack([linear, offset]).round(12)  # so that the cosine of a quarter turn is 0
        coefficients = tuple(rows.ravel())
        view = padded.transform((size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
        values = np.arange(256, dtype=np.float32)
        values *= one.gain
        views[number] = view.point(3 * values.round().clip(0, 255).astype(int).tolist())
    return views


def overhang(matrix: np.ndarray, size: int) -> int:
    """Return how far a view reaches beyond the image, on the side where it does so most, in pixels."""
    reach = abs(matrix[:, :2]).sum(axis=1) / 2 + abs(matrix[:, 2])  # of its corners, from the image's centre
    return max(0, int(np.ceil((reach.max() - 0.5) * size)))

"""Image files: checking, reading and writing them."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

Item = TypeVar("Item")


def decode(file: Path) -> Image.Image:
    """Return a file's image as RGB, upright: EXIF rotation applied, transparency on white, 16 bits scaled to 8.

    Raises:
        Exception: The file is not a readable image; which one depends on the format.
    """
    with Image.open(file) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):
            return Image.fromarray((np.asarray(image, dtype=np.float64) / 257).round().astype(np.uint8)).convert("RGB")
        if image.has_transparency_data:
            layered = image.convert("RGBA")
            white = Image.new("RGBA", layered.size, "white")
            return Image.alpha_composite(white, layered).convert("RGB")
        return image.convert("RGB")


def read(file: Path, size: int) -> np.ndarray:
    """Return an image at the working size: uint8 (size, size, 3); resampled bilinearly, with antialiasing."""
    image = decode(file)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), dtype=np.uint8)


def in_batches(
    make: Callable[[Item], np.ndarray], items: Sequence[Item], batch_size: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (places in `items`, what `make` gives for each of them, stacked), in order, worked ahead on all cores."""
    places = [slice(start, min(start + batch_size, len(items))) for start in range(0, len(items), batch_size)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = [[pool.submit(make, item) for item in items[place]] for place in places[:2]]
        for number, place in enumerate(places):
            batch = np.stack([future.result() for future in waiting.pop(0)])
            waiting += [[pool.submit(make, item) for item in items[later]] for later in places[number + 2 : number + 3]]
            yield place, batch

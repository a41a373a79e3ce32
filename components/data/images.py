"""Image files: checking, reading and writing them."""

import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

Item = TypeVar("Item")

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "AVIF", "JPEG2000")  # JPEG's reader reads MPO too
PIXELS = 100_000_000  # of one image, at most


def decode(file: Path, enough: int = 0) -> Image.Image:
    """Return a file's image, as `decode_bytes` does."""
    return decode_bytes(file.read_bytes(), enough)


def decode_bytes(content: bytes, enough: int = 0) -> Image.Image:
    """Return the image that a file holds, its first frame, as upright RGB.

    EXIF rotation is applied, transparency is laid on white, and 16 bits are scaled to 8. The format is what the bytes
    say, not the file's name.

    Args:
        content: The file's bytes.
        enough: Pixels a side, where an image of that size or larger will do: a JPEG is then scaled as it is decoded.

    Raises:
        Exception: It is no readable image; which one depends on the format.
    """
    try:
        opened = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise ValueError(f"not an image of a format that is read: {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"{str(error).partition(' exceeds')[0]}: more than {PIXELS:,}") from None
    with opened:
        if opened.width * opened.height > PIXELS:
            raise ValueError(f"Image size ({opened.width * opened.height} pixels): more than {PIXELS:,}")
        if enough:
            opened.draft(None, (enough, enough))
        opened.load()
        opened.getexif()
        opened.info.pop("exif", None)  # already parsed; `exif_transpose` would write it anew, and fail where it is odd
        image = ImageOps.exif_transpose(opened)
        if image.mode == "F":
            raise ValueError("its pixels are fractions of no agreed range: convert it to 8 or 16 bits")
        if image.mode.startswith("I"):
            grey = np.asarray(image)
            if grey.min() < 0 or grey.max() > 65535:
                raise ValueError(f"its pixels run from {grey.min()} to {grey.max()}: convert it to 8 or 16 bits")
            grey = np.where(grey == image.info.get("transparency"), 65535, grey)
            return Image.fromarray(((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)).convert("RGB")
        if image.has_transparency_data:
            layered = image.convert("RGBA")
            white = Image.new("RGBA", layered.size, "white")
            return Image.alpha_composite(white, layered).convert("RGB")
        return image.convert("RGB")


def read(file: Path, size: int) -> np.ndarray:
    """Return a file's image at the working size, as `read_bytes` does."""
    return read_bytes(file.read_bytes(), size)


def read_bytes(content: bytes, size: int) -> np.ndarray:
    """Return an image at the working size: uint8 (size, size, 3); resampled bilinearly, with antialiasing."""
    image = decode_bytes(content)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), dtype=np.uint8)


@contextmanager
def hushed() -> Iterator[None]:
    """Keep Pillow's warnings of odd files from the person: what cannot be read is an error.

    Filters are the process's, so this is set around threads that decode, not within them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield


def in_batches(
    make: Callable[[Item], np.ndarray], items: Sequence[Item], batch_size: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (places in `items`, what `make` gives for each of them, stacked), in order, worked ahead on all cores."""
    places = [slice(start, min(start + batch_size, len(items))) for start in range(0, len(items), batch_size)]
    with hushed(), ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = [[pool.submit(make, item) for item in items[place]] for place in places[:2]]
        for number, place in enumerate(places):
            batch = np.stack([future.result() for future in waiting.pop(0)])
            waiting += [[pool.submit(make, item) for item in items[later]] for later in places[number + 2 : number + 3]]
            yield place, batch

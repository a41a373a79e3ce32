"""Reading image files: as images of any size, or as pixels at the working size."""

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

from components.system.errors import UserError

Item = TypeVar("Item")

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "AVIF", "JPEG2000")  # JPEG's reader reads MPO too
MAX_PIXELS = 100_000_000  # of one image, at most


def read_image(file: Path, min_side: int = 0) -> Image.Image:
    """Return the image in a file of a data set as upright RGB, as `decode_image` does from its bytes.

    Raises:
        UserError: It cannot be read.
    """
    with file_errors(file):
        return decode_image(file.read_bytes(), min_side)


def decode_image(content: bytes, min_side: int = 0) -> Image.Image:
    """Return the image that a file's bytes encode, or its first frame, as upright RGB.

    EXIF rotation is applied, transparency is laid on white, and 16 bits are scaled to 8. The bytes tell the format, not
    the file's name.

    Args:
        content: The file's bytes.
        min_side: Pixels a side that suffice: a JPEG is decoded at a smaller scale, not below that; 0 for the full size.

    Raises:
        Exception: It is not a readable image; the type depends on the format.
    """
    try:
        stored = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise ValueError(f"not an image in a supported format: {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"{str(error).partition(' exceeds')[0]}: more than {MAX_PIXELS:,}") from None
    with stored:
        if stored.width * stored.height > MAX_PIXELS:
            raise ValueError(f"Image size ({stored.width * stored.height} pixels): more than {MAX_PIXELS:,}")
        if min_side:
            stored.draft(None, (min_side, min_side))
        stored.load()
        stored.getexif()
        stored.info.pop("exif", None)  # already parsed; `exif_transpose` would write it anew, and fail where it is odd
        image = ImageOps.exif_transpose(stored)
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


def read_pixels(file: Path, size: int) -> np.ndarray:
    """Return the pixels of an image of a data set at the working size, uint8 (size, size, 3), as `decode_pixels` does.

    Raises:
        UserError: It cannot be read.
    """
    with file_errors(file):
        return decode_pixels(file.read_bytes(), size)


def decode_pixels(content: bytes, size: int) -> np.ndarray:
    """Return the pixels of a file's bytes at the working size, uint8 (size, size, 3), proportions not kept.

    They are resampled bilinearly, antialiased.
    """
    image = decode_image(content)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), dtype=np.uint8)


@contextmanager
def file_errors(file: Path) -> Iterator[None]:
    """Turn any error in the block, which reads a file that was read when its data set was fetched, into a UserError.

    Raises:
        UserError: It cannot be read.
    """
    try:
        yield
    except Exception as error:  # Pillow throws what it likes
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UserError(f"{file} is damaged ({reason}): fetch the data set again, or `dvc checkout` it") from error


@contextmanager
def without_pillow_warnings() -> Iterator[None]:
    """Silence Pillow's warnings of odd files in the block; a file that cannot be read is an error as ever.

    Filters of warnings belong to the process: use this around the threads that decode, not within them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield


def map_in_batches(
    function: Callable[[Item], np.ndarray], items: Sequence[Item], batch_size: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield, batch by batch in order, a slice of the items and the stacked arrays that a function returns for them.

    The function runs on all cores, up to two batches ahead.
    """
    places = [slice(start, min(start + batch_size, len(items))) for start in range(0, len(items), batch_size)]
    with without_pillow_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        pending = [[pool.submit(function, item) for item in items[place]] for place in places[:2]]
        for number, place in enumerate(places):
            batch = np.stack([future.result() for future in pending.pop(0)])
            upcoming = places[number + 2 : number + 3]
            pending += [[pool.submit(function, item) for item in items[later]] for later in upcoming]
            yield place, batch

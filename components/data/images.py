"""Reading image files: as images of any size, or as pixels at the working size, within limits of pixels and memory."""

import io
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import lru_cache
from itertools import islice
from threading import Condition, Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from components.data import deep_images
from components.data.colours import ColourProfile, read_profile
from components.data.deep_images import WHITE, DeepImage
from components.data.resizing import PADDING, RESIZINGS
from components.system.errors import UserError

if TYPE_CHECKING:
    from components.data.packing import ImageFile

Item = TypeVar("Item")
Result = TypeVar("Result")

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "AVIF", "JPEG2000")  # JPEG's reader reads MPO too
HEIC = (b"ftyphei", b"ftyphev", b"ftypmif1", b"ftypmsf1")  # after its first 4 bytes
MAX_SIDE = 200_000  # pixels
MAX_SCANS = 1_000  # of a progressive JPEG, which encoders write in about 10; each takes the time of the whole image
START_OF_SCAN = b"\xff\xda"
LARGE = 50_000_000  # pixels beyond which an image is shrunk as it is decoded or converted, which is nearly the same
STRIP = 2**20  # pixels that are converted at a time
PICTURE = 8  # bytes a pixel, of an image as it is stored and once more as RGB
DEEP_CHANNELS = 8  # and those that several channels of 16 bits take besides
DECODERS = {"WEBP": 9, "AVIF": 6, "JPEG2000": 12, "HEIF": 4}  # bytes a pixel that decoders take besides, as measured
PROGRESSIVE = 6  # and those that a progressive JPEG takes at its full size

TURNS = {  # what an orientation of Exif needs to be upright (Exif 2.32, table 6, tag 0x0112)
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
UPWARDS = (3, 4, 7, 8)  # orientations whose upright rows run from the last stored row or column to the first
SIDEWAYS = (5, 6, 7, 8)  # whose upright rows are stored as columns


def setting(name: str, default: int) -> int:
    """Return the number, 1 or more, that an environment variable sets, or the default where it is not set.

    Raises:
        ValueError: It is no such number.
    """
    text = os.environ.get(name) or str(default)
    if not (text.isdecimal() and int(text)):
        raise ValueError(f"the environment variable {name}: expected a whole number, 1 or more; received {text!r}")
    return int(text)


class DecodingMemory:
    """The memory that threads share in which they decode: `GRAFT_DECODING_MEGABYTES`, 2,000 unless it is set."""

    def __init__(self) -> None:
        self.used = 0
        self.turn, self.released = Lock(), Condition()

    @contextmanager
    def reserve(self, amount: int) -> Iterator[None]:
        """Wait until so many bytes are free, and hold them in the block; more than there are wait until all are free.

        Who waits is not overtaken.
        """
        total = setting("GRAFT_DECODING_MEGABYTES", 2000) * 1_000_000
        with self.turn, self.released:
            self.released.wait_for(lambda: not self.used or self.used + amount <= total)
            self.used += amount
        try:
            yield
        finally:
            with self.released:
                self.used -= amount
                self.released.notify()


MEMORY = DecodingMemory()


class DecodedImage:
    """An image as its file stores it, from which upright RGB is made strip by strip.

    Transparency is laid on white.

    Args:
        stored: The image, in memory.
        orientation: How it is to be turned, as Exif numbers it, 1 to 8; any other value leaves it as it is.
        profile: What its colours are; None for sRGB's.
    """

    def __init__(self, stored: Image.Image | DeepImage, orientation: int, profile: ColourProfile | None = None):
        self.stored, self.orientation, self.profile = stored, orientation, profile
        self.size = stored.size[::-1] if orientation in SIDEWAYS else stored.size

    def strips(self) -> Iterator[tuple[int, Image.Image]]:
        """Yield strips of upright RGB from top to bottom, each after the number of its first row."""
        width, height = self.size
        rows = max(1, STRIP // width)
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            first, end = (height - bottom, height - top) if self.orientation in UPWARDS else (top, bottom)
            strip = self.stored.crop((first, 0, end, width) if self.orientation in SIDEWAYS else (0, first, width, end))
            if self.orientation in TURNS:
                strip = strip.transpose(TURNS[self.orientation])
            yield top, as_rgb(strip, self.profile)

    def rgb(self) -> Image.Image:
        """Return the whole image as upright RGB, at the size that it has."""
        image = Image.new("RGB", self.size)
        for top, strip in self.strips():
            image.paste(strip, (0, top))
        return image

    def resize(self, size: int, resize: str = "squash") -> Image.Image:
        """Return it as upright RGB of (size, size) pixels, by a way of `RESIZINGS`; bilinear, antialiased."""
        (left, upper, right, lower), (width, height) = RESIZINGS[resize](*self.size, size)
        if self.size[0] * self.size[1] <= LARGE:
            seen = self.rgb().resize((width, height), Image.Resampling.BILINEAR, (left, upper, right, lower))
        else:
            narrow = Image.new("RGB", (width, self.size[1]))
            for top, strip in self.strips():
                box = (left, 0, right, strip.height)
                narrow.paste(strip.resize((width, strip.height), Image.Resampling.BILINEAR, box), (0, top))
            seen = narrow.resize((width, height), Image.Resampling.BILINEAR, (0, upper, width, lower))
        if seen.size == (size, size):
            return seen
        square = Image.new("RGB", (size, size), PADDING)
        square.paste(seen, ((size - width) // 2, (size - height) // 2))
        return square


def as_rgb(image: Image.Image, profile: ColourProfile | None) -> Image.Image:
    """Return an image of 8 bits of any mode as RGB, in sRGB's colours: transparency on white."""
    alpha = None
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("L", "LA") else "RGBA")
        alpha = image.getchannel("A")
    if profile and profile.transform:
        image = profile.transform.apply(image.convert(colour_mode(image.mode)))
    if alpha is None:
        return image.convert("RGB")
    image = image.convert("RGBA")
    image.putalpha(alpha)
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def colour_mode(mode: str) -> str:
    """Return which colours an image of a mode has: grey (`L`), `RGB` or `CMYK`."""
    if mode in ("1", "L", "LA") or mode.startswith("I"):
        return "L"
    return "CMYK" if mode == "CMYK" else "RGB"


@contextmanager
def open_image(
    content: bytes, enough_side: int = 0, draft_above: int = 0, white_level: int = WHITE
) -> Iterator[DecodedImage]:
    """Yield the image, or first frame, that a file's bytes encode, once enough of the memory for decoding is free.

    The bytes tell the format, not the file's name.

    Args:
        content: The file's bytes.
        enough_side: Pixels a side that suffice: a JPEG is decoded at a smaller scale, not below it; 0 for full size.
        draft_above: Pixels up to which it is decoded at the full size all the same.
        white_level: The value of white of 16 bits a sample, unless the file tells it.

    Raises:
        Exception: It is not a readable image, or too large a one; the type depends on the format.
    """
    formats = readable_formats()
    try:
        stored = Image.open(io.BytesIO(content), formats=formats)
    except UnidentifiedImageError:
        if content[4:12].startswith(HEIC) and "HEIF" not in formats:
            raise ValueError("HEIC, which the package pillow-heif reads: install it, or convert to JPEG") from None
        raise ValueError(f"not an image in a supported format: {', '.join(FORMATS)}, HEIC") from None
    with stored:
        check_size(*stored.size)
        if "progressive" in stored.info and (scans := content.count(START_OF_SCAN)) > MAX_SCANS:
            raise ValueError(f"a progressive JPEG of {scans:,} scans, more than {MAX_SCANS:,}: save it anew")
        pixels = stored.width * stored.height
        decoder = PROGRESSIVE if "progressive" in stored.info else DECODERS.get(stored.format or "", 0)
        if enough_side and pixels > draft_above and stored.format != "HEIF":  # whose thumbnails may show something else
            stored.draft(None, (enough_side, enough_side))
        channels = DEEP_CHANNELS if deep_images.channel_modes(stored) else 0
        amount = pixels * decoder + stored.width * stored.height * (PICTURE + channels)
        with MEMORY.reserve(amount), closing(stored):
            image: Image.Image | DeepImage = stored
            if channels or stored.mode.startswith("I"):
                image = DeepImage(stored, content, white_level)
            stored.load()
            if stored.mode == "F":
                raise ValueError("its pixels are fractions of no agreed range: convert it to 8 or 16 bits")
            embedded = stored.info.get("icc_profile")
            profile = read_profile(bytes(embedded), colour_mode(image.mode)) if embedded else None
            yield DecodedImage(image, stored.getexif().get(ExifTags.Base.Orientation, 1), profile)


def check_size(width: int, height: int) -> None:
    """Check that an image has at most `GRAFT_MAX_MEGAPIXELS`, 100 unless it is set, and no side above 200,000 pixels.

    Raises:
        ValueError: It is larger.
    """
    megapixels = setting("GRAFT_MAX_MEGAPIXELS", 100)
    if width * height > megapixels * 1_000_000:
        raise ValueError(
            f"{width} x {height} pixels: more than {megapixels} megapixels; the environment variable "
            "GRAFT_MAX_MEGAPIXELS raises the limit"
        )
    if max(width, height) > MAX_SIDE:
        raise ValueError(f"{width} x {height} pixels: a side of more than {MAX_SIDE:,}; cut it up")


@lru_cache
def readable_formats() -> tuple[str, ...]:
    """Return the formats that are read, HEIF only where pillow-heif is installed, and let Pillow open them."""
    deep_images.teach_pillow()
    Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit, which is not that of `check_size`
    try:
        import pillow_heif
    except ImportError:
        return FORMATS
    pillow_heif.register_heif_opener()
    return (*FORMATS, "HEIF")


class ImageMeasures(NamedTuple):
    """What all of an image tells once it is decoded: its upright size in pixels, how bright it is, and which colours.

    `largest` is the largest of samples of 16 bits whose white the file does not tell; 0 where it does. `profile` is the
    name of the profile of colours that are not sRGB's, or `colours.UNFIT`; empty where there is none.
    """

    width: int
    height: int
    largest: int
    profile: str


def measure_image(content: bytes) -> ImageMeasures:
    """Return an image's upright width and height, largest sample of 16 bits, or 0, and colour profile's name, or "".

    The largest is 0 where the file tells its white; the profile is "" where the colours are sRGB's. All is decoded.

    Raises:
        Exception: It is not a readable image; the type depends on the format.
    """
    with open_image(content) as image:
        next(image.strips())  # its colours can be converted
        deep = image.stored if isinstance(image.stored, DeepImage) else None
        largest = 0 if deep is None or deep.tells_white else deep.largest
        return ImageMeasures(*image.size, largest, image.profile.name if image.profile else "")


def read_image(file: "ImageFile", white_level: int = WHITE, enough_side: int = 0) -> Image.Image:
    """Return the image in a file of a data set as upright RGB, as `decode_image` does from its bytes.

    Raises:
        UserError: It cannot be read.
    """
    with file_errors(file):
        return decode_image(file.read_bytes(), white_level, enough_side)


def decode_image(content: bytes, white_level: int = WHITE, enough_side: int = 0) -> Image.Image:
    """Return the image, or first frame, that a file's bytes encode, as upright RGB; `enough_side` may shrink a JPEG.

    `open_image` opens it, and says how much smaller.
    """
    with open_image(content, enough_side, white_level=white_level) as image:
        return image.rgb()


def read_pixels(file: "ImageFile", size: int, white_level: int = WHITE, resize: str = "squash") -> np.ndarray:
    """Return the pixels of an image of a data set at the working size, uint8 (size, size, 3), as `decode_pixels` does.

    Raises:
        UserError: It cannot be read.
    """
    with file_errors(file):
        return decode_pixels(file.read_bytes(), size, white_level, resize)


def decode_pixels(content: bytes, size: int, white_level: int = WHITE, resize: str = "squash") -> np.ndarray:
    """Return the image of a file's bytes, upright and RGB, resized to the working size: uint8 (size, size, 3).

    They are resampled bilinearly, antialiased. A JPEG above 50 megapixels is decoded at a smaller scale, not below 4
    times the working size.

    Args:
        content: The file's bytes.
        size: The working size, pixels a side.
        white_level: The value of white of 16 bits a sample, unless the file tells it: that of the data set.
        resize: The way of `RESIZINGS` by which it becomes a square.
    """
    with open_image(content, 4 * size, LARGE, white_level) as image:
        return np.asarray(image.resize(size, resize), dtype=np.uint8)


@contextmanager
def file_errors(file: "ImageFile") -> Iterator[None]:
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


def map_in_order(function: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Iterator[Result]:
    """Yield what a function returns for each item, in order; it runs on all cores, up to so many items ahead."""
    pending: deque[Future[Result]] = deque()
    with without_pillow_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def map_in_batches(
    function: Callable[[Item], np.ndarray], items: Sequence[Item], batch_size: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield, batch by batch in order, a slice of the items and the stacked arrays that a function returns for them.

    The function runs on all cores, up to two batches ahead.
    """
    arrays = map_in_order(function, items, 2 * batch_size)
    for start in range(0, len(items), batch_size):
        place = slice(start, min(start + batch_size, len(items)))
        yield place, np.stack([*islice(arrays, place.stop - start)])

"""Images of more than 8 bits a sample: all of their bits, which Pillow gives of one channel alone, scaled to 8."""

import io
import struct
import sys
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin

WHITE = 65535  # of 16 bits
DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and scanners give
STRIP = 2**20  # pixels that are looked at a time
SWAPPED = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}  # orders of the bytes of 16 bits
BITS, PHOTOMETRIC, MOST = 258, 262, 281  # tags of TIFF (revision 6.0): BitsPerSample, Photometric-, MaxSampleValue
WHITE_IS_ZERO, BLACK_IS_ZERO = 0, 1
PNG = b"\x89PNG"


class DeepImage:
    """An image whose samples have more than 8 bits, in memory; what is cropped from it has 8, its white being 255.

    Args:
        stored: The image, not yet loaded.
        content: Its file's bytes.
        white_level: The value of white, unless the file tells one.

    Raises:
        ValueError: A sample is below 0 or above white.
    """

    def __init__(self, stored: ImageFile.ImageFile, content: bytes, white_level: int):
        declared = declared_white(stored, content)
        self.clear = stored.info.get("transparency")  # the samples of a colour that is transparent
        self.negative = stored.format == "TIFF" and tiff_tag(stored, PHOTOMETRIC) == WHITE_IS_ZERO
        self.low: Image.Image | None = None
        self.stored: Image.Image = stored
        raw = channel_modes(stored)
        self.multiplied = any(mode.startswith("RGBa") for mode in raw)  # by alpha
        if raw:
            self.stored, self.low = load_channels(stored, content, [mode.replace("RGBa", "RGBA") for mode in raw])
        self.size, self.mode = stored.size, self.stored.mode if self.low else "L"  # of what is cropped
        ranges = [(strip.min(), self.colours(strip).max(), strip.max()) for strip in self.strips()]
        lowest = int(min(ranges)[0])
        self.largest, largest_of_all = (int(max(extremes[at] for extremes in ranges)) for at in (1, 2))
        if lowest < 0 or self.largest > WHITE:
            raise ValueError(f"its pixels run from {lowest} to {self.largest}: convert it to 8 or 16 bits")
        if declared and content.startswith(PNG) and self.is_scaled(declared):
            declared = WHITE
        self.tells_white, self.white = declared is not None, declared or white_level
        if self.largest > self.white:
            whose = "the file itself tells" if declared else "follows from the largest value of the data set"
            raise ValueError(
                f"its pixels run to {self.largest}, brighter than white, {self.white}, which {whose}: write the bits "
                "that they have into the file, as PNG's sBIT or TIFF's MaxSampleValue"
            )
        self.full_alpha = largest_of_all > self.white  # it has 16 bits where the colours have fewer

    def is_scaled(self, declared: int) -> bool:
        """Return whether samples are scaled to all 16 bits, as PNG wants those of fewer; some programs leave them low.

        Scaled ones that are as small as such low ones are multiples of a power of 2, or 1 more.
        """
        step = (WHITE + 1) // (declared + 1)
        return self.largest > declared or not any((self.colours(strip) % step > 1).any() for strip in self.strips())

    def strips(self) -> Iterator[np.ndarray]:
        """Yield strips of the samples from top to bottom, each int32 (height, width, channels)."""
        width, height = self.size
        rows = max(1, STRIP // width)
        for top in range(0, height, rows):
            yield self.samples((0, top, width, min(top + rows, height)))

    def colours(self, samples: np.ndarray) -> np.ndarray:
        """Return samples (..., channels) without their last channel where that is alpha."""
        return samples[..., :-1] if self.stored.mode.endswith("A") else samples

    def samples(self, box: tuple[int, int, int, int]) -> np.ndarray:
        """Return the samples in a box (left, upper, right, lower), int32 (height, width, channels)."""
        samples = np.asarray(self.stored.crop(box)).astype(np.int32)
        if self.low:
            samples = samples << 8 | np.asarray(self.low.crop(box))
        return samples.reshape(*samples.shape[:2], -1)

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """Return what is in a box (left, upper, right, lower) at 8 bits: grey, RGB or CMYK, with alpha if it has it."""
        samples = self.samples(box)
        clear = None if self.clear is None else (samples == self.clear).all(axis=2)
        if self.full_alpha:
            samples[..., -1] = samples[..., -1] * self.white // WHITE
        if self.multiplied:
            shares = np.maximum(samples[..., -1:], 1) / self.white
            samples[..., :-1] = np.minimum(samples[..., :-1] / shares, self.white).round()
        if self.negative:
            samples = self.white - samples
        eight = ((samples * 255 + self.white // 2) // self.white).astype(np.uint8)
        image = Image.fromarray(eight.squeeze(axis=2) if self.mode == "L" else eight, self.mode)
        if clear is not None:
            image.putalpha(Image.fromarray(np.where(clear, 0, 255).astype(np.uint8)))
        return image


def teach_pillow() -> None:
    """Register with Pillow TIFFs that it cannot open: deep grey where white is 0, and 12 bits in either byte order."""
    known = TiffImagePlugin.OPEN_INFO
    for key, modes in [*known.items()]:
        if modes[0].startswith("I") and key[1] == BLACK_IS_ZERO:
            for order in {key[0], b"MM"} if modes[1] == "I;12" else {key[0]}:
                for photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
                    known.setdefault((order, photometric, *key[2:]), modes)


def channel_modes(stored: ImageFile.ImageFile) -> list[str]:
    """Return, for each tile of an image with several channels of 16 bits, the raw mode of their high bytes; else [].

    Of one channel Pillow gives all bits; of several it gives the high bytes alone.
    """
    if stored.format not in ("PNG", "TIFF") or stored.mode.startswith("I"):
        return []
    raw = [tile.args if isinstance(tile.args, str) else (tile.args or [""])[0] for tile in stored.tile]
    if stored.format == "TIFF" and {*raw} <= {*"RGBACMYK"} and tiff_tag(stored, BITS) == 16:
        order = "L" if stored.tag_v2.prefix == b"II" else "B"  # type: ignore[attr-defined]
        raw = [f"{channel};16{order}" for channel in raw]  # planes, which Pillow takes for 8 bits
    return raw if all(mode[:-1].endswith(";16") for mode in raw) else []


def load_channels(stored: ImageFile.ImageFile, content: bytes, raw: list[str]) -> tuple[Image.Image, Image.Image]:
    """Load an image with several channels of 16 bits; return the image of their high bytes and that of their low ones.

    The low bytes are what Pillow gives where it takes the bytes in the other order. Grey with alpha has no other order:
    it is loaded as four channels of 8 bits.

    Args:
        stored: The image, not yet loaded.
        content: Its file's bytes.
        raw: The raw modes of its tiles, one or more.
    """
    if raw == ["LA;16B"]:
        take_bytes(stored, ["RGBA"])
        high_grey, low_grey, high_alpha, low_alpha = stored.split()
        return Image.merge("LA", (high_grey, high_alpha)), Image.merge("LA", (low_grey, low_alpha))
    low = Image.open(io.BytesIO(content), formats=[stored.format or ""])
    take_bytes(low, [mode[:-1] + SWAPPED[mode[-1]] for mode in raw])
    take_bytes(stored, raw)
    return stored, low


def take_bytes(image: ImageFile.ImageFile, raw: list[str]) -> None:
    """Load an image, its tiles being of these raw modes."""
    image.tile = [
        tile._replace(args=mode if isinstance(tile.args, str) else (mode, *(tile.args or ())[1:]))
        for tile, mode in zip(image.tile, raw, strict=True)
    ]
    image.load()


def declared_white(stored: Image.Image, content: bytes) -> int | None:
    """Return the value of white that a PNG's or TIFF's header declares, None if it does not; 65535 for other formats.

    It is 2 to the power of the bits in use, less 1.

    Args:
        stored: The image.
        content: Its file's bytes.

    Source: PNG (third edition), 11.3.2.6, sBIT; TIFF 6.0, BitsPerSample and MaxSampleValue.
    """
    if stored.format == "PNG":
        bits = significant_bits(content, sum(band != "A" for band in stored.getbands()))
        return 2**bits - 1 if bits else None
    if stored.format != "TIFF":
        return WHITE  # Pillow scales by what the file says
    bits, most = tiff_tag(stored, BITS), tiff_tag(stored, MOST)
    return 2**bits - 1 if bits < 16 else white_of(min(most, WHITE)) if most else None


def white_of(largest: int) -> int:
    """Return the white of samples up to a largest: the first of 255, 1023, 4095, 16383 and 65535 not below it."""
    return next(2**bits - 1 for bits in DEPTHS if largest < 2**bits)


def significant_bits(content: bytes, channels: int) -> int:
    """Return the most bits that a PNG's chunk sBIT says that a channel of colour has; 0 without that chunk."""
    at = 8
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind == b"sBIT":
            return min(16, max(content[at + 8 : at + 8 + min(length, channels)], default=0))
        if kind == b"IDAT":
            break
        at += 12 + length
    return 0


def tiff_tag(stored: Image.Image, tag: int) -> int:
    """Return a TIFF's whole number of that tag, of several the largest; 0 if it has none."""
    value = stored.tag_v2.get(tag, 0)  # type: ignore[attr-defined]
    return max(map(int, value)) if isinstance(value, tuple) else int(value)

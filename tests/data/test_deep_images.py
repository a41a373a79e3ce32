"""Images of more than 8 bits a sample: white is what the file or its data set tells, and no bit is lost before that."""

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from components.data import deep_images, images

Samples = npt.NDArray[np.int64]
RANDOM = np.random.default_rng(0)
TIFF_TYPE = 4  # LONG
GREY, RGB, CMYK = 1, 2, 5  # PhotometricInterpretation
TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # of a PNG's colours, by channels


def draw(white: int, channels: int) -> Samples:
    samples = RANDOM.integers(0, white + 1, (6, 9, channels))
    samples[0, 0] = white
    return samples


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples: Samples, bits: int = 0, clear: Samples | None = None) -> bytes:
    """Return a PNG of 16 bits a sample, which Pillow writes of one channel alone; 0 bits write no sBIT."""
    height, width, channels = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 16, TYPES[channels], 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    if bits:
        content += chunk(b"sBIT", bytes([bits] * channels))
    if clear is not None:
        content += chunk(b"tRNS", clear.astype(">u2").tobytes())
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return content + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(
    samples: Samples, photometric: int, order: str = "<", most: int = 0, planes: bool = False, extra: int | None = None
) -> bytes:
    """Return a TIFF of 16 bits a sample, of little (<) or big (>) endian; 0 writes no MaxSampleValue."""
    height, width, channels = samples.shape
    data = (samples.transpose(2, 0, 1) if planes else samples).astype(f"{order}u2").tobytes()
    strips = channels if planes else 1
    tags = {256: (width,), 257: (height,), 258: (16,) * channels, 259: (1,), 262: (photometric,)}
    tags |= {273: (0,) * strips, 277: (channels,), 278: (height,), 279: (len(data) // strips,) * strips}
    tags |= {281: (most,) * channels} if most else {}
    tags |= {284: (2,)} if planes else {}
    tags |= {} if extra is None else {338: (extra,)}
    lists = 8 + 2 + 12 * len(tags) + 4
    start = lists + sum(4 * len(values) for values in tags.values() if len(values) > 1)
    tags[273] = tuple(start + number * len(data) // strips for number in range(strips))
    directory, behind = struct.pack(f"{order}H", len(tags)), b""
    for tag, values in tags.items():
        packed = struct.pack(f"{order}{len(values)}I", *values)
        place = packed if len(values) == 1 else struct.pack(f"{order}I", lists + len(behind))
        directory += struct.pack(f"{order}HHI", tag, TIFF_TYPE, len(values)) + place
        behind += packed if len(values) > 1 else b""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    return head + directory + bytes(4) + behind + data


def seen(samples: Samples, white: int) -> Samples:
    """Return samples of one or three channels as RGB of 8 bits."""
    return np.broadcast_to(np.round(samples * 255 / white).astype(int), (*samples.shape[:2], 3))


def check(content: bytes, expected: npt.ArrayLike, white_level: int = 65535) -> None:
    with images.without_pillow_warnings():
        np.testing.assert_array_equal(np.asarray(images.decode_image(content, white_level)), expected)


@pytest.mark.parametrize("strip", [20, images.STRIP])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_white_is_the_largest_value_of_the_bits_in_use(bits, strip, monkeypatch):
    """Whether the file tells them or the data set does; in every layout of the samples; alpha may have all 16."""
    for module in (images, deep_images):
        monkeypatch.setattr(module, "STRIP", strip)
    white = 2**bits - 1
    grey, colour = draw(white, 1), draw(white, 3)
    opaque, full = np.full_like(grey, white), np.full_like(grey, 65535)
    for told, level in ((bits, 65535), (0, white)):
        for samples in (grey, colour):
            check(png(samples, told), seen(samples, white), level)
            check(png(np.dstack([samples, opaque]), told), seen(samples, white), level)
            check(png(np.dstack([samples, full]), told), seen(samples, white), level)
            check(png(np.dstack([samples, 0 * opaque]), told), np.full((6, 9, 3), 255), level)
        clear = (colour == colour[2, 3]).all(axis=2, keepdims=True)
        check(png(colour, told, colour[2, 3]), np.where(clear, 255, seen(colour, white)), level)
        for order in "<>":
            most = white if told else 0
            check(tiff(grey, GREY, order, most), seen(grey, white), level)
            check(tiff(grey, 0, order, most), seen(white - grey, white), level)  # white is 0
            check(tiff(colour, RGB, order, most), seen(colour, white), level)
            check(tiff(colour, RGB, order, most, planes=True), seen(colour, white), level)
            for extra, alpha in ((0, 0 * opaque), (1, opaque), (2, opaque), (2, full)):
                check(tiff(np.dstack([colour, alpha]), RGB, order, most, extra=extra), seen(colour, white), level)
            ink = seen(colour, white).astype(np.uint8)
            printed = Image.fromarray(np.dstack([ink, 0 * ink[..., 0]]), "CMYK").convert("RGB")
            check(tiff(np.dstack([colour, 0 * grey]), CMYK, order, most), np.asarray(printed), level)


def test_alpha_that_the_colours_were_multiplied_by_is_taken_out_and_laid_on_white():
    half = np.full((6, 9, 1), 32768)
    colour = draw(65535, 3)
    multiplied = (colour * 32768) // 65535
    read = np.asarray(images.decode_image(tiff(np.dstack([multiplied, half]), RGB, extra=1)))
    np.testing.assert_allclose(read, seen(colour, 65535) / 2 + 127.5, atol=1.5)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_png_whose_samples_are_scaled_to_16_bits_as_its_standard_wants_is_read_so(bits):
    """By a factor or with the upper bits repeated below; one that is dark, too, where only low values occur."""
    white, shift = 2**bits - 1, 16 - bits
    for largest in (white, 2 ** (bits - shift) - 1):
        few = np.minimum(draw(white, 3), largest)
        for scaled in (few << shift | few >> (bits - shift), np.round(few * 65535 / white).astype(int)):
            check(png(scaled, bits), seen(scaled, 65535))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, GREY])
def test_a_tiff_of_12_packed_bits_needs_no_one_to_tell(photometric, order):
    samples = draw(4095, 1)[:, :8]
    pairs = samples.reshape(-1, 2)
    packed = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=1)
    content = tiff(samples, photometric, order)
    tag = struct.pack(f"{order}HHI", 258, TIFF_TYPE, 1)
    content = content.replace(tag + struct.pack(f"{order}I", 16), tag + struct.pack(f"{order}I", 12))
    content = content[: -2 * samples.size] + packed.astype(np.uint8).tobytes()
    assert images.measure_image(content).largest == 0
    check(content, seen(samples if photometric else 4095 - samples, 4095))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("photometric", [0, GREY])
def test_white_is_0_in_compressed_tiffs_too(photometric, compression):
    samples, file = draw(4095, 1), io.BytesIO()
    grey = Image.fromarray(samples[..., 0].astype(np.uint16))
    grey.save(file, "TIFF", compression=compression, tiffinfo={262: photometric})
    check(file.getvalue(), seen(samples if photometric else 4095 - samples, 4095), 4095)


def test_the_largest_value_is_measured_where_the_file_does_not_tell_white():
    samples = draw(3000, 1)
    for untold in (png(samples), png(np.dstack([samples] * 3)), tiff(samples, GREY)):
        assert images.measure_image(untold) == (9, 6, 3000, "")
    for told in (png(samples, 12), tiff(samples, GREY, most=3000)):
        assert images.measure_image(told) == (9, 6, 0, "")
    file = io.BytesIO()
    Image.fromarray(samples[..., 0].astype(np.uint16)).save(file, "PPM")
    assert images.measure_image(file.getvalue()) == (9, 6, 0, "")


@pytest.mark.parametrize(
    ("largest", "bits"), [(0, 8), (255, 8), (256, 10), (2395, 12), (4095, 12), (4096, 14), (16384, 16), (65535, 16)]
)
def test_white_has_the_fewest_bits_in_use_that_hold_the_largest_value(largest, bits):
    assert deep_images.white_of(largest) == 2**bits - 1


def test_an_image_brighter_than_white_is_refused():
    samples = draw(5000, 1)
    with pytest.raises(ValueError, match=r"run to 5000, brighter than white, 4095, which follows from .* the data set"):
        images.decode_image(png(samples), 4095)
    with pytest.raises(ValueError, match="run to 5000, brighter than white, 4095, which the file itself tells"):
        images.decode_image(tiff(samples, GREY, most=4095))

"""Image files as pixels: what is stored is what is read, upright, in RGB."""

import importlib
import io
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps, TiffImagePlugin

from components.data import images
from components.data.resizing import PADDING, RESIZINGS
from components.machinery.code import ROOT
from components.system.errors import UserError
from tests.data.test_colours import ADOBE_PROFILE, of_adobe

Pixels = npt.NDArray[np.uint8]
RANDOM = np.random.default_rng(0)
RGB: Pixels = RANDOM.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY: Pixels = RGB[..., 0]
ALPHA: Pixels = RGB[..., 1] // 128 * 255
PALETTE = Image.fromarray(RGB).quantize(16)
PALETTE_RGB = np.asarray(PALETTE.convert("RGB"))
FLIPPED = PALETTE.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
STACKED = np.repeat(GREY[..., None], 3, axis=2)


def over_white(pixels: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.where(alpha[..., None] == 255, pixels, 255).astype(np.uint8)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def deep_png(pixels: Pixels) -> bytes:
    """Return a PNG of 16 bits a channel, which Pillow reads and does not write."""
    tensorflow = importlib.import_module("tensorflow")
    return tensorflow.io.encode_png(pixels.astype(np.uint16) * 257).numpy()


def deep_tiff(pixels: Pixels, order: bytes) -> bytes:
    """Return a TIFF of 16 bits a channel, RGB or RGBA, in a byte order."""
    height, width, channels = pixels.shape
    data = (pixels.astype(np.uint16) * 257).astype("<u2" if order == b"II" else ">u2").tobytes()
    tags = TiffImagePlugin.ImageFileDirectory_v2(order + (b"*\0" if order == b"II" else b"\0*") + bytes(4))
    tags[256], tags[257], tags[258], tags[259], tags[262] = width, height, (16,) * channels, 1, 2
    tags[273], tags[277], tags[278], tags[279] = 0, channels, height, len(data)
    if channels == 4:
        tags[338] = 2  # the fourth is alpha
    file = io.BytesIO()
    tags.save(file)
    return file.getvalue() + data


FILES = {
    **{kind: (encode(Image.fromarray(RGB), kind), RGB) for kind in ("PNG", "BMP", "TIFF", "PPM", "JPEG2000")},
    "WebP": (encode(Image.fromarray(RGB), "WEBP", lossless=True), RGB),
    "grey": (encode(Image.fromarray(GREY), "PNG"), STACKED),
    "black and white": (encode(Image.fromarray(GREY >= 128), "PNG"), STACKED // 128 * 255),
    "palette": (encode(PALETTE, "PNG"), PALETTE_RGB),
    "GIF": (encode(PALETTE, "GIF"), PALETTE_RGB),
    "alpha": (encode(Image.fromarray(np.dstack([RGB, ALPHA])), "PNG"), over_white(RGB, ALPHA)),
    "grey and alpha": (encode(Image.fromarray(np.dstack([GREY, ALPHA])), "PNG"), over_white(STACKED, ALPHA)),
    "CMYK": (encode(Image.fromarray(np.dstack([255 - RGB, 0 * GREY]), "CMYK"), "TIFF"), RGB),
    "16-bit grey": (encode(Image.fromarray(GREY.astype(np.uint16) * 257), "PNG"), STACKED),
    "16-bit grey TIFF": (encode(Image.fromarray(GREY.astype(np.uint16) * 257), "TIFF"), STACKED),
    "16-bit grey, clear colour": (
        encode(Image.fromarray(GREY.astype(np.uint16) * 257), "PNG", transparency=int(GREY[0, 0]) * 257),
        np.where(GREY[0, 0] == STACKED, 255, STACKED),
    ),
    "32-bit grey TIFF": (encode(Image.fromarray(GREY.astype(np.int32) * 257), "TIFF"), STACKED),
    "16-bit RGB": (deep_png(RGB), RGB),
    "16-bit alpha": (deep_png(np.dstack([RGB, ALPHA])), over_white(RGB, ALPHA)),
    "16-bit grey and alpha": (deep_png(np.dstack([GREY, ALPHA])), over_white(STACKED, ALPHA)),
    **{f"16-bit RGB TIFF {order!r}": (deep_tiff(RGB, order), RGB) for order in (b"II", b"MM")},
    "16-bit alpha TIFF": (deep_tiff(np.dstack([RGB, ALPHA]), b"II"), over_white(RGB, ALPHA)),
    **{
        f"animated {kind}": (encode(PALETTE, kind, save_all=True, append_images=[FLIPPED], lossless=True), PALETTE_RGB)
        for kind in ("GIF", "PNG", "WEBP", "TIFF")
    },
    "one pixel": (encode(Image.fromarray(RGB[:1, :1]), "PNG"), RGB[:1, :1]),
}


@pytest.mark.parametrize(("content", "expected"), FILES.values(), ids=FILES)
def test_every_pixel_is_read_as_stored(content, expected, tmp_path):
    """Whatever the file is called."""
    (tmp_path / "image.jpg").write_bytes(content)
    decoded = images.read_image(tmp_path / "image.jpg")
    assert decoded.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(decoded), expected)
    assert images.measure_image(content)[:2] == decoded.size


@pytest.mark.parametrize("strip", [1, 20, images.STRIP])
@pytest.mark.parametrize(("content", "expected"), FILES.values(), ids=FILES)
def test_strips_change_no_pixel(content, expected, strip, monkeypatch):
    """And an image at the working size is what Pillow makes of the whole image in one call."""
    monkeypatch.setattr(images, "STRIP", strip)
    np.testing.assert_array_equal(np.asarray(images.decode_image(content)), expected)
    for size in (1, 4, 9, 40):
        whole = Image.fromarray(expected).resize((size, size), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(images.decode_pixels(content, size), np.asarray(whole))


def as_squares(image: Image.Image, size: int) -> dict[str, np.ndarray]:
    """Return what each way of resizing makes of an image, as Pillow has the same ways."""
    bilinear, side = Image.Resampling.BILINEAR, min(image.size)
    left, upper = (image.width - side) // 2, (image.height - side) // 2
    scale = size / max(image.size)
    width, height = (max(1, round(scale * length)) for length in image.size)
    square = Image.new("RGB", (size, size), PADDING)
    square.paste(image.resize((width, height), bilinear), ((size - width) // 2, (size - height) // 2))
    squares = {
        "squash": image.resize((size, size), bilinear),
        "crop": image.resize((size, size), bilinear, box=(left, upper, left + side, upper + side)),
        "pad": square,
    }
    return {name: np.asarray(made) for name, made in squares.items()}


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("shape", [(61, 40), (40, 61), (40, 40), (3, 90), (1, 1)])
def test_a_square_is_the_whole_squashed_or_its_middle_or_the_whole_with_grey_beside_it(shape, large, monkeypatch):
    """Of a large image likewise, to a level, as it is shrunk strip by strip."""
    if large:
        monkeypatch.setattr(images, "LARGE", 0)
        monkeypatch.setattr(images, "STRIP", 200)
    image = Image.merge("RGB", [Image.effect_noise(shape, 60) for _ in "RGB"])
    for size in (16, 41):
        expected = as_squares(image, size)
        assert [*expected] == [*RESIZINGS]
        for way, square in expected.items():
            made = images.decode_pixels(encode(image, "PNG"), size, resize=way)
            assert made.shape == (size, size, 3)
            assert abs(made.astype(int) - square).max() <= large
        if max(shape) > min(shape):
            grey = (expected["pad"] == PADDING).all(axis=2)
            assert grey.any() and not grey.all()


@pytest.mark.parametrize(("kind", "apart"), [("PNG", 1), ("JPEG", 3)])
@pytest.mark.parametrize("shape", [(1304, 1104), (2000, 20), (20, 2000)])
def test_only_a_large_image_is_shrunk_on_the_way_and_is_nearly_the_same(shape, kind, apart, monkeypatch):
    noise = Image.effect_noise((60, 50), 60).resize(shape, Image.Resampling.BICUBIC)
    content = encode(Image.merge("RGB", (noise, ImageOps.flip(noise), ImageOps.mirror(noise))), kind, quality=95)
    with Image.open(io.BytesIO(content)) as stored:
        whole = np.asarray(stored.resize((32, 32), Image.Resampling.BILINEAR))
    monkeypatch.setattr(images, "STRIP", 100_000)
    monkeypatch.setattr(images, "LARGE", shape[0] * shape[1])
    np.testing.assert_array_equal(images.decode_pixels(content, 32), whole)
    monkeypatch.setattr(images, "LARGE", shape[0] * shape[1] - 1)
    assert abs(images.decode_pixels(content, 32).astype(int) - whole).max() <= apart


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "not an image in a supported format: JPEG, PNG"),
        (encode(Image.fromarray(RGB), "EPS"), "not an image in a supported format"),
        (encode(Image.fromarray(RGB), "ICO"), "not an image in a supported format"),
        (encode(Image.fromarray(RGB), "JPEG")[:-100], "Truncated|truncated|broken"),
        (b"P4 10001 10000\n", "10001 x 10000 pixels: more than 100 megapixels; .* GRAFT_MAX_MEGAPIXELS raises the"),
        (b"P6 1000000 1000000 255\n", "1000000 x 1000000 pixels: more than 100 megapixels"),
        (b"P4 1 200001\n", "1 x 200001 pixels: a side of more than 200,000"),
        (encode(Image.fromarray(GREY.astype(np.float32)), "TIFF"), "fractions of no agreed range"),
        (encode(Image.fromarray(np.array([[0, 65536]], np.int32)), "TIFF"), "from 0 to 65536"),
        (encode(Image.fromarray(np.array([[-1, 5]], np.int32)), "TIFF"), "from -1 to 5"),
    ],
)
def test_what_is_no_readable_image_says_why(content, match):
    with images.without_pillow_warnings(), pytest.raises((ValueError, OSError), match=match):
        images.decode_image(content)


def test_a_progressive_jpeg_has_no_more_scans_than_the_limit():
    """What an encoder writes is read; its last scan, written again and again, costs as often."""
    content = encode(Image.fromarray(RGB), "JPEG", progressive=True)
    last, end = content[content.rindex(b"\xff\xda") : -2], content[-2:]
    more = images.MAX_SCANS - content.count(b"\xff\xda")
    allowed = images.decode_image(content[:-2] + last * more + end)
    assert allowed.size == images.decode_image(content).size
    with pytest.raises(ValueError, match="a progressive JPEG of 1,001 scans, more than 1,000: save it anew"):
        images.decode_image(content[:-2] + last * (more + 1) + end)


@pytest.mark.parametrize(("megapixels", "side"), [("1", 1000), ("101", 10_049), ("400", 19_999)])
def test_the_limit_of_pixels_can_be_set(megapixels, side, monkeypatch):
    """An image within it ends on its missing pixels."""
    monkeypatch.setenv("GRAFT_MAX_MEGAPIXELS", megapixels)
    with pytest.raises(OSError, match="truncated"):
        images.decode_image(f"P4 {side} {side}\n".encode())
    with pytest.raises(ValueError, match=f"{2 * side} x {side} pixels: more than {megapixels} megapixels"):
        images.decode_image(f"P4 {2 * side} {side}\n".encode())


@pytest.mark.parametrize("name", ["GRAFT_MAX_MEGAPIXELS", "GRAFT_DECODING_MEGABYTES"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many"])
def test_a_setting_that_is_no_number_says_so(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"{name}: expected a whole number, 1 or more; received '{value}'"):
        images.decode_image(FILES["PNG"][0])


PEAK = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from components.data import images

def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024

images.LARGE = int(sys.argv[3])
content = Path(sys.argv[1]).read_bytes()
images.decode_pixels(Path(sys.argv[2]).read_bytes(), 224)
start = peak()
with ThreadPoolExecutor(4) as pool:
    list(pool.map(images.decode_pixels, [content] * 4, [224] * 4))
print(peak() - start)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(("mode", "large", "most"), [("RGBA", 9_000_000, 13), ("CMYK", 1_000_000, 9)])
def test_four_images_at_once_take_the_memory_of_one(mode, large, most, tmp_path, monkeypatch):
    """As it is stored, 4 bytes a pixel, and as RGB, 4 more unless it is large; other copies are of strips."""
    small, file = tmp_path / "small", tmp_path / "file"
    for path, side in ((small, 1000), (file, 3000)):
        Image.new(mode, (side, side)).save(path, "PNG" if mode == "RGBA" else "TIFF", compression="tiff_lzw")
    monkeypatch.setenv("GRAFT_DECODING_MEGABYTES", "100")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")  # glibc keeps for each thread some of what it frees
    words = [sys.executable, "-c", PEAK, str(file), str(small), str(large)]
    grown = int(subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    assert grown < most * 9_000_000


def test_memory_is_shared_in_turn(monkeypatch):
    """What is too large waits until all is free, goes alone, and is not overtaken by what would fit."""
    monkeypatch.setenv("GRAFT_DECODING_MEGABYTES", "10")
    memory, held = images.DecodingMemory(), threading.Event()
    log: list[tuple[str, int]] = []

    def reserve(name: str, amount: int) -> None:
        with memory.reserve(amount * 1_000_000):
            log.append((name, memory.used))

    def hold() -> None:
        with memory.reserve(6_000_000):
            held.set()
            while not memory.turn.locked():
                pass
            threads[2].start()
            log.append(("first", memory.used))

    threads = [threading.Thread(target=hold)]
    threads += [threading.Thread(target=reserve, args=one) for one in (("too large", 11), ("small", 1))]
    threads[0].start()
    held.wait()
    threads[1].start()
    for thread in (threads[0], *threads[1:]):
        thread.join()
    assert log == [("first", 6_000_000), ("too large", 11_000_000), ("small", 1_000_000)]
    assert memory.used == 0


def test_pillow_s_warnings_do_not_reach_the_person(tmp_path):
    """An image whose Exif breaks off, which Pillow warns of, is read; by the threads, too."""
    content = encode(Image.fromarray(RGB), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01")
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        images.decode_pixels(content, 4)
    (tmp_path / "image.jpg").write_bytes(content)
    ((_, read),) = images.map_in_batches(lambda file: images.read_pixels(file, 4), [tmp_path / "image.jpg"], 1)
    assert read.shape == (1, 4, 4, 3)


def test_16_bits_are_rounded_to_8(tmp_path):
    grey = np.array([[0, 128, 129, 1000, 65406, 65407, 65535]], dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / "image.png")
    assert np.asarray(images.read_image(tmp_path / "image.png"))[0, :, 0].tolist() == [0, 0, 1, 4, 254, 255, 255]


def test_half_transparent_pixels_are_mixed_with_white(tmp_path):
    alpha = np.full(GREY.shape, 128, np.uint8)
    Image.fromarray(np.dstack([RGB, alpha])).save(tmp_path / "image.png")
    expected = (RGB * (128 / 255) + 127).round()
    np.testing.assert_allclose(np.asarray(images.read_image(tmp_path / "image.png")), expected, atol=1)


def test_a_transparent_colour_of_a_palette_is_white(tmp_path):
    PALETTE.save(tmp_path / "image.png", transparency=3)
    clear = np.asarray(PALETTE) == 3
    assert clear.any() and not clear.all()
    decoded = np.asarray(images.read_image(tmp_path / "image.png"))
    np.testing.assert_array_equal(decoded, np.where(clear[..., None], 255, np.asarray(PALETTE.convert("RGB"))))


UPRIGHT = {  # how stored pixels are turned to be seen upright (Exif 2.32, table 6, tag 0x0112)
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("strip", [20, images.STRIP])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("orientation", "upright"), UPRIGHT.items())
def test_photographs_are_turned_upright(orientation, upright, kind, strip, monkeypatch):
    monkeypatch.setattr(images, "STRIP", strip)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(Image.fromarray(RGB), kind, exif=exif, lossless=True)
    with Image.open(io.BytesIO(content)) as opened:
        stored = np.asarray(opened)
    np.testing.assert_array_equal(np.asarray(images.decode_image(content)), upright(stored))
    small = Image.fromarray(np.ascontiguousarray(upright(stored))).resize((4, 4), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(images.decode_pixels(content, 4), np.asarray(small))


def test_a_printer_s_colours_become_rgb(tmp_path):
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "image.jpg")
    red = np.asarray(images.read_image(tmp_path / "image.jpg"))
    np.testing.assert_allclose(red, np.broadcast_to([254, 0, 0], red.shape), atol=2)


@pytest.mark.parametrize(("mode", "compression"), [("1", "raw"), ("1", "group4"), ("L", "raw"), ("L", "tiff_lzw")])
def test_a_tiff_whose_white_is_0_is_read_as_seen(mode, compression):
    grey = Image.fromarray(GREY).convert(mode)
    content = encode(grey, "TIFF", compression=compression, tiffinfo={262: 0})
    with Image.open(io.BytesIO(content)) as stored:
        assert stored.tag_v2[262] == 0  # type: ignore[attr-defined]
    np.testing.assert_array_equal(np.asarray(images.decode_image(content)), np.asarray(grey.convert("RGB")))


@pytest.fixture
def formats_anew():
    images.readable_formats.cache_clear()
    yield
    images.readable_formats.cache_clear()


@pytest.mark.parametrize("orientation", [1, 6])
def test_heic_is_read_upright_and_in_the_colours_of_its_profile(orientation, formats_anew):
    pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    assert images.readable_formats()[-1] == "HEIF"
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth = Image.fromarray(RGB).resize((96, 64), Image.Resampling.BICUBIC)
    options = {"quality": 100, "chroma": 444, "exif": exif.tobytes()}
    upright = smooth.transpose(Image.Transpose.ROTATE_270) if orientation == 6 else smooth
    plain, profiled = (encode(smooth, "HEIF", icc_profile=profile, **options) for profile in (None, ADOBE_PROFILE))
    read = np.asarray(images.decode_image(plain))
    np.testing.assert_allclose(read, np.asarray(upright, np.float64), atol=6)
    np.testing.assert_allclose(np.asarray(images.decode_image(profiled)), of_adobe(read), atol=1)
    assert images.measure_image(profiled)[:2] == upright.size


def test_heic_that_cannot_be_read_names_the_package_that_would(formats_anew, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    content = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    with pytest.raises(ValueError, match="HEIC, which the package pillow-heif reads: install it, or convert to JPEG"):
        images.decode_image(content)
    with pytest.raises(ValueError, match="not an image in a supported format"):
        images.decode_image(b"\0\0\0\x18ftypmp42")


def test_the_file_stays_as_it_is(tmp_path):
    file = tmp_path / "image.png"
    Image.fromarray(RGB).save(file)
    before = file.read_bytes()
    images.read_pixels(file, 5)
    assert file.read_bytes() == before


@pytest.mark.parametrize("size", [1, 5, 6, 40])
@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (1, 30), (7, 7)])
def test_read_gives_a_square_of_the_working_size(size, shape, tmp_path):
    Image.new("RGB", shape, (10, 20, 30)).save(tmp_path / "image.png")
    read = images.read_pixels(tmp_path / "image.png", size)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, np.broadcast_to(np.array([10, 20, 30]), (size, size, 3)))


def test_read_changes_nothing_at_the_image_s_own_size(tmp_path):
    Image.fromarray(RGB[:, :6]).save(tmp_path / "image.png")
    np.testing.assert_array_equal(images.read_pixels(tmp_path / "image.png", 6), RGB[:, :6])


def test_read_averages_where_it_shrinks(tmp_path):
    """Without antialiasing a fine chequerboard would become black or white."""
    board = np.indices((64, 64)).sum(axis=0) % 2 * np.uint8(255)
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "image.png")
    np.testing.assert_allclose(images.read_pixels(tmp_path / "image.png", 4), 127.5, atol=2)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 8, 100])
def test_batches_come_in_order_whichever_is_ready_first(batch_size):
    items = list(range(7))
    last = threading.Event()

    def make(item: int) -> npt.NDArray[np.int64]:
        if item == 0 and batch_size > 1:  # where there are two workers, the second comes before the first
            last.wait(0.1)
        elif item == 1:
            last.set()
        return np.full(2, item)

    places, batches = zip(*images.map_in_batches(make, items, batch_size), strict=True)
    assert [items[place] for place in places] == [batch[:, 0].tolist() for batch in batches]
    assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    assert np.concatenate(batches)[:, 1].tolist() == items


def test_no_items_make_no_batches():
    assert list(images.map_in_batches(np.asarray, [], 3)) == []


def test_what_goes_wrong_with_an_item_is_raised(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "0.png")
    files = [tmp_path / "0.png", tmp_path / "1.png"]
    batches: list[tuple[slice, np.ndarray]] = []

    def read(file: Path) -> Pixels:
        return images.read_pixels(file, 4)

    with pytest.raises(UserError, match=r"1\.png is damaged .No such file"):
        batches.extend(images.map_in_batches(read, files, 1))
    assert len(batches) <= 1

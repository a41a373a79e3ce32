"""Colour profiles: an image is read as a viewer shows it, and one of sRGB's colours as it is stored."""

import io
import struct
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

from components.data import colours, images

Numbers = npt.NDArray[np.float64]
RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
D50 = (0.9642, 1, 0.8249)
SHARES = np.linspace(0, 1, 1024)
LINEAR = np.where(SHARES <= 0.04045, SHARES / 12.92, ((SHARES + 0.055) / 1.055) ** 2.4)  # sRGB's curve, IEC 61966-2-1
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141))  # XYZ of its primaries
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
GAMMA = 563 / 256  # of Adobe RGB (1998)


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + fixed(*values)


def curve(values: npt.ArrayLike) -> bytes:
    points = np.round(np.asarray(values) * 65535).astype(">u2")
    return b"curv" + bytes(4) + struct.pack(">I", len(points)) + points.tobytes()


def write_profile(name: str, space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return a profile (ICC.1:2001-04) of a space of colours, with a name, the white of D50 and other tags."""
    text = name.encode() + b"\0"
    described = {b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(79), b"wtpt": xyz(D50)}
    table, body, start = b"", b"", 132 + 12 * len(described | tags)
    for tag, data in (described | tags).items():
        table += struct.pack(">4sII", tag, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    kind, between = (b"prtr", b"Lab ") if space == b"CMYK" else (b"mntr", b"XYZ ")
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"lcms", 0x02100000, kind, space, between)
    head += bytes(12) + b"acsp" + bytes(28) + fixed(*D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(described | tags)) + table + body


def rgb_profile(name: str, primaries: Sequence[Sequence[float]], linear: npt.ArrayLike) -> bytes:
    tags = {bytes([channel]) + b"XYZ": xyz(one) for channel, one in zip(b"rgb", primaries, strict=True)}
    return write_profile(name, b"RGB ", tags | {bytes([channel]) + b"TRC": curve(linear) for channel in b"rgb"})


def printer_profile() -> bytes:
    """Return a profile of inks of which each takes a part of the light, and black leaves a lightness (L*) of 10."""
    inks = np.array([*product((0, 1), repeat=4)])
    light = np.clip(100 - inks @ [30, 30, 10, 90], 10, 100)
    red, yellow = inks @ [-40, 70, -5, 0], inks @ [-50, 0, 90, 0]
    red, yellow = (np.where(inks[:, 3] == 1, 0, one) for one in (red, yellow))
    table = np.stack([light * 2.55, red + 128, yellow + 128], axis=1).round().clip(0, 255).astype(np.uint8)
    identity = bytes(range(256))
    lookup = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + identity * 4
    return write_profile("Inks", b"CMYK", {b"A2B0": lookup + table.tobytes() + identity * 3})


ADOBE_PROFILE = rgb_profile("Adobe RGB (1998)", ADOBE, SHARES**GAMMA)
GREY_PROFILE = write_profile("Dots", b"GRAY", {b"kTRC": curve(SHARES**1.8)})


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decode(content: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(images.decode_image(content))


def of_adobe(pixels: npt.NDArray[np.uint8]) -> Numbers:
    """Return pixels of Adobe RGB as sRGB's, by the two spaces' definitions."""
    light = (pixels / 255) ** GAMMA @ np.array(ADOBE) @ np.linalg.inv(SRGB)
    return 255 * np.interp(light, LINEAR, SHARES)


@pytest.mark.parametrize("strip", [20, images.STRIP])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG", "AVIF"])
def test_a_picture_in_adobe_rgb_is_read_as_it_is_seen(kind, strip, monkeypatch):
    monkeypatch.setattr(images, "STRIP", strip)
    options = {"quality": 100, "subsampling": "4:4:4"} if kind in ("JPEG", "AVIF") else {"lossless": True}
    plain = encode(Image.fromarray(RGB), kind, **options)
    profiled = encode(Image.fromarray(RGB), kind, icc_profile=ADOBE_PROFILE, **options)
    np.testing.assert_allclose(decode(profiled), of_adobe(decode(plain)), atol=1)
    assert abs(decode(profiled).astype(int) - decode(plain)).mean() > 8
    assert images.measure_image(profiled).profile == "Adobe RGB (1998)"


def test_profiles_hold_for_palettes_and_beside_transparency():
    alpha = RGB[..., 0] // 128 * 255
    content = encode(Image.fromarray(np.dstack([RGB, alpha])), "PNG", icc_profile=ADOBE_PROFILE)
    expected = np.where(alpha[..., None] == 255, of_adobe(RGB), 255)
    np.testing.assert_allclose(decode(content), expected, atol=1)
    palette = Image.fromarray(RGB).quantize(16)
    content = encode(palette, "PNG", icc_profile=ADOBE_PROFILE)
    np.testing.assert_allclose(decode(content), of_adobe(np.asarray(palette.convert("RGB"))), atol=1)


@pytest.mark.parametrize(
    "profile",
    [
        rgb_profile("sRGB IEC61966-2.1", SRGB, LINEAR),
        rgb_profile("sRGB in few points", SRGB, np.interp(np.linspace(0, 1, 64), SHARES, LINEAR)),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    ],
)
def test_a_profile_of_srgb_changes_no_bit(profile):
    content = encode(Image.fromarray(RGB), "PNG", icc_profile=profile)
    np.testing.assert_array_equal(decode(content), RGB)
    assert images.measure_image(content).profile == ""


@pytest.mark.parametrize("depth", [8, 16])
def test_grey_is_read_by_its_profile_and_stays_grey(depth):
    grey = np.arange(256, dtype=np.uint16).reshape(16, 16)
    image = Image.fromarray(grey * 257) if depth == 16 else Image.fromarray(grey.astype(np.uint8))
    expected = 255 * np.interp((grey / 255) ** 1.8, LINEAR, SHARES)
    clear = Image.fromarray(np.dstack([grey, 0 * grey + 255]).astype(np.uint8), "LA")
    for one in (image, clear):
        read = decode(encode(one, "PNG", icc_profile=GREY_PROFILE))
        np.testing.assert_allclose(read, np.stack([expected] * 3, axis=2), atol=2)
        assert (read.max(axis=2) == read.min(axis=2)).all()


def test_a_printer_s_inks_are_read_by_their_profile_and_paper_as_white():
    inks = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [255, 0, 0, 0], [0, 255, 0, 0]]], np.uint8)
    image = Image.fromarray(inks, "CMYK")
    read = decode(encode(image, "TIFF", icc_profile=printer_profile())).astype(int)[0]
    np.testing.assert_allclose(read[:2], [[255] * 3, [28] * 3], atol=2)  # L* of 10 is 28
    assert read[2, 0] < read[2, 2] and read[3, 0] > read[3, 1]  # cyan, magenta
    assert abs(read - np.asarray(image.convert("RGB"))[0]).max() > 20


@pytest.mark.parametrize("profile", [b"no profile", ADOBE_PROFILE[:300], GREY_PROFILE, printer_profile()])
def test_a_profile_that_is_damaged_or_of_other_colours_is_ignored(profile):
    content = encode(Image.fromarray(RGB), "PNG", icc_profile=profile)
    np.testing.assert_array_equal(decode(content), RGB)
    assert images.measure_image(content).profile == colours.UNFIT

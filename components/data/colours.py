"""Colours as they are seen: the pixels of an image with a colour profile (ICC) as those of sRGB."""

import io
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

UNFIT = "unreadable, or of other colours"  # in place of a profile's name
NEARLY = 2  # of 255, by which profiles of the same colours may differ, as their curves have few points
STEPS = 18  # of each channel, from 0 to 255, by which profiles are compared


class ColourProfile(NamedTuple):
    """A profile's name, and what makes pixels sRGB's that are of its colours.

    One that cannot be read, or is of other colours than the pixels, is ignored, as by browsers: its name is `UNFIT`,
    and it makes nothing of them.
    """

    name: str
    transform: ImageCms.ImageCmsTransform | None


@lru_cache(maxsize=16)
def read_profile(profile: bytes, mode: str) -> ColourProfile | None:
    """Return a profile's name and transform to sRGB; None if it changes no pixels, (`UNFIT`, None) if it is no use.

    It is no use where it is unreadable, or of other colours than the mode's.

    White becomes white and black black, whatever the paper.

    Args:
        profile: The profile's bytes.
        mode: Grey (`L`), `RGB` or `CMYK`.

    Source: ICC.1:2022, relative colorimetric intent; black point compensation, ISO 18619.
    """
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
        transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB", intent, flags)
    except (ImageCms.PyCMSError, OSError):
        return ColourProfile(UNFIT, None)
    name = " ".join((opened.profile.profile_description or "").split()) or "without a name"
    return None if leaves_colours(transform, mode) else ColourProfile(name, transform)


def leaves_colours(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Return whether a transform of pixels of a mode to RGB changes none by more than 2 of 255; False for `CMYK`."""
    if mode == "CMYK":
        return False
    channels = np.meshgrid(*[np.linspace(0, 255, STEPS).astype(np.uint8)] * len(mode))
    before = Image.merge(mode, [Image.fromarray(channel.reshape(1, -1)) for channel in channels])
    after = transform.apply(before)
    return bool(abs(np.asarray(after, np.int16) - np.asarray(before.convert("RGB"), np.int16)).max() <= NEARLY)

"""Images and features made on the spot: time does not depend on what they show."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def photographs(folder: Path, count: int, size: int, classes: int, ending: str = "jpg") -> Path:
    """Write images of classes in turn, `classNN/NNNNNN.ENDING`, sides of `size` to 1.2 times it; return the folder.

    They are cut from a canvas of noise whose amplitude falls with the frequency, as in photographs, so that they
    compress and decode as these do.

    Source:
        Field, doi 10.1364/JOSAA.4.002379.
    """
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    side = max(1024, 2 * size)
    rows, columns = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    spectrum = np.fft.rfft2(random.normal(size=(3, side, side))) / np.maximum(np.hypot(rows, columns), 1 / side)
    canvas = np.fft.irfft2(spectrum).transpose(1, 2, 0)
    canvas = (128 + 50 * canvas / canvas.std()).clip(0, 255).astype(np.uint8)
    for number in range(count):
        target = folder / f"class{number % classes:02}" / f"{number:06}.{ending}"
        target.parent.mkdir(parents=True, exist_ok=True)
        height, width = random.integers(size, int(1.2 * size) + 1, 2)
        top, left = random.integers(0, (side - height, side - width))
        Image.fromarray(canvas[top : top + height, left : left + width]).save(target, quality=90)
    return folder


def features(labels: "np.ndarray", width: int) -> "np.ndarray":
    """Return made-up features of trained networks, float32 (n, width): a mean a class plus noise, none negative.

    The same labels have the same features at every call.
    """
    import numpy as np

    random = np.random.default_rng(0)
    means = random.normal(size=(int(labels.max()) + 1, width))
    return np.maximum(0, 0.3 * means[labels] + random.normal(size=(len(labels), width))).astype(np.float32)

"""The registry of data sets: where each is published, how it is laid out and what it must hold."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataSet:
    """One published data set.

    Args:
        title: Its name in full.
        license: Terms of use.
        citation: Whom to cite.
        classes: The classes in order, by the names of their folders.
        folder: The folder that holds the class folders, wherever it lies in the source.
        images: How many readable images it has.
        digest: Digest of its content once fetched.
        address: Where it is published, as an archive; empty where `make` writes it. It may move on: the digest decides.
        make: Writes the data set, folders of classes, into an empty folder.
    """

    title: str
    license: str
    citation: str
    classes: tuple[str, ...]
    folder: str
    images: int
    digest: str
    address: str = ""
    make: Callable[[Path], None] | None = None


def write_digits(folder: Path) -> None:
    """Write scikit-learn's handwritten digits as RGB images of 8 x 8 pixels, `digits/CLASS/NNNN.bmp`."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (grey, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        target = folder / "digits" / str(label)
        target.mkdir(parents=True, exist_ok=True)
        pixels = (grey * (255 / 16)).round().astype(np.uint8)
        Image.fromarray(pixels).convert("RGB").save(target / f"{number:04}.bmp")


TEN_DIGITS = tuple("0123456789")

DATA_SETS = {
    "digits": DataSet(
        title="Optical Recognition of Handwritten Digits, the test part, as shipped inside scikit-learn",
        license="CC BY 4.0",
        citation="Alpaydin and Kaynak, UCI Machine Learning Repository, 1998, doi:10.24432/C50P49",
        classes=TEN_DIGITS,
        folder="digits",
        images=1797,
        digest="e0119be9877a294fd98ca9028731034bf715f8557e5a4bb07b360e2fb18c6832",
        make=write_digits,
    ),
    "sign_language": DataSet(
        title="Sign Language Digits, Ankara Ayranci Anadolu High School",
        license="Apache-2.0",
        citation="Mavi, A new dataset and proposed convolutional neural network architecture for classification of "
        "American Sign Language digits, arXiv 2011.08927",
        classes=TEN_DIGITS,
        folder="Dataset",
        images=2062,
        digest="c2f92fe1c000e2d67fb86a0ee351530395796e8a46be7fdd50eb3652323a7860",
        address="https://github.com/ardamavi/Sign-Language-Digits-Dataset/archive/refs/heads/master.zip",
    ),
}

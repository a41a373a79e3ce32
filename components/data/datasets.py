"""The registry of data sets: where each is published, how it is laid out and what it must hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class DataSet:
    """One published data set.

    Args:
        title: Its name in full.
        license: Terms of use.
        citation: What to cite.
        classes: The classes in order.
        images: How many readable images it has.
        digest: Digest of its content once fetched; empty where it is not known.
        address: Address of the published archive. Its content may change: the digest decides.
        page: Page from which a person gets it, where no archive can be downloaded.
        write: Writes the data set, folders of classes, into an empty folder, where it needs no download.
        folders: Names of the class folders, in the order of the classes, where they differ from those.
        test_lists: The files that list the test images of each published split, in order, `CLASS/FILE NUMBER` a line:
            the address of each by its path, beside or above the class folders. They are no part of the archive.
        numbered_by_person: Whether the numbers in the file names follow the order in which the images were taken, of
            one person after the other, each showing the classes in order.
    """

    title: str
    license: str
    citation: str
    classes: tuple[str, ...]
    images: int
    digest: str
    address: str = ""
    page: str = ""
    write: Callable[[Path], None] | None = None
    folders: tuple[str, ...] = ()
    test_lists: Mapping[str, str] = field(default_factory=dict)
    numbered_by_person: bool = False

    @property
    def labels(self) -> dict[str, str]:
        """The class of each class folder, by the folder's name, in the order of the classes."""
        return dict(zip(self.folders or self.classes, self.classes, strict=True))


def write_digits(folder: Path) -> None:
    """Write scikit-learn's handwritten digits as RGB images of 8 x 8 pixels, `CLASS/NNNN.bmp`.

    NNNN counts over all classes, in scikit-learn's order, from 0000.
    """
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (grey, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        target = folder / str(label)
        target.mkdir(parents=True, exist_ok=True)
        pixels = (grey * (255 / 16)).round().astype(np.uint8)
        Image.fromarray(pixels).convert("RGB").save(target / f"{number:04}.bmp")


TEN_DIGITS = tuple("0123456789")
GROCERIES = (  # where the lists of its splits are; its archive has none
    "https://raw.githubusercontent.com/PhilJd/freiburg_groceries_dataset/8827d2f61c2838756a069562b1c2ff53568ae33b"
)

DATA_SETS = {
    "digits": DataSet(
        title="Optical Recognition of Handwritten Digits, the test part, as shipped inside scikit-learn",
        license="CC BY 4.0",
        citation="Alpaydin and Kaynak, UCI Machine Learning Repository, 1998, doi:10.24432/C50P49",
        classes=TEN_DIGITS,
        images=1797,
        digest="e0119be9877a294fd98ca9028731034bf715f8557e5a4bb07b360e2fb18c6832",
        write=write_digits,
    ),
    "sign_language": DataSet(
        title="Sign Language Digits, Ankara Ayranci Anadolu High School",
        license="Apache-2.0",
        citation="Mavi, A new dataset and proposed convolutional neural network architecture for classification of "
        "American Sign Language digits, arXiv 2011.08927",
        classes=TEN_DIGITS,
        images=2062,
        digest="c2f92fe1c000e2d67fb86a0ee351530395796e8a46be7fdd50eb3652323a7860",
        address="https://github.com/ardamavi/Sign-Language-Digits-Dataset/archive/refs/heads/master.zip",
        numbered_by_person=True,
    ),
    "kth_animals": DataSet(  # 1,740 images are published; of two there is no readable copy
        title="KTH-ANIMALS, KTH Royal Institute of Technology, Stockholm",
        license="none stated",
        citation="Afkham, Targhi, Eklundh and Pronobis, Joint visual vocabulary for animal classification, ICPR 2008; "
        "csc.kth.se/~heydarma/Datasets.html",
        classes=(
            "bear", "cougar", "cow", "coyote", "deer", "elephant", "giraffe", "goat", "gorilla", "horse", "kangaroo",
            "leopard", "lion", "panda", "penguin", "sheep", "skunk", "tiger", "zebra",
        ),
        images=1738,
        digest="9b27c01c05ecb3ae184cea6d530887e4845cd33ec0f44bb41dccf3e290188b07",
        address="https://www.csc.kth.se/~heydarma/datasets/animal_database.tar.gz",
    ),
    "groceries": DataSet(
        title="Freiburg Groceries",
        license="none stated",
        citation="Jund, Abdo, Eitel and Burgard, The Freiburg Groceries Dataset, arXiv 1611.05799",
        classes=(
            "BEANS", "CAKE", "CANDY", "CEREAL", "CHIPS", "CHOCOLATE", "COFFEE", "CORN", "FISH", "FLOUR", "HONEY", "JAM",
            "JUICE", "MILK", "NUTS", "OIL", "PASTA", "RICE", "SODA", "SPICES", "SUGAR", "TEA", "TOMATO_SAUCE",
            "VINEGAR", "WATER",
        ),
        images=4947,
        digest="d9f64a76514eea07536847222ecdb346875ed580ae4f1e9caea8b08d70a8d663",
        address="http://aisdatasets.informatik.uni-freiburg.de/freiburg_groceries_dataset/freiburg_groceries_dataset.tar.gz",
        test_lists={
            f"splits/test{split}.txt": f"{GROCERIES}/splits/test{split}.txt#sha256={digest}"
            for split, digest in enumerate((
                "20086a597ad75c265e0eb63a74d48aa6f1d049b19433e6cb4d8c6d67073cad50",
                "9b4cf3e5bd30d08697a1898f9ceb983b23a3d489d8ca30601bb803991b901413",
                "913f721b85363427a6e7adab0ffebce261be6817841ae0489e6a2c600ee14c47",
                "e83e54044f9ac0b1d9720d81868bacea0f862338c111f174bc6d6470e20416bc",
                "82fcc22ceaf47131605ef87df12422d82c8e5f64073bce8dbbfd6c657ff3b31c",
            ))
        },
    ),
    "car_damage": DataSet(
        title="Car Damage Detective, where a car is damaged",
        license="ODC-By 1.0",
        citation="neokt, Car Damage Detective, github.com/neokt/car-damage-detective, 2016",
        classes=("front", "rear", "side"),
        images=1150,
        digest="d40c79010a62847918719a5df1eea0cad5c643804d203a746382ffce5a45cd76",
        page="https://github.com/neokt/car-damage-detective",
        folders=("00-front", "01-rear", "02-side"),
    ),
    "traffic_lights": DataSet(  # the course counts 1,484 images; of one there is no copy
        title="Traffic lights of the project Traffic Light Classifier, Udacity, Intro to Self-Driving Cars",
        license="CC BY-SA 4.0",
        citation="MIT 6.S094, Deep Learning for Self-Driving Cars",
        classes=("red", "yellow", "green"),
        images=1483,
        digest="3abab6adceb88cdb783f5beec034bb49c0f77bca4e9453984f1aa39c595ad6d9",
        page="https://www.udacity.com/course/intro-to-self-driving-cars--nd113",
    ),
}  # fmt: skip

"""Names of published parts: the words in which people name the folders of what is to train on and to test on."""

import re
import unicodedata

PARTS = {  # the part that a word stands for; images of `unlabelled` have no classes yet
    "train": "train", "training": "train", "trn": "train", "trainval": "train",
    "validation": "validation", "validate": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "development": "validation", "evaluation": "validation", "eval": "validation",
    "testing": "test", "test": "test", "tst": "test", "holdout": "test", "heldout": "test",
    "unlabelled": "unlabelled", "unlabeled": "unlabelled", "prediction": "unlabelled", "predictions": "unlabelled",
    "predict": "unlabelled", "pred": "unlabelled", "inference": "unlabelled",
}  # fmt: skip
AROUND = (  # what such names say besides; none is made of others, which would match in more ways than there is time for
    "all", "classification", "clean", "cls", "cropped", "data", "dir", "directory", "file", "files", "final", "folder",
    "full", "image", "images", "img", "imgs", "jpeg", "jpg", "labeled", "labelled", "large", "mini", "my", "new",
    "official", "original", "part", "partition", "photo", "photos", "pic", "pics", "picture", "pictures", "png",
    "private", "public", "raw", "resized", "sample", "samples", "seg", "set", "sets", "small", "split", "splits",
    "subset", "the", "tiny", "x",
)  # fmt: skip
NAME = re.compile(f"(?:{'|'.join(AROUND)})*({'|'.join(PARTS)})(?:{'|'.join(AROUND)})*")
WORD = re.compile(r"[^\W\d_]+|\d+")
HUMP = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")  # between the words of `trainA`


def part_of(name: str) -> str:
    """Return the part (`train`, `validation`, `test` or `unlabelled`) that a folder's whole name says, or "" if none.

    It is `test` for `Test_Images 2017`, but "" for `horse_test`; `unlabelled` is for images without classes. Case,
    digits and whatever is no letter do not count.
    """
    letters = "".join(letter for letter in unicodedata.normalize("NFKC", name).casefold() if letter.isalpha())
    match = NAME.fullmatch(letters)
    return PARTS[match[1]] if match else ""


def split_part_name(name: str) -> tuple[str, str]:
    """Return the part that a folder's name says, and its other words: `test`, `horse` of `horse_test`; or "" twice.

    Both are "" where no word says a part, or several do.
    """
    words = [word.casefold() for word in WORD.findall(HUMP.sub(" ", name))]
    parts = [PARTS[word] for word in words if word in PARTS]
    return (parts[0], " ".join(word for word in words if word not in PARTS)) if len(parts) == 1 else ("", "")

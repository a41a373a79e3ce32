"""The four studies that fine-tune, as published in params.yaml, on as many images as they had, made on the spot."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import here, synthetic
from benchmarks.measuring import Bench

CLASSES = 4  # of the images that are made, for networks of which the head is nothing


@dataclass(frozen=True)
class Study:
    """One study.

    Args:
        recipe: Its name in params.yaml.
        backbone: The backbone's name in the registry.
        application: The same in keras.applications.
        first: First layer that is fine-tuned.
        classes: How many classes it has.
        images: How many images train, validate and test.
        epochs: How many epochs train the head and fine-tune: the study's, where it says so.
        head: How the study trained its head: on predicted `features`, on the whole `network`, or not at all.
        size: How many images this benchmark makes for it, as `images`.
    """

    recipe: str
    backbone: str
    application: str
    first: str
    classes: int
    images: tuple[int, int, int]
    epochs: tuple[int, int]
    head: str
    size: tuple[int, int, int]


STUDIES = (
    Study("car_damage", "vgg16", "VGG16", "block5_conv3", 3, (476, 59, 59), (15, 15), "network", (64, 16, 16)),
    Study("sign_language", "vgg16", "VGG16", "block5_conv1", 10, (1712, 300, 50), (200, 20), "", (30, 8, 8)),
    Study("kth_animals", "vgg19", "VGG19", "block5_conv1", 19, (1460, 138, 140), (235, 30), "features", (40, 8, 8)),
    Study(
        "groceries", "resnet50", "ResNet50", "conv5_block3_1_conv", 25, (3561, 396, 990), (200, 20), "features",
        (96, 32, 32),
    ),
)  # fmt: skip
SMALL = (8, 4, 4)
QUICK = (32, 8, 8)
VIEWS = 1  # made of an image at most


def parameters(study: Study, size: tuple[int, int, int], changes: here.Values) -> dict[str, dict[str, Any]]:
    """Return the parameters of a study's steps for so many images; it learns too slowly to go astray."""
    train, validation, test = size
    split = {"method": "stratified", "train": train, "validation": validation, "test": test}
    slowly = {"learning_rate": 1e-6}
    return here.values_of(study.recipe, {"split": split, "train_top": slowly, "fine_tune": slowly, **changes})


def views(study: Study) -> int:
    """Return how many views of an image a study's recipe has."""
    return here.values_of(study.recipe, {})["augment"]["views"]


def places(folder: Path) -> dict[str, Path]:
    """Return where each artifact of a run lies."""
    names = "images weights audit splits test_split augmented chosen_precision features tensors top report"
    return {name: folder / name for name in names.split()} | {"classifier": folder / "classifiers" / "top"}


@cache
def prepared(bench: Bench, study: Study, size: tuple[int, int, int]) -> tuple[dict[str, Path], dict[str, float]]:
    """Make a study's images and run its steps up to the head, of one epoch; return artifacts, and seconds a step."""
    folder = bench.folder / study.recipe / str(sum(size))
    source = synthetic.photographs(folder / "source", sum(size), 240, CLASSES)
    at, values = places(folder), parameters(study, size, {"augment": {"views": min(VIEWS, views(study))}})
    at["weights"] = bench.folder / "weights" / study.backbone
    bench.here(here.made, at, source, study.backbone, values, ("audit", "split"))
    values["train_top"]["epochs"] = 1
    names = ("augment", "choose_precision", "extract", "train_top")
    taken = {name: bench.here(here.seconds, name, at, values[name]) for name in names}
    return at, taken


def chosen(bench: Bench) -> tuple[Study, ...]:
    """Return the studies to measure; a quick benchmark takes two."""
    return bench.pick(STUDIES, STUDIES[::3])

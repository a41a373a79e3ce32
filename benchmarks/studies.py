"""The four studies that fine-tune, as published in params.yaml, on as many images as they had, made on the spot."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from benchmarks import here, plain, synthetic
from benchmarks.measuring import Bench
from components.model import backbones
from pipeline import recipes
from pipeline.arranging import Task, tasks_to_make
from pipeline.collection import RANDOM
from pipeline.running import find_output, run_tasks

CLASSES = 4  # of the images that are made, for networks of which the head is nothing


@dataclass(frozen=True)
class Study:
    """One study.

    Args:
        recipe: Its name in params.yaml.
        classes: How many classes it has.
        images: How many images train, validate and test.
        epochs: How many epochs train the head and fine-tune: the study's, where it says so.
        head: How the study trained its head: on predicted `features`, on the whole `network`, or not at all.
        size: How many images this benchmark makes for it, as `images`.
    """

    recipe: str
    classes: int
    images: tuple[int, int, int]
    epochs: tuple[int, int]
    head: str
    size: tuple[int, int, int]

    @property
    def resolved(self) -> recipes.Recipe:
        """Its recipe, with the values of every step."""
        return recipes.resolve(recipes.read(), self.recipe)

    @property
    def backbone(self) -> str:
        """The backbone's name in the registry."""
        return self.resolved.networks[0]

    @property
    def application(self) -> str:
        """The backbone's name in keras.applications."""
        return plain.APPLICATIONS[self.backbone][1]

    @property
    def first(self) -> str:
        """The name of the first layer that is fine-tuned."""
        unfreeze = self.resolved.values["extract"]["unfreeze"]
        return backbones.get(self.backbone).cuts.get(unfreeze, unfreeze)


STUDIES = (
    Study("car_damage", 3, (476, 59, 59), (15, 15), "network", (64, 16, 16)),
    Study("sign_language", 10, (1712, 300, 50), (200, 20), "", (30, 8, 8)),
    Study("kth_animals", 19, (1460, 138, 140), (235, 30), "features", (40, 8, 8)),
    Study("groceries", 25, (3561, 396, 990), (200, 20), "features", (96, 32, 32)),
)
SMALL = (8, 4, 4)
QUICK = (32, 8, 8)
VIEWS = 1  # made of an image at most


def split_into(size: tuple[int, int, int]) -> dict[str, Any]:
    """Return a recipe's section `split`: stratified, with so many images that train, validate and test."""
    return {"method": "stratified", **dict(zip(("train", "validation", "test"), size, strict=True))}


def views(study: Study) -> int:
    """Return how many augmented views of an image a study's recipe has, besides the plain one."""
    return study.resolved.values["augment"]["views"]


@cache
def prepare(bench: Bench, study: Study, size: tuple[int, int, int]) -> tuple[list[Task], dict[str, float]]:
    """Make a study's images and run its tasks up to the head, of one epoch; return all its tasks, and seconds by step.

    The seconds are of the steps after the split and the weights. It learns too slowly to go astray.
    """
    source = bench.folder / "sources" / f"{study.recipe}-{sum(size)}"
    synthetic.photographs(source, sum(size), 240, CLASSES)
    slowly = {"learning_rate": 1e-6}
    entries = {
        "split": split_into(size),
        "augment": {"views": min(VIEWS, views(study))},
        "train_top": {**slowly, "epochs": 1},
        "fine_tune": slowly,
    }
    tasks = here.tasks_of(study.recipe, source, RANDOM + study.backbone, entries)
    before = [*tasks_to_make(find_output(tasks, "splits")), *tasks_to_make(find_output(tasks, "weights"))]
    bench.here(run_tasks, before, bench.folder)
    timed = [task for task in tasks_to_make(find_output(tasks, "classifier", "top")) if task not in before]
    return tasks, {task.step: bench.here(here.time_task, task, bench.folder) for task in timed}


def studies_to_measure(bench: Bench) -> tuple[Study, ...]:
    """Return the studies to measure: all four, or in a quick benchmark the first and the last."""
    return bench.pick(STUDIES, STUDIES[::3])

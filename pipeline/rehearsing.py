"""Rehearsals: tasks run on a few images of their data set, in processes of their own, for what they take here.

A rehearsed task is the step itself, so that whatever it does is in its price. It runs on two samples of different
sizes; what it takes on all images lies on the line through both. Of a small data set it runs on all images instead.
"""

import multiprocessing
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.data import packing, resuming
from components.data.artifacts import Images, Splits, TestSplit
from components.data.content import sha256
from components.data.records import Record
from components.data.splitting import is_published_test
from components.machinery.running import is_whole, run_step
from components.machinery.signature import load_step
from components.system.errors import UserError
from components.system.hardware import count_gpus, peak_memory
from components.system.processes import die_with_parent
from components.system.progress import bar
from components.system.resources import LESS_MEMORY
from pipeline.arranging import RECORD, Task, tasks_to_make
from pipeline.cleaning import size_in_bytes
from pipeline.collection import COLLECTION
from pipeline.places import path_of
from pipeline.running import artifact_paths

PIXELS = 2**24  # of all views of a sample; of a data set that has no more, all images are taken
CLASSES, SMALL = 4, 4  # of a sample: its classes, and images of each in the smaller one
PARTS = {"train": 0.5, "validation": 0.25, "test": 0.25}  # of a sample
MOST_EPOCHS = 1024  # of a rehearsal; those of the recipe may be too few to measure one
LONG, TRIALS = (
    2.0,
    3,
)  # seconds after which a run, or epochs more, are measured well enough; else the fastest of so many
COUNTED = {  # the images that the time of a step grows with: all, but for these
    **dict.fromkeys(("train_benchmark", "train_top", "fine_tune", "fit_neighbours", "fit_logistic"), "train"),
    "forecast": "train", "average": "validation", **dict.fromkeys(("evaluate", "compare", "draw_comparison"), "test"),
}  # fmt: skip
DRAWS_FIRST = "train_benchmark"  # draws the views of all training images before its first epoch
Counts = Mapping[str, int]  # images by part; `images` are all


@dataclass(frozen=True)
class Run:
    """What a run of a step took.

    Args:
        seconds: In all.
        training: The part of it in which weights were moved.
        epochs: How many there were.
    """

    seconds: float
    training: float = 0.0
    epochs: int = 0

    def per_epoch(self, longer: "Run") -> tuple[float, float]:
        """Return (training, other) seconds of each epoch that a longer run has more than this one; zeros if none."""
        more = longer.epochs - self.epochs
        if not more:
            return 0.0, 0.0
        training = max(0.0, longer.training - self.training) / more
        return training, max(0.0, (longer.seconds - self.seconds) / more - training)


@dataclass(frozen=True)
class Rehearsal:
    """What a task took on samples, the smaller and the larger, which is the same where all images are taken.

    Args:
        step: The step.
        counts: The images of both.
        first: The first run in its process, on the smaller.
        again: A run after it, on each.
        longer: The same with more epochs, of a step that trains.
        disk: Bytes of what a run of each writes.
        memory: Bytes that the process took at most.
        gpus: How many GPUs TensorFlow saw in it.
    """

    step: str
    counts: tuple[Counts, Counts]
    first: Run
    again: tuple[Run, Run]
    longer: tuple[Run, Run]
    disk: tuple[int, int]
    memory: int
    gpus: int

    def _on(self, counts: Counts, part: str, small: float, large: float) -> float:
        """Return the value for `counts[part]` images, 0 or more, on the line through both samples'; it never falls."""
        first, second = (each[part] for each in self.counts)
        slope = max(0.0, (large - small) / (second - first)) if second > first else 0.0
        return max(0.0, large + slope * (counts[part] - second))

    def seconds(self, counts: Counts) -> tuple[float, float, float]:
        """Return seconds (start, run, epoch) for so many images: once, a run without epochs, each epoch (or 0.0)."""
        (small, large), start = self.again, max(0.0, self.first.seconds - self.again[0].seconds)
        part = COUNTED.get(self.step, "images")
        if not large.epochs:
            return start, self._on(counts, part, small.seconds, large.seconds), 0.0
        small_epoch, large_epoch = (one.per_epoch(more) for one, more in zip(self.again, self.longer, strict=True))
        epoch = self._on(counts, "train", small_epoch[0], large_epoch[0])
        epoch += self._on(counts, "validation", small_epoch[1], large_epoch[1])
        besides = [
            one.seconds - one.epochs * sum(each)
            for one, each in zip(self.again, (small_epoch, large_epoch), strict=True)
        ]
        if self.step == DRAWS_FIRST:
            return start, self._on(counts, "train", *besides), epoch
        return start, max(0.0, besides[1]), epoch

    def disk_bytes(self, counts: Counts) -> int:
        """Return the bytes of what a run on so many images writes."""
        return round(self._on(counts, "images", *self.disk))


def rehearse(tasks: Iterable[Task], images: Images, fetched: Task, folder: Path) -> dict[str, Rehearsal]:
    """Rehearse all tasks but those that fetch; return each rehearsal by `Task.identity`, one for all seeds and folds.

    Args:
        tasks: All tasks of recipes on a data set, inputs first.
        images: The data set.
        fetched: The task that fetches it.
        folder: Where the samples and what is made of them lie.
    """
    tasks = [*tasks]
    pixels = max(
        (task.values["image_size"] ** 2 * (1 + task.values["views"]) for task in tasks if task.step == "augment"),
        default=1,
    )
    table = images.table("images.csv")
    largest = table["label"].value_counts().head(CLASSES)
    largest = largest[largest >= 2 * SMALL]  # a rare class is in no sample
    whole = len(table) * pixels <= PIXELS or len(largest) < 2
    per_class = 0 if whole else max(2, min(PIXELS // pixels // len(largest), int(largest.min())) // SMALL) * SMALL
    homes = [folder / "all"] if whole else [folder / "small", folder / "large"]
    for home, size in zip(homes, (SMALL, per_class), strict=False):
        place = home / path_of(fetched.outputs["images"])
        place.parent.mkdir(parents=True)
        if whole:
            place.symlink_to(images.path.absolute())
        else:
            draw_sample(images, [*largest.index], size, place)
        for task in tasks:
            if task.step == "fetch_weights" and not (link := home / path_of(task.outputs["weights"])).exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path_of(task.outputs["weights"]).absolute())
    known: dict[str, Task] = {}
    rehearsals: dict[str, Rehearsal] = {}
    by_miniature: dict[str, Rehearsal] = {}
    for task in bar("rehearse", [task for task in tasks if task.step not in COLLECTION], "stage"):
        small = miniature(task, whole, known)
        if small.identity not in by_miniature:
            by_miniature[small.identity] = rehearse_task(small, homes)
        rehearsals[task.identity] = by_miniature[small.identity]
    return rehearsals


def draw_sample(images: Images, classes: list[str], per_class: int, path: Path) -> None:
    """Write a data set of `per_class` images of each class, every k-th of theirs; each must have that many."""
    table = images.table("images.csv")
    rows: list[int] = []
    for name in classes:
        of_class = table.index[table["label"] == name].tolist()
        rows += of_class[:: len(of_class) // per_class][:per_class]
    taken = table.loc[sorted(rows)]
    sample = Images(path, deepcopy(images.manifest))
    with packing.write_images(path, images.packing) as writer:
        for file in taken["file"]:
            writer.add(file, images.file(file).read_bytes(), path)
    sample.facts.classes = [name for name in images.facts.classes if name in classes]
    sample.address_by_content(sha256("a sample", images.digest, taken["file"].tolist()))
    sample.write_table("images.csv", taken)
    sample.write_manifest()


def miniature(task: Task, whole: bool, known: dict[str, Task]) -> Task:
    """Return a task as it is rehearsed: of two trainings at most, of an epoch, with the first seed and fold.

    On a sample the split takes the same share of each class, whatever the recipe's own takes, and no confusion is
    named. Tasks that come to the same are one.

    Args:
        task: The task.
        whole: Whether it runs on all images.
        known: The tasks that there are already, by their identity.
    """
    if task.step in ("fetch", "fetch_weights"):
        return task
    inputs = {
        key: [*dict.fromkeys(miniature(one.task, whole, known).outputs[one.key] for one in several)]
        for key, several in task.inputs.items()
    }
    changes: dict[str, Any] = {"seed": 1, "fold": 0, "epochs": 1, "patience": 1, "patience_updates": 0}
    if "repeats" in task.values:
        changes["repeats"] = min(2, task.values["repeats"])
    if not whole:
        changes["never"] = "[]"
    values = {name: changes.get(name, value) for name, value in task.values.items()}
    if task.step == "split" and not whole:
        values |= {"method": "stratified", **PARTS, "folds": 1, "untrained_classes": "allow"}
        values |= {"duplicates": "keep", "two_labels": "keep"}
    same = Task(task.step, values, inputs, task.recipe, task.words, task.varied)
    return known.setdefault(same.identity, same)


def rehearse_task(task: Task, homes: list[Path]) -> Rehearsal:
    """Run a task on both samples, or on all images, in a process of its own; return what it took as a Rehearsal.

    Args:
        task: The task, as `miniature` returns it.
        homes: The folders of the samples, or the one of all images.

    Raises:
        UserError: The step refuses the sample, fails, or is killed.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=begin_quietly) as pool:
        places = [(artifact_paths(task, home), home / path_of(task.outputs[RECORD])) for home in homes]
        try:
            runs = pool.submit(time_runs, task.step, places, dict(task.values)).result()
        except UserError as error:
            raise UserError(f"the rehearsal on some images failed: {error}") from error
        except BrokenProcessPool as error:
            raise UserError(
                f"the rehearsal of {task.step} was killed: by somebody, or as memory ran out: {LESS_MEMORY}"
            ) from error
    outputs = [key for key in task.outputs if key != RECORD]
    sizes = [sum(size_in_bytes(Path(paths[key])) for key in outputs) // task.trainings for paths, _ in places]
    counts = [count_images(task, home) for home in homes]
    return Rehearsal(task.step, (counts[0], counts[-1]), *runs[:3], (sizes[0], sizes[-1]), *runs[3:])


def begin_quietly() -> None:
    """Let a process that rehearses print nothing, write no journal, go on from nothing, and end with its parent."""
    die_with_parent()
    os.environ.pop(resuming.FOLDER, None)
    os.environ["MLFLOW_TRACKING_URI"] = "off"
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)


def time_runs(
    step: str, places: list[tuple[dict[str, Any], Path]], values: dict[str, Any]
) -> tuple[Run, tuple[Run, Run], tuple[Run, Run], int, int]:
    """Run a step here, on the smaller sample first; return `first`, `again`, `longer`, `memory`, `gpus` of a Rehearsal.

    Args:
        step: The step.
        places: The paths of its inputs and outputs, and that of its record, for each sample.
        values: Its values, of a step that trains those for one epoch.
    """

    def run(place: tuple[dict[str, Any], Path], **changes: int) -> list[Record]:
        artifacts, record = place
        record.unlink(missing_ok=True)
        run_step(step, artifacts, {**values, **changes}, record=record)
        return Record.read_all([record])

    def run_longer(place: tuple[dict[str, Any], Path], epochs: int) -> Run:
        artifacts, record = place
        apart = {key: record.with_name(f"{record.name}.longer") / key for key in load_step(step).outputs}
        record = record.with_name(f"longer.{record.name}")
        return timed(run(({**artifacts, **apart}, record), epochs=epochs, patience=epochs, repeats=1), epochs)

    def timed(records: list[Record], epochs: int) -> Run:
        record = records[-1]
        return Run(record.run["seconds"], record.work.get("training", {}).get("seconds", 0.0), epochs)

    def fastest(place: tuple[dict[str, Any], Path], runs: list[Run]) -> Run:
        while not runs or (len(runs) < TRIALS and sum(one.seconds for one in runs) < LONG):
            runs.append(timed(run(place), once))
        return min(runs, key=lambda one: one.seconds)

    whole, once = len(places) == 1, values.get("epochs", 0)
    small = run(places[0])
    first = timed(small[:1], once)
    if whole and not once:
        again = larger = timed(small, once)
    else:
        again = fastest(places[0], [timed(small, once)] if len(small) > 1 else [])
        larger = again if whole else fastest(places[-1], [])
    tried, longer = once, larger
    while once and tried < MOST_EPOCHS and longer.seconds - larger.seconds < LONG:
        tried *= 4
        longer = run_longer(places[-1], tried)
    longer_small = longer if whole else run_longer(places[0], tried) if tried > once else again
    return first, (again, larger), (longer_small, longer), peak_memory(), count_gpus()


def count_images(task: Task, home: Path = Path()) -> dict[str, int]:
    """Return a task's numbers of images, all and by part, as made or else as planned; parts are 0 without a split.

    The task has run, or can run, in the folder `home`. Parts that are not drawn yet have as many as the recipe says, or
    as the publisher tests on.
    """
    behind = {one.step: one for one in tasks_to_make(task.outputs[RECORD])}
    table = Images.read(home / path_of(behind["fetch"].outputs["images"])).table("images.csv")
    images = len(table)
    if "split" not in behind:
        return {"images": images, "train": 0, "validation": 0, "test": 0}
    outputs, values = behind["split"].outputs, behind["split"].values
    at = {key: home / path_of(outputs[key]) for key in ("splits", "test_split")}
    if is_whole(Splits, at["splits"]) and is_whole(TestSplit, at["test_split"]):
        parts = Splits.read(at["splits"])
        numbers = {part: len(parts.part(part)) for part in ("train", "validation")}
        return {"images": images, **numbers, "test": len(TestSplit.read(at["test_split"]).table("test_split.csv"))}
    numbers = {part: round(values[part] * images) if values[part] < 1 else int(values[part]) for part in PARTS}
    if values["method"] == "published" or values["folds"] > 1:
        is_test = values["method"] == "published" and is_published_test(table["part"], values["fold"])
        numbers["test"] = images // values["folds"] if is_test is False else int(is_test.sum())
        numbers["train"] = images - numbers["test"] - numbers["validation"]
    return {"images": images, **numbers}

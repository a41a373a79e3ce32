"""The price of what has to run: seconds, disk and memory of each task on this machine, before it runs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.data.artifact import MANIFEST, Artifact
from components.data.artifacts import Images, Weights
from components.data.json_files import read_json, write_json
from components.machinery.running import is_whole
from components.machinery.trainings import training_paths
from components.machinery.transaction import scratch_folder
from components.system.errors import UserError, fold_words
from components.system.hardware import machine_type, memory_size
from components.system.resources import LESS_MEMORY
from pipeline import planning, rehearsing, room
from pipeline.arranging import RECORD, Task, tasks_to_make
from pipeline.collection import COLLECTION
from pipeline.places import ARTIFACTS, path_of
from pipeline.planning import Entry
from pipeline.rehearsing import Rehearsal

SHARED_LINKS = ("hardlink", "symlink")  # of DVC's cache: a file is there once, however often it is used
REHEARSAL = Path(".rehearsal.unfinished")  # the folder in which tasks are rehearsed
ROWS = 30  # of the table
BUSY = 1.5  # processes a core that want to compute; a rehearsal is one, of as many threads as cores at times


@dataclass(frozen=True)
class Price:
    """What a task will take.

    Args:
        seconds: As many as are expected; None where they are not known.
        most: At most: with all epochs.
        disk: Bytes that it leaves, as far as they are known.
        memory: Bytes that its process has at most; 0 where they are not known.
        gpus: How many GPUs it was rehearsed on.
        promised: What the record of each run will have of it.
    """

    seconds: float | None = None
    most: float | None = None
    disk: int = 0
    memory: int = 0
    gpus: int = 0
    promised: Mapping[str, float] | None = None


def price_tasks(tasks: Mapping[str, Task]) -> dict[str, Price | None]:
    """Return each task's price by stage: rehearsed, or disk alone where it cannot be; None for those up to date.

    What has to run is rehearsed where its images and weights are there; else the price has what the shapes say. The
    prices are written to a file, from which they come into the records of the runs.

    Args:
        tasks: The tasks by the names of their stages.
    """
    planning.write(tasks)
    done = up_to_date(tasks)
    rehearsals = rehearse_undone([task for name, task in tasks.items() if name not in done])
    prices: dict[str, Price | None] = {}
    for name, task in tasks.items():
        if name in done:
            prices[name] = None
        elif task.identity in rehearsals:
            prices[name] = price_of(task, rehearsals[task.identity])
        else:
            prices[name] = Price(disk=room.need_of(task).disk)
    promises = {planning.promise_digest(Entry.of(tasks[name])): one.promised for name, one in prices.items()
                if one and one.promised}  # fmt: skip
    write_json(planning.PROMISES, promises)
    return prices


def up_to_date(tasks: Mapping[str, Task]) -> set[str]:
    """Return the names of stages whose outputs are there and that DVC has no work for, nor for any before them.

    Raises:
        UserError: `dvc status` fails.
    """
    done = subprocess.run([sys.executable, "-m", "dvc", "status", "--json"], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"`dvc status` failed: {' '.join(done.stderr.split())[:300]}")
    changed = {address.rpartition(":")[2] for address in json.loads(done.stdout)}
    unchanged: set[Task] = set()
    names = set()
    for name, task in tasks.items():  # inputs first
        behind = {one.task for several in task.inputs.values() for one in several}
        if name not in changed and behind <= unchanged and room.is_there(task):
            unchanged.add(task)
            names.add(name)
    return names


def rehearse_undone(undone: Sequence[Task]) -> dict[str, Rehearsal]:
    """Rehearse what has to run and all that is behind it, except fetching; return rehearsals by `Task.identity`.

    Tasks whose images or weights are not there are left out.
    """
    rehearsals: dict[str, Rehearsal] = {}
    by_data: dict[Task, dict[Task, None]] = {}
    for task in undone:
        behind = tasks_to_make(task.outputs[RECORD])
        if task.step not in COLLECTION and not missing(behind):
            by_data.setdefault(next(one for one in behind if one.step == "fetch"), {}).update(dict.fromkeys(behind))
    for fetched, tasks in by_data.items():
        with scratch_folder(REHEARSAL):
            images = Images.read(path_of(fetched.outputs["images"]))
            rehearsals |= rehearsing.rehearse(tasks, images, fetched, REHEARSAL)
    return rehearsals


def missing(tasks: Iterable[Task]) -> list[str]:
    """Return the names of the data sets and weights that tasks bring in, and that are not there whole."""
    kinds: dict[str, tuple[str, type[Artifact]]] = {"fetch": ("images", Images), "fetch_weights": ("weights", Weights)}
    fetching = [task for task in tasks if task.step in COLLECTION]
    places = {task.words[0]: (kinds[task.step][1], path_of(task.outputs[kinds[task.step][0]])) for task in fetching}
    return [name for name, (kind, path) in places.items() if not is_whole(kind, path)]


def price_of(task: Task, rehearsal: Rehearsal) -> Price:
    """Return the price of a task by its rehearsal: with as many epochs as are expected, and at most."""
    counts, trainings = rehearsing.count_images(task), task.trainings
    start, run, epoch = rehearsal.seconds(counts)
    besides, epochs = start + trainings * run, task.values.get("epochs", 0)
    expected = min(epochs, expected_epochs(task)) if epochs else 0.0
    promised = {"promised_seconds": start / trainings + run}
    if epochs:
        images = counts["train"] * task.values.get("soup", 1)
        promised["promised_per_image"] = epoch / images
    return Price(
        seconds=besides + trainings * epoch * expected,
        most=besides + trainings * epoch * epochs,
        disk=trainings * rehearsal.disk_bytes(counts),
        memory=rehearsal.memory,
        gpus=rehearsal.gpus,
        promised=promised,
    )


def expected_epochs(task: Task) -> float:
    """Return the epochs expected of a run: the recipe's times the share that earlier trainings took; all without any.

    It is the mean share of all epochs that trainings of the same task took; where there are none, those of the same
    step in other recipes.
    """
    output = path_of(task.outputs["classifier"])
    task_manifests = [path / MANIFEST for path in training_paths(output, task.trainings)]
    files = [file for file in task_manifests if file.is_file()] or [
        file for file in ARTIFACTS.rglob(f"*/classifiers/{task.model}/**/{MANIFEST}") if "/." not in file.as_posix()
    ]
    shares = []
    for manifest in map(read_json, files):
        values = manifest["parameters"].get(task.step)
        if values and manifest["facts"].get("epochs"):
            shares.append(manifest["facts"]["epochs"] / values.get("soup", 1) / values["epochs"])
    return task.values["epochs"] * (sum(shares) / len(shares) if shares else 1)


def price_lines(prices: Mapping[str, Price | None]) -> list[str]:
    """Return the table's lines: head, stages to run (30 dearest, others as one), sum; then those up to date or unknown.

    Unknown are those of which no seconds are known, nor disk beyond the shapes.

    Args:
        prices: By stage, None where it is up to date.
    """
    todo = {name: one for name, one in prices.items() if one}
    dearest = sorted(todo, key=lambda name: -(todo[name].most or 0))[:ROWS]
    rows = [(name, todo[name]) for name in todo if name in dearest]
    if others := [one for name, one in todo.items() if name not in dearest]:
        rows.append((f"{len(others)} others", sum_of(others)))
    unknown = [name for name, one in todo.items() if one.seconds is None]
    rows.append(("in all, as far as known" if unknown else "in all", sum_of([*todo.values()])))
    width = min(72, max(len(name) for name, _ in rows))
    lines = [f"{'stage':{width}} {'seconds':>9} {'at most':>9} {'GB of disk':>11} {'GB of memory':>13}"]
    for name, one in rows:
        seconds, most = ("" if number is None else f"{number:,.0f}" for number in (one.seconds, one.most))
        memory = f"{one.memory / room.GB:,.1f}" if one.memory else ""
        name = name if len(name) <= width else f"{name[: width - 3]}..."
        lines.append(f"{name:{width}} {seconds:>9} {most:>9} {one.disk / room.GB:>11,.3f} {memory:>13}")
    ready = [name for name, one in prices.items() if one is None]
    if ready:
        lines.append(f"up to date, for nothing: {fold_words(ready)}")
    if unknown:
        lines.append(f"seconds not known, nor disk beyond the shapes: {fold_words(unknown)}")
    return lines


def sum_of(prices: Sequence[Price]) -> Price:
    """Return the sum of prices, as far as they are known, with the largest memory; no seconds where none are known."""
    known = [one for one in prices if one.seconds is not None]
    seconds, most = (
        sum(getattr(one, key) or 0.0 for one in known) if known or not prices else None for key in ("seconds", "most")
    )
    memory = max((one.memory for one in prices), default=0)
    return Price(seconds, most, sum(one.disk for one in prices), memory)


def explanation(tasks: Mapping[str, Task], prices: Mapping[str, Price | None]) -> list[str]:
    """Return lines for below the table: machine, epochs, load if busy, what is not fetched; [] where none applies."""
    machine = machine_type()
    number = max((one.gpus for one in prices.values() if one), default=0)
    gpus = f", {number} GPUs" if number > 1 else ", a GPU" if number else ", no GPU"
    is_rehearsed = any(one and one.seconds is not None for one in prices.values())
    lines = [
        f"of {machine['processor']}, {machine['cores']} cores{gpus}, by a rehearsal on some images: "
        "each step's own time, without DVC's",
        "seconds: with as many epochs as earlier trainings here took; without any, and at most, all of the recipe's",
    ] if is_rehearsed else []  # fmt: skip
    if is_rehearsed and (load := os.getloadavg()[0]) > BUSY * int(machine["cores"] or 1):
        lines.append(f"others computed beside the rehearsal (load {load:.1f}): where they do not, the run takes less")
    if absent := missing(task for name, task in tasks.items() if prices[name]):
        lines.append(f"not here yet: {fold_words(absent)}: `dvc repro data/dvc.yaml` fetches; then the price is known")
    return lines


def check_fit(prices: Mapping[str, Price | None]) -> None:
    """Check that all that is to run fits the free disk, with DVC's copies, and the largest of it the memory.

    Raises:
        UserError: There is too little of either.
    """
    todo = {name: one for name, one in prices.items() if one}
    total, free, memory = sum_of([*todo.values()]), shutil.disk_usage(Path()).free, memory_size()
    copies = cache_copies()
    if total.disk * copies > free:
        dearest = max(todo, key=lambda name: todo[name].disk)
        raise UserError(
            f"{dearest}: it takes {room.gigabytes(todo[dearest].disk)} GB of disk, and all stages together "
            f"{room.gigabytes(total.disk * copies)} GB{' with the copies in the cache of DVC' if copies > 1 else ''}; "
            f"{room.gigabytes(free)} GB are free: free some, or take fewer views"
        )
    if 0 < memory < total.memory:
        dearest = max(todo, key=lambda name: todo[name].memory)
        raise UserError(
            f"{dearest}: it takes {room.gigabytes(total.memory)} GB of memory, and this machine has "
            f"{room.gigabytes(memory)} GB: {LESS_MEMORY}"
        )


def cache_copies() -> int:
    """Return how often the disk has what a stage wrote: 1 if DVC's cache may hardlink or symlink, else 2."""
    done = subprocess.run([sys.executable, "-m", "dvc", "config", "cache.type"], capture_output=True, text=True)
    return 1 if {*done.stdout.strip().split(",")} & {*SHARED_LINKS} else 2

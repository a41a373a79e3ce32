"""Whether what recipes will write and hold has room on this machine, from shapes alone: nothing is computed."""

import math
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from components.data.artifacts import Images, Weights
from components.data.datasets import DATA_SETS
from components.extract import PREFIXES
from components.machinery.running import is_whole
from components.model import backbones
from components.model.footprint import NUMBER, Footprint, footprint_of
from components.system.errors import UserError
from components.system.hardware import count_gpus, memory_size
from components.system.resources import LESS_MEMORY
from pipeline.arranging import RECORD, Task, tasks_to_make
from pipeline.places import path_of

WIDEST = 64 * NUMBER  # bytes a pixel of the widest activations, those of VGG's first block
DEEPEST = 16  # the layers of a network are together no larger than so many as wide as that
GB = 1e9
DESCRIBED = {name: one for name, one in backbones.BACKBONES.items() if not one.from_folder}  # without their weights


@dataclass(frozen=True)
class Need:
    """What a task takes up at the least, in bytes, as far as shapes say.

    Args:
        disk: What it leaves on the disk.
        tensors: The part of that for tensors at the cut.
        passing: What it has on the disk besides while it runs.
        memory: What it holds in memory.
        remedy: What to change where that is too much.
    """

    disk: int = 0
    tensors: int = 0
    passing: int = 0
    memory: int = 0
    remedy: str = "take fewer or smaller images"


def check_room(tasks: Mapping[str, Task]) -> None:
    """Check that what is not there yet has room: on the disk, in memory, and within `storage_limit`.

    A network is built for it only where the images are so many or so large that there may be too little.

    Args:
        tasks: The tasks by the names of their stages.

    Raises:
        UserError: There is too little room somewhere.
    """
    free, memory = shutil.disk_usage(Path()).free, memory_size()
    needs = {name: need_of(task, free, memory) for name, task in tasks.items() if not is_there(task)}
    for name, need in needs.items():
        limit = tasks[name].values.get("storage_limit", math.inf)
        if need.tensors > limit * GB:
            raise UserError(
                f"{name}: its tensors take {gigabytes(need.tensors)} GB; storage_limit is {limit:g} GB: {need.remedy}"
            )
        if 0 < memory < need.memory and not count_gpus():  # whose own memory it would be
            raise UserError(
                f"{name}: it takes {gigabytes(need.memory)} GB of memory or more, and this machine has "
                f"{gigabytes(memory)} GB: {LESS_MEMORY}"
            )
    most = max(needs, key=lambda name: needs[name].disk + needs[name].passing, default="")
    in_all = sum(need.disk for need in needs.values()) + max((need.passing for need in needs.values()), default=0)
    if in_all > free:
        need = needs[most]
        raise UserError(
            f"{most}: it takes {gigabytes(need.disk + need.passing)} GB of disk, and all stages together "
            f"{gigabytes(in_all)} GB or more; {gigabytes(free)} GB are free: free some, or {need.remedy}"
        )


def gigabytes(size: float) -> str:
    """Return bytes as GB of 10^9, text without unit, to three digits, as `2.57`; from 1000 GB on whole, as `1,234`."""
    return f"{size / GB:,.0f}" if size >= 1000 * GB else f"{size / GB:.3g}"


def is_there(task: Task) -> bool:
    """Return whether something, not checked, lies at every path that a task writes, but for its record.

    What is made anew takes the place of that.
    """
    return all(path_of(output).exists() for output in task.outputs.values() if output.key != RECORD)


def disk_text(tasks: Iterable[Task], images: int) -> str:
    """Return in words the disk that a recipe's tasks take for so many images; what is not known counts as nothing."""
    needs = [need_of(task, images=images) for task in tasks]
    left, tensors = (gigabytes(sum(getattr(need, key) for need in needs)) for key in ("disk", "tensors"))
    passing = gigabytes(max((need.passing for need in needs), default=0))
    return f"{images:,} images take {left} GB of disk, {tensors} of them for tensors, and for a while {passing} GB more"


def need_of(task: Task, free: float = 0, memory: float = 0, images: int = 0) -> Need:
    """Return the Need of augment, extract, fine_tune or train_benchmark; all 0 for others, what fits, or unknown.

    `extract` and `fine_tune` fit where a rough bound is no more than `free` and `memory`. It is unknown where the
    number of its images is not known yet, or its shapes are not.

    Args:
        task: The task.
        free: Bytes of disk, and
        memory: bytes of memory, up to which it need not be known what exactly a network takes.
        images: How many there are; 0 for as many as are there, or are published.
    """
    views = task if task.step == "augment" else input_task(task, "augmented", "tensors", "features")
    if not views or not (images := images or image_count(views)):
        return Need()
    if views.step == "extract":
        views = views.inputs["augmented"][0].task
    pixels, count = views.values["image_size"] ** 2, 1 + views.values["views"]
    if task.step == "augment":
        return Need(disk=images * 3 * pixels, remedy="take smaller images, `augment: {image_size: ..}`")
    if task.step == "train_benchmark":
        drawn = training_images(task, images) * count * 3 * pixels if count > 1 else 0
        return Need(passing=drawn, remedy="take fewer views, `augment: {views: ..}`")
    if task.step == "extract":
        limit = min(free, task.values["storage_limit"] * GB)
        return Need() if images * count * pixels * WIDEST <= limit else need_of_tensors(task, images, count, pixels)
    if task.step == "fine_tune":
        batch = min(task.values["batch_size"], training_images(task, images) or images)
        if batch * pixels * WIDEST * DEEPEST > memory and (sizes := network_footprint(task.inputs["tensors"][0].task)):
            return Need(memory=sizes.training_bytes(batch, frozen=task.values["lora"] > 0))
    return Need()


def need_of_tensors(task: Task, images: int, count: int, pixels: int) -> Need:
    """Return the Need of `extract` for so many images, with `count` views of so many pixels; one of 0 if unknown.

    It leaves features and tensors.
    """
    sizes, prefix = network_footprint(task), task.values["prefix"]
    if sizes is None:
        return Need()
    if prefix == "stored" and sizes.at_cut:
        view = math.prod(sizes.at_cut) * (2 if task.values["storage"] == "float16" else NUMBER)
    else:
        prefix, view = ("live", 3 * pixels) if prefix == "live" else ("none", 3 * pixels)
    tensors = images * (1 if prefix == "live" else count) * view
    features = images * count * math.prod(sizes.features) * NUMBER
    return Need(disk=tensors + features, tensors=tensors, remedy=PREFIXES[prefix])


@cache
def network_footprint(extract: Task) -> Footprint | None:
    """Return the sizes of the network that a task of `extract` runs; None where they are known only once it is fetched.

    Raises:
        UserError: The network takes no images of that size, or has no such layer.
    """
    fetched = extract.inputs["weights"][0]
    if is_whole(Weights, path_of(fetched)):
        entry = backbones.entry_of(Weights.read(path_of(fetched)))
    elif fetched.task.values["backbone"] in DESCRIBED:
        entry = DESCRIBED[fetched.task.values["backbone"]]
    else:
        return None
    size, values = extract.inputs["augmented"][0].task.values["image_size"], extract.values
    return footprint_of(entry, size, values["unfreeze"], values["pooling"])


def image_count(task: Task) -> int:
    """Return how many images the data set behind a task has: those that are there, or are published; 0 if unknown."""
    fetched = next(one for one in tasks_to_make(task.outputs[RECORD]) if one.step == "fetch").outputs["images"]
    if is_whole(Images, path_of(fetched)):
        return len(Images.read(path_of(fetched)).table("images.csv"))
    values = fetched.task.values
    return DATA_SETS[values["data_set"]].images if values["source"] == "published" else 0


def training_images(task: Task, images: int) -> int:
    """Return how many of so many images a recipe's split trains on; 0 with published parts or several folds."""
    split = task.inputs["splits"][0].task.values
    if split["method"] == "published" or split["folds"] > 1:
        return 0
    return round(split["train"] * images) if split["train"] < 1 else int(split["train"])


def input_task(task: Task, *keys: str) -> Task | None:
    """Return the task behind the first of these inputs that a task has, or None."""
    return next((task.inputs[key][0].task for key in keys if key in task.inputs), None)

"""Reading and augmenting: Keras's layers on one image at a time in tf.data, or `augment`; and who waits for it."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks import here, plain, synthetic
from benchmarks.measuring import Aim, Bench, Line
from pipeline.arranging import Task
from pipeline.collection import RANDOM
from pipeline.running import artifact_paths, find_output, make

SIZE, SHORT = 224, 16
RECIPE = "kth_animals"  # the study that augments most: rotation, shear, zoom, flip; four views
BACKBONE = "mobilenet_v2"  # the fastest here, which would wait the most


def measure(bench: Bench) -> Iterator[Line]:
    """Yield two lines: the views a second of both ways, and the share of extraction's time that reading views takes."""
    images = bench.pick(256, 64)
    tasks, short = prepare(bench, images), prepare(bench, SHORT)
    source = find_output(tasks, "images").task.values["source"]
    augment, extract = find_output(tasks, "augmented").task, find_output(tasks, "features").task
    limits = [augment.values[name] for name in ("rotation", "shear", "zoom")]
    views = 1 + augment.values["views"]
    peers, own = [], []
    for _ in range(bench.pick(3, 1)):
        peers.append(bench.plain(plain.augmentation_rate, Path(source), SIZE, *limits))
        few, more = (
            bench.here(here.time_task, find_output(one, "augmented").task, bench.folder) for one in (short, tasks)
        )
        own.append((images - SHORT) * views / (more - few))
    peer, ours = median(peers), median(own)
    yield Line(
        "augmentation", f"{RECIPE}: rotation, shear, zoom, flip", peer, ours, "views/s", f"{ours / peer:.2f}x",
        ours / peer, None, {"plain": peers, "here": own},
    )  # fmt: skip
    bench.here(make, find_output(tasks, "chosen_precision"), bench.folder)
    extracting = bench.here(here.time_task, extract, bench.folder)
    augmented = artifact_paths(augment, bench.folder)["augmented"]
    waits = bench.here(reading_seconds, augmented, extract.values["batch_size"])
    count = images * views
    theirs, share = count / peer / (count / peer + extracting), waits / extracting
    said = f"{share:.1%} of its time at most; `augment` before it takes {count / ours / extracting:.0%} of that"
    seconds = {"augment": count / ours, "extract": extracting, "reading": waits}
    yield Line(
        "augmentation", f"{BACKBONE}: share of extraction in which it waits for views", theirs, share, "", said, share,
        Aim(0.05, "of its time", most=True), {"seconds": seconds},
    )  # fmt: skip


def prepare(bench: Bench, images: int) -> list[Task]:
    """Write images, fetch them and random weights, and return all tasks of a recipe on them; no others have run."""
    source = synthetic.photographs(bench.folder / "sources" / f"augmentation-{images}", images, 256, 2)
    tasks = here.tasks_of(RECIPE, source, RANDOM + BACKBONE, {})
    bench.here(make, find_output(tasks, "images"), bench.folder)
    bench.here(make, find_output(tasks, "weights"), bench.folder)
    return tasks


def reading_seconds(augmented: Path, batch_size: int) -> float:
    """Return the seconds that reading all stored views takes, a batch at a time: the most that extraction waits."""
    import numpy as np

    from components.data.artifacts import Augmented

    start = perf_counter()
    views = Augmented.read(augmented).array
    flat = views.reshape(-1, *views.shape[2:])
    for first in range(0, len(flat), batch_size):
        np.array(flat[first : first + batch_size])
    return perf_counter() - start

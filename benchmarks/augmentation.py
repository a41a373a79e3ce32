"""Reading and augmenting: Keras's layers on one image at a time in tf.data, or `augment` and its views drawn."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks import here, plain, synthetic
from benchmarks.measuring import Bench, Line
from pipeline.arranging import Task
from pipeline.collection import RANDOM
from pipeline.running import artifact_paths, find_output, make

SIZE, SHORT = 224, 16
RECIPE = "kth_animals"  # the study that augments most: rotation, shear, zoom, flip; four views
BACKBONE = "mobilenet_v2"  # the fastest here, beside which drawing takes the most


def measure(bench: Bench) -> Iterator[Line]:
    """Yield two lines: the views a second of both ways, and what share drawing views is of extraction's time."""
    images = bench.pick(256, 64)
    tasks, short = prepare(bench, images), prepare(bench, SHORT)
    source = find_output(tasks, "images").task.values["source"]
    augment, extract = find_output(tasks, "augmented").task, find_output(tasks, "features").task
    limits = [augment.values[name] for name in ("rotation", "shear", "zoom")]
    count = images * (1 + augment.values["views"])
    augmented = artifact_paths(augment, bench.folder)["augmented"]
    peers, own, drawing = [], [], []
    for _ in range(bench.pick(3, 1)):
        peers.append(bench.plain(plain.augmentation_rate, Path(source), SIZE, *limits))
        few, more = (
            bench.here(here.time_task, find_output(one, "augmented").task, bench.folder) for one in (short, tasks)
        )
        drawing.append(bench.here(drawing_seconds, augmented))
        own.append(count / ((more - few) * images / (images - SHORT) + drawing[-1]))
    peer, ours = median(peers), median(own)
    yield Line(
        "augmentation", f"{RECIPE}: rotation, shear, zoom, flip", peer, ours, "views/s", f"{ours / peer:.2f}x",
        ours / peer, None, {"plain": peers, "here": own},
    )  # fmt: skip
    bench.here(make, find_output(tasks, "chosen_precision"), bench.folder)
    extracting = bench.here(here.time_task, extract, bench.folder)
    theirs, share = count / peer / (count / peer + extracting), median(drawing) / extracting
    yield Line(
        "augmentation", f"{BACKBONE}: share of extraction's time that drawing its views takes alone", theirs, share, "",
        f"{share:.1%} of its time, beside which it goes on", share, None,
        {"seconds": {"draw": median(drawing), "extract": extracting}},
    )  # fmt: skip


def prepare(bench: Bench, images: int) -> list[Task]:
    """Write images, fetch them and random weights, and return all tasks of a recipe on them; no others have run."""
    source = synthetic.photographs(bench.folder / "sources" / f"augmentation-{images}", images, 256, 2)
    tasks = here.tasks_of(RECIPE, source, RANDOM + BACKBONE, {})
    bench.here(make, find_output(tasks, "images"), bench.folder)
    bench.here(make, find_output(tasks, "weights"), bench.folder)
    return tasks


def drawing_seconds(augmented: Path) -> float:
    """Return the seconds that drawing all views of images takes, as `extract` does, which computes meanwhile."""
    import numpy as np

    from components.data.artifacts import Augmented
    from components.data.augmentation import draw_views

    views = draw_views(Augmented.read(augmented))
    start = perf_counter()
    for _ in views.parts(np.arange(len(views.files))):
        pass
    return perf_counter() - start

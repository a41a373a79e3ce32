"""Extraction from files on disk: `predict` in float32, or `augment` without views and `extract`, `precision: auto`."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks import here, plain, synthetic
from benchmarks.machine import describe_machine, matmul_rate
from benchmarks.measuring import Aim, Bench, Line
from pipeline.arranging import Output, Task, tasks_to_make
from pipeline.collection import COLLECTION, RANDOM
from pipeline.places import path_of
from pipeline.running import find_output, make

SIZE = 224
AIMS = {"vgg16": 3.3, "vgg19": 3.3, "resnet50": 1.6}  # with bfloat16 matrix units; else, and of all others, 1
IMAGES = {
    "vgg16": 96, "vgg19": 96, "resnet50": 224, "mobilenet_v2": 416, "mobilenet_025": 800, "efficientnet_v2_b0": 224,
    "convnext_tiny": 96,
}  # fmt: skip
ENTRIES = {
    "augment": {"image_size": SIZE, "views": 0},
    "extract": {"unfreeze": "last_block"},
    "choose_precision": {"precision": "auto"},
}
SHORT = 32  # images of the run that is taken off, as large a batch as the others
KINDS = ("float32", "bfloat16")


def measure(bench: Bench) -> Iterator[Line]:
    """Yield a line for each backbone, its images a second both ways, and after a VGG's one on its share of the peak.

    The peak is the machine's fastest matrix product in the precision that this project extracts in.
    """
    units = "amx_bf16" in describe_machine()["instruction_sets"]
    peaks: dict[str, list[float]] = {kind: [] for kind in KINDS}
    measurements: dict[str, tuple[list[float], list[float], str]] = {}
    for backbone in IMAGES:
        images = bench.pick(IMAGES[backbone], IMAGES[backbone] // 2)
        tasks, short = prepare(bench, backbone, images), prepare(bench, backbone, SHORT)
        source = find_output(tasks, "images").task.values["source"]
        peers, own = [], []
        for _ in range(bench.pick(2, 1)):
            for kind in KINDS:
                peaks[kind].append(bench.here(matmul_rate, kind))
            peers.append(bench.plain(plain.extraction_rate, backbone, Path(source), SIZE))
            less, _ = bench.here(extract, find_output(short, "features"), bench.folder)
            more, precision = bench.here(extract, find_output(tasks, "features"), bench.folder)
            own.append((images - SHORT) / (more - less))
        measurements[backbone] = (peers, own, precision)
    for backbone, (peers, own, precision) in measurements.items():
        peer, ours = median(peers), median(own)
        yield Line(
            "extraction", f"{backbone}, {precision}", peer, ours, "images/s", f"{ours / peer:.2f}x", ours / peer,
            Aim(AIMS.get(backbone, 1.0) if units else 1.0, "times as fast"), {"plain": peers, "here": own},
        )  # fmt: skip
        if backbone.startswith("vgg"):
            best, adds = max(peaks[precision]), bench.plain(multiply_adds_of, backbone)
            theirs, share = (2 * adds * rate / best for rate in (peer, ours))
            yield Line(
                "extraction", f"{backbone}: share of the {best / 1e9:,.0f} GFLOP/s of a {precision} matrix product",
                theirs, share, "", f"{share:.2f} of the peak", share, Aim(0.75, "of the peak"), {"peaks": peaks},
            )  # fmt: skip


def multiply_adds_of(backbone: str) -> int:
    """Return the multiply-adds of an image of 224 pixels through a backbone's convolutions and dense layers."""
    from benchmarks.multiply_adds import forward
    from components.model import backbones

    return sum(map(forward, backbones.get(backbone).build(SIZE).layers))


def prepare(bench: Bench, backbone: str, images: int) -> list[Task]:
    """Write images, half of them PNG, fetch them and random weights, and return all tasks of a recipe on them."""
    source = bench.folder / "sources" / f"extraction-{images}"
    for ending in ("jpg", "png"):
        synthetic.photographs(source, images // 2, 256, 2, ending)
    tasks = here.tasks_of("car_damage", source, RANDOM + backbone, ENTRIES)
    bench.here(make, find_output(tasks, "images"), bench.folder)
    bench.here(make, find_output(tasks, "weights"), bench.folder)
    return tasks


def extract(features: Output, home: Path) -> tuple[float, str]:
    """Run all tasks behind features but those that fetch; return their seconds together, and the precision computed in.

    They run even if their outputs are there. The precision is `float32` or `bfloat16`.
    """
    from components.data.artifacts import Features

    taken = sum(here.time_task(task, home) for task in tasks_to_make(features) if task.step not in COLLECTION)
    return taken, str(Features.read(home / path_of(features)).facts.precision)

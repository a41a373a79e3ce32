"""Extraction from files on disk: `predict` in float32, or `augment` without views and `extract`, `precision: auto`."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks import here, plain, synthetic
from benchmarks.machine import described, peak
from benchmarks.measuring import Aim, Bench, Line
from benchmarks.studies import places

SIZE = 224
AIMS = {"vgg16": 3.3, "vgg19": 3.3, "resnet50": 1.6}  # with bfloat16 matrix units; else, and of all others, 1
IMAGES = {
    "vgg16": 96, "vgg19": 96, "resnet50": 224, "mobilenet_v2": 416, "mobilenet_025": 800, "efficientnet_v2_b0": 224,
    "convnext_tiny": 96,
}  # fmt: skip
SHORT = 32  # images of the run that is taken off, as large a batch as the others
KINDS = ("float32", "bfloat16")


def measure(bench: Bench) -> Iterator[Line]:
    units = "amx_bf16" in described()["instruction_sets"]
    peaks: dict[str, list[float]] = {kind: [] for kind in KINDS}
    found: dict[str, tuple[list[float], list[float], str]] = {}
    for backbone in IMAGES:
        images = bench.pick(IMAGES[backbone], IMAGES[backbone] // 2)
        at, short = prepared(bench, backbone, images), prepared(bench, backbone, SHORT)
        peers, own = [], []
        for _ in range(bench.pick(2, 1)):
            for kind in KINDS:
                peaks[kind].append(bench.here(peak, kind))
            peers.append(bench.plain(plain.extraction, backbone, at["source"], SIZE))
            less, _ = bench.here(extracted, short)
            more, precision = bench.here(extracted, at)
            own.append((images - SHORT) / (more - less))
        found[backbone] = (peers, own, precision)
    for backbone, (peers, own, precision) in found.items():
        peer, ours = median(peers), median(own)
        yield Line(
            "extraction", f"{backbone}, {precision}", peer, ours, "images/s", f"{ours / peer:.2f}x", ours / peer,
            Aim(AIMS.get(backbone, 1.0) if units else 1.0, "times as fast"), {"plain": peers, "here": own},
        )  # fmt: skip
        if backbone.startswith("vgg"):
            best, adds = max(peaks[precision]), bench.plain(adds_of, backbone)
            theirs, share = (2 * adds * rate / best for rate in (peer, ours))
            yield Line(
                "extraction", f"{backbone}: share of the {best / 1e9:,.0f} GFLOP/s of a {precision} matrix product",
                theirs, share, "", f"{share:.2f} of the peak", share, Aim(0.75, "of the peak"), {"peaks": peaks},
            )  # fmt: skip


def adds_of(backbone: str) -> int:
    """Return the multiply-adds of an image through a backbone."""
    from benchmarks.multiply_adds import forward
    from components.model import backbones

    return sum(map(forward, backbones.get(backbone).build(SIZE).layers))


def prepared(bench: Bench, backbone: str, images: int) -> dict[str, Path]:
    """Write images, half of them PNG, and bring them and random weights to the layout."""
    folder = bench.folder / "extraction" / str(images)
    at = {**places(folder), "weights": bench.folder / "weights" / backbone, "source": folder / "source"}
    for ending in ("jpg", "png"):
        synthetic.photographs(at["source"], images // 2, 256, 2, ending)
    bench.here(here.made, at, at["source"], backbone, {}, ())
    return at


def extracted(at: dict[str, Path]) -> tuple[float, str]:
    """Run `augment` without views and `extract`; return seconds, and the precision that was computed in."""
    from components.data.artifacts import Features

    values = here.values_of("car_damage", {"augment": {"image_size": SIZE, "views": 0}})
    values["extract"] |= {"unfreeze": "last_block"}
    values["choose_precision"] = {"precision": "auto"}
    names = ("augment", "choose_precision", "extract")
    taken = sum(here.seconds(name, at, values[name]) for name in names)
    return taken, str(Features.read(at["features"]).facts["precision"])

"""Reading and augmenting: Keras's layers on one image at a time in tf.data, or `augment`; and who waits for it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks import here, plain, synthetic
from benchmarks.measuring import Aim, Bench, Line
from benchmarks.studies import places

SIZE, SHORT = 224, 16
RECIPE = "kth_animals"  # the study that augments most: rotation, shear, zoom, flip; four views
BACKBONE = "mobilenet_v2"  # the fastest here, which would wait the most


def measure(bench: Bench) -> Iterator[Line]:
    values = here.values_of(RECIPE, {})
    limits = [values["augment"][name] for name in ("rotation", "shear", "zoom")]
    images = bench.pick(256, 64)
    at, short = prepared(bench, images), prepared(bench, SHORT)
    peers, own = [], []
    for _ in range(bench.pick(3, 1)):
        peers.append(bench.plain(plain.augmentation, at["source"], SIZE, *limits))
        taken = [bench.here(here.seconds, "augment", one, values["augment"]) for one in (short, at)]
        own.append((images - SHORT) * (1 + values["augment"]["views"]) / (taken[1] - taken[0]))
    peer, ours = median(peers), median(own)
    yield Line(
        "augmentation", f"{RECIPE}: rotation, shear, zoom, flip", peer, ours, "views/s", f"{ours / peer:.2f}x",
        ours / peer, None, {"plain": peers, "here": own},
    )  # fmt: skip
    bench.here(here.seconds, "choose_precision", at, values["choose_precision"])
    extract = bench.here(here.seconds, "extract", at, values["extract"])
    waits = bench.here(reading, at, values["extract"]["batch_size"])
    views = images * (1 + values["augment"]["views"])
    theirs, share = views / peer / (views / peer + extract), waits / extract
    said = f"{share:.1%} of its time at most; `augment` before it takes {views / ours / extract:.0%} of that"
    seconds = {"augment": views / ours, "extract": extract, "reading": waits}
    yield Line(
        "augmentation", f"{BACKBONE}: share of extraction in which it waits for views", theirs, share, "", said, share,
        Aim(0.05, "of its time", most=True), {"seconds": seconds},
    )  # fmt: skip


def prepared(bench: Bench, images: int) -> dict[str, Path]:
    """Write images and bring them and random weights to the layout."""
    folder = bench.folder / "augmentation" / str(images)
    at = {**places(folder), "weights": bench.folder / "weights" / BACKBONE, "source": folder / "source"}
    synthetic.photographs(at["source"], images, 256, 2)
    bench.here(here.made, at, at["source"], BACKBONE, {}, ())
    return at


def reading(at: Mapping[str, Path], batch_size: int) -> float:
    """Return the seconds in which the stored views are read from their file, a batch at a time: waiting at most."""
    import numpy as np

    from components.data.artifacts import Augmented

    start = perf_counter()
    views = Augmented.read(at["augmented"]).array
    flat = views.reshape(-1, *views.shape[2:])
    for first in range(0, len(flat), batch_size):
        np.array(flat[first : first + batch_size])
    return perf_counter() - start

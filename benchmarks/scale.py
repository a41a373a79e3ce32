"""Memory and time against the number of images: all in memory, or the steps, each in a process of its own."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks import here, plain, synthetic
from benchmarks.measuring import Aim, Bench, Line, Worker
from components.machinery.code import ROOT
from pipeline.arranging import tasks_to_make
from pipeline.running import find_output, make

SIZE, CLASSES, NETWORK = 64, 10, "glyphs"
WEIGHTS = ROOT / "pretraining/vgg16_small.weights.h5"
TWO = {"epochs": 2, "patience": 2}
SAID = {
    # What is cut from one canvas is alike.
    "split": {"method": "random", "train": 0.6, "validation": 0.2, "test": 0.2},
    "augment": {"image_size": SIZE, "views": 0},
    "extract": {"unfreeze": "last_block"},
    "train_top": TWO,
    "fine_tune": TWO,
}
GB = 1e9
PLAIN = 10_000  # images at most of the plain way: with ten times as many it takes ten times the memory


def measure(bench: Bench) -> Iterator[Line]:
    """Yield for each number of images a line on memory and one on time, both ways; then whether time grows linearly.

    The plain way runs on PLAIN images at most; for more its costs are continued along a line.
    """
    counts = bench.pick((1_000, 10_000, 100_000), (1_000, 10_000))
    costs: dict[int, dict[str, here.Cost]] = {}
    peers: dict[int, here.Cost] = {}
    for count in counts:
        source = synthetic.photographs(bench.folder / "sources" / f"scale-{count}", count, SIZE, CLASSES)
        if count <= PLAIN:
            with Worker() as alone:
                peers[count] = here.Cost(*alone(plain.scale, source, SIZE, WEIGHTS))
        costs[count] = stepped(bench, source)
    totals = {count: sum(cost.seconds for cost in found.values()) for count, found in costs.items()}
    for count, found in costs.items():
        peer, most = peers.get(count), max(found.values(), key=lambda cost: cost.memory).memory / GB
        few, more = sorted(peers)[-2:]
        known = peer or peers[more].beyond(peers[few], (count - more) / (more - few))
        words = "" if peer else "; the plain way's is reckoned from fewer images"
        steps = {name: asdict(cost) for name, cost in found.items()}
        yield Line(
            "scale", f"{count:,} images: memory", known.memory / GB, most, "GB", f"{most:.2f} GB{words}", most,
            Aim(3, "GB", most=True), {"images": count, "measured_plain": peer is not None, "steps": steps},
        )  # fmt: skip
        yield Line(
            "scale", f"{count:,} images: time", known.seconds, totals[count], "s",
            f"{1000 * totals[count] / count:.1f} ms an image{words}", totals[count], None, {"images": count},
        )  # fmt: skip
    for few, more, most in zip(counts, counts[1:], counts[2:], strict=False):
        first, second = ((totals[b] - totals[a]) / (b - a) for a, b in ((few, more), (more, most)))
        yield Line(
            "scale", f"time of one more image, from {few:,} and from {more:,} on", 1000 * first, 1000 * second, "ms",
            f"{second / first:.2f} of it", second / first, Aim(1.25, "of it: time is linear", most=True),
        )  # fmt: skip


def stepped(bench: Bench, source: Path) -> dict[str, here.Cost]:
    """Run each step behind a fine-tuned model's report, but not `fetch_weights`, as a command; return costs by step."""
    tasks = here.tasks_of("digits", source, NETWORK, SAID)
    bench.here(make, find_output(tasks, "weights"), bench.folder)
    wanted = tasks_to_make(find_output(tasks, "report", "fine_tuned"))
    return {task.step: here.step_cost(task, bench.folder) for task in wanted if task.step != "fetch_weights"}


def draw(lines: list[Line], path: Path) -> None:
    """Draw memory and time of both ways against the number of images, on logarithmic axes, to an image file."""
    from matplotlib.ticker import LogLocator

    from components.results.figures.style import ACCENT, MUTED, new_figure

    note = (
        f"Images of {SIZE} pixels, the built-in backbone; the largest process of all steps, and their seconds together."
    )
    with new_figure(path, (8, 3.2), "What a run holds in memory, and how long it takes", note, legend=2) as figure:
        panels = zip(figure.subplots(1, 2), (("memory", "GB"), ("time", "seconds")), strict=True)
        for axes, (what, unit) in panels:
            found = [line for line in lines if line.case.endswith(f"images: {what}")]
            known = [line for line in found if line.details.get("measured_plain", line.details["images"] <= PLAIN)]
            for label, rows, values, colour, mark in (
                ("all images in memory, the plain way", known, [line.plain for line in known], MUTED, "s"),
                ("this project", found, [line.here for line in found], ACCENT, "o"),
            ):
                axes.plot([line.details["images"] for line in rows], values, f"{mark}-", color=colour, label=label)
            axes.set(title=what.capitalize(), xlabel="images", ylabel=unit, xscale="log", yscale="log")
            axes.set_xticks([line.details["images"] for line in found])
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter("{x:,g}")
            axes.minorticks_off()

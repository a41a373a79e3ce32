"""What a user would pick instead, PyTorch with timm: extraction, and fine-tuning the last block, from the same files.

PyTorch is no dependency: the benchmark makes an environment of its own, some gigabytes, with what timm-requirements.txt
pins, unless it is there. Of its two precisions the faster one counts, as with `precision: auto` here.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks import here, synthetic
from benchmarks.extraction import extract
from benchmarks.measuring import Aim, Bench, Line
from benchmarks.studies import split_into
from components.system.errors import UserError
from pipeline.arranging import Task
from pipeline.collection import RANDOM
from pipeline.running import find_output, make

ENVIRONMENT = Path("artifacts/benchmarks/timm")
REQUIREMENTS, SCRIPT = (Path(__file__).with_name(name) for name in ("timm-requirements.txt", "timm_script.py"))
SIZE = 224
IMAGES = {"vgg16": 160, "resnet50": 224, "mobilenet_v2": 416}
HELD_OUT = 16  # images that validate, and as many that test
SHORT = 64  # images of the run that is taken off: as long a start as the others
EPOCHS = 10
PRECISIONS = ("float32", "bfloat16")


def measure(bench: Bench) -> Iterator[Line]:
    """Yield three lines for each network: extraction, one more epoch, and ten epochs from files on."""
    python = make_environment()
    for network, images in IMAGES.items():
        count = bench.pick(images, images // 2)
        tasks, short = prepare(bench, network, count), prepare(bench, network, SHORT)
        source, trained = find_output(tasks, "images").task.values["source"], count - 2 * HELD_OUT
        fine_tuning = find_output(tasks, "classifier", "fine_tuned").task
        peers: dict[str, list[float]] = {"extract": [], "fine_tune": []}
        own: dict[str, list[float]] = {"extract": [], "fine_tune": [], "start": []}
        for _ in range(bench.pick(2, 1)):
            for work, times in peers.items():
                times.append(min(timm_seconds(python, work, network, source, kind) for kind in PRECISIONS))
            less, _ = bench.here(extract, find_output(short, "features"), bench.folder)
            more, precision = bench.here(extract, find_output(tasks, "features"), bench.folder)
            own["extract"].append((more - less) / (count - SHORT))
            own["start"].append(more)
            bench.here(make, find_output(tasks, "top"), bench.folder)
            training = bench.here(here.time_training, fine_tuning, bench.folder, bench.pick(4, 2))
            own["fine_tune"].append(training.training / trained)
        for work, words in (("extract", f"features, {precision}"), ("fine_tune", "an epoch from the last block on")):
            peer, ours = (1 / median(times[work]) for times in (peers, own))
            yield Line(
                "pytorch", f"{network}: {words}", peer, ours, "images/s", f"{ours / peer:.2f}x", ours / peer,
                Aim(1.0, "times as fast"), {"timm": peers[work], "here": own[work]},
            )  # fmt: skip
        whole = EPOCHS * trained * median(peers["fine_tune"])
        here_whole = median(own["start"]) + EPOCHS * trained * median(own["fine_tune"])
        yield Line(
            "pytorch", f"{network}: {EPOCHS} such epochs of {trained} images, extraction included", whole, here_whole,
            "s", f"{whole / here_whole:.2f}x", whole / here_whole, Aim(1.0, "times as fast"),
        )  # fmt: skip


def prepare(bench: Bench, network: str, images: int) -> list[Task]:
    """Write images, fetch them and random weights, and return all tasks of a recipe that fine-tunes the last block."""
    source = bench.folder / "sources" / f"pytorch-{images}"
    synthetic.photographs(source, images, 256, 4)
    entries = {
        "split": split_into((images - 2 * HELD_OUT, HELD_OUT, HELD_OUT)),
        "augment": {"image_size": SIZE, "views": 0},
        "extract": {"unfreeze": "last_block"},
        "choose_precision": {"precision": "auto"},
        "train_top": {"head": "linear", "epochs": 1, "learning_rate": 1e-6},
        "fine_tune": {"learning_rate": 1e-6, "batch_size": 32},
    }
    tasks = here.tasks_of("car_damage", source, RANDOM + network, entries)
    for key in ("images", "weights"):
        bench.here(make, find_output(tasks, key), bench.folder)
    return tasks


def make_environment() -> Path:
    """Return the Python of the environment with PyTorch and timm, which is made first unless it is there."""
    python = ENVIRONMENT / "bin/python"
    if not python.exists():
        uv = f"{Path(sys.executable).with_name('uv')}"
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, f"{ENVIRONMENT}"], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", f"{python}", "--require-hashes"]
        subprocess.run([*install, "-r", f"{REQUIREMENTS}"], check=True)
    return python


def timm_seconds(python: Path, work: str, network: str, folder: str, precision: str) -> float:
    """Return the seconds an image of the peer's `extract` or `fine_tune` on all images of a folder.

    Raises:
        UserError: It failed.
    """
    command = [f"{python}", f"{SCRIPT}", work, network, folder, "--size", f"{SIZE}", "--precision", precision]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{work} of {network} by timm failed: {done.stderr[-500:]}")
    return float(json.loads(done.stdout.splitlines()[-1])["seconds_an_image"])

"""The day goes wrong: steps that are killed, that run twice at once, that lack space, access or memory."""

import functools
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import psutil
import pytest

from components import STEPS
from components.data.artifacts import Classifier, Images
from components.machinery import transaction
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.system.errors import UserError
from tests.conftest import MODELS, PARAMETERS, digests, heed_signals, write_images


def begin(name: str, at: dict[str, Path], *more: str, before: Callable[[], None] | None = None) -> subprocess.Popen:
    """Start a step as a process of its own."""

    def prepare() -> None:
        heed_signals()
        if before:
            before()

    wanted = load_step(name)
    artifacts = [word for key in (*wanted.inputs, *wanted.outputs) for word in (f"--{key}", str(at[key]))]
    return subprocess.Popen(
        [sys.executable, "-m", "components", name, *artifacts, *more],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True, preexec_fn=prepare,
    )  # fmt: skip


def ended(process: subprocess.Popen) -> tuple[int, list[str]]:
    """Return the exit status and the lines that were said."""
    _, said = process.communicate()
    return process.returncode, said.splitlines()


def flags(name: str, **changed: object) -> list[str]:
    return [word for key, value in {**PARAMETERS[name], **changed}.items() for word in (f"--{key}", str(value))]


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("train_top", {"lerning_rate": 1}, "unrecognized arguments: --lerning_rate 1"),
        ("split", {"train": 1.5}, "split: train is a number of images or a fraction in (0, 1); received 1.5"),
        ("split", {"train": 47}, "split: 47 + 12 + 12 images are more than the 48 there are: make a part smaller"),
        ("extract", {"unfreeze": "block5_con1"}, "no layer of vgg16_small 'block5_con1'; did you mean 'block5_conv1'?"),
    ],
    ids=["flag", "value", "data", "network"],
)
def test_what_is_wrong_is_one_line_and_no_work_wherever_it_is_noticed(name, changed, said, made, tmp_path):
    """By the command line, the signature, the step in its data, or its network; test_parameters.py has all values."""
    at = {**made, **{key: tmp_path / key for key in load_step(name).outputs}}
    status, lines = ended(begin(name, at, *flags(name, **changed)))
    assert (status, len(lines)) == (2, 1)
    assert lines[0].startswith(f"error: {said}")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def waiting(tmp_path) -> Iterator[tuple[subprocess.Popen, int]]:
    """The step `fetch`, which waits because this process holds its output, and the handle by which it does."""
    held = transaction.lock_folder(transaction.staging_path("images", tmp_path / "images"))
    source = write_images(tmp_path / "source", 4)
    process = begin("fetch", {"images": tmp_path / "images"}, *flags("fetch", source=source))
    assert process.stderr is not None
    assert process.stderr.readline().endswith(f"which is making {tmp_path}/images\n")
    with process:
        yield process, held
        process.kill()


def test_a_second_run_of_a_step_waits_for_the_first_and_then_runs(waiting, tmp_path):
    process, held = waiting
    transaction.staging_path("images", tmp_path / "images").rename(tmp_path / "images")  # as a run does that ends well
    (tmp_path / "images" / "artifact.json").write_text("{}")
    os.close(held)
    assert ended(process)[0] == 0
    assert len(Images.read(tmp_path / "images").table("images.csv")) == 12
    assert {path.name for path in tmp_path.iterdir()} == {"source", "images", "images.record.json"}


@pytest.mark.parametrize(
    ("number", "whom", "status", "said"),
    [
        (signal.SIGKILL, "work", 137, "error: ended by SIGKILL with .* the machine ran out of memory, or somebody did"),
        (signal.SIGSEGV, "work", 139, "error: ended by SIGSEGV with .* a library crashed"),
        (signal.SIGINT, "work", 130, "stopped: what is finished stays"),
        (signal.SIGTERM, "step", 130, "stopped: what is finished stays"),
        (signal.SIGHUP, "step", 130, "stopped: what is finished stays"),
        (signal.SIGHUP, "both", 130, "stopped: what is finished stays"),  # as when a terminal is closed
    ],
)
def test_an_end_by_force_is_one_line(number, whom, status, said, waiting, tmp_path):
    process, _ = waiting
    step_process = psutil.Process(process.pid)
    (work,) = step_process.children()
    for one in {"work": [work], "step": [step_process], "both": [work, step_process]}[whom]:
        one.send_signal(number)
    returned, lines = ended(process)
    assert returned == status
    assert len(lines) == 1 and re.match(said, lines[0])
    assert not (tmp_path / "images").exists()


def test_no_work_goes_on_without_its_step(waiting):
    process, _ = waiting
    (work,) = psutil.Process(process.pid).children()
    process.kill()
    work.wait()  # for ever, if it went on
    assert not work.is_running()


@pytest.mark.slow  # five processes, each with Keras
def test_a_killed_training_goes_on_and_ends_as_if_it_had_never_stopped(made, tmp_path):
    """Again and again, as soon as an epoch more is kept; every byte of the model is that of an undisturbed run."""
    more = flags("train_top", epochs=12, patience=12)
    names = ("undisturbed", "disturbed")
    at = {name: {**made, "top": tmp_path / name / "top", "classifier": tmp_path / name / "model"} for name in names}
    assert ended(begin("train_top", at["undisturbed"], *more))[0] == 0
    kept: list[bytes] = []
    for kills in (1, 2, 3, 0):
        process = begin("train_top", at["disturbed"], *more)
        while len(kept) < kills:
            assert process.poll() is None
            states = [file.read_bytes() for file in tmp_path.glob("disturbed/.model.unfinished/.*.resume/training.npz")]
            if states and states[0] not in kept:
                psutil.Process(process.pid).children()[0].kill()
                kept.append(states[0])
        assert (ended(process)[0] == 0) == (not kills)
        assert (tmp_path / "disturbed" / "model").exists() == (not kills)
    first, second = (Classifier.read(at[name]["classifier"]) for name in names)
    assert digests(first.path) == digests(second.path)
    left = {path.name for path in (tmp_path / "disturbed").iterdir() if not path.name.startswith(".top.training=1.")}
    assert left == {"top", "model", "top.record.json"}


def test_what_is_kept_to_go_on_from_is_for_the_same_run_alone(tmp_path):
    first, second = (Images(tmp_path / ".images.unfinished", inputs_digest=digest) for digest in ("a", "b"))
    for output, expected in ((first, False), (first, True), (second, False), (first, False)):
        with transaction.claim_folder(output):
            assert output.resume.exists() is expected
            assert set(output.path.iterdir()) <= {output.resume}
            output.resume.mkdir(exist_ok=True)
            (output.path / "half").write_text("made")
        assert list(output.path.iterdir()) == [output.resume]
    with transaction.claim_folder(first):
        shutil.rmtree(first.resume)
    assert not first.path.exists()


@contextmanager
def disk(folder: Path, size: int, *options: str) -> Iterator[Path]:
    """Mount a disk of so many bytes."""
    folder.mkdir()
    given = ",".join((f"size={size}", *options))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", given, "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user may not mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def size(folder: Path) -> int:
    """Return the bytes that a folder takes on a disk of pages of 4 KiB."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())


def places(made: dict[str, Path], name: str) -> dict[str, Any]:
    """Return where the artifacts of a step lie that were made once; `evaluate` is that of the head, the only arm."""
    classifier = made[f"classifiers/{MODELS.get(name, 'top')}"]
    at = {**made, "classifier": classifier, "top": made["head"], "report": made["top"]}
    several = {
        "embeddings": [made["embeddings"]],
        "augmented": [made["augmented"]],
        "arms": [classifier],
        "classifiers": [made[f"classifiers/{model}"] for model in MODELS.values()],
        "reports": [made[model] for model in MODELS.values()],
        "records": [made["comparison"].parent],
        "drawings": [made["drawings"]],
        "forecasts": [made["forecast"]],
    }
    return at | {key: several[key] for key in load_step(name).several}


SHARES = (0.02, 0.5, 0.9)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        pytest.param(name, share, marks=() if (place - number) % len(SHARES) == 0 else pytest.mark.slow)
        for number, name in enumerate(STEPS)
        for place, share in enumerate(SHARES)
    ],
)
def test_a_full_disk_is_one_line_and_the_earlier_results_stay(name, share, made, source, tmp_path):
    """There is room for an earlier output and for a share of the new one."""
    at, wanted = places(made, name), load_step(name)
    parameters: dict[str, Any] = dict(PARAMETERS[name])
    if name == "fetch":
        parameters["source"] = str(source)
    if "seed" in parameters:
        parameters["seed"] = 2
    need = sum(size(at[key]) for key in wanted.outputs)
    with disk(tmp_path / "disk", need + 4096 * max(1, int(share * need / 4096))) as small:
        for key in wanted.outputs:
            shutil.copytree(at[key], small / key)
        before = {path: path.read_bytes() for path in small.rglob("*") if path.is_file()}
        with pytest.raises(UserError, match=r"no space left on the disk for .*: free some; what is finished") as caught:
            run_step(name, {**at, **{key: small / key for key in wanted.outputs}}, parameters)
        assert "\n" not in str(caught.value)
        assert before.items() <= {path: path.read_bytes() for path in small.rglob("*") if path.is_file()}.items()
        left = {path for path in small.rglob("*") if path.is_file()} - before.keys()
        assert {path.parent.suffix for path in left} <= {".resume"}


@pytest.mark.parametrize("name", ["fetch", "train_top"])
def test_a_folder_that_cannot_be_written_is_one_line(name, made, source, tmp_path):
    more = flags(name, source=source) if name == "fetch" else flags(name)
    with disk(tmp_path / "disk", 2**20, "ro") as locked:
        at = {**places(made, name), **{key: locked / key for key in load_step(name).outputs}}
        status, lines = ended(begin(name, at, *more))
    assert status == 2
    assert re.match(rf"error: {name}: no access to .*Read-only file system", lines[-1])
    assert not any("Traceback" in line for line in lines)


def test_what_cannot_be_printed_breaks_off_no_step(made, tmp_path):
    at = {**made, "audit": tmp_path / "audit"}
    with pytest.raises(OSError, match="No space left"), Path("/dev/full").open("w") as full, redirect_stdout(full):
        run_step("audit", at, PARAMETERS["audit"])
    assert digests(tmp_path / "audit") == digests(made["audit"])
    assert (tmp_path / "audit.record.json").exists()


@contextmanager
def control_group(limit: int) -> Iterator[Callable[[], None]]:
    """Make a control group (version 1 or 2) of so many bytes, as a container is one, and yield what enters it."""
    limits = {Path("/sys/fs/cgroup/memory"): "memory.limit_in_bytes", Path("/sys/fs/cgroup"): "memory.max"}
    group = next(top for top in limits if top.is_dir()) / f"graft-{os.getpid()}"
    try:
        group.mkdir()
        (group / limits[group.parent]).write_text(str(limit))
    except OSError:
        pytest.skip("this user may not limit a process's memory")

    def enter() -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()))

    try:
        yield enter
    finally:
        group.rmdir()


def extract_within(made: dict[str, Path], folder: Path, enter: Callable[[], None]) -> tuple[int, list[str]]:
    at = {**made, "features": folder / "features", "tensors": folder / "tensors"}
    return ended(begin("extract", at, *flags("extract"), before=enter))


def test_a_container_without_memory_is_one_line(made, tmp_path):
    with control_group(2 * 10**8) as enter:
        status, lines = extract_within(made, tmp_path, enter)
    assert status == 137 and len(lines) == 1
    assert re.match("error: ended by SIGKILL with 0.[0-9] GB of memory: the machine ran out of memory", lines[0])
    assert not (tmp_path / "features").exists()


@pytest.mark.parametrize("limit", [3 * 10**8, 12 * 10**8])
def test_a_refused_allocation_is_one_line(limit, made, tmp_path):
    """Where a library ends the process it may say something of its own first; the last line is ours."""
    enter = functools.partial(resource.setrlimit, resource.RLIMIT_AS, (limit, limit))
    status, lines = extract_within(made, tmp_path, enter)
    assert status in (2, 134)
    assert re.match("error: .*memory", lines[-1])
    assert not any("Traceback" in line for line in lines)
    assert all(
        path.name.startswith(".") for path in tmp_path.iterdir()
    )  # what an abort leaves is cleared by the next run

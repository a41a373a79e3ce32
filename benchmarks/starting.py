"""Starting: what a command takes to answer, and `dvc repro` to find that there is nothing to do."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import yaml

from benchmarks import plain
from benchmarks.measuring import Aim, Bench, Line
from components.machinery.code import ROOT

COMMANDS = {  # what is run, and the exit status
    "python -m components train_top --help": 0,
    "python -m components train_top --epochs many": 2,
    "python -m pipeline --help": 0,
}
DVC = (sys.executable, "-m", "dvc")
CODE = ("components", "pipeline", "requirements.txt")  # that the plan depends on
RECIPES = ("digits", "kth_animals", "sign_language", "groceries", "car_damage", "traffic_lights")
FAKE = """
from pathlib import Path
from dvc.repo import Repo

with Repo() as repo:
    for stage in repo.index.stages:
        for out in stage.outs:
            path = Path(out.fs_path)
            if not path.exists():
                file = path if path.suffix else path / "artifact.json"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(out.fs_path)
    repo.commit(force=True)
"""


def measure(bench: Bench) -> Iterator[Line]:
    """Yield a line for each command, and two for `dvc repro` with nothing to do, with the seconds of both ways."""
    times = bench.pick(5, 2)
    peers = [time_command([sys.executable, "-c", plain.COMMAND, "--help"], ROOT) for _ in range(bench.pick(3, 1))]
    for words, status in COMMANDS.items():
        own = [time_command([sys.executable, *words.split()[1:]], ROOT, status) for _ in range(times)]
        peer, ours = median(peers), median(own)
        yield Line(
            "starting", words, peer, ours, "s", f"{ours:.2f} s, {peer / ours:.1f}x", ours, Aim(1, "s", most=True),
            {"plain": peers, "here": own},
        )  # fmt: skip
    ours_at = copy_project(bench.folder / "project")
    count = count_stages(ours_at)
    peers_at = {
        "the same stages, bare of parameters and code": copy_without_code(ours_at, bench.folder / "stripped"),
        "as many stages of one small file": one_file_each(bench.folder / "one_file_each", count),
    }
    taken: dict[Path, list[float]] = {folder: [] for folder in (*peers_at.values(), ours_at)}
    for _ in range(times):
        for folder, side in taken.items():
            side.append(time_command([*DVC, "repro"], folder, output="Data and pipelines are up to date."))
    ours = median(taken[ours_at])
    for words, folder in peers_at.items():
        peer = median(taken[folder])
        aim = Aim(1.2, "times as long", most=True) if "bare" in words else None
        yield Line(
            "starting", f"dvc repro with nothing to do: {len(RECIPES)} recipes, {count} stages; {words}", peer, ours,
            "s", f"{ours / peer:.2f} times as long", ours / peer, aim, {"plain": taken[folder], "here": taken[ours_at]},
        )  # fmt: skip


def time_command(command: Sequence[str], folder: Path, status: int = 0, output: str = "") -> float:
    """Run a command in a folder and return its seconds; raise unless it ends with this status and prints this output.

    Raises:
        RuntimeError: Its exit status is another, or its standard output does not contain the text.
    """
    start = perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    taken = perf_counter() - start
    if done.returncode != status or output not in done.stdout:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout[-500:]}{done.stderr[-500:]}")
    return taken


def copy_project(folder: Path) -> Path:
    """Copy this project into a folder with RECIPES switched on and a fake output of every stage; return the folder."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for file in subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / file).is_file():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, folder / file)
    parameters = folder / "params.yaml"
    parameters.write_text(switch_on(parameters.read_text()))
    for command in ("arrange", "plan"):
        time_command([sys.executable, "-m", "pipeline", command], folder)
    return finish_stages(folder)


def switch_on(text: str) -> str:
    """Return the text of params.yaml with just RECIPES switched on.

    Raises:
        RuntimeError: They cannot be.
    """
    lines = "".join(f"  - {name}\n" for name in RECIPES)
    text = re.sub(r"^active:\n(  - .*\n)+", f"active:\n{lines}", text, flags=re.MULTILINE)
    content = yaml.safe_load(text)
    if content["active"] != list(RECIPES) or not set(RECIPES) <= set(content["recipes"]):
        raise RuntimeError(f"params.yaml: switched on are {', '.join(content['active'])}, not {', '.join(RECIPES)}")
    return text


def copy_without_code(project: Path, folder: Path) -> Path:
    """Copy a project into a folder, its stages without dependencies on parameters and code; return the folder."""
    shutil.copytree(project, folder, symlinks=True)
    for file in (folder / "dvc.yaml", folder / "data/dvc.yaml"):
        content = yaml.safe_load(file.read_text())
        for stage in content["stages"].values():
            stage["deps"] = [dep for dep in stage["deps"] if dep not in CODE and not dep.startswith("plan/")]
        file.write_text(yaml.safe_dump(content, sort_keys=False))
    return finish_stages(folder)


def one_file_each(folder: Path, count: int) -> Path:
    """Make a project in a new folder of stages, all done, that each write a file from the last; return the folder."""
    folder.mkdir(parents=True)
    plain.write_stages(folder, count)
    return finish_stages(folder)


def finish_stages(folder: Path) -> Path:
    """Set up git and DVC in a folder, fake the outputs that are missing, commit them to DVC, and return the folder."""
    time_command(["git", "init", "--quiet"], folder)
    if not (folder / ".dvc").exists():
        time_command([*DVC, "init", "--quiet"], folder)
    time_command([sys.executable, "-c", FAKE], folder)
    time_command([*DVC, "repro"], folder)
    return folder


def count_stages(folder: Path) -> int:
    """Return the number of stages that `dvc repro --dry` looks at, whether it would run or skip them."""
    done = subprocess.run([*DVC, "repro", "--dry"], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.count("didn't change, skipping") + done.stdout.count("Running stage")

"""`kill -9` at random moments over `make repro`, and the same again: always the results of an undisturbed run."""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import write_images
from tests.pipeline.test_dvc import Checkout, leaks

pytestmark = pytest.mark.slow  # whole runs, one after the other

KILLS = int(os.environ.get("GRAFT_KILLS", "3"))
LONGEST = 0.2  # of the seconds of a whole run, until a kill: time for two stages or so
MADE = ("artifacts", "data/images", "data/weights", ".dvc/cache", ".dvc/tmp", "dvc.lock", "data/dvc.lock", "mlflow.db")


@pytest.fixture
def project(tmp_path) -> Checkout:
    made = Checkout.begin(tmp_path / "project", write_images(tmp_path / "mine", 16))
    made.environment["MLFLOW_TRACKING_URI"] = ""  # the default, a file in the folder
    return made


def results(folder: Path) -> dict[str, bytes]:
    """Return what a run found: scores, probabilities of every test image, every epoch."""
    names = ("metrics.json", "predictions.csv", "history.csv", "chosen.json")
    return {str(path.relative_to(folder)): path.read_bytes() for name in names for path in folder.rglob(name)}


def forget(folder: Path) -> None:
    for name in MADE:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def kill(process: psutil.Popen, whom: str) -> None:
    """Kill the whole run at once; or DVC, whose stage ends or goes on; or the work of the stage, which DVC is told.

    Between two stages there is no work: then it is DVC.
    """
    work = process.children(recursive=True)[-1:]
    if whom == "all":
        os.killpg(process.pid, signal.SIGKILL)
    elif whom == "work" and work:
        work[0].kill()
    else:
        process.kill()


def test_killed_runs_end_as_undisturbed_ones(project, tmp_path):
    """A killed run is followed by the next, which is killed too; one that ends is compared, and all is begun anew.

    The journal is a file in the folder, which is made and written meanwhile.
    """
    start = time.perf_counter()
    project.repro()
    longest = LONGEST * (time.perf_counter() - start)
    expected = results(project.folder / "artifacts")
    assert len(expected) == 3 + 3 + 3 + 1
    forget(project.folder)
    chance = random.Random(KILLS)
    kills, ends = dict.fromkeys(("all", "dvc", "work"), 0), 0
    while sum(kills.values()) < KILLS or not ends:
        said = tmp_path / f"said {sum(kills.values())}"
        project("python", "-c", "from pipeline import recovery; recovery.mend()")  # as `make repro` does
        with said.open("w") as file:
            process = psutil.Popen(
                ["dvc", "repro"], cwd=project.folder, env=project.environment, start_new_session=True,
                stdout=file, stderr=file,
            )  # fmt: skip
            whom, moment = chance.choice(list(kills)), chance.uniform(0, longest)
            try:
                process.wait(moment if sum(kills.values()) < KILLS else None)
            except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
                kills[whom] += 1
                kill(process, whom)
                process.wait()
        if process.returncode == 0:
            assert results(project.folder / "artifacts") == expected
            assert project("python", "-m", "pipeline", "log").count("was there") == 3 + 1
            assert leaks(tmp_path) == []
            ends += 1
            forget(project.folder)
        else:
            told = re.search("exited with (137|-9)$", said.read_text().strip())
            assert process.returncode == -signal.SIGKILL or told, said.read_text()
    print(f"killed: {kills}; ran to the end: {ends}")

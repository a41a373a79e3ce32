"""The images, really run: every step of `digits` in a container, and the compiled pipeline by kfp's own local runner.

`make test-containers` builds the images and makes the artifacts that their results are compared with.
"""

import json
import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components import step
from components.data.artifacts import Report
from components.step import ROOT
from pipeline import recipes
from tests.conftest import MODELS

pytestmark = pytest.mark.skipif(
    not os.environ.get("GRAFT_CONTAINERS"), reason="`make test-containers` builds the images, with a Docker engine"
)
LOCKED_DOWN = {"read_only": True, "tmpfs": {"/tmp": ""}}


def container(
    *command: str, image: str = "steps", network: str = "none", folder: Path | None = None, flags: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a command in a container: root file system read-only, the image's user, no network unless one is named."""
    mount = ["--volume", f"{folder}:/work"] if folder else []
    return subprocess.run(
        ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp",
         "--network", network, *mount, *flags, f"graft-{image}", *command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def said(*command: str, **options) -> str:
    done = container(*command, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("image", ["steps", "fetch"])
def test_an_image_holds_what_it_needs_and_no_more(image):
    made = json.loads(subprocess.check_output(["docker", "image", "inspect", f"graft-{image}"]))[0]
    assert made["Config"]["User"] == "1000:1000"
    assert made["Config"]["Entrypoint"] is None
    revision = subprocess.check_output(["git", "-C", str(ROOT), "rev-parse", "HEAD"], text=True).strip()
    assert made["Config"]["Labels"]["org.opencontainers.image.revision"].startswith(revision)
    assert said("id", "-u", image=image) == "1000"
    held = said("sh", "-c", "command -v gcc cc g++ make pip uv; true", image=image)
    assert held == ""
    packages = ("kfp", "dvc", "tensorflow", "keras", "mlflow", "sklearn")
    code = f"from importlib.util import find_spec; print(*[name for name in {packages} if find_spec(name)])"
    assert said("python", "-c", code, image=image).split() == {
        "steps": ["tensorflow", "keras", "mlflow", "sklearn"], "fetch": ["dvc", "sklearn"],
    }[image]  # fmt: skip


def test_the_steps_compute_with_the_versions_of_this_machine():
    names = ("tensorflow", "keras", "numpy", "pandas", "scikit-learn", "pillow", "scipy")
    code = f"from importlib.metadata import version; print(*map(version, {names}))"
    assert said("python", "-c", code).split() == [version(name) for name in names]


def test_new_code_leaves_the_layer_of_the_dependencies_alone():
    lines = (ROOT / "Dockerfile").read_text().split("AS steps\n")[1].splitlines()
    places = [next(i for i, line in enumerate(lines) if word in line) for word in ("uv pip install", "COPY components")]
    assert places == sorted(places)


FAILURES = {
    "a parameter that cannot be": (["--train", "-3"], "error: split: train is a number of images"),
    "an input that is not there": (["--images", "/work/none"], "error: no Images at /work/none"),
    "a place where nothing can be written": (["--splits", "/graft/splits"], "error: split: no access to /graft"),
    "no such flag": (["--fraction", "1"], "error: unrecognized arguments: --fraction"),
}


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A folder in which the images' user may write, with the recipes."""
    folder = tmp_path_factory.mktemp("work")
    folder.chmod(0o777)
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return folder


def step_in_container(name: str, work: Path, *flags: str, server: str = "off", **artifacts: str | list[str]) -> None:
    """Run a step on artifacts named after its arguments, and hold that it made what it says."""
    wanted = step.load(name)
    places = {**{key: key for key in (*wanted.inputs, *wanted.outputs)}, **artifacts}
    arguments = []
    for key, place in places.items():
        listed = [place] if isinstance(place, str) else place
        arguments += [f"--{key}", *(f"/work/{one}" for one in listed)]
    sections = [] if name.startswith("fetch") or name == "compare" else [
        word for section in (f"defaults.{name}", f"recipes.digits.{name}")
        for word in ("--params", f"/work/params.yaml:{section}")
    ]  # fmt: skip
    done = container(
        "python", "-m", "components", name, "--recipe", "digits", *sections, *arguments, *flags,
        image="fetch" if name == "fetch" else "steps",
        folder=work, network="none" if server == "off" else "host", flags=("-e", f"MLFLOW_TRACKING_URI={server}"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for key, kind in wanted.outputs.items():
        kind.read(work / str(places[key]))


@pytest.fixture(scope="module")
def reports(work, server) -> dict[str, Report]:
    """Every step of `digits`, in order, each in a container of its own."""
    step_in_container("fetch", work, "--data_set", "digits", "--source", "published", "--max_quarantined", "0")
    own = recipes.read(ROOT / "params.yaml")["weights"]["own"]["glyphs"]
    given = ("--backbone", own["backbone"], "--source", own["source"], "--stock", "keep")
    step_in_container("fetch_weights", work, *given)
    for name in ("split", "augment", "explore", "extract"):
        step_in_container(name, work)
    for name, model in MODELS.items():
        made = f"classifiers/{model}"
        step_in_container(name, work, server=server, classifier=made)
        step_in_container("evaluate", work, server=server, classifier=made, report=f"reports/{model}")
    every = [f"reports/{model}" for model in MODELS.values()]
    step_in_container("compare", work, reports=every)
    return {model: Report.read(work / "reports" / model) for model in MODELS.values()}


def test_the_scores_in_containers_are_those_of_dvc_repro_to_the_last_digit(reports):
    """The same wheels on the same processor: nothing is rounded otherwise."""
    for model, report in reports.items():
        here = Report.read(ROOT / "artifacts" / "digits" / "reports" / model)
        assert report.read_values("metrics") == here.read_values("metrics")
        assert (report.path / "predictions.csv").read_bytes() == (here.path / "predictions.csv").read_bytes()


def test_the_journal_of_containers_has_the_code_s_revision(reports, server):
    revision = subprocess.check_output(["git", "-C", str(ROOT), "rev-parse", "HEAD"], text=True).strip()
    for model, run in runs(server, "tags.recipe = 'digits' and tags.model != ''").items():
        assert run.data.tags["git_revision"].startswith(revision)
        assert run.data.metrics["kappa"] == pytest.approx(reports[model.removeprefix("digits-")].metrics["kappa"])


def runs(server: str, found_by: str) -> dict:
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("digits")
    assert experiment
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id], found_by)}


@pytest.mark.parametrize("case", FAILURES)
def test_a_step_that_fails_ends_with_status_2_and_one_line(reports, work, case):
    flags, line = FAILURES[case]
    sizes = ("--train", "10", "--validation", "10", "--test", "10", "--fold", "0", "--seed", "1")
    places = ("--images", "/work/images", "--splits", "/work/no/splits", "--test_split", "/work/no/test_split")
    done = container(
        "python", "-m", "components", "split", "--method", "random", *sizes, *places, *flags, folder=work
    )  # fmt: skip
    assert done.returncode == 2
    assert next(told for told in done.stderr.splitlines() if told.startswith("error")).startswith(line)
    assert not (work / "no" / "splits").exists()


def test_a_step_that_is_out_of_memory_says_so(reports, work):
    sections = [f"--params=/work/params.yaml:{part}.extract" for part in ("defaults", "recipes.digits")]
    places = [f"--{key}=/work/{key}" for key in ("augmented", "weights")]
    made = [f"--{key}=/work/no/{key}" for key in ("features", "tensors")]
    done = container(
        "python", "-m", "components", "extract", *sections, *places, *made, folder=work,
        flags=("--memory", "250m", "--memory-swap", "250m"),
    )  # fmt: skip
    assert done.returncode == 128 + 9
    assert "error: ended by SIGKILL" in done.stderr
    assert not (work / "no" / "features").exists()


@pytest.fixture(scope="module")
def local_run(tmp_path_factory, server) -> tuple[Path, dict[str, dict]]:
    """The compiled pipeline of `digits`, with a sweep of two arms, run by kfp.local; its folder and its output."""
    folder = tmp_path_factory.mktemp("kubeflow")
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["cluster"]["images"] = {"steps": "graft-steps:latest", "fetch": "graft-fetch:latest"}
    content["cluster"]["tracking"] = server
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = ["--set", "train_benchmark.epochs=3", "--set", "train_top.epochs=30", "--sweep", "fine_tune.epochs=1,2"]
    command = [sys.executable, "-m", "pipeline", "compile", "digits", "--local", *words]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    components.load_component_from_file(str(folder / "kubeflow" / "graft-digits.yaml"))
    runner = local.DockerRunner(
        user=str(os.getuid()), network_mode="host", read_only=True, tmpfs={"/tmp": ""}
    )  # its folders are this user's
    local.init(runner, pipeline_root=str(folder / "root"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # resources have no effect here
        components.load_component_from_file(str(folder / "kubeflow" / "graft-digits.yaml"))()
    (made,) = (folder / "root").iterdir()
    return made, {}

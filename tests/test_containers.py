"""The images, really run: every step of `digits` in a container, and the compiled pipeline by kfp's own local runner.

`make test-containers` builds the images and makes the artifacts that their results are compared with.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from kfp import local
from kfp.components import load_component_from_file
from mlflow import MlflowClient
from mlflow.entities import Run

from components.data.artifacts import Classifier, Images, Page, Report
from components.data.records import Record
from components.machinery import code, executor
from components.machinery.code import ROOT
from components.machinery.signature import load_step
from components.machinery.trainings import training_path
from components.results.tracking import view
from pipeline import collection, planning, recipes
from pipeline.arranging import ON_PAGE
from pipeline.places import path_of
from pipeline.running import find_output
from tests.conftest import MODELS, PARAMETERS, digests, free_port, wait_for
from tests.results.tracking.test_tracking import IGNORED

SHARDS = 7  # in which the compiled pipeline maps over images
pytestmark = [
    IGNORED,
    pytest.mark.skipif(
        not os.environ.get("GRAFT_CONTAINERS"), reason="`make test-containers` builds the images, with a Docker engine"
    ),
]


def docker_words(
    *command: str, image: str = "steps", network: str = "none", folder: Path | None = None, flags: tuple[str, ...] = ()
) -> list[str]:
    """Return what runs a command in a container: a read-only root, the image's user, no network unless one is named."""
    mount = ["--volume", f"{folder}:/mnt"] if folder else []
    return ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", "--network", network, *mount, *flags,
            f"graft-{image}", *command]  # fmt: skip


def container(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in a container; arguments are those of `docker_words`."""
    return subprocess.run(docker_words(*command, **options), capture_output=True, text=True, check=False)


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


@pytest.mark.parametrize("name", ["steps-gpu", "steps-cpu", "fetch", "tracking"])
def test_a_lock_has_the_hashes_of_the_package_index(name, tmp_path):
    """Resolved anew at the same versions; the index may have more files of a version than it had."""
    held = (ROOT / f"requirements-{name}.txt").read_text()
    (tmp_path / "versions.txt").write_text("\n".join(hashes(held)))
    command = [
        "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--universal", "--python-version", "3.11",
        "--generate-hashes", "--no-emit-index-url", "--group", name, "--constraints", str(tmp_path / "versions.txt"),
    ]  # fmt: skip
    found = hashes(subprocess.check_output(command, cwd=ROOT, text=True))
    assert found.keys() == hashes(held).keys()
    for package, own in hashes(held).items():
        assert own and own <= found[package], package


def hashes(lock: str) -> dict[str, set[str]]:
    """Return the hashes of each pinned package, by its name, version and marker."""
    entries = re.findall(r"^(\S+==.*?) ?\\\n((?:    --hash=.*\n?)+)", lock, re.M)
    return {package: set(re.findall("sha256:[0-9a-f]{64}", listed)) for package, listed in entries}


def test_the_steps_compute_with_the_versions_of_this_machine():
    names = ("tensorflow", "keras", "numpy", "pandas", "scikit-learn", "pillow", "scipy")
    code = f"from importlib.metadata import version; print(*map(version, {names}))"
    assert said("python", "-c", code).split() == [version(name) for name in names]


@pytest.mark.parametrize(("image", "name"), [("steps", "extract"), ("steps", "train_top"), ("fetch", "fetch")])
def test_an_image_knows_the_code_and_the_versions_of_a_step(image, name):
    found = (
        "from components.machinery import code; "
        f"print(code.code_digest('{name}'), *code.computing_versions('{name}').values())"
    )
    assert said("python", "-c", found, image=image) == " ".join(
        [code.code_digest(name), *code.computing_versions(name).values()]
    )


def test_new_code_leaves_the_layer_of_the_dependencies_alone():
    lines = (ROOT / "Dockerfile").read_text().split("AS steps\n")[1].splitlines()
    places = [next(i for i, line in enumerate(lines) if word in line) for word in ("uv pip install", "COPY components")]
    assert places == sorted(places)


FAILURES = {
    "a parameter that cannot be": (["--train", "-3"], "error: split: train is a number of images"),
    "an input that is not there": (["--images", "/mnt/none"], "error: no Images at /mnt/none"),
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


def step_in_container(
    name: str, work: Path, values: Mapping[str, Any], server: str = "off", record: str = "",
    **artifacts: str | list[str],
) -> None:  # fmt: skip
    """Run a step on artifacts named after its arguments, and hold that it made what it says, and its record."""
    wanted = load_step(name)
    record = f"records/{record or name}"
    paths = {**{key: key for key in (*wanted.inputs, *wanted.outputs)}, **artifacts}
    arguments = [f"--{key}={value}" for key, value in values.items()]
    for key, path in paths.items():
        listed = [path] if isinstance(path, str) else path
        arguments += [f"--{key}", *(f"/mnt/{one}" for one in listed)]
    done = container(
        "python", "-m", "components", name, "--recipe", "digits", *arguments, "--record", f"/mnt/{record}",
        image="fetch" if name == "fetch" else "steps",
        folder=work, network="none" if server == "off" else "host",
        flags=("-e", f"MLFLOW_TRACKING_URI={server}", "-e", "KFP_RUN_ID=the-run"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for key, kind in wanted.outputs.items():
        kind.read(work / str(paths[key]))
    assert Record.read(work / record).step == name


@pytest.fixture(scope="module")
def reports(work, server) -> dict[str, Report]:
    """Every step of `digits`, in order, each in a container of its own, with one training of each way."""
    content = recipes.read(ROOT / "params.yaml")
    once = {f"{name}.repeats": 1 for name in MODELS}
    values = recipes.resolve(recipes.apply_changes(content, "digits", once), "digits").values
    step_in_container("fetch", work, collection.fetch_values(content, "digits"))
    step_in_container("fetch_weights", work, collection.weights_values(content, "glyphs"))
    for name in ("audit", "split", "augment", "explore", "draw_exploration", "choose_precision", "extract", "forecast"):
        step_in_container(name, work, values[name])
    for name, model in MODELS.items():
        made = f"classifiers/{model}"
        step_in_container(name, work, values[name], server, classifier=made)
        judged = {"classifier": made, "report": f"reports/{model}"}
        step_in_container("evaluate", work, values["evaluate"], server, f"evaluate-{model}", **judged)
    every = [f"reports/{model}" for model in MODELS.values()]
    step_in_container("compare", work, {}, reports=every)
    records = [f"records/{name}" for name in ON_PAGE if (work / "records" / name).exists()]
    records += [f"records/evaluate-{model}" for model in MODELS.values()]
    drawn: dict[str, Any] = {"reports": every, "drawings": ["drawings"], "records": records, "forecasts": ["forecast"]}
    step_in_container("draw_comparison", work, {}, server, **drawn)
    return {model: Report.read(work / "reports" / model) for model in MODELS.values()}


def test_the_scores_in_containers_are_those_of_dvc_repro_to_the_last_digit(reports):
    """The same wheels on the same processor: nothing is rounded otherwise."""
    tasks = planning.tasks_by_recipe(recipes.read(ROOT / "params.yaml"), ["digits"])["digits"]
    for model, report in reports.items():
        here = Report.read(training_path(ROOT / path_of(find_output(tasks, "report", model)), 0))
        assert report.read_values("metrics") == here.read_values("metrics")
        assert (report.path / "predictions.csv").read_bytes() == (here.path / "predictions.csv").read_bytes()


def test_the_journal_of_containers_is_whole_and_names_kubeflow_s_run_and_the_code(reports, work, server):
    revision = subprocess.check_output(["git", "-C", str(ROOT), "rev-parse", "HEAD"], text=True).strip()
    by_fingerprint = {run.data.tags["graft.fingerprint"]: run for run in runs(server)}
    for model, report in reports.items():
        run = by_fingerprint[report.facts.fingerprint]
        assert run.data.tags["graft.model"] == Classifier.read(work / "classifiers" / model).digest
        assert run.data.tags["git_revision"].startswith(revision)
        assert run.data.tags["kfp_run_id"] == "the-run"
        assert run.data.tags["graft.complete"] == "true"  # figures, tables and the model are there
        assert run.data.metrics["kappa"] == pytest.approx(report.metrics["kappa"], abs=1e-6)


def test_the_page_of_containers_has_the_costs_of_every_model_and_is_in_the_journal(reports, work, server):
    page = Page.read(work / "page")
    costs = page.table("costs.csv").set_index("fingerprint")
    assert [*costs.index] == [report.facts.fingerprint for report in reports.values()]
    assert (costs["gpu_hours"] >= 0).all() and (costs["seconds_training"] > 0).all()
    assert "<html" in (page.path / "comparison.html").read_text()
    revision = subprocess.check_output(["git", "-C", str(ROOT), "rev-parse", "HEAD"], text=True).strip()
    for file in (work / "records").iterdir():
        record = Record.read(file)
        assert record.revisions["git_revision"].startswith(revision)
        assert record.machine and record.versions["python"]


def runs(server: str) -> list[Run]:
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("digits")
    assert experiment
    return list(client.search_runs([experiment.experiment_id]))


@pytest.mark.parametrize("case", FAILURES)
def test_a_step_that_fails_ends_with_status_2_and_one_line(reports, work, case):
    flags, line = FAILURES[case]
    values = {**PARAMETERS["split"], "train": 10, "validation": 10, "test": 10}
    places = {name: f"/mnt/{name}" for name in ("images", "audit", "no/splits", "no/test_split")}
    words = {**values, **{name.removeprefix("no/"): place for name, place in places.items()}}
    given = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    done = container("python", "-m", "components", "split", *given, *flags, folder=work)
    assert done.returncode == 2
    assert next(told for told in done.stderr.splitlines() if told.startswith("error")).startswith(line)
    assert not (work / "no" / "splits").exists()


MARK_STATE = """
import json, sys
import numpy as np
with np.load(sys.argv[1]) as held:
    arrays = dict(held)
summary = json.loads(str(arrays["summary"]))
np.savez(sys.argv[1], **{**arrays, "summary": np.array(json.dumps({**summary, "seconds": 1e6}))})
print(len(summary["rows"]))
"""  # that it took a million seconds so far, which no number follows from; prints the epochs


@pytest.mark.parametrize("name", ["train_benchmark", "fine_tune"])
def test_a_training_killed_in_its_container_goes_on_in_another_to_the_same_numbers(reports, work, name):
    """The other has the shared folder, and nothing that the first wrote elsewhere."""
    undisturbed, shared = work / "classifiers" / MODELS[name], work / "shared" / name
    for folder in (shared, *(work / machine / name for machine in ("first", "second"))):
        folder.mkdir(parents=True)
        folder.chmod(0o777)
    content = recipes.read(ROOT / "params.yaml")
    values = recipes.resolve(recipes.apply_changes(content, "digits", {f"{name}.repeats": 1}), "digits").values[name]
    given = [f"--{key}={value}" for key, value in values.items()]
    given += [f"--{key}=/mnt/{key}" for key in load_step(name).inputs]
    flags = ("-e", "MLFLOW_TRACKING_URI=off", "-e", f"GRAFT_SHARED_FOLDER=/mnt/shared/{name}")

    def words_on(machine: str, *more: str) -> list[str]:
        places = [f"--classifier=/mnt/{machine}/{name}/classifier", f"--record=/mnt/{machine}/{name}/record"]
        step = ("python", "-m", "components", name, "--recipe", "digits", *given, *places)
        return docker_words(*step, folder=work, flags=(*flags, *more))

    with subprocess.Popen(words_on("first", "--name", f"graft-{name}"), stderr=subprocess.DEVNULL) as first:
        while not [*shared.glob("*.resume/training.npz")]:
            assert first.poll() is None
            time.sleep(0.05)
        subprocess.run(["docker", "kill", f"graft-{name}"], check=True, capture_output=True)
    assert first.returncode == 128 + 9 and not (work / "first" / name / "classifier").exists()
    (state,) = shared.glob("*.resume/training.npz")
    epochs = int(said("python", "-c", MARK_STATE, f"/mnt/{state.relative_to(work)}", folder=work))
    assert 1 <= epochs < len(Classifier.read(undisturbed).table("history.csv"))
    second = subprocess.run(words_on("second"), capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    assert digests(work / "second" / name / "classifier") == digests(undisturbed)
    assert Record.read(work / "second" / name / "record").work["training"]["seconds"] > 1e6
    assert not [*shared.iterdir()]


def test_a_step_that_is_out_of_memory_says_so(reports, work):
    sections = [f"--params=/mnt/params.yaml:{part}.extract" for part in ("defaults", "recipes.digits")]
    places = [f"--{key}=/mnt/{key}" for key in ("augmented", "weights", "chosen_precision")]
    made = [f"--{key}=/mnt/no/{key}" for key in ("features", "tensors")]
    done = container(
        "python", "-m", "components", "extract", *sections, *places, *made, folder=work,
        flags=("--memory", "250m", "--memory-swap", "250m"),
    )  # fmt: skip
    assert done.returncode == 128 + 9
    assert "error: ended by SIGKILL" in done.stderr
    assert not (work / "no" / "features").exists()


@pytest.fixture(scope="module")
def local_run(tmp_path_factory, server) -> Path:
    """The folder of the pipeline of `digits`, with a sweep of two arms, in shards, after kfp.local has run it."""
    folder = tmp_path_factory.mktemp("kubeflow")
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["cluster"]["images"] = {"steps": "graft-steps:latest", "fetch": "graft-fetch:latest"}
    content["cluster"] |= {"tracking": server, "shards": SHARDS}
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    short = ("train_benchmark.epochs=3", "train_top.epochs=30", *(f"{name}.repeats=1" for name in MODELS))
    words = [word for change in short for word in ("--set", change)] + ["--sweep", "fine_tune.epochs=1,2"]
    subprocess.run(
        [sys.executable, "-m", "pipeline", "compile", "digits", "--local", *words],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    runner = local.DockerRunner(user=str(os.getuid()), network_mode="host", read_only=True, tmpfs={"/tmp": ""})
    local.init(runner, pipeline_root=str(folder / "root"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that resources have no effect here
        load_component_from_file(str(folder / "kubeflow" / "graft-digits.yaml"))()
    (made,) = (folder / "root").iterdir()
    return made


def numbered(name: str, count: int) -> list[str]:
    """Return the folders of several tasks of one component, as kfp names them."""
    return [name, *(f"{name}-{number}" for number in range(2, count + 1))]


def outputs(run: Path, task: str) -> dict[str, dict]:
    """Return what Kubeflow is told of the artifacts of a task."""
    told = json.loads((run / task / "executor_output.json").read_text())["artifacts"]
    return {name: listed["artifacts"][0] for name, listed in told.items()}


def test_every_task_of_the_compiled_pipeline_tells_kubeflow_of_its_artifacts(local_run):
    assert {path.name for path in local_run.iterdir()} == {
        "fetch", "fetch-weights", "audit", "split", "explore", "draw-exploration", "choose-precision", "forecast",
        "deal", "deal-2", "deal-3", *numbered("audit-shard", SHARDS), *numbered("augment", SHARDS), "join-augment",
        *numbered("extract", SHARDS), "join-extract", *numbered("evaluate-shard", 3 * SHARDS),
        "train-benchmark", "train-top", "fine-tune", "fine-tune-2", "choose-classifier", "evaluate",
        "evaluate-2", "evaluate-3", "compare", "draw-comparison",
    }  # fmt: skip
    for folder in local_run.iterdir():
        if folder.name.startswith("deal"):
            names = {re.sub("_with_1$", "", name) for name in outputs(local_run, folder.name)}
            assert names == {f"shard_{number + 1}" for number in range(SHARDS)}
            continue
        wanted = load_step(re.sub("^join-|(-shard)?(-[0-9]+)?$", "", folder.name).replace("-", "_"))
        told, views = outputs(local_run, folder.name), executor.view_types(wanted.outputs)
        assert set(told) == {*wanted.outputs, *({} if "-shard" in folder.name else views), "record"}
        assert told["record"]["type"]["schemaTitle"] == "system.Artifact"
        assert Record.read(told["record"]["uri"]).step == wanted.name
        for name, kind in wanted.outputs.items():
            assert told[name]["type"]["schemaTitle"] == f"system.{executor.artifact_type(kind)}"
            assert told[name]["metadata"]
            kind.read(told[name]["uri"])
    drawn = local_run / "draw-comparison"
    assert (drawn / "html").read_bytes() == (drawn / "page" / "comparison.html").read_bytes()
    assert "<html" in (drawn / "html").read_text()
    costs = Page.read(drawn / "page").table("costs.csv")
    assert len(costs) == 3 and (costs["gpu_hours"] >= 0).all()


def test_what_shards_make_is_what_dvc_repro_makes_byte_for_byte(local_run):
    tasks = planning.tasks_by_recipe(recipes.read(ROOT / "params.yaml"), ["digits"])["digits"]
    for task, key in (
        ("audit", "audit"), ("join-augment", "augmented"), ("join-extract", "features"), ("join-extract", "tensors"),
    ):  # fmt: skip
        joined = outputs(local_run, task)[key]["uri"]
        assert digests(Path(joined)) == digests(ROOT / path_of(find_output(tasks, key)))


def test_what_kubeflow_is_told_of_leads_to_the_runs_in_mlflow(local_run, server):
    by_model = {run.data.tags["graft.model"]: run for run in runs(server)}
    for task in ("train-benchmark", "train-top", "fine-tune", "fine-tune-2", "choose-classifier"):
        told = outputs(local_run, task)["classifier"]["metadata"]
        run = by_model[told["digest"]]
        page = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?{view.MODE}"
        assert told["mlflow"] == f"{server}/{page}"
        assert run.data.metrics["validation_kappa"] == pytest.approx(told["validation_kappa"], abs=1e-6)
    for number in ("", "-2", "-3"):
        told = outputs(local_run, f"evaluate{number}")
        score, address = told["report"]["metadata"]["kappa"], told["report"]["metadata"]["mlflow"]
        (run,) = [run for run in by_model.values() if address.endswith(f"/{run.info.run_id}?{view.MODE}")]
        assert run.data.metrics["kappa"] == pytest.approx(score, abs=1e-6)
        matrix = [row["row"] for row in told["confusion_matrix"]["metadata"]["confusionMatrix"]["rows"]]
        right = sum(row[number] for number, row in enumerate(matrix))
        assert right / sum(map(sum, matrix)) == pytest.approx(told["report"]["metadata"]["accuracy"])


def test_validation_chooses_an_arm_of_a_sweep_which_alone_is_on_the_page(local_run):
    arms = {
        number: outputs(local_run, task)["classifier"]["metadata"]
        for number, task in ((1, "fine-tune"), (2, "fine-tune-2"))
    }
    ranked = sorted(arms, key=lambda number: arms[number]["validation_log_loss"])
    chosen = Classifier.read(outputs(local_run, "choose-classifier")["classifier"]["uri"])
    assert chosen.digest == arms[ranked[0]]["digest"]
    assert [arm["values"] for arm in chosen.facts.arms] == [{"fine_tune.epochs": number} for number in ranked]
    text = (local_run / "draw-comparison" / "page" / "comparison.txt").read_text()
    assert re.findall(r"^(fine_tuned.*?) +-?[0-9.]+ \[", text, re.M) == ["fine_tuned"]


@pytest.fixture
def bucket() -> Iterator[tuple[str, dict[str, str]]]:
    """The address of an emulator of S3, `moto_server`, with a bucket `collection`, and what signs in there."""
    address = f"http://127.0.0.1:{free_port()}"
    signing = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret-b5f1", "AWS_DEFAULT_REGION": "us-east-1"}
    command = ["moto_server", "-H", "127.0.0.1", "-p", address.rpartition(":")[2]]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as emulator:
        try:
            wait_for(emulator, f"{address}/moto-api/")
            keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret-b5f1", "region_name": "us-east-1"}
            boto3.client("s3", endpoint_url=address, **keys).create_bucket(Bucket="collection")
            yield address, signing
        finally:
            emulator.terminate()


def test_what_dvc_pinned_is_fetched_from_a_bucket(reports, work, bucket):
    address, signing = bucket
    project = work / "project"
    shutil.copytree(work / "images", project / "data" / "images" / "digits")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    for command in (
        "git init -q -b main", "dvc init -q", "dvc config core.analytics false",
        "dvc remote add -q store s3://collection/graft", f"dvc remote modify -q store endpointurl {address}",
        "dvc add -q data/images/digits", "git add -A",
        "git -c user.name=test -c user.email=test@example.org commit -q -m pinned",
    ):  # fmt: skip
        subprocess.run(command.split(), cwd=project, env=environment, check=True)
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=project, text=True).strip()
    signed = tuple(word for name, value in signing.items() for word in ("-e", f"{name}={value}"))
    root = ("--user", "0", "--workdir", "/mnt/project")
    for command in ("dvc push -q -r store", "chown -R 1000:1000 /mnt/project"):
        done = container(*command.split(), image="fetch", network="host", folder=work, flags=(*signed, *root))
        assert done.returncode == 0, done.stderr
    shutil.rmtree(project / ".dvc" / "cache")

    def fetch(*flags: str) -> subprocess.CompletedProcess[str]:
        given = (
            "--data_set",
            "digits",
            "--source",
            f"git+/mnt/project@{commit}#remote=store",
            "--max_quarantined",
            "0",
        )
        command = ("python", "-m", "components", "fetch", *given, "--images", "/mnt/pinned")
        return container(*command, image="fetch", network="host", folder=work, flags=flags)

    refused = fetch()
    assert refused.returncode == 2
    assert "error: cannot get data/images/digits of /mnt/project" in refused.stderr
    done = fetch(*signed)
    assert done.returncode == 0, done.stderr
    assert "b5f1" not in refused.stderr + done.stdout + done.stderr
    pinned = Images.read(work / "pinned")
    assert pinned.digest == Images.read(work / "images").digest
    assert Record.read(work / "pinned.record.json").revisions["dvc_revision"] == commit

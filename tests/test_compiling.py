"""The Kubeflow pipeline: derived from the steps, placed as `cluster:` says; what is wrong is one line."""

import copy
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from components import STEPS, executor, step
from components.errors import UserError
from components.step import ROOT
from pipeline import arranging, cluster, recipes
from pipeline.__main__ import main
from pipeline.kubeflow import compiling, submitting
from tests.kfp_stand_in import StandIn

DIGEST = "sha256:" + 64 * "0"
TYPES = {int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", str: "STRING"}


@pytest.fixture
def content() -> dict:
    """What params.yaml holds, with a cluster filled in and every recipe switched on."""
    held = recipes.read(ROOT / "params.yaml")
    held["cluster"] |= {
        "images": {name: f"registry.example.org/graft-{name}@{DIGEST}" for name in cluster.IMAGES},
        "tracking": "http://mlflow.graft.svc:5000",
        "environment": {"HTTPS_PROXY": "http://proxy:3128"},
        "service_account": "trainer",
        "image_pull_secrets": ["pull"],
        "secrets": {
            "tracking": {"mlflow": {"MLFLOW_TRACKING_USERNAME": "user", "MLFLOW_TRACKING_PASSWORD": "password"}},
            "collection": {"s3": {"AWS_ACCESS_KEY_ID": "id"}, "git-key": "/home/ssh"},
        },
    }
    held["cluster"]["pools"]["gpu"] |= {"node_selector": {"pool": "a100"}, "volumes": {"scratch": "/scratch"}}
    for recipe in held["recipes"]:
        held["active"].setdefault(recipe, {"data": "digits", "weights": "vgg16"})
    return held


def compiled(content: dict, folder: Path, recipe: str = "digits", **options) -> tuple[dict, dict]:
    """Return the pipeline's specification and what Kubernetes is told of each executor, held to their protobufs."""
    file = compiling.write(content, cluster.read(content), recipe, folder, **options)
    spec, platform = yaml.safe_load_all(file.read_text())
    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    placed = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for one in placed.values():
        json_format.ParseDict(one, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    return spec, placed


def tasks(spec: dict) -> dict[str, dict]:
    """Return the tasks by what they are shown as."""
    return {task["taskInfo"]["name"]: task for task in spec["root"]["dag"]["tasks"].values()}


def after(spec: dict, name: str) -> set[str]:
    """Return what a task waits for."""
    every = spec["root"]["dag"]["tasks"]
    return {every[key]["taskInfo"]["name"] for key in tasks(spec)[name].get("dependentTasks", [])}


def executor_of(spec: dict, task: dict) -> tuple[str, dict]:
    label = spec["components"][task["componentRef"]["name"]]["executorLabel"]
    return label, spec["deploymentSpec"]["executors"][label]["container"]


@pytest.mark.parametrize("name", STEPS)
def test_a_component_is_its_step(content, tmp_path, name):
    content["recipes"]["digits"]["vary"] = {"ensemble": "mean"}
    spec, _ = compiled(content, tmp_path)
    wanted = step.load(name)
    task = next(task for shown, task in tasks(spec).items() if shown.split()[0] == name)
    made = spec["components"][task["componentRef"]["name"]]
    inputs, outputs = (made.get(f"{side}Definitions", {}) for side in ("input", "output"))
    numbered = {re.sub("_[0-9]+$", "", key): value for key, value in inputs.get("artifacts", {}).items()}
    for said, kinds in ((numbered, wanted.inputs), (outputs["artifacts"], wanted.outputs)):
        for key, kind in kinds.items():
            assert said[key]["artifactType"]["schemaTitle"] == f"system.{executor.schema(kind)}"
            assert said[key]["description"] == wanted.descriptions[key]
    assert set(outputs["artifacts"]) - set(wanted.outputs) == {*executor.views(wanted.outputs), "record"}
    assert outputs["artifacts"]["record"]["artifactType"]["schemaTitle"] == "system.Artifact"
    assert outputs["artifacts"]["record"]["description"]
    parameters = inputs.get("parameters", {})
    assert {key: said["parameterType"] for key, said in parameters.items()} == {
        key: TYPES[parameter.kind] for key, parameter in wanted.parameters.items()
    }
    for key, said in parameters.items():
        assert said["description"].startswith(wanted.descriptions[key])
    _, container = executor_of(spec, task)
    flags = [word[2:] for word in container["args"] if word.startswith("--")]
    assert container["command"] == ["python", "-m", "components", name]
    assert {*wanted.inputs, *wanted.outputs, *wanted.parameters} <= set(flags)
    record = container["args"][container["args"].index("--record") + 1]
    assert record == "{{$.outputs.artifacts['record'].path}}"


@pytest.mark.parametrize("recipe", recipes.read(ROOT / "params.yaml")["recipes"])
def test_a_recipe_s_values_are_the_pipeline_s_defaults(content, tmp_path, recipe):
    spec, _ = compiled(content, tmp_path, recipe)
    offered = spec["root"]["inputDefinitions"]["parameters"]
    values = {**cluster.sources(content, cluster.read(content), recipe), **recipes.completed(content, recipe)}
    assert {key: said["defaultValue"] for key, said in offered.items()} == {
        f"{name}_{key}": value for name, own in values.items() for key, value in own.items() if name != "average"
    }
    for task in tasks(spec).values():
        for key, given in task.get("inputs", {}).get("parameters", {}).items():
            name = task["taskInfo"]["name"].split()[0]
            assert given == {"componentInputParameter": f"{name}_{key}"}


JUDGED = {"evaluate train_benchmark", "evaluate train_top", "evaluate fine_tune"}


def test_steps_wait_for_what_they_take_and_for_nothing_else(content, tmp_path):
    spec, _ = compiled(content, tmp_path)
    assert {name: after(spec, name) for name in tasks(spec)} == {
        "fetch": set(),
        "fetch_weights": set(),
        "audit": {"fetch"},
        "split": {"fetch", "audit"},
        "augment": {"fetch"},
        "explore": {"fetch", "split", "augment", "fetch_weights"},
        "draw_exploration": {"explore"},
        "choose_precision": {"augment", "fetch_weights"},
        "extract": {"augment", "fetch_weights", "choose_precision"},
        "train_benchmark": {"augment", "split"},
        "train_top": {"extract", "split", "fetch_weights"},
        "fine_tune": {"extract", "split", "train_top", "fetch_weights"},
        **{f"evaluate {name}": {"augment", "split", name} for name in ("train_benchmark", "train_top", "fine_tune")},
        "compare": JUDGED,
        "draw_comparison": {"augment", "extract", "train_benchmark", "train_top", "fine_tune", "compare"} | JUDGED,
    }


ON_GPU = {"augment", "choose_precision", "extract", "train_benchmark", "train_top", "fine_tune", "evaluate"}
JOURNAL = {"train_benchmark", "train_top", "fine_tune", "evaluate", "draw_comparison"}


def test_every_step_is_placed_as_the_cluster_section_says(content, tmp_path):
    spec, placed = compiled(content, tmp_path)
    for shown, task in tasks(spec).items():
        name = shown.split()[0]
        label, container = executor_of(spec, task)
        pool = content["cluster"]["pools"]["gpu" if name in ON_GPU else "cpu"]
        there, resources = placed[label], container["resources"]
        accelerator = resources.get("accelerator", {})
        assert (accelerator.get("resourceType"), accelerator.get("resourceCount")) == (
            ("nvidia.com/gpu", "1") if name in ON_GPU else (None, None)
        )
        assert resources["resourceCpuLimit"] == resources["resourceCpuRequest"] == str(pool["cpu"])
        assert resources["resourceMemoryLimit"] == resources["resourceMemoryRequest"] == pool["memory"]
        assert there["emptyDirMounts"] == [
            {
                "volumeName": "shared-memory", "mountPath": "/dev/shm", "medium": "Memory",
                "sizeLimit": pool["shared_memory"],
            }
        ]  # fmt: skip
        assert there["activeDeadlineSeconds"] == str(pool["hours"] * 3600)
        assert task["retryPolicy"]["maxRetryCount"] == pool["retries"]
        assert there.get("nodeSelector", {}).get("labels", {}) == pool["node_selector"]
        assert there.get("tolerations", []) == pool["tolerations"]
        claims = {mount["constant"]: mount["mountPath"] for mount in there.get("pvcMount", [])}
        assert claims == pool["volumes"]
        assert [secret["secretName"] for secret in there["imagePullSecret"]] == ["pull"]
        environment = {entry["name"]: entry["value"] for entry in container.get("env", [])}
        tracking = {"MLFLOW_TRACKING_URI": "http://mlflow.graft.svc:5000"} if name in JOURNAL else {}
        assert environment == {"HTTPS_PROXY": "http://proxy:3128", **tracking}
        fields = {entry["name"]: entry["fieldPath"] for entry in there.get("fieldPathAsEnv", [])}
        assert fields == ({"KFP_RUN_ID": "metadata.labels['pipeline/runid']"} if name in JOURNAL else {})
        variables = {
            entry["envVar"]: (secret["secretName"], entry["secretKey"])
            for secret in there.get("secretAsEnv", []) for entry in secret["keyToEnv"]
        }  # fmt: skip
        mounted = {secret["secretName"]: secret["mountPath"] for secret in there.get("secretAsVolume", [])}
        if name in JOURNAL:
            assert variables == {
                "MLFLOW_TRACKING_USERNAME": ("mlflow", "user"), "MLFLOW_TRACKING_PASSWORD": ("mlflow", "password"),
            }  # fmt: skip
        elif name in ("fetch", "fetch_weights"):
            assert variables == {"AWS_ACCESS_KEY_ID": ("s3", "id")}
            assert mounted == {"git-key": "/home/ssh"}
        else:
            assert (variables, mounted) == ({}, {})


def test_the_cluster_section_can_move_a_step_to_another_pool(content, tmp_path):
    content["cluster"]["pools"]["big"] = {**content["cluster"]["pools"]["gpu"], "accelerators": 4, "cpu": 0.5}
    content["cluster"]["steps"] |= {"evaluate": "cpu", "fine_tune": "big"}
    spec, _ = compiled(content, tmp_path)
    found = {shown: executor_of(spec, task)[1]["resources"] for shown, task in tasks(spec).items()}
    assert "accelerator" not in found["evaluate fine_tune"]
    assert found["fine_tune"]["accelerator"]["resourceCount"] == "4"
    assert found["fine_tune"]["resourceCpuLimit"] == "0.5"


def test_set_changes_a_default_and_a_sweep_makes_arms_that_share_what_is_before_them(content, tmp_path):
    spec, _ = compiled(
        content, tmp_path, changes={"fine_tune.epochs": "3"}, sweeps={"fine_tune.learning_rate": ["1e-4", "1e-5"]}
    )
    offered = spec["root"]["inputDefinitions"]["parameters"]
    assert offered["fine_tune_epochs"]["defaultValue"] == 3
    assert "fine_tune_learning_rate" not in offered
    arms = [f"fine_tune learning_rate={rate}" for rate in ("0.0001", "1e-05")]
    found = tasks(spec)
    assert [name for name in found if name.startswith("fine_tune")] == arms
    for arm in arms:
        assert after(spec, arm) == {"extract", "split", "train_top", "fetch_weights"}
        assert after(spec, arm.replace("fine_tune", "evaluate fine_tune")) == {"augment", "split", arm}
        rate = found[arm]["inputs"]["parameters"]["learning_rate"]["runtimeValue"]["constant"]
        assert rate == float(arm.partition("=")[2])
    assert len(after(spec, "compare")) == 4
    assert recorded(spec) == {name for name in found if name.split()[0] in arranging.SHOWN}
    assert len(found) == len(tasks(compiled(content, tmp_path)[0])) + 2


def recorded(spec: dict) -> set[str]:
    """Return the tasks whose records the page is drawn with, each taken once, and hold that they are numbered."""
    inputs = tasks(spec)["draw_comparison"]["inputs"]["artifacts"]
    taken = [given["taskOutputArtifact"] for key, given in inputs.items() if key.startswith("records_")]
    assert {key for key in inputs if key.startswith("records_")} == {f"records_{n + 1}" for n in range(len(taken))}
    assert {one["outputArtifactKey"] for one in taken} == {"record"}
    every = spec["root"]["dag"]["tasks"]
    names = [every[one["producerTask"]]["taskInfo"]["name"] for one in taken]
    assert len(names) == len(set(names))
    return set(names)


def test_a_page_is_drawn_from_all_reports_and_from_the_records_of_what_it_shows(content, tmp_path):
    content["recipes"]["digits"]["split"]["folds"] = 2
    content["recipes"]["digits"]["vary"] = {"repeats": 2, "ensemble": "mean", "views": "averaged"}
    rates = ["1e-4", "1e-5"]
    spec, _ = compiled(content, tmp_path, sweeps={"augment.rotation": ["0", "9"], "fine_tune.learning_rate": rates})
    found = tasks(spec)
    assert recorded(spec) == {name for name in found if name.split()[0] in arranging.SHOWN}
    compared, drawn = (found[name]["inputs"]["artifacts"] for name in ("compare", "draw_comparison"))
    reports = {key: given for key, given in drawn.items() if key.startswith("reports_")}
    assert reports == compared and len(reports) == 2 * 2 * 2 * (2 + 2 + 1) * 2
    assert {*drawn} - {*reports} == {"comparison", *(f"records_{n + 1}" for n in range(len(recorded(spec))))}
    arms = ("rotation=0.0", "rotation=9.0")
    for name in ("augment", "choose_precision", "extract"):
        assert [shown for shown in found if shown.split()[0] == name] == [f"{name} {arm}" for arm in arms]
    for name in ("explore", "draw_exploration"):  # of the first fold
        assert [shown for shown in found if shown.split()[0] == name] == [f"{name} fold=0 {arm}" for arm in arms]
    for arm in arms:
        assert after(spec, f"draw_exploration fold=0 {arm}") == {f"explore fold=0 {arm}"}
        assert after(spec, f"choose_precision {arm}") == {f"augment {arm}", "fetch_weights"}
        assert after(spec, f"extract {arm}") == {f"augment {arm}", f"choose_precision {arm}", "fetch_weights"}
    container = executor_of(spec, found["draw_comparison"])[1]
    flags = [word for word in container["args"] if word in ("--records", "--reports", "--record")]
    assert flags == ["--reports"] * len(reports) + ["--records"] * len(recorded(spec)) + ["--record"]


def test_sweeps_of_two_steps_are_combined_and_no_arm_takes_another_s_artifacts(content, tmp_path):
    sweeps = {"extract.unfreeze": ["block4_conv1", "block5_conv1"], "fine_tune.epochs": ["2", "3"]}
    spec, _ = compiled(content, tmp_path, sweeps=sweeps)
    for layer, epochs in itertools.product(*sweeps.values()):
        arm = f"fine_tune unfreeze={layer} epochs={epochs}"
        own = {f"{name} unfreeze={layer}" for name in ("extract", "train_top")}
        assert after(spec, arm) == {"split", "fetch_weights"} | own
    assert len(after(spec, "compare")) == 1 + 2 + 4


def test_folds_repeats_an_ensemble_and_averaged_views_run_side_by_side(content, tmp_path):
    content["recipes"]["digits"]["split"]["folds"] = 2
    content["recipes"]["digits"]["vary"] = {"repeats": 2, "ensemble": "mean", "views": "averaged"}
    spec, _ = compiled(content, tmp_path)
    trial = "fold=1 seed=2"
    assert after(spec, f"fine_tune {trial}") == {"extract", "fetch_weights", "split fold=1", f"train_top {trial}"}
    members = {f"{name} {trial}" for name in ("train_benchmark", "train_top", "fine_tune")}
    assert after(spec, f"average {trial}") == {"augment", "split fold=1"} | members
    judged = f"evaluate average {trial} views=averaged"
    assert after(spec, judged) == {"augment", "split fold=1", f"average {trial}"}
    assert len(after(spec, "compare")) == 2 * 2 * 4 * 2
    names = [name.split()[0] for name in tasks(spec)]
    for name in ("explore", "draw_exploration", "choose_precision", "extract", "compare", "draw_comparison"):
        assert names.count(name) == 1
    values = tasks(spec)[f"train_top {trial}"]["inputs"]["parameters"]
    assert values["seed"]["runtimeValue"]["constant"] == 2


WRONG: dict[str, tuple[dict, list[str], str]] = {  # change of params.yaml, words of the command line, answer
    "no recipe": ({}, ["digit"], "no recipe 'digit'; did you mean 'digits'?"),
    "not switched on": ({}, ["groceries"], "the recipe groceries is not switched on: uncomment its line"),
    "no step": ({}, ["--set", "train.seed=1"], "no step 'train'"),
    "no parameter": ({}, ["--set", "train_top.rate=1"], "no parameter of train_top 'rate'"),
    "wrong type": ({}, ["--set", "train_top.epochs=many"], "train_top: epochs is a whole number; received 'many'"),
    "out of range": ({}, ["--set", "train_top.epochs=0"], "train_top: epochs is 1 or more"),
    "no value": ({}, ["--set", "train_top.epochs"], "STEP.PARAMETER=VALUE is needed"),
    "swept wrongly": ({}, ["--sweep", "fine_tune.epochs=3,x"], "fine_tune: epochs is a whole number"),
    "swept twice": ({}, ["--sweep", "fine_tune.epochs=3,3"], "fine_tune.epochs is swept over 3 twice"),
    "another test split": ({}, ["--sweep", "split.seed=1,2"], "a sweep over split would change the images"),
    "set and swept": (
        {}, ["--set", "fine_tune.epochs=3", "--sweep", "fine_tune.epochs=3,4"], "fine_tune.epochs is set and swept",
    ),
    "no image": ({"images.steps": ""}, [], "no image for steps: `make image` builds it"),
    "a tag": ({"images.fetch": "graft:1"}, [], "the image 'graft:1' for fetch is named by a tag"),
    "no tracking": ({"tracking": ""}, [], "no tracking address"),
    "tracking in a file": ({"tracking": "sqlite:///mlflow.db"}, [], "cluster: tracking is http(s)://HOST:PORT"),
    "a password": ({"tracking": "http://me:secret@mlflow:5000"}, [], "who signs in comes from a secret"),
    "no secret's name": ({"secrets.tracking": {"": {"A": "b"}}}, [], "the name of an object in Kubernetes is"),
    "no key": ({"secrets.tracking": {"mlflow": {}}}, [], "cluster: secrets: tracking: mlflow: give `VARIABLE: KEY`"),
    "no variable": ({"secrets.tracking": {"mlflow": {"A B": "b"}}}, [], "mlflow: the name of a variable is letters"),
    "no text": ({"environment": {"A": 1}}, [], "cluster: environment: A is text; received 1"),
    "no pool": ({"steps.split": "tpu"}, [], "no pool 'tpu'"),
    "no step of the cluster": ({"steps": {}}, [], "cluster: steps in params.yaml lacks fetch, fetch_weights, audit"),
    "a pool's typo": ({"pools.gpu.memmory": "1Gi"}, [], "no setting in cluster: pools: gpu 'memmory'"),
    "no bytes": ({"pools.gpu.memory": "lots"}, [], "cluster: pools: gpu: memory is bytes, such as 8Gi"),
    "a password of git": (
        {"collection": {"repository": "https://me:secret@example.org/x.git", "revision": "HEAD^0", "remote": ""}}, [],
        "an address of git with a user name, password or token in it is not taken",
    ),
    "no revision": (
        {"collection": {"repository": "https://example.org/x.git", "revision": "v99", "remote": ""}}, [],
        "cluster: collection: there is no revision 'v99' in this repository",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("command", ["compile", "submit"])
def test_what_is_wrong_is_one_line_before_anything_is_sent(content, tmp_path, case, command):
    changes, words, line = WRONG[case]
    content["active"] = {"digits": {"data": "digits", "weights": "glyphs"}}
    for path, value in changes.items():
        *parents, last = path.split(".")
        section = content["cluster"]
        for key in parents:
            section = section[key]
        section[last] = value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    named = words if words and not words[0].startswith("-") else ["digits", *words]
    host = ["--host", "http://127.0.0.1:1"] if command == "submit" else []
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", command, *named, *host],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
    assert "secret@" not in done.stderr
    assert not (tmp_path / "kubeflow").exists()


def test_a_data_set_of_this_machine_needs_a_repository_that_the_cluster_reaches(content):
    content["data"]["own"]["mine"] = {"source": "../mine"}
    content["active"]["digits"] = {"data": "mine", "weights": "glyphs"}
    with pytest.raises(UserError, match=r"mine comes from '../mine', which a cluster does not reach: `dvc push` it"):
        cluster.sources(content, cluster.read(content), "digits")


def test_a_repository_s_data_and_weights_come_as_its_revision_pins_them(content, tmp_path):
    commit = subprocess.check_output(["git", "-C", str(ROOT), "rev-parse", "HEAD"], text=True).strip()
    content["cluster"]["collection"] = {"repository": "https://example.org/x.git", "revision": commit, "remote": "s3"}
    found = cluster.sources(content, cluster.read(content), "digits")
    pinned = f"git+https://example.org/x.git@{commit}#"
    assert found["fetch"]["source"] == f"{pinned}remote=s3"
    assert found["fetch_weights"]["source"] == f"{pinned}name=glyphs&remote=s3"
    spec, _ = compiled(content, tmp_path)
    offered = spec["root"]["inputDefinitions"]["parameters"]
    assert "fetch_source" not in offered
    assert offered["fetch_weights_source"]["defaultValue"] == found["fetch_weights"]["source"]
    given = tasks(spec)["fetch"]["inputs"]["parameters"]
    assert given["source"]["runtimeValue"]["constant"] == found["fetch"]["source"]
    assert given["data_set"] == {"componentInputParameter": "fetch_data_set"}
    for shown, task in tasks(spec).items():
        container = executor_of(spec, task)[1]
        environment = {entry["name"]: entry["value"] for entry in container["env"]}
        assert environment["GRAFT_DVC_REVISION"] == commit
        assert container["image"] == content["cluster"]["images"]["fetch" if shown.startswith("fetch") else "steps"]


def test_data_from_elsewhere_than_the_repository_is_of_no_revision(content, tmp_path):
    content["cluster"]["collection"] = {"repository": "https://example.org/x.git", "revision": "HEAD^0", "remote": ""}
    spec, _ = compiled(content, tmp_path, changes={"fetch.source": "published"})
    assert spec["root"]["inputDefinitions"]["parameters"]["fetch_source"]["defaultValue"] == "published"
    for task in tasks(spec).values():
        assert "GRAFT_DVC_REVISION" not in {entry["name"] for entry in executor_of(spec, task)[1]["env"]}


def test_what_a_cluster_fetches_from_a_repository_need_not_be_on_this_machine(content, folder, capsys):
    content["cluster"]["collection"] = {"repository": "https://example.org/x.git", "revision": "HEAD^0", "remote": ""}
    content["weights"]["own"]["glyphs"]["source"] = "/nowhere/glyphs.weights.h5"
    content["active"] = {"digits": {"data": "digits", "weights": "glyphs"}}
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    main(["compile", "digits"])
    assert capsys.readouterr().out == "kubeflow/graft-digits.yaml\n"
    for command in ("check", "plan"):
        with pytest.raises(UserError, match=r"nothing is at '/nowhere/glyphs\.weights\.h5'"):
            main([command])


JUNK: tuple[object, ...] = (None, True, 1, -1.5, "", "x y", "../x", [], [1], {}, {"a": None}, {1: [2]})


def paths(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the way to everything in nested mappings."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield from paths(inner, (*path, key))


def test_whatever_the_cluster_section_holds_it_is_read_or_refused_in_a_line(content):
    for path in paths(content["cluster"]):
        for junk in JUNK:
            changed = copy.deepcopy(content)
            section = changed
            for key in ("cluster", *path)[:-1]:
                section = section[key]
            section[("cluster", *path)[-1]] = junk
            with suppress(UserError):
                assert all(cluster.read(changed).secrets[name] is not None for name in cluster.SECRETS)


def test_the_images_of_a_local_run_may_have_tags(content):
    wanted = copy.deepcopy(content)
    wanted["cluster"]["images"] = {"steps": "graft-steps:latest", "fetch": "graft-fetch:latest"}
    assert cluster.read(wanted, tags=True).images["steps"] == "graft-steps:latest"
    with pytest.raises(UserError, match="is named by a tag"):
        cluster.read(wanted)


def test_a_data_set_that_nobody_can_download_needs_a_repository(content):
    content["active"]["digits"] = {"data": "car_damage", "weights": "glyphs"}
    with pytest.raises(UserError, match="car_damage cannot be downloaded without asking for it: fetch it here"):
        cluster.sources(content, cluster.read(content), "digits")


@pytest.fixture
def server(monkeypatch) -> Iterator[StandIn]:
    monkeypatch.setattr(submitting, "POLL", 0)
    with StandIn().running() as running:
        yield running


@pytest.fixture
def folder(content, tmp_path, monkeypatch) -> Path:
    """A folder with these recipes, in which commands run."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_recipe_is_submitted_and_the_server_takes_its_pipeline(content, folder, server, capsys):
    main(["submit", *content["recipes"], "--host", server.host, "--experiment", "studies"])
    said = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    sent = {run.display_name: run for run in server.runs.values()}
    assert said == {recipe: f"{server.host}/#/runs/details/{sent[recipe].run_id}" for recipe in content["recipes"]}
    assert {run.service_account for run in sent.values()} == {"trainer"}
    assert {experiment.display_name for experiment in server.experiments.values()} == {"studies"}
    assert len(server.specs) == len(content["recipes"])
    for spec, _ in server.specs.values():
        assert len(spec.root.dag.tasks) == 17


@pytest.mark.parametrize(("state", "status"), [("SUCCEEDED", 0), ("FAILED", 1), ("CANCELED", 1)])
def test_with_wait_the_command_ends_as_the_run_does(folder, server, capsys, state, status):
    server.states = ["PENDING", "RUNNING", state]
    words = ["--set", "train_top.epochs=5", "--sweep", "fine_tune.learning_rate=1e-4,1e-5", "--wait"]
    command = ["submit", "digits", "--host", server.host, *words]
    if status:
        with pytest.raises(SystemExit) as end:
            main(command)
        assert end.value.code == status
    else:
        main(command)
    assert capsys.readouterr().out.splitlines()[-1] == f"digits: {state}"
    (run,) = server.runs.values()
    assert run.display_name == "digits train_top.epochs=5 fine_tune.learning_rate=1e-4,1e-5"
    (experiment,) = server.experiments.values()
    assert experiment.display_name == "digits"
    ((spec, _),) = server.specs.values()
    assert len(spec.root.dag.tasks) == 17 + 2


def test_ctrl_c_ends_the_waiting_and_not_the_run(folder, server, capsys, monkeypatch):
    monkeypatch.setattr(submitting, "sleep", interrupt)
    with pytest.raises(SystemExit) as end:
        main(["submit", "digits", "--host", server.host, "--wait"])
    assert end.value.code == 130
    assert "what has been submitted goes on" in capsys.readouterr().err
    assert len(server.runs) == 1


def interrupt(seconds: float) -> None:
    raise KeyboardInterrupt

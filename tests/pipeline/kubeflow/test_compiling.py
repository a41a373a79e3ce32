"""The Kubeflow pipeline: derived from the steps, placed as `cluster:` says; what is wrong is one line."""

import copy
import itertools
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from components import STEPS
from components.machinery import dealing, executor, sharding
from components.machinery.code import ROOT
from components.machinery.signature import load_step
from components.system.errors import UserError
from pipeline import arranging, cluster, recipes
from pipeline.__main__ import main
from pipeline.kubeflow import compiling, sources, submitting
from pipeline.recipes import PROBES
from tests.conftest import FITTING
from tests.pipeline.kubeflow.conftest import filled_in
from tests.pipeline.kubeflow.kfp_stand_in import StandIn

TYPES = {int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", str: "STRING"}


@pytest.fixture
def digits(content) -> dict:
    """The recipe `digits`, to be changed."""
    return content["recipes"]["digits"]


MODELS = ["benchmark", "top", "fine_tuned"]


def use_every_step(recipe: dict) -> None:
    """Let a recipe have an ensemble, and a value to choose."""
    recipe |= {"models": [*MODELS, "neighbours", "logistic", "ensemble"], "vary": {"fine_tune": {"epochs": [2, 3]}}}


def compile_recipe(content: dict, folder: Path, recipe: str = "digits", **options) -> tuple[dict, dict]:
    """Return the pipeline's specification and what Kubernetes is told of each executor, held to their protobufs."""
    file = compiling.write(content, cluster.read(content), recipe, folder, **options)
    spec, platform = yaml.load_all(file.read_text(), yaml.CSafeLoader)
    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    placed = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for one in placed.values():
        json_format.ParseDict(one, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    return spec, placed


def tasks(spec: dict) -> dict[str, dict]:
    """Return the tasks by their names in Kubeflow's UI."""
    return {task["taskInfo"]["name"]: task for task in spec["root"]["dag"]["tasks"].values()}


def needs(spec: dict, name: str) -> set[str]:
    """Return the names of the tasks that a task needs to be done before it."""
    every = spec["root"]["dag"]["tasks"]
    return {every[key]["taskInfo"]["name"] for key in tasks(spec)[name].get("dependentTasks", [])}


def container_of(spec: dict, task: dict) -> tuple[str, dict]:
    """Return the label of a task's executor, and its container."""
    label = spec["components"][task["componentRef"]["name"]]["executorLabel"]
    return label, spec["deploymentSpec"]["executors"][label]["container"]


@pytest.fixture(scope="module")
def every_step(tmp_path_factory) -> dict:
    """A pipeline that has every step; not to be changed."""
    content = filled_in()
    use_every_step(content["recipes"]["digits"])
    return compile_recipe(content, tmp_path_factory.mktemp("every_step"))[0]


@pytest.mark.parametrize("name", [name for name in STEPS if name not in PROBES])
def test_a_component_is_its_step(every_step, name):
    spec, step = every_step, load_step(name)
    task = next(task for shown, task in tasks(spec).items() if shown.split()[0] == name)
    component = spec["components"][task["componentRef"]["name"]]
    inputs, outputs = (component.get(f"{side}Definitions", {}) for side in ("input", "output"))
    numbered = {re.sub("_[0-9]+$", "", key): value for key, value in inputs.get("artifacts", {}).items()}
    for artifacts, kinds in ((numbered, step.inputs), (outputs["artifacts"], step.outputs)):
        for key, kind in kinds.items():
            assert artifacts[key]["artifactType"]["schemaTitle"] == f"system.{executor.artifact_type(kind)}"
            assert artifacts[key]["description"] == step.descriptions[key]
    assert set(outputs["artifacts"]) - set(step.outputs) == {*executor.view_types(step.outputs), "record"}
    assert outputs["artifacts"]["record"]["artifactType"]["schemaTitle"] == "system.Artifact"
    assert outputs["artifacts"]["record"]["description"]
    parameters = inputs.get("parameters", {})
    assert {key: one["parameterType"] for key, one in parameters.items()} == {
        key: TYPES[parameter.kind] for key, parameter in step.parameters.items()
    }
    offered = spec["root"]["inputDefinitions"]["parameters"]
    for key in step.parameters:  # described once, as the pipeline's own
        assert offered.get(f"{name}_{key}", {"description": step.descriptions[key]})["description"].startswith(
            step.descriptions[key]
        )
    _, container = container_of(spec, task)
    flags = [word[2:] for word in container["args"] if word.startswith("--")]
    assert container["command"] == ["python", "-m", "components", name]
    assert {*step.inputs, *step.outputs, *step.parameters} <= set(flags)
    record = container["args"][container["args"].index("--record") + 1]
    assert record == "{{$.outputs.artifacts['record'].path}}"


@pytest.mark.parametrize("recipe", recipes.read(ROOT / "params.yaml")["recipes"])
def test_a_recipe_s_values_are_the_pipeline_s_defaults(content, tmp_path, recipe):
    spec, _ = compile_recipe(content, tmp_path, recipe)
    offered = spec["root"]["inputDefinitions"]["parameters"]
    resolved = recipes.resolve(content, recipe)
    values = dict(resolved.values)
    for name, brought in sources.source_values(content, cluster.read(content), resolved).items():
        (own,) = brought.values()
        values[name] = load_step(name).check_values(own)
    assert {key: one["defaultValue"] for key, one in offered.items()} == {
        f"{name}_{key}": value
        for name, own in values.items()
        for key, value in own.items()
        if name not in ("average", *FITTING)
    }
    for task in tasks(spec).values():
        for key, given in task.get("inputs", {}).get("parameters", {}).items():
            name = task["taskInfo"]["name"].split()[0]
            assert given == {"componentInputParameter": f"{name}_{key}"}


JUDGED = {"evaluate benchmark", "evaluate top glyphs", "evaluate fine_tuned glyphs"}


def test_steps_wait_for_what_they_take_and_for_nothing_else(content, tmp_path):
    spec, _ = compile_recipe(content, tmp_path)
    assert {name: needs(spec, name) for name in tasks(spec)} == {
        "fetch digits": set(),
        "fetch_weights glyphs": set(),
        "audit": {"fetch digits"},
        "split": {"fetch digits", "audit"},
        "augment": {"fetch digits"},
        "explore": {"fetch digits", "split", "augment", "fetch_weights glyphs"},
        "draw_exploration": {"explore"},
        "choose_precision glyphs": {"augment", "fetch_weights glyphs"},
        "extract glyphs": {"augment", "fetch_weights glyphs", "choose_precision glyphs"},
        "forecast glyphs": {"extract glyphs", "split", "audit"},
        "train_benchmark": {"augment", "split"},
        "train_top glyphs": {"extract glyphs", "split", "fetch_weights glyphs"},
        "fine_tune glyphs": {"extract glyphs", "split", "train_top glyphs", "fetch_weights glyphs"},
        "evaluate benchmark": {"augment", "split", "train_benchmark"},
        "evaluate top glyphs": {"augment", "split", "train_top glyphs"},
        "evaluate fine_tuned glyphs": {"augment", "split", "fine_tune glyphs"},
        "compare": JUDGED,
        "draw_comparison": {
            "draw_exploration", "augment", "extract glyphs", "train_benchmark", "train_top glyphs", "fine_tune glyphs",
            "compare", "forecast glyphs", *JUDGED,
        },
    }  # fmt: skip


TRAINING = {"train_benchmark", "train_top", "fine_tune", "average"}
ON_GPU = {"choose_precision", "extract", *FITTING, *TRAINING, "evaluate"}
JOURNAL = {*FITTING, *TRAINING, "choose_classifier", "evaluate", "draw_comparison"}


def test_every_step_is_placed_as_the_cluster_section_says(content, digits, tmp_path):
    use_every_step(digits)
    spec, placed = compile_recipe(content, tmp_path)
    assert {shown.split()[0] for shown in tasks(spec)} == {*STEPS} - {*PROBES}
    for shown, task in tasks(spec).items():
        name = shown.split()[0]
        label, container = container_of(spec, task)
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
        retrying, attempts = task["retryPolicy"], pool["retries"] + 1
        assert (retrying["maxRetryCount"], retrying["backoffDuration"], retrying["backoffFactor"]) == (1, "30s", 1)
        longest = int(retrying["backoffMaxDuration"].removesuffix("s"))  # Argo counts from the first attempt's start
        assert attempts * (pool["hours"] * 3600 + 30) <= longest <= 1.2 * attempts * pool["hours"] * 3600
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
    spec, _ = compile_recipe(content, tmp_path)
    named = {shown: container_of(spec, task)[1]["resources"] for shown, task in tasks(spec).items()}
    assert "accelerator" not in named["evaluate fine_tuned glyphs"]
    assert named["fine_tune glyphs"]["accelerator"]["resourceCount"] == "4"
    assert named["fine_tune glyphs"]["resourceCpuLimit"] == "0.5"
    assert named["extract glyphs"]["accelerator"]["resourceCount"] == "1"


def test_nodes_that_train_together_are_tasks_of_which_the_first_counts(content, tmp_path):
    content["cluster"]["pools"]["gpu"] |= {"nodes": 3, "volumes": {"shared": "/shared"}}
    for folder in ("", "/elsewhere", "/sharedness"):
        content["cluster"]["environment"] = {"GRAFT_SHARED_FOLDER": folder} if folder else {}
        with pytest.raises(UserError, match="pools: gpu: nodes: 3 nodes meet in a folder .*; received '" + folder):
            cluster.read(content)
    content["cluster"]["environment"] = {"GRAFT_SHARED_FOLDER": "/shared/graft"}
    spec, placed = compile_recipe(content, tmp_path)
    names = ["fine_tune glyphs", "fine_tune glyphs node 2", "fine_tune glyphs node 3"]
    assert sorted(name for name in tasks(spec) if name.startswith("fine_tune")) == names
    first, *others = (tasks(spec)[name] for name in names)
    for number, task in enumerate((first, *others)):
        label, container = container_of(spec, task)
        environment = {entry["name"]: entry["value"] for entry in container["env"]}
        assert (environment["GRAFT_NODES"], environment["GRAFT_NODE"]) == ("3", str(number))
        assert (environment["MLFLOW_TRACKING_URI"] == "off") == bool(number)
        fields = {entry["name"]: entry["fieldPath"] for entry in placed[label]["fieldPathAsEnv"]}
        assert fields["GRAFT_NODE_ADDRESS"] == "status.podIP" and "KFP_RUN_ID" in fields
        assert (task["inputs"], task.get("dependentTasks")) == (first["inputs"], first.get("dependentTasks"))
    assert needs(spec, "evaluate fine_tuned glyphs") & {*names} == {names[0]}
    assert not any(needs(spec, name) & {*names[1:]} for name in tasks(spec))


def test_corrections_reach_a_pod_as_a_value_and_too_many_are_refused(content, tmp_path):
    few, many = tmp_path / "few.csv", tmp_path / "many.csv"
    few.write_text("file,decision\n0/0000.bmp,exclude\n")
    many.write_text("file,decision\n" + "".join(f"0/{number:04}.bmp,exclude\n" for number in range(5000)))
    spec, _ = compile_recipe(content, tmp_path, changes={"split.corrections": f"{few}"})
    assert defaults(spec)["split_corrections"] == '[["0/0000.bmp", "exclude"]]'
    with pytest.raises(UserError, match=r"split: corrections has [\d,]+ bytes, and a pod's command takes 100,000"):
        compile_recipe(content, tmp_path, changes={"split.corrections": f"{many}"})


def test_shards_may_be_of_some_steps_alone_and_a_dealing_is_shared_by_as_many(content, tmp_path):
    content["cluster"]["shards"] = {"audit": 2, "augment": 3}
    spec, _ = compile_recipe(content, tmp_path)
    counts = Counter(name.partition(" shard ")[0] for name in tasks(spec) if " shard " in name)
    assert counts == {"audit": 2, "augment": 3}
    deals = {name for name in tasks(spec) if name.startswith("deal ")}
    assert deals == {"deal images for audit", "deal images for augment"}


def test_the_shards_of_a_step_ask_for_no_more_than_they_need(content, tmp_path):
    pools, steps = content["cluster"]["pools"], content["cluster"]["steps"]
    content["cluster"]["shards"] = 2
    pools["large"] = {**pools["cpu"], "memory": "200Gi"}
    steps |= {"audit": "large", "evaluate": "cpu"}
    for shards, memory, on_gpu in (
        ({}, "200Gi", False),
        ({"audit_shard": "cpu", "evaluate_shard": "gpu"}, "8Gi", True),
    ):
        steps |= shards
        spec, _ = compile_recipe(content, tmp_path)
        asked = {shown: container_of(spec, task)[1]["resources"] for shown, task in tasks(spec).items()}
        assert asked["audit"]["resourceMemoryLimit"] == "200Gi" and "accelerator" not in asked["evaluate benchmark"]
        for number in (1, 2):
            assert asked[f"audit shard {number} of 2"]["resourceMemoryLimit"] == memory
            assert ("accelerator" in asked[f"evaluate benchmark shard {number} of 2"]) == on_gpu
    for name in ("augment_shard", "split_shard"):
        steps[name] = "cpu"
        with pytest.raises(UserError, match=f"steps: no step '{name}'"):
            cluster.read(content)
        del steps[name]


def test_steps_that_map_over_images_run_as_shards_of_which_the_joined_is_taken(content, tmp_path):
    alone = {name: needs(one, name) for one in [compile_recipe(content, tmp_path)[0]] for name in tasks(one)}
    content["cluster"]["shards"] = 3
    spec, _ = compile_recipe(content, tmp_path)
    dealt_by = {
        "audit": ("deal images for audit", {"fetch digits"}),
        "augment": ("deal images for audit", {"fetch digits"}),
        "extract": ("deal augmented for extract glyphs", {"augment"}),
        "evaluate": ("deal test_split for evaluate benchmark", {"split", "augment"}),
    }
    mapped = {name: name.split()[0] for name in alone if name.split()[0] in dealing.MAPS_OVER}
    assert len(mapped) == 3 + 3 and {*mapped.values()} == {*dealt_by}
    for name, step in mapped.items():
        (dealt, before), kinds = dealt_by[step], load_step(step)
        shards = [f"{name} shard {number} of 3" for number in (1, 2, 3)]
        assert needs(spec, dealt) == before
        for number, shard in enumerate(shards, start=1):
            whole = {"split"} if step == "evaluate" else set()  # of which it also takes what is not dealt
            assert needs(spec, shard) == alone[name] - before | whole | {dealt}
            keys = {"evaluate": ("test_split", "augmented_1")}.get(step, dealing.MAPS_OVER[step])
            taken = [tasks(spec)[shard]["inputs"]["artifacts"][key]["taskOutputArtifact"] for key in keys]
            names = [dealing.shard_name(place, number) for place in range(len(keys))]
            assert [one["outputArtifactKey"] for one in taken] == names
        completed = step in sharding.COMPLETED
        assert needs(spec, name) == {*shards} | (alone[name] if completed else set())
        on = {shown: container_of(spec, tasks(spec)[shown])[1] for shown in (dealt, *shards, name)}
        computes = step in ("extract", "evaluate")
        assert "accelerator" not in on[dealt]["resources"]
        assert all(("accelerator" in on[shard]["resources"]) == computes for shard in shards)
        assert ("accelerator" in on[name]["resources"]) == (completed and computes)
        assert (on[name]["command"][-1] if completed else on[name]["args"][0]) == step
        assert on[name]["args"].count("--shards") == completed * len({*kinds.outputs, "record"})
        views = executor.view_types(kinds.outputs)
        assert on[name]["args"].count("--view") == len(views) and "--view" not in on[shards[0]]["args"]
    others = {name for name in tasks(spec) if name not in alone}
    assert len(others) == 3 + 3 * len(mapped)
    for name in alone.keys() - mapped:
        assert needs(spec, name) == alone[name]


def test_a_step_that_is_not_named_has_its_pool_by_whether_it_computes_with_keras(content):
    content["cluster"]["steps"] = {"compare": "gpu"}
    on_gpu = {name for name, pool in cluster.read(content).steps.items() if pool == "gpu"}
    assert on_gpu == {"compare", *(name for name in STEPS if load_step(name).uses("keras"))}
    content["cluster"]["pools"]["a100"] = content["cluster"]["pools"].pop("gpu")
    content["cluster"]["steps"] = dict.fromkeys(on_gpu - {"average"}, "a100")
    with pytest.raises(UserError, match=r"steps: average \(not named\): no pool 'gpu'.* \(there are: a100, cpu\)"):
        cluster.read(content)
    content["cluster"]["steps"]["average"] = "a100"
    assert {*cluster.read(content).steps.values()} == {"a100", "cpu"}


def defaults(spec: dict) -> dict[str, object]:
    """Return the pipeline's parameters with their defaults."""
    return {key: one["defaultValue"] for key, one in spec["root"]["inputDefinitions"]["parameters"].items()}


def test_set_changes_any_default(content, tmp_path):
    before = defaults(compile_recipe(content, tmp_path)[0])
    changes = {
        "fetch.max_quarantined": "0", "fetch_weights.stock": "leave", "train_top.l2": "0.1", "explore.samples": "4",
        "training.momentum": "0.8", "fine_tune.epochs": "3",
    }  # fmt: skip
    after = defaults(compile_recipe(content, tmp_path, changes=changes)[0])
    assert {key: value for key, value in after.items() if before[key] != value} == {
        "fetch_max_quarantined": 0, "fetch_weights_stock": "leave", "train_top_l2": 0.1, "explore_samples": 4,
        "train_benchmark_momentum": 0.8, "train_top_momentum": 0.8, "fine_tune_momentum": 0.8, "fine_tune_epochs": 3,
    }  # fmt: skip
    assert after.keys() == before.keys()


def test_of_a_sweep_s_arms_validation_chooses_one_and_what_is_before_them_is_shared(content, tmp_path):
    rates = ["1e-4", "1e-5"]
    spec, _ = compile_recipe(
        content, tmp_path, changes={"fine_tune.epochs": "3"}, sweeps={"fine_tune.learning_rate": rates}
    )  # fmt: skip
    assert defaults(spec)["fine_tune_epochs"] == 3
    assert "fine_tune_learning_rate" not in defaults(spec)
    arms = ["fine_tune glyphs", "fine_tune glyphs fine_tune.learning_rate=1e-05"]  # the first is the recipe's own
    named = tasks(spec)
    assert [name for name in named if name.startswith("fine_tune")] == arms
    for arm, rate in zip(arms, rates, strict=True):
        assert needs(spec, arm) == {"extract glyphs", "split", "train_top glyphs", "fetch_weights glyphs"}
        given = named[arm]["inputs"]["parameters"]["learning_rate"]
        assert given["runtimeValue"]["constant"] == float(rate)
    assert needs(spec, "choose_classifier fine_tuned glyphs") == {*arms}
    assert needs(spec, "evaluate fine_tuned glyphs") == {
        "augment",
        "split",
        "choose_classifier fine_tuned glyphs",
    }
    assert needs(spec, "compare") == JUDGED
    assert tasks_on_page(spec) == {name for name in named if name.split()[0] in arranging.ON_PAGE}
    assert len(named) == len(tasks(compile_recipe(content, tmp_path)[0])) + 2


def test_tasks_that_differ_in_values_alone_have_one_component(content, digits, tmp_path):
    spec, placed = compile_recipe(content, tmp_path, sweeps={"fine_tune.epochs": ["2", "3", "4"]})
    named = tasks(spec)
    used = {shown: task["componentRef"]["name"] for shown, task in named.items()}
    arms = {component for shown, component in used.items() if shown.startswith("fine_tune")}
    judged = {component for shown, component in used.items() if shown.startswith("evaluate")}
    assert (arms, judged) == ({"comp-fine-tune"}, {"comp-evaluate"})
    assert {*used.values()} == {*spec["components"]}
    executors = {component["executorLabel"] for component in spec["components"].values()}
    assert executors == {*spec["deploymentSpec"]["executors"]} == {*placed}
    local, _ = compile_recipe(content, tmp_path, sweeps={"fine_tune.epochs": ["2", "3", "4"]}, local=True)
    apart = [task["componentRef"]["name"] for task in tasks(local).values()]  # by which kfp.local names folders
    assert len({*apart}) == len(apart)
    digits["networks"] = ["glyphs", "random_vgg16_small"]
    content["cluster"]["collection"] = {"repository": "https://example.org/x.git", "revision": "HEAD^0", "remote": ""}
    spec, _ = compile_recipe(content, tmp_path)  # of two images, which only one of the sources needs
    both = {tasks(spec)[f"fetch_weights {network}"]["componentRef"]["name"] for network in digits["networks"]}
    assert len(both) == 2


def test_what_has_one_arm_is_a_parameter_of_the_pipeline(content, digits, tmp_path):
    plain = compile_recipe(content, tmp_path)[0]
    digits["vary"] = {"split": {"fold": [1]}, "evaluate": {"views": ["averaged"]}}
    spec, _ = compile_recipe(content, tmp_path, sweeps={"fine_tune.epochs": ["5"]})
    assert defaults(spec) == defaults(plain) | {
        "split_fold": 1,
        "evaluate_views": "averaged",
        "fine_tune_epochs": 5,
    }
    assert len(tasks(spec)) == len(tasks(plain))


def test_several_networks_are_compared_and_share_what_needs_none(content, digits, tmp_path):
    digits["networks"] = networks = ["glyphs", "random_vgg16_small"]
    spec, _ = compile_recipe(content, tmp_path)
    named = tasks(spec)
    single = {"fetch digits", "audit", "split", "augment", "explore", "draw_exploration", "train_benchmark"}
    single |= {"evaluate benchmark", "compare", "draw_comparison"}
    for network in networks:
        own = {f"{name} {network}" for name in ("fetch_weights", "extract", "train_top")}
        assert needs(spec, f"fine_tune {network}") == {"split", *own}
        assert needs(spec, f"evaluate fine_tuned {network}") == {"augment", "split", f"fine_tune {network}"}
    each = ["fetch_weights", "choose_precision", "extract", "forecast", "train_top", "fine_tune"]
    each += ["evaluate top", "evaluate fine_tuned"]
    assert {*named} == single | {f"{name} {network}" for name in each for network in networks}
    assert len(needs(spec, "compare")) == 1 + 2 * 2
    assert spec["pipelineInfo"]["description"].startswith(
        "Graft, recipe digits: data set digits, networks glyphs, random_vgg16_small; MLflow: "
    )
    weights = {key: value for key, value in defaults(spec).items() if key.startswith("fetch_weights")}
    common = {"fetch_weights_backbone": "vgg16_small", "fetch_weights_pixels": "", "fetch_weights_image_size": 0}
    assert weights == common
    for network, source in zip(networks, ("pretraining/vgg16_small.weights.h5", "random"), strict=True):
        given = named[f"fetch_weights {network}"]["inputs"]["parameters"]["source"]
        assert given["runtimeValue"]["constant"] == source
    for address in ("fetch_weights.source", "fetch_weights.stock"):
        with pytest.raises(UserError, match=f"{address} differs among glyphs, random_vgg16_small: set it in a recipe"):
            compile_recipe(content, tmp_path, changes={address: "leave"})
    content["cluster"]["collection"] = {"repository": "https://example.org/x.git", "revision": "HEAD^0", "remote": ""}
    spec, _ = compile_recipe(content, tmp_path)
    for network, image in zip(networks, ("fetch", "steps"), strict=True):  # the one that its own source needs
        container = container_of(spec, tasks(spec)[f"fetch_weights {network}"])[1]
        assert container["image"] == content["cluster"]["images"][image]


def test_what_changes_the_test_images_has_a_comparison_of_its_own(content, tmp_path):
    spec, _ = compile_recipe(content, tmp_path, sweeps={"split.train": ["30", "60"]})
    for arm in ("", " split.train=60.0"):
        assert needs(spec, f"compare{arm}") == {f"{name}{arm}" for name in JUDGED}
        assert f"compare{arm}" in needs(spec, f"draw_comparison{arm}")
        assert needs(spec, f"evaluate benchmark{arm}") == {"augment", f"split{arm}", f"train_benchmark{arm}"}
    names = [name.split()[0] for name in tasks(spec)]
    assert names.count("extract") == names.count("augment") == 1


def tasks_on_page(spec: dict) -> set[str]:
    """Return the tasks whose records the page is drawn with, each taken once, and hold that they are numbered."""
    inputs = tasks(spec)["draw_comparison"]["inputs"]["artifacts"]
    taken = [given["taskOutputArtifact"] for key, given in inputs.items() if key.startswith("records_")]
    assert {key for key in inputs if key.startswith("records_")} == {f"records_{n + 1}" for n in range(len(taken))}
    assert {one["outputArtifactKey"] for one in taken} == {"record"}
    every = spec["root"]["dag"]["tasks"]
    names = [every[one["producerTask"]]["taskInfo"]["name"] for one in taken]
    assert len(names) == len(set(names))
    return set(names)


def test_a_page_is_drawn_from_all_reports_and_from_the_records_of_what_it_shows(content, digits, tmp_path):
    digits["split"]["folds"] = 2
    digits |= {"models": [*MODELS, "ensemble"], "training": {"repeats": 2}}
    content["cluster"]["trainings"] = "apart"
    digits["vary"] = {"evaluate": {"views": ["plain", "averaged"]}}
    rates = ["1e-4", "1e-5"]
    sweeps = {"augment.rotation": ["0", "9"], "fine_tune.learning_rate": rates}
    spec, _ = compile_recipe(content, tmp_path, sweeps=sweeps, local=True)
    named = tasks(spec)
    assert tasks_on_page(spec) == {name for name in named if name.split()[0] in arranging.ON_PAGE}
    compared, drawn = (named[name]["inputs"]["artifacts"] for name in ("compare", "draw_comparison"))
    reports = {key: given for key, given in drawn.items() if key.startswith("reports_")}
    assert reports == compared and len(reports) == 4 * 2 * 2 * 2  # models, folds, repeats, views
    others = {f"{key}_{number}" for key in ("drawings", "forecasts") for number in (1, 2)}  # for each rotation
    others |= {"comparison", *(f"records_{n + 1}" for n in range(len(tasks_on_page(spec))))}
    assert {*drawn} - {*reports} == others
    arms = ("augment.rotation=0.0", "augment.rotation=9.0")
    per_arm = ("augment", "explore", "draw_exploration", "choose_precision glyphs", "extract glyphs", "forecast glyphs")
    for name in per_arm:
        shown = [shown for shown in named if shown.split()[0] == name.split()[0]]
        assert shown == [f"{name} {arm}" for arm in arms]  # folds and repeats have it in common
    for arm in arms:
        assert needs(spec, f"draw_exploration {arm}") == {f"explore {arm}"}
        assert needs(spec, f"choose_precision glyphs {arm}") == {f"augment {arm}", "fetch_weights glyphs"}
        own = {f"augment {arm}", f"choose_precision glyphs {arm}"}
        assert needs(spec, f"extract glyphs {arm}") == {"fetch_weights glyphs"} | own
    container = container_of(spec, named["draw_comparison"])[1]
    flags = [word for word in container["args"] if word in ("--records", "--reports", "--record")]
    assert flags == ["--reports"] * len(reports) + ["--records"] * len(tasks_on_page(spec)) + ["--record"]


def test_sweeps_of_two_steps_are_combined_and_no_arm_takes_another_s_artifacts(content, tmp_path):
    layers, numbers = {"block4_conv1": "", "block5_conv1": " extract.unfreeze=block5_conv1"}, ["2", "3"]
    spec, _ = compile_recipe(content, tmp_path, sweeps={"extract.unfreeze": [*layers], "fine_tune.epochs": numbers})
    arms = {f"fine_tune glyphs{layer} fine_tune.epochs={number}": layer
            for layer, number in itertools.product(layers.values(), numbers)}  # fmt: skip
    for arm, layer in arms.items():
        own = {f"{name} glyphs{layer}" for name in ("extract", "train_top")}
        assert needs(spec, arm) == {"split", "fetch_weights glyphs"} | own
    assert needs(spec, "choose_classifier fine_tuned glyphs") == {*arms}
    assert needs(spec, "choose_classifier top glyphs") == {f"train_top glyphs{layer}" for layer in layers.values()}
    assert needs(spec, "compare") == JUDGED


def test_folds_repeats_an_ensemble_and_averaged_views_run_side_by_side(content, digits, tmp_path):
    digits["split"]["folds"] = 2
    digits |= {"models": [*MODELS, "ensemble"], "training": {"repeats": 2}}
    content["cluster"]["trainings"] = "apart"
    digits["vary"] = {"evaluate": {"views": ["plain", "averaged"]}}
    spec, _ = compile_recipe(content, tmp_path)
    trial, fold = "split.fold=1 repeat=2", "split split.fold=1"
    own = {f"train_top glyphs {trial}", "extract glyphs", "fetch_weights glyphs"}
    assert needs(spec, f"fine_tune glyphs {trial}") == {fold} | own
    members = {f"{name} {trial}" for name in ("train_benchmark", "train_top glyphs", "fine_tune glyphs")}
    assert needs(spec, f"average {trial}") == {"augment", fold} | members
    judged = f"evaluate ensemble evaluate.views=averaged {trial}"
    assert needs(spec, judged) == {"augment", fold, f"average {trial}"}
    assert len(needs(spec, "compare")) == 2 * 2 * 4 * 2
    names = [name.split()[0] for name in tasks(spec)]
    once = ("explore", "draw_exploration", "choose_precision", "extract", "forecast", "compare", "draw_comparison")
    for name in once:
        assert names.count(name) == 1
    values = tasks(spec)[f"train_top glyphs {trial}"]["inputs"]["parameters"]
    assert values["seed"]["runtimeValue"]["constant"] == 2
    assert {"split_fold", "evaluate_views", *(f"{name}_seed" for name in recipes.TRAINING)}.isdisjoint(defaults(spec))


def test_the_trainings_of_a_way_are_one_task_unless_the_cluster_runs_them_apart(content, digits, tmp_path):
    digits |= {"models": [*MODELS, "ensemble"], "training": {"repeats": 3}}
    spec, _ = compile_recipe(content, tmp_path)
    assert [name.split()[0] for name in tasks(spec)].count("train_top") == 1 and len(needs(spec, "compare")) == 4
    assert {f"{name}_repeats" for name in recipes.TRAINING} <= set(defaults(spec))


def test_trials_choose_each_by_themselves_and_what_they_chose_is_averaged(content, digits, tmp_path):
    digits |= {"models": ["fine_tuned", "top", "ensemble"], "training": {"repeats": 2}}
    content["cluster"]["trainings"] = "apart"
    spec, _ = compile_recipe(content, tmp_path, sweeps={"fine_tune.epochs": ["2", "3"]})
    for trial in ("", " repeat=2"):
        chosen = f"choose_classifier fine_tuned glyphs{trial}"
        assert needs(spec, chosen) == {f"fine_tune glyphs fine_tune.epochs={number}{trial}" for number in (2, 3)}
        assert needs(spec, f"average{trial}") == {"augment", "split", f"train_top glyphs{trial}", chosen}
    assert "train_benchmark" not in tasks(spec)
    assert not [key for key in defaults(spec) if key.startswith("train_benchmark")]


WRONG: dict[str, tuple[dict, list[str], str]] = {  # change of params.yaml, words of the command line, answer
    "no recipe": ({}, ["digit"], "no recipe 'digit'; did you mean 'digits'?"),
    "no step": ({}, ["--set", "train.seed=1"], "no step in the recipe digits 'train'"),
    "no parameter": ({}, ["--set", "train_top.rate=1"], "no parameter of train_top 'rate'"),
    "wrong type": ({}, ["--set", "train_top.epochs=many"], "train_top: epochs is a whole number; received 'many'"),
    "out of range": ({}, ["--set", "train_top.epochs=0"], "train_top: epochs is 1 or more"),
    "no use": ({}, ["--set", "average.batch_size=8"], "is set, but no model of digits needs average"),
    "no value": ({}, ["--set", "train_top.epochs"], "STEP.PARAMETER=VALUE is needed"),
    "swept wrongly": ({}, ["--sweep", "fine_tune.epochs=3,x"], "fine_tune.epochs is a whole number; received 'x'"),
    "swept twice": ({}, ["--sweep", "fine_tune.epochs=3,3"], "vary: fine_tune: epochs has 3 twice"),
    "images swept": ({}, ["--sweep", "fetch.source=a,b"], "vary: no step to vary 'fetch'"),
    "no parameter of fetch": ({}, ["--set", "fetch.sauce=a"], "no parameter of fetch 'sauce'; did you mean 'source'?"),
    "set and swept": (
        {}, ["--set", "fine_tune.epochs=3", "--sweep", "fine_tune.epochs=3,4"], "fine_tune.epochs is set and swept",
    ),
    "no image": ({"images.steps": ""}, [], "cluster: images: steps is an image by its digest, as in registry."),
    "a tag": ({"images.fetch": "graft:1"}, [], "a tag can move unnoticed; received 'graft:1'"),
    "no tracking": ({"tracking": ""}, [], "cluster: tracking is MLflow's address as the cluster reaches it"),
    "tracking in a file": ({"tracking": "sqlite:///mlflow.db"}, [], "http(s)://HOST:PORT, or `off`"),
    "a password": ({"tracking": "http://me:secret@mlflow:5000"}, [], "who signs in comes from a secret"),
    "no secret's name": ({"secrets.tracking": {"": {"A": "b"}}}, [], "a name is that of an object in Kubernetes"),
    "no key": ({"secrets.tracking": {"mlflow": {}}}, [], "cluster: secrets: tracking: mlflow is `VARIABLE: KEY` lines"),
    "no variable": ({"secrets.tracking": {"mlflow": {"A B": "b"}}}, [], "(VARIABLE of letters, digits and _, KEY"),
    "no text": ({"environment": {"A": 1}}, [], "cluster: environment: A is text; received 1; put it in quotes"),
    "no pool": ({"steps.split": "tpu"}, [], "cluster: steps: split: no pool 'tpu'; did you mean 'gpu'?"),
    "no pool's name": ({"steps.split": 1}, [], "cluster: steps: split is text; received 1; put it in quotes"),
    "no step of the cluster": ({"steps.splitt": "cpu"}, [], "cluster: steps: no step 'splitt'; did you mean 'split'"),
    "a pool's typo": ({"pools.gpu.memmory": "1Gi"}, [], "pools: gpu: no setting 'memmory'; did you mean 'memory'"),
    "no bytes": ({"pools.gpu.memory": "lots"}, [], "cluster: pools: gpu: memory is bytes, such as 8Gi"),
    "a password of git": (
        {"collection": {"repository": "https://me:secret@example.org/x.git", "revision": "HEAD^0", "remote": ""}}, [],
        "an address of git must not contain a user name, password or token",
    ),
    "no revision": (
        {"collection": {"repository": "https://example.org/x.git", "revision": "v99", "remote": ""}}, [],
        "cluster: collection: there is no revision 'v99' in this repository",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("command", ["compile", "submit"])
def test_what_is_wrong_is_one_line_before_anything_is_sent(content, tmp_path, monkeypatch, case, command):
    line, words = write_wrong(case, command, content, tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=re.escape(line)) as caught:
        main(words)
    assert "\n" not in str(caught.value) and "secret@" not in str(caught.value)
    assert not (tmp_path / "kubeflow").exists()


def write_wrong(case: str, command: str, content: dict, folder: Path) -> tuple[str, list[str]]:
    """Write a params.yaml with what is wrong in it; return the answer, and the words of the command line."""
    changes, words, line = WRONG[case]
    for path, value in changes.items():
        *parents, last = path.split(".")
        section = content["cluster"]
        for key in parents:
            section = section[key]
        section[last] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    named = words if words and not words[0].startswith("-") else ["digits", *words]
    return line, [command, *named, *(["--host", "http://127.0.0.1:1"] if command == "submit" else [])]


@pytest.mark.parametrize("command", ["compile", "submit"])
def test_the_command_ends_with_2_and_the_line(content, tmp_path, command):
    line, words = write_wrong("a password", command, content, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
    assert "secret@" not in done.stderr
    assert not (tmp_path / "kubeflow").exists()


def test_a_data_set_of_this_machine_needs_a_repository_that_the_cluster_reaches(content, digits, tmp_path):
    content["data"]["own"]["mine"] = {"source": "../mine"}
    digits["data"] = "mine"
    with pytest.raises(UserError, match=r"mine comes from '../mine', which a cluster does not reach: `dvc push` it"):
        compile_recipe(content, tmp_path)


def test_a_repository_s_data_and_weights_come_as_its_revision_pins_them(content, tmp_path):
    commit = subprocess.check_output(["git", "-C", str(ROOT), "rev-parse", "HEAD"], text=True).strip()
    content["cluster"]["collection"] = {"repository": "https://example.org/x.git", "revision": commit, "remote": "s3"}
    pinned = f"git+https://example.org/x.git@{commit}#"
    content["cluster"]["shards"] = 2
    spec, _ = compile_recipe(content, tmp_path)
    assert "fetch_source" not in defaults(spec)
    assert defaults(spec)["fetch_weights_source"] == f"{pinned}name=glyphs&remote=s3"
    given = tasks(spec)["fetch digits"]["inputs"]["parameters"]
    assert given["source"]["runtimeValue"]["constant"] == f"{pinned}remote=s3"
    assert given["data_set"] == {"componentInputParameter": "fetch_data_set"}
    for shown, task in tasks(spec).items():
        container = container_of(spec, task)[1]
        environment = {entry["name"]: entry["value"] for entry in container["env"]}
        assert environment.get("GRAFT_DVC_REVISION") == (None if shown.startswith("deal ") else commit)
        assert container["image"] == content["cluster"]["images"]["fetch" if shown.startswith("fetch") else "steps"]


def test_data_from_elsewhere_than_the_repository_is_of_no_revision(content, tmp_path):
    content["cluster"]["collection"] = {"repository": "https://example.org/x.git", "revision": "HEAD^0", "remote": ""}
    spec, _ = compile_recipe(content, tmp_path, changes={"fetch.source": "published"})
    assert defaults(spec)["fetch_source"] == "published"
    for task in tasks(spec).values():
        assert "GRAFT_DVC_REVISION" not in {entry["name"] for entry in container_of(spec, task)[1]["env"]}


def test_what_a_cluster_fetches_from_a_repository_need_not_be_on_this_machine(content, folder, capsys):
    content["cluster"]["collection"] = {"repository": "https://example.org/x.git", "revision": "HEAD^0", "remote": ""}
    content["weights"]["own"]["glyphs"]["source"] = "/nowhere/glyphs.weights.h5"
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    main(["compile", "digits"])
    assert capsys.readouterr().out == "kubeflow/graft-digits.yaml\n"
    for command in ("check", "arrange", "plan"):
        with pytest.raises(UserError, match=r"no file is at '/nowhere/glyphs\.weights\.h5'"):
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
            changed = {**content, "cluster": copy.deepcopy(content["cluster"])}
            section = changed
            for key in ("cluster", *path)[:-1]:
                section = section[key]
            section[("cluster", *path)[-1]] = junk
            with suppress(UserError):
                assert cluster.read(changed).secrets.tracking is not None


@pytest.mark.parametrize(
    ("address", "value", "message"),
    [
        ("cpu", True, "cpu is a number, from 0.001 to 10000; received True"),
        ("hours", "nan", "hours is a number, from 0.001 to 10000; received 'nan'"),
        ("accelerators", 1.5, "accelerators is a whole number, 0 or more; received 1.5"),
        ("retries", -1, "retries is a whole number, from 0 to 100; received -1"),
        ("memory", 8, "memory is text; received 8; put it in quotes"),
        ("node_selector", {"pool": True}, "node_selector: pool is text; received True; put it in quotes"),
        ("node_selector", {1: "a"}, "node_selector: a name is text; received 1; put it in quotes"),
        ("tolerations", None, r"tolerations is a list of tolerations, \[\] for none; received None"),
        ("tolerations", [{"toleration_seconds": "9"}], "tolerations: 0: toleration_seconds is .*received '9'"),
        ("tolerations", [{"efect": "x"}], "tolerations: 0: no setting 'efect'; did you mean 'effect'"),
        ("volumes", {"scratch": "here"}, "volumes: scratch is an absolute path, without a colon; received 'here'"),
        ("volumes", {"Scratch": "/here"}, "volumes: a name is that of a volume in Kubernetes.*received 'Scratch'"),
        ("accelerator", "a b", "accelerator has to be a resource such as nvidia.com/gpu; received 'a b'"),
    ],
)
def test_a_pool_takes_each_value_as_it_is_written(content, address, value, message):
    content["cluster"]["pools"]["gpu"][address] = value
    with pytest.raises(UserError, match=f"params.yaml: cluster: pools: gpu: .*{message}"):
        cluster.read(content)


def test_numbers_that_yaml_reads_as_text_are_numbers_to_a_pool(content):
    content["cluster"]["pools"]["gpu"] |= {"cpu": "5e-1", "accelerators": 2.0, "volumes": None}
    pool = cluster.read(content).pools["gpu"]
    assert (pool.cpu, pool.accelerators, pool.volumes) == (0.5, 2, {}) and type(pool.accelerators) is int


def test_the_images_of_a_local_run_may_have_tags(content):
    local = copy.deepcopy(content)
    local["cluster"]["images"] = {"steps": "graft-steps:latest", "fetch": "graft-fetch:latest"}
    assert cluster.read(local, tags=True).images.steps == "graft-steps:latest"
    with pytest.raises(UserError, match="a tag can move unnoticed; received 'graft-steps:latest'"):
        cluster.read(local)


def test_a_data_set_that_nobody_can_download_needs_a_repository(content, digits, tmp_path):
    digits["data"] = "car_damage"
    with pytest.raises(UserError, match="car_damage cannot be downloaded without asking for it: fetch it here"):
        compile_recipe(content, tmp_path)


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


def test_those_that_are_switched_on_are_compiled_and_any_other_when_it_is_named(content, folder, capsys):
    assert content["active"] == ["digits"]
    main(["compile"])
    main(["compile", "kth_animals_improved", "groceries"])
    files = ["graft-digits", "graft-kth-animals-improved", "graft-groceries"]
    assert capsys.readouterr().out.splitlines() == [f"kubeflow/{name}.yaml" for name in files]


def test_a_recipe_s_name_becomes_one_that_kubeflow_takes_or_is_refused(content, digits, folder, server, capsys):
    names = ["Digits__at-_Night_", "_", 108 * "d"]
    content["recipes"] |= dict.fromkeys([*names, 109 * "d"], digits)
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    main(["submit", *names, "--host", server.host])
    sent = [pipeline.display_name for pipeline in server.pipelines.values()]
    assert sent == ["graft-digits-at-night", "graft", f"graft-{108 * 'd'}"]
    assert [spec.pipeline_info.name for spec, _ in server.specs.values()] == sent
    for command in (["compile"], ["submit", "--host", server.host]):
        with pytest.raises(UserError, match=r"has 115 letters, and Kubeflow takes 114: rename d+"):
            main([command[0], 109 * "d", *command[1:]])


def test_every_recipe_is_submitted_and_the_server_takes_its_pipeline(content, folder, server, capsys):
    main(["submit", *content["recipes"], "--host", server.host, "--experiment", "studies"])
    said = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    sent = {run.display_name: run for run in server.runs.values()}
    assert said == {recipe: f"{server.host}/#/runs/details/{sent[recipe].run_id}" for recipe in content["recipes"]}
    assert {run.service_account for run in sent.values()} == {"trainer"}
    assert {experiment.display_name for experiment in server.experiments.values()} == {"studies"}
    assert len(server.specs) == len(content["recipes"])
    for spec, _ in server.specs.values():
        assert len(spec.root.dag.tasks) == 18


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
    assert len(spec.root.dag.tasks) == 18 + 2


def test_ctrl_c_ends_the_waiting_and_not_the_run(folder, server, capsys, monkeypatch):
    monkeypatch.setattr(submitting, "sleep", interrupt)
    with pytest.raises(SystemExit) as end:
        main(["submit", "digits", "--host", server.host, "--wait"])
    assert end.value.code == 130
    assert "what has been submitted goes on" in capsys.readouterr().err
    assert len(server.runs) == 1


def interrupt(seconds: float) -> None:
    raise KeyboardInterrupt

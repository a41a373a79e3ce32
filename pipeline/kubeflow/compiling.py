"""Compiles a recipe as a Kubeflow pipeline; components and their descriptions come from the steps' signatures."""

import json
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp import compiler, dsl, kubernetes
from kfp.dsl.graph_component import GraphComponent
from kfp.dsl.pipeline_task import PipelineTask

from components.data.artifacts import Classifier, Page
from components.data.pinned import GIT, PinnedSource
from components.machinery.dealing import MAPS_OVER, shard_name
from components.machinery.sharding import COMPLETED
from components.machinery.signature import load_step
from components.model.nodes import ADDRESS, NODE, NODES, RUN
from components.system.errors import UserError
from pipeline import recipes
from pipeline.arranging import Output, Task, arrange
from pipeline.cluster import MEMORY_FOLDER, SHARED_MEMORY, Cluster
from pipeline.collection import COLLECTION
from pipeline.kubeflow import sizing
from pipeline.kubeflow.containers import (
    Argument,
    dealing_component,
    dealt_inputs,
    joining_component,
    make_component,
    numbered_inputs,
    set_interface,
)
from pipeline.kubeflow.sources import source_values
from pipeline.kubernetes_values import pipeline_name
from pipeline.recipes import Recipe

RUN_ID = "metadata.labels['pipeline/runid']"  # of the pod; a placeholder in its arguments would stay as it is
LONGEST_NAME = 114  # of a pipeline: its version, of 127 at most, has a - and 12 digits of its content more
BACKOFF = 30  # seconds before another attempt
BETWEEN = 600  # seconds that an attempt may wait besides, for a node and for images
COPIES = "split"  # the step in whose pool shards are dealt and joined
Values = Mapping[tuple[str, str], Any]  # by step and parameter


def write(
    content: Mapping[str, Any], cluster: Cluster, recipe: str, folder: Path, changes: Mapping[str, Any] = {},
    sweeps: Mapping[str, Sequence[Any]] = {}, local: bool = False,
) -> Path:  # fmt: skip
    """Compile a recipe to a YAML file in a folder, named as the recipe's `pipeline_name`, and return that path.

    Args:
        content: All of params.yaml.
        cluster: Where it will run.
        recipe: The recipe, whose values are the defaults of the pipeline's parameters.
        folder: Where the file is written.
        changes: Other defaults, by `STEP.PARAMETER`.
        sweeps: Values to try side by side, by `STEP.PARAMETER`; several sweeps are combined.
        local: Whether it is for kfp.local, which has no Argo with its limit of size, and a folder for each component.

    Raises:
        UserError: There is no such recipe, step or parameter, a value is not what it may be, or Argo cannot hold it.
    """
    graph = compile_recipe(content, cluster, recipe, changes, sweeps)
    if not local and (size := sizing.workflow_size(share_components(graph))) > sizing.MOST:
        varied = varied_values(content, recipe, sweeps)
        one_arm = {address: values[:1] for address, values in varied.items()}
        least = sizing.workflow_size(share_components(compile_recipe(content, cluster, recipe, changes, one_arm)))
        raise sizing.too_large(recipe, prod(map(len, varied.values())), size, least)
    file = folder / f"{pipeline_name(recipe)}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(graph, str(file))
    return file


def compile_recipe(
    content: Mapping[str, Any], cluster: Cluster, recipe: str, changes: Mapping[str, Any],
    sweeps: Mapping[str, Sequence[Any]],
) -> GraphComponent:  # fmt: skip
    """Return a recipe, with changes and sweeps, as kfp's pipeline `graft-RECIPE`; write nothing, and check no size.

    Arguments and errors are those of `write`.
    """
    name = pipeline_name(recipe)
    if len(name) > LONGEST_NAME:
        raise UserError(
            f"the pipeline {name} has {len(name)} letters, and Kubeflow takes {LONGEST_NAME}: rename {recipe}"
        )
    fetched = {address: value for address, value in changes.items() if address.partition(".")[0] in COLLECTION}
    others = {address: value for address, value in changes.items() if address not in fetched}
    resolved = recipes.resolve(recipes.apply_changes(content, recipe, others, sweeps), recipe)
    sources = source_values(content, cluster, resolved, fetched)
    tasks = arrange([resolved], sources, cluster.trainings == "apart")[recipe]
    sizing.check_values(tasks)
    for address in others:
        section = address.partition(".")[0]
        if section != recipes.SHARED and section not in {task.step for task in tasks}:
            raise UserError(f"{address} is set, but no model of {recipe} needs {section}")
    shared = shared_values(tasks)
    arguments = {}
    for (step_name, key), value in shared.items():
        step = load_step(step_name)
        arguments[f"{step_name}_{key}"] = Argument(step.parameters[key].kind, step.describe(key), value)

    def pipeline(*channels: Any) -> None:
        add_tasks(tasks, cluster, dict(zip(shared, channels, strict=True)))

    set_interface(pipeline, pipeline_summary(resolved, cluster), arguments)
    return dsl.pipeline(pipeline, name=name)


def varied_values(content: Mapping[str, Any], recipe: str, sweeps: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the values that a recipe varies, and sweeps, by `STEP.PARAMETER`; a sweep takes the place of a recipe's.

    Arguments are as in `write`.
    """
    varied = recipes.resolve(recipes.apply_changes(content, recipe, {}, sweeps), recipe).vary
    return {f"{step}.{key}": values for step, arms in varied.items() for key, values in arms.items()}


def shared_values(tasks: Sequence[Task]) -> Values:
    """Return {(step, parameter): value} of what all tasks of a step have alike: the pipeline's parameters and defaults.

    A pinned source of images is not among them: every task has its revision in the environment.
    """
    several: dict[tuple[str, str], set[Any]] = {}
    for task in tasks:
        for key, value in task.values.items():
            several.setdefault((task.step, key), set()).add(value)
    shared = {address: value for address, (value, *others) in several.items() if not others}
    if shared["fetch", "source"].startswith(GIT):
        del shared["fetch", "source"]
    return shared


def pipeline_summary(recipe: Recipe, cluster: Cluster) -> str:
    """Return the pipeline's description in a line: recipe, data set, networks, and MLflow's address or `no journal`."""
    journal = "no journal" if cluster.tracking == "off" else f"MLflow: {cluster.tracking}"
    uses = f"data set {recipe.data}, {'networks' if recipe.networks[1:] else 'network'} {', '.join(recipe.networks)}"
    return f"Graft, recipe {recipe.name}: {uses}; {journal}"


def add_tasks(tasks: Sequence[Task], cluster: Cluster, parameters: Values) -> None:
    """Add tasks to the pipeline that kfp is compiling.

    Args:
        tasks: The tasks, each after those that it takes something from.
        cluster: Where they will run.
        parameters: The pipeline's parameters; all other values are fixed.
    """
    source = next(task.values["source"] for task in tasks if task.step == "fetch")
    channels: dict[Output, Any] = {}
    dealt: dict[tuple[Any, ...], PipelineTask] = {}
    for task in tasks:
        inputs = {name: channels[one] for name, (_, one) in numbered_inputs(task).items()}
        values = {key: parameters.get((task.step, key), value) for key, value in task.values.items()}
        nodes = cluster.pool_of(task.step).nodes if task.step == "fine_tune" else 1
        if cluster.shards_of(task.step) > 1:
            *runs, last = add_in_shards(task, inputs, values, cluster, dealt)
        else:
            last, *runs = add_nodes(task, inputs, values, cluster, nodes)
        if source.startswith(GIT):
            for run in (*runs, last):
                run.set_env_variable("GRAFT_DVC_REVISION", PinnedSource.parse(source, "", "").revision)
        channels |= {one: last.outputs[key] for key, one in task.outputs.items()}


def add_nodes(
    task: Task, inputs: Mapping[str, Any], values: Mapping[str, Any], cluster: Cluster, nodes: int
) -> list[PipelineTask]:
    """Add a task as one, or as several nodes that train together, and return these; the first one's outputs count.

    Args:
        task: The task.
        inputs: kfp's channel of each input.
        values: The value, or the channel, of each parameter.
        cluster: Where they will run.
        nodes: How many.
    """
    runs = [make_component(task, cluster)(**inputs, **values) for _ in range(nodes)]
    for number, run in enumerate(runs):
        run.set_display_name(display_name(task) + (f" node {number + 1}" if number else ""))
        configure(run, task.step, cluster)
        if nodes > 1:
            make_node(run, number, nodes)
    return runs


def add_in_shards(
    task: Task, inputs: Mapping[str, Any], values: Mapping[str, Any], cluster: Cluster,
    dealt: dict[tuple[Any, ...], PipelineTask],
) -> list[PipelineTask]:  # fmt: skip
    """Add a task as one of its step for each shard, then what joins these; return them, the last with its outputs.

    What deals the shards comes before them, and is not among what is returned: tasks may share it.

    Args:
        task: The task.
        inputs: kfp's channel of each input.
        values: The value, or the channel, of each parameter.
        cluster: Where they will run, in how many shards.
        dealt: What deals, by what it deals; one more is added if there is none for this task.
    """
    count, wholes, title = cluster.shards_of(task.step), dealt_inputs(task), display_name(task)
    numbers = range(1, count + 1)
    multiple = values.get("batch_size", 1)
    key = (*(numbered_inputs(task)[name] for name in wholes), str(multiple), count)
    if key not in dealt:
        channels = {f"whole_{place}": inputs[name] for place, name in enumerate(wholes)}
        dealt[key] = dealing_component(task, cluster)(**channels, multiple=multiple)
        dealt[key].set_display_name(f"deal {MAPS_OVER[task.step][0]} for {title}")
        configure(dealt[key], COPIES, cluster)
    runs = []
    for number in numbers:
        shards = {name: dealt[key].outputs[shard_name(place, number)] for place, name in enumerate(wholes)}
        runs.append(make_component(task, cluster, is_shard=True)(**{**inputs, **shards}, **values))
        runs[-1].set_display_name(f"{title} shard {number} of {count}")
        configure(runs[-1], task.step, cluster, is_shard=True)
    parts = {f"{key}_{number}": runs[number - 1].outputs[key] for key in task.outputs for number in numbers}
    if task.step in COMPLETED:
        last = make_component(task, cluster, shards=count)(**inputs, **values, **parts)
        configure(last, task.step, cluster)
    else:
        last = joining_component(task, cluster)(**parts)
        configure(last, COPIES, cluster)
    return [*runs, last.set_display_name(title)]


def make_node(task: PipelineTask, number: int, nodes: int) -> None:
    """Make a task node `number`, from 0, of the nodes that train together; MLflow is off in all but node 0."""
    task.set_env_variable(NODES, str(nodes)).set_env_variable(NODE, str(number))
    kubernetes.use_field_path_as_env(task, ADDRESS, "status.podIP")
    if number:
        task.set_env_variable("MLFLOW_TRACKING_URI", "off")


def share_components(graph: GraphComponent) -> GraphComponent:
    """Change a pipeline so that tasks that differ in values alone share one component, and return the same pipeline."""
    spec = graph.pipeline_spec
    executors = spec.deployment_spec["executors"]
    settings = graph.platform_spec.platforms["kubernetes"].deployment_spec.executors
    first: dict[str, str] = {}
    for _, task in sorted(spec.root.dag.tasks.items()):
        name = task.component_ref.name
        label = spec.components[name].executor_label
        component = json_format.MessageToDict(spec.components[name]) | {"executorLabel": ""}
        parts = [component, *(json_format.MessageToDict(one) for one in (executors[label], settings[label]))]
        same = first.setdefault(json.dumps(parts, sort_keys=True), name)
        if same != name:
            task.component_ref.name = same
            del spec.components[name], executors[label], settings[label]
    return graph


def display_name(task: Task) -> str:
    """Return a task's name in Kubeflow's UI: step and words, with the model between if it evaluates or chooses one.

    Only a choice and an evaluation have the model in it.
    """
    model = [task.model] if task.step in ("choose_classifier", "evaluate") else []
    return " ".join([task.step, *model, *task.words])


def configure(task: PipelineTask, name: str, cluster: Cluster, is_shard: bool = False) -> None:
    """Give a task what its step's pool says (resources, limits, retries, nodes, volumes), environment and secrets.

    Args:
        task: The task, in the pipeline that kfp is compiling.
        name: Its step.
        cluster: Where it will run.
        is_shard: Whether it has a shard of the images alone.
    """
    step, pool = load_step(name), cluster.pool_of(name, is_shard)
    cores, seconds = f"{pool.cpu:.3f}".rstrip("0").rstrip("."), round(pool.hours * 3600)
    task.set_cpu_request(cores).set_cpu_limit(cores)
    task.set_memory_request(pool.memory).set_memory_limit(pool.memory)
    if pool.accelerators:
        task.set_accelerator_type(pool.accelerator).set_accelerator_limit(pool.accelerators)
    longest = (pool.retries + 1) * (seconds + BETWEEN)  # Argo counts it from the first attempt's start
    task.set_retry(pool.retries, f"{BACKOFF}s", backoff_factor=1, backoff_max_duration=f"{longest}s")
    kubernetes.set_timeout(task, seconds)
    kubernetes.empty_dir_mount(task, SHARED_MEMORY, MEMORY_FOLDER, medium="Memory", size_limit=pool.shared_memory)
    for label, value in pool.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in pool.tolerations:
        kubernetes.add_toleration(task, **toleration.written_values())
    for claim, path in pool.volumes.items():
        kubernetes.mount_pvc(task, claim, path)
    if cluster.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, cluster.image_pull_secrets)
    for variable, value in cluster.environment.items():
        task.set_env_variable(variable, value)
    if {Classifier, Page} & {*step.inputs.values(), *step.outputs.values()}:
        task.set_env_variable("MLFLOW_TRACKING_URI", cluster.tracking)
        kubernetes.use_field_path_as_env(task, RUN, RUN_ID)
        use_secrets(task, cluster.secrets.tracking)
    if name in COLLECTION:
        use_secrets(task, cluster.secrets.collection)


def use_secrets(task: PipelineTask, secrets: Mapping[str, Mapping[str, str] | str]) -> None:
    """Add secrets to a task, by name: mounted where the use is a folder, else as the environment variables it names."""
    for name, use in secrets.items():
        if isinstance(use, str):
            kubernetes.use_secret_as_volume(task, name, use)
        else:
            kubernetes.use_secret_as_env(task, name, {key: variable for variable, key in use.items()})

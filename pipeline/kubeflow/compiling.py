"""Compiles a recipe as a Kubeflow pipeline; components and their descriptions come from the steps' signatures."""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf import json_format
from kfp import compiler, dsl, kubernetes
from kfp.dsl.graph_component import GraphComponent
from kfp.dsl.pipeline_task import PipelineTask

from components.data.artifacts import Classifier, Page
from components.data.pinned import GIT, PinnedSource
from components.machinery import executor
from components.machinery.sharding import MAPS_OVER
from components.machinery.signature import load_step
from components.model.nodes import ADDRESS, NODE, NODES, RUN
from components.system.errors import UserError
from pipeline import recipes
from pipeline.arranging import RECORD, Output, Task, arrange
from pipeline.cluster import MEMORY_FOLDER, SHARED_MEMORY, Cluster
from pipeline.collection import COLLECTION
from pipeline.kubeflow import sizing
from pipeline.kubeflow.sources import source_values
from pipeline.kubernetes_values import pipeline_name
from pipeline.recipes import Recipe

RUN_ID = "metadata.labels['pipeline/runid']"  # of the pod; a placeholder in its arguments would stay as it is
LONGEST_NAME = 114  # of a pipeline: its version, of 127 at most, has a - and 12 digits of its content more
BACKOFF = 30  # seconds before another attempt
BETWEEN = 600  # seconds that an attempt may wait besides, for a node and for images
SHARDING = ["python", "-m", "components.machinery.sharding"]
DEALS, JOINS = "Deal images into shards.", "Join what was made of each shard to what one run would make."
BATCH = "Images of a batch: each shard but the last has a multiple of it."
RECORDS = "What the run took, and what it ran on."
COPIES = "split"  # the step in whose pool shards are dealt and joined
Values = Mapping[tuple[str, str], Any]  # by step and parameter


class Argument(NamedTuple):
    """An argument of a component or of a pipeline: its type, description and default."""

    kind: Any
    description: str = ""
    default: Any = inspect.Parameter.empty


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


def set_interface(function: Any, summary: str, arguments: Mapping[str, Argument]) -> None:
    """Set the signature and the docstring of a function, from which kfp reads an interface.

    Args:
        function: The function.
        summary: First line of the docstring.
        arguments: By name; kfp reads the descriptions of outputs from `Returns`.
    """
    function.__signature__ = inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=one.default, annotation=one.kind)
            for name, one in arguments.items()
        ]
    )
    lines = "\n".join(f"    {name}: {one.description}" for name, one in arguments.items() if one.description)
    function.__doc__ = f"{summary}\n\nArgs:\n{lines}\n\nReturns:\n{lines}"


def add_tasks(tasks: Sequence[Task], cluster: Cluster, parameters: Values) -> None:
    """Add tasks to the pipeline that kfp is compiling.

    Args:
        tasks: The tasks, each after those that it takes something from.
        cluster: Where they will run.
        parameters: The pipeline's parameters; all other values are fixed.
    """
    source = next(task.values["source"] for task in tasks if task.step == "fetch")
    channels: dict[Output, Any] = {}
    for task in tasks:
        inputs = {name: channels[one] for name, (_, one) in numbered_inputs(task).items()}
        values = {key: parameters.get((task.step, key), value) for key, value in task.values.items()}
        if task.step in MAPS_OVER and cluster.shards > 1:
            channels |= add_in_shards(task, inputs, values, cluster)
            continue
        nodes = cluster.pools[cluster.steps[task.step]].nodes if task.step == "fine_tune" else 1
        runs = [make_component(task, cluster)(**inputs, **values) for _ in range(nodes)]
        for number, run in enumerate(runs):
            run.set_display_name(display_name(task) + (f" node {number + 1}" if number else ""))
            configure(run, task.step, cluster)
            if nodes > 1:
                make_node(run, number, nodes)
            if source.startswith(GIT):
                run.set_env_variable("GRAFT_DVC_REVISION", PinnedSource.parse(source, "", "").revision)
        channels |= {one: runs[0].outputs[key] for key, one in task.outputs.items()}


def add_in_shards(
    task: Task, inputs: Mapping[str, Any], values: Mapping[str, Any], cluster: Cluster
) -> dict[Output, Any]:
    """Add a task as several of its step, each on a shard of its images, with one that deals and one that joins them.

    Args:
        task: The task.
        inputs: kfp's channel of each input.
        values: The value, or the channel, of each parameter.
        cluster: Where they will run, in how many shards.

    Returns:
        kfp's channel of each output, joined.
    """
    numbers, mapped = range(1, cluster.shards + 1), MAPS_OVER[task.step]
    batch = values.get("batch_size", 1)
    dealt = dealing_component(task, cluster)(whole=inputs[mapped], multiple=batch)
    dealt.set_display_name(f"deal {mapped} for {display_name(task)}")
    runs = []
    for number in numbers:
        shard = {mapped: dealt.outputs[f"shard_{number}"]}
        runs.append(make_component(task, cluster)(**{**inputs, **shard}, **values))
        runs[-1].set_display_name(f"{display_name(task)} shard {number} of {cluster.shards}")
        configure(runs[-1], task.step, cluster)
    parts = {f"{key}_{number}": runs[number - 1].outputs[key] for key in task.outputs for number in numbers}
    joined = joining_component(task, cluster)(**parts)
    joined.set_display_name(display_name(task))
    for copying in (dealt, joined):
        configure(copying, COPIES, cluster)
    return {one: joined.outputs[key] for key, one in task.outputs.items()}


def dealing_component(task: Task, cluster: Cluster) -> Callable[..., PipelineTask]:
    """Return a Kubeflow component from `whole`, what a task maps over, and `multiple` to `shard_1`, `shard_2`, ..."""
    step, key = load_step(task.step), MAPS_OVER[task.step]
    kind = getattr(dsl, executor.artifact_type(step.inputs[key]))
    shards = [f"shard_{number}" for number in range(1, cluster.shards + 1)]
    arguments = {"whole": Argument(dsl.Input[kind], step.descriptions[key]), "multiple": Argument(int, BATCH)}
    arguments |= {shard: Argument(dsl.Output[kind], "Consecutive images of it.") for shard in shards}

    def words_of(values: Mapping[str, Any]) -> list[Any]:
        words = ["deal", "--whole", values["whole"].path, "--multiple", values["multiple"], "--shards"]
        words += [values[shard].path for shard in shards]
        return [*words, "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]

    return container_component("deal", DEALS, arguments, cluster.images.steps, SHARDING, words_of)


def joining_component(task: Task, cluster: Cluster) -> Callable[..., PipelineTask]:
    """Return a Kubeflow component from a task's outputs of each shard, `KEY_1`, `KEY_2` ..., to its outputs."""
    step, numbers = load_step(task.step), range(1, cluster.shards + 1)
    descriptions = {**step.descriptions, RECORD: RECORDS}
    parts = {key: [f"{key}_{number}" for number in numbers] for key in task.outputs}
    arguments = {
        part: Argument(dsl.Input[kfp_type(one)], descriptions[key])
        for key, one in task.outputs.items()
        for part in parts[key]
    }
    arguments |= {key: Argument(dsl.Output[kfp_type(one)], descriptions[key]) for key, one in task.outputs.items()}

    def words_of(values: Mapping[str, Any]) -> list[Any]:
        words = [task.step]
        for key, several in parts.items():
            words += [f"--{key}", values[key].path, *(values[part].path for part in several)]
        return [*words, "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]

    return container_component(f"join_{task.step}", JOINS, arguments, cluster.images.steps, SHARDING, words_of)


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


def numbered_inputs(task: Task) -> dict[str, tuple[str, Output]]:
    """Return (key, output) by a component's argument: the key, or `KEY_1`, `KEY_2` ... where the step takes several."""
    several = load_step(task.step).several
    return {
        f"{key}_{number}" if key in several else key: (key, one)
        for key, outputs in task.inputs.items() for number, one in enumerate(outputs, start=1)
    }  # fmt: skip


def make_component(task: Task, cluster: Cluster) -> Callable[..., PipelineTask]:
    """Return the kfp component of a task's step, which makes a PipelineTask of inputs (as numbered) and values by name.

    Its image is `fetch` where it needs DVC, else `steps`.
    """
    step, inputs = load_step(task.step), numbered_inputs(task)
    views = executor.view_types(step.outputs)
    descriptions = {**step.descriptions, RECORD: RECORDS}
    arguments = {name: Argument(dsl.Input[kfp_type(one)], descriptions[key]) for name, (key, one) in inputs.items()}
    arguments |= {key: Argument(dsl.Output[kfp_type(one)], descriptions[key]) for key, one in task.outputs.items()}
    arguments |= {key: Argument(dsl.Output[getattr(dsl, schema)]) for key, schema in views.items()}
    arguments |= {key: Argument(one.kind) for key, one in step.parameters.items()}  # the pipeline's own are described
    with_dvc = task.step == "fetch" or str(task.values.get("source", "")).startswith(GIT)
    image = cluster.images.fetch if with_dvc else cluster.images.steps

    def words_of(values: Mapping[str, Any]) -> list[Any]:
        words = ["--recipe", task.recipe] if task.step not in COLLECTION else []
        for name, (key, _) in inputs.items():
            words += [f"--{key}", values[name].path]
        for key in task.outputs:
            words += [f"--{key}", values[key].path]
        for key in step.parameters:
            words += [f"--{key}", values[key]]
        for key in views:
            words += ["--view", key, values[key].path]
        return [*words, "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]

    command = ["python", "-m", "components", task.step]
    return container_component(task.step, step.summary, arguments, image, command, words_of)


def container_component(
    name: str, summary: str, arguments: Mapping[str, Argument], image: str, command: list[str],
    words_of: Callable[[Mapping[str, Any]], list[Any]],
) -> Callable[..., PipelineTask]:  # fmt: skip
    """Return a Kubeflow component that runs a command in an image, with words made of its arguments' placeholders.

    Args:
        name: The component's.
        summary: First line of its description.
        arguments: What it takes and makes.
        image: In which it runs.
        command: Its first words.
        words_of: The words that follow, of kfp's placeholders by the argument's name.
    """

    def container(*placeholders: Any) -> dsl.ContainerSpec:
        words = words_of(dict(zip(arguments, placeholders, strict=True)))
        return dsl.ContainerSpec(image=image, command=command, args=words)

    container.__name__ = name
    set_interface(container, summary, arguments)
    return dsl.container_component(container)


def kfp_type(output: Output) -> Any:
    """Return kfp's class for an output, such as `dsl.Model`; `dsl.Dataset` where a kind has no class of its own."""
    return getattr(dsl, executor.artifact_type(output.kind))


def configure(task: PipelineTask, name: str, cluster: Cluster) -> None:
    """Give a task what its step's pool says (resources, limits, retries, nodes, volumes), environment and secrets.

    Args:
        task: The task, in the pipeline that kfp is compiling.
        name: Its step.
        cluster: Where it will run.
    """
    step, pool = load_step(name), cluster.pools[cluster.steps[name]]
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

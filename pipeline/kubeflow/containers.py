"""Kubeflow components, each a command in a container with its words: a task's step, and what deals and joins shards."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kfp import dsl
from kfp.dsl.pipeline_task import PipelineTask

from components.data.pinned import GIT
from components.machinery import executor
from components.machinery.dealing import MAPS_OVER, shard_name
from components.machinery.sharding import COMPLETED
from components.machinery.signature import load_step
from pipeline.arranging import RECORD, Output, Task
from pipeline.cluster import SHARD_STEPS, Cluster
from pipeline.collection import COLLECTION

SHARDING = ["python", "-m", "components.machinery.sharding"]
DEALS, JOINS = "Deal images into shards.", "Join what was made of each shard to what one run would make."
BATCH = "Images of a batch: each shard but the last has a multiple of it."
RECORDS = "What the run took, and what it ran on."


class Argument(NamedTuple):
    """An argument of a component or of a pipeline: its type, description and default."""

    kind: Any
    description: str = ""
    default: Any = inspect.Parameter.empty


def make_component(
    task: Task, cluster: Cluster, is_shard: bool = False, shards: int = 0
) -> Callable[..., PipelineTask]:
    """Return the kfp component of a task's step, which makes a PipelineTask of inputs (as numbered) and values by name.

    Its image is `fetch` where it needs DVC, else `steps`.

    Args:
        task: The task.
        cluster: Where it will run.
        is_shard: Whether it is run on shards: if the step is then completed, its name is `STEP_shard`, without views.
        shards: How many shards of its outputs it goes on from, which it takes as `KEY_1`, `KEY_2` ...; 0 for none.
    """
    step, inputs = load_step(task.step), numbered_inputs(task)
    begins = is_shard and task.step in COMPLETED
    views = {} if begins else executor.view_types(step.outputs)
    parts = {key: [f"{key}_{number}" for number in range(1, shards + 1)] for key in task.outputs} if shards else {}
    descriptions = {**step.descriptions, RECORD: RECORDS}
    arguments = {name: Argument(dsl.Input[kfp_type(one)], descriptions[key]) for name, (key, one) in inputs.items()}
    for key, several in parts.items():
        arguments |= {part: Argument(dsl.Input[kfp_type(task.outputs[key])], descriptions[key]) for part in several}
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
        for key, several in parts.items():
            words += ["--shards", key, *(values[part].path for part in several)]
        return [*words, "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]

    command = ["python", "-m", "components", task.step]
    name = SHARD_STEPS[task.step] if begins else task.step
    return container_component(name, step.summary, arguments, image, command, words_of)


def dealing_component(task: Task, cluster: Cluster) -> Callable[..., PipelineTask]:
    """Return a Kubeflow component that makes shards, by `shard_name`, of `whole_0` and so on, what a task maps over."""
    step, inputs, numbers = load_step(task.step), numbered_inputs(task), range(1, cluster.shards_of(task.step) + 1)
    arguments = {"multiple": Argument(int, BATCH)}
    words: list[tuple[str, list[str]]] = []  # each whole, and its shards
    for place, (key, one) in enumerate(inputs[name] for name in dealt_inputs(task)):
        shards = [shard_name(place, number) for number in numbers]
        words.append((f"whole_{place}", shards))
        arguments[f"whole_{place}"] = Argument(dsl.Input[kfp_type(one)], step.descriptions[key])
        arguments |= {shard: Argument(dsl.Output[kfp_type(one)], "Some images of it.") for shard in shards}

    def words_of(values: Mapping[str, Any]) -> list[Any]:
        arguments = ["deal", "--multiple", values["multiple"]]
        for whole, shards in words:
            arguments += ["--whole", values[whole].path, "--shards", *(values[shard].path for shard in shards)]
        return [*arguments, "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]

    return container_component("deal", DEALS, arguments, cluster.images.steps, SHARDING, words_of)


def joining_component(task: Task, cluster: Cluster) -> Callable[..., PipelineTask]:
    """Return a Kubeflow component from a task's outputs of each shard, `KEY_1`, `KEY_2` ..., to its outputs."""
    step, numbers = load_step(task.step), range(1, cluster.shards_of(task.step) + 1)
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


def dealt_inputs(task: Task) -> list[str]:
    """Return the inputs of a task, as numbered, that are dealt into shards, the one whose files are counted first."""
    inputs, order = numbered_inputs(task), MAPS_OVER[task.step]
    return sorted((name for name in inputs if inputs[name][0] in order), key=lambda name: order.index(inputs[name][0]))


def numbered_inputs(task: Task) -> dict[str, tuple[str, Output]]:
    """Return (key, output) by a component's argument: the key, or `KEY_1`, `KEY_2` ... where the step takes several."""
    several = load_step(task.step).several
    return {
        f"{key}_{number}" if key in several else key: (key, one)
        for key, outputs in task.inputs.items() for number, one in enumerate(outputs, start=1)
    }  # fmt: skip


def kfp_type(output: Output) -> Any:
    """Return kfp's class for an output, such as `dsl.Model`; `dsl.Dataset` where a kind has no class of its own."""
    return getattr(dsl, executor.artifact_type(output.kind))

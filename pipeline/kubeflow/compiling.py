"""From the steps' signatures to a Kubeflow pipeline: nothing of a step is said a second time here."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kfp import compiler, dsl, kubernetes
from kfp.dsl.pipeline_task import PipelineTask

from components import executor, step
from components.data.artifacts import Classifier, Page
from components.data.pinned import GIT, Pinned
from components.data.records import Record
from components.errors import UserError
from components.step import Step
from pipeline import recipes
from pipeline.arranging import RECORD, Made, Task, arrange
from pipeline.cluster import Cluster, data_source, weights_source
from pipeline.recipes import COLLECTION, Recipe, Values

RUN = "metadata.labels['pipeline/runid']"  # of the pod; a placeholder in its arguments would stay as it is


def write(
    content: Mapping[str, Any], cluster: Cluster, recipe: str, folder: Path, changes: Mapping[str, Any] = {},
    sweeps: Mapping[str, Sequence[Any]] = {},
) -> Path:  # fmt: skip
    """Write the pipeline of a recipe, `graft-RECIPE.yaml`, and return its file.

    Args:
        content: All of params.yaml.
        cluster: Where it will run.
        recipe: The recipe, whose values are the defaults of the pipeline's parameters.
        folder: Where the file is written.
        changes: Other defaults, by `STEP.PARAMETER`.
        sweeps: Values to try side by side, by `STEP.PARAMETER`; several sweeps are combined.

    Raises:
        UserError: There is no such recipe, step or parameter, or a value is not what it may be.
    """
    in_collection = {address: value for address, value in changes.items() if address.split(".")[0] in COLLECTION}
    own = {address: value for address, value in changes.items() if address not in in_collection}
    resolved = recipes.resolve(recipes.changed(content, recipe, own, sweeps), recipe)
    sources = sources_of(content, cluster, resolved, in_collection)
    tasks = arrange([resolved], sources)[recipe]
    first = {"fetch": sources["fetch"][resolved.data], "fetch_weights": sources["fetch_weights"][resolved.networks[0]]}
    values: Values = {name: step.load(name).checked(own) for name, own in {**first, **resolved.values}.items()}
    fixed = {(task.step, parameter) for task in tasks if is_varied(task, resolved) for parameter in task.varied}
    if values["fetch"]["source"].startswith(GIT):  # every task knows its revision
        fixed.add(("fetch", "source"))
    steps = {task.step for task in tasks}

    offered = {
        f"{name}_{parameter}": (name, parameter)
        for name, own in values.items() for parameter in own if name in steps and (name, parameter) not in fixed
    }  # fmt: skip

    def pipeline(*channels: Any) -> None:
        given: dict[str, dict[str, Any]] = {}
        for (name, parameter), channel in zip(offered.values(), channels, strict=True):
            given.setdefault(name, {})[parameter] = channel
        make_tasks(recipe, cluster, given, tasks)

    file = folder / f"graft-{recipe.replace('_', '-').lower()}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    behind = {key: (step.load(name), parameter) for key, (name, parameter) in offered.items()}
    described(
        pipeline,
        title(resolved, cluster),
        {key: wanted.parameters[parameter].kind for key, (wanted, parameter) in behind.items()},
        {key: wanted.described(parameter) for key, (wanted, parameter) in behind.items()},
        {key: values[name][parameter] for key, (name, parameter) in offered.items()},
    )
    compiler.Compiler().compile(dsl.pipeline(pipeline, name=file.stem), str(file))
    return file


def described(
    function: Any, summary: str, kinds: Mapping[str, Any], said: Mapping[str, str], defaults: Mapping[str, Any] = {}
) -> None:
    """Give a function the signature and the docstring from which kfp takes an interface.

    Args:
        function: What is given them.
        summary: The first line.
        kinds: Type of each argument.
        said: What there is to say of each; kfp reads that of what is made from `Returns`.
        defaults: Values of arguments.
    """
    function.__signature__ = inspect.Signature(
        [
            inspect.Parameter(
                key, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=defaults.get(key, inspect.Parameter.empty),
                annotation=kind,
            )
            for key, kind in kinds.items()
        ]
    )  # fmt: skip
    lines = "\n".join(f"    {key}: {text}" for key, text in said.items())
    function.__doc__ = f"{summary}\n\nArgs:\n{lines}\n\nReturns:\n{lines}"


def title(recipe: Recipe, cluster: Cluster) -> str:
    """Return in a line what the pipeline is of, and where its journal is."""
    journal = "no journal" if cluster.tracking == "off" else f"MLflow: {cluster.tracking}"
    uses = f"data set {recipe.data}, {'networks' if recipe.networks[1:] else 'network'} {', '.join(recipe.networks)}"
    return f"Graft, recipe {recipe.name}: {uses}; {journal}"


def sources_of(
    content: Mapping[str, Any], cluster: Cluster, recipe: Recipe, changes: Mapping[str, Any]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the parameters of the steps that bring in what a recipe uses: by step, and by data set or network.

    Args:
        content: All of params.yaml.
        cluster: Where they will run.
        recipe: The recipe.
        changes: Other values, by `STEP.PARAMETER`.

    Raises:
        UserError: Something is not where a cluster could get it, or is changed for several networks at once.
    """
    values = {
        "fetch": {recipe.data: data_source(content, cluster, recipe.data)},
        "fetch_weights": {name: weights_source(content, cluster, name) for name in recipe.networks},
    }
    for address, value in changes.items():
        name, _, parameter = address.partition(".")
        if len(values[name]) > 1:
            raise UserError(f"{address} cannot be set for {len(values[name])} networks at once")
        for own in values[name].values():
            own[parameter] = value
    return values


def is_varied(task: Task, recipe: Recipe) -> bool:
    """Return whether values of a task are set by an axis with several arms; a single network is no choice."""
    return task.step != "fetch_weights" or len(recipe.networks) > 1


def make_tasks(recipe: str, cluster: Cluster, given: Values, tasks: Sequence[Task]) -> None:
    """Make the tasks of a recipe, given the pipeline's parameters, by step and parameter; the rest is fixed."""
    runs: dict[tuple[str, int], Callable[..., PipelineTask]] = {}
    made: dict[Made, Any] = {}
    fetched = next(task.values["source"] for task in tasks if task.step == "fetch")
    for task in tasks:
        wanted = step.load(task.step)
        inputs = {
            f"{key}_{number}" if key in wanted.several else key: one
            for key, taken in task.inputs.items() for number, one in enumerate(taken, start=1)
        }  # fmt: skip
        kind = (task.step, len(inputs))
        if kind not in runs:
            runs[kind] = component(wanted, [*inputs], recipe, cluster, task.values)
        run = runs[kind](
            **{key: made[one] for key, one in inputs.items()}, **{**task.values, **given.get(task.step, {})}
        )
        place(run, task.step, cluster)
        if fetched.startswith(GIT):
            run.set_env_variable("GRAFT_DVC_REVISION", Pinned.read(fetched, "", "").revision)
        run.set_display_name(display_name(task))
        made |= {one: run.outputs[key] for key, one in task.outputs.items()}


def display_name(task: Task) -> str:
    """Return what Kubeflow shows a task as: its step, the model that it judges, and what tells it apart."""
    model = [task.model] if task.step in ("choose_classifier", "evaluate") else []
    return " ".join([task.step, *model, *(task.words if task.step != "fetch" else ())])


def component(
    wanted: Step, inputs: Sequence[str], recipe: str, cluster: Cluster, values: Mapping[str, Any]
) -> Callable[..., PipelineTask]:
    """Return a step as a component of Kubeflow: interface and descriptions are the step's, the container runs it.

    Args:
        wanted: The step.
        inputs: Its input artifacts; those of which it takes several are numbered, `reports_1`.
        recipe: Name under which the results are shown.
        cluster: Which images there are.
        values: The step's parameters, whose source says which image it needs.
    """
    pinned = wanted.name == "fetch" or str(values.get("source", "")).startswith("git+")
    views, flags = executor.views(wanted.outputs), {key: re.sub("_[0-9]+$", "", key) for key in inputs}
    kinds: dict[str, Any] = {}
    for key in inputs:
        kinds[key] = dsl.Input[getattr(dsl, executor.schema(wanted.inputs[flags[key]]))]
    outputs = {**wanted.outputs, RECORD: Record}
    for key, kind in outputs.items():
        kinds[key] = dsl.Output[getattr(dsl, executor.schema(kind))]
    for key, schema in views.items():
        kinds[key] = dsl.Output[getattr(dsl, schema)]
    for key, parameter in wanted.parameters.items():
        kinds[key] = parameter.kind

    def container(*placeholders: Any) -> dsl.ContainerSpec:
        given = dict(zip(kinds, placeholders, strict=True))
        arguments = ["--recipe", recipe] if wanted.name not in COLLECTION else []
        for key in (*inputs, *outputs):
            arguments += [f"--{flags.get(key, key)}", given[key].path]
        for key in wanted.parameters:
            arguments += [f"--{key}", given[key]]
        for key in views:
            arguments += ["--view", key, given[key].path]
        arguments += ["--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]
        command = ["python", "-m", "components", wanted.name]
        return dsl.ContainerSpec(image=cluster.images["fetch" if pinned else "steps"], command=command, args=arguments)

    container.__name__ = wanted.name
    said = {key: wanted.described(flags.get(key, key)) for key in kinds if key not in views and key != RECORD}
    said[RECORD] = "What the run took, and what it ran on."
    described(container, wanted.summary, kinds, said)
    return dsl.container_component(container)


def place(task: PipelineTask, name: str, cluster: Cluster) -> None:
    """Say where a task runs, with what, for how long, and what it is told by its environment."""
    wanted, pool = step.load(name), cluster.pools[cluster.steps[name]]
    task.set_cpu_request(f"{pool.cpu:g}").set_cpu_limit(f"{pool.cpu:g}")
    task.set_memory_request(pool.memory).set_memory_limit(pool.memory)
    if pool.accelerators:
        task.set_accelerator_type(pool.accelerator).set_accelerator_limit(pool.accelerators)
    task.set_retry(pool.retries, backoff_duration="30s")
    kubernetes.set_timeout(task, round(pool.hours * 3600))
    kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", medium="Memory", size_limit=pool.shared_memory)
    for label, value in pool.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in pool.tolerations:
        kubernetes.add_toleration(task, **toleration)
    for claim, path in pool.volumes.items():
        kubernetes.mount_pvc(task, claim, path)
    if cluster.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, cluster.image_pull_secrets)
    for variable, value in cluster.environment.items():
        task.set_env_variable(variable, value)
    if {Classifier, Page} & {*wanted.inputs.values(), *wanted.outputs.values()}:
        task.set_env_variable("MLFLOW_TRACKING_URI", cluster.tracking)
        kubernetes.use_field_path_as_env(task, "KFP_RUN_ID", RUN)
        use_secrets(task, cluster.secrets["tracking"])
    if name in COLLECTION:
        use_secrets(task, cluster.secrets["collection"])


def use_secrets(task: PipelineTask, secrets: Mapping[str, Mapping[str, str] | str]) -> None:
    for name, used in secrets.items():
        if isinstance(used, str):
            kubernetes.use_secret_as_volume(task, name, used)
        else:
            kubernetes.use_secret_as_env(task, name, {key: variable for variable, key in used.items()})

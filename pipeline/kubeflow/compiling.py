"""From the steps' signatures to a Kubeflow pipeline: nothing of a step is said a second time here."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kfp import compiler, dsl, kubernetes
from kfp.dsl.pipeline_task import PipelineTask

from components.data.artifacts import Classifier, Page
from components.data.pinned import GIT, PinnedSource
from components.machinery import executor
from components.machinery.signature import load_step
from components.system.errors import UserError
from pipeline import recipes
from pipeline.arranging import RECORD, Made, Task, arrange
from pipeline.cluster import Cluster, data_source, weights_source
from pipeline.recipes import COLLECTION, Recipe

RUN = "metadata.labels['pipeline/runid']"  # of the pod; a placeholder in its arguments would stay as it is
Values = Mapping[tuple[str, str], Any]  # by step and parameter


class Argument(NamedTuple):
    """An argument of a component or of a pipeline: its type, what there is to say of it, and its default."""

    kind: Any
    text: str = ""
    default: Any = inspect.Parameter.empty


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
    fetched = {address: value for address, value in changes.items() if address.partition(".")[0] in COLLECTION}
    own = {address: value for address, value in changes.items() if address not in fetched}
    resolved = recipes.resolve(recipes.changed(content, recipe, own, sweeps), recipe)
    tasks = arrange([resolved], sources(content, cluster, resolved, fetched), cluster.trainings == "apart")[recipe]
    for address in own:
        name = address.partition(".")[0]
        if name != recipes.SHARED and name not in {task.step for task in tasks}:
            raise UserError(f"{address} is set, but no model of {recipe} needs {name}")
    offered = shared_values(tasks)
    arguments = {}
    for (name, key), value in offered.items():
        wanted = load_step(name)
        arguments[f"{name}_{key}"] = Argument(wanted.parameters[key].kind, wanted.describe(key), value)

    def pipeline(*channels: Any) -> None:
        make_tasks(tasks, cluster, dict(zip(offered, channels, strict=True)))

    describe(pipeline, title(resolved, cluster), arguments)
    file = folder / f"graft-{recipe.replace('_', '-').lower()}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(dsl.pipeline(pipeline, name=file.stem), str(file))
    return file


def sources(
    content: Mapping[str, Any], cluster: Cluster, recipe: Recipe, changes: Mapping[str, Any] = {}
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the parameters of the steps that bring in what a recipe uses: by step, and by data set or network.

    Args:
        content: All of params.yaml.
        cluster: Where they will run.
        recipe: The recipe.
        changes: Other values, by `STEP.PARAMETER`.

    Raises:
        UserError: Something is not where a cluster could get it, or networks that differ in a value would all get one.
    """
    values = {
        "fetch": {recipe.data: data_source(content, cluster, recipe.data)},
        "fetch_weights": {name: weights_source(content, cluster, name) for name in recipe.networks},
    }
    for address, value in changes.items():
        name, _, parameter = address.partition(".")
        if len({own.get(parameter) for own in values[name].values()}) > 1:
            raise UserError(f"{address} differs among {', '.join(values[name])}: set it in a recipe with one of them")
        for own in values[name].values():
            own[parameter] = value
    return values


def shared_values(tasks: Sequence[Task]) -> Values:
    """Return the values that a step has in all its tasks: they are the pipeline's parameters, with their defaults.

    Where images are pinned, their source is none, for every task is told its revision.
    """
    several: dict[tuple[str, str], set[Any]] = {}
    for task in tasks:
        for key, value in task.values.items():
            several.setdefault((task.step, key), set()).add(value)
    shared = {address: value for address, (value, *others) in several.items() if not others}
    if shared["fetch", "source"].startswith(GIT):
        del shared["fetch", "source"]
    return shared


def title(recipe: Recipe, cluster: Cluster) -> str:
    """Return in a line what the pipeline is of, and where its journal is."""
    journal = "no journal" if cluster.tracking == "off" else f"MLflow: {cluster.tracking}"
    uses = f"data set {recipe.data}, {'networks' if recipe.networks[1:] else 'network'} {', '.join(recipe.networks)}"
    return f"Graft, recipe {recipe.name}: {uses}; {journal}"


def describe(function: Any, summary: str, arguments: Mapping[str, Argument]) -> None:
    """Give a function the signature and the docstring from which kfp takes an interface.

    Args:
        function: What is given them.
        summary: The first line.
        arguments: By name; kfp reads what there is to say of outputs from `Returns`.
    """
    function.__signature__ = inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=one.default, annotation=one.kind)
            for name, one in arguments.items()
        ]
    )
    lines = "\n".join(f"    {name}: {one.text}" for name, one in arguments.items() if one.text)
    function.__doc__ = f"{summary}\n\nArgs:\n{lines}\n\nReturns:\n{lines}"


def make_tasks(tasks: Sequence[Task], cluster: Cluster, given: Values) -> None:
    """Make the tasks of a pipeline.

    Args:
        tasks: The tasks, each after those that it takes something from.
        cluster: Where they will run.
        given: The pipeline's parameters; all other values are fixed.
    """
    source = next(task.values["source"] for task in tasks if task.step == "fetch")
    made: dict[Made, Any] = {}
    for task in tasks:
        inputs = {name: made[one] for name, (_, one) in numbered_inputs(task).items()}
        values = {key: given.get((task.step, key), value) for key, value in task.values.items()}
        run = component(task, cluster)(**inputs, **values)
        run.set_display_name(display_name(task))
        configure(run, task.step, cluster)
        if source.startswith(GIT):
            run.set_env_variable("GRAFT_DVC_REVISION", PinnedSource.parse(source, "", "").revision)
        made |= {one: run.outputs[key] for key, one in task.outputs.items()}


def display_name(task: Task) -> str:
    """Return what Kubeflow shows a task as: its step, the model that it chooses or judges, and what tells it apart."""
    model = [task.model] if task.step in ("choose_classifier", "evaluate") else []
    return " ".join([task.step, *model, *task.words])


def numbered_inputs(task: Task) -> dict[str, tuple[str, Made]]:
    """Return what a task takes, with the step's word for it, by a component's argument: of several `reports_1`, ..."""
    several = load_step(task.step).several
    return {
        f"{key}_{number}" if key in several else key: (key, one)
        for key, taken in task.inputs.items() for number, one in enumerate(taken, start=1)
    }  # fmt: skip


def component(task: Task, cluster: Cluster) -> Callable[..., PipelineTask]:
    """Return a task's step as a component of Kubeflow: the interface and its descriptions are the step's."""
    wanted, inputs = load_step(task.step), numbered_inputs(task)
    views = executor.view_types(wanted.outputs)
    said = {**wanted.descriptions, RECORD: "What the run took, and what it ran on."}
    arguments = {name: Argument(dsl.Input[kind_of(one)], said[key]) for name, (key, one) in inputs.items()}
    arguments |= {key: Argument(dsl.Output[kind_of(one)], said[key]) for key, one in task.outputs.items()}
    arguments |= {key: Argument(dsl.Output[getattr(dsl, schema)]) for key, schema in views.items()}
    arguments |= {key: Argument(one.kind, wanted.describe(key)) for key, one in wanted.parameters.items()}
    with_dvc = task.step == "fetch" or str(task.values.get("source", "")).startswith(GIT)

    def container(*placeholders: Any) -> dsl.ContainerSpec:
        given = dict(zip(arguments, placeholders, strict=True))
        words = ["--recipe", task.recipe] if task.step not in COLLECTION else []
        for name, (key, _) in inputs.items():
            words += [f"--{key}", given[name].path]
        for key in task.outputs:
            words += [f"--{key}", given[key].path]
        for key in wanted.parameters:
            words += [f"--{key}", given[key]]
        for key in views:
            words += ["--view", key, given[key].path]
        words += ["--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]
        command = ["python", "-m", "components", task.step]
        return dsl.ContainerSpec(image=cluster.images["fetch" if with_dvc else "steps"], command=command, args=words)

    container.__name__ = task.step
    describe(container, wanted.summary, arguments)
    return dsl.container_component(container)


def kind_of(made: Made) -> Any:
    """Return the class of kfp's that an artifact has."""
    return getattr(dsl, executor.artifact_type(made.kind))


def configure(task: PipelineTask, name: str, cluster: Cluster) -> None:
    """Say where a task runs, with what, for how long, and what it is told by its environment."""
    wanted, pool = load_step(name), cluster.pools[cluster.steps[name]]
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

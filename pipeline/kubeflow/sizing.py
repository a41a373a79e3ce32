"""How much of Argo a pipeline takes: a workflow and its state are one object of Kubernetes, of limited size."""

import json
from collections.abc import Sequence

from google.protobuf import json_format
from kfp.dsl.graph_component import GraphComponent

from components.system.errors import UserError
from pipeline.arranging import Task

MOST = 1024 * 1024  # bytes; Argo's MAX_WORKFLOW_SIZE, unless its controller sets another
MOST_VALUE = 100_000  # bytes of a value in JSON: a pod gets all of them in one word, of which Linux takes 131,071
FRAME, CALLS = 15_000, 1_800  # bytes of a workflow without tasks, and of the two calls for each task
STATE, STATE_OF_INPUT = 6_500, 400  # bytes, compressed, of a task that is done, and of each artifact that it has taken


def workflow_size(graph: GraphComponent) -> int:
    """Return about how many bytes Argo holds for a compiled pipeline when all of its tasks are done, rather too many.

    Argo compresses the state alone. Six nodes of it have a task's component and pod.

    Source: workflow/packer of github.com/argoproj/argo-workflows 4.0.5, and backend/src/v2/compiler/argocompiler of
    github.com/kubeflow/pipelines 2.17, to whose workflows of `digits` with 1 to 90 arms the constants are fitted.
    """
    spec = json_format.MessageToDict(graph.pipeline_spec)
    settings = json_format.MessageToDict(graph.platform_spec)["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    tasks = spec["root"]["dag"]["tasks"].values()
    parts = [spec["root"], *spec["components"].values(), *spec["deploymentSpec"]["executors"].values()]
    texts = sum(
        len(json.dumps(json.dumps(part, separators=(",", ":")))) for part in (*parts, *settings.values(), *tasks)
    )
    inputs = sum(len(task.get("inputs", {}).get("artifacts", {})) for task in tasks)
    return texts + FRAME + (CALLS + STATE) * len(tasks) + STATE_OF_INPUT * inputs


def check_values(tasks: Sequence[Task]) -> None:
    """Check that no value of a task is too long for a command in a pod, as a long list of corrections may be.

    Raises:
        UserError: One is.
    """
    for task in tasks:
        for key, value in task.values.items():
            if (size := len(json.dumps(value))) > MOST_VALUE:
                raise UserError(
                    f"{task.step}: {key} has {size:,} bytes, and a pod's command takes {MOST_VALUE:,}: shorten it; "
                    "without a cluster, `dvc repro` takes any length"
                )


def too_large(recipe: str, arms: int, size: int, least: int) -> UserError:
    """Return, not raise, the error for a pipeline that Argo cannot hold, with about how many arms fit, if one does.

    Args:
        recipe: Its recipe.
        arms: How many it has.
        size: Its bytes, more than MOST.
        least: Those that it has with one arm.
    """
    held = f"about {size / 1e6:.1f} MB to Argo when all is done, and Argo holds {MOST / 1e6:.1f} MB"
    if least > MOST or arms == 1:
        return UserError(f"{recipe} is {held}: take fewer folds, networks, models or shards, or `trainings: together`")
    fit = 1 + int((MOST - least) / (size - least) * (arms - 1))
    return UserError(f"{recipe} with {arms} arms is {held}; about {fit} arms fit: vary less, or in several runs")

"""Commands on a Kubeflow cluster: writing pipelines and submitting them."""

import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pipeline import recipes
from pipeline.commands.words import Assignment, Folder, Name, Recipe, Sweep, read_assignments, read_sweeps

if TYPE_CHECKING:
    import kfp

    from pipeline.kubeflow.submitting import Run


def compile(
    recipe: Sequence[Recipe] = (), *,
    set: Sequence[Assignment] = (), sweep: Sequence[Sweep] = (), out: Folder = Path("kubeflow"), local: bool = False,
) -> None:  # fmt: skip
    """Write recipes, the active ones by default, as Kubeflow pipelines in YAML.

    Args:
        recipe: Recipes of params.yaml; if none is given, the active ones.
        set: Another value than the recipe's; may be given several times.
        sweep: Values to train with side by side; given several times, all combinations are trained.
        out: Folder for the files.
        local: For kfp.local: an image may be named by its tag, and there is no limit of size.
    """
    for file in write_pipelines(recipe, set, sweep, out, local).values():
        print(file)


def write_pipelines(
    names: Sequence[str], assignments: Sequence[str], sweeps: Sequence[str], folder: Path, local: bool = False
) -> dict[str, Path]:
    """Write each recipe's Kubeflow pipeline as YAML into a folder; return the file's path by the recipe's name.

    Args:
        names: The recipes; if empty, the active ones.
        assignments: Values in place of the recipes', `STEP.PARAMETER=VALUE`.
        sweeps: Values to train with side by side, `STEP.PARAMETER=VALUE,...`.
        folder: Where the files go.
        local: Whether they are for kfp.local.
    """
    content = recipes.read()
    recipes.check(content)
    values, arms = read_assignments(assignments), read_sweeps(sweeps)
    from pipeline import cluster
    from pipeline.kubeflow import compiling

    settings = cluster.read(content, local)
    names = names or content["active"]
    return {name: compiling.write(content, settings, name, folder, values, arms, local) for name in names}


def submit(
    recipe: Sequence[Recipe], *,
    host: Annotated[str, "URL"], set: Sequence[Assignment] = (), sweep: Sequence[Sweep] = (),
    experiment: Name = "", namespace: Name = "", wait: bool = False,
) -> None:  # fmt: skip
    """Run recipes on a Kubeflow cluster.

    Args:
        recipe: Recipes of params.yaml.
        host: Address of Kubeflow Pipelines.
        set: Another value than the recipe's; may be given several times.
        sweep: Values to train with side by side; given several times, all combinations are trained.
        experiment: Experiment in Kubeflow; if not given, the name of the data set.
        namespace: Namespace of your profile, where Kubeflow has profiles.
        wait: Wait until the runs end; the exit status is 1 if one failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = write_pipelines(recipe, set, sweep, Path(folder))
        from pipeline.kubeflow import submitting

        client = submitting.connect(host, namespace)
        runs = start_runs(client, files, [*set, *sweep], experiment)
    if wait:
        wait_for_runs(client, runs)


def start_runs(
    client: "kfp.Client", files: Mapping[str, Path], changes: Sequence[str], experiment: str
) -> "dict[str, Run]":
    """Start compiled pipelines, titled by recipe and changes, print each run's address; return the runs by recipe.

    Args:
        client: The cluster, as `submitting.connect` returns it.
        files: The pipeline of each recipe.
        changes: In what they differ from the recipes, for the titles of the runs.
        experiment: Experiment in Kubeflow; if empty, the name of the data set.
    """
    from pipeline.kubeflow import submitting

    content, runs = recipes.read(), {}
    account = content["cluster"]["service_account"]
    for name, file in files.items():
        title = textwrap.shorten(" ".join([name, *changes]), 128, placeholder=" ...")
        data_set = recipes.resolve(content, name).data
        runs[name] = submitting.submit(client, file, file.stem, title, experiment or data_set, account)
        print(f"{name}: {runs[name].address}", flush=True)
    return runs


def wait_for_runs(client: "kfp.Client", runs: "Mapping[str, Run]") -> None:
    """Wait until all runs have ended, and print each state; exit with 1 unless all SUCCEEDED, with 130 at Ctrl-C."""
    from pipeline.kubeflow import submitting

    try:
        states = {name: submitting.wait(client, run) for name, run in runs.items()}
    except KeyboardInterrupt:
        print("stopped waiting: what has been submitted goes on", file=sys.stderr)
        raise SystemExit(130) from None
    for name, state in states.items():
        print(f"{name}: {state}")
    if any(state != "SUCCEEDED" for state in states.values()):
        raise SystemExit(1)

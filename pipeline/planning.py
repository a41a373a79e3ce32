"""Writes and reads the plan: for each stage of DVC its step, values, paths, and the digest of the code behind it.

The plan is a folder with a file for each stage. A stage depends on its file, not on files of code.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.data.content import file_sha256, sha256
from components.machinery import code
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.machinery.transaction import empty_folder, lock_folder, staging_path
from components.system.errors import UserError, unknown_name
from components.system.hardware import machine_type
from components.system.processes import run_in_child
from pipeline import recipes
from pipeline.arranging import RECORD, Task, arrange
from pipeline.collection import COLLECTION, fetch_values, weights_values
from pipeline.places import path_of, paths_of, stage_name

PLAN = Path("plan")
PROMISES = Path("plan.promises.json")  # what `graft check --cost` said, by the digest of `promise_digest`
PARAMS_DIGEST = "params.sha256"  # the digest of the params.yaml that the plan is of


@dataclass(frozen=True)
class Entry:
    """The plan of one stage.

    Args:
        step: The step.
        values: Its parameters, checked.
        artifacts: Paths of every input and output.
        record: File for the record of the run.
        recipe: Name under which the results are shown.
        code: Digest of the code behind the step's numbers.
        versions: Of the packages that compute in it, as locked.
    """

    step: str
    values: Mapping[str, Any]
    artifacts: Mapping[str, list[str]]
    record: str
    recipe: str
    code: str
    versions: Mapping[str, str]

    @classmethod
    def of(cls, task: Task) -> "Entry":
        """Return the plan of a task's stage, with the digest of the code as it is now; without recipe if it fetches."""
        name, recipe = task.step, "" if task.step in COLLECTION else task.recipe
        paths = {key: [str(path) for path in several] for key, several in paths_of(task).items()}
        record = str(path_of(task.outputs[RECORD]))
        return cls(name, task.values, paths, record, recipe, code.code_digest(name), code.computing_versions(name))


def tasks_by_recipe(content: Mapping[str, Any], names: Iterable[str]) -> dict[str, list[Task]]:
    """Return each of these recipes' tasks by its name, inputs first, with sources as params.yaml declares them.

    All recipes are arranged, so that the paths of a task do not depend on which recipes are switched on.
    """
    resolved = [recipes.resolve(content, name) for name in content["recipes"]]
    sources = {
        "fetch": {one.data: fetch_values(content, one.data) for one in resolved},
        "fetch_weights": {name: weights_values(content, name) for one in resolved for name in one.networks},
    }
    arranged = arrange(resolved, sources)
    return {name: arranged[name] for name in names}


def active_tasks(content: Mapping[str, Any]) -> dict[str, Task]:
    """Return the tasks of the recipes that are switched on, inputs first, each once, by the name of its stage.

    Raises:
        UserError: Two of them would have one name.
    """
    stages: dict[str, Task] = {}
    for tasks in tasks_by_recipe(content, content["active"]).values():
        for task in tasks:
            name = stage_name(task)
            if stages.setdefault(name, task) is not task:
                raise UserError(f"two tasks would be one stage, {name}: give a recipe or own weights another name")
    return stages


def write(stages: Mapping[str, Task]) -> None:
    """Replace the folder plan/ by one with a file NAME.json for each stage, and the digest of params.yaml."""
    unfinished = staging_path("plan", PLAN)
    handle = lock_folder(unfinished)
    try:
        empty_folder(unfinished)
        for name, task in stages.items():
            content = json.dumps(asdict(Entry.of(task)), indent=1, sort_keys=True)
            (unfinished / f"{name}.json").write_text(content + "\n", encoding="utf-8")
        (unfinished / PARAMS_DIGEST).write_text(file_sha256(recipes.PARAMS) + "\n", encoding="utf-8")
        shutil.rmtree(PLAN, ignore_errors=True)
        unfinished.replace(PLAN)
    finally:
        os.close(handle)


def read_entry(address: str) -> Entry:
    """Return the plan of one stage from the folder plan/, if that is of the params.yaml that is here; else raise.

    Args:
        address: The stage as DVC names it, such as `split-digits` or `data/dvc.yaml:fetch-digits`.

    Raises:
        UserError: There is no plan, it is of another params.yaml, or there is no such stage in it.
    """
    if not (PLAN / PARAMS_DIGEST).is_file():
        raise UserError(f"no {PLAN} here: `dvc repro` in the repository's root makes it first")
    if (PLAN / PARAMS_DIGEST).read_text(encoding="utf-8").strip() != file_sha256(recipes.PARAMS):
        raise UserError(f"{PLAN} is of another {recipes.PARAMS} than this: `dvc repro plan` makes it anew")
    name = address.rpartition(":")[2]
    known = sorted(file.stem for file in PLAN.glob("*.json"))
    if name not in known:
        raise unknown_name("stage", name, known)
    return Entry(**json.loads((PLAN / f"{name}.json").read_text(encoding="utf-8")))


def promise_digest(entry: Entry) -> str:
    """Return the SHA-256, in hexadecimal, of a stage's plan and this machine's type, GPUs aside: a promise's key."""
    machine = {name: value for name, value in machine_type().items() if name != "gpus"}
    return sha256(asdict(entry), machine)


def promise_of(entry: Entry) -> dict[str, float]:
    """Return `promised_seconds`, of trainings `promised_per_image` too, of a run of this plan on this machine; else {}.

    They are what `graft check --cost` said.
    """
    with suppress(OSError, ValueError, AttributeError):  # not there, not whole, or no mapping: no promise
        return json.loads(PROMISES.read_text(encoding="utf-8")).get(promise_digest(entry), {})
    return {}


def run_entry(entry: Entry) -> None:
    """Run a planned stage's step in a child process; return if it succeeds, else end this process with its status."""
    step, promised = load_step(entry.step), promise_of(entry)
    artifacts = {key: paths if key in step.several else paths[0] for key, paths in entry.artifacts.items()}

    def work() -> None:
        run_step(step.name, artifacts, entry.values, entry.recipe, Path(entry.record), promised)

    status = run_in_child(work)
    if status is None:  # in the child, which is done
        sys.stdout.flush()
        sys.exit()
    if status:
        sys.exit(status)

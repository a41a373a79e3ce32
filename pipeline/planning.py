"""The plan: for every stage of DVC what it runs, with which values, and the digest of the code behind its numbers.

DVC's stages depend on their entry in `plan.json`, not on files of code: a comment changes none.
"""

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components import code, step
from components.data.content import file_sha256, sha256
from components.data.records import record_beside
from components.errors import UserError, no_such
from components.machine import in_child
from pipeline import recipes
from pipeline.arranging import RECORD, Axis, Task, arranged, axes_of
from pipeline.places import ARTIFACTS, MODELS, RECORDS, VARIANTS, is_variant, place

PLAN = Path("plan.json")


@dataclass(frozen=True)
class Entry:
    """What a stage runs.

    Args:
        step: The step.
        values: Its parameters, checked.
        artifacts: Path of every input and output; a list of paths where an input may be several.
        record: File for the record of the run.
        recipe: Name under which the results are shown.
        code: Digest of the code behind the step's numbers.
        versions: Of the packages that compute in it, as locked.
    """

    step: str
    values: Mapping[str, Any]
    artifacts: Mapping[str, str | list[str]]
    record: str
    recipe: str
    code: str
    versions: Mapping[str, str]

    @property
    def digest(self) -> str:
        """The digest of all that determines what is made, but for the content of the inputs."""
        return sha256(self.step, self.values, self.code, self.versions)

    def listed(self) -> dict[str, Any]:
        """Return the entry as the plan holds it.

        Artifacts and versions are a line each: DVC walks over every value of the plan, for every stage.
        """
        flags = {key: [paths] if isinstance(paths, str) else paths for key, paths in self.artifacts.items()}
        return {
            "digest": self.digest, **asdict(self),
            "artifacts": " ".join(f"--{key} {shlex.join(paths)}" for key, paths in flags.items()),
            "versions": ", ".join(f"{package} {version}" for package, version in self.versions.items()),
        }  # fmt: skip


Plan = dict[str, dict[str, dict[str, Any]]]  # entries by stage, and by what the stage is for


def plan(content: dict[str, Any]) -> Plan:
    """Return the plan of params.yaml, whose recipes are checked.

    Raises:
        UserError: What is wrong in params.yaml, what was received, what would be right.
    """
    recipes.check(content)
    recipes.check_sources(content)
    stages: Plan = collection(content)
    for recipe, uses in content["active"].items():
        values = recipes.completed(content, recipe)
        vary = recipes.varied(content, recipe)
        axes = axes_of(values, vary)
        fetched = {kind: Path("data", kind, uses[noun]) for kind, noun in (("images", "data"), ("weights", "weights"))}
        variants = []
        for task in arranged(axes, vary["ensemble"] != "none"):
            if task.step in ("fetch", "fetch_weights"):
                continue
            entry = entry_of(task, axes, recipe, values[task.step], fetched)
            if is_variant(task):
                variants.append(entry.listed())
            else:
                key = f"{recipe}-{MODELS[task.trained]}" if task.step == "evaluate" else recipe
                stages.setdefault(task.step, {})[key] = entry.listed()
        folders = {"variants": str(ARTIFACTS / recipe / VARIANTS), "records": str(ARTIFACTS / recipe / RECORDS)}
        digest = sha256([entry["digest"] for entry in variants], [entry["artifacts"] for entry in variants])
        stages.setdefault("vary", {})[recipe] = {"digest": digest, **folders, "tasks": variants}
    return stages


def entry_of(
    task: Task, axes: list[Axis], recipe: str, values: Mapping[str, Any], fetched: Mapping[str, Path]
) -> Entry:
    """Return the entry of a task in a recipe's arrangement."""
    folder, wanted = ARTIFACTS / recipe, step.load(task.step)
    paths: dict[str, Any] = {key: str(place(made, axes, folder, fetched)) for key, made in task.outputs.items()}
    record = paths.pop(RECORD)
    for key, taken in task.inputs.items():
        own = [made for made in taken if is_variant(task) or not is_variant(made.task)]
        places = [str(place(made, axes, folder, fetched)) for made in own]
        if key in wanted.several and not is_variant(task):
            places.append(str(folder / (RECORDS if key == "records" else VARIANTS)))
        paths[key] = places if key in wanted.several else places[0]
    checked = wanted.checked({**values, **task.values})
    return Entry(
        task.step, checked, {key: paths[key] for key in (*wanted.inputs, *wanted.outputs)}, record, recipe,
        code.digest(task.step), code.versions(task.step),
    )  # fmt: skip


def collection(content: Mapping[str, Any]) -> Plan:
    """Return the entries of the data sets and weights that params.yaml declares."""
    data, weights = content["data"], content["weights"]
    common, stock = {"max_quarantined": data["max_quarantined"]}, {"stock": weights["stock"]}
    random = {"source": "random", "stock": "leave"}

    def entry(name: str, key: str, folder: str, values: Mapping[str, Any]) -> dict[str, Any]:
        output, checked = Path("data", key, folder), step.load(name).checked(values)
        artifacts, record = {key: str(output)}, str(record_beside(output))
        return Entry(name, checked, artifacts, record, "", code.digest(name), code.versions(name)).listed()

    return {
        "fetch": {
            name: entry("fetch", "images", name, {"data_set": name, "source": "published", **common})
            for name in data["published"]
        },
        "fetch_own": {
            name: entry("fetch", "images", name, {"data_set": name, **common, **own})
            for name, own in (data["own"] or {}).items()
        },
        "fetch_weights": {
            name: entry("fetch_weights", "weights", name, {"backbone": name, "source": "imagenet", **stock})
            for name in weights["published"]
        },
        "fetch_random_weights": {
            name: entry("fetch_weights", "weights", f"random_{name}", {**random, "backbone": name})
            for name in weights["random"]
        },
        "fetch_own_weights": {
            name: entry("fetch_weights", "weights", name, {**stock, **own})
            for name, own in (weights["own"] or {}).items()
        },
    }  # fmt: skip


def write(stages: Plan) -> None:
    """Write the plan of params.yaml, whose digest goes with it, in one move."""
    unfinished = PLAN.with_suffix(".unfinished")
    content = {"params_sha256": file_sha256(recipes.PARAMS), "stages": stages}
    unfinished.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    unfinished.replace(PLAN)


def read_entry(address: str) -> tuple[str, dict[str, Any]]:
    """Return the step of a stage, or `vary`, and the stage's entry in the plan.

    Args:
        address: The stage as DVC names it, such as `split@digits` or `data/dvc.yaml:fetch@digits`.

    Raises:
        UserError: There is no plan, it is of another params.yaml, or there is no such stage in it.
    """
    if not PLAN.is_file():
        raise UserError(f"no {PLAN} here: `dvc repro` in the repository's root makes it first")
    content = json.loads(PLAN.read_text(encoding="utf-8"))
    if content["params_sha256"] != file_sha256(recipes.PARAMS):
        raise UserError(f"{PLAN} is of another {recipes.PARAMS} than this: `dvc repro plan` makes it anew")
    stages = content["stages"]
    name, _, key = address.rpartition(":")[2].partition("@")
    known = [f"{stage}@{one}" for stage, entries in stages.items() for one in entries]
    if key not in stages.get(name, {}):
        raise no_such("stage", f"{name}@{key}" if key else name, known)
    return name, stages[name][key]


def artifacts_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the path of every artifact that an entry of the plan names; a list of paths where a step takes several."""
    several, paths = step.load(entry["step"]).several, dict[str, list[str]]()
    for word in shlex.split(entry["artifacts"]):
        if word.startswith("--"):
            own = paths[word.removeprefix("--")] = []
        else:
            own.append(word)
    return {key: own if key in several else own[0] for key, own in paths.items()}


def run_entry(entry: Mapping[str, Any]) -> None:
    """Run what an entry of the plan says, in a child process whose end is this one's where it fails."""
    wanted, artifacts = step.load(entry["step"]), artifacts_of(entry)

    def work() -> None:
        step.load_libraries(wanted)
        step.run(wanted.name, artifacts, entry["values"], entry["recipe"], Path(entry["record"]))

    status = in_child(work)
    if status is None:  # in the child, which is done
        sys.stdout.flush()
        sys.exit()
    if status:
        sys.exit(status)

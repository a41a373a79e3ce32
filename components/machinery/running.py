"""Running a step: once for each training, on fresh folders that go into place when they are whole."""

import dataclasses
import platform
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

from components.data.artifact import MANIFEST
from components.data.content import read_json, sha256
from components.data.records import Record, record_beside, write_records
from components.machinery import code
from components.machinery.lineage import facts_of_kinds, finish, inherited, inputs_digest
from components.machinery.revisions import installed, revisions
from components.machinery.signature import Step, load_step
from components.machinery.trainings import count_trainings, make_room, note_beside, nth_training, training_paths
from components.machinery.transaction import claimed, replace, unfinished
from components.system.errors import UserError
from components.system.hardware import machine_type
from components.system.resources import resource_errors

Run = tuple[Mapping[str, Any], Mapping[str, Any]]  # where every input and output lies, and the checked values


def run_step(
    name: str, artifacts: Mapping[str, Any], parameters: Mapping[str, Any], recipe: str = "", record: Path | None = None
) -> None:
    """Run a step: check what it is given, call it on fresh directories, move the finished ones into place.

    One that trains several times, or is given several trainings of a way, is called for each, in this process; a
    training that is there, made from the same, is not made again.

    Args:
        name: The step.
        artifacts: Path of every input and output; a list of paths where an input may be several.
        parameters: Value of every parameter.
        recipe: Name under which the results are shown; it changes no number.
        record: File for the record of the run; beside the first output if not given.

    Raises:
        UserError: A parameter or an input is not what the step needs, or the inputs do not belong together.
    """
    step = load_step(name)
    values = step.checked(parameters)
    for key in step.outputs:
        unfinished(key, Path(artifacts[key]))  # which refuses a place without a name
    targets = {Path(artifacts[key]).absolute() for key in step.outputs}
    if len(targets) < len(step.outputs):
        raise UserError(f"{step.name}: {' and '.join(step.outputs)} are at one place: give each a folder of its own")
    first = Path(artifacts[next(iter(step.outputs))])
    file = record or record_beside(first)
    known = {one.digest: one for one in (Record.read_all([file]) if file.is_file() else ())}
    runs = runs_of(step, artifacts, values)
    for target in targets:
        make_room(target, len(runs))
    records = []
    for number, one in enumerate(runs):
        note = note_beside(first, number)
        there = known.get(made_of(step, one)) if len(runs) > 1 and is_made(step.name, *one, note) else None
        if there:
            print(f"{step.name}: training {number + 1} of {len(runs)} is there already", flush=True)
        records.append(there or run_once(step, *one, recipe))
        write_records(records, file)
        if "repeats" in values:
            write_note(step.name, *one, note)


def runs_of(step: Step, artifacts: Mapping[str, Any], values: Mapping[str, Any]) -> list[Run]:
    """Return the paths and the values of each run of a step: one for every training that it makes or is given.

    A step that makes what is of a training, such as a classifier or a report, takes the first training of all that it
    is given for its first, and so on; one that trains several times takes a seed more each time.
    """
    if not any(kind.of_training for kind in step.outputs.values()):
        return [(artifacts, values)]
    given = {key: kind for key, kind in step.inputs.items() if getattr(kind, "of_training", False)}
    paths = {key: [Path(path) for path in listed(artifacts[key])] for key in given}
    trainings = values.get("repeats") or max((count_trainings(one) for own in paths.values() for one in own), default=1)
    runs: list[Run] = []
    for number in range(trainings):
        own: dict[str, Any] = {**artifacts}
        for key, several in paths.items():
            taken = [nth_training(path, number) for path in several]
            own[key] = taken if key in step.several else taken[0]
        for key in step.outputs:
            own[key] = training_paths(Path(artifacts[key]), trainings)[number]
        seeded = {"seed": values["seed"] + number, "repeats": 1} if "repeats" in values else {}
        runs.append((own, {**values, **seeded}))
    return runs


def listed(paths: Any) -> Sequence[Any]:
    return [paths] if isinstance(paths, str | Path) else paths


def made_of(step: Step, run: Run) -> str:
    """Return the digest of what a step has made in a run, as the lineage of its outputs has it; empty if nothing."""
    path = Path(run[0][next(iter(step.outputs))]) / MANIFEST
    return read_json(path)["lineage"].get(step.name, "") if path.is_file() else ""


def run_once(step: Step, artifacts: Mapping[str, Any], values: Mapping[str, Any], recipe: str) -> Record:
    """Run a step for one training; return the record of it. Arguments are as `run` takes them, the values checked.

    Raises:
        UserError: An input is not what the step needs, or the inputs do not belong together.
    """
    inputs = read_inputs(step, artifacts)
    manifest = inherited(step, inputs)
    manifest["parameters"][step.name] = values
    digest = inputs_digest(step, inputs, values)
    versions = {"python": platform.python_version(), **installed(code.packages(step.name))}
    account = Record(step.name, "", recipe, {}, versions, revisions())
    first = Path(artifacts[next(iter(step.outputs))])
    with resource_errors(step.name, first), ExitStack() as stack:
        outputs = {}
        for key, kind in step.outputs.items():
            own = deepcopy({**manifest, "facts": facts_of_kinds(manifest["facts"], [kind])})
            output = kind(unfinished(key, Path(artifacts[key])), own, sha256(digest, key), account)
            stack.enter_context(claimed(output))
            outputs[key] = output
        step.function(*inputs.values(), *outputs.values(), **step.arguments(values))
        for output in outputs.values():
            shutil.rmtree(output.resume, ignore_errors=True)
        made = finish(step, outputs)
        for key, output in outputs.items():
            replace(output.path, Path(artifacts[key]))
        return dataclasses.replace(account, digest=made, machine=machine_type())


def read_inputs(step: Step, artifacts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the artifacts and records that a step takes, opened; a list where it takes several."""
    return {
        key: kind.read_all(artifacts[key]) if key in step.several else kind.read(artifacts[key])
        for key, kind in step.inputs.items()
    }


def is_made(name: str, artifacts: Mapping[str, Any], values: Mapping[str, Any], note: Path) -> bool:
    """Return whether a step's outputs are there, made from these inputs, values and code, as a note says.

    Args:
        name: The step.
        artifacts: Path of every input and output.
        values: Its parameters.
        note: The file that `write_note` wrote.
    """
    step = load_step(name)
    outputs = (Path(own[key]) for own, _ in runs_of(step, artifacts, step.checked(values)) for key in step.outputs)
    there = all((output / MANIFEST).is_file() for output in outputs)
    return there and note.is_file() and note.read_text(encoding="utf-8") == note_of(name, artifacts, values)


def write_note(name: str, artifacts: Mapping[str, Any], values: Mapping[str, Any], note: Path) -> None:
    """Note from what a step's outputs were made, in one move; arguments as `is_made` takes them."""
    unfinished = note.with_name(f".{note.name}")
    unfinished.write_text(note_of(name, artifacts, values), encoding="utf-8")
    unfinished.replace(note)


def note_of(name: str, artifacts: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Return the digest of all that a step would make its outputs from."""
    step = load_step(name)
    runs = runs_of(step, artifacts, step.checked(values))
    digests = [inputs_digest(step, read_inputs(step, own), read) for own, read in runs]
    return digests[0] if len(digests) == 1 else sha256(digests)

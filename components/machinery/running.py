"""Running a step: once for each training, on fresh folders that go into place when they are whole."""

import dataclasses
import platform
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from time import perf_counter
from typing import Any

from components.data import resuming
from components.data.artifact import MANIFEST, Artifact
from components.data.content import sha256
from components.data.json_files import read_json
from components.data.records import Record, record_path, write_records
from components.machinery import code, sharding
from components.machinery.lineage import facts_of_kinds, inherited_manifest, inputs_digest, write_manifests
from components.machinery.revisions import installed_versions, revisions
from components.machinery.signature import Step, load_step
from components.machinery.trainings import (
    count_trainings,
    fewest_trainings,
    inputs_note_path,
    reshape_trainings,
    training_path,
    training_paths,
)
from components.machinery.transaction import claim_folder, move_into_place, staging_path
from components.system.errors import UserError
from components.system.hardware import machine_type, peak_memory
from components.system.outputs import print_at_end
from components.system.resources import resource_errors

Run = tuple[Mapping[str, Any], Mapping[str, Any]]  # where every input and output lies, and the checked values


def run_step(
    name: str, artifacts: Mapping[str, Any], parameters: Mapping[str, Any], recipe: str = "",
    record: Path | None = None, promised: Mapping[str, float] | None = None,
    shards: Mapping[str, Sequence[Path]] | None = None,
) -> None:  # fmt: skip
    """Run a step, once a training: check, call it on empty folders, move these into place whole, write the record.

    A step with several trainings, its own or those of its inputs, is called once for each, all in this process; one of
    several that is already there, from the same inputs, is kept. Trainings beyond their number are removed.

    Args:
        name: The step.
        artifacts: Path of every input and output; a list of paths where an input may be several.
        parameters: Value of every parameter.
        recipe: Name under which results are displayed; it changes no number.
        record: File for the record of the run; beside the first output if not given.
        promised: What each run was promised to take, for its record.
        shards: Paths of the shards that runs on shards of the inputs made of each output, and under `record` of their
            records: a step of `sharding.COMPLETED` goes on from them.

    Raises:
        UserError: A parameter or an input is not what the step needs, or the inputs or shards do not belong together.
    """
    step = load_step(name)
    values = step.check_values(parameters)
    for key in step.outputs:
        staging_path(key, Path(artifacts[key]))  # which refuses a path without a name
    targets = {Path(artifacts[key]).absolute() for key in step.outputs}
    if len(targets) < len(step.outputs):
        raise UserError(f"{step.name}: {' and '.join(step.outputs)} have the same path: give each a folder of its own")
    first = Path(artifacts[next(iter(step.outputs))])
    file = record or record_path(first)
    earlier = {one.digest: one for one in (Record.read_all([file]) if file.is_file() else ())}
    runs = training_runs(step, artifacts, values)
    for target in targets:
        reshape_trainings(target, len(runs))
    resuming.remove_abandoned()
    records: list[Record] = []
    resumes: list[Path] = []
    for number, (paths, settings) in enumerate(runs):
        note = inputs_note_path(first, number)
        keep = len(runs) > 1 and is_up_to_date(step.name, paths, settings, note)
        kept = earlier.get(step_digest(step, paths)) if keep else None
        with print_at_end():
            if kept:
                print(f"{step.name}: training {number + 1} of {len(runs)} is there already")
            parts = {} if kept else sharding.read_shards(step, shards or {}, number)
            one, left = (kept, []) if kept else run_once(step, paths, settings, recipe, promised or {}, parts)
            records.append(one)
            resumes += left
            write_records(records, file)
            if "repeats" in values:
                note_inputs(step.name, paths, settings, note)
    for path in resumes:  # kept until all are done, for a machine that has none of the trainings
        shutil.rmtree(path, ignore_errors=True)


def training_runs(step: Step, artifacts: Mapping[str, Any], values: Mapping[str, Any]) -> list[Run]:
    """Return (paths, values) of each run in order: `repeats` of them, or one for each training that inputs have.

    The first run takes the first training of each input, the second the second, and so on, as far as all have one, or
    the only one. A step that trains several times, by `repeats`, adds 1 to its seed each time. One without an output of
    a training, such as `compare`, runs once, on all of them.
    """
    if not any(kind.of_training for kind in step.outputs.values()):
        return [(artifacts, values)]
    ways = {
        key: [Path(path) for path in as_list(artifacts[key])]
        for key, kind in step.inputs.items()
        if getattr(kind, "of_training", False)
    }
    counts = [count_trainings(path) for paths in ways.values() for path in paths]
    trainings = values.get("repeats") or fewest_trainings(counts)
    runs: list[Run] = []
    for number in range(trainings):
        paths: dict[str, Any] = {**artifacts}
        for key, several in ways.items():
            inputs = [training_path(path, number) for path in several]
            paths[key] = inputs if key in step.several else inputs[0]
        for key in step.outputs:
            paths[key] = training_paths(Path(artifacts[key]), trainings)[number]
        seed = {"seed": values["seed"] + number, "repeats": 1} if "repeats" in values else {}
        runs.append((paths, {**values, **seed}))
    return runs


def as_list(paths: Any) -> Sequence[Any]:
    """Return one path as a list of it, and several as they are."""
    return [paths] if isinstance(paths, str | Path) else paths


def step_digest(step: Step, artifacts: Mapping[str, Any]) -> str:
    """Return the step's digest in the lineage of its first output, as it is on disk; empty where there is none yet."""
    path = Path(artifacts[next(iter(step.outputs))]) / MANIFEST
    return read_json(path)["lineage"].get(step.name, "") if path.is_file() else ""


def run_once(
    step: Step, artifacts: Mapping[str, Any], values: Mapping[str, Any], recipe: str, promised: Mapping[str, float],
    shards: Mapping[str, list[Any]],
) -> tuple[Record, list[Path]]:  # fmt: skip
    """Run a step once, outputs moved into place; return its record, unwritten, and paths it could have resumed from.

    Arguments are as `run_step` takes them; the values are checked already, and the shards opened.

    Returns:
        The record of the run, and the paths of what it could have gone on from, one an output, there or not.

    Raises:
        UserError: An input is not what the step needs, or the inputs or shards do not belong together.
    """
    start = perf_counter()
    inputs = read_inputs(step, artifacts)
    manifest = inherited_manifest(step, inputs)
    manifest["parameters"][step.name] = values
    digest = inputs_digest(step, inputs, values)
    manifest |= sharding.shard_of_inputs(step, inputs, digest)
    versions = {"python": platform.python_version(), **installed_versions(code.computing_packages(step.name))}
    record = Record(step.name, "", recipe, {}, versions, revisions())
    first = Path(artifacts[next(iter(step.outputs))])
    with resource_errors(step.name, first), ExitStack() as stack:
        outputs = {}
        for key, kind in step.outputs.items():
            output_manifest = deepcopy({**manifest, "facts": facts_of_kinds(manifest["facts"], [kind])})
            output = kind(staging_path(key, Path(artifacts[key])), output_manifest, sha256(digest, key), record)
            if key in shards:
                sharding.check_shards(step, key, shards[key], digest)
                output.shards = shards[key]
            stack.enter_context(claim_folder(output))
            outputs[key] = output
        step.function(*inputs.values(), *outputs.values(), **step.function_arguments(values))
        resumes = [output.resume for output in outputs.values()]
        for output in outputs.values():
            if output.resume.parent == output.path:
                shutil.rmtree(output.resume, ignore_errors=True)
        lineage_digest = write_manifests(step, outputs)
        for key, output in outputs.items():
            move_into_place(output.path, Path(artifacts[key]))
        took = {"seconds": round(perf_counter() - start, 3), "memory": peak_memory(), **promised}
        whole = dataclasses.replace(record, digest=lineage_digest, machine=machine_type(), run=took)
        return sharding.sum_records([whole, *shards.get("record", [])]), resumes


def read_inputs(step: Step, artifacts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the artifacts and records that a step takes, opened, by key; a list where it takes several."""
    inputs: dict[str, Any] = {}
    for key, kind in step.inputs.items():
        if key in step.optional and not artifacts.get(key):
            inputs[key] = []
        else:
            inputs[key] = kind.read_all(artifacts[key]) if key in step.several else kind.read(artifacts[key])
    return inputs


def is_up_to_date(name: str, artifacts: Mapping[str, Any], values: Mapping[str, Any], note: Path) -> bool:
    """Return whether a step's outputs are whole and, by a note, made from these inputs, values and code.

    Args:
        name: The step.
        artifacts: Path of every input and output.
        values: Its parameters.
        note: The file that `note_inputs` wrote.
    """
    step = load_step(name)
    runs = training_runs(step, artifacts, step.check_values(values))
    complete = all(is_whole(kind, paths[key]) for paths, _ in runs for key, kind in step.outputs.items())
    digest = combined_inputs_digest(name, artifacts, values) if complete and note.is_file() else ""
    return bool(digest) and note.read_text(encoding="utf-8") == digest


def is_whole(kind: type[Artifact], path: Path | str) -> bool:
    """Return whether an artifact of a kind is at a path, no file of it missing or damaged."""
    try:
        kind.read(path)
    except UserError:
        return False
    return True


def note_inputs(name: str, artifacts: Mapping[str, Any], values: Mapping[str, Any], note: Path) -> None:
    """Write the digest of a step's inputs, values and code to a file, by which `is_up_to_date` knows it later."""
    unfinished = note.with_name(f".{note.name}")
    unfinished.write_text(combined_inputs_digest(name, artifacts, values), encoding="utf-8")
    unfinished.replace(note)


def combined_inputs_digest(name: str, artifacts: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Return one digest of the inputs, values and code of all runs of a step; of one run, its `inputs_digest`."""
    step = load_step(name)
    runs = training_runs(step, artifacts, step.check_values(values))
    digests = [inputs_digest(step, read_inputs(step, paths), settings) for paths, settings in runs]
    return digests[0] if len(digests) == 1 else sha256(digests)

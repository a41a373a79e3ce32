"""Shards: artifacts dealt into parts, a step run on each elsewhere, its outputs joined to what one run makes.

A shard is an artifact of the same kind, of consecutive files alone, whose manifest says which of how many it is. A step
that maps over files takes it like any other, and makes a shard of each output. Shards end at whole batches, so that
every batch is the one that a single run computes: what is joined has the same bytes and digests.

A step of COMPLETED only begins with a map: on a shard it stops there, and its output holds what the map gave. It is
then run on the whole, and goes on from these shards of its output.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

from components.data.artifact import Artifact
from components.data.memory_maps import FileArray
from components.data.records import Record, write_records
from components.machinery import executor
from components.machinery.dealing import MAPS_OVER, copy_rows, deal, shard_name
from components.machinery.lineage import write_manifests
from components.machinery.signature import Step, load_step
from components.machinery.trainings import training_path
from components.machinery.transaction import claim_folder, move_into_place, staging_path
from components.system.errors import Parser, UserError, run_cli, unknown_name
from components.system.processes import run_supervised
from components.system.resources import resource_errors

COMPLETED = ("audit", "evaluate")


def shard_of_inputs(step: Step, inputs: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """Return `{"shard": {"number": K, "of": N, "made_from": DIGEST}}` for the manifests of a step's outputs, or {}.

    It is {} where no input is a shard.

    Args:
        step: The step.
        inputs: Its inputs, by key.
        digest: Of all that its outputs follow from, the same for each shard of a whole.

    Raises:
        UserError: An input is a shard, and the step needs the whole; or an input is the whole or another shard where a
            shard is needed.
    """
    dealt: list[Artifact] = []
    for key, taken in inputs.items():
        artifacts = [one for one in (taken if isinstance(taken, list) else [taken]) if isinstance(one, Artifact)]
        if key in MAPS_OVER.get(step.name, ()):
            dealt += artifacts
        elif whole := next((one for one in artifacts if one.shard), None):
            raise UserError(f"{step.name}: {shard_words(whole)}: join them first")
    if not any(one.shard for one in dealt):
        return {}
    if len(dealt) > 1 and len({(one.shard.get("number"), one.shard.get("of")) for one in dealt}) > 1:
        raise UserError(f"{step.name}: {'; '.join(map(shard_words, dealt))}: give the same shard of each")
    return {"shard": {"number": dealt[0].shard["number"], "of": dealt[0].shard["of"], "made_from": digest}}


def shard_words(artifact: Artifact) -> str:
    """Return which shard an artifact is, in words: `PATH is shard 2 of 7`, or `PATH is a whole`."""
    shard = artifact.shard
    return f"{artifact.path} is {'shard {number} of {of}'.format(**shard) if shard else 'a whole'}"


def join(name: str, paths: Mapping[str, Sequence[Path]], record: Sequence[Path]) -> None:
    """Write what one run of a step makes by joining the shards of its outputs, and its record by adding up theirs.

    Args:
        name: The step.
        paths: For each output the path to write, followed by those of its shards in order.
        record: The record to write, followed by those of the shards.

    Raises:
        UserError: Shards are missing, or are not of one whole.
    """
    step = load_step(name)
    targets = {key: several[0] for key, several in paths.items()}
    shards = {key: step.outputs[key].read_all(several[1:]) for key, several in paths.items()}
    outputs = {key: joined_output(step, key, targets[key], several) for key, several in shards.items()}
    with resource_errors(step.name, next(iter(targets.values()))), ExitStack() as stack:
        for key, output in outputs.items():
            stack.enter_context(claim_folder(output))
            join_arrays(output, shards[key])
        digest = write_manifests(step, outputs)
        for key, output in outputs.items():
            move_into_place(output.path, targets[key])
    write_records([dataclasses.replace(sum_records(Record.read_all(record[1:])), digest=digest)], record[0])


def joined_output(step: Step, key: str, target: Path, shards: Sequence[Artifact]) -> Artifact:
    """Return the artifact to fill with an output's shards, in its staging folder; its manifest has no digest yet.

    Raises:
        UserError: The shards are not all of one whole, each once and in order.
    """
    check_shards(step, key, shards)
    manifest = {**deepcopy(shards[0].manifest), "digest": "", "files": {}}
    del manifest["shard"], manifest["lineage"][step.name]
    return step.outputs[key](staging_path(key, target), manifest)


def check_shards(step: Step, key: str, shards: Sequence[Artifact], made_from: str = "") -> None:
    """Raise a UserError unless shards of an output are all of one whole, each once and in order, made from the same.

    Args:
        step: The step that made them.
        key: The output.
        shards: The shards.
        made_from: The digest of all that they should be made from; that of the first if not given.
    """
    numbers = [(shard.shard.get("number"), shard.shard.get("of")) for shard in shards]
    if numbers != [(number, len(shards)) for number in range(1, len(shards) + 1)]:
        words = ", ".join("a whole" if of is None else f"{number} of {of}" for number, of in numbers)
        raise UserError(f"{step.name}: {key}: expected all shards of one whole, in order; received {words}")
    if {shard.shard["made_from"] for shard in shards} != {made_from or shards[0].shard["made_from"]}:
        raise UserError(f"{step.name}: the shards of {key} differ in inputs, parameters or code: make them again")


def read_shards(step: Step, paths: Mapping[str, Sequence[Path]], number: int) -> dict[str, list[Any]]:
    """Return the shards of a step's outputs, opened, by key, and their records under `record`; {} where there are none.

    Args:
        step: A step of COMPLETED.
        paths: Where they lie, by key.
        number: Of the training that they are of, from 0, where there are several.

    Raises:
        UserError: One is missing or damaged, a key is unknown, or the step has to be run on the whole.
    """
    if paths and step.name not in COMPLETED:
        raise UserError(f"{step.name} goes on from no shards; these do: {', '.join(COMPLETED)}")
    shards: dict[str, list[Any]] = {}
    for key, several in paths.items():
        if key == "record":
            records = [Record.read_all([path]) for path in several]
            shards[key] = [trainings[min(number, len(trainings) - 1)] for trainings in records]
        elif key in step.outputs:
            shards[key] = [step.outputs[key].read(training_path(path, number)) for path in several]
        else:
            raise unknown_name("output with shards", key, (*step.outputs, "record"))
    return shards


def join_arrays(output: Artifact, shards: Sequence[Artifact]) -> None:
    """Create an output's array on disk, filled with the arrays of its shards, one after the other."""
    assert isinstance(output, FileArray)
    parts = [shard for shard in shards if isinstance(shard, FileArray)]
    files = [file for part in parts for file in part.table("files.csv")["file"]]
    array = output.create(files, parts[0].array.shape[1:], parts[0].array.dtype.str)
    start = 0
    for part in parts:
        copy_rows(part.array, array[start : start + len(part.array)])
        start += len(part.array)


def sum_records(records: Sequence[Record]) -> Record:
    """Return a copy of the first record with the work and the seconds of all added up, and the most memory of any."""
    work: dict[str, dict[str, float]] = {}
    for record in records:
        for name, one in record.work.items():
            total = work.setdefault(name, {**one, "images": 0, "seconds": 0})
            total["images"] += one["images"]
            total["seconds"] = round(total["seconds"] + one["seconds"], 3)
    run = {
        "seconds": round(sum(record.run["seconds"] for record in records), 3),
        "memory": max(record.run["memory"] for record in records),
    }
    return dataclasses.replace(records[0], work=work, run={**records[0].run, **run})


def main(arguments: list[str]) -> None:
    """Deal an artifact into shards, or join those of a step's outputs, as the command line says."""
    parser = Parser(prog="python -m components.machinery.sharding", description=main.__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    dealing = commands.add_parser("deal", help="write an artifact's files to shards")
    for option, nargs in (("--whole", None), ("--shards", "+")):  # again for each that is dealt as the first is
        dealing.add_argument(option, type=Path, required=True, nargs=nargs, action="append", metavar="DIR")
    dealing.add_argument("--multiple", type=int, default=1, metavar="FILES", help="of a batch")
    dealing.add_argument("--executor_input", metavar="JSON", help="the task as Kubeflow describes it, {{$}}")
    for name in (name for name in MAPS_OVER if name not in COMPLETED):
        joining = commands.add_parser(name, help=f"join the shards of what {name} made")
        for key in (*load_step(name).outputs, "record"):
            joining.add_argument(
                f"--{key}", type=Path, required=True, nargs="+", metavar="PATH", help="the whole, and its shards"
            )
        joining.add_argument("--executor_input", metavar="JSON", help="the task as Kubeflow describes it, {{$}}")
    options = vars(parser.parse_args(arguments))
    command, task = options.pop("command"), options.pop("executor_input")
    if command == "deal":
        shards = deal(options["whole"], options["shards"], options["multiple"])
        if task:
            names = [shard_name(whole, number) for whole, paths in enumerate(options["shards"])
                     for number in range(1, len(paths) + 1)]  # fmt: skip
            metadata = {name: executor.artifact_metadata(shard) for name, shard in zip(names, shards, strict=True)}
            executor.write_metadata(executor.read_input(task), metadata)
        return
    record = options.pop("record")
    join(command, options, record)
    if task:
        whole = {key: several[0] for key, several in options.items()}
        executor.write_output(executor.read_input(task), load_step(command), whole, {})


if __name__ == "__main__":
    run_supervised(lambda: run_cli(main))

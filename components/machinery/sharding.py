"""Shards: an artifact dealt into parts, a step run on each elsewhere, its outputs joined to what one run makes.

A shard is an artifact of the same kind, of consecutive files alone, whose manifest says which of how many it is. A step
that maps over files takes it like any other, and makes a shard of each output. Shards end at whole batches, so that
every batch is the one that a single run computes: what is joined has the same bytes and digests.
"""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.data import packing
from components.data.artifact import MANIFEST, Artifact
from components.data.artifacts import Images
from components.data.json_files import read_json
from components.data.memory_maps import FileArray, release
from components.data.records import Record, write_records
from components.machinery import executor
from components.machinery.lineage import write_manifests
from components.machinery.signature import Step, load_step
from components.machinery.transaction import claim_folder, move_into_place, staging_path
from components.system.errors import Parser, UserError, run_cli
from components.system.processes import run_supervised
from components.system.resources import resource_errors

if TYPE_CHECKING:
    import numpy as np

MAPS_OVER = {"augment": "images", "extract": "augmented"}  # the input whose files a step takes one batch after another
AT_ONCE = 2**26  # bytes of an array that are copied


def shard_of_inputs(step: Step, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"shard": {"number": K, "of": N}}` for the manifests of a step's outputs; {} where no input is a shard.

    Raises:
        UserError: An input is a shard, and the step needs the whole.
    """
    for key, taken in inputs.items():
        for one in taken if isinstance(taken, list) else [taken]:
            shard = one.manifest.get("shard") if isinstance(one, Artifact) else None
            if shard and MAPS_OVER.get(step.name) != key:
                raise UserError(f"{step.name}: {one.path} is shard {shard['number']} of {shard['of']}: join them first")
            if shard:
                return {"shard": shard}
    return {}


def deal(whole: Path, targets: Sequence[Path], multiple: int) -> list[Artifact]:
    """Write an artifact's files to shards, consecutive ones, each of about as many batches; return these in order.

    Args:
        whole: Images, or an array with a row for each file.
        targets: Where the shards are written, in order.
        multiple: Files of a batch: each shard but the last has a multiple of it.

    Raises:
        UserError: It is no such artifact, or has fewer batches than there are targets.
    """
    kinds = {kind.__name__: kind for kind in shardable_kinds()}
    if (name := read_json(whole / MANIFEST)["kind"]) not in kinds:
        raise UserError(f"{whole} is of the kind {name}; {' or '.join(kinds)} is dealt into shards")
    kind = kinds[name]
    artifact = kind.read(whole)
    table = artifact.table("images.csv" if isinstance(artifact, Images) else "files.csv")
    batches = -(-len(table) // multiple)
    if batches < len(targets):
        raise UserError(
            f"{len(table):,} files are {batches:,} batches of {multiple}, too few for {len(targets)} shards: "
            f"give `cluster: {{shards: {batches}}}`, or fewer"
        )
    ends = [min(len(table), multiple * (batches * number // len(targets))) for number in range(len(targets) + 1)]
    shards: list[Artifact] = []
    for number, target in enumerate(targets, start=1):
        start, end = ends[number - 1 : number + 1]
        manifest = {**deepcopy(artifact.manifest), "shard": {"number": number, "of": len(targets)}}
        shard = kind(staging_path("shard", target), manifest)
        with resource_errors("deal", target), claim_folder(shard):
            if isinstance(artifact, Images) and isinstance(shard, Images):
                shutil.copyfile(artifact.path / "quarantine.csv", shard.path / "quarantine.csv")
                shard.write_table("images.csv", table[start:end])
                with packing.write_images(shard.path, artifact.packing) as writer:
                    for file in table["file"][start:end]:
                        writer.add(file, artifact.file(file).read_bytes(), artifact.path)
            elif isinstance(artifact, FileArray) and isinstance(shard, FileArray):
                array = artifact.array
                part = shard.create(table["file"][start:end].tolist(), array.shape[1:], array.dtype.str)
                copy_rows(array[start:end], part)
            shard.write_manifest()
            move_into_place(shard.path, target)
        shards.append(kind(target, manifest))
    return shards


def shardable_kinds() -> list[type[Artifact]]:
    """Return the kinds of the inputs in MAPS_OVER: those that `deal` takes."""
    return [load_step(name).inputs[key] for name, key in MAPS_OVER.items()]


def copy_rows(source: "np.ndarray", target: "np.ndarray") -> None:
    """Copy an array to another of its shape, some rows at a time; memory of maps of files is given back."""
    rows = max(1, AT_ONCE * len(source) // source.nbytes)
    for start in range(0, len(source), rows):
        target[start : start + rows] = source[start : start + rows]
        release(source)
        release(target)


def join(name: str, paths: Mapping[str, Sequence[Path]], record: Sequence[Path]) -> None:
    """Join the shards of a step's outputs to what one run of the step makes, and the shards' records to one record.

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
    manifests = [deepcopy(shard.manifest) for shard in shards]
    numbers = [manifest.pop("shard", None) for manifest in manifests]
    if numbers != [{"number": number, "of": len(shards)} for number in range(1, len(shards) + 1)]:
        raise UserError(f"{step.name}: {key}: expected all shards of one whole, in order; received {numbers}")
    for manifest in manifests:
        manifest.update(digest="", files={})
        manifest["lineage"].pop(step.name)
    if any(manifest != manifests[0] for manifest in manifests):
        raise UserError(f"{step.name}: the shards of {key} differ in inputs or parameters: make them again")
    return step.outputs[key](staging_path(key, target), manifests[0])


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
    dealing.add_argument("--whole", type=Path, required=True, metavar="DIR")
    dealing.add_argument("--shards", type=Path, required=True, nargs="+", metavar="DIR")
    dealing.add_argument("--multiple", type=int, default=1, metavar="FILES", help="of a batch")
    dealing.add_argument("--executor_input", metavar="JSON", help="the task as Kubeflow describes it, {{$}}")
    for name in MAPS_OVER:
        joining = commands.add_parser(name, help=f"join the shards of what {name} made")
        for key in (*load_step(name).outputs, "record"):
            joining.add_argument(
                f"--{key}", type=Path, required=True, nargs="+", metavar="PATH", help="the whole, and its shards"
            )
        joining.add_argument("--executor_input", metavar="JSON", help="the task as Kubeflow describes it, {{$}}")
    options = vars(parser.parse_args(arguments))
    command, task = options.pop("command"), options.pop("executor_input")
    if command == "deal":
        shards = enumerate(deal(options["whole"], options["shards"], options["multiple"]), start=1)
        if task:
            metadata = {f"shard_{number}": executor.artifact_metadata(shard) for number, shard in shards}
            executor.write_metadata(executor.read_input(task), metadata)
        return
    record = options.pop("record")
    join(command, options, record)
    if task:
        whole = {key: several[0] for key, several in options.items()}
        executor.write_output(executor.read_input(task), load_step(command), whole, {})


if __name__ == "__main__":
    run_supervised(lambda: run_cli(main))

"""Dealing: an artifact's files, and others' rows of them, written to shards that hold consecutive files alone."""

import shutil
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from components.data import packing
from components.data.artifact import MANIFEST, Artifact
from components.data.artifacts import Images
from components.data.json_files import read_json
from components.data.memory_maps import FileArray, release
from components.machinery.signature import load_step
from components.machinery.transaction import claim_folder, move_into_place, staging_path
from components.system.errors import UserError
from components.system.resources import resource_errors

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MAPS_OVER = {  # the input whose files a step takes one batch after another, and those that are dealt as it is
    "audit": ("images",),
    "augment": ("images",),
    "extract": ("augmented",),
    "evaluate": ("test_split", "augmented"),
}
TABLES = {"Images": "images.csv", "TestSplit": "test_split.csv"}  # a row for each file; of arrays `files.csv`
AT_ONCE = 2**26  # bytes of an array that are copied


def deal(wholes: Sequence[Path], targets: Sequence[Sequence[Path]], multiple: int) -> list[Artifact]:
    """Write an artifact's files to shards, and others' rows of these files beside them; return all, by artifact.

    The files of a shard are consecutive, and shards of about as many batches. A test split that has fewer batches than
    there are shards leaves some empty; an array with no row for an empty one has its first there.

    Args:
        wholes: Images, test images, or an array with a row for each file; then arrays that have these files.
        targets: Where the shards of each are written, in order.
        multiple: Files of a batch: each shard but the last has a multiple of it.

    Raises:
        UserError: An artifact is of another kind, or the first has fewer batches than there are targets.
    """
    first, *others = (shardable_kind(whole).read(whole) for whole in wholes)
    table = first.table(TABLES.get(type(first).__name__, "files.csv"))
    count, batches = len(targets[0]), -(-len(table) // multiple)
    if batches < count and not others:
        raise UserError(
            f"{len(table):,} files are {batches:,} batches of {multiple}, too few for {count} shards: "
            f"give `cluster: {{shards: {batches}}}`, or fewer"
        )
    ends = [min(len(table), multiple * (batches * number // count)) for number in range(count + 1)]
    shards = []
    for whole, paths in zip((first, *others), targets, strict=True):
        if isinstance(whole, FileArray) and whole is not first:
            table = table[["file"]].set_index(whole.rows(table["file"].tolist()))
        for number, ((start, end), path) in enumerate(zip(pairwise(ends), paths, strict=True), start=1):
            part = table.iloc[:1] if start == end and isinstance(whole, FileArray) else table.iloc[start:end]
            shards.append(write_shard(whole, part, path, {"number": number, "of": count}))
    return shards


def write_shard(whole: Artifact, table: "pd.DataFrame", target: Path, shard: Mapping[str, int]) -> Artifact:
    """Write a shard of an artifact, of the files of a table, to a target; return the shard.

    Args:
        whole: The artifact.
        table: Its rows of these files, indexed by their numbers in the artifact.
        target: Where the shard is written.
        shard: Which it is, `{"number": K, "of": N}`.
    """
    manifest = {**deepcopy(whole.manifest), "shard": {**shard}}
    part = type(whole)(staging_path("shard", target), manifest)
    with resource_errors("deal", target), claim_folder(part):
        if isinstance(whole, FileArray) and isinstance(part, FileArray):
            array = whole.array
            created = part.create(table["file"].tolist(), array.shape[1:], array.dtype.str)
            copy_rows(array, created, table.index.to_numpy())
        else:
            part.write_table(TABLES[type(whole).__name__], table)
        if isinstance(whole, Images):
            shutil.copyfile(whole.path / "quarantine.csv", part.path / "quarantine.csv")
            with packing.write_images(part.path, whole.packing) as writer:
                for file in table["file"]:
                    writer.add(file, whole.file(file).read_bytes(), whole.path)
        part.write_manifest()
        move_into_place(part.path, target)
    return type(whole)(target, manifest)


def shardable_kind(path: Path) -> type[Artifact]:
    """Return the class of the artifact at a path, such as `Images`; raise a UserError if no step takes shards of such.

    Raises:
        UserError: No step maps over such an artifact.
    """
    inputs = (load_step(name).inputs[key] for name, keys in MAPS_OVER.items() for key in keys)
    kinds = {kind.__name__: kind for kind in inputs}
    if (name := read_json(path / MANIFEST)["kind"]) not in kinds:
        raise UserError(f"{path} is of the kind {name}; {' or '.join(kinds)} is dealt into shards")
    return kinds[name]


def shard_name(whole: int, number: int) -> str:
    """Return what Kubeflow calls a dealt shard: `shard_3` of the first whole, `shard_3_with_1` of the next."""
    return f"shard_{number}" + (f"_with_{whole}" if whole else "")


def copy_rows(source: "np.ndarray", target: "np.ndarray", rows: "np.ndarray | None" = None) -> None:
    """Copy an array, or some rows of it, to another, a few rows at a time; memory of maps of files is given back.

    Args:
        source: The array, (n, ...).
        target: The other, as long as what is copied.
        rows: Numbers of the rows, increasing or not; all of them in order where they are not given.
    """
    at_once = max(1, AT_ONCE * len(source) // source.nbytes)
    for start in range(0, len(target), at_once):
        end = start + at_once
        target[start:end] = source[start:end] if rows is None else source[rows[start:end]]
        release(source)
        release(target)

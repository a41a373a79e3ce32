"""Shards: what is dealt, computed apart and joined is, byte for byte, what one run of the step makes."""

from pathlib import Path

import pytest

from components.data.artifacts import Augmented, Images
from components.data.records import Record
from components.machinery import sharding
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.system.errors import UserError
from tests.conftest import PARAMETERS, digests

BATCH = 5  # of 48 images, 10 batches, the last with 3


def deal(whole: Path, shards: int, multiple: int = BATCH) -> list[Path]:
    targets = [whole.with_name(f"{whole.name}_{shards}_{number}") for number in range(1, shards + 1)]
    words = ["--whole", whole, "--multiple", multiple, "--shards", *targets]
    sharding.main(["deal", *map(str, words)])
    return targets


def run_in_shards(name: str, inputs: dict[str, Path], folder: Path, shards: int, **changed: int) -> dict[str, Path]:
    """Run a step on each shard of its input, then join what they made, as pods of a cluster do."""
    mapped, outputs = sharding.MAPS_OVER[name], load_step(name).outputs
    copy = folder / f"{name}_input"
    copy.symlink_to(inputs[mapped])
    made: dict[str, list[Path]] = {key: [folder / key] for key in (*outputs, "record")}
    for number, shard in enumerate(deal(copy, shards)):
        paths = {key: folder / f"{key}_{number}" for key in outputs}
        record = folder / f"{name}_{number}.json"
        taken = {key: inputs[key] for key in load_step(name).inputs} | {mapped: shard}
        run_step(name, {**taken, **paths}, {**PARAMETERS[name], **changed}, record=record)
        for key, path in {**paths, "record": record}.items():
            made[key].append(path)
    sharding.main([name, *(str(word) for key, paths in made.items() for word in (f"--{key}", *paths))])
    return {key: paths[0] for key, paths in made.items()}


@pytest.fixture(scope="module")
def at_once(made, tmp_path_factory) -> dict[str, Path]:
    """Where one run's outputs of both steps lie, and what they are made from."""
    folder = tmp_path_factory.mktemp("whole")
    at = {**made, **{key: folder / key for key in ("augmented", "features", "tensors")}}
    run_step("augment", at, PARAMETERS["augment"])
    run_step("extract", at, {**PARAMETERS["extract"], "batch_size": BATCH})
    return at


@pytest.mark.parametrize("shards", [1, 2, 7])
def test_joined_shards_are_what_one_run_makes_byte_for_byte(shards, at_once, tmp_path):
    augmented = run_in_shards("augment", at_once, tmp_path, shards)
    joined = run_in_shards("extract", {**at_once, **augmented}, tmp_path, shards, batch_size=BATCH)
    for key, path in {**augmented, **joined}.items():
        if key != "record":
            assert digests(path) == digests(at_once[key])
    record, whole = Record.read(joined["record"]), Record.read(at_once["features"].with_suffix(".record.json"))
    assert record.digest == whole.digest
    assert record.work["extraction"]["images"] == whole.work["extraction"]["images"]


def test_a_shard_holds_its_files_alone_and_ends_at_a_whole_batch(made, tmp_path):
    whole = tmp_path / "images"
    whole.symlink_to(made["images"])
    tables = [Images.read(shard).table("images.csv") for shard in deal(whole, 3)]
    assert [len(table) for table in tables] == [15, 15, 18]
    for shard, table in zip(sorted(tmp_path.glob("images_3_*")), tables, strict=True):
        held = {path.relative_to(shard / "images").as_posix() for path in shard.rglob("images/*/*")}
        assert held == {*table["file"]}


def test_what_needs_the_whole_refuses_a_shard(made, tmp_path):
    whole = tmp_path / "images"
    whole.symlink_to(made["images"])
    shard = deal(whole, 2)[1]
    with pytest.raises(UserError, match=r"audit: .*images_2_2 is shard 2 of 2: join them first"):
        run_step("audit", {"images": shard, "audit": tmp_path / "audit"}, PARAMETERS["audit"])


def test_shards_are_joined_whole_in_order_and_of_one_making(made, tmp_path):
    whole = tmp_path / "images"
    whole.symlink_to(made["images"])
    made_of = []
    for number, (shard, size) in enumerate(zip(deal(whole, 2), (16, 8), strict=True)):
        made_of.append(tmp_path / f"augmented_{number}")
        values = {**PARAMETERS["augment"], "image_size": size}
        run_step("augment", {"images": shard, "augmented": made_of[-1]}, values, record=tmp_path / f"{number}.json")
    records = [tmp_path / "record.json", tmp_path / "0.json", tmp_path / "1.json"]
    for shards, error in (
        (made_of[:1], "expected all shards of one whole, in order"),
        (made_of[::-1], "in order; received"),
        (made_of, "the shards of augmented differ in inputs or parameters"),
    ):
        with pytest.raises(UserError, match=error):
            sharding.join("augment", {"augmented": [tmp_path / "joined", *shards]}, records)
    assert not (tmp_path / "joined").exists()
    assert [*tmp_path.glob(".joined*")] == []


def test_too_few_batches_for_the_shards_are_told_with_what_fits(made, tmp_path):
    with pytest.raises(UserError, match=r"48 files are 3 batches of 20, too few for 4 shards: .*shards: 3}"):
        sharding.deal(made["images"], [tmp_path / str(number) for number in range(4)], 20)
    with pytest.raises(UserError, match="of the kind Audit; Images or Augmented is dealt"):
        sharding.deal(made["audit"], [tmp_path / "0"], 20)


def test_dealt_arrays_say_what_they_are_of(made, tmp_path):
    whole = tmp_path / "augmented"
    whole.symlink_to(made["augmented"])
    first, second = (Augmented.read(path) for path in deal(whole, 2))
    assert first.digest == second.digest == Augmented.read(whole).digest
    assert len(first.array) + len(second.array) == 48

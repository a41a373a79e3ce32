"""Shards: what is dealt, computed apart and joined is, byte for byte, what one run of the step makes."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from components.__main__ import main
from components.data.artifact import MANIFEST
from components.data.artifacts import Audit, Augmented, Images, Report, TestSplit
from components.data.records import Record
from components.machinery import dealing, sharding
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.system.errors import UserError
from tests.conftest import PARAMETERS, digests

BATCH = 5  # of 48 images, 10 batches, the last with 3
TEST_BATCH = 2  # of 12 test images, 6 batches: one of 7 shards has none


def deal(whole: Path, shards: int, multiple: int = BATCH) -> list[Path]:
    targets = [whole.with_name(f"{whole.name}_{shards}_{number}") for number in range(1, shards + 1)]
    words = ["--whole", whole, "--multiple", multiple, "--shards", *targets]
    sharding.main(["deal", *map(str, words)])
    return targets


def deal_inputs(name: str, inputs: dict[str, Path], folder: Path, shards: int, multiple: int) -> list[dict[str, Path]]:
    """Deal what a step maps over; return the inputs of the step for each shard."""
    words = ["deal", "--multiple", str(multiple)]
    taken = [{key: inputs[key] for key in load_step(name).inputs} for _ in range(shards)]
    for key in dealing.MAPS_OVER[name]:
        targets = [folder / f"{name}_{key}_{number}" for number in range(shards)]
        words += ["--whole", str(inputs[key]), "--shards", *map(str, targets)]
        for one, target in zip(taken, targets, strict=True):
            one[key] = target
    sharding.main(words)
    return taken


def words_of(name: str, paths: dict[str, Path], **changed: str | int) -> list[str]:
    """Return the command line of a step."""
    words = {
        **{key: paths[key] for key in load_step(name).inputs},
        **{key: paths[key] for key in load_step(name).outputs},
    }
    return [
        name,
        *(str(word) for key, value in {**words, **PARAMETERS[name], **changed}.items() for word in (f"--{key}", value)),
    ]


def run_in_shards(
    name: str, inputs: dict[str, Path], folder: Path, shards: int, multiple: int = 1, **changed: str | int
) -> dict[str, Path]:
    """Run a step on each shard of its inputs, then join what they made, or complete it, as pods of a cluster do."""
    outputs = load_step(name).outputs
    made: dict[str, list[Path]] = {key: [folder / key] for key in (*outputs, "record")}
    for number, taken in enumerate(deal_inputs(name, inputs, folder, shards, multiple)):
        paths = {key: folder / f"{key}_{number}" for key in outputs}
        record = folder / f"{name}_{number}.json"
        main([*words_of(name, {**taken, **paths}, **changed), "--record", str(record)])
        for key, path in {**paths, "record": record}.items():
            made[key].append(path)
    whole = {key: paths[0] for key, paths in made.items()}
    if name in sharding.COMPLETED:
        parts = [str(word) for key, paths in made.items() for word in ("--shards", key, *paths[1:])]
        main([*words_of(name, {**inputs, **whole}, **changed), "--record", str(whole["record"]), *parts])
    else:
        sharding.main([name, *(str(word) for key, paths in made.items() for word in (f"--{key}", *paths))])
    return whole


@pytest.fixture(scope="module")
def at_once(made, tmp_path_factory) -> dict[str, Path]:
    """Where one run's outputs of both steps lie, and what they are made from."""
    folder = tmp_path_factory.mktemp("whole")
    at = {**made, **{key: folder / key for key in ("augmented", "features", "tensors")}}
    run_step("augment", at, PARAMETERS["augment"])
    run_step("extract", at, {**PARAMETERS["extract"], "batch_size": BATCH})
    return at


@pytest.fixture(scope="module")
def copies(made, tmp_path_factory) -> dict[str, Path]:
    """Images with copies, identical and mirrored, and their audit by one run."""
    folder = tmp_path_factory.mktemp("copies")
    random = np.random.default_rng(1)
    for name in ("a", "b"):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(6):
            waves = random.normal(size=(5, 5, 3))
            image = Image.fromarray(np.uint8(np.clip(waves * 60 + 128, 0, 255))).resize(
                (64, 64), Image.Resampling.BICUBIC
            )
            image.save(folder / "images" / name / f"{number}.png")
        ImageOps.mirror(image).save(folder / "images" / name / "mirrored.png")
        shutil.copyfile(folder / "images" / name / "0.png", folder / "images" / name / "same.png")
    at = {key: folder / "made" / key for key in ("images", "audit")}
    run_step("fetch", at, {**PARAMETERS["fetch"], "data_set": "copies", "source": str(folder / "images")})
    run_step("audit", at, PARAMETERS["audit"])
    kinds = Audit.read(at["audit"]).facts.duplicates
    assert kinds["identical_pairs"] == 2 and kinds["turned_pairs"] == 2
    return at


@pytest.mark.parametrize("shards", [1, 2, 7])
def test_joined_shards_are_what_one_run_makes_byte_for_byte(shards, at_once, tmp_path):
    augmented = run_in_shards("augment", at_once, tmp_path, shards)
    joined = run_in_shards("extract", {**at_once, **augmented}, tmp_path, shards, BATCH, batch_size=BATCH)
    for key, path in {**augmented, **joined}.items():
        if key != "record":
            assert digests(path) == digests(at_once[key])
    record, whole = Record.read(joined["record"]), Record.read(at_once["features"].with_suffix(".record.json"))
    assert record.digest == whole.digest
    assert record.work["extraction"]["images"] == whole.work["extraction"]["images"]


@pytest.mark.parametrize("shards", [1, 2, 7])
def test_an_audit_that_goes_on_from_shards_is_what_one_run_makes_byte_for_byte(shards, copies, tmp_path):
    joined = run_in_shards("audit", copies, tmp_path, shards)
    assert digests(joined["audit"]) == digests(copies["audit"])


@pytest.mark.parametrize("shards", [1, 2, 7])
@pytest.mark.parametrize(("model", "views"), [("benchmark", "plain"), ("top", "plain"), ("fine_tuned", "averaged")])
def test_a_report_that_goes_on_from_shards_is_what_one_run_makes_byte_for_byte(model, views, shards, made, tmp_path):
    inputs = {**made, "classifier": made[f"classifiers/{model}"], "report": tmp_path / "whole"}
    values = {"views": views, "batch_size": TEST_BATCH}
    main(words_of("evaluate", inputs, **values))
    joined = run_in_shards("evaluate", inputs, tmp_path, shards, TEST_BATCH, **values)
    assert digests(joined["report"]) == digests(tmp_path / "whole")
    record, whole = Record.read(joined["record"]), Record.read(tmp_path / "whole.record.json")
    assert record.digest == whole.digest
    assert record.work["evaluation"]["images"] == whole.work["evaluation"]["images"] == 12


def test_each_of_several_trainings_goes_on_from_its_own_shards(made, tmp_path):
    classifiers = tmp_path / "classifiers"
    for number, model in enumerate(("benchmark", "top", "benchmark"), start=1):
        shutil.copytree(made[f"classifiers/{model}"], classifiers / f"training={number}")
    inputs = {**made, "classifier": classifiers, "report": tmp_path / "whole"}
    main(words_of("evaluate", inputs))
    batch = int(PARAMETERS["evaluate"]["batch_size"])
    joined = run_in_shards("evaluate", inputs, tmp_path, 2, batch)
    reports = [path for path in sorted(joined["report"].rglob(MANIFEST)) if "training=" in str(path)]
    assert len(reports) == 3
    assert digests(joined["report"]) == digests(tmp_path / "whole")
    records = [
        [one.digest for one in Record.read_all([path])] for path in (joined["record"], tmp_path / "whole.record.json")
    ]
    assert records[0] == records[1] and len({*records[0]}) == 2


def test_a_pod_that_predicts_has_its_test_images_alone(made, tmp_path):
    taken = deal_inputs("evaluate", {**made, "classifier": made["classifiers/top"]}, tmp_path, 3, TEST_BATCH)
    test = TestSplit.read(made["test_split"]).table("test_split.csv")["file"].tolist()
    files = [Augmented.read(one["augmented"]).table("files.csv")["file"].tolist() for one in taken]
    assert [file for several in files for file in several] == test
    assert [len(several) for several in files] == [4, 4, 4]
    whole = Augmented.read(made["augmented"])
    for one, several in zip(taken, files, strict=True):
        assert (Augmented.read(one["augmented"]).array == whole.array[whole.rows(several)]).all()


def test_a_report_goes_on_from_shards_of_its_own_making_alone(made, tmp_path):
    inputs = {**made, "classifier": made["classifiers/top"], "augmented": made["augmented"]}
    shards = []
    for number, taken in enumerate(deal_inputs("evaluate", inputs, tmp_path, 2, TEST_BATCH)):
        shards.append(tmp_path / f"report_{number}")
        main(words_of("evaluate", {**taken, "report": shards[-1]}, batch_size=TEST_BATCH))
    whole = words_of("evaluate", {**inputs, "report": tmp_path / "report"}, batch_size=TEST_BATCH)
    other = words_of(
        "evaluate", {**inputs, "classifier": made["classifiers/benchmark"], "report": tmp_path / "report"},
        batch_size=TEST_BATCH,
    )  # fmt: skip
    crossed = {**taken, "augmented": made["augmented"], "report": tmp_path / "report"}
    for words, error in (
        ([*other, "--shards", "report", *shards], "the shards of report differ in inputs, parameters or code"),
        ([*whole, "--shards", "report", *shards[::-1]], r"all shards of one whole, in order; received 2 of 2, 1 of 2"),
        ([*whole, "--shards", "report", shards[0]], r"in order; received 1 of 2"),
        ([*whole, "--shards", "report", made["top"]], r"in order; received a whole"),
        ([*whole, "--shards", "reports", *shards], "no output with shards 'reports'; did you mean 'report'"),
        (words_of("evaluate", crossed), r"augmented is a whole; .*_1 is shard 2 of 2: give the same shard of each"),
        (["audit", *words_of("audit", {**made, "audit": shards[0]})[1:], "--shards", "audit", *shards], "is needed"),
        ([*words_of("split", {**made, "splits": tmp_path / "a", "test_split": tmp_path / "b"}), "--shards", "splits",
          made["splits"]], "split goes on from no shards; these do: audit, evaluate"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=error):
            main([*map(str, words)])
    assert not (tmp_path / "report").exists()
    with pytest.raises(UserError, match=r"compare: .*report_0 is shard 1 of 2: join them first"):
        main(["compare", "--reports", str(shards[0]), "--comparison", str(tmp_path / "comparison")])
    assert {path.name for path in shards[0].iterdir()} == {MANIFEST, "outputs.npz"}
    assert Report.read(shards[0]).shard["of"] == 2


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
    paths = {"images": shard, "audit": made["audit"], "splits": tmp_path / "a", "test_split": tmp_path / "b"}
    with pytest.raises(UserError, match=r"split: .*images_2_2 is shard 2 of 2: join them first"):
        run_step("split", paths, PARAMETERS["split"])


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
        (made_of, "the shards of augmented differ in inputs, parameters or code"),
    ):
        with pytest.raises(UserError, match=error):
            sharding.join("augment", {"augmented": [tmp_path / "joined", *shards]}, records)
    assert not (tmp_path / "joined").exists()
    assert [*tmp_path.glob(".joined*")] == []


def test_too_few_batches_for_the_shards_are_told_with_what_fits(made, tmp_path):
    with pytest.raises(UserError, match=r"48 files are 3 batches of 20, too few for 4 shards: .*shards: 3}"):
        dealing.deal([made["images"]], [[tmp_path / str(number) for number in range(4)]], 20)
    with pytest.raises(UserError, match="of the kind Audit; Images or Augmented or TestSplit is dealt"):
        dealing.deal([made["audit"]], [[tmp_path / "0"]], 20)


def test_dealt_arrays_say_what_they_are_of(made, tmp_path):
    whole = tmp_path / "augmented"
    whole.symlink_to(made["augmented"])
    first, second = (Augmented.read(path) for path in deal(whole, 2))
    assert first.digest == second.digest == Augmented.read(whole).digest
    assert len(first.array) + len(second.array) == 48

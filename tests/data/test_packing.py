"""Images in tars: what is read of them is what is read of files, whatever the step."""

import tarfile
from pathlib import Path

import pytest

from components.data import packing
from components.data.artifact import MANIFEST
from components.data.artifacts import Images
from components.data.layout import check_pinned_images
from components.machinery import dealing
from components.machinery.running import run_step
from components.system.errors import UserError
from tests.conftest import PARAMETERS, digests
from tests.data.test_layout import fetch


@pytest.fixture
def both(source, tmp_path, monkeypatch) -> dict[str, Images]:
    """One data set in both both; the tars are of about ten images each."""
    monkeypatch.setattr(packing, "TAR_BYTES", 20_000)
    return {how: fetch(source, tmp_path / how, packing=how) for how in packing.PACKINGS}


def test_a_data_set_is_the_same_however_it_is_stored(both):
    files, tars = both["files"], both["tars"]
    assert (tars.digest, tars.manifest["facts"]) == (files.digest, files.manifest["facts"])
    for name in ("images.csv", "quarantine.csv"):
        assert (tars.path / name).read_bytes() == (files.path / name).read_bytes()
    assert sorted(tars.stored_files()) == sorted(files.stored_files())
    for name in files.stored_files():
        assert tars.file(name).read_bytes() == files.file(name).read_bytes()


def test_any_program_reads_the_tars_which_are_few_and_alike_each_time(both, source, tmp_path):
    images = both["tars"]
    tars = sorted((images.path / "images").iterdir())
    assert [tar.name for tar in tars] == [f"{number:05}.tar" for number in range(len(tars))]
    assert 2 < len(tars) < 12
    held = dict[str, bytes]()
    for tar in tars:
        with tarfile.open(tar) as archive:
            for member in archive:
                content = archive.extractfile(member)
                assert content
                held[member.name] = content.read()
    assert held == {name: images.file(name).read_bytes() for name in images.table("images.csv")["file"]}
    assert digests(fetch(source, tmp_path / "again", packing="tars").path) == digests(images.path)


@pytest.mark.parametrize("step", ["audit", "augment"])
def test_steps_make_the_same_of_both_packings(step, both, tmp_path):
    output = {"audit": "audit", "augment": "augmented"}[step]
    for how, images in both.items():
        run_step(step, {"images": images.path, output: tmp_path / step / how}, PARAMETERS[step])
    assert digests(tmp_path / step / "files") == digests(tmp_path / step / "tars")


def test_shards_of_images_in_tars_are_in_tars(both, tmp_path):
    targets = [tmp_path / "shard_1", tmp_path / "shard_2"]
    dealing.deal([both["tars"].path], [targets], 1)
    shards = [Images.read(target) for target in targets]
    assert [shard.packing for shard in shards] == ["tars", "tars"]
    files = [file for shard in shards for file in shard.table("images.csv")["file"]]
    assert files == both["tars"].table("images.csv")["file"].tolist()
    for shard in shards:
        for file in shard.table("images.csv")["file"]:
            assert shard.file(file).read_bytes() == both["files"].file(file).read_bytes()


def test_a_tar_that_is_short_or_lacks_an_image_is_damaged(both, tmp_path):
    images = both["tars"]
    check_pinned_images(images, 0)
    tar = sorted((images.path / "images").iterdir())[0]
    tar.write_bytes(tar.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"00000.tar/.* is damaged \(it ends .* bytes early\): fetch the"):
        run_step("augment", {"images": images.path, "augmented": tmp_path / "augmented"}, PARAMETERS["augment"])
    with pytest.raises(UserError, match="is in none of its tars; fetch the data set again"):
        images.file("elsewhere/0.png")


def test_what_is_pinned_in_tars_is_checked_image_by_image(both):
    images = both["tars"]
    member = images.file(images.table("images.csv")["file"][3])
    assert isinstance(member, packing.TarMember)
    content = bytearray(member.tar.read_bytes())
    content[member.offset + 8] ^= 1
    member.tar.write_bytes(bytes(content))
    with pytest.raises(UserError, match=f"the pinned own is damaged, {member.name} first"):
        check_pinned_images(Images.read(images.path), 0)


def test_long_and_foreign_names_are_found_in_tars(source, tmp_path):
    name = f"{'é' * 60}/{'ü' * 100}.png"
    folder = tmp_path / "photos"
    for label in (name.partition("/")[0], "plain"):
        (folder / label).mkdir(parents=True)
        for number, file in enumerate(sorted(Path(source).rglob("*.png"))[:3]):
            (folder / label / f"{'ü' * 100}{number}.png").write_bytes(file.read_bytes())
    files, tars = (fetch(folder, tmp_path / how, packing=how) for how in packing.PACKINGS)
    for file in files.table("images.csv")["file"]:
        assert tars.file(file).read_bytes() == files.file(file).read_bytes()
    assert (tars.path / MANIFEST).is_file()

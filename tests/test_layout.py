"""Fetching: one layout, what is no image set aside, and a digest of the content alone."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components import step
from components.data import images as image_files
from components.data.artifacts import Images
from components.data.datasets import DATA_SETS, DataSet, write_digits
from components.errors import UserError
from tests.conftest import CLASSES, write_images


def fetch(source: Path | str, target: Path, data_set: str = "own", max_quarantined: float = 1) -> Images:
    parameters = {"data_set": data_set, "source": str(source), "max_quarantined": max_quarantined}
    step.run("fetch", {"images": target}, parameters)
    return Images.read(target)


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_images(tmp_path / "edges", 2)


def quarantine(images: Images) -> dict[str, str]:
    table = images.table("quarantine.csv")
    return dict(zip(table["file"], table["reason"], strict=True))


def test_one_layout(folder, tmp_path):
    images = fetch(folder, tmp_path / "images")
    table = images.table("images.csv")
    assert table.columns.tolist() == ["file", "label", "width", "height", "sha256"]
    assert table["file"].tolist() == [f"{name}/0{image}.png" for name in CLASSES for image in range(2)]
    assert table["label"].tolist() == [name for name in CLASSES for _ in range(2)]
    assert set(table["width"]) == set(table["height"]) == {12}
    assert all(images.file(file).read_bytes() == (folder / file).read_bytes() for file in table["file"])
    assert images.facts == {"classes": list(CLASSES), "data_set": "own"}
    assert quarantine(images) == {}


def test_the_record_says_what_the_images_are_and_not_whence_they_came(folder, tmp_path):
    images = fetch(folder, tmp_path / "images")
    assert images.record["lineage"] == {"fetch": images.digest}
    assert (images.record["parameters"], images.record["revisions"], images.record["work"]) == ({}, {}, {})
    assert str(tmp_path) not in json.dumps(images.record)


def test_what_is_no_readable_image_is_listed_and_left_behind(folder, tmp_path):
    whole = (folder / "up" / "00.png").read_bytes()
    bad = {"notes.txt": b"no image", "empty.png": b"", "short.png": whole[:-200], "head.png": whole[:20]}
    for name, content in bad.items():
        (folder / "up" / name).write_bytes(content)
    images = fetch(folder, tmp_path / "images")
    reasons = quarantine(images)
    assert sorted(reasons) == sorted(f"up/{name}" for name in bad)
    assert all(reasons.values()) and not any(str(tmp_path) in reason for reason in reasons.values())
    assert "truncated" in reasons["up/short.png"]
    assert len(images.table("images.csv")) == 6
    assert not any(images.file(name).exists() for name in reasons)


def test_a_photograph_with_damaged_exif_stops_nothing(folder, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "hello"  # orientation, description
    Image.new("RGB", (8, 8)).save(folder / "up" / "photo.jpg", exif=exif)
    described = (folder / "up" / "photo.jpg").read_bytes()
    (folder / "up" / "photo.jpg").write_bytes(described.replace(b"\x01\x0e\x00\x02", b"\x01\x01\x00\x02"))  # a length
    assert len(fetch(folder, tmp_path / "images").table("images.csv")) >= 6


def test_hidden_files_are_skipped(folder, tmp_path):
    plain = fetch(folder, tmp_path / "plain")
    for name in (".hidden/a.png", "up/.hidden.png", "up/.hidden/a.png", "up/._00.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(folder / "up" / "00.png", folder / name)
    images = fetch(folder, tmp_path / "images")
    assert images.record == plain.record
    assert quarantine(images) == {}


def test_folders_within_a_class_belong_to_it(folder, tmp_path):
    (folder / "up" / "more").mkdir()
    (folder / "up" / "00.png").rename(folder / "up" / "more" / "00.png")
    table = fetch(folder, tmp_path / "images").table("images.csv").set_index("file")
    assert table.loc["up/more/00.png", "label"] == "up"


def beside(*names: str) -> Callable[[Path], None]:
    def change(top: Path) -> None:
        for name in names:
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_bytes(b"text")

    return change


@pytest.mark.parametrize(
    "change",
    [beside(), beside(".DS_Store"), beside("README.md", "LICENSE"), beside("__MACOSX/deep/er/edges/up/._00.png")],
    ids=["alone", "hidden file", "files beside", "zipped by macOS"],
)
def test_class_folders_are_found_deeper_down(change, tmp_path):
    plain = fetch(write_images(tmp_path / "edges", 2), tmp_path / "plain")
    write_images(tmp_path / "top" / "deep" / "er" / "edges", 2)
    change(tmp_path / "top")
    assert fetch(tmp_path / "top", tmp_path / "images").record == plain.record


def test_labels_and_names_stay_text(tmp_path):
    classes = ("007", "1e5", "NA", "null", 'a, "b"', "ö")
    write_images(tmp_path / "edges", 1, classes=classes)
    table = fetch(tmp_path / "edges", tmp_path / "images").table("images.csv")
    assert set(table["label"]) == set(classes)
    assert set(table["file"]) == {f"{name}/00.png" for name in classes}


def test_a_name_that_is_no_text_is_set_aside(folder, tmp_path):
    shutil.copy(folder / "up" / "00.png", os.fsencode(folder / "up") + b"/caf\xe9.png")
    images = fetch(folder, tmp_path / "images")
    assert len(images.table("images.csv")) == 6
    assert [name for name in quarantine(images) if name.startswith("up/caf")]


def one_class(folder: Path) -> None:
    shutil.rmtree(folder / "left")
    shutil.rmtree(folder / "down")


def no_class(folder: Path) -> None:
    one_class(folder)
    shutil.rmtree(folder / "up")


def images_without_folders(folder: Path) -> None:
    shutil.copy(folder / "up" / "00.png", folder)
    no_class(folder)


def class_without_images(folder: Path) -> None:
    (folder / "empty").mkdir()


def class_of_damaged_images(folder: Path) -> None:
    for file in (folder / "up").iterdir():
        file.write_bytes(b"")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (one_class, "two or more folders, one a class"),
        (no_class, "two or more folders, one a class"),
        (images_without_folders, "two or more folders, one a class"),
        (class_without_images, "empty"),
        (class_of_damaged_images, "up"),
    ],
)
def test_folders_that_are_no_data_set(change, match, folder, tmp_path):
    change(folder)
    with pytest.raises(UserError, match=match):
        fetch(folder, tmp_path / "images")
    assert not (tmp_path / "images").exists()


def test_the_digest_is_of_names_and_bytes_alone(folder, tmp_path):
    digest = fetch(folder, tmp_path / "images").digest
    elsewhere = tmp_path / "else" / "where"
    for file in sorted(folder.rglob("*.png"), reverse=True):  # made in another order
        (elsewhere / file.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, elsewhere / file.relative_to(folder))
    (elsewhere / "up" / "notes.txt").write_text("no image")
    assert fetch(elsewhere, tmp_path / "copy").digest == digest


def longer(folder: Path) -> None:
    with (folder / "up" / "00.png").open("ab") as file:
        file.write(b"\0")


def renamed(folder: Path) -> None:
    (folder / "up" / "01.png").rename(folder / "up" / "02.png")


def exchanged(folder: Path) -> None:
    (folder / "up" / "00.png").rename(folder / "up" / "zz.png")
    (folder / "up" / "01.png").rename(folder / "up" / "00.png")
    (folder / "up" / "zz.png").rename(folder / "up" / "01.png")


def relabelled(folder: Path) -> None:
    (folder / "up" / "00.png").rename(folder / "down" / "02.png")


def fewer(folder: Path) -> None:
    (folder / "up" / "00.png").unlink()


@pytest.mark.parametrize("change", [longer, renamed, exchanged, relabelled, fewer])
def test_the_digest_changes_with_a_byte_and_with_a_name(change, folder, tmp_path):
    digest = fetch(folder, tmp_path / "images").digest
    change(folder)
    assert fetch(folder, tmp_path / "images").digest != digest


@pytest.fixture
def registered(folder, tmp_path, monkeypatch) -> DataSet:
    """The data set as an entry of the registry, its classes in an order of their own."""
    digest = fetch(folder, tmp_path / "images").digest
    entry = DataSet("Edges", "CC0", "nobody", ("up", "left", "down"), "edges", 6, digest)
    monkeypatch.setitem(DATA_SETS, "edges", entry)
    return entry


@pytest.mark.parametrize("other", ["zzz", "__MACOSX/edges"])
def test_a_registered_data_set_has_its_classes_in_its_order(other, registered, folder, tmp_path):
    whole = tmp_path / "whole"
    (whole / other).mkdir(parents=True)
    shutil.copytree(folder, whole / "photos" / "edges")
    for source in (folder, whole):
        images = fetch(source, tmp_path / "images", "edges")
        assert images.facts == {"classes": ["up", "left", "down"], "data_set": "edges"}
        assert images.digest == registered.digest


def test_a_registered_name_is_not_given_to_other_content(registered, folder, tmp_path):
    longer(folder)
    other = fetch(folder, tmp_path / "own").digest
    with pytest.raises(UserError, match="not the published edges") as caught:
        fetch(folder, tmp_path / "images", "edges")
    assert registered.digest in str(caught.value) and other in str(caught.value)
    assert Images.read(tmp_path / "images").digest == registered.digest


def class_too_many(folder: Path) -> None:
    (folder / "right").mkdir()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (fewer, "5 readable images of 6"),
        (one_class, "the classes up, left, down expected; received up"),
        (class_too_many, "expected; received down, left, right, up"),
        (lambda folder: folder.rename(folder.with_name("corners")), "no folder 'edges'"),
    ],
    ids=["image missing", "classes missing", "class too many", "folder missing"],
)
def test_a_registered_data_set_that_is_not_whole(change, match, registered, folder, tmp_path):
    whole = tmp_path / "whole"
    shutil.copytree(folder, whole / "edges")
    change(whole / "edges")
    with pytest.raises(UserError, match=match):
        fetch(whole, tmp_path / "again", "edges")


def test_a_name_that_nobody_published(tmp_path):
    with pytest.raises(UserError, match="no published data set 'digts'; did you mean 'digits'"):
        fetch("published", tmp_path / "images", "digts")


def test_the_built_in_digits(tmp_path):
    from sklearn.datasets import load_digits

    images = fetch("published", tmp_path / "images", "digits")
    table = images.table("images.csv").sort_values("file", key=lambda files: files.str.rpartition("/")[2])
    grey, labels = load_digits(return_X_y=True)
    assert len(table) == DATA_SETS["digits"].images == len(labels) == 1797
    assert images.digest == DATA_SETS["digits"].digest
    assert images.facts["classes"] == [str(digit) for digit in range(10)]
    assert table["label"].tolist() == labels.astype(str).tolist()
    pixels = np.stack([np.asarray(image_files.decode(images.file(file))) for file in table["file"]])
    expected = (grey.reshape(-1, 8, 8, 1) / 16 * 255).round()
    np.testing.assert_array_equal(pixels, np.broadcast_to(expected, pixels.shape))


def test_digits_with_one_pixel_changed_are_not_the_published_ones(tmp_path):
    write_digits(tmp_path)
    file = next((tmp_path / "digits" / "0").iterdir())
    with Image.open(file) as image:
        image.putpixel((0, 0), (1, 0, 0))
    image.save(file)
    with pytest.raises(UserError, match=DATA_SETS["digits"].digest):
        fetch(tmp_path, tmp_path / "images", "digits")


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_registry_says_everything(name):
    entry = DATA_SETS[name]
    assert all((entry.title, entry.license, entry.citation, entry.folder, entry.images, entry.digest))
    assert bool(entry.address) != bool(entry.make)
    assert len(set(entry.classes)) == len(entry.classes) >= 2


def test_the_sign_language_data_set(tmp_path):
    archive = Path(os.environ.get("GRAFT_SHARED", "nowhere")) / "data" / "sign_language_digits.tar"
    if not archive.is_file():
        pytest.skip("GRAFT_SHARED names no folder with data/sign_language_digits.tar")
    images = fetch(archive, tmp_path / "images", "sign_language")
    table = images.table("images.csv")
    assert len(table) == 2062 and table["label"].nunique() == 10
    assert images.digest == DATA_SETS["sign_language"].digest
    assert quarantine(images) == {}

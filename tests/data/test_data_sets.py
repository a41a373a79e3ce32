"""Published data sets: their layouts, parts, published splits and groups; and the same of one's own images."""

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.data import lists
from components.data.artifacts import Images
from components.data.content import file_sha256
from components.data.datasets import DATA_SETS
from components.system.errors import UserError
from tests.conftest import CLASSES, write_images
from tests.data.test_layout import fetch, quarantine


def real(name: str) -> Path:
    """Return where real data lies; without it, skip."""
    path = Path(os.environ.get("GRAFT_SHARED", "nowhere")) / "data" / name
    if not path.exists():
        pytest.skip(f"GRAFT_SHARED names no folder with data/{name}")
    return path


def checked_content(images: Images) -> set[tuple[str, str]]:
    """Return the bytes of every image by its digest, with its label, after holding that the tables tell the truth."""
    table = images.table("images.csv")
    assert table["file"].is_unique
    on_disk = {path.relative_to(images.path / "images").as_posix() for path in images.path.glob("images/**/*.*")}
    assert on_disk == set(table["file"])
    for file, label, digest in table[["file", "label", "sha256"]].itertuples(index=False):
        assert file.split("/")[0] == label
        assert hashlib.sha256(images.file(file).read_bytes()).hexdigest() == digest
    return set(zip(table["sha256"], table["label"], strict=True))


def test_the_sign_language_data_set_and_its_persons(tmp_path):
    images = fetch(real("sign_language_digits.tar"), tmp_path / "images", "sign_language")
    table = images.table("images.csv")
    assert len(table) == 2062 and table["label"].nunique() == 10
    assert images.digest == DATA_SETS["sign_language"].digest
    assert quarantine(images) == {}
    sizes = table["group"].value_counts()
    assert (len(sizes), (sizes == 10).sum(), sizes.max()) == (220, 190, 10)
    assert not table.duplicated(["group", "label"]).any()
    assert set(table["part"]) == {""}


def test_the_animals(tmp_path):
    images = fetch(real("kth_animals.tar"), tmp_path / "images", "kth_animals")
    table = images.table("images.csv")
    sizes = table["label"].value_counts()
    assert (len(table), len(sizes), sizes.min(), sizes.max()) == (1738, 19, 62, 105)
    assert images.digest == DATA_SETS["kth_animals"].digest
    assert quarantine(images) == {}
    assert set(table["part"]) == set(table["group"]) == {""}


@pytest.mark.parametrize(
    ("name", "classes", "parts"),
    [
        ("car_damage", ["00-front", "01-rear", "02-side"], {"train": 18, "validation": 18}),
        ("traffic_lights", ["green", "red", "yellow"], {"train": 18, "test": 18}),
        ("groceries", list(DATA_SETS["groceries"].classes), {"": 75}),
    ],
)
def test_samples_as_images_of_one_s_own(name, classes, parts, tmp_path):
    images = fetch(real(f"samples/{name}"), tmp_path / "images", max_quarantined=0)
    table = images.table("images.csv")
    assert images.facts.classes == classes
    assert table["part"].value_counts().to_dict() == parts
    assert len(checked_content(images)) == len(table)


def image_bytes(number: int) -> bytes:
    file = io.BytesIO()
    pixels = np.frombuffer(number.to_bytes(12, "big"), np.uint8).reshape(2, 2, 3)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_copy(name: str, top: Path) -> list[str]:
    """Write a data set of a published layout and size, of tiny images, with all that may lie beside them.

    Returns:
        The names of the images, under their common folder.
    """
    entry = DATA_SETS[name]
    places = {
        "groceries": ["images"],
        "car_damage": ["body/training", "body/validation"],
        "traffic_lights": ["traffic_light_images/training", "traffic_light_images/test"],
    }[name]
    folders = [f"{place}/{folder}" for place in places for folder in entry.labels]
    names = []
    for number in range(entry.images):
        folder = folders[number % len(folders)]
        kind = (".JPEG", ".jpeg", ".jpg", ".png", " 1.JPG")[number % 5] if name != "groceries" else ".png"
        stem = folder.split("/")[-1] if name == "groceries" else ""
        names.append(f"{folder}/{stem}{number // len(folders):04}{kind}")
        (top / names[-1]).parent.mkdir(parents=True, exist_ok=True)
        (top / names[-1]).write_bytes(image_bytes(number))
    litter = [".DS_Store", "README.md", "LICENSE", f"{places[0]}/.DS_Store", f"{places[0]}/README.txt"]
    for file in (*litter, *(f"{folder}/{file}" for folder in folders for file in (".DS_Store", "Thumbs.db"))):
        (top / file).write_bytes(b"text")
    if name == "groceries":
        write_splits(top / "splits", [file.removeprefix("images/") for file in names])
    return names


def write_splits(folder: Path, names: list[str]) -> None:
    """Write the five published splits; the train lists repeat lines."""
    folder.mkdir()
    for fold in range(5):
        test = [name for name in names if int(name[-8:-4]) % 5 == fold]
        train = [name for name in names if name not in set(test)]
        for kind, files in {"test": test, "train": train + train[:900]}.items():
            lines = [f"{file} {DATA_SETS['groceries'].classes.index(file.split('/')[0])}\n" for file in files]
            (folder / f"{kind}{fold}.txt").write_text("".join(lines))


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> dict[str, tuple[Path, list[str]]]:
    """Whole data sets in the published layouts; not to be changed."""
    tops = {}
    for name in ("groceries", "car_damage", "traffic_lights"):
        top = tmp_path_factory.mktemp(name) / "some copy"
        tops[name] = (top, write_copy(name, top))
    return tops


@pytest.fixture
def of_any_content(monkeypatch) -> None:
    """Let the published data sets hold other images than they do."""
    for name, entry in DATA_SETS.items():
        monkeypatch.setitem(DATA_SETS, name, replace(entry, digest=""))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("groceries", {"0": 1000, "1": 1000, "2": 997, "3": 975, "4": 975}),
        ("car_damage", {"train": 576, "validation": 574}),
        ("traffic_lights", {"train": 742, "test": 741}),
    ],
)
def test_a_whole_data_set_in_its_published_layout(name, parts, copies, of_any_content, tmp_path):
    source, names = copies[name]
    images = fetch(source, tmp_path / "images", name, max_quarantined=0)
    table = images.table("images.csv")
    entry = DATA_SETS[name]
    expected = {
        (hashlib.sha256(image_bytes(number)).hexdigest(), entry.labels[file.split("/")[-2]])
        for number, file in enumerate(names)
    }
    assert checked_content(images) == expected and len(table) == entry.images
    assert images.facts.classes == list(entry.classes)
    assert table["part"].value_counts().to_dict() == parts
    published = table["file"].str.extract(r"/(train|validation|test)", expand=False)
    assert name == "groceries" or (published == table["part"]).all()
    assert set(table["group"]) == {""}


def pack(source: Path, inside: str, target: Path) -> Path:
    with tarfile.open(target, "w:gz") as archive:
        archive.add(source, inside)
    return target


def test_other_images_in_the_layout_of_a_published_data_set_are_not_that(copies, tmp_path):
    with pytest.raises(UserError, match=f"is not the published car_damage: .* not {DATA_SETS['car_damage'].digest}; "):
        fetch(copies["car_damage"][0], tmp_path / "images", "car_damage", max_quarantined=0)
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize(
    ("name", "parts"),
    [("car_damage", {"train": 979, "validation": 171}), ("traffic_lights", {"train": 1186, "test": 297})],
)
def test_what_a_person_gets_by_hand_is_known_by_its_content(name, parts, tmp_path):
    images = fetch(real(f"{name}.tar"), tmp_path / "images", name, max_quarantined=0)
    assert images.digest == DATA_SETS[name].digest
    assert images.table("images.csv")["part"].value_counts().to_dict() == parts


def test_every_published_data_set_is_pinned_by_its_content():
    assert all(len(entry.digest) == 64 for entry in DATA_SETS.values())


def test_a_data_set_is_one_wherever_its_folders_lie(copies, of_any_content, tmp_path):
    source, _ = copies["car_damage"]
    plain = fetch(source, tmp_path / "plain", "car_damage")
    deeper = pack(source, "car damage/data/copy 2", tmp_path / "deeper.tar.gz")
    for place in (source / "body", deeper):
        assert fetch(place, tmp_path / "images", "car_damage").manifest == plain.manifest


@pytest.fixture
def few_groceries(tmp_path, monkeypatch) -> Path:
    """Groceries of two images a class."""
    monkeypatch.setitem(DATA_SETS, "groceries", replace(DATA_SETS["groceries"], images=50, digest=""))
    write_copy("groceries", tmp_path / "copy")
    return tmp_path / "copy"


def test_a_copy_without_the_lists_of_its_splits_says_where_they_are_and_where_to_lay_them(few_groceries, tmp_path):
    address = "https://raw.githubusercontent.com/PhilJd/freiburg_groceries_dataset/.*/splits/test0.txt"
    with pytest.raises(UserError, match=f"images has no splits/test0.txt, .*: get it from {address}, lay it as "):
        fetch(few_groceries / "images", tmp_path / "images", "groceries")
    (few_groceries / "splits" / "test3.txt").unlink()
    with pytest.raises(UserError, match=r"copy has no splits/test3\.txt"):
        fetch(few_groceries, tmp_path / "images", "groceries")


def test_the_lists_of_a_published_data_set_come_with_it_though_they_lie_elsewhere(few_groceries, tmp_path, monkeypatch):
    whole = fetch(few_groceries, tmp_path / "whole", "groceries")
    pack(few_groceries / "images", "images", tmp_path / "groceries.tar.gz")
    entry = DATA_SETS["groceries"]
    with serving_files(tmp_path) as address:
        lists = {name: f"{address}/copy/{name}#sha256={file_sha256(few_groceries / name)}" for name in entry.test_lists}
        published = replace(entry, address=f"{address}/groceries.tar.gz", test_lists=lists)
        monkeypatch.setitem(DATA_SETS, "groceries", published)
        assert fetch("published", tmp_path / "images", "groceries").manifest == whole.manifest
        (few_groceries / "splits" / "test4.txt").unlink()
        (tmp_path / "groceries.tar.gz").unlink()
        advice = r"lay it beside what that holds as splits/test4\.txt, and give the folder as source"
        with pytest.raises(
            UserError, match=rf"cannot download .*/test4\.txt: .*; get it and {address}/.* by hand, {advice}"
        ):
            fetch("published", tmp_path / "more", "groceries")


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("TUNA/TUNA0000.png 24", "test0.txt: 'TUNA/TUNA0000.png' is not an image of this data set"),
        ("BEANS/BEANS0000.png 0", "test1.txt: BEANS/BEANS0000.png is listed under 0 too"),
        ("", "1 images are in no list of groups or splits, BEANS/BEANS0000.png first"),
        (b"caf\xe9 1", "test0.txt cannot be read as text"),
    ],
)
def test_lists_that_are_not_of_these_images(line, match, few_groceries, tmp_path):
    first = few_groceries / "splits" / "test0.txt"
    if isinstance(line, bytes):
        first.write_bytes(line)
    elif line.startswith("BEANS"):
        with first.with_name("test1.txt").open("a") as file:
            file.write(f"{line}\n")
    else:
        first.write_text(first.read_text().replace("BEANS/BEANS0000.png 0\n", f"{line}\n" if line else ""))
    with pytest.raises(UserError, match=match) as caught:
        fetch(few_groceries, tmp_path / "images", "groceries")
    assert str(caught.value).isprintable()
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize("name", [name for name, entry in DATA_SETS.items() if entry.page])
def test_what_cannot_be_downloaded_is_got_by_hand(name, tmp_path):
    with pytest.raises(UserError, match=f"get it from {DATA_SETS[name].page} and give its path as the source"):
        fetch("published", tmp_path / "images", name)


@contextmanager
def serving_files(folder: Path) -> Iterator[str]:
    """Yield the address of a server of the files in a folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with pytest.MonkeyPatch.context() as patch, ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        patch.setenv("no_proxy", "127.0.0.1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def write_parts(top: Path, *parts: str) -> Path:
    for part in parts:
        write_images(top / part, 2)
    return top


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("train", "test"), {"train", "test"}),
        (("training", "Validation"), {"train", "validation"}),
        (("train", "val", "test"), {"train", "validation", "test"}),
        (("TRAIN", "valid"), {"train", "validation"}),
    ],
)
def test_folders_of_parts_are_no_classes(folders, expected, tmp_path):
    images = fetch(write_parts(tmp_path / "top" / "edges", *folders), tmp_path / "images", max_quarantined=0)
    table = images.table("images.csv")
    assert images.facts.classes == list(CLASSES)
    assert set(table["part"]) == expected and len(table) == 6 * len(folders)
    assert set(table["file"]) >= {f"up/{folder}/00.png" for folder in folders}
    checked_content(images)


def test_a_class_that_a_part_lacks_and_links_in_parts(tmp_path):
    top = write_parts(tmp_path / "edges", "train", "test")
    (top / "test" / "up").rename(tmp_path / "more")
    (top / "test" / "up").symlink_to(tmp_path / "more")
    images = fetch(top, tmp_path / "images")
    assert images.facts.classes == ["down", "left", "up"]
    assert quarantine(images) == {"test/up": "a link to a folder, which is not followed"}


NAMES = [f"{name}/0{number}.png" for name in CLASSES for number in range(2)]
LINES = [f"{name},{number % 3:03}" for number, name in enumerate(NAMES)]


@pytest.mark.parametrize("place", [".", ".."])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_groups_of_one_s_own(place, ending, tmp_path):
    folder = write_images(tmp_path / "top" / "edges", 2)
    plain = fetch(tmp_path / "top", tmp_path / "plain")
    (folder / "up" / "bad.png").write_bytes(b"")
    text = ending.join(["\ufefffile,group", *LINES, "up/bad.png,000", ""])
    (folder / place / "groups.csv").write_text(text, newline="")
    images = fetch(tmp_path / "top", tmp_path / "images")
    table = images.table("images.csv").set_index("file")
    assert table["group"].to_dict() == dict(line.split(",") for line in LINES)
    assert images.digest != plain.digest
    (folder / place / "groups.csv").write_text(text.replace("002", "001"), newline="")
    assert fetch(tmp_path / "top", tmp_path / "other").digest != images.digest


def test_groups_of_parts_are_named_as_in_the_source(tmp_path):
    top = write_parts(tmp_path / "edges", "train", "test")
    names = [f"{part}/{name}" for part in ("train", "test") for name in NAMES]
    (top / "groups.csv").write_text("\n".join(["file,group", *(f"{name},{name[:2]}" for name in names)]))
    table = fetch(top, tmp_path / "images").table("images.csv")
    assert (table["group"] == table["part"].str[:2]).all()


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        (["file,person", *LINES], "line 1 of groups.csv: expected a first line `file,group`"),
        (LINES, "line 1 of groups.csv: expected a first line `file,group`"),
        (["file,group", *LINES, "up/00.png,1,2"], "line 8 of groups.csv: "),
        (["file,group", *LINES[:-1], "up/01.png,"], "line 7 of groups.csv: "),
        (["file,group", *LINES, ""] * 2, "line 9 of groups.csv: "),
        (["file,group", *LINES, "up/07.png,1"], "line 8 of groups.csv: 'up/07.png' is not an image"),
        (["file,group", *LINES, "up/00.png,9"], "line 8 of groups.csv: up/00.png is listed under 001 too"),
        (["file,group", *LINES[1:]], "1 images are in no list .* down/00.png first"),
        (["file,group"], "6 images are in no list"),
        ([""], "6 images are in no list"),
        (["file,group", 'up/00.png,"1"2'], "line 2 of groups.csv is not CSV"),
        (["file,group", "caf\udce9,1"], "groups.csv cannot be read as text"),
    ],
)
def test_groups_that_are_none(lines, match, tmp_path):
    folder = write_images(tmp_path / "edges", 2)
    (folder / "groups.csv").write_text("\n".join(lines), errors="surrogateescape")
    with pytest.raises(UserError, match=match) as caught:
        fetch(folder, tmp_path / "images")
    assert str(caught.value).isprintable()
    assert not (tmp_path / "images").exists()


def test_a_new_person_begins_where_the_class_does_not_advance():
    people = [("0", 1), ("1", 2), ("9", 3), ("0", 4), ("2", 10), ("2", 11), ("1", 12)]
    table = pd.DataFrame({"label": label, "file": f"{label}/IMG_{number}.JPG"} for label, number in people)
    expected = pd.Series(["1", "1", "1", "2", "2", "3", "4"])
    for seed in range(5):
        mixed = table.sample(frac=1, random_state=seed)
        numbers = lists.person_numbers(mixed.reset_index(drop=True), list("0123456789"))
        assert numbers == expected[mixed.index].tolist()

"""Fetching: one layout, what is no image set aside, and a digest of the content alone."""

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from stat import S_ISLNK

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.data import folders
from components.data import images as image_files
from components.data.artifacts import Augmented, Classifier, Images
from components.data.class_folders import ClassFolder, ClassFolders
from components.data.data_set_summary import data_set_lines
from components.data.datasets import DATA_SETS, DataSet, write_digits
from components.data.folders import Folder
from components.data.source_reading import label_by_folders
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.system.errors import UserError, one_line
from tests.conftest import CLASSES, write_images
from tests.data.test_colours import ADOBE_PROFILE

PLAIN = {
    **dict.fromkeys(("views", "seed", "randaugment"), 0),
    "image_size": 12,
    "resize": "squash",
    "flip": "none",
    **dict.fromkeys(("rotation", "shear", "zoom", "shift", "brightness", "magnitude"), 0.0),
}


def fetch(source: Path | str, target: Path, data_set: str = "own", max_quarantined: float = 1, **more: str) -> Images:
    parameters = {"data_set": data_set, "source": str(source), "max_quarantined": max_quarantined}
    run_step("fetch", {"images": target}, {**parameters, **more})
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
    assert table.columns.tolist() == ["file", "label", "width", "height", "sha256", "part", "group"]
    assert table["file"].tolist() == [f"{name}/0{image}.png" for name in CLASSES for image in range(2)]
    assert table["label"].tolist() == [name for name in CLASSES for _ in range(2)]
    assert set(table["width"]) == set(table["height"]) == {12}
    assert all(images.file(file).read_bytes() == (folder / file).read_bytes() for file in table["file"])
    assert vars(images.facts) == {"classes": list(CLASSES), "data_set": "own"}
    assert quarantine(images) == {}


def test_the_manifest_says_what_the_images_are_and_not_whence_they_came(folder, tmp_path):
    images = fetch(folder, tmp_path / "images")
    assert images.manifest["lineage"] == {"fetch": images.digest}
    assert images.manifest["parameters"] == {}
    assert str(tmp_path) not in json.dumps(images.manifest)


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
    assert not reasons.keys() & {*images.stored_files()}


def test_a_photograph_with_damaged_exif_stops_nothing(folder, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "hello"  # orientation, description
    Image.new("RGB", (8, 8)).save(folder / "up" / "photo.jpg", exif=exif)
    described = (folder / "up" / "photo.jpg").read_bytes()
    (folder / "up" / "photo.jpg").write_bytes(described.replace(b"\x01\x0e\x00\x02", b"\x01\x01\x00\x02"))  # a length
    assert len(fetch(folder, tmp_path / "images").table("images.csv")) == 7


def test_images_of_12_bits_in_16_are_read_as_12_and_the_artifacts_made_of_them_say_so(folder, tmp_path, capsys):
    """As the same pictures over all 16 bits; what is brighter than all of them need not be of them."""
    for file in sorted(folder.rglob("*.png")):
        with Image.open(file) as image:
            grey = np.asarray(image.convert("L")).astype(np.uint16)
        Image.fromarray(grey * 257).save(tmp_path / "full.png")
        Image.fromarray((grey.astype(int) * 4095 // 255).astype(np.uint16)).save(file)
    images = fetch(folder, tmp_path / "images")
    largest = max(int(np.asarray(Image.open(file)).max()) for file in folder.rglob("*.png"))
    line = "depth: 6 images of 16 bits a sample do not tell how many are in use; their largest value is"
    assert f"fetch: {line} {largest}: read as 12 bits, 4095 is white" in capsys.readouterr().out.splitlines()
    assert images.facts.white_level == 4095
    last = sorted(images.table("images.csv")["file"])[-1]
    read = image_files.read_pixels(images.file(last), 12, images.facts.white_level)
    np.testing.assert_allclose(read, image_files.read_pixels(tmp_path / "full.png", 12).astype(int), atol=1)
    run_step("augment", {"images": images.path, "augmented": tmp_path / "augmented"}, PLAIN)
    augmented = Augmented.read(tmp_path / "augmented")
    assert augmented.facts.white_level == 4095
    row = augmented.rows([last])
    np.testing.assert_array_equal(augmented.array[row, 0], [read])
    assert Classifier.facts_type.declares("white_level")


def test_colour_profiles_are_said(folder, tmp_path, capsys):
    for name, profile in (("00", ADOBE_PROFILE), ("01", b"damaged")):
        with Image.open(folder / "up" / f"{name}.png") as image:
            image.save(folder / "up" / f"{name}.png", icc_profile=profile)
    fetch(folder, tmp_path / "images")
    lines = capsys.readouterr().out.splitlines()
    assert "fetch: colours: 1 images are made sRGB from their profiles: Adobe RGB (1998) 1" in lines
    ignored = (
        "fetch: colours: 1 images have a profile that is unreadable, or of other colours: it is ignored, as viewers do"
    )
    assert ignored in lines


def test_hidden_files_and_a_system_s_litter_are_skipped(folder, tmp_path):
    plain = fetch(folder, tmp_path / "plain")
    hidden = (".hidden/a.png", "up/.hidden.png", "up/.hidden/a.png", "up/._00.png")
    thumbnails = ("up/@eaDir/00.png/SYNOPHOTO_THUMB_SM.png", "$RECYCLE.BIN/a.png", "System Volume Information/a.png")
    littered = ("up/Thumbs.db", "up/thumbs.DB", "up/Desktop.ini", "up/__MACOSX/a.png", "lost+found/a.png", *thumbnails)
    for name in (*hidden, *littered):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(folder / "up" / "00.png", folder / name)
    images = fetch(folder, tmp_path / "images")
    assert images.manifest == plain.manifest
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
    assert fetch(tmp_path / "top", tmp_path / "images").manifest == plain.manifest


def test_a_folder_of_lists_beside_that_of_the_images_is_passed_over_and_said(folder, tmp_path, capsys):
    plain = fetch(folder, tmp_path / "plain")
    shutil.copytree(folder, tmp_path / "groceries" / "images")
    beside("splits/test0.txt")(tmp_path / "groceries")
    assert fetch(tmp_path / "groceries", tmp_path / "own", max_quarantined=0).manifest == plain.manifest
    assert "fetch: left out: splits, with 1 files: no image in it" in capsys.readouterr().out.splitlines()


def test_names_composed_and_decomposed_are_one(folder, tmp_path):
    for form in ("NFC", "NFD"):
        copy = tmp_path / form
        shutil.copytree(folder, copy)
        (copy / "up").rename(copy / unicodedata.normalize(form, "ö"))
        (copy / "down" / "00.png").rename(copy / "down" / unicodedata.normalize(form, "é.png"))
    (copy / "groups.csv").write_text(
        "file,group\nö/00.png,1\nö/01.png,1\ndown/é.png,2\ndown/01.png,2\nleft/00.png,3\nleft/01.png,3\n"
    )
    images, again = fetch(tmp_path / "NFC", tmp_path / "images"), fetch(copy, tmp_path / "again")
    assert images.facts.classes == again.facts.classes == ["down", "left", "ö"]
    assert (images.table("images.csv")["file"] == again.table("images.csv")["file"]).all()
    assert again.table("images.csv").groupby("label")["group"].first().to_dict() == {"ö": "1", "down": "2", "left": "3"}
    shutil.copy(folder / "up" / "00.png", copy / "down" / "é.png")
    with pytest.raises(UserError, match=r"'down/e.u0301.png' and 'down/.xe9.png' would both be the image "):
        fetch(copy, tmp_path / "other")


def test_what_was_understood_is_printed(folder, tmp_path, capsys):
    source = tmp_path / "source"
    for part in ("seg_train", "seg_test"):
        shutil.copytree(folder, source / part / part)
    shutil.copytree(folder / "up", source / "seg_pred")
    (source / "seg_test" / "seg_test" / "up" / "more").mkdir()
    for name in ("README.md", "seg_train/seg_train/up/notes.txt", ".hidden", "seg_test/seg_test/up/Thumbs.db"):
        (source / name).write_text("text")
    fetch(source, tmp_path / "images")
    assert capsys.readouterr().out.splitlines() == [
        "fetch: 12 images of 3 classes, of 4 each",
        "fetch: labels: names of the class folders in folders of parts in source; to a class belong the folders in it, "
        "seg_test/seg_test/up/more",
        "fetch: classes: down 4, left 4, up 4",
        "fetch: parts: test 6 (seg_test), train 6 (seg_train)",
        "fetch: groups: none",
        "fetch: left out: seg_pred, with 2 files: no folders of the classes in it",
        "fetch: left out: beside the class folders: 1: README.md",
        "fetch: left out: hidden, or litter of a system: 2: .hidden 1, Thumbs.db 1",
        "fetch: left out: no readable images, listed in quarantine.csv: 1: seg_train/seg_train/up/notes.txt (not an "
        "image in a supported format: JPEG, PNG, BMP, GIF, PPM, TIFF, WEBP, AVIF, JPEG2000, HEIC)",
    ]


def test_what_is_printed_of_many_fits_a_screen(tmp_path, capsys):
    classes = [f"class {number:03} {'with a long name' * 3}" for number in range(300)]
    folders_found = ClassFolders(tmp_path, Folder("many", ""), Folder("many", ""), labels=classes)
    folders_found.members = [ClassFolder(Folder(name, name), name) for name in classes]
    folders_found.top.folders = [Folder(f"other {number}", f"other {number}", files=["x"]) for number in range(99)]
    folders_found.top.files = [f"{number}.txt" for number in range(999)]
    found = label_by_folders(folders_found, [tmp_path / "groups.csv"])
    table = pd.DataFrame({"label": classes, "part": "", "group": [str(number) for number in range(300)]})
    lines = data_set_lines(found, table, [(f"{number}.png", "truncated") for number in range(50)])
    assert len(lines) <= 15 and max(map(len, lines)) <= 640
    assert lines[0] == "300 images of 300 classes, of 1 each"
    assert lines[2].endswith(" and 289 more") and lines[4] == "groups: 300, by groups.csv"


def test_labels_and_names_stay_text(tmp_path):
    classes = ("007", "1e5", "NA", "null", 'a, "b"', "ö")
    write_images(tmp_path / "edges", 1, classes=classes)
    table = fetch(tmp_path / "edges", tmp_path / "images").table("images.csv")
    assert set(table["label"]) == set(classes)
    assert set(table["file"]) == {f"{name}/00.png" for name in classes}


LONG = "n" * 251 + ".png"  # 255 bytes, the most there can be
NAMES = (
    "a b.PNG",
    "ö 日本.Png",
    "two\nlines.png",
    "carriage\rreturn.png",
    'a, "b".png',
    "it's.png",
    "-rf.png",
    "no ending",
    "a%20b&c;.png",
    LONG,
)


def test_odd_names_are_kept(folder, tmp_path):
    for number, name in enumerate(NAMES):
        Image.new("RGB", (number + 1, 2)).save(folder / "up" / name, "PNG")
    images = fetch(folder, tmp_path / "images", max_quarantined=0)
    table = images.table("images.csv").set_index("file")
    assert [table.loc[f"up/{name}", "width"] for name in NAMES] == list(range(1, len(NAMES) + 1))
    assert all(images.file(f"up/{name}").read_bytes() == (folder / "up" / name).read_bytes() for name in NAMES)


def outside(folder: Path) -> Path:
    shutil.copytree(folder / "up", folder.parent / "outside", dirs_exist_ok=True)
    return folder.parent / "outside"


def open_socket(path: Path) -> None:
    os.chdir(path.parent)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path.name)


def write_too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(folders.MAX_FILE_SIZE + 1)


def make_too_deep(folder: Path) -> None:
    """Make folders in a folder, deeper than any path can name."""
    os.chdir(folder)
    for _ in range(20):
        Path(LONG).mkdir()
        os.chdir(LONG)


SET_ASIDE = {  # what is put at a path, and the reason in the quarantine
    "link out.png": (lambda path: path.symlink_to(outside(path.parents[1]) / "00.png"), "leaves the data set"),
    "broken.png": (lambda path: path.symlink_to("nothing"), "a link that leads nowhere"),
    "loop.png": (lambda path: path.symlink_to(path.name), "a link that leads nowhere"),
    "linked folder": (lambda path: path.symlink_to(outside(path.parents[1])), "a link to a folder"),
    "round and round": (lambda path: path.symlink_to(".."), "a link to a folder"),
    "pipe.png": (os.mkfifo, "a pipe, socket or device"),
    "socket.png": (open_socket, "a pipe, socket or device"),
    "large.png": (write_too_large, "500,000,001 bytes: more than 500,000,000"),
    "caf\udce9.png": (lambda path: path.write_bytes(b""), "its name is not UTF-8"),
    "bomb.png": (lambda path: path.write_bytes(b"P6 100000 100000 255\n"), "100000 x 100000 pixels"),
    "nearly.png": (lambda path: path.write_bytes(b"P4 9500 10000\n"), "truncated"),  # Pillow would warn of its size
}  # fmt: skip


@pytest.mark.parametrize("name", SET_ASIDE, ids=ascii)
def test_what_is_no_file_to_read_is_set_aside(name, folder, tmp_path, monkeypatch):
    make, reason = SET_ASIDE[name]
    monkeypatch.chdir(tmp_path)
    make(folder / "up" / name)
    before = contents(folder)
    images = fetch(folder, tmp_path / "images")
    ((file, why),) = quarantine(images).items()
    assert file == f"up/{one_line(name)}"
    assert reason in why and str(tmp_path) not in why
    assert len(images.table("images.csv")) == 6
    assert contents(folder) == before


def contents(folder: Path) -> dict[str, tuple[int, int, int, str]]:
    """Return mode, size, time of change and target of everything in a folder, by path."""
    statuses = {path.relative_to(folder).as_posix(): path.lstat() for path in folder.rglob("*")}
    return {
        name: (at.st_mode, at.st_size, at.st_mtime_ns, (folder / name).readlink().name if S_ISLNK(at.st_mode) else "")
        for name, at in statuses.items()
    }


def test_folders_deeper_than_any_path(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_too_deep(folder / "up")
    images = fetch(folder, tmp_path / "images")
    assert list(quarantine(images).values()) == ["its path is longer than 1,000 bytes"]
    (tmp_path / "other").mkdir()
    make_too_deep(tmp_path / "other")
    with pytest.raises(UserError, match="cannot be read \\(File name too long\\)"):
        fetch(tmp_path / "other", tmp_path / "images")


@pytest.mark.parametrize("name", ["00.png", ""])
def test_what_may_not_be_read_is_set_aside(name, folder, tmp_path):
    shutil.copytree(folder / "up", folder / "up" / "more")
    locked = folder / "up" / "more" / name
    locked.chmod(0)
    if os.access(locked, os.R_OK):
        pytest.skip("root reads everything")
    assert list(quarantine(fetch(folder, tmp_path / "images"))) == [locked.relative_to(folder).as_posix()]
    locked.chmod(0o700)


def test_links_within_the_data_set_are_files_of_it(folder, tmp_path):
    (folder / "up" / "again.png").symlink_to("../down/00.png")
    (tmp_path / "link").symlink_to(folder)
    images = fetch(tmp_path / "link", tmp_path / "images", max_quarantined=0)
    assert images.file("up/again.png").read_bytes() == (folder / "down" / "00.png").read_bytes()
    assert not (images.path / "images/up/again.png").is_symlink()


def make_store(folder: Path) -> None:
    """Put links into a store beside the folder in the place of its files, as caches of downloads keep them."""
    (folder.parent / "blobs").mkdir()
    for number, file in enumerate(sorted(folder.rglob("*.png"))):
        file.rename(folder.parent / "blobs" / str(number))
        file.symlink_to(os.path.relpath(folder.parent / "blobs" / str(number), file.parent))


def test_links_lead_to_a_store_beside_the_folder_by_choice(folder, tmp_path):
    plain = fetch(folder, tmp_path / "plain")
    make_store(folder)
    (folder / "up" / "linked folder").symlink_to(tmp_path / "blobs")
    images = fetch(folder, tmp_path / "images", links="store")
    assert images.digest == plain.digest
    assert list(quarantine(images)) == ["up/linked folder"]
    with pytest.raises(UserError, match=r"7 of 7 files .*a link that leaves the data set; `links: store` follows it"):
        fetch(folder, tmp_path / "other", max_quarantined=0)
    with pytest.raises(UserError, match=r"no place of links 'outside'.*there are: inside, store"):
        fetch(folder, tmp_path / "other", links="outside")


def test_a_class_that_is_a_link_is_named(folder, tmp_path):
    (folder / "right").symlink_to(outside(folder))
    assert quarantine(fetch(folder, tmp_path / "images")) == {"right": "a link to a folder, which is not followed"}
    shutil.rmtree(folder / "left")
    shutil.rmtree(folder / "down")
    (folder / "up").rename(tmp_path / "up")
    with pytest.raises(UserError, match="received none; links to folders are not followed: right"):
        fetch(folder, tmp_path / "images")


@pytest.mark.parametrize(("name", "match"), [("caf\udce9", "not UTF-8")], ids=ascii)
def test_a_class_that_no_table_can_name(name, match, folder, tmp_path):
    (folder / "up").rename(folder / name)
    with pytest.raises(UserError, match=match) as caught:
        fetch(folder, tmp_path / "images")
    assert str(caught.value).isprintable()


def test_more_unreadable_files_than_may_be_end_it(folder, tmp_path):
    for name in ("two\nlines.txt", "b.txt"):
        (folder / "up" / name).write_bytes(b"text")
    assert len(quarantine(fetch(folder, tmp_path / "images", max_quarantined=0.25))) == 2
    with pytest.raises(UserError, match=r"^2 of 8 files .* 0\.249 .*: up/b\.txt \(not an image.*mend.*raise") as caught:
        fetch(folder, tmp_path / "other", max_quarantined=0.249)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_that_is_none(share, folder, tmp_path):
    with pytest.raises(UserError, match=rf"max_quarantined is in \[0, 1\]; received {share}"):
        fetch(folder, tmp_path / "images", max_quarantined=share)


@pytest.mark.parametrize("kind", ["missing", "empty", "text"])
def test_what_is_no_source_is_one_line_on_the_command_line(kind, tmp_path):
    if kind == "empty":
        (tmp_path / kind).mkdir()
    elif kind == "text":
        (tmp_path / kind).write_text("text")
    arguments = ["--data_set", "own", "--source", str(tmp_path / kind), "--max_quarantined", "0"]
    command = [sys.executable, "-m", "components", "fetch", "--images", str(tmp_path / "images"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and kind in done.stderr
    assert not (tmp_path / "images").exists()


def originals(random: np.random.Generator) -> list[bytes]:
    """Return an image in every format, with EXIF where there can be."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "hello"  # orientation, description
    image = Image.fromarray(random.integers(0, 256, (16, 24, 3), dtype=np.uint8))
    files = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM"):
        file = io.BytesIO()
        image.save(file, kind, exif=exif)
        files.append(file.getvalue())
    return files


def mutate(random: np.random.Generator, content: bytes) -> bytes:
    """Return a content with a byte changed, a piece cut out, its end cut off or a piece put in, up to three times."""
    changed = bytearray(content)
    for _ in range(random.integers(1, 4)):
        at = int(random.integers(random.choice([200, len(content)])))
        how = random.integers(4)
        if how == 0 and at < len(changed):
            changed[at] ^= int(random.integers(1, 256))
        elif how == 1:
            del changed[at : at + int(random.integers(1, 50))]
        elif how == 2:
            del changed[at:]
        else:
            changed[at:at] = random.bytes(int(random.integers(1, 20)))
    return bytes(changed)


def test_damaged_images_of_every_kind_hurt_nothing(folder, tmp_path):
    random = np.random.default_rng(0)
    kinds = originals(random)
    for number in range(500):
        (folder / "up" / f"{number}.jpg").write_bytes(mutate(random, kinds[number % len(kinds)]))
    before = contents(tmp_path)
    images = fetch(folder, tmp_path / "images")
    after = contents(tmp_path)
    assert {name: at for name, at in after.items() if not name.startswith("images")} == before
    files = images.table("images.csv")["file"]
    assert 6 + 20 < len(files) < 500
    assert len(files) + len(quarantine(images)) == 506
    with image_files.without_pillow_warnings():
        assert {image_files.read_pixels(images.file(file), 4).shape for file in files} == {(4, 4, 3)}
    assert not any("0x" in reason or str(tmp_path) in reason for reason in quarantine(images).values())


@pytest.mark.slow
def test_200_000_files(folder, tmp_path):
    count, classes = 200_000, 4
    for label in range(classes):
        (tmp_path / "many" / str(label)).mkdir(parents=True)
        Image.new("RGB", (1, 1), (label, 0, 0)).save(tmp_path / f"{label}.bmp")
        for number in range(count // classes):
            (tmp_path / "many" / str(label) / f"{number:06}.bmp").hardlink_to(tmp_path / f"{label}.bmp")
    fetching = (
        "import sys; from components.machinery.running import run_step; "
        "values = {'data_set': 'many', 'source': sys.argv[1]}; "
        "run_step('fetch', {'images': sys.argv[2]}, {**values, 'max_quarantined': 0}); "
        "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"  # kB; no parent's, as ru_maxrss
    )
    peak = []
    for source in (folder, tmp_path / "many"):
        command = [sys.executable, "-c", fetching, str(source), str(tmp_path / "images")]
        printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        peak.append(1024 * int(printed.split()[-1]))
    table = Images.read(tmp_path / "images").table("images.csv")
    assert table["label"].value_counts().to_dict() == {str(label): count // classes for label in range(classes)}
    assert peak[1] - peak[0] < 2000 * count


def leave_one_class(folder: Path) -> None:
    shutil.rmtree(folder / "left")
    shutil.rmtree(folder / "down")


def leave_no_class(folder: Path) -> None:
    leave_one_class(folder)
    shutil.rmtree(folder / "up")


def leave_images_without_folders(folder: Path) -> None:
    shutil.copy(folder / "up" / "00.png", folder)
    leave_no_class(folder)


def add_a_class_without_images(folder: Path) -> None:
    (folder / "empty").mkdir()


def damage_a_class(folder: Path) -> None:
    for file in (folder / "up").iterdir():
        file.write_bytes(b"")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (leave_one_class, "two or more folders, one a class"),
        (leave_no_class, "two or more folders, one a class"),
        (leave_images_without_folders, "two or more folders, one a class"),
        (add_a_class_without_images, "empty"),
        (damage_a_class, "up"),
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
    for file in sorted(folder.rglob("*.png"), reverse=True):  # written in another order
        (elsewhere / file.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, elsewhere / file.relative_to(folder))
    (elsewhere / "up" / "notes.txt").write_text("no image")
    assert fetch(elsewhere, tmp_path / "copy").digest == digest


def lengthen_a_file(folder: Path) -> None:
    with (folder / "up" / "00.png").open("ab") as file:
        file.write(b"\0")


def rename_a_file(folder: Path) -> None:
    (folder / "up" / "01.png").rename(folder / "up" / "02.png")


def exchange_two_files(folder: Path) -> None:
    (folder / "up" / "00.png").rename(folder / "up" / "zz.png")
    (folder / "up" / "01.png").rename(folder / "up" / "00.png")
    (folder / "up" / "zz.png").rename(folder / "up" / "01.png")


def relabel_a_file(folder: Path) -> None:
    (folder / "up" / "00.png").rename(folder / "down" / "02.png")


def remove_a_file(folder: Path) -> None:
    (folder / "up" / "00.png").unlink()


@pytest.mark.parametrize("change", [lengthen_a_file, rename_a_file, exchange_two_files, relabel_a_file, remove_a_file])
def test_the_digest_changes_with_a_byte_and_with_a_name(change, folder, tmp_path):
    digest = fetch(folder, tmp_path / "images").digest
    change(folder)
    assert fetch(folder, tmp_path / "images").digest != digest


@pytest.fixture
def registered(folder, tmp_path, monkeypatch) -> DataSet:
    """The data set as an entry of the registry, its classes in an order of their own."""
    digest = fetch(folder, tmp_path / "images").digest
    entry = DataSet("Edges", "CC0", "nobody", ("up", "left", "down"), 6, digest)
    monkeypatch.setitem(DATA_SETS, "edges", entry)
    return entry


@pytest.mark.parametrize("other", ["zzz", "__MACOSX/edges"])
def test_a_registered_data_set_has_its_classes_in_its_order(other, registered, folder, tmp_path):
    whole = tmp_path / "whole"
    (whole / other).mkdir(parents=True)
    shutil.copytree(folder, whole / "photos" / "edges")
    for source in (folder, whole):
        images = fetch(source, tmp_path / "images", "edges")
        assert vars(images.facts) == {"classes": ["up", "left", "down"], "data_set": "edges"}
        assert images.digest == registered.digest


def test_a_registered_name_is_not_given_to_other_content(registered, folder, tmp_path):
    lengthen_a_file(folder)
    other = fetch(folder, tmp_path / "own").digest
    with pytest.raises(UserError, match="not the published edges") as caught:
        fetch(folder, tmp_path / "images", "edges")
    assert registered.digest in str(caught.value) and other in str(caught.value)
    assert Images.read(tmp_path / "images").digest == registered.digest


def add_a_class(folder: Path) -> None:
    (folder / "right").mkdir()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (remove_a_file, "5 readable images, the published data set 6"),
        (leave_one_class, "the classes up, left, down expected; received up"),
        (add_a_class, "expected; received down, left, right, up"),
        (leave_no_class, "whole has no folders up, left, down"),
    ],
    ids=["image missing", "classes missing", "class too many", "no class"],
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
    assert images.facts.classes == [str(digit) for digit in range(10)]
    assert table["label"].tolist() == labels.astype(str).tolist()
    pixels = np.stack([np.asarray(image_files.read_image(images.file(file))) for file in table["file"]])
    expected = (grey.reshape(-1, 8, 8, 1) / 16 * 255).round()
    np.testing.assert_array_equal(pixels, np.broadcast_to(expected, pixels.shape))


def test_digits_with_one_pixel_changed_are_not_the_published_ones(tmp_path):
    write_digits(tmp_path / "digits")
    file = next((tmp_path / "digits" / "0").iterdir())
    with Image.open(file) as image:
        image.putpixel((0, 0), (1, 0, 0))
    image.save(file)
    with pytest.raises(UserError, match=DATA_SETS["digits"].digest):
        fetch(tmp_path / "digits", tmp_path / "images", "digits")


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_registry_says_everything(name):
    entry = DATA_SETS[name]
    assert all((entry.title, entry.license, entry.citation, entry.images))
    assert sum(map(bool, (entry.address, entry.page, entry.write))) == 1
    assert len(set(entry.classes)) == len(entry.labels) == len(entry.classes) >= 2

"""The audit: duplicates are listed, images that only look alike are not; duplicates across the parts are warned of."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from scipy.sparse.csgraph import connected_components

from benchmarks import synthetic
from components.data import duplicates, images, leakage, perceptual_hashes, thumbnails
from components.data.artifacts import Audit, Splits, TestSplit
from components.data.datasets import write_digits
from components.data.sources import open_source
from components.machinery.running import run_step
from components.results import figures
from components.system.errors import UserError
from tests.conftest import PARAMETERS, write_images
from tests.data.test_data_sets import real

COUNTS = ("two_labels", "clusters", "largest_cluster", "alike_by_nature")
NONE = dict.fromkeys([*(f"{kind}_pairs" for kind in duplicates.KINDS), *COUNTS], 0)
SPLIT = {**PARAMETERS["split"], "train": 0.5, "validation": 0.25, "test": 0.25}


def fetch_and_audit(source: Path, folder: Path, distance: int = 8, near: str = "on") -> Audit:
    run_step("fetch", {"images": folder / "images"}, {"data_set": "own", "source": str(source), "max_quarantined": 0})
    run_step("audit", {"images": folder / "images", "audit": folder / "audit"}, {"distance": distance, "near": near})
    return Audit.read(folder / "audit")


def pairs(audit: Audit, *columns: str) -> list[tuple[Any, ...]]:
    table = audit.table("pairs.csv")[["file", "other", *columns]]
    return sorted(tuple(sorted(row[:2])) + row[2:] for row in table.itertuples(index=False, name=None))


@pytest.fixture
def source(tmp_path) -> Path:
    """Pictures that compress and decode as photographs do, of which none is like another."""
    return synthetic.photographs(tmp_path / "source", 24, 96, 3)


def crop(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Return an image without these shares of its sides."""
    width, height = image.size
    return image.crop(
        (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
    )


def write_on(image: Image.Image) -> Image.Image:
    """Return an image with a light line of writing on it."""
    marked = image.copy()
    ImageDraw.Draw(marked).text((0.1 * image.width, 0.8 * image.height), "a shop's name", (255, 255, 255), font_size=12)
    return marked


CHANGES: dict[str, tuple[str, Callable[[Image.Image], Image.Image]]] = {  # the kind of pair that it makes
    "as PNG": ("near", lambda image: image),
    "half the size": ("near", lambda image: image.resize((image.width // 2, image.height // 2))),
    "2 % cropped": ("near", lambda image: crop(image, 0.01, 0.01, 0.01, 0.01)),
    "brighter by 10 %": ("near", lambda image: ImageEnhance.Brightness(image).enhance(1.1)),
    "mirrored": ("turned", ImageOps.mirror),
    "upside down": ("turned", lambda image: image.rotate(180)),
    "turned to the left": ("turned", lambda image: image.transpose(Image.Transpose.ROTATE_90)),
    "turned and mirrored": ("turned", lambda image: image.transpose(Image.Transpose.TRANSVERSE)),
    "10 % cropped": ("cropped", lambda image: crop(image, 0.05, 0.05, 0.05, 0.05)),
    "20 % cropped": ("cropped", lambda image: crop(image, 0.1, 0.1, 0.1, 0.1)),
    "10 % cropped in a corner": ("cropped", lambda image: crop(image, 0.1, 0, 0, 0.1)),
    "with a border": ("cropped", lambda image: ImageOps.expand(image, 5)),
}


@pytest.mark.parametrize("change", ["JPEG of quality 60", *CHANGES])
def test_every_changed_copy_is_listed_and_nothing_else(change, source, tmp_path):
    kind, make = CHANGES.get(change, ("near", None))
    expected = []
    for file in sorted(source.glob("*/*.jpg")):
        with Image.open(file) as image:
            if change == "JPEG of quality 60":
                image.save(file.with_suffix(".again.jpg"), quality=60)
            else:
                assert make
                make(image).save(file.with_suffix(".again.png"))
        (copy,) = file.parent.glob(f"{file.stem}.again.*")
        expected.append(tuple(sorted(f"{file.parent.name}/{one.name}" for one in (file, copy))) + (kind,))
    audit = fetch_and_audit(source, tmp_path)
    assert pairs(audit, "kind") == sorted(expected)
    assert audit.facts.duplicates == {**NONE, f"{kind}_pairs": 24, "clusters": 24, "largest_cluster": 2}


def test_copies_with_writing_on_them_are_listed_mostly_and_nothing_else(source, tmp_path):
    expected = set()
    for file in sorted(source.glob("*/*.jpg")):
        with Image.open(file) as image:
            write_on(image).save(file.with_suffix(".png"))
        expected.add((f"{file.parent.name}/{file.name}", f"{file.parent.name}/{file.stem}.png"))
    audit = fetch_and_audit(source, tmp_path)
    assert {*pairs(audit)} <= expected and len(pairs(audit)) >= 18
    assert audit.facts.duplicates["marked_pairs"] >= 3


def test_a_mirror_image_of_another_label_is_another_image(source, tmp_path):
    for file in sorted(source.glob("*/*.jpg")):
        with Image.open(file) as image:
            mirrored = source / f"{file.parent.name}_mirrored" / file.with_suffix(".png").name
            mirrored.parent.mkdir(exist_ok=True)
            ImageOps.mirror(image).save(mirrored)
    assert pairs(fetch_and_audit(source, tmp_path)) == []


def test_small_images_are_compared_as_they_are_alone(source, tmp_path):
    for file in sorted(source.glob("*/*.jpg")):
        with Image.open(file) as image:
            small = image.resize((30, 30))
        small.save(file.with_suffix(".png"))
        ImageOps.mirror(small).save(file.with_suffix(".again.png"))
        file.unlink()
    assert pairs(fetch_and_audit(source, tmp_path)) == []


def test_copies_are_of_one_cluster_whatever_their_labels(source, tmp_path):
    first = source / "class00" / "000000.jpg"
    for name in ("class00/a.jpg", "class01/b.jpg"):
        shutil.copy(first, source / name)
    with Image.open(first) as image:
        image.save(source / "class02" / "c.png")
    audit = fetch_and_audit(source, tmp_path)
    table = audit.table("hashes.csv").set_index("file")
    four = ["class00/000000.jpg", "class00/a.jpg", "class01/b.jpg", "class02/c.png"]
    assert table.index[table["cluster"] != ""].tolist() == four
    assert set(table.loc[four, "cluster"]) == {four[0]}
    assert table.loc[four[:3], "hash"].nunique() == 1 and table["hash"].str.fullmatch("[0-9a-f]{16}").all()
    known = audit.table("pairs.csv").set_index("file")
    assert known["kind"].to_dict() == {four[1]: "identical", four[2]: "identical", four[3]: "near"}
    assert known["label"].tolist() == ["class00", "class01", "class02"] and set(known["other_label"]) == {"class00"}
    counts = {"identical_pairs": 2, "near_pairs": 1, "two_labels": 2, "clusters": 1, "largest_cluster": 4}
    assert audit.facts.duplicates == {**NONE, **counts}


def test_a_jpeg_is_scaled_as_it_is_decoded(tmp_path):
    image = Image.effect_noise((1000, 800), 60).resize((100, 80)).resize((1000, 800))
    for name in ("image.jpg", "image.png"):
        image.save(tmp_path / name)
    small, whole = (
        images.read_image(tmp_path / "image.jpg", enough_side=64),
        images.read_image(tmp_path / "image.png", enough_side=64),
    )
    assert (small.size, whole.size) == ((125, 100), (1000, 800))
    apart = np.asarray(small, np.float32) - np.asarray(whole.resize((125, 100), Image.Resampling.BOX), np.float32)
    assert abs(apart).mean() < 2


def test_plain_images_are_not_alike(tmp_path):
    for number in range(60):
        (tmp_path / "source" / str(number % 3)).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (number, 4 * number, 255 - number)).save(
            tmp_path / f"source/{number % 3}/{number}.png"
        )
    assert pairs(fetch_and_audit(tmp_path / "source", tmp_path)) == []


def test_the_built_in_digits_are_all_different(tmp_path):
    write_digits(tmp_path / "digits")
    assert pairs(fetch_and_audit(tmp_path / "digits", tmp_path)) == []


def test_noise_on_one_edge_is_not_alike(tmp_path):
    assert pairs(fetch_and_audit(write_images(tmp_path / "edges", 16), tmp_path)) == []


def details(rows: np.ndarray) -> np.ndarray:
    """Return rows as details are: of mean 0 and length 1."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize("count", [2, 300])
def test_clusters_are_those_of_all_pairs(count):
    """As many pairs are listed as it takes; every one of them holds, and no two clusters are alike."""
    random = np.random.default_rng(count)
    kinds = random.normal(size=(count // 2, 768))
    drawn = details(kinds[random.integers(0, len(kinds), count)] + random.normal(0, 0.2, (count, 768)))
    hashes = random.integers(0, 2**6, count).astype(np.uint64)
    needed = random.choice([0.95, 0.96], count)
    near = duplicates.near_identical_pairs(hashes, drawn, needed, 2)
    assert near is not None
    cluster = duplicates.first_of_clusters(count, near)
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None])
    alike = (bits <= 2) & (drawn.astype(np.float32) @ drawn.astype(np.float32).T >= np.maximum(needed[:, None], needed))
    number, expected = connected_components(alike)
    assert len(near) == count - number and (count < 9 or 40 < len(near) < alike.sum() // 2 - count // 2)
    assert all(first < later and alike[first, later] for first, later, *_ in near)
    assert all(bits[first, later] == apart for first, later, apart, *_ in near)
    assert len(set(zip(cluster, expected, strict=True))) == len(set(cluster)) == number
    assert all(cluster[cluster] == cluster) and (cluster <= np.arange(count)).all()


@pytest.mark.parametrize(("count", "distance"), [(2, 8), (400, 0), (400, 3), (400, 8), (400, 16), (3000, 8)])
def test_every_pair_of_close_hashes_is_found_once(count, distance):
    random = np.random.default_rng(count)
    kinds = random.integers(0, 2**64, count // 2, dtype=np.uint64)
    flipped = (np.uint64(1) << random.integers(0, 64, (8, count)).astype(np.uint64)) * random.integers(0, 2, (8, count))
    hashes = kinds[random.integers(0, len(kinds), count)] ^ np.bitwise_xor.reduce(flipped.astype(np.uint64))
    found = [
        row for block in perceptual_hashes.pairs_of_close_hashes(hashes, distance) for row in zip(*block, strict=True)
    ]
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None])
    assert sorted(found) == list(zip(*np.nonzero(np.triu(bits <= distance, 1)), strict=True))


@pytest.mark.parametrize(("count", "bands"), [(100, 9), (100_000, 5), (10_000_000, 3)])
def test_more_hashes_are_looked_up_in_fewer_and_wider_bands(count, bands):
    cut = perceptual_hashes.bands_of_bits(count, 8)
    assert len(cut) == bands and sum(width for _, width in cut) == 64 and cut[0][0] == 0


def test_a_search_ends_where_hashes_tell_nothing_apart():
    drawn = details(np.random.default_rng(0).normal(size=(700, 768)))
    for count, expected in ((600, []), (700, None)):
        arguments = np.zeros(count, np.uint64), drawn[:count], np.full(count, 0.95), 8
        assert duplicates.near_identical_pairs(*arguments) == expected


def one_camera(folder: Path, counts: dict[str, int]) -> Path:
    """Write images of one scene, alike but for a spot, so many of each class; return the folder."""
    random = np.random.default_rng(0)
    scene = np.asarray(Image.fromarray(random.integers(0, 255, (6, 6, 3), dtype=np.uint8)).resize((96, 96)))
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            spot = scene.copy()
            top, left = random.integers(0, 90, 2)
            spot[top : top + 3, left : left + 3] = 255
            Image.fromarray(spot).save(folder / label / f"{number}.png")
    return folder


def test_images_of_one_camera_are_alike_by_nature_and_said_not_to_be_clustered(tmp_path, capsys):
    source = one_camera(tmp_path / "source", {"ok": 20, "scratched": 9})
    shutil.copy(source / "ok" / "0.png", source / "ok" / "copy.png")
    audit = fetch_and_audit(source, tmp_path)
    assert "alike by nature, not near-identical: ok, scratched; 28 pairs" in capsys.readouterr().out
    counts = {"identical_pairs": 1, "clusters": 1, "largest_cluster": 2, "alike_by_nature": 28}
    assert audit.facts.duplicates == {**NONE, **counts}
    at = {name: tmp_path / name for name in ("images", "audit", "splits", "test_split")}
    run_step("split", at, SPLIT)
    assert Splits.read(at["splits"]).facts.leakage["across_splits"] == 0


def test_near_pairs_that_mostly_have_two_labels_are_alike_by_nature():
    labels, cluster = np.array(["a", "b"] * 10), np.repeat(np.arange(0, 20, 2), 2)
    crossing = [(row, row + 1, 0, 1.0, "near") for row in range(0, 20, 2)]
    assert duplicates.classes_alike_by_nature(labels, cluster, crossing) == ["a", "b"]
    assert duplicates.classes_alike_by_nature(labels, cluster, crossing[:9]) == []
    assert duplicates.classes_alike_by_nature(np.sort(labels), cluster, crossing) == []


def test_without_near_only_identical_images_are_duplicates(source, tmp_path):
    first = source / "class00" / "000000.jpg"
    shutil.copy(first, source / "class00" / "copy.jpg")
    with Image.open(first) as image:
        image.save(source / "class00" / "near.png")
    assert pairs(fetch_and_audit(source, tmp_path, near="off"), "kind") == [
        ("class00/000000.jpg", "class00/copy.jpg", "identical")
    ]


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_two_classes_of_the_same_images_are_refused(ending, source, tmp_path):
    (source / "again").mkdir()
    for file in sorted(source.glob("class00/*.jpg"))[:5]:
        with Image.open(file) as image:
            image.save(source / "again" / f"{file.stem}.png")
        if ending == "jpg":
            (source / "again" / f"{file.stem}.png").unlink()
            shutil.copy(file, source / "again")
    with pytest.raises(UserError, match=r"'again' and 'class00' have mostly the same images, 5 of 5 and 5 of 8, such"):
        fetch_and_audit(source, tmp_path)


def test_a_class_of_copies_of_a_few_images_of_another_is_refused():
    files = [(f"few/{number}", "few", str(number), str(number)) for number in range(2)]
    files += [(f"many/{number}", "many", f"copy {number}", str(number % 2)) for number in range(200)]
    table = pd.DataFrame(files, columns=["file", "label", "sha256", "cluster"])
    with pytest.raises(UserError, match=r"200 of 200 images of 'many' are copies of the 2 of 'few', such as few/0"):
        duplicates.require_different_classes(table)
    duplicates.require_different_classes(table[:-1])
    duplicates.require_different_classes(table.assign(cluster="0"))


@pytest.mark.parametrize(("size", "expected"), [(64, 1), (32, 1), (31, 0), (16, 0)])
def test_small_images_have_to_be_more_alike(size, expected, source, tmp_path):
    """Few pixels are soon alike: 8 x 8 digits of one class are by 0.98."""
    first, second = (tmp_path / "small" / name / "1.png" for name in ("a", "b"))
    with Image.open(source / "class00" / "000000.jpg") as image:
        for file, box in ((first, (0, 0, 64, 64)), (second, (0.5, 0.5, 64.5, 64.5))):
            file.parent.mkdir(parents=True)
            image.resize((size, size), Image.Resampling.BILINEAR, box=box).save(file)
    assert len(pairs(fetch_and_audit(tmp_path / "small", tmp_path))) == expected


WHOLE = ("identical", "near")  # kinds of pairs that are no changed copies


@pytest.mark.parametrize(
    ("name", "kinds"), [("kth_animals", ["identical"] + ["near"] * 15), ("sign_language_digits", [])]
)
def test_real_photographs(name, kinds, tmp_path):
    """Every pair of whole pictures was looked at: they are one each. People who make the same sign are not."""
    with open_source(str(real(f"{name}.tar")), tmp_path) as source:
        listed = pairs(fetch_and_audit(source, tmp_path), "kind")
    assert sorted(kind for *_, kind in listed if kind in WHOLE) == kinds
    assert not kinds or ("sheep/8_1.jpg", "sheep/8_65.jpg", "identical") in listed


# What lies across the parts


def split_table(rows: list[str]) -> pd.DataFrame:
    """Return a table of images from a line each: split, label, sha256, cluster and group, - for none."""
    columns = ["split", "label", "sha256", "cluster", "group"]
    table = pd.DataFrame([row.replace("-", "").split(" ") for row in rows], columns=columns)
    return table.assign(file=[f"{number}" for number in range(len(rows))])


LEAKING = split_table([
    "train cat a x me", "train dog a x -", "train cat b x you", "validation cat c x he", "test cat a x me",
    "test cat d x you", "test cat e - me", "validation dog f y -", "test dog g y he", "unused cat h y -",
    "test dog i z -", "test dog j z -", "train dog k - they",
])  # fmt: skip


def test_every_image_that_is_shared_is_listed_once():
    rows = leakage.leakage_table(LEAKING)
    assert rows.columns.tolist() == leakage.COLUMNS
    columns = ["kind", "file", "split", "other", "other_split"]
    assert list(rows[columns].itertuples(index=False, name=None)) == [
        ("two labels", "1", "train", "0", "train"),
        ("two labels", "9", "unused", "7", "validation"),
        ("identical", "4", "test", "0", "train"),
        ("near", "5", "test", "0", "train"),
        ("near", "8", "test", "7", "validation"),
        ("near", "3", "validation", "0", "train"),
        ("group", "4", "test", "0", "train"),
        ("group", "5", "test", "2", "train"),
        ("group", "8", "test", "3", "validation"),
        ("same part", "2", "train", "0", "train"),
        ("same part", "11", "test", "10", "test"),
    ]
    assert rows["label"].tolist() == LEAKING.set_index("file")["label"][rows["file"]].tolist()
    assert rows["other_label"].tolist() == LEAKING.set_index("file")["label"][rows["other"]].tolist()
    numbers = leakage.leakage_counts(rows, 6)
    assert numbers == {"across_splits": 3, "groups_across_splits": 3, "test_share": 0.5}
    warnings = leakage.leakage_warnings("published", numbers, 6)
    assert warnings[0].startswith(
        "published: 3 of 6 test images (50.0 %) have an identical or near-identical image in train"
    )
    assert warnings[1].startswith("published: 3 groups of the test images are in train or validation too")


def test_nothing_leaks_from_what_is_not_used():
    rows = leakage.leakage_table(LEAKING.assign(split=["unused"] * 4 + ["test"] * 9))
    assert set(rows["kind"]) == {"two labels", "same part"}
    assert leakage.leakage_counts(rows, 9) == {"across_splits": 0, "groups_across_splits": 0, "test_share": 0}
    assert leakage.leakage_warnings("random", leakage.leakage_counts(rows, 9), 9) == []
    assert leakage.leakage_table(LEAKING.assign(cluster="", group="", sha256=LEAKING["file"])).empty


def test_the_figure_shows_some_of_each_kind():
    rows = pd.DataFrame({"kind": ["two labels"] * 2 + ["identical"] * 30 + ["near"] * 5})
    assert leakage.example_rows(rows) == [0, 1, *range(2, 7), *range(32, 37)]
    assert leakage.example_rows(rows[:0]) == []


@pytest.mark.parametrize("number", [1, 12])
def test_the_figure_takes_any_number_of_pairs_and_is_the_same_every_time(number, tmp_path):
    rows = pd.DataFrame([("near", "f", "test", "a" * 60, "g", "train", "$x_1$ 汉字")] * number, columns=leakage.COLUMNS)
    pair = [np.full((40, 90, 3), value, np.uint8) for value in (40, 200)]
    for name in ("first.png", "second.png"):
        figures.draw_leakage(rows, range(number), [pair] * number, tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("first.png", "second.png"))
    assert first == second and 5_000 < len(first) < 500_000


@pytest.fixture
def twins(tmp_path, source) -> dict[str, Path]:
    """A data set of 24 images and a copy of each, of which one has another label; where its artifacts lie."""
    for number, file in enumerate(sorted(source.glob("*/*.jpg"))):
        other = source / ("class01" if number == 0 else file.parent.name)
        shutil.copy(file, other / f"{file.stem}.again.jpg")
    fetch_and_audit(source, tmp_path)
    return {name: tmp_path / name for name in ("images", "audit", "splits", "test_split")}


@pytest.mark.parametrize("method", ["stratified", "random"])
def test_the_step_keeps_twins_together_or_warns_of_what_it_does_to_the_scores(method, twins, capsys):
    run_step("split", twins, {**SPLIT, "method": method})
    splits = Splits.read(twins["splits"])
    numbers, rows = splits.facts.leakage, splits.table("leakage.csv")
    assert numbers["identical_pairs"] == 24 and numbers["two_labels"] == 1
    assert numbers["across_splits"] == ((rows["kind"] == "identical") & (rows["split"] == "test")).sum()
    sizes, _, *warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("split: ")]
    assert sizes == "split: 24 train, 12 validation, 12 test"
    test = TestSplit.read(twins["test_split"]).table("test_split.csv")
    assert len(test) == 12
    assert splits.facts.warnings == [line.removeprefix("split: ") for line in warnings]
    if method == "stratified":
        assert (numbers["across_splits"], warnings) == (0, [])
        assert rows["kind"].tolist() == ["two labels"] + ["same part"] * 23
        assert (rows["split"] == rows["other_split"])[1:].all() and (rows["label"] == rows["other_label"])[1:].all()
    else:
        assert len(warnings) == 1 and f"{numbers['across_splits']} of 12 test images" in warnings[0]
        assert numbers["test_share"] == numbers["across_splits"] / 12 > 0.5
        assert set(rows.loc[rows["split"] == "test", "file"]) <= set(test["file"])
    assert {*splits.arrays("leakage")} == {
        f"{row}{end}" for row in leakage.example_rows(rows) for end in ("", "_other")
    }
    assert all(0 < max(image.shape) <= thumbnails.LARGEST for image in splits.arrays("leakage").values())


def test_groups_across_the_parts_are_warned_of(tmp_path, capsys):
    source = write_images(tmp_path / "edges", 8)
    files = sorted(path.relative_to(source) for path in source.rglob("*.png"))
    (source / "groups.csv").write_text("\n".join(["file,group", *(f"{file},{file.stem[-1]}" for file in files)]))
    fetch_and_audit(source, tmp_path)
    at = {name: tmp_path / name for name in ("images", "audit", "splits", "test_split")}
    run_step("split", at, SPLIT)
    numbers = Splits.read(at["splits"]).facts.leakage
    test = TestSplit.read(at["test_split"]).table("test_split.csv")
    assert 0 < numbers["groups_across_splits"] <= test["group"].nunique()
    assert "groups of the test images are in train or validation too" in capsys.readouterr().out
    run_step("split", at, {**SPLIT, "method": "grouped"})
    assert Splits.read(at["splits"]).facts.leakage["groups_across_splits"] == 0
    assert "groups" not in capsys.readouterr().out

"""Drawing the parts: of the sizes asked for, disjoint, repeatable, with the classes' shares."""

from hashlib import sha256
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings

from components.data import artifacts, grouping, splitting
from components.machinery.running import run_step
from components.system.errors import UserError
from tests.conftest import CLASSES, PARAMETERS, write_images

PARTS = ("train", "validation", "test")
DRAWN = ("stratified", "random")  # image by image
EMPTY = dict.fromkeys(("part", "group", "cluster"), "")
SIZES = {**PARAMETERS["split"], "train": 0.5, "validation": 0.25, "test": 0.25, "seed": 3}
quick = settings(max_examples=40, suppress_health_check=list(HealthCheck))


def table_of(*per_class: int) -> pd.DataFrame:
    labels = [f"class {number}" for number, images in enumerate(per_class) for _ in range(images)]
    files = [f"{row:04}" for row in range(len(labels))]
    digests = [sha256(file.encode()).hexdigest() for file in files]
    return pd.DataFrame({"file": files, "label": labels, "sha256": digests, **EMPTY})


def sizes_of(drawn: pd.DataFrame) -> dict[str, int]:
    return {part: int((drawn["split"] == part).sum()) for part in PARTS}


@st.composite
def drawings(data: st.DrawFn) -> tuple[pd.DataFrame, dict[str, int], int]:
    """A table in any order, sizes of which each gives room to every class, and a seed."""
    per_class = data(st.lists(st.integers(4, 30), min_size=2, max_size=6))
    table = table_of(*per_class).sample(frac=1, random_state=data(st.integers(0, 99)))
    least, free = len(per_class), len(table) - 3 * len(per_class)
    cuts = sorted(data(st.tuples(*[st.integers(0, free)] * 3)))
    extra = (cuts[0], cuts[1] - cuts[0], cuts[2] - cuts[1])
    sizes = {part: least + more for part, more in zip(PARTS, extra, strict=True)}
    return table, sizes, data(st.integers(0, 2**32 - 1))


def try_to_draw(table: pd.DataFrame, sizes: dict[str, int], method: str, seed: int) -> pd.DataFrame:
    """Draw; where a class is too small for the sizes, give up this example."""
    try:
        return splitting.draw_split(table, sizes, method, seed)
    except UserError as error:
        assume("split:" not in str(error))
        raise


@quick
@given(drawings(), st.sampled_from(DRAWN))
def test_parts_are_of_the_sizes_asked_for(drawing, method):
    table, sizes, seed = drawing
    drawn = splitting.draw_split(table, sizes, method, seed, untrained_classes="allow")
    pd.testing.assert_frame_equal(drawn[table.columns], table)  # every image once, so that parts are disjoint
    assert sizes_of(drawn) == sizes
    assert set(drawn["split"]) <= {*PARTS, "unused"}


@quick
@given(drawings(), st.sampled_from(DRAWN))
def test_the_same_seed_draws_the_same(drawing, method):
    table, sizes, seed = drawing
    once, again = (splitting.draw_split(table, sizes, method, seed, untrained_classes="allow") for _ in range(2))
    pd.testing.assert_frame_equal(once, again)


@pytest.mark.parametrize("method", DRAWN)
def test_other_seeds_draw_others(method):
    sizes = {"train": 30, "validation": 20, "test": 10}
    drawn = [splitting.draw_split(table_of(30, 30, 30), sizes, method, seed)["split"] for seed in range(5)]
    assert len({tuple(split) for split in drawn}) == 5


@quick
@given(drawings())
def test_every_class_keeps_its_share(drawing):
    """To within one test image, and two of other parts, but where a class is due less than an image and has one."""
    table, sizes, seed = drawing
    drawn = splitting.draw_split(table, sizes, "stratified", seed)
    share = table["label"].value_counts() / len(table)
    is_forced = share.min() * min(sizes.values()) < 1
    for part in PARTS:
        counts = drawn.loc[drawn["split"] == part, "label"].value_counts()
        assert len(counts) == len(share)
        assert is_forced or (counts - share * sizes[part]).abs().max() < (1 if part == "test" else 2)


@pytest.mark.parametrize("seed", range(10))
def test_equal_classes_get_equal_parts(seed):
    drawn = splitting.draw_split(table_of(20, 20, 20), {"train": 30, "validation": 15, "test": 9}, "stratified", seed)
    for part, each in {"train": 10, "validation": 5, "test": 3, "unused": 2}.items():
        assert drawn.loc[drawn["split"] == part, "label"].value_counts().tolist() == [each] * 3


@pytest.mark.parametrize("seed", range(10))
def test_few_images_left_over_are_of_different_classes(seed):
    sizes = {"train": 26, "validation": 10, "test": 10}
    drawn = splitting.draw_split(table_of(10, 10, 10, 10, 10), sizes, "stratified", seed)
    assert drawn.loc[drawn["split"] == "unused", "label"].nunique() == 4


def test_a_random_split_keeps_no_shares():
    drawn = [
        splitting.draw_split(table_of(30, 30), {"train": 20, "validation": 20, "test": 20}, "random", seed)
        for seed in range(10)
    ]
    counts = {int(((one["split"] == "test") & (one["label"] == "class 0")).sum()) for one in drawn}
    assert len(counts) > 1


@quick
@given(
    st.integers(10, 5000),
    st.tuples(*[st.integers(1, 998)] * 2).map(sorted).filter(lambda cut: cut[0] < cut[1]),
)
def test_fractions_that_make_a_whole_use_every_image(images, cuts):
    thousandths = dict(zip(PARTS, (cuts[0], cuts[1] - cuts[0], 1000 - cuts[1]), strict=True))
    numbers = splitting.part_sizes({part: size / 1000 for part, size in thousandths.items()}, images)
    assert sum(numbers.values()) == images
    for part, size in thousandths.items():
        assert abs(numbers[part] - images * size / 1000) <= (1 if part == "train" else 0.5)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((24, 12, 12), (24, 12, 12)),
        ((24.0, 12.0, 1.0), (24, 12, 1)),
        ((0.5, 0.25, 0.1), (24, 12, 5)),
        ((0.5, 10, 4), (24, 10, 4)),
        ((0.6, 0.2, 0.2), (28, 10, 10)),
    ],
)
def test_sizes_are_numbers_or_fractions(sizes, expected):
    assert splitting.part_sizes(dict(zip(PARTS, sizes, strict=True)), 48) == dict(zip(PARTS, expected, strict=True))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((30, 12, 12), r"30 \+ 12 \+ 12 images are more than the 48 there are: make a part smaller"),
        ((0.9, 0.2, 0.2), "more than the 48 there are"),
    ],
)
def test_sizes_that_fit_no_data_set(sizes, message):
    with pytest.raises(UserError, match=message):
        splitting.part_sizes(dict(zip(PARTS, sizes, strict=True)), 48)


@pytest.mark.parametrize(
    ("sizes", "part"),
    [((30, 10, 1), "test"), ((30, 1, 10), "validation"), ((1, 10, 10), "train"), ((30, 10, 0), "test")],
)
def test_parts_too_small_for_every_class(sizes, part):
    with pytest.raises(UserError, match=rf"split: {part}\b") as caught:
        splitting.draw_split(table_of(20, 20, 20), dict(zip(PARTS, sizes, strict=True)), "stratified", 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("per_class", "method", "folds", "has", "needs"),
    [
        (
            (40, 40, 2),
            "stratified",
            1,
            "class 2 has 2",
            "3, for test, validation, train: add images, or leave the class out$",
        ),
        ((40, 1, 2), "stratified", 1, "class 1 has 1, class 2 has 2", "3, for"),
        ((40, *[2] * 7), "stratified", 1, "class 5 has 2 and 2 more", "3, for"),
        ((40, 40, 3), "stratified", 2, "class 2 has 3", "4, for 2 folds: .*, or set folds to 3"),
        ((40, 40, 2), "grouped", 1, "too few groups: class 2 has 2", "3, for"),
        ((40, 40, 11), "published", 1, "class 2 has 1", "2, for validation, train outside the published test part"),
        ((40, 40, 10), "published", 1, "class 2 has 0", "2, for"),
    ],
)
def test_a_class_too_small_for_its_parts_is_said_with_what_it_needs(per_class, method, folds, has, needs):
    table = table_of(*per_class)
    table["group"] = table["file"]
    table["part"] = np.where(table.groupby("label").cumcount() < 10, "test", "train")
    with pytest.raises(UserError, match=f"{has}, and each class needs {needs}"):
        splitting.draw_split(table, {"train": 40, "validation": 20, "test": 20}, method, 1, 0, folds)


PAIRS_AND_SINGLES = st.tuples(st.integers(0, 8), st.integers(0, 20)).filter(lambda numbers: sum(numbers) >= 3)


@quick
@given(st.lists(PAIRS_AND_SINGLES, min_size=2, max_size=6), st.integers(0, 99))
def test_a_class_of_three_units_is_in_every_part(per_class, seed):
    table = table_of(*(2 * pairs + singles for pairs, singles in per_class))
    number = table.groupby("label").cumcount()
    pairs = table["label"].str.split().str[1].map(lambda label: per_class[int(label)][0])
    table["cluster"] = (table["label"] + (number // 2).map(str)).where(number < 2 * pairs, "")
    sizes = splitting.part_sizes({"train": 0.6, "validation": 0.2, "test": 0.2}, len(table))
    assume(sizes["test"] >= len(per_class))
    drawn = splitting.draw_split(table, sizes, "stratified", seed)
    assert pd.crosstab(drawn["label"], drawn["split"]).to_numpy().all()
    assert stays_whole(drawn, "cluster")


def test_a_class_without_a_training_image_is_refused_unless_asked_for():
    table, sizes = table_of(40, 1), {"train": 20, "validation": 10, "test": 10}
    seed = next(seed for seed in range(99) if drawn_at_random(table, sizes, seed)["split"].iloc[-1] != "train")
    with pytest.raises(UserError, match=r"train has no image of class 1: .* or set untrained_classes to allow"):
        splitting.draw_split(table, sizes, "random", seed)
    table = table_of(40, 40, 2)
    drawn = splitting.draw_split(table, {"train": 50, "validation": 16, "test": 16}, "stratified", 1, 0, 1, "allow")
    assert set(drawn["split"][-2:]) == {"test", "validation"}


def drawn_at_random(table: pd.DataFrame, sizes: dict[str, int], seed: int) -> pd.DataFrame:
    return splitting.draw_split(table, sizes, "random", seed, untrained_classes="allow")


def fetch_and_audit(source: Path, folder: Path) -> dict[str, Path]:
    """Fetch and audit a data set; return where its artifacts lie, and where its parts are to."""
    at = {name: folder / name for name in ("images", "audit", "splits", "test_split")}
    run_step("fetch", at, {"data_set": "edges", "source": str(source), "max_quarantined": 0})
    run_step("audit", at, PARAMETERS["audit"])
    return at


def test_the_step_keeps_the_test_rows_apart(tmp_path):
    at = fetch_and_audit(write_images(tmp_path / "edges", 8), tmp_path)
    run_step("split", at, {**SIZES, "method": "stratified", "validation": 6})
    splits, test = (
        artifacts.Splits.read(at["splits"]),
        artifacts.TestSplit.read(at["test_split"]).table("test_split.csv"),
    )
    parts = [splits.part("train"), splits.part("validation"), test]
    assert [len(part) for part in parts] == [12, 6, 6]
    files = pd.concat(parts)["file"]
    assert files.is_unique and set(files) == {f"{name}/{image:02}.png" for name in CLASSES for image in range(8)}
    assert all((part["file"].str.split("/").str[0] == part["label"]).all() for part in parts)
    texts = [file.read_text() for file in at["splits"].iterdir() if file.suffix in (".csv", ".json")]
    assert len(texts) == 5 and not any(name in text for text in texts for name in test["file"])
    assert test.columns.tolist() == ["file", "label", "group", "width", "height"]
    assert set(test["width"]) == set(test["height"]) == {12} and set(test["group"]) == {""}


def test_a_part_too_small_for_the_classes_is_refused():
    with pytest.raises(UserError, match="test of 15 images cannot hold all 25 classes: make it 25 or more"):
        splitting.draw_split(table_of(*[3] * 25), {"train": 35, "validation": 25, "test": 15}, "stratified", 1)


@st.composite
def grouped_drawings(data: st.DrawFn) -> tuple[pd.DataFrame, dict[str, int], int]:
    """Groups of one class or of several, enough for each class to be in every part, and sizes for each."""
    classes = data(st.integers(2, 4))
    table = table_of(*data(st.lists(st.integers(18, 40), min_size=classes, max_size=classes)))
    widest = data(st.integers(1, 4))
    random = np.random.default_rng(data(st.integers(0, 99)))
    one_class = data(st.booleans())
    numbers = [number for _, rows in table.groupby("label") for number in random.permutation(len(rows)) // widest]
    table["group"] = [f"{label * one_class} {number}" for label, number in zip(table["label"], numbers, strict=True)]
    cuts = sorted(data(st.tuples(*[st.integers(0, len(table) // 4)] * 2)))
    sizes = (len(table) // 4 + cuts[0], len(table) // 4 + cuts[1] - cuts[0], len(table) // 4)
    return table.sample(frac=1, random_state=1), dict(zip(PARTS, sizes, strict=True)), data(st.integers(0, 2**32 - 1))


@quick
@given(grouped_drawings())
def test_groups_stay_whole(drawing):
    table, sizes, seed = drawing
    drawn = splitting.draw_split(table, sizes, "grouped", seed)
    pd.testing.assert_frame_equal(drawn[table.columns], table)
    assert (drawn.groupby("group")["split"].nunique() == 1).all()
    most = table["group"].value_counts().max() * table["label"].nunique()  # each class may be off by a group
    assert all(abs(size - sizes[part]) <= most for part, size in sizes_of(drawn).items())
    assert all(set(drawn.loc[drawn["split"] == part, "label"]) == set(table["label"]) for part in PARTS)
    again = splitting.draw_split(table.sort_values("file"), sizes, "grouped", seed)
    pd.testing.assert_frame_equal(again.loc[table.index], drawn)


def persons(number: int) -> pd.DataFrame:
    """A table of persons who each show three classes twice, as in a study of hands."""
    return table_of(*[2 * number] * 3).assign(group=[f"{row // 2:02}" for row in range(2 * number)] * 3)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((0.6, 0.2, 0.2), {"train": 72, "validation": 24, "test": 24}),
        ((30, 13, 10), {"train": 30, "validation": 12, "test": 12, "unused": 66}),
    ],
)
def test_equal_groups_meet_the_sizes(sizes, expected):
    table = persons(20)
    numbers = splitting.part_sizes(dict(zip(PARTS, sizes, strict=True)), len(table))
    splits = [splitting.draw_split(table, numbers, "grouped", seed)["split"] for seed in range(5)]
    assert all(split.value_counts().to_dict() == expected for split in splits)
    assert len({tuple(split) for split in splits}) == 5


def test_each_class_is_in_every_part_if_its_groups_allow_it():
    table = table_of(30, 30).assign(group=[f"{row // 10}" for row in range(60)])
    drawn = splitting.draw_split(table, {"train": 36, "validation": 12, "test": 12}, "grouped", 1)
    assert drawn.groupby("split")["label"].nunique().to_dict() == dict.fromkeys(PARTS, 2)
    fewer_groups = table.replace({"group": {"5": "4"}})
    with pytest.raises(UserError, match="too few groups: class 1 has 2, and each class needs 3"):
        splitting.draw_split(fewer_groups, {"train": 20, "validation": 20, "test": 20}, "grouped", 1)


def table_in_parts(*parts: str) -> pd.DataFrame:
    """A table of three classes, each with ten images in every part."""
    table = table_of(*[10 * len(parts)] * 3)
    return table.assign(part=[part for _ in range(3) for part in parts for _ in range(10)])


@pytest.mark.parametrize(
    ("parts", "fold", "tested"),
    [
        (("train", "test"), 3, "test"),
        (("train", "validation"), 0, "validation"),
        (("train", "validation", "test"), 0, "test"),
        (("0", "1", "2", "3", "4"), 0, "0"),
        (("0", "1", "2", "3", "4"), 4, "4"),
    ],
)
@pytest.mark.parametrize("validation", [0.1, 1 / 6, 6])
def test_the_published_test_part_is_tested_on(parts, fold, tested, validation):
    table = table_in_parts(*parts).sample(frac=1, random_state=1)
    sizes = splitting.part_sizes({"train": 0, "validation": validation, "test": 0}, len(table))
    splits = [splitting.draw_split(table, sizes, "published", seed, fold) for seed in range(3)]
    for drawn in splits:
        assert ((drawn["split"] == "test") == (table["part"] == tested)).all()
        size = validation if validation > 1 else round(validation * len(table))
        assert sizes_of(drawn) == {"train": len(table) - 30 - size, "validation": size, "test": 30}
        each = drawn[drawn["split"] == "validation"]["label"].value_counts()
        assert len(each) == 3 and each.max() - each.min() <= 1
    assert len({tuple(drawn["split"]) for drawn in splits}) == 3
    pd.testing.assert_frame_equal(splitting.draw_split(table, sizes, "published", 0, fold), splits[0])


def test_a_validation_of_one_image_is_too_small_to_be_published():
    sizes = splitting.part_sizes({"train": 0, "validation": 1, "test": 0}, 60)
    with pytest.raises(UserError, match="split: validation of 1 images cannot hold all 3 classes"):
        splitting.draw_split(table_in_parts("train", "test"), sizes, "published", 1)


@pytest.mark.parametrize(
    ("table", "method", "fold", "message"),
    [
        (table_of(9, 9), "grouped", 0, "no groups for the method grouped: choose stratified, random$"),
        (table_of(9, 9), "published", 0, "no parts for the method published: choose stratified, random$"),
        (persons(5), "published", 0, "no parts for the method published: choose stratified, random, grouped$"),
        (table_in_parts("0", "1"), "published", 2, r"no published split '2' \(there are: 0, 1\)"),
        (table_in_parts("train"), "published", 0, "of the published parts, train, none is to test on"),
        (table_in_parts("train", "test")[:-4], "published", 0, None),
        (table_in_parts("train", "test")[:-10], "published", 0, "test has no image of class 2: choose another method"),
        (table_in_parts("train", "test").query("part == 'test' or label < 'class 2'"), "published", 0, "split: "),
    ],
)
def test_what_a_method_needs(table, method, fold, message):
    sizes = {"train": 0, "validation": 6, "test": 0}
    if message is None:
        splitting.draw_split(table, sizes, method, 1, fold)
        return
    with pytest.raises(UserError, match=message) as caught:
        splitting.draw_split(table, sizes, method, 1, fold)
    assert "\n" not in str(caught.value)


def test_a_validation_part_that_leaves_nothing_to_train():
    with pytest.raises(UserError, match=r"validation of 28 images, of the 30 .* too few to train 3 classes"):
        splitting.draw_split(table_in_parts("train", "test"), {"train": 0, "validation": 28, "test": 0}, "published", 1)


def test_the_step_draws_whole_groups_and_published_parts(tmp_path):
    source = tmp_path / "edges"
    for part, size in (("train", 12), ("test", 13)):
        write_images(source / part, 6, size)
    files = [path.relative_to(source) for path in source.rglob("*.png")]
    lines = [f"{file},{file.parts[0]} {file.stem[-1]}" for file in files]  # one image of each class
    (source / "groups.csv").write_text("\n".join(["file,group", *lines]))
    at = fetch_and_audit(source, tmp_path)
    expected = {"grouped": (18, 9, 9), "published": (9, 9, 18)}
    groups = {}
    for method, numbers in expected.items():
        run_step("split", at, {**SIZES, "method": method})
        splits = artifacts.Splits.read(at["splits"])
        test = artifacts.TestSplit.read(at["test_split"]).table("test_split.csv")
        assert (len(splits.part("train")), len(splits.part("validation")), len(test)) == numbers
        groups[method] = splits.facts.groups
        assert splits.part("validation")["group"].nunique() == groups[method]["validation"]
    assert groups["grouped"] == {"train": 6, "validation": 3, "test": 3}
    assert groups["published"]["test"] == 6 and test["file"].str.contains("/test/").all()


# Clusters of identical and near-identical images


def with_clusters(table: pd.DataFrame, pairs: int, size: int, seed: int) -> pd.DataFrame:
    """Return a table with so many clusters of so many images, whatever their classes."""
    chosen = np.random.default_rng(seed).permutation(len(table)) // size
    return table.assign(cluster=[f"cluster {number}" if number < pairs else "" for number in chosen])


def stays_whole(drawn: pd.DataFrame, column: str) -> bool:
    rows = drawn[drawn[column] != ""]
    return bool((rows.groupby(column)["split"].nunique() == 1).all())


@quick
@given(drawings(), st.integers(1, 12), st.integers(2, 5))
def test_a_stratified_split_keeps_clusters_whole_whatever_there_is(drawing, pairs, size):
    table, sizes, seed = drawing
    assume(pairs * size <= len(table))
    table = with_clusters(table, pairs, size, seed)
    drawn = try_to_draw(table, sizes, "stratified", seed)
    pd.testing.assert_frame_equal(drawn[table.columns], table)
    assert stays_whole(drawn, "cluster")
    pd.testing.assert_frame_equal(drawn, splitting.draw_split(table, sizes, "stratified", seed))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("pairs", "size"), [(1, 2), (10, 2), (5, 3), (2, 8)])
def test_clusters_change_neither_sizes_nor_shares_where_there_are_images_to_give_way(pairs, size, seed):
    table = table_of(30, 40, 50)
    sizes = {"train": 72, "validation": 24, "test": 20}
    plain = splitting.draw_split(table, sizes, "stratified", seed)
    drawn = splitting.draw_split(with_clusters(table, pairs, size, seed), sizes, "stratified", seed)
    assert stays_whole(drawn, "cluster")
    before, after = (pd.crosstab(one["split"], one["label"]) for one in (plain, drawn))
    pd.testing.assert_frame_equal(before, after)
    assert (plain["split"] != drawn["split"]).sum() <= 2 * pairs * size  # the rest stays as it was drawn


def test_a_data_set_of_nothing_but_pairs():
    table = table_of(40, 40).assign(cluster=[f"{row // 2}" for row in range(80)])
    drawn = splitting.draw_split(table, {"train": 48, "validation": 16, "test": 16}, "stratified", 1)
    assert stays_whole(drawn, "cluster")
    assert sizes_of(drawn) == {"train": 48, "validation": 16, "test": 16}


def test_a_cluster_that_no_part_has_room_for():
    table = table_of(20, 20)
    table.loc[:17, "cluster"] = "most of a class"
    drawn = splitting.draw_split(table, {"train": 20, "validation": 10, "test": 10}, "stratified", 1)
    assert set(drawn["split"][:18]) == {"train"}
    assert sizes_of(drawn) == {"train": 24, "validation": 8, "test": 8}  # the other class makes up for it, by half
    assert pd.crosstab(drawn["label"], drawn["split"]).to_numpy().all()


def test_a_random_split_leaves_clusters_and_copies_where_they_fall():
    table, sizes = table_of(30, 30), {"train": 30, "validation": 10, "test": 20}
    plain = splitting.draw_split(table, sizes, "random", 1)["split"]
    pd.testing.assert_series_equal(
        splitting.draw_split(with_clusters(table, 10, 2, 1), sizes, "random", 1)["split"], plain
    )
    copies = table.assign(sha256=[f"{row // 2}" for row in range(60)])
    drawn = splitting.draw_split(copies, sizes, "random", 1)
    assert drawn.groupby("sha256")["split"].nunique().value_counts().to_dict() == {1: 12, 2: 18}


@pytest.mark.parametrize("seed", range(5))
def test_validation_drawn_from_a_published_part_keeps_clusters_whole(seed):
    table = with_clusters(table_in_parts("train", "test"), 20, 2, seed)
    sizes = {"train": 0, "validation": 10, "test": 0}
    drawn = splitting.draw_split(table, sizes, "published", seed)
    assert ((drawn["split"] == "test") == (table["part"] == "test")).all()
    assert stays_whole(drawn[drawn["split"] != "test"], "cluster")
    assert sizes_of(drawn) == {"train": 20, "validation": 10, "test": 30}


@quick
@given(grouped_drawings(), st.integers(1, 5))
def test_clusters_join_groups(drawing, pairs):
    table, sizes, seed = drawing
    table = with_clusters(table, pairs, 2, seed)
    drawn = try_to_draw(table, sizes, "grouped", seed)
    assert stays_whole(drawn, "cluster") and stays_whole(drawn, "group")


def test_units_are_what_groups_and_clusters_join():
    table = pd.DataFrame({"group": [*"aabbccdd"], "cluster": ["", "x", "x", "", "y", "", "", "y"]})
    assert grouping.unit_numbers(table).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert grouping.unit_numbers(table.assign(cluster="")).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


# What leaks can be left out


def left_out(table: pd.DataFrame, duplicates: str, two_labels: str, method: str = "stratified") -> dict[str, list[int]]:
    found = splitting.dropped_images(table, method, 0, duplicates, two_labels)
    return {reason: sorted(rows) for reason, rows in found.items()}


def test_one_of_each_cluster_stays_and_clusters_of_two_labels_go():
    table = table_of(5, 3).assign(cluster=["x", "x", "", "y", "y", "y", "", ""])
    later = int(table["sha256"][0] < table["sha256"][1])
    assert left_out(table, "keep", "keep") == {"two_labels": [], "duplicates": []}
    assert left_out(table, "keep", "drop") == {"two_labels": [3, 4, 5], "duplicates": []}
    assert left_out(table, "one", "drop") == {"two_labels": [3, 4, 5], "duplicates": [later]}
    assert left_out(table.assign(cluster=["", "", "y", "y", "", "y", "", ""]), "one", "keep")["duplicates"][-1] == 5
    published = table.assign(part=[*["train", "test"] * 4])
    assert left_out(published, "one", "keep", "published") == {"two_labels": [], "duplicates": [0, 4, 5]}
    assert left_out(table_of(5, 3), "one", "drop") == {"two_labels": [], "duplicates": []}


def test_a_class_of_duplicates_alone_is_said_to_be_and_is_not_left_out_unsaid():
    table = table_of(20, 20).assign(cluster=[*[""] * 20, *["x"] * 19, ""])
    message = "duplicates counted once: class 1 has 2, and each class needs 3, .* or lower audit's distance if"
    with pytest.raises(UserError, match=message):
        splitting.draw_split(table, {"train": 24, "validation": 8, "test": 8}, "stratified", 1)
    two_labels = table_of(20, 2).assign(cluster=[*[""] * 19, *["x"] * 3])
    with pytest.raises(UserError, match="two_labels: drop leave no image of class 1: set them to keep"):
        left_out(two_labels, "keep", "drop")


def test_the_step_leaves_out_duplicates_and_says_how_many(tmp_path, capsys):
    source = write_images(tmp_path / "edges", 8)
    first = sorted(source.rglob("*.png"))[0]
    for copy in ("copy.png", "copy2.png"):
        (first.parent / copy).write_bytes(first.read_bytes())
    at = fetch_and_audit(source, tmp_path)
    run_step("split", at, {**SIZES, "duplicates": "one"})
    splits = artifacts.Splits.read(at["splits"])
    assert splits.facts.dropped == {"two_labels": 0, "duplicates": 2, "excluded": 0}
    out = capsys.readouterr().out
    assert "split: 2 images left out: duplicates\n" in out
    assert "split: 12 train, 6 validation, 6 test, 2 unused\n" in out
    test = artifacts.TestSplit.read(at["test_split"]).table("test_split.csv")
    assert len(test) + len(splits.table("splits.csv")) == 24


# A split stays as images come and go


def changes(method: str, sizes: dict[str, float], images: int, pairs: int = 0) -> pd.DataFrame:
    """The parts of 1,000 images before and after so many come, or go, in five draws: `before` and `after`."""
    found = []
    for seed in range(5):
        table = table_of(*[110] * 10).sample(frac=1, random_state=seed)
        table = with_clusters(table, pairs, 2, seed)
        both = [
            splitting.draw_split(rows, splitting.part_sizes(sizes, len(rows)), method, seed)["split"]
            for rows in (table[:1000], table[: 1000 + images].sample(frac=1, random_state=seed))
        ]
        found.append(pd.concat(both, axis=1, join="inner", keys=["before", "after"]))
    return pd.concat(found)


FRACTIONS = {"train": 0.6, "validation": 0.2, "test": 0.2}
NUMBERS = {"train": 600, "validation": 100, "test": 200}


@pytest.mark.parametrize("method", DRAWN)
@pytest.mark.parametrize(
    ("sizes", "images", "least"),
    [
        (FRACTIONS, 1, 0.99), (NUMBERS, 1, 0.99), (FRACTIONS, 10, 0.98), (NUMBERS, 10, 0.98), (FRACTIONS, 100, 0.96),
        (NUMBERS, 100, 0.88), (FRACTIONS, -10, 0.98), (NUMBERS, -10, 0.98), (FRACTIONS, -100, 0.96),
        (NUMBERS, -100, 0.98),
    ],
)  # fmt: skip
def test_test_images_stay_as_images_come_and_go_and_none_was_trained_on_before(method, sizes, images, least):
    found = changes(method, sizes, images)
    tested = found[found["before"] == "test"]
    assert (tested["after"] == "test").mean() >= least
    assert "train" not in set(found.loc[found["after"] == "test", "before"])


def test_pairs_of_duplicates_hardly_change_what_stays():
    found = changes("stratified", FRACTIONS, 10, 60)
    assert (found.loc[found["before"] == "test", "after"] == "test").mean() >= 0.98
    assert (found.loc[found["after"] == "test", "before"] == "train").sum() <= 2  # of 1,000


@pytest.mark.parametrize("seed", range(3))
def test_groups_stay_as_an_image_of_one_comes(seed):
    random = np.random.default_rng(seed)
    table = table_of(*[201] * 5).assign(group=[f"{number}" for number in random.integers(0, 100, 1005)])
    before, after = (
        splitting.draw_split(rows, splitting.part_sizes(FRACTIONS, len(rows)), "grouped", seed)["split"]
        for rows in (table.sample(n=1004, random_state=seed), table)
    )
    stays = (after.loc[before.index] == before)[before == "test"]
    assert stays.mean() >= 0.8


@pytest.mark.parametrize("fold", range(5))
def test_folds_stay_too_and_give_way_to_validation(fold):
    table, sizes = table_of(*[101] * 10), {"train": 0, "validation": 200, "test": 0}
    before, after = (
        splitting.draw_split(rows, sizes, "stratified", 1, fold, 5)["split"]
        for rows in (table.sample(n=1000, random_state=fold), table)
    )
    after = after.loc[before.index]
    assert (after[before == "test"] == "test").mean() >= 0.95
    assert "train" not in set(before[after == "test"])


def test_names_and_order_of_files_change_nothing():
    table, sizes = table_of(30, 40, 50), {"train": 60, "validation": 20, "test": 20}
    renamed = table.assign(file=[f"{number}.png" for number in np.random.default_rng(1).permutation(len(table))])
    for method in DRAWN:
        drawn = splitting.draw_split(table, sizes, method, 1)["split"]
        again = splitting.draw_split(renamed.sort_values("file"), sizes, method, 1)["split"]
        pd.testing.assert_series_equal(again.loc[drawn.index], drawn)


@pytest.mark.parametrize("method", DRAWN)
def test_each_image_is_as_likely_in_each_part_and_seeds_are_independent(method):
    from scipy.stats import chi2

    table, sizes, draws = table_of(20, 20), {"train": 20, "validation": 10, "test": 10}, 150
    drawn = [splitting.draw_split(table, sizes, method, seed, untrained_classes="allow") for seed in range(draws)]
    is_test = np.array([one["split"] == "test" for one in drawn])
    counts, expected = is_test.sum(axis=0), draws / 4
    statistic = ((counts - expected) ** 2 / (expected * 3 / 4)).sum()
    assert chi2.ppf(0.001, 38) < statistic < chi2.ppf(0.999, 40)
    in_both = (is_test[1:] & is_test[:-1]).sum(axis=1)
    assert abs(in_both.mean() - 10 / 4) < 4 * in_both.std() / draws**0.5


# Folds


@quick
@given(st.sampled_from(["stratified", "random", "grouped"]), st.integers(2, 5), st.integers(0, 6), st.integers(0, 99))
def test_folds_share_out_the_data_set(method, folds, pairs, seed):
    """The bounds are the most over every case that may be drawn: groups of three fit less well in parts of sixteen."""
    table = table_of(23, 31, 26).assign(group=[f"{row % 27}" for row in range(80)]).sample(frac=1, random_state=seed)
    table = with_clusters(table, pairs, 2, seed)
    sizes = {"train": 0, "validation": 16, "test": 0}
    drawn = [splitting.draw_split(table, sizes, method, seed, fold, folds) for fold in range(folds)]
    tests = pd.DataFrame({fold: one["split"] == "test" for fold, one in enumerate(drawn)})
    assert (tests.sum(axis=1) == 1).all()
    assert all("unused" not in set(one["split"]) for one in drawn)
    assert tests.sum().max() - tests.sum().min() <= (3 if method == "grouped" else 1)
    for one in drawn:
        assert method == "random" or stays_whole(one, "cluster")
        assert method != "grouped" or stays_whole(one, "group")
        assert abs((one["split"] == "validation").sum() - 16) <= (1 if method == "grouped" else 0)
        share = pd.crosstab(one["split"], one["label"], normalize="index").loc["test"]
        most = {"stratified": 0.051, "grouped": 0.121, "random": 1}[method]
        assert (share - table["label"].value_counts(normalize=True)).abs().max() < most


def test_other_seeds_draw_other_folds_and_validation_parts():
    sizes = {"train": 0, "validation": 10, "test": 0}
    drawn = [splitting.draw_split(table_of(30, 30), sizes, "stratified", seed, 0, 5)["split"] for seed in range(3)]
    assert (
        len({tuple(split == "test") for split in drawn}) == len({tuple(split == "validation") for split in drawn}) == 3
    )


@pytest.mark.parametrize("fold", range(5))
def test_the_publisher_s_splits_are_its_folds(fold):
    table = table_in_parts(*"01234")
    drawn = splitting.draw_split(table, {"train": 0, "validation": 12, "test": 0}, "published", 1, fold, 5)
    pd.testing.assert_frame_equal(
        drawn, splitting.draw_split(table, {"train": 0, "validation": 12, "test": 0}, "published", 1, fold)
    )
    assert ((drawn["split"] == "test") == (table["part"] == str(fold))).all()


@pytest.mark.parametrize(
    ("table", "method", "fold", "folds", "message"),
    [
        (table_of(9, 9), "stratified", 3, 3, "no fold 3 of 3, numbered from 0"),
        (table_of(9, 9), "random", 1, 1, "no fold 1 of 1, numbered from 0: set folds above it"),
        (
            table_of(9, 4),
            "stratified",
            0,
            5,
            "class 1 has 4, and each class needs 5, for 5 folds: .* or set folds to 4$",
        ),
        (
            persons(4),
            "grouped",
            0,
            5,
            "groups: class 0 has 4, class 1 has 4, class 2 has 4, and each class needs 5, for 5 folds",
        ),
        (table_of(9, 9), "random", 0, 19, "images: the data set has 18, .* set folds to 18"),
        (table_in_parts("0", "1"), "published", 0, 5, "5 folds; the publisher has 2 to test on: set folds to 2"),
        (table_in_parts("train", "test"), "published", 0, 5, "5 folds; the publisher has 1 to test on: set folds to 1"),
        (table_in_parts("0", "1"), "published", 2, 2, r"no published split '2' \(there are: 0, 1\)"),
        (table_of(9, 9), "stratified", 0, 2, "validation of 8 images, of the 9 outside the fold, leaves too few"),
    ],
)
def test_folds_that_cannot_be(table, method, fold, folds, message):
    sizes = {"train": 0, "validation": 8 if folds == 2 else 3, "test": 0}
    with pytest.raises(UserError, match=message) as caught:
        splitting.draw_split(table, sizes, method, 1, fold, folds)
    assert "\n" not in str(caught.value)

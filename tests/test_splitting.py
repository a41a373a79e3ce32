"""Drawing the parts: of the sizes asked for, disjoint, repeatable, with the classes' shares."""

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings

from components import step
from components.data import artifacts, splitting
from components.errors import UserError
from tests.conftest import CLASSES, write_images

PARTS = ("train", "validation", "test")
quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def table_of(*per_class: int) -> pd.DataFrame:
    labels = [f"class {number}" for number, images in enumerate(per_class) for _ in range(images)]
    return pd.DataFrame({"file": [f"{row:04}" for row in range(len(labels))], "label": labels})


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
        return splitting.draw(table, sizes, method, seed)
    except UserError as error:
        assume("split:" not in str(error))
        raise


@quick
@given(drawings(), st.sampled_from(splitting.METHODS))
def test_parts_are_of_the_sizes_asked_for(drawing, method):
    table, sizes, seed = drawing
    drawn = try_to_draw(table, sizes, method, seed)
    pd.testing.assert_frame_equal(drawn[["file", "label"]], table)  # every image once, so that parts are disjoint
    assert sizes_of(drawn) == sizes
    assert set(drawn["split"]) <= {*PARTS, "unused"}


@quick
@given(drawings(), st.sampled_from(splitting.METHODS))
def test_the_same_seed_draws_the_same(drawing, method):
    table, sizes, seed = drawing
    once, again = (try_to_draw(table, sizes, method, seed) for _ in range(2))
    pd.testing.assert_frame_equal(once, again)


@pytest.mark.parametrize("method", splitting.METHODS)
def test_other_seeds_draw_others(method):
    sizes = {"train": 30, "validation": 20, "test": 10}
    drawn = [splitting.draw(table_of(30, 30, 30), sizes, method, seed)["split"] for seed in range(5)]
    assert len({tuple(split) for split in drawn}) == 5


@quick
@given(drawings())
def test_every_class_keeps_its_share(drawing):
    """Parts are drawn one after the other, each to within one image a class of what is left of the shares."""
    table, sizes, seed = drawing
    drawn = try_to_draw(table, sizes, "stratified", seed)
    spare = len(table) - sum(sizes.values())
    left_out = 1 if 0 < spare < table["label"].nunique() else 0
    share = table["label"].value_counts() / len(table)
    for part, within in {"test": 1, "validation": 2, "train": 3}.items():
        found = drawn.loc[drawn["split"] == part, "label"].value_counts()
        assert (found - share * sizes[part]).abs().max() < within + left_out


@pytest.mark.parametrize("seed", range(10))
def test_equal_classes_get_equal_parts(seed):
    drawn = splitting.draw(table_of(20, 20, 20), {"train": 30, "validation": 15, "test": 9}, "stratified", seed)
    for part, each in {"train": 10, "validation": 5, "test": 3, "unused": 2}.items():
        assert drawn.loc[drawn["split"] == part, "label"].value_counts().tolist() == [each] * 3


@pytest.mark.parametrize("seed", range(10))
def test_few_images_left_over_are_of_different_classes(seed):
    sizes = {"train": 26, "validation": 10, "test": 10}
    drawn = splitting.draw(table_of(10, 10, 10, 10, 10), sizes, "stratified", seed)
    assert drawn.loc[drawn["split"] == "unused", "label"].nunique() == 4


def test_a_random_split_keeps_no_shares():
    drawn = [
        splitting.draw(table_of(30, 30), {"train": 20, "validation": 20, "test": 20}, "random", seed)
        for seed in range(10)
    ]
    found = {int(((one["split"] == "test") & (one["label"] == "class 0")).sum()) for one in drawn}
    assert len(found) > 1


@quick
@given(
    st.integers(10, 5000),
    st.tuples(*[st.integers(1, 998)] * 2).map(sorted).filter(lambda cut: cut[0] < cut[1]),
)
def test_fractions_that_make_a_whole_use_every_image(images, cuts):
    thousandths = dict(zip(PARTS, (cuts[0], cuts[1] - cuts[0], 1000 - cuts[1]), strict=True))
    numbers = splitting.counts({part: size / 1000 for part, size in thousandths.items()}, images)
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
    assert splitting.counts(dict(zip(PARTS, sizes, strict=True)), 48) == dict(zip(PARTS, expected, strict=True))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((30, 12, 12), r"30 \+ 12 \+ 12 images are more than the 48 there are: make a part smaller"),
        ((0.9, 0.2, 0.2), "more than the 48 there are"),
    ],
)
def test_sizes_that_fit_no_data_set(sizes, message):
    with pytest.raises(UserError, match=message):
        splitting.counts(dict(zip(PARTS, sizes, strict=True)), 48)


@pytest.mark.parametrize(
    ("sizes", "part"),
    [((30, 10, 1), "test"), ((30, 1, 10), "validation"), ((1, 10, 10), "train"), ((30, 10, 0), "test")],
)
def test_parts_too_small_for_every_class(sizes, part):
    with pytest.raises(UserError, match=rf"split: {part}\b") as caught:
        splitting.draw(table_of(20, 20, 20), dict(zip(PARTS, sizes, strict=True)), "stratified", 1)
    assert "\n" not in str(caught.value)


def test_a_class_too_small_for_every_part():
    with pytest.raises(UserError, match="split: "):
        splitting.draw(table_of(20, 20, 1), {"train": 20, "validation": 10, "test": 10}, "stratified", 1)


def test_the_step_keeps_the_test_rows_apart(tmp_path):
    step.run(
        "fetch",
        {"images": tmp_path / "images"},
        {"data_set": "edges", "source": str(write_images(tmp_path / "edges", 8)), "max_quarantined": 0},
    )
    at = {name: tmp_path / name for name in ("images", "splits", "test_split")}
    step.run("split", at, {"method": "stratified", "train": 0.5, "validation": 6, "test": 0.25, "seed": 3})
    splits, test = (
        artifacts.Splits.read(at["splits"]),
        artifacts.TestSplit.read(at["test_split"]).table("test_split.csv"),
    )
    parts = [splits.part("train"), splits.part("validation"), test]
    assert [len(part) for part in parts] == [12, 6, 6]
    files = pd.concat(parts)["file"]
    assert files.is_unique and set(files) == {f"{name}/{image:02}.png" for name in CLASSES for image in range(8)}
    assert all((part["file"].str.split("/").str[0] == part["label"]).all() for part in parts)
    assert not any(name in file.read_text() for file in at["splits"].iterdir() for name in test["file"])


def test_a_part_too_small_for_the_classes_is_refused():
    table = pd.DataFrame({"file": [str(n) for n in range(75)], "label": [f"class {n % 25}" for n in range(75)]})
    with pytest.raises(UserError, match="test of 15 images cannot hold all 25 classes: make it larger"):
        splitting.draw(table, {"train": 35, "validation": 25, "test": 15}, "stratified", 1)

"""Nested parts: stratified samples of the rows, each four times the one before, and no image twice."""

import pandas as pd
import pytest

from components.data.artifacts import Splits
from components.data.nested_parts import divide, require_part, stratified_order
from components.system.errors import UserError

SHARES = {"red": 600, "green": 380, "yellow": 20}


def rows_of(images: dict[str, int], split: str = "train") -> pd.DataFrame:
    table = pd.DataFrame(
        [(f"{label}/{split}{number}.png", label) for label in images for number in range(images[label])],
        columns=["file", "label"],
    )
    return table.assign(split=split, group="")


@pytest.fixture
def splits(tmp_path) -> Splits:
    """1,000 training and 100 validation images of three classes, one of them rare."""
    splits = Splits(tmp_path)
    validation = rows_of({label: images // 10 for label, images in SHARES.items()}, "validation")
    splits.write_table("splits.csv", pd.concat([rows_of(SHARES), validation]))
    splits.facts.classes = sorted(SHARES)
    return splits


def test_parts_share_no_image_and_are_all_images_together(splits):
    parts = divide(splits, 16, 1)
    files = [file for part in parts for file in part]
    assert sorted(files) == sorted(splits.table("splits.csv")["file"])
    numbers = [sum("/train" in file for file in part) for part in parts]
    assert numbers == [16, 48, 192, 744]
    assert [sum("/validation" in file for file in part) for part in parts] == [16, 48, 36, 0]


@pytest.mark.parametrize("images", [16, 64, 256])
def test_every_beginning_has_the_shares_of_the_classes_and_one_of_each_at_least(images):
    counts = pd.Series(stratified_order(rows_of(SHARES), 1)[:images]).str.partition("/")[0].value_counts()
    expected = {label: images * number / 1000 for label, number in SHARES.items()}
    assert all(abs(counts[label] - number) <= 1 for label, number in expected.items())


def test_a_first_part_has_four_images_a_class_where_it_would_have_fewer(splits):
    assert len([file for file in divide(splits, 1, 1)[0] if "/train" in file]) == 12


def test_an_image_more_moves_no_other_past_one_of_its_class():
    rows = rows_of({"a": 50, "b": 50})
    more = pd.concat([rows, pd.DataFrame([("a/new.png", "a", "train", "")], columns=rows.columns)])
    for label in "ab":
        before, after = ([file for file in stratified_order(one, 1) if file[0] == label] for one in (rows, more))
        assert before == [file for file in after if file != "a/new.png"]
    assert stratified_order(rows, 1) != stratified_order(rows, 2)


def test_a_part_that_is_not_there(splits):
    parts = divide(splits, 2000, 1)
    assert len(parts) == 1 and require_part(parts, 0) is parts[0]
    with pytest.raises(UserError, match="part is from 0 to 0 of these images; received 1"):
        require_part(parts, 1)

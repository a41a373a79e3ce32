"""Edits of params.yaml: what is added is read as it was meant, and all else stays as it is, comments too."""

import difflib
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.machinery.code import ROOT
from components.system.errors import UserError
from pipeline.editing import insert_recipe, write_recipe

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
PATHS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=30)
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,12}", fullmatch=True)


@given(name=NAMES, source=PATHS, networks=st.lists(NAMES, min_size=1, max_size=3))
def test_a_recipe_is_read_as_it_was_meant(name, source, networks):
    recipe = {"networks": networks, "split": {"method": "published", "validation": 0.2}}
    text = insert_recipe(TEXT, name, {"source": source}, recipe)
    expected = yaml.safe_load(TEXT)
    expected["active"].insert(0, name)
    expected["data"]["own"] = {name: {"source": source}}
    expected["recipes"] = {name: {"data": name, **recipe}, **expected["recipes"]}
    assert yaml.safe_load(text) == expected
    assert [*yaml.safe_load(text)["recipes"]] == [*expected["recipes"]]


def test_lines_are_added_and_none_is_changed():
    once = insert_recipe(TEXT, "flowers", {"source": "../flowers"}, {"networks": ["mobilenet_v2"]})
    twice = insert_recipe(once, "trees", {"source": "../my trees"}, {"networks": ["mobilenet_v2", "resnet50"]})
    lines = [text.splitlines() for text in (TEXT, once, twice)]
    changes = [[line for line in difflib.ndiff(*pair) if line[0] in "+-"] for pair in pairwise(lines)]
    assert changes == [
        ["+   - flowers", "-   own: {}", "+   own:", "+     flowers: {source: ../flowers}", "+   flowers:",
         "+     data: flowers", "+     networks: [mobilenet_v2]", "+ "],
        ["+   - trees", "+     trees: {source: '../my trees'}", "+   trees:", "+     data: trees",
         "+     networks: [mobilenet_v2, resnet50]", "+ "],
    ]  # fmt: skip
    assert "recipes:\n  trees:\n" in twice and "\n\n  # Handwritten digits" in twice


@pytest.mark.parametrize("empty", ["active: []\ndata: {}\nrecipes: {}\n", "active:\ndata:\n  own:\nrecipes:\n"])
def test_a_file_without_any_recipe_gets_its_first(empty):
    text = insert_recipe(empty, "flowers", {"source": "../flowers"}, {"networks": ["mobilenet_v2"]})
    assert yaml.safe_load(text) == {
        "active": ["flowers"],
        "data": {"own": {"flowers": {"source": "../flowers"}}},
        "recipes": {"flowers": {"data": "flowers", "networks": ["mobilenet_v2"]}},
    }


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_stay(ending, mark):
    before = mark + TEXT.replace("\n", ending)
    text = insert_recipe(before, "flowers", {"source": "../flowers"}, {"networks": ["mobilenet_v2"]})
    assert text.startswith(mark + "# The recipes") and text.count(ending) == text.count("\n") > before.count("\n")


def test_a_comment_is_not_lost_without_a_word():
    text = TEXT.replace("active:\n  - digits\n", "active: [\n  digits, # the first\n]\n")
    with pytest.raises(UserError, match="the comment 'the first' would be lost"):
        insert_recipe(text, "flowers", {"source": "../flowers"}, {"networks": ["mobilenet_v2"]})


RECIPE = {"like": "digits", "networks": ["glyphs"], "vary": {"augment": {"image_size": [32, 48]}}}


def changed_lines(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


@pytest.mark.parametrize("like", yaml.safe_load(TEXT)["recipes"])
def test_a_recipe_is_written_behind_the_one_that_it_is_like(like):
    text = write_recipe(TEXT, "best", {**RECIPE, "like": like})
    expected = ["+   - best", "+   best:", f"+     like: {like}", "+     networks: [glyphs]"]
    assert changed_lines(TEXT, text) == [*expected, "+     vary: {augment: {image_size: [32, 48]}}", "+ "]
    names = [*yaml.safe_load(text)["recipes"]]
    assert names[names.index(like) + 1] == "best"


@pytest.mark.parametrize("like", yaml.safe_load(TEXT)["recipes"])
def test_a_recipe_is_written_in_its_own_place_again(like):
    once = write_recipe(TEXT, "best", {**RECIPE, "like": like})
    assert write_recipe(once, "best", {**RECIPE, "like": like}) == once
    again = write_recipe(once, "best", {"like": like, "networks": ["vgg16"]})
    removed = ["-     networks: [glyphs]", "-     vary: {augment: {image_size: [32, 48]}}"]
    assert sorted(changed_lines(once, again)) == sorted([*removed, "+     networks: [vgg16]"])


def test_a_recipe_is_switched_on_in_place_of_another():
    content = yaml.safe_load(write_recipe(TEXT, "best", RECIPE, instead_of="digits"))
    assert content["active"] == ["best"]
    assert yaml.safe_load(write_recipe(TEXT, "best", RECIPE))["active"] == ["best", "digits"]


def test_a_recipe_at_the_end_and_one_whose_last_entry_is_a_list(tmp_path):
    for lines in ("networks: [a]", "networks:\n      - a", "networks:\n      - a # why"):
        text = f"active: []\ndata: {{}}\nrecipes:\n  one:\n    data: d\n    {lines}\n"
        written = write_recipe(text, "best", {"like": "one", "networks": ["b"]})
        assert yaml.safe_load(written)["recipes"] == {
            "one": {"data": "d", "networks": ["a"]},
            "best": {"like": "one", "networks": ["b"]},
        }

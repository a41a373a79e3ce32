"""Edits of params.yaml: what is added is read as it was meant, and all else stays as it is, comments too."""

import difflib
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.machinery.code import ROOT
from components.system.errors import UserError
from pipeline.editing import insert_recipe

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

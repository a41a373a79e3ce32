"""params.yaml: the real one is right, and whatever may be wrong in it is said in one line."""

import copy
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import STEPS, step
from components.errors import UserError
from pipeline import __main__, recipes

REAL = Path(recipes.__file__).parent.parent / recipes.PARAMS
RECIPES = recipes.read(REAL)["recipes"]
# The real file with every recipe switched on that it offers.
ALL_ON = yaml.safe_load(re.sub(r"^  # (\w+: \{data: )", r"  \1", REAL.read_text(), flags=re.M))


@pytest.fixture
def content() -> dict[str, Any]:
    return copy.deepcopy(recipes.read(REAL))


def test_the_real_file_passes(content):
    recipes.check(content)
    assert content["active"]


def test_every_recipe_that_is_offered_can_be_switched_on():
    recipes.check(ALL_ON)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_completed_from_the_defaults(recipe, content):
    found = recipes.completed(content, recipe)
    assert list(found) == [name for name in STEPS if not name.startswith("fetch")]
    for name, values in found.items():
        assert values == {**content["defaults"].get(name, {}), **(content["recipes"][recipe].get(name) or {})}
        kinds = step.load(name).parameters
        assert {key: type(value) for key, value in values.items()} == {key: kind.kind for key, kind in kinds.items()}


def test_what_a_recipe_says_wins_over_the_defaults(content):
    content["recipes"]["digits"]["fine_tune"] = {"epochs": 1}
    found = recipes.completed(content, "digits")["fine_tune"]
    assert found == {**content["defaults"]["fine_tune"], "epochs": 1}


@pytest.mark.parametrize("nothing", [None, {}])
def test_a_recipe_that_says_nothing_is_the_defaults(nothing, content):
    content["recipes"]["plain"] = dict.fromkeys(content["recipes"]["digits"], nothing)
    found = recipes.completed(content, "plain")
    assert {name: values for name, values in found.items() if values} == {
        name: values for name, values in content["defaults"].items() if values and name != "vary"
    }
    assert recipes.varied(content, "plain") == content["defaults"]["vary"]


def set_to(address: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change of the content: set what lies at an address of keys, or with ... remove it."""

    def change(content: dict[str, Any]) -> None:
        *path, last = address.split("/")
        for key in path:
            content = content[key]
        if value is ...:
            del content[last]
        else:
            content[last] = value

    return change


@pytest.mark.parametrize(
    ("address", "value", "message"),
    [
        ("recipes/digits/trian_top", {}, "no step in the recipe digits 'trian_top'; did you mean 'train_top'"),
        ("recipes/digits/fetch", {}, "no step in the recipe digits 'fetch'"),
        ("recipes/digits/train_top/epoch", 3, "recipe digits: no parameter .* 'epoch'; did you mean 'epochs'"),
        ("recipes/digits/train_top/epochs", 1.5, "recipe digits: train_top: epochs is a whole number; received 1.5"),
        ("recipes/digits/train_top/epochs", True, "recipe digits: train_top: epochs is a whole number; received True"),
        ("recipes/digits/train_top/epochs", float("inf"), "recipe digits: train_top: epochs .* received inf"),
        ("recipes/digits/train_top/weight_decay", 0.1, "digits: train_top: adam has no weight decay; received 0.1"),
        ("recipes/digits/split/train", "most", "recipe digits: split: train is a number; received 'most'"),
        ("recipes/digits/augment/flip", False, "recipe digits: augment: flip is text; received False"),
        ("recipes/digits/split", 0, "recipe digits: split .*received 0"),
        ("recipes/digits/split", 3, "recipe digits: split .*received 3"),
        ("recipes/digits/split", ["seed"], r"recipe digits: split .*received \['seed'\]"),
        ("recipes/digits", "split", "recipe digits.* received 'split'"),
        ("recipes/digits", ["split"], r"recipe digits.* received \['split'\]"),
        ("recipes/digits/explore", ..., "recipe digits has no section explore: write `explore: {}`"),
        ("recipes/digits", None, "recipe digits has no section audit"),
        ("defaults/split/seed", ..., "recipe digits: split lacks seed"),
        ("defaults/split", ..., "recipe digits: split lacks method, folds, fold, seed"),
        ("defaults/split", None, "recipe digits: split lacks method, folds, fold, seed"),
        ("defaults/split", 3, "defaults.*split .*received 3"),
        ("defaults/split/sed", 3, "no parameter of split 'sed'; did you mean 'seed'"),
        ("defaults/spilt", {}, "no step in the defaults 'spilt'; did you mean 'split'"),
        ("active/digit", {"data": "digits", "weights": "glyphs"}, "no recipe 'digit'; did you mean 'digits'"),
        ("active/digits/data", "digit", "no data of the recipe digits 'digit'; did you mean 'digits'"),
        ("active/digits/weights", "glyph", "no weights of the recipe digits 'glyph'; did you mean 'glyphs'"),
        ("active/digits/weights", ..., "no weights of the recipe digits"),
        ("active/digits", None, "recipe digits|active.*digits"),
        ("active/digits", "digits", "active.*digits .*received 'digits'"),
        ("data/published", ["digits", "sign_langauge"], "no published data set 'sign_langauge'; did you mean"),
        ("data/published", None, "data.*published .*received None"),
        ("data/own", {"mine": {}}, "data: own: mine: source is .* received None"),
        ("data/own", {"mine": "photos"}, "data.*mine .*received 'photos'"),
        ("data/own", {"groceries": {"source": "x"}}, "data: groceries is under published .*: take it off published to"),
        ("data/published", ..., "data.*published .*received None"),
        ("weights/published", ["mobilnet_v2"], "no backbone 'mobilnet_v2'; did you mean 'mobilenet_v2'"),
        ("weights/own", ["glyphs"], r"weights.*own .*received \['glyphs'\]"),
        ("weights/own/glyphs/backbone", "vgg16_smal", "no backbone 'vgg16_smal'; did you mean 'vgg16_small'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(address, value, message, content):
    set_to(address, value)(content)
    with pytest.raises(UserError, match=message) as caught:
        recipes.check(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", [True, 7])
@pytest.mark.parametrize("place", [("recipes", "digits"), ("recipes", "digits", "split"), ("active",)])
def test_keys_that_yaml_reads_as_no_text(key, place, content):
    inside = content
    for name in place:
        inside = inside[name]
    inside[key] = {}
    with pytest.raises(UserError, match=f"no .* '{key}'|a name is letters, digits, _ and -; received {key}"):
        recipes.check(content)


@pytest.mark.parametrize("name", ["active", "recipes", "defaults", "data", "weights"])
@pytest.mark.parametrize("value", [..., None, ["digits"]])
def test_parts_of_the_file(name, value, content, tmp_path):
    set_to(name, value)(content)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=f"params.yaml: '{name}' is a mapping of names; received"):
        recipes.read(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "received None"),
        (b"- digits", r"received \['digits'\]"),
        (b"recipes: {digits: [\n", "cannot read .*params.yaml"),
        (b"recipes: \xff", "cannot read .*params.yaml"),
        (b"a: 2001-99-99", "cannot read .*params.yaml: month"),
        (b"[" * 5000, "nested too deeply"),
        (None, "no .*params.yaml here: run this in the repository's root"),
    ],
)
def test_files_that_are_no_params(text, message, tmp_path):
    if text is not None:
        (tmp_path / "params.yaml").write_bytes(text)
    with pytest.raises(UserError, match=message) as caught:
        recipes.read(tmp_path / "params.yaml")
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe(content):
    with pytest.raises(UserError, match="no recipe 'digts'; did you mean 'digits'"):
        recipes.completed(content, "digts")


def test_check_is_a_command(monkeypatch, capsys):
    monkeypatch.chdir(REAL.parent)
    __main__.main(["check"])
    assert capsys.readouterr().err == ""


def test_check_leaves_with_one_line_and_2(tmp_path):
    (tmp_path / "params.yaml").write_text(REAL.read_text().replace("  train_top: {}", "  trian_top: {}", 1))
    left = subprocess.run(
        [sys.executable, "-m", "pipeline", "check"],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REAL.parent)},
    )  # fmt: skip
    assert (left.returncode, left.stdout) == (2, "")
    assert left.stderr.startswith("error: no step in the recipe digits 'trian_top'") and left.stderr.count("\n") == 1

"""params.yaml: the real one is right, and whatever may be wrong in it is said in one line."""

import copy
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from components import STEPS
from components.machinery.code import ROOT
from components.machinery.signature import load_step
from components.system.errors import UserError
from pipeline import __main__, collection, recipes

REAL = ROOT / recipes.PARAMS
RECIPES = recipes.read(REAL)["recipes"]


@pytest.fixture
def content() -> dict[str, Any]:
    return copy.deepcopy(recipes.read(REAL))


def test_the_real_file_passes(content):
    recipes.check(content)
    assert content["active"]


def test_no_section_of_the_real_file_is_empty():
    assert not re.findall(r"^ +(?!own)\w+: \{\}", REAL.read_text().partition("\ncluster:")[0], re.MULTILINE)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_has_every_value_of_every_step(recipe, content):
    resolved = recipes.resolve(content, recipe)
    assert list(resolved.values) == [name for name in STEPS if name not in ("fetch", "fetch_weights", *recipes.PROBES)]
    for name, values in resolved.values.items():
        kinds = load_step(name).parameters
        assert {key: type(value) for key, value in values.items()} == {key: kind.kind for key, kind in kinds.items()}
        own = content["recipes"][recipe].get(name) or {}
        assert {key: values[key] for key in own if key != "like"} == {key: own[key] for key in own if key != "like"}


def test_what_a_recipe_says_wins_over_the_defaults(content):
    content["recipes"]["digits"]["fine_tune"] = {"epochs": 1}
    values = recipes.resolve(content, "digits").values["fine_tune"]
    assert values == {**content["defaults"]["training"], **content["defaults"]["fine_tune"], "epochs": 1}


def test_what_all_trainings_share_is_said_once_and_a_step_may_say_otherwise(content):
    content["recipes"]["digits"]["training"] = {"epochs": 3, "l2": 0.5, "repeats": 2}
    content["recipes"]["digits"]["train_top"] = {"epochs": 7}
    content["recipes"]["digits"]["fine_tune"] = {}
    resolved = recipes.resolve(content, "digits")
    benchmark, top, fine_tuned = (resolved.values[name] for name in recipes.TRAINING)
    assert (top["epochs"], fine_tuned["epochs"]) == (7, 3)  # before the default of the step
    assert benchmark["epochs"] == 100  # the step's own in the recipe
    assert top["l2"] == fine_tuned["l2"] == 0.5 and "l2" not in benchmark
    assert benchmark["repeats"] == top["repeats"] == fine_tuned["repeats"] == 2


def test_a_recipe_that_says_only_its_data_and_networks_is_the_defaults(content):
    content["recipes"]["plain"] = {"data": "digits", "networks": ["glyphs"]}
    resolved = recipes.resolve(content, "plain")
    assert resolved.values["split"] == content["defaults"]["split"]
    assert resolved.models == ("benchmark", "top", "fine_tuned") and not resolved.vary


def test_a_recipe_is_like_another_but_for_what_it_says(content):
    content["recipes"]["more"] = {"like": "digits", "networks": ["vgg16"], "train_benchmark": {"epochs": 5}}
    one, other = (recipes.resolve(content, name) for name in ("digits", "more"))
    assert other.networks == ("vgg16",) and other.data == "digits"
    assert other.values["train_benchmark"] == {**one.values["train_benchmark"], "epochs": 5}
    assert {key: own for key, own in other.values.items() if key != "train_benchmark"} == {
        key: own for key, own in one.values.items() if key != "train_benchmark"
    }


def test_a_section_is_like_that_of_another_recipe_whatever_the_recipe_is_like(content):
    content["recipes"]["more"] = {"like": "kth_animals", "split": {"like": "digits", "seed": 4}}
    resolved = recipes.resolve(content, "more")
    assert resolved.values["split"] == {**recipes.resolve(content, "digits").values["split"], "seed": 4}
    assert resolved.values["augment"] == recipes.resolve(content, "kth_animals").values["augment"]


def test_any_parameter_is_varied_each_value_as_its_type(content):
    content["recipes"]["digits"]["vary"] = {"train_top": {"dropout": ["0.5", 0], "head": ["linear"]}}
    assert recipes.resolve(content, "digits").vary == {"train_top": {"dropout": [0.5, 0.0], "head": ["linear"]}}


def test_ways_of_resizing_are_tried_side_by_side_where_no_ensemble_has_to_take_both(content):
    content["recipes"]["digits"] |= {"vary": {"augment": {"resize": ["squash", "crop"]}}, "models": ["top"]}
    assert recipes.resolve(content, "digits").vary == {"augment": {"resize": ["squash", "crop"]}}
    content["recipes"]["digits"]["models"] = ["benchmark", "top", "ensemble"]
    with pytest.raises(
        UserError, match="recipe digits: vary: augment: resize: members of an ensemble see squares of one"
    ):
        recipes.resolve(content, "digits")


def test_a_recipe_with_changes_is_as_if_it_said_them(content):
    changed = recipes.apply_changes(
        content, "kth_animals_improved", {"split.seed": "3"}, {"train_top.dropout": ["0.1", "0.2"]}
    )
    resolved, before = (recipes.resolve(one, "kth_animals_improved") for one in (changed, content))
    assert resolved.values["split"] == {**before.values["split"], "seed": 3}
    assert resolved.vary == {"train_top": {"dropout": [0.1, 0.2]}} and not before.vary


def test_what_is_varied_or_swept_is_not_set_too(content):
    content["recipes"]["digits"]["vary"] = {"train_top": {"dropout": [0.1, 0.2]}}
    with pytest.raises(UserError, match=r"train_top.dropout is set, and digits varies it: do one of both"):
        recipes.apply_changes(content, "digits", {"train_top.dropout": "0.3"})
    with pytest.raises(UserError, match=r"split.seed is set and swept: do one of both"):
        recipes.apply_changes(content, "digits", {"split.seed": "3"}, {"split.seed": ["1", "2"]})


def test_own_names_go_before_those_of_the_registries(content):
    content["data"]["own"] = {"kth_animals": {"source": "copy.tar", "max_quarantined": 0.5}}
    content["weights"]["own"]["mobilenet_v2"] = {"backbone": "mobilenet_v2", "source": "mine.h5"}
    recipes.check(content)
    assert collection.fetch_values(content, "kth_animals") == {
        "data_set": "kth_animals", "source": "copy.tar", "max_quarantined": 0.5,
    }  # fmt: skip
    assert collection.weights_values(content, "mobilenet_v2")["source"] == "mine.h5"
    assert collection.weights_values(content, "vgg16") == {"backbone": "vgg16", "source": "imagenet", "stock": "keep"}
    assert collection.weights_values(content, "random_vgg16") == {
        "backbone": "vgg16", "source": "random", "stock": "leave",
    }  # fmt: skip


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
        ("recipes/digits/trian_top", {}, "recipe digits: no step 'trian_top'; did you mean 'train_top'"),
        ("recipes/digits/fetch", {}, "recipe digits: no step 'fetch'"),
        ("recipes/digits/train_benchmark/epoch", 3, "recipe digits: no parameter .* 'epoch'; did you mean 'epochs'"),
        ("recipes/digits/fine_tune/epochs", 1.5, "recipe digits: fine_tune: epochs is a whole number; received 1.5"),
        ("recipes/digits/fine_tune/epochs", True, "recipe digits: fine_tune: epochs is a whole number; received True"),
        ("recipes/digits/fine_tune/epochs", float("inf"), "recipe digits: fine_tune: epochs .* received inf"),
        ("recipes/digits/train_top", {"weight_decay": 0.1}, "train_top: adam has no weight decay; received 0.1"),
        ("recipes/digits/split/train", "most", "recipe digits: split: train is a number; received 'most'"),
        ("recipes/digits/augment/flip", False, "recipe digits: augment: flip is text; received False"),
        ("recipes/digits/split", 0, "recipe digits: split .*received 0"),
        ("recipes/digits/split", 3, "recipe digits: split .*received 3"),
        ("recipes/digits/split", ["seed"], r"recipe digits: split .*received \['seed'\]"),
        ("recipes/digits", "split", "recipe digits.* received 'split'"),
        ("recipes/digits", ["split"], r"recipe digits.* received \['split'\]"),
        ("recipes/digits", None, "recipe digits: no data set 'None'"),
        ("recipes/digits/data", "digit", "recipe digits: no data set 'digit'; did you mean 'digits'"),
        ("recipes/digits/networks", ["glyph"], "recipe digits: no network 'glyph'; did you mean 'glyphs'"),
        ("recipes/digits/networks", "glyphs", "digits: networks is a list of names, one or more; received 'glyphs'"),
        ("recipes/digits/networks", [], r"recipe digits: networks is a list of names, one or more; received \[\]"),
        ("recipes/digits/networks", ["glyphs", "glyphs"], "recipe digits: networks is a list without repetitions"),
        ("recipes/digits/networks", ["random_vgg"], "recipe digits: no network 'random_vgg'; did you mean"),
        ("recipes/digits/models", ["tops"], "recipe digits: no model 'tops'; did you mean 'top'"),
        ("recipes/digits/like", "kth_animal", "no recipe .kth_animal.; did you mean"),
        ("recipes/digits/like", "digits", "recipe digits is like itself: digits is like digits"),
        ("recipes/digits/like", "kth_animals", "recipe kth_animals is like itself|recipe digits is like itself"),
        ("recipes/digits/split", {"like": "kth_animal"}, "no recipe .kth_animal.; did you mean"),
        ("recipes/digits/training", {"epoch": 3}, "no parameter of training 'epoch'; did you mean 'epochs'"),
        ("recipes/digits/training", {"repeats": 0}, "recipe digits: train_benchmark: repeats is 1 or more; received 0"),
        ("recipes/digits/vary", {"train_tops": {}}, "no step to vary 'train_tops'; did you mean 'train_top'"),
        ("recipes/digits/vary", {"fetch": {"source": ["x"]}}, "no step to vary 'fetch'"),
        ("recipes/digits/vary", {"train_top": {"drop": [1]}}, "no parameter of train_top 'drop'; did you mean"),
        ("recipes/digits/vary", {"train_top": {"dropout": 0.5}}, "dropout is a list of values, .*; received 0.5"),
        ("recipes/digits/vary", {"train_top": {"dropout": []}}, r"dropout is a list of values, .*; received \[\]"),
        ("recipes/digits/vary", {"train_top": {"dropout": [2]}}, r"train_top.dropout is in \[0, 1\); received 2"),
        ("recipes/digits/vary", {"train_top": {"dropout": [0.5, "0.5"]}}, "vary: train_top: dropout has 0.5 twice"),
        ("recipes/digits/vary", {"train_top": {"repeats": [1, 3]}}, "repeats are trainings of one way, no choice"),
        ("recipes/digits/vary", {"train_top": 3}, "vary: train_top is .* received 3"),
        ("defaults/split/seed", ..., "recipe digits: split lacks seed"),
        ("defaults/split", ..., "recipe digits: split lacks method, folds, fold, seed"),
        ("defaults/split", None, "recipe digits: split lacks method, folds, fold, seed"),
        ("defaults/split", 3, "defaults.*split .*received 3"),
        ("defaults/split/sed", 3, "no parameter of split 'sed'; did you mean 'seed'"),
        ("defaults/spilt", {}, "defaults: no step 'spilt'; did you mean 'split'"),
        ("active", ["digit"], "no recipe 'digit'; did you mean 'digits'"),
        ("active", ["digits", "digits"], "active is a list without repetitions"),
        ("data/own", {"mine": {}}, "data: own: mine: lines are missing: source"),
        ("data/own", {"mine": {"source": None}}, "data: own: mine: source is text; received None"),
        ("data/onw", {}, "data: no setting 'onw'; did you mean 'own'"),
        ("recipes/digits/networks", [1], "recipe digits: networks: 0 is text; received 1; put it in quotes"),
        ("recipes/digits/split", {True: 1}, "recipe digits: split: a name is text; received True; put it in quotes"),
        ("data/own", {"mine": "photos"}, "data.*mine .*received 'photos'"),
        ("weights/own", ["glyphs"], r"weights.*own .*received \['glyphs'\]"),
        ("weights/own/glyphs/backbone", "vgg16_smal", "no backbone 'vgg16_smal'; did you mean 'vgg16_small'"),
        ("weights/own/random_vgg16", {"backbone": "vgg16", "source": "x"}, "one that is not taken; .*'random_vgg16'"),
        ("weights/own/audit", {"backbone": "vgg16", "source": "x"}, "own: a name is one that is not taken; .* 'audit'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(address, value, message, content):
    set_to(address, value)(content)
    with pytest.raises(UserError, match=message) as caught:
        recipes.check(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", [True, 7])
@pytest.mark.parametrize("place", [("recipes", "digits"), ("recipes", "digits", "split"), ("recipes",)])
def test_keys_that_yaml_reads_as_no_text(key, place, content):
    inside = content
    for name in place:
        inside = inside[name]
    inside[key] = {}
    with pytest.raises(UserError, match=f"no .* '{key}'|a name is text; received {key}; put it in quotes"):
        recipes.check(content)


@pytest.mark.parametrize("name", ["active", "recipes", "defaults", "data", "weights"])
@pytest.mark.parametrize("value", [..., None, "digits"])
def test_parts_of_the_file(name, value, content, tmp_path):
    set_to(name, value)(content)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    message = f"lines are missing: {name}$|{name} is (`name: value` lines|a list of recipes).*; received"
    with pytest.raises(UserError, match=f"params.yaml: ({message})"):
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
        recipes.resolve(content, "digts")


def test_check_is_a_command(monkeypatch, capsys):
    monkeypatch.chdir(REAL.parent)
    __main__.main(["check"])
    assert capsys.readouterr().err == ""


def test_check_leaves_with_one_line_and_2(tmp_path):
    (tmp_path / "params.yaml").write_text(REAL.read_text().replace("    extract: {unfr", "    extrct: {unfr", 1))
    left = subprocess.run(
        [sys.executable, "-m", "pipeline", "check"],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REAL.parent)},
    )  # fmt: skip
    assert (left.returncode, left.stdout) == (2, "")
    assert left.stderr.startswith("error: recipe digits: no step 'extrct'") and left.stderr.count("\n") == 1

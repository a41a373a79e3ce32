"""What parameters may be: each step's signature refuses the rest in one line, before any work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import STEPS
from components.machinery.parameters import Parameter
from components.machinery.signature import load_step
from components.system.errors import UserError
from tests.conftest import PARAMETERS


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("7", int, 7), (7, int, 7), (7.0, int, 7), ("-3", int, -3), (" 7 ", int, 7),
        ("0.5", float, 0.5), ("1e-3", float, 0.001), (1, float, 1.0), ("2", float, 2.0),
        ("7", str, "7"), ("", str, ""), ("none", str, "none"),
    ],
)  # fmt: skip
def test_values_become_what_the_signature_says(value, kind, expected):
    found = Parameter(kind).read("split", "seed", value)
    assert found == expected and type(found) is kind


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (1.5, int, "a whole number"), ("1.5", int, "a whole number"), ("", int, "a whole number"),
        (True, int, "a whole number"), (None, int, "a whole number"), ([1], int, "a whole number"),
        (float("nan"), int, "a whole number"), (float("inf"), int, "a whole number"),
        (False, float, "a number"), ("a", float, "a number"), (None, float, "a number"), ({}, float, "a number"),
        ("nan", float, "a number"), (float("inf"), float, "a number"),
        (7, str, "text"), (True, str, "text"), (None, str, "text"),
    ],
)  # fmt: skip
def test_values_of_another_kind_are_refused(value, kind, words):
    with pytest.raises(UserError) as caught:
        Parameter(kind).read("split", "seed", value)
    assert str(caught.value) == f"split: seed is {words}; received {value!r}"


@pytest.mark.parametrize(
    ("name", "parameter", "value", "message"),
    [
        ("split", "method", "stratifed", "no split method 'stratifed'; did you mean 'stratified'?"),
        ("split", "train", 0, "train is a number of images or a fraction in (0, 1); received 0.0"),
        ("split", "validation", -0.2, "validation is a number of images or a fraction in (0, 1); received -0.2"),
        ("split", "test", 2.5, "test is a number of images or a fraction in (0, 1); received 2.5"),
        ("split", "seed", -1, "seed is from 0 to 4294967295; received -1"),
        ("augment", "image_size", 0, "image_size is from 1 to 4096; received 0"),
        ("augment", "views", -1, "views is from 0 to 1000; received -1"),
        ("augment", "flip", "horizontl", "no flip 'horizontl'; did you mean 'horizontal'?"),
        ("augment", "zoom", 1, "zoom is in [0, 1); received 1.0"),
        ("extract", "batch_size", 0, "batch_size is 1 or more; received 0"),
        ("fetch_weights", "backbone", "vgg61", "no backbone 'vgg61'; did you mean 'vgg19'?"),
        ("train_benchmark", "stages", 2, "stages is from 3 to 12; received 2"),
        ("train_top", "head", "liner", "no head 'liner'; did you mean 'linear'?"),
        ("train_top", "dropout", 1.0, "dropout is in [0, 1); received 1.0"),
        ("fine_tune", "optimizer", "adm", "no optimizer 'adm'; did you mean 'adam'?"),
        ("fine_tune", "learning_rate", 0.0, "learning_rate is more than 0; received 0.0"),
        ("fine_tune", "backbone_rate", 1.5, "backbone_rate is in [0, 1]; received 1.5"),
        ("train_top", "width", 0, "width is 1 or more; received 0"),
        ("fine_tune", "lora", -1, "lora is 0 or more; received -1"),
        ("fine_tune", "rate_decay", 0, "rate_decay is in (0, 1]; received 0.0"),
        ("train_top", "ema_momentum", 1, "ema_momentum is in [0, 1); received 1.0"),
        ("train_benchmark", "mixup", -1, "mixup is 0 or more; received -1.0"),
        ("train_top", "schedule", "cosin", "no schedule 'cosin'; did you mean 'cosine'?"),
        ("train_top", "warm_up", 1, "warm_up is in [0, 1); received 1.0"),
        ("train_top", "momentum", -0.1, "momentum is in [0, 1); received -0.1"),
        ("train_top", "l2", -1, "l2 is 0 or more; received -1.0"),
        ("train_benchmark", "label_smoothing", 1, "label_smoothing is in [0, 1); received 1.0"),
        ("train_benchmark", "class_weights", "balancd", "no class weights 'balancd'; did you mean 'balanced'?"),
        ("train_benchmark", "monitor", "acuracy", "no monitor 'acuracy'; did you mean 'accuracy'?"),
        ("fine_tune", "epochs", -3, "epochs is 1 or more; received -3"),
        ("fine_tune", "patience", 0, "patience is 1 or more; received 0"),
        ("train_top", "patience_updates", -1, "patience_updates is 0 or more; received -1"),
        ("evaluate", "batch_size", -8, "batch_size is 1 or more; received -8"),
    ],
)
def test_what_is_out_of_range_or_no_name_is_refused(name, parameter, value, message):
    load_step(name).check_values(PARAMETERS[name])
    with pytest.raises(UserError) as caught:
        load_step(name).check_values({**PARAMETERS[name], parameter: value})
    assert str(caught.value).startswith(f"{name}: {message}")


@pytest.mark.parametrize("name", STEPS)
def test_every_number_has_a_range(name):
    """A number without one is a number that some step cannot work with."""
    for key, parameter in load_step(name).parameters.items():
        assert parameter.kind is str or parameter.limits, key


@pytest.mark.parametrize(("value", "expected"), [("on", "on"), ("off", "off"), (True, "on"), (False, "off")])
def test_on_and_off_are_read_with_and_without_quotes(value, expected):
    assert load_step("audit").parameters["near"].read("audit", "near", value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "[]"), ("[]", "[]"), ([["red", "green"]], "[[red, green]]"), ("[[red, green]]", "[[red, green]]"),
        ([[3, "8"]], "[['3', '8']]"), ('[["3", 8], [a b, "x, y"]]', "[['3', '8'], [a b, 'x, y']]"),
        ([["yes", "no"]], "[['yes', 'no']]"), ([["ja\x7f", "果物"]], '[["ja\\x7F", 果物]]'),
    ],
)  # fmt: skip
def test_confusions_are_one_text_from_a_list_and_from_the_command_line(value, expected):
    confusions = load_step("evaluate").parameters["never"]
    assert confusions.read("evaluate", "never", value) == expected
    assert confusions.read("evaluate", "never", expected) == expected


@pytest.mark.parametrize(
    "value", ["red", ["red", "green"], [["red"]], [[True, False]], [[1.0, 2]], [["a", "a"]], [["a", "b"]] * 2, "[[a, b"]
)
def test_what_is_no_list_of_confusions_is_refused(value):
    with pytest.raises(
        UserError, match=r"evaluate: never is a list of \[true class, predicted class\], each .* as in .*received"
    ):
        load_step("evaluate").parameters["never"].read("evaluate", "never", value)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
KNOWN = [parameter for name in STEPS for parameter in load_step(name).parameters.values()]


@given(st.sampled_from(KNOWN), ANYTHING)
def test_whatever_is_given_is_read_or_refused_in_one_line(parameter, value):
    try:
        read, said = parameter.read("step", "name", value), ""
    except UserError as error:
        read, said = None, str(error)
    assert type(read) is parameter.kind or said
    assert "\n" not in said and len(said) < 1000

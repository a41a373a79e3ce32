"""Messages that say what is wrong and what would be right."""

from typing import Any

import pytest

from components.system.errors import UserError, redact, unknown_name

HEADS = ("linear", "dense")


@pytest.mark.parametrize(
    ("received", "message"),
    [
        ("liner", "no head 'liner'; did you mean 'linear'? (there are: dense, linear)"),
        ("xyz", "no head 'xyz' (there are: dense, linear)"),
        ("", "no head '' (there are: dense, linear)"),
    ],
)
def test_an_unknown_name_is_shown_beside_the_known_ones(received, message):
    error = unknown_name("head", received, HEADS)
    assert isinstance(error, UserError)
    assert str(error) == message


@pytest.mark.parametrize(("received", "known"), [(True, ["on"]), (7, ["7a"]), ("a", [1, "b"])])
def test_names_that_yaml_reads_as_something_else(received: Any, known: Any):
    error = str(unknown_name("recipe", received, known))
    assert str(received) in error and all(str(name) in error for name in known)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no 'http://a:b@host:5/x' here", "no 'http://host:5/x' here"),
        ("no http://a:b c d@host:5/x here", "no http://host:5/x here"),
        ("at http://host:5/x, of a@b", "at http://host:5/x, of a@b"),
    ],
)
def test_what_signs_in_is_not_shown(text, expected):
    assert redact(text) == expected

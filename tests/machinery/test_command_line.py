"""Functions as commands: what a signature and a docstring make of a command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest

from components.machinery.command_line import command_parser, run_command
from components.system.errors import UserError
from components.system.limits import Names, Range

calls: list[dict[str, Any]] = []

Colour = Annotated[str, "COLOUR", Names("colour", ("red", "green"))]


def paint(
    walls: Sequence[Annotated[str, "WALL"]], *,
    colour: Colour, layers: Annotated[int, Range("1 to 3", lambda value: 1 <= value <= 3)] = 2, hours: float = 0.5,
    note: str = "", photos: Sequence[Path] = (), spare: Sequence[str] = (), log: Path | None = None, dry: bool = False,
) -> None:  # fmt: skip
    """Paint walls.

    It smells at 100 %.

    Args:
        walls: Names of walls.
        colour: What they are to look like.
        layers: How many layers.
        hours: Hours between two layers.
        note: What to remember.
        photos: Pictures, 100 % of them.
        spare: Walls to leave out.
        log: Where it is written down.
        dry: Wait until it is dry.
    """
    calls.append(locals().copy())


def open_door(name: str, key: Path = Path("key")) -> None:
    """Open a door.

    Args:
        name: Name of the door.
        key: Its key.
    """
    calls.append({"name": name, "key": key})


def shout(*words: str) -> None:
    """Shout."""
    calls.append({"words": words})


def call(function: Any, *words: str) -> dict[str, Any]:
    """Return what a function is called with on some words."""
    run_command(function, f"house {function.__name__}", words)
    return calls.pop()


LEFT_OUT = {"layers": 2, "hours": 0.5, "note": "", "photos": [], "spare": [], "log": None, "dry": False}


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (["--layers", "3", "--hours", "1e-1"], {"layers": 3, "hours": 0.1}),
        (["--dry", "--note", "x=1, 2"], {"dry": True, "note": "x=1, 2"}),
        (["--photos", "a.jpg", "b.jpg"], {"photos": [Path("a.jpg"), Path("b.jpg")]}),
        (["--log", "x/y"], {"log": Path("x/y")}),
        (["--photos", "a.jpg", "--photos", "b.jpg"], {"photos": [Path("a.jpg"), Path("b.jpg")]}),
        (["--spare", "north", "--spare", "south"], {"spare": ["north", "south"]}),
        ([], {}),
    ],
)  # fmt: skip
def test_a_call_has_what_the_words_say_and_the_defaults(words, changed):
    expected = {"walls": ["east", "west"], "colour": "red", **LEFT_OUT, **changed}
    assert call(paint, "east", "west", "--colour", "red", *words) == expected
    assert call(paint, "--colour", "red", *words, "--", "east", "west") == expected


def test_calls_share_no_default():
    call(paint, "east", "--colour", "red", "--spare", "north")
    assert call(paint, "east", "--colour", "red")["spare"] == []


def test_an_option_of_words_leaves_the_next_to_others():
    assert call(paint, "--colour", "red", "--spare", "north", "east")["walls"] == ["east"]


def test_what_is_given_by_position_may_have_a_default():
    assert call(open_door, "front") == {"name": "front", "key": Path("key")}
    assert call(open_door, "front", "other") == {"name": "front", "key": Path("other")}


def test_words_are_handed_on_as_they_are():
    assert call(shout, "--help", "-x", "y") == {"words": ("--help", "-x", "y")}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["east"], "required: --colour; `house paint --help` says what it takes"),
        (["--colour", "red"], "required: WALL; `house paint --help`"),
        (["east", "--colour", "gren"], "paint: no colour 'gren'; did you mean 'green'?"),
        (["east", "--colour", "red", "--layers", "4"], "paint: layers is 1 to 3; received 4"),
        (["east", "--colour", "red", "--layers", "two"], "paint: layers is a whole number; received 'two'"),
        (["east", "--colour", "red", "--hours", "nan"], "paint: hours is a number; received 'nan'"),
        (["east", "--colour", "red", "--lay", "1"], "unrecognized arguments: --lay"),  # a new option would change it
        (["east", "--colour", "red", "--photos"], "--photos: expected at least one argument"),
    ],
)
def test_wrong_words_are_one_line(words, message):
    with pytest.raises(UserError, match=message.replace("?", r"\?")) as caught:
        call(paint, *words)
    assert "\n" not in str(caught.value) and not calls


def test_the_help_is_the_docstring_with_what_values_may_be(capsys):
    with pytest.raises(SystemExit) as left:
        call(paint, "--help")
    assert left.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith("usage: house paint ") and "Paint walls. It smells at 100 %." in text
    for part in (
        "WALL Names of walls.", "--colour COLOUR What they are to look like (one of red, green)",
        "--layers LAYERS How many layers (1 to 3; 2 if not given)", "Hours between two layers (0.5 if not given)",
        "--note NOTE What to remember.", "Pictures, 100 % of them.", "--dry Wait until it is dry.",
    ):  # fmt: skip
        assert part in text
    assert "KEY Its key (key if not given)" in " ".join(command_parser(open_door, "house").format_help().split())

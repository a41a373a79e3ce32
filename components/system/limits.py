"""Limits of parameters, declared in a signature: a range of numbers, the names in a registry, lists of some form."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any

import yaml


@dataclass(frozen=True)
class Range:
    """A range of numbers: in words, and as a predicate."""

    words: str
    holds: Callable[[Any], bool]

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Names:
    """The names in a registry, and the noun for what they name; with an ending, also those of files that end so."""

    noun: str
    known: Collection[str]
    ending: str = ""

    def __str__(self) -> str:
        return f"one of {', '.join(self.known)}" + (f", or the name of a {self.ending} file" if self.ending else "")

    def admits(self, name: str) -> bool:
        """Return whether a name is in `known` or ends in `ending`, if any; no file is looked for."""
        return name in self.known or bool(self.ending and name.endswith(self.ending))


@dataclass(frozen=True)
class ListText(ABC):
    """A list of some form, which a parameter holds as the text that YAML writes for it."""

    words: str

    def __str__(self) -> str:
        return self.words

    @abstractmethod
    def text(self, value: Any) -> str:
        """Return a list of that form, given as a list or as a text of YAML, as the text of YAML to hold.

        Raises:
            ValueError: It is no such list.
        """


@dataclass(frozen=True)
class Pairs(ListText):
    """A list of pairs of different names."""

    def text(self, value: Any) -> str:
        """Return pairs, given as a list or as a text of YAML, as a line of YAML: `[[red, green]]`; `[]` for no pairs.

        Raises:
            ValueError: It is no such list.
        """
        pairs = read_yaml_text(value) if isinstance(value, str) else value
        if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise ValueError
        if any(isinstance(name, bool) or not isinstance(name, str | int) for pair in pairs for name in pair):
            raise ValueError
        named = [[str(name) for name in pair] for pair in pairs]
        if any(one == other or named.count([one, other]) > 1 for one, other in named):
            raise ValueError
        return yaml.safe_dump(named, default_flow_style=True, allow_unicode=True, width=float("inf")).strip()


@dataclass(frozen=True)
class ScaleAndOffset(ListText):
    """A scale and an offset of pixels, each one number or three, one for each of red, green and blue; or nothing."""

    def text(self, value: Any) -> str:
        """Return [scale, offset], or YAML of it, as a line of YAML: `[0.0078125, -1.0]`; "" for None, "" or no items.

        Either number may be a list of three.

        Raises:
            ValueError: It is no such list.
        """
        pair = read_yaml_text(value) if isinstance(value, str) else value
        if pair in (None, "", []):
            return ""
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError
        numbers = [one for part in pair for one in (part if isinstance(part, list) else [part])]
        if any(isinstance(part, list) and len(part) != 3 for part in pair) or not all(map(is_finite, numbers)):
            raise ValueError
        floats = [[*map(float, part)] if isinstance(part, list) else float(part) for part in pair]
        return yaml.safe_dump(floats, default_flow_style=True, width=float("inf")).strip()


def is_finite(value: Any) -> bool:
    """Return whether a value is a number that a float can hold: no boolean, infinity or NaN, and no larger integer."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def read_yaml_text(text: str) -> Any:
    """Return whatever a text of YAML holds, None for an empty text; that it is a list is for the caller to check.

    Raises:
        ValueError: It is no YAML.
    """
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from None


Count = Annotated[int, Range("1 or more", lambda value: value >= 1)]
Pixels = Annotated[int, Range("from 1 to 4096", lambda value: 1 <= value <= 4096)]
Seed = Annotated[int, Range(f"from 0 to {2**32 - 1}", lambda value: 0 <= value < 2**32)]
Positive = Annotated[float, Range("more than 0", lambda value: value > 0)]
NotNegative = Annotated[float, Range("0 or more", lambda value: value >= 0)]
Share = Annotated[float, Range("in [0, 1]", lambda value: 0 <= value <= 1)]
PartialShare = Annotated[float, Range("in [0, 1)", lambda value: 0 <= value < 1)]
Links = Annotated[str, Names("place of links", ("inside", "store"))]
Confusions = Annotated[
    str,
    Pairs(
        "a list of [true class, predicted class], each pair once and of two classes, as in [[red, green]], names such "
        "as yes and 1.0 in quotes"
    ),
]
ChannelScale = Annotated[
    str,
    ScaleAndOffset("[scale, offset] of pixels in [0, 255], each a number or a list of three, as in [0.00784, -1]"),
]

"""Limits of parameters, declared in a signature: a range of numbers, the names in a registry, pairs of names."""

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
    """The names in a registry, and the noun for what they name."""

    noun: str
    known: Collection[str]

    def __str__(self) -> str:
        return f"one of {', '.join(self.known)}"


@dataclass(frozen=True)
class Pairs:
    """A list of pairs of different names, which a parameter holds as the text that YAML writes for it."""

    words: str

    def __str__(self) -> str:
        return self.words

    def text(self, value: Any) -> str:
        """Return a list of pairs, or a text of it, as the text to hold: `[[red, green]]`.

        Raises:
            ValueError: It is no such list.
        """
        pairs = read_pairs(value) if isinstance(value, str) else value
        if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise ValueError
        if any(isinstance(name, bool) or not isinstance(name, str | int) for pair in pairs for name in pair):
            raise ValueError
        named = [[str(name) for name in pair] for pair in pairs]
        if any(one == other or named.count([one, other]) > 1 for one, other in named):
            raise ValueError
        return yaml.safe_dump(named, default_flow_style=True, allow_unicode=True, width=float("inf")).strip()


def read_pairs(text: str) -> Any:
    """Return the list of pairs that a text holds.

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

"""Limits of parameters, declared in a signature: a range of numbers, or the names in a registry."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any


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


Count = Annotated[int, Range("1 or more", lambda value: value >= 1)]
Pixels = Annotated[int, Range("from 1 to 4096", lambda value: 1 <= value <= 4096)]
Seed = Annotated[int, Range(f"from 0 to {2**32 - 1}", lambda value: 0 <= value < 2**32)]
Positive = Annotated[float, Range("more than 0", lambda value: value > 0)]
NotNegative = Annotated[float, Range("0 or more", lambda value: value >= 0)]
Share = Annotated[float, Range("in [0, 1]", lambda value: 0 <= value <= 1)]
PartialShare = Annotated[float, Range("in [0, 1)", lambda value: 0 <= value < 1)]
Links = Annotated[str, Names("place of links", ("inside", "store"))]

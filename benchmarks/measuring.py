"""How the benchmarks measure: two processes that take turns, and what comes of it, a line a comparison."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Aim:
    """What a measured value must be: at least `limit`, or where `most` at most; `words` say of what."""

    limit: float
    words: str
    most: bool = False

    def __str__(self) -> str:
        return f"at {'most' if self.most else 'least'} {self.limit:g} {self.words}".strip()

    def holds(self, value: float) -> bool:
        """Return whether a measured value meets the aim; one that is just the limit does."""
        return value <= self.limit if self.most else value >= self.limit


@dataclass(frozen=True)
class Line:
    """One comparison.

    Args:
        row: Name of the row of the benchmark that it belongs to.
        case: What was compared.
        plain: The median of the plain way.
        here: The median of this project; both in `unit`.
        unit: Of the two: images a second, seconds, ...
        said: What was measured, in words: the ratio of the two, and what is held against the aim.
        value: What is held against the aim.
        aim: The aim; None where there is none.
        details: Whatever else was measured.
    """

    row: str
    case: str
    plain: float
    here: float
    unit: str
    said: str
    value: float
    aim: Aim | None
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the line's fields by name, and under `holds` whether it meets its aim; no `holds` without an aim."""
        holds = {} if self.aim is None else {"holds": self.aim.holds(self.value)}
        return asdict(self) | holds

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the line of which `as_json` returned these values; `holds` is left out, as the aim says it."""
        fields = {name: value for name, value in values.items() if name != "holds"}
        return cls(**{**fields, "aim": None if fields["aim"] is None else Aim(**fields["aim"])})


class Worker:
    """A process of its own that runs functions, one at a time, and starts where the first is called."""

    @cached_property
    def pool(self) -> ProcessPoolExecutor:
        """The pool of the one process, spawned at the first call."""
        return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), set_up_worker)

    def __call__(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function in the process, wait for it, and return its result; what it raises is raised here."""
        return self.pool.submit(call_and_clear, function, *arguments).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, if a call has started one."""
        if "pool" in vars(self):
            self.pool.shutdown()


@dataclass(frozen=True, eq=False)
class Bench:
    """What every row measures with: the process of each side, a folder to work in, and whether to be quick about it."""

    plain: Worker
    here: Worker
    folder: Path
    quick: bool

    def pick(self, full: Result, quick: Result) -> Result:
        """Return `quick` in a quick benchmark, else `full`."""
        return quick if self.quick else full


def set_up_worker() -> None:
    """Silence the standard error of this process, and switch its journal off."""
    os.environ["MLFLOW_TRACKING_URI"] = "off"
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as the process lives


def call_and_clear(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function and return its result; then, even if it raises, clear the networks that it leaves in Keras."""
    import keras

    try:
        return function(*arguments)
    finally:
        keras.utils.clear_session(free_memory=True)


HEADINGS = ("work", "case", "plain", "here", "measured", "aim", "holds")


def table(lines: Sequence[Line]) -> str:
    """Return a Markdown table with a row for each line under HEADINGS, padded so that it reads as text too."""
    rows = [HEADINGS, *map(row_cells, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows
    )


def row_cells(line: Line) -> tuple[str, ...]:
    """Return the seven cells of a line's row, in the order of HEADINGS; without an aim the last two are empty."""
    aim, holds = ("", "") if line.aim is None else (str(line.aim), "yes" if line.aim.holds(line.value) else "**no**")
    pair = (f"{three_digits(value)} {line.unit}" for value in (line.plain, line.here))
    return (line.row, line.case, *pair, line.said, aim, holds)


def three_digits(value: float) -> str:
    """Return a number with three significant digits; from 100 on as a whole number, with a comma for thousands."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

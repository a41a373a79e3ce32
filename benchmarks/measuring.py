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
        """Return whether a measured value meets the aim."""
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
        """Return the line as values for JSON, and whether it meets its aim."""
        holds = {} if self.aim is None else {"holds": self.aim.holds(self.value)}
        return asdict(self) | holds

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the line that `as_json` wrote as values."""
        fields = {name: value for name, value in values.items() if name != "holds"}
        return cls(**{**fields, "aim": None if fields["aim"] is None else Aim(**fields["aim"])})


class Worker:
    """A process of its own that runs functions, one at a time, and starts where the first is called."""

    @cached_property
    def pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), set_up_worker)

    def __call__(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return self.pool.submit(call_and_clear, function, *arguments).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        """Return the second of two settings in a quick benchmark, else the first."""
        return quick if self.quick else full


def set_up_worker() -> None:
    """Prepare a worker: without progress bars, remarks and journal."""
    os.environ["MLFLOW_TRACKING_URI"] = "off"
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as the process lives


def call_and_clear(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function, clear the networks that it leaves in Keras, and return its result."""
    import keras

    try:
        return function(*arguments)
    finally:
        keras.utils.clear_session(free_memory=True)


HEADINGS = ("work", "case", "plain", "here", "measured", "aim", "holds")


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a table that reads as text and is Markdown."""
    rows = [HEADINGS, *map(row_cells, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows
    )


def row_cells(line: Line) -> tuple[str, ...]:
    """Return the cells of a line's row in the table."""
    aim, holds = ("", "") if line.aim is None else (str(line.aim), "yes" if line.aim.holds(line.value) else "**no**")
    pair = (f"{three_digits(value)} {line.unit}" for value in (line.plain, line.here))
    return (line.row, line.case, *pair, line.said, aim, holds)


def three_digits(value: float) -> str:
    """Return a number with three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

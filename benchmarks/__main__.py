"""Speed against the plain way, measured side by side.

    python -m benchmarks [ROW ...] [--json FILE] [--quick] [--show]

Every row is a module of this package; its peers are in `plain.py`. Prints a table and writes JSON.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import machine
from benchmarks.measuring import Bench, Line, Worker, table
from components.system.errors import Parser, UserError, run_cli, unknown_name

JSON, FIGURE = Path("artifacts/benchmarks.json"), Path("docs/performance.png")
ROWS = (
    "fine_tuning",
    "heads",
    "extraction",
    "augmentation",
    "study",
    "starting",
    "scale",
    "duplicates",
    "pytorch",
    "coverage",
    "abstention",
    "sets",
)


def measure_rows(rows: Sequence[str], quick: bool, done: Callable[[str, list[Line], float], None]) -> None:
    """Measure rows one after the other, and call `done` after each with its name, its lines and the seconds it took."""
    with tempfile.TemporaryDirectory(prefix="graft-benchmarks-") as folder, Worker() as plain, Worker() as here:
        bench = Bench(plain, here, Path(folder), quick)
        for row in rows:
            start = perf_counter()
            measure: Callable[[Bench], Iterator[Line]] = import_module(f"benchmarks.{row}").measure
            done(row, list(measure(bench)), perf_counter() - start)


def report(results: dict[str, Any]) -> str:
    """Return the machine, the table and the seconds of each row, in Markdown, from what the file of results holds."""
    quick = (
        " **Quick: fewer images and no repetitions; figures for trying, not for telling.**" if results["quick"] else ""
    )
    taken = ", ".join(f"{row} {seconds:,.0f} s" for row, seconds in results["seconds"].items())
    lines = [Line.from_json(line) for line in results["lines"]]
    return f"{machine.caption(results['machine'])}.{quick}\n\n{table(lines)}\n\nMeasured in: {taken}."


def main(arguments: list[str]) -> None:
    """Measure the rows that the arguments name, or all, write and print them; with --show print those in the file."""
    parser = Parser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", metavar="ROW", nargs="*", help=f"what to measure, of {', '.join(ROWS)}; else all")
    parser.add_argument("--json", type=Path, default=JSON, metavar="FILE", help="where the figures are written")
    parser.add_argument("--quick", action="store_true", help="fewer images, no repetitions, to see that it works")
    parser.add_argument("--show", action="store_true", help="measure nothing, print the table of what FILE holds")
    options = parser.parse_args(arguments)
    for row in options.rows:
        if row not in ROWS:
            raise unknown_name("row", row, ROWS)
    if options.show:
        if not options.json.is_file():
            raise UserError(f"no {options.json} to show: `python -m benchmarks` writes it")
        print(report(json.loads(options.json.read_text(encoding="utf-8"))))
        return
    if not Path("params.yaml").is_file():
        raise UserError("no params.yaml here: run this in the repository's root")
    about = machine.describe_machine()
    results: dict[str, Any] = {"machine": about, "quick": options.quick, "seconds": {}, "lines": []}

    def done(row: str, lines: list[Line], seconds: float) -> None:
        results["seconds"][row] = round(seconds, 1)
        results["lines"] += [line.as_json() for line in lines]
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        print(f"{table(lines)}\n", flush=True)
        if row == "scale" and not options.quick:
            from benchmarks.scale import draw

            draw(lines, FIGURE)

    measure_rows(options.rows or ROWS, options.quick, done)
    print(report(results))


if __name__ == "__main__":
    run_cli(main)

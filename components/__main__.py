"""The one entry point of the steps: python -m components STEP --name value ..."""

import argparse
from pathlib import Path
from typing import Any

from components import STEPS
from components.machinery import executor
from components.machinery.parameters import read_yaml
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.system.errors import Parser, UserError, shown, told
from components.system.processes import run_supervised


def section(address: str) -> dict[str, Any]:
    """Return the mapping at FILE:SECTION of a YAML file, the section's keys joined by dots."""
    file, _, path = address.rpartition(":")
    if not file:
        raise UserError(f"--params {address}: FILE:SECTION is needed, as in params.yaml:defaults.split")
    value = read_yaml(Path(file))
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            raise UserError(f"--params {address}: {file} has no section {path!r}")
        value = value[key]
    if value is None:  # a name without lines
        return {}
    if not isinstance(value, dict):
        raise UserError(f"--params {address}: a section is `name: value` lines; received {shown(value)}")
    return value


def parser_of(name: str) -> Parser:
    """Return the command line of one step, derived from its signature and docstring."""
    wanted = load_step(name)
    parser = Parser(prog=f"python -m components {name}", description=wanted.summary, allow_abbrev=False)
    artifacts = parser.add_argument_group("artifacts")
    for direction, kinds in (("in", wanted.inputs), ("out", wanted.outputs)):
        for key, kind in kinds.items():
            text = f"{direction}, {kind.__name__}: {wanted.descriptions[key]}".replace("%", "%%")
            several: dict[str, Any] = {"action": "extend", "nargs": "+"} if key in wanted.several else {}
            artifacts.add_argument(f"--{key}", metavar="DIR", required=True, help=text, **several)
    parameters = parser.add_argument_group("parameters")
    for key, parameter in wanted.parameters.items():
        text, word = wanted.describe(key).replace("%", "%%"), parameter.kind.__name__.upper()
        parameters.add_argument(f"--{key}", metavar=word, default=argparse.SUPPRESS, help=text)
    parser.add_argument(
        "--params", metavar="FILE:SECTION", action="append", default=[],
        help="read parameters from a section of a YAML file; later sections, then flags, win",
    )  # fmt: skip
    parser.add_argument("--recipe", metavar="NAME", default="", help="name under which the results are shown")
    parser.add_argument(
        "--record", metavar="FILE", type=Path, help="where the record of the run goes, if not beside the first output"
    )
    kubeflow = parser.add_argument_group("Kubeflow, which fills these in by itself")
    kubeflow.add_argument("--executor_input", metavar="JSON", help="what it says of the task, {{$}}")
    kubeflow.add_argument(
        "--view",
        nargs=2,
        metavar=("NAME", "FILE"),
        action="append",
        default=[],
        help="where it takes what it draws from",
    )
    return parser


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        print("python -m components STEP --name value ...\n\nsteps, in the order in which data flows:")
        for name in STEPS:
            print(f"  {name:16} {load_step(name).summary}")
        print("\npython -m components STEP --help says what a step takes")
        return
    parser = parser_of(arguments[0])
    given = vars(parser.parse_args(arguments[1:]))
    sections, recipe, views = given.pop("params"), given.pop("recipe"), dict(given.pop("view"))
    record = given.pop("record")
    told = given.pop("executor_input")
    task = executor.read_input(told) if told else None
    wanted = load_step(arguments[0])
    artifacts = {key: given.pop(key) for key in (*wanted.inputs, *wanted.outputs)}
    values: dict[str, Any] = {}
    for address in sections:
        values.update(section(address))
    wanted.check_values({**values, **given})
    run_step(wanted.name, artifacts, {**values, **given}, recipe, record)
    if task:
        executor.write_output(task, wanted, artifacts, views)


if __name__ == "__main__":
    run_supervised(lambda: told(main))

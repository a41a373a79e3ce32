"""One step on the command line: python -m components STEP --name value ..."""

from pathlib import Path
from typing import Any

from components import STEPS
from components.machinery import executor
from components.machinery.command_line import OMITTED, REQUIRED, CommandArgument
from components.machinery.parameters import read_yaml
from components.machinery.running import run_step
from components.machinery.signature import Step, load_step
from components.system.errors import Parser, UserError, run_cli, shorten
from components.system.processes import run_supervised

SECTION = "FILE:SECTION"


def overview(command: str) -> str:
    """Return the help of the command that runs steps: all steps, a line each."""
    lines = [f"  {name:17} {load_step(name).summary}" for name in STEPS]
    heading = f"{command} STEP --name value ...\n\nsteps, in the order in which data flows:"
    return "\n".join([heading, *lines, "", f"`{command} STEP --help` says what a step takes"])


def read_section(address: str) -> dict[str, Any]:
    """Return the mapping that FILE:SECTION names in a YAML file, dots leading inwards; empty if it has no lines.

    Raises:
        UserError: There is no such file or section, or it is no mapping.
    """
    file, _, path = address.rpartition(":")
    if not file:
        raise UserError(f"--params {address}: {SECTION} is needed, as in params.yaml:defaults.split")
    value = read_yaml(Path(file))
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            raise UserError(f"--params {address}: {file} has no section {path!r}")
        value = value[key]
    if value is None:  # a name without lines
        return {}
    if not isinstance(value, dict):
        raise UserError(f"--params {address}: a section is `name: value` lines; received {shorten(value)}")
    return value


def step_parser(step: Step, command: str) -> Parser:
    """Return the parser of a step's options, from its signature and docstring; it leaves out parameters not given.

    Parameters stay text; artifacts are paths, and required, but for those that a step can do without. The options of
    every step have defaults.

    Args:
        step: The step.
        command: What is typed to call it.
    """
    parser = Parser(prog=command, description=step.summary, allow_abbrev=False)
    artifacts = parser.add_argument_group("artifacts")
    for direction, kinds in (("in", step.inputs), ("out", step.outputs)):
        for key, kind in kinds.items():
            text = f"{direction}, {kind.__name__}: {step.descriptions[key]}"
            default: Any = [] if key in step.optional else REQUIRED
            CommandArgument(key, Path, text, "DIR", default, key in step.several).add_to(artifacts, step.name)
    parameters = parser.add_argument_group("parameters")
    for key, parameter in step.parameters.items():
        word = parameter.kind.__name__.upper()
        CommandArgument(key, str, step.describe(key), word, OMITTED).add_to(parameters, step.name)
    parser.add_argument(
        "--params", metavar=SECTION, action="append", default=[],
        help="read parameters from a section of a YAML file; later sections win over earlier ones, flags over all",
    )  # fmt: skip
    parser.add_argument("--recipe", metavar="NAME", default="", help="name of a recipe, under which results are shown")
    parser.add_argument(
        "--record", metavar="FILE", type=Path, help="file for the record of the run, if not beside the first output"
    )
    kubeflow = parser.add_argument_group("Kubeflow, which fills these in by itself")
    kubeflow.add_argument(
        "--shards", nargs="+", metavar=("NAME", "DIR"), action="append", default=[],
        help="an output, or record, and what was made of it on each shard of the inputs, to go on from",
    )  # fmt: skip
    kubeflow.add_argument("--executor_input", metavar="JSON", help="the task as Kubeflow describes it, {{$}}")
    kubeflow.add_argument(
        "--view", nargs=2, metavar=("NAME", "FILE"), action="append", default=[],
        help="a file from which its UI draws something",
    )  # fmt: skip
    return parser


def main(arguments: list[str], command: str = "python -m components") -> None:
    """Run the step that the command line names; without one, print the help.

    Args:
        arguments: The step, and its options.
        command: What is typed before them.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview(command))
        return
    step = load_step(arguments[0])
    options = vars(step_parser(step, f"{command} {step.name}").parse_args(arguments[1:]))
    sections, recipe, record = (options.pop(name) for name in ("params", "recipe", "record"))
    executor_input, views = options.pop("executor_input"), dict(options.pop("view"))
    shards = {name: [Path(path) for path in paths] for name, *paths in options.pop("shards")}
    task = executor.read_input(executor_input) if executor_input else None
    artifacts = {key: options.pop(key) for key in (*step.inputs, *step.outputs)}
    values: dict[str, Any] = {}
    for address in sections:
        values.update(read_section(address))
    values |= options
    try:
        step.check_values(values)
        run_step(step.name, artifacts, values, recipe, record, shards=shards)
    except UserError as error:
        if task:
            executor.write_termination_message(error)
        raise
    if task:
        executor.write_output(task, step, artifacts, views)


if __name__ == "__main__":
    run_supervised(lambda: run_cli(main))

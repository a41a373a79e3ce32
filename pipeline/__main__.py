"""The command `graft`: arranges and runs recipes, shows results, uses models, submits to Kubeflow."""

from collections.abc import Callable
from pathlib import Path

from components.machinery.code import ROOT
from components.machinery.command_line import run_command
from components.machinery.signature import parse_docstring
from components.system.errors import UserError, run_cli, unknown_name
from pipeline.commands import data_sets, kubeflow, models, recipes, results, search, suspects

GROUPS: dict[str, tuple[Callable[..., None], ...]] = {
    "data sets of your own": (data_sets.look, data_sets.new, suspects.suspects),
    "recipes, in params.yaml": (
        recipes.check,
        recipes.networks,
        recipes.arrange,
        recipes.plan,
        recipes.list_source,
        recipes.run,
        recipes.step,
        recipes.clean,
    ),
    "results": (results.show, results.compare, results.experiments, results.ui, results.log),
    "search for settings": (search.choose, search.find_rate, search.find_head, search.learning_curve),
    "models": (models.predict, models.words, models.evaluate, models.promote, models.export),
    "Kubeflow": (kubeflow.compile, kubeflow.submit),
}
COMMANDS = {command.__name__: command for group in GROUPS.values() for command in group}


def overview() -> str:
    """Return the help text of `graft`: below each group's title a line for each command, its name and summary."""
    lines, width = ["graft COMMAND ..."], 1 + max(map(len, COMMANDS))
    for title, group in GROUPS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {command.__name__:{width}} {parse_docstring(command).short_description}" for command in group]
    return "\n".join([*lines, "", "`graft COMMAND --help` says what a command takes; `make repro` runs the recipes."])


def main(arguments: list[str]) -> None:
    """Run the command that the first word names, with the other words; without words, or at --help, print the help."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return
    name, *words = arguments
    if name not in COMMANDS:
        raise unknown_name("command", name, COMMANDS)
    run_command(COMMANDS[name], f"graft {name}", words)


def check_folder() -> None:
    """Check that this folder's pipeline/__main__.py is the file that runs; where it has none, check nothing.

    Raises:
        UserError: The environment is another repository's.
    """
    here = Path("pipeline/__main__.py")
    if here.is_file() and not here.samefile(__file__):
        raise UserError(
            f"`graft` runs the code of {ROOT} in this environment, not that of this folder: `make setup` here, "
            "and then `. .venv/bin/activate`"
        )


def graft() -> None:
    """Check the folder and run `graft` with the words of the command line; a UserError becomes a line and status 2."""

    def check_and_run(arguments: list[str]) -> None:
        check_folder()
        main(arguments)

    run_cli(check_and_run)


if __name__ == "__main__":
    graft()

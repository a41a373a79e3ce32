"""Commands on results: comparisons, experiments, and the journal in MLflow."""

from typing import Annotated

from components.system.errors import UserError
from components.system.limits import Range
from pipeline.commands.words import Recipe
from pipeline.places import ARTIFACTS

WIDTH = 120  # characters of a table's lines
Port = Annotated[int, Range("from 1 to 65535", lambda value: 1 <= value <= 65535)]


def show() -> None:
    """Print the comparison of every recipe that has been run."""
    from components.data.artifacts import Page

    pages = Page.list_in(ARTIFACTS)
    for page in pages:
        print((page.path / "comparison.txt").read_text(encoding="utf-8"))
        print(f"The rest is on {page.path / 'comparison.html'}\n")
    if not pages:
        raise UserError("no comparison yet: `make repro` makes one")
    print("`make ui` opens them in MLflow; your own images: README.md")


def compare(first: Recipe, second: Recipe) -> None:
    """Compare two recipes that have been run, on one data set, by the test images that both have.

    Of each it is the way that validation chose, all its trainings. What differs may be the split's corrections: where
    these change labels of test images, the recipes are compared by the labels of either.

    Args:
        first: A recipe that has been run.
        second: Another, such as one with corrections.
    """
    if first == second:
        raise UserError(f"{first} is named twice: name another recipe beside it")
    from components.data.artifacts import Comparison, Report
    from components.machinery.trainings import training_paths
    from components.results import recipes_compared
    from pipeline import planning, recipes
    from pipeline.places import path_of

    content, chosen = recipes.read(), {}
    for name in (first, second):
        recipes.require_name("recipe", name, content["recipes"])
        task = next(task for task in planning.tasks_by_recipe(content, [name])[name] if task.step == "compare")
        reports = [
            Report.read(path)
            for output in task.inputs["reports"]
            for path in training_paths(path_of(output), output.task.trainings)
        ]
        comparison = Comparison.read(path_of(task.outputs["comparison"]))
        chosen[name] = recipes_compared.chosen_trials(comparison, reports)
    print("\n".join(recipes_compared.compare_chosen(chosen)))


def experiments() -> None:
    """Print the experiments of `dvc exp run`: what differs, and their log loss on validation, best first."""
    from pipeline import experiments as dvc_experiments

    table = dvc_experiments.table(dvc_experiments.read())
    text = table.to_string(na_rep="", line_width=WIDTH, float_format="{:.4f}".format)
    print(text if table.size else "no two experiments are different")


def ui(*, port: Port = 5000) -> None:
    """Open the comparisons in a browser, in MLflow's user interface.

    Where the journal is on this machine, its server is started and runs until Ctrl-C. The addresses are printed.

    Args:
        port: Port on 127.0.0.1 for the server.
    """
    from components.results.tracking import ui as interface

    interface.serve(port)


def log() -> None:
    """Write to MLflow whatever it lacks of finished runs.

    What cannot be read is a line on standard error, and exit status 2 after the rest.
    """
    from pipeline import journal

    if not journal.log(journal.Results()):
        raise SystemExit(2)

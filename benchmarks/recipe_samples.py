"""The samples of recipes that are dealt anew: what the benchmarks on stored features take from the command line."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.data.artifacts import Audit, Features, Splits
from components.data.grouping import units_of
from components.system.errors import Parser
from pipeline import recipes
from pipeline.commands.words import read_assignments
from pipeline.planning import tasks_by_recipe
from pipeline.running import find_output, make

WORK = Path("artifacts/forecasting")


def recipes_parser(benchmark: str, description: str | None, seeds: int) -> Parser:
    """Return a parser of `recipes`, of the number of `seeds` by which they are dealt, and of `set`, other values.

    Args:
        benchmark: Name of the benchmark's module.
        description: What it does.
        seeds: How many seeds there are if none are named.
    """
    parser = Parser(prog=f"python -m benchmarks.{benchmark}", description=description)
    parser.add_argument("recipes", nargs="+", metavar="RECIPE")
    parser.add_argument("--seeds", type=int, default=seeds, metavar="N")
    parser.add_argument("--set", action="append", default=[], metavar="STEP.PARAMETER=VALUE")
    return parser


def recipe_samples(recipe: str, assignments: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return plain features (n, channels), class numbers (n,), units (n,) and the number of classes of a recipe.

    They are of the images that train or validate, by its first network, and are made where they are not there.

    Args:
        recipe: The recipe.
        assignments: Other values, `STEP.PARAMETER=VALUE`.
    """
    content = recipes.apply_changes(recipes.read(), recipe, read_assignments(assignments))
    tasks = tasks_by_recipe(content, [recipe])[recipe]
    splits, audit = (make(find_output(tasks, key), WORK) for key in ("splits", "audit"))
    features = Features.read(make(find_output(tasks, "features"), WORK))
    table = Splits.read(splits).table("splits.csv")
    labels = table["label"].map({name: number for number, name in enumerate(features.facts.classes)}).to_numpy(np.int64)
    plain = np.asarray(features.array[features.rows(table["file"].tolist()), 0])
    return plain, labels, units_of(Audit.read(audit), table), len(features.facts.classes)

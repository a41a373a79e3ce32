"""Whether the forecast of a learning curve from half of the images holds what all of them come to.

    python -m benchmarks.forecasting RECIPE ... [--seeds N] [--set STEP.PARAMETER=VALUE ...]

Of each recipe the images that train or validate are dealt anew for each seed: a fifth validates, groups and duplicates
together. A curve is measured on half of the others, and what it forecasts is held against a regression on all of them.
Test images are not read. Prints a row a case.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from components.data.artifacts import Audit, Features, Splits
from components.data.grouping import units_of
from components.model import learning_curve
from components.system.errors import Parser, run_cli
from pipeline import recipes
from pipeline.commands.words import read_assignments
from pipeline.planning import tasks_by_recipe
from pipeline.running import find_output, make

WORK = Path("artifacts/forecasting")
VALIDATE = 0.2  # of the images


def forecast_case(features: np.ndarray, labels: np.ndarray, units: np.ndarray, classes: int, seed: int) -> pd.DataFrame:
    """Return, for accuracy and log loss, what half comes to, all do, and was forecast: score, half, whole, low, high.

    Args:
        features: Of plain images, (n, channels).
        labels: Their class numbers, (n,).
        units: What of them stays together, numbered from 0, (n,).
        classes: Number of classes.
        seed: By which they are dealt.
    """
    random = np.random.default_rng(seed)
    validates = random.permutation(units.max() + 1)[units] < VALIDATE * (units.max() + 1)
    validation, train = np.flatnonzero(validates), np.flatnonzero(~validates)
    train = train[learning_curve.nested_order(labels[train], units[train], random)]
    half = train[: len(train) // 2]
    held_out = features[validation], labels[validation]
    curve = learning_curve.measure_curve((features[half], labels[half]), held_out, units[half], classes, seed)
    logarithms = learning_curve.fit_and_predict(features[train], labels[train], *held_out, classes)
    whole = {
        "accuracy": (logarithms.argmax(axis=1) == labels[validation]).mean(),
        "log_loss": -np.take_along_axis(logarithms, labels[validation][:, None], axis=1).mean(),
    }
    today, ahead = learning_curve.forecast_scores(curve, 2 * len(half), seed).to_dict("records")[-2:]
    rows = [
        (name, today[name], score, ahead[name], ahead[f"{name}_low"], ahead[f"{name}_high"])
        for name, score in whole.items()
    ]
    return pd.DataFrame(rows, columns=["score", "half", "whole", "forecast", "low", "high"])


def main(arguments: list[str]) -> None:
    """Measure the cases that the command line names, and print how many forecasts hold."""
    parser = Parser(prog="python -m benchmarks.forecasting", description=main.__doc__)
    parser.add_argument("recipes", nargs="+", metavar="RECIPE")
    parser.add_argument("--seeds", type=int, default=4, metavar="N")
    parser.add_argument("--set", action="append", default=[], metavar="STEP.PARAMETER=VALUE")
    options = parser.parse_args(arguments)
    tables = [measure_recipe(name, range(options.seeds), options.set) for name in options.recipes]
    table = pd.concat(tables, ignore_index=True)
    table["holds"] = (table["low"] <= table["whole"]) & (table["whole"] <= table["high"])
    print(table.to_string(index=False, float_format="%.3f"))
    for score, rows in table.groupby("score"):
        print(f"{score}: {rows['holds'].sum()} of {len(rows)} forecasts hold")


def measure_recipe(recipe: str, seeds: Sequence[int], assignments: Sequence[str]) -> pd.DataFrame:
    """Return the rows of `forecast_case` for each seed of a recipe's first network, after its name and the seed."""
    features, labels, units, classes = read_samples(recipe, assignments)
    cases = [
        forecast_case(features, labels, units, classes, seed).assign(recipe=recipe, seed=seed, images=len(labels))
        for seed in seeds
    ]
    names = ["recipe", "seed", "images", "score", "half", "whole", "forecast", "low", "high"]
    return pd.concat(cases)[names]


def read_samples(recipe: str, assignments: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
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


if __name__ == "__main__":
    run_cli(main)

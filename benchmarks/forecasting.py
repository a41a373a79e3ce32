"""Whether the forecast of a learning curve from half of the images holds what all of them come to.

    python -m benchmarks.forecasting RECIPE ... [--seeds N] [--set STEP.PARAMETER=VALUE ...]

Of each recipe the images that train or validate are dealt anew for each seed: a fifth validates, groups and duplicates
together. A curve is measured on half of the others, and what it forecasts is held against a regression on all of them.
Test images are not read. Prints a row a case.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.recipe_samples import recipe_samples, recipes_parser
from components.model import learning_curve
from components.system.errors import run_cli

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
    options = recipes_parser("forecasting", main.__doc__, seeds=4).parse_args(arguments)
    tables = [measure_recipe(name, range(options.seeds), options.set) for name in options.recipes]
    table = pd.concat(tables, ignore_index=True)
    table["holds"] = (table["low"] <= table["whole"]) & (table["whole"] <= table["high"])
    print(table.to_string(index=False, float_format="%.3f"))
    for score, rows in table.groupby("score"):
        print(f"{score}: {rows['holds'].sum()} of {len(rows)} forecasts hold")


def measure_recipe(recipe: str, seeds: Sequence[int], assignments: Sequence[str]) -> pd.DataFrame:
    """Return the rows of `forecast_case` for each seed of a recipe's first network, after its name and the seed."""
    features, labels, units, classes = recipe_samples(recipe, assignments)
    cases = [
        forecast_case(features, labels, units, classes, seed).assign(recipe=recipe, seed=seed, images=len(labels))
        for seed in seeds
    ]
    names = ["recipe", "seed", "images", "score", "half", "whole", "forecast", "low", "high"]
    return pd.concat(cases)[names]


if __name__ == "__main__":
    run_cli(main)

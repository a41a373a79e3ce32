"""What a recipe reaches over several seeds of split and training, which share augmentation and extraction.

    python -m benchmarks.results RECIPE [--networks NAME ...] [--set STEP.PARAMETER=VALUE ...] [--seeds 1 2 3]

What was made before with the same inputs, parameters and code is not made again. Writes docs/results.csv, a row a model
and seed, and prints each model's mean over the seeds with its 95 % interval, as over folds: each seed has test images
and a training of its own.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import here
from components.data.artifacts import Report
from components.results import comparing
from components.results.texts import with_interval
from components.results.titles import folder_name
from components.results.trials import trials_by_model
from components.scores.registry import MAIN, VALIDATION
from components.system.errors import Parser, run_cli
from pipeline import recipes
from pipeline.arranging import Output, Task
from pipeline.commands.words import read_assignments
from pipeline.places import path_of
from pipeline.planning import tasks_by_recipe
from pipeline.running import make

if TYPE_CHECKING:
    import pandas as pd

WORK, TABLE = Path("artifacts/results"), Path("docs/results.csv")
KEYS = ["recipe", "weights", "changes", "seed", "model"]
SCORES = [*MAIN, *VALIDATION]
COSTS = ["seconds_extraction", "seconds_training", "seconds_evaluation"]
COLUMNS = [*KEYS, "test_images", *SCORES, "best_epoch", *COSTS]


def run(recipe: str, networks: Sequence[str], changes: Sequence[str], seeds: Sequence[int]) -> None:
    """Evaluate a recipe by each seed, merge a row a report into docs/results.csv, and print means with intervals.

    A new row takes the place of one with the same keys.
    """
    import pandas as pd

    content = recipes.read()
    if networks:
        content["recipes"][recipe] = {**recipes.entries_of(content, recipe), "networks": networks}
    rows, reports = [], []
    for seed, tasks in trials(content, recipe, read_assignments(changes), seeds).items():
        for report in (made for task in tasks for made in task.outputs.values() if made.kind is Report):
            weights = [word for word in report.task.words if word in recipes.resolve(content, recipe).networks]
            varied = [word for word in report.task.words if word not in weights]
            keys = [recipe, "".join(weights), " ".join([*changes, *varied]), seed, report.task.model]
            rows.append(dict(zip(KEYS, keys, strict=True)) | row_of(report))
            reports.append(Report.read(WORK / path_of(report)))
            print(f"seed {seed}, {report.task.model}: {rows[-1]}", flush=True)
    new = pd.DataFrame(rows, columns=COLUMNS)
    known = [pd.read_csv(TABLE, keep_default_na=False)] if TABLE.exists() else []
    table = pd.concat([*known, new])
    table.drop_duplicates(KEYS, keep="last").sort_values(KEYS).to_csv(TABLE, index=False)
    print(mean_scores(reports).to_string())
    print(new.groupby(["weights", "changes", "model"], sort=False)[[*VALIDATION, *COSTS]].mean().round(4).to_string())


def trials(
    content: Mapping[str, Any], recipe: str, values: Mapping[str, Any], seeds: Sequence[int]
) -> dict[int, list[Task]]:
    """Return for each seed the recipe's tasks, none run, with these values, and that seed for split and training.

    Each model is trained once a seed. Tasks that take no seed are shared.

    Args:
        content: All of params.yaml.
        recipe: The recipe.
        values: By `STEP.PARAMETER`.
        seeds: The seeds.

    Raises:
        UserError: There is no such recipe, or a value is not what it may be.
    """
    base = folder_name(" ".join([recipe, *(f"{address}={value}" for address, value in values.items())]))
    names = {seed: f"{base},seed={seed}" for seed in seeds}
    others = {base: recipes.apply_changes(content, recipe, values)["recipes"][recipe]}
    others |= {
        name: {
            "like": base,
            "split": {"seed": seed},
            **{step: {"seed": seed, "repeats": 1} for step in recipes.TRAINING},
        }
        for seed, name in names.items()
    }
    tasks = tasks_by_recipe({**content, "recipes": {**content["recipes"], **others}}, names.values())
    return {seed: tasks[name] for seed, name in names.items()}


def mean_scores(reports: Sequence[Report]) -> "pd.DataFrame":
    """Return texts, a row a model: `trainings`, and each main score, their mean with its 95 % interval.

    Of fewer than three seeds it is the first seed's score, and `trainings` is 1.
    """
    import pandas as pd

    models = trials_by_model(reports)
    samples = comparing.samples_by_split(models)
    ways = {name: comparing.pool_way(trials, samples[name]) for name, trials in models.items()}
    scores = comparing.way_scores(models, ways)
    table = pd.DataFrame({"trainings": scores["trainings"].astype(int)})
    for name in MAIN:
        columns = zip(*(scores[f"{name}{end}"] for end in ("", "_low", "_high")), strict=True)
        table[name] = [with_interval(*values) for values in columns]
    return table


def row_of(report: Output) -> dict[str, float]:
    """Return the scores and the costs of a report that COLUMNS name, by name, after running what it still needs."""
    metrics = Report.read(make(report, WORK)).metrics | here.costs_of(report, WORK)
    return {name: metrics[name] for name in COLUMNS if name in metrics}


def main(arguments: list[str]) -> None:
    """Evaluate a recipe as the arguments say, without journal."""
    parser = Parser(prog="python -m benchmarks.results", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", metavar="RECIPE")
    parser.add_argument("--networks", metavar="NAME", nargs="+", default=[], help="other weights than the recipe's")
    parser.add_argument("--set", dest="changes", metavar="STEP.PARAMETER=VALUE", nargs="+", default=[])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    os.environ["MLFLOW_TRACKING_URI"] = "off"
    run(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    run_cli(main)

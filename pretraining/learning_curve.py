"""How many training images the built-in recipe is given: a learning curve, and the rule that reads the number off it.

    python -m pretraining.learning_curve

The rule was set before any curve was drawn: the smallest number of training images with which the benchmark, trained
from scratch, reaches a mean validation kappa of 0.8 over splits and trainings. With fewer, transfer would win against
a model that hardly works; with many more, every model is right and there is nothing to compare. The test split is not
touched.

Writes docs/learning_curve.png and docs/learning_curve.csv.
"""

import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.data.artifacts import Classifier
from pipeline import recipes
from pipeline.arranging import Task
from pipeline.planning import tasks_by_recipe
from pipeline.running import make

if TYPE_CHECKING:
    import pandas as pd

RECIPE = "digits"
TRAIN_IMAGES = (20, 30, 50, 100, 200)
SPLITS, TRAININGS = range(1, 11), 5  # of each split, seeds of their own
THRESHOLD = 0.8


def main() -> None:
    import pandas as pd

    from components.results import figures

    rows = []
    with tempfile.TemporaryDirectory() as home:
        for (images, split), tasks in trials().items():
            for model, kappas in scores(tasks, Path(home)).items():
                rows += [(model, images, split, number, kappa) for number, kappa in enumerate(kappas, start=1)]
                print(f"{images} training images, split {split}: {model} {sum(kappas) / len(kappas):.4f}", flush=True)
    table = pd.DataFrame(rows, columns=["model", "train_images", "split", "training", "score"])
    means = table[table["model"] == "benchmark"].groupby("train_images")["score"].mean()
    chosen = int(min(means.index[means >= THRESHOLD]))
    table.to_csv("docs/learning_curve.csv", index=False)
    title = f"digits: validation kappa by training images; {chosen} are used"
    figures.draw_learning_curve(table, Path("docs/learning_curve.png"), title, chosen)
    print(f"{mean_intervals(table).unstack('model').to_string()}\nchosen: {chosen}")


def mean_intervals(table: "pd.DataFrame") -> "pd.Series":
    """Return, by number of training images and model, the mean score with its 95 % interval, as text.

    The interval is Student's t over the splits, of each of which the mean over its trainings counts.
    """
    from scipy import stats

    def describe(of_splits: "pd.Series") -> str:
        low, high = stats.t.interval(0.95, len(of_splits) - 1, of_splits.mean(), stats.sem(of_splits))
        return f"{of_splits.mean():.3f} [{low:.3f}, {min(high, 1):.3f}]"

    of_splits = table.groupby(["train_images", "model", "split"], sort=False)["score"].mean()
    return of_splits.groupby(level=["train_images", "model"], sort=False).agg(describe)


def trials() -> dict[tuple[int, int], list[Task]]:
    """Return the recipe's tasks by the number of training images and the seed of the split and of its trainings."""
    content, names = recipes.read(), {}
    for images, split in itertools.product(TRAIN_IMAGES, SPLITS):
        name = names[images, split] = f"{RECIPE}-{images}-{split}"
        seeded: dict[str, Any] = {step: {"seed": split, "repeats": TRAININGS} for step in recipes.TRAINING}
        content["recipes"][name] = {"like": RECIPE, **seeded, "split": {"train": images, "seed": split}}
    tasks = tasks_by_recipe(content, names.values())
    return {trial: tasks[name] for trial, name in names.items()}


def scores(tasks: list[Task], home: Path) -> dict[str, list[float]]:
    """Return the validation kappas of each model's trainings, made in a folder."""
    outputs = [output for task in tasks for output in task.outputs.values() if output.kind is Classifier]
    return {
        output.task.model: [training.facts.validation_kappa for training in Classifier.read_all([make(output, home)])]
        for output in outputs
    }


if __name__ == "__main__":
    import os

    os.environ["MLFLOW_TRACKING_URI"] = "off"
    main()

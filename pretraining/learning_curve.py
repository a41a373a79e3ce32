"""How many training images the built-in recipe is given: a learning curve, and the rule that reads the number off it.

    python -m pretraining.learning_curve

The rule was set before any curve was drawn: the smallest number of training images with which the benchmark, trained
from scratch, reaches a mean validation kappa of 0.8 over the seeds. With fewer, transfer would win against a model that
hardly works; with many more, every model is right and there is nothing to compare. The test split is not touched.

Writes docs/learning_curve.png and docs/learning_curve.csv.
"""

import itertools
import tempfile
from pathlib import Path
from typing import Any

from components.data.artifacts import Classifier
from pipeline import recipes
from pipeline.arranging import Task
from pipeline.planning import tasks_by_recipe
from pipeline.running import make

RECIPE = "digits"
TRAIN_IMAGES = (20, 30, 50, 100, 200)
SEEDS = (1, 2, 3)
THRESHOLD = 0.8


def main() -> None:
    import pandas as pd

    from components.results import figures

    rows = []
    with tempfile.TemporaryDirectory() as home:
        for (images, seed), tasks in trials().items():
            for model, score in scores(tasks, Path(home)).items():
                rows.append({"model": model, "train_images": images, "seed": seed, "score": score})
                print(f"{images} training images, seed {seed}: {model} {score:.4f}", flush=True)
    table = pd.DataFrame(rows)
    means = table[table["model"] == "benchmark"].groupby("train_images")["score"].mean()
    chosen = int(min(means.index[means >= THRESHOLD]))
    table.to_csv("docs/learning_curve.csv", index=False)
    title = f"digits: validation kappa by training images; {chosen} are used"
    figures.draw_learning_curve(table, Path("docs/learning_curve.png"), title, chosen)
    print(f"{table.groupby(['train_images', 'model'])['score'].mean().unstack().round(4)}\nchosen: {chosen}")


def trials() -> dict[tuple[int, int], list[Task]]:
    """Return the recipe's tasks by the number of training images and the seed of split and training."""
    content, names = recipes.read(), {}
    for images, seed in itertools.product(TRAIN_IMAGES, SEEDS):
        name = names[images, seed] = f"{RECIPE}-{images}-{seed}"
        seeded: dict[str, Any] = {step: {"seed": seed, "repeats": 1} for step in recipes.TRAINING}
        content["recipes"][name] = {"like": RECIPE, **seeded, "split": {"train": images, "seed": seed}}
    tasks = tasks_by_recipe(content, names.values())
    return {trial: tasks[name] for trial, name in names.items()}


def scores(tasks: list[Task], home: Path) -> dict[str, float]:
    """Return the validation kappa of each model, trained in a folder."""
    made = [made for task in tasks for made in task.outputs.values() if made.kind is Classifier]
    return {one.task.model: Classifier.read(make(one, home)).facts.validation_kappa for one in made}


if __name__ == "__main__":
    import os

    os.environ["MLFLOW_TRACKING_URI"] = "off"
    main()

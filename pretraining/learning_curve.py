"""How many training images the built-in recipe is given: a learning curve, and the rule that reads the number off it.

    python -m pretraining.learning_curve

The rule was set before any curve was drawn: the smallest number of training images with which the benchmark, trained
from scratch, reaches a mean validation kappa of 0.8 over the seeds. With fewer, transfer would win against a model that
hardly works; with many more, every model is right and there is nothing to compare. The test split is not touched.

Writes docs/learning_curve.png and docs/learning_curve.csv.
"""

import tempfile
from pathlib import Path

from components import quiet, step
from pipeline import recipes

TRAIN_IMAGES = (20, 30, 50, 100, 200)
SEEDS = (1, 2, 3)
THRESHOLD = 0.8


def main() -> None:
    quiet.load_keras()
    import pandas as pd

    from components.results import figures

    content = recipes.read()
    parameters = recipes.completed(content, "digits")
    own = content["weights"]["own"]["glyphs"]
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        names = ("images", "weights", "audit", "augmented", "chosen_precision", "features", "tensors")
        at = {name: Path(temporary) / name for name in names}
        step.run("fetch", at, {"data_set": "digits", "source": "published", "max_quarantined": 0})
        step.run("fetch_weights", at, {**own, "stock": "leave"})
        for name in ("audit", "augment", "choose_precision", "extract"):
            step.run(name, at, parameters[name])
        for images in TRAIN_IMAGES:
            for seed in SEEDS:
                for model, score in scores(at, parameters, images, seed).items():
                    rows.append({"model": model, "train_images": images, "seed": seed, "score": score})
                    print(f"{images} training images, seed {seed}: {model} {score:.4f}", flush=True)
    table = pd.DataFrame(rows)
    means = table[table["model"] == "benchmark"].groupby("train_images")["score"].mean()
    chosen = int(min(means.index[means >= THRESHOLD]))
    table.to_csv("docs/learning_curve.csv", index=False)
    title = f"digits: validation kappa by training images; {chosen} are used"
    figures.learning_curve(table, Path("docs/learning_curve.png"), title, chosen)
    print(f"{table.groupby(['train_images', 'model'])['score'].mean().unstack().round(4)}\nchosen: {chosen}")


def scores(at: dict[str, Path], parameters: dict[str, dict], images: int, seed: int) -> dict[str, float]:
    """Return the validation kappa of the three models, split and trained with a seed on a number of images."""
    from components.data.artifacts import Classifier

    at = {**at, **{name: at["images"].parent / name for name in ("splits", "test_split", "top", "classifier")}}
    step.run("split", at, {**parameters["split"], "train": images, "seed": seed})
    found = {}
    for name in ("train_benchmark", "train_top", "fine_tune"):
        step.run(name, at, {**parameters[name], "seed": seed})
        classifier = Classifier.read(at["classifier"])
        found[classifier.facts["model"]] = classifier.facts["validation_kappa"]
    return found


if __name__ == "__main__":
    import os

    os.environ["MLFLOW_TRACKING_URI"] = "off"
    main()

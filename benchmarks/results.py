"""What a recipe reaches over several seeds of split and training; augmentation and extraction are shared by them.

    python -m benchmarks.results RECIPE --data NAME --weights NAME [--set STEP.PARAMETER=VALUE ...] [--seeds 1 2 3]

The data set and the weights are those that `dvc repro data/dvc.yaml:fetch@NAME` and `fetch_weights@NAME` have brought.
What was made before with the same inputs, parameters and code is not made again. Writes docs/results.csv, a row a model
and seed, and prints the means.
"""

import os
import re
from pathlib import Path
from typing import Any

from components import quiet, step
from components.errors import Parser, UserError, told
from components.models import MODELS
from components.results.scores import MAIN, VALIDATION
from pipeline import recipes

WORK, TABLE = Path("artifacts/results"), Path("docs/results.csv")
KEYS = ["recipe", "weights", "changes", "seed", "model"]
SCORES = [*MAIN, *VALIDATION]
COSTS = ["seconds_extraction", "seconds_training", "seconds_evaluation"]
TRAINED = {name: model.step for name, model in MODELS.items() if model.trained}


def make(name: str, at: dict[str, Path], values: dict[str, Any]) -> None:
    """Run a step, unless what it would make is there."""
    first = at[next(iter(step.load(name).outputs))]
    note = first.with_name(f"{first.name}.made_from")
    if not step.is_made(name, at, values, note):
        step.run(name, at, values)
        step.write_note(name, at, values, note)


def run(recipe: str, data: str, weights: str, changes: list[str], seeds: list[int]) -> None:
    quiet.load_keras()
    import pandas as pd

    content = recipes.read()
    recipes.completed(content, recipe)
    for change in changes:
        if not (found := re.fullmatch(r"(\w+)\.(\w+)=(.+)", change)):
            raise UserError(f"--set takes STEP.PARAMETER=VALUE, as in split.method=grouped; received {change!r}")
        name, parameter, value = found.groups()
        own = content["recipes"][recipe]
        own[name] = {**(own.get(name) or {}), parameter: value}
    parameters = recipes.completed(content, recipe)
    home = WORK / "-".join([recipe, *changes])
    at = {
        "images": Path("data/images", data),
        "weights": Path("data/weights", weights),
        "audit": home / "audit",
        "augmented": home / "augmented",
    }
    at |= {name: home / weights / name for name in ("chosen_precision", "features", "tensors")}
    rows = []
    for name in ("audit", "augment", "choose_precision", "extract"):
        make(name, at, parameters[name])
    for seed in seeds:
        for name in ("splits", "test_split"):
            at[name] = home / f"seed{seed}" / name
        make("split", at, {**parameters["split"], "seed": seed})
        for model, name in TRAINED.items():
            folder = home / f"seed{seed}" if model == "benchmark" else home / weights / f"seed{seed}"
            places = {"top": "top", "classifier": f"classifiers/{model}", "report": f"reports/{model}"}
            at |= {key: folder / place for key, place in places.items()}
            make(name, at, {**parameters[name], "seed": seed})
            make("evaluate", at, parameters["evaluate"])
            rows.append(row_of(at["report"], [home]) | {"seed": seed, "model": model})
            print(f"seed {seed}, {model}: {rows[-1]}", flush=True)
    new = pd.DataFrame(rows).assign(recipe=recipe, weights=weights, changes=" ".join(changes))
    known = [pd.read_csv(TABLE, keep_default_na=False)] if TABLE.exists() else []
    table = pd.concat([*known, new[[*KEYS, *new.columns.difference(KEYS, sort=False)]]])
    table.drop_duplicates(KEYS, keep="last").sort_values(KEYS).to_csv(TABLE, index=False)
    means = new.groupby("model", sort=False)[[*SCORES, *COSTS]].mean()
    print(means.round(4).to_string())


def row_of(path: Path, records: list[Path]) -> dict[str, float]:
    """Return the scores and the costs of a report, whose records are in some folders."""
    from components.data.artifacts import Report
    from components.data.records import Record
    from components.results.costs import costs

    report = Report.read(path)
    found = report.metrics | costs(report, Record.read_all(records))
    names = ["test_images", *SCORES, "best_epoch", *COSTS]
    return {name: found[name] for name in names if name in found}


def main(arguments: list[str]) -> None:
    parser = Parser(prog="python -m benchmarks.results", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", metavar="RECIPE")
    parser.add_argument("--data", metavar="NAME", required=True, help="the data set, in data/images/")
    parser.add_argument("--weights", metavar="NAME", required=True, help="the pretrained weights, in data/weights/")
    parser.add_argument("--set", dest="changes", metavar="STEP.PARAMETER=VALUE", nargs="+", default=[])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    os.environ["MLFLOW_TRACKING_URI"] = "off"
    run(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    told(main)

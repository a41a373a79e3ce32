"""How many of the labels that were changed on purpose `graft suspects` finds, and how many others it calls wrong.

    python -m benchmarks.suspects RECIPE ... [--seeds N] [--share SHARE] [--set STEP.PARAMETER=VALUE ...]

Of each recipe's images that train or validate a share is given another class, drawn anew for each seed. Prints a row a
case: how many were flipped and listed, precision and recall of the list, and the precision of as many of its first as
were flipped. Labels that were wrong before count as mistakes of the list. Test images are not read.
"""

import numpy as np
import pandas as pd

from benchmarks.recipe_samples import recipe_samples, recipes_parser
from components.model.out_of_fold import out_of_fold_probabilities
from components.scores.label_errors import rank_suspects
from components.system.errors import run_cli


def flip_labels(labels: np.ndarray, classes: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return class numbers of which a share is changed to another class each, (n,), and the rows changed, ascending."""
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(len(labels))[: round(share * len(labels))])
    changed = labels.copy()
    changed[rows] = (labels[rows] + random.integers(1, classes, len(rows))) % classes
    return changed, rows


def suspect_case(
    features: np.ndarray, labels: np.ndarray, units: np.ndarray, classes: int, share: float, seed: int
) -> dict[str, float]:
    """Return `flipped`, `listed`, `precision`, `recall` and `precision_of_first` of labels of which a share is flipped.

    `precision_of_first` is of as many suspects, the first ones, as labels were flipped.
    """
    changed, rows = flip_labels(labels, classes, share, seed)
    listed = rank_suspects(changed, out_of_fold_probabilities(features, changed, units, classes, seed))[
        "row"
    ].to_numpy()
    right = np.isin(listed, rows)
    return {
        "flipped": len(rows), "listed": len(listed), "precision": right.mean() if len(right) else 0.0,
        "recall": right.sum() / len(rows), "precision_of_first": right[: len(rows)].mean() if len(right) else 0.0,
    }  # fmt: skip


def main(arguments: list[str]) -> None:
    """Measure the cases that the command line names, and print a row each."""
    parser = recipes_parser("suspects", main.__doc__, seeds=3)
    parser.add_argument("--share", type=float, default=0.05, metavar="SHARE")
    options = parser.parse_args(arguments)
    rows = []
    for recipe in options.recipes:
        samples = recipe_samples(recipe, options.set)
        for seed in range(options.seeds):
            rows.append({"recipe": recipe, "seed": seed, **suspect_case(*samples, options.share, seed)})
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    run_cli(main)

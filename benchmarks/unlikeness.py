"""Whether a model tells images of a class that it was not trained on: each class left out in turn.

    python -m benchmarks.unlikeness RECIPE ... [--seeds N] [--set STEP.PARAMETER=VALUE ...]

Of each recipe the images that train or validate are dealt anew for each seed, groups and duplicates together: a quarter
validates, a quarter is new, and half trains, without the images of the class that is left out. Of the new images those
of that class are to be told from the others: by `unlike`, as a classifier keeps it, and by one minus the probability of
the likeliest class of a regression on the stored features, which stands for the head. Prints, a recipe a row, the area
under the curve (AUROC) of both, the mean over classes and seeds, and that of the hardest class; and which share of new
images of known classes is at least as unlike as 0.95, which is to be 0.05. Test images are not read.
"""

import numpy as np
import pandas as pd
from scipy.special import softmax

from benchmarks.recipe_samples import recipe_samples, recipes_parser
from components.model.logistic import TWO_PENALTIES, fit_path
from components.scores import metrics
from components.scores.temperature import fit_temperature
from components.scores.unlikeness import fit_unlikeness
from components.system.errors import run_cli

TRAIN, NEW = 0.5, 0.25  # shares of the units; the others validate


def left_out_cases(
    features: np.ndarray, labels: np.ndarray, units: np.ndarray, classes: int, seed: int
) -> pd.DataFrame:
    """Return, a row for each class left out: left_out, unlike, unsure, beyond.

    `unlike` and `unsure` are the AUROC of what a classifier tells and of one minus the highest probability; `beyond` is
    the share of new images of known classes that are at least as unlike as 0.95.

    Args:
        features: Of plain images, (n, channels).
        labels: Their class numbers, (n,).
        units: What of them stays together, numbered from 0, (n,).
        classes: Number of classes.
        seed: By which they are dealt.
    """
    from sklearn.metrics import roc_auc_score

    places = np.random.default_rng(seed).permutation(units.max() + 1)[units] / (units.max() + 1)
    train, validation, new = (np.flatnonzero(np.digitize(places, (TRAIN, 1 - NEW)) == part) for part in range(3))
    rows = []
    for left_out in range(classes):
        numbers = np.delete(np.arange(classes), left_out).searchsorted(labels)  # of the classes that are known
        known, held_out = (part[labels[part] != left_out] for part in (train, validation))
        is_left_out = labels[new] == left_out
        kernel, bias = fit_regression(
            (features[known], numbers[known]), (features[held_out], numbers[held_out]), classes - 1
        )
        logits = features @ kernel + bias
        unit = pd.factorize(units[held_out])[0]
        measure = fit_unlikeness(features[known], (features[held_out], logits[held_out]), unit)
        unlike = measure.share_below(features[new], logits[new])
        unsure = -softmax(logits[new], axis=1).max(axis=1)
        scores = (roc_auc_score(is_left_out, score) for score in (unlike, unsure))
        rows.append((left_out, *scores, (unlike[~is_left_out] >= 0.95).mean()))
    return pd.DataFrame(rows, columns=["left_out", "unlike", "unsure", "beyond"])


def fit_regression(
    train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel, (channels, classes), and bias of a regression, calibrated; validation chooses its penalty.

    Args:
        train: Features, (n, channels), and class numbers, (n,), of the images that train.
        validation: Those of the images that validate.
        classes: Number of classes.
    """
    held_out, labels = validation
    candidates = []
    for _, kernel, bias in fit_path(*train, classes, inverse_penalties=TWO_PENALTIES):
        logits = held_out @ kernel + bias
        temperature = fit_temperature(labels, logits)
        loss = metrics.log_loss(labels, softmax(logits / temperature, axis=1))
        candidates.append((loss, kernel / temperature, bias / temperature))
    return min(candidates, key=lambda candidate: candidate[0])[1:]


def main(arguments: list[str]) -> None:
    """Measure the recipes that the command line names, and print a row each."""
    options = recipes_parser("unlikeness", main.__doc__, seeds=3).parse_args(arguments)
    rows = []
    for recipe in options.recipes:
        samples = recipe_samples(recipe, options.set)
        cases = pd.concat([left_out_cases(*samples, seed).assign(seed=seed) for seed in range(options.seeds)])
        hardest = cases.groupby("left_out")[["unlike", "unsure"]].mean().min()
        rows.append({
            "recipe": recipe, **cases[["unlike", "unsure", "beyond"]].mean(), **hardest.rename("hardest_{}".format),
        })  # fmt: skip
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    run_cli(main)

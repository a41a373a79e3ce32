"""Learning curves: how a regression on stored features does with fewer images, and would do with more.

The forecast is a power law: mistakes fall by the same factor each time that the images are doubled. How sure it is says
resampling, of the validation images and of the orders in which images were added. Since a law may end, and no gain is
possible, too, its interval reaches from where the law would lead at best to what is scored today at worst.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.model.logistic import TWO_PENALTIES, fit_path
from components.scores.temperature import choose_calibrated
from components.system.errors import UserError

SHARES = (1 / 8, 1 / 4, 1 / 2, 1)  # of the training images
FEWEST = 1  # images of each class, on average, in the smallest part
ORDERS = 8  # in which images are added
RESAMPLED = 1000  # times
LOWEST = 0.0005  # mistakes or losses an image, so that none have a logarithm


@dataclass(frozen=True)
class LearningCurve:
    """Which validation images are mistaken, and how much each loses, with so many training images.

    Args:
        sizes: Training images, ascending, (sizes,).
        wrong: Whether each is mistaken, float64 (sizes, orders, n); with all training images every order is the same.
        losses: Minus the logarithm of the probability of each one's class, calibrated, (sizes, orders, n).
    """

    sizes: np.ndarray
    wrong: np.ndarray
    losses: np.ndarray


def measure_curve(
    train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], units: np.ndarray, classes: int,
    seed: int,
) -> LearningCurve:  # fmt: skip
    """Return a regression's LearningCurve: its mistakes and losses on validation after fits on ever more images.

    The images are added in several random orders. Of the penalties each fit has the one with the lowest log loss on
    validation, at its temperature.

    Args:
        train: Features, (n, channels), and class numbers, (n,), of the images that train.
        validation: Those of the images that validate.
        units: Of each training image, what is added with it: its group or its cluster of duplicates, (n,).
        classes: Number of classes.
        seed: Seed of the orders.

    Raises:
        UserError: There are too few training images for two sizes.
    """
    features, labels = train
    whole = len(labels)
    sizes = np.unique([round(whole * share) for share in SHARES if whole * share >= FEWEST * classes])
    if len(sizes) < 2:
        raise UserError(f"{whole} training images of {classes} classes are too few for a curve: it takes 2 a class")
    wrong = np.empty((len(sizes), ORDERS, len(validation[1])))
    losses = np.empty_like(wrong)
    for order in range(ORDERS):
        rows = nested_order(labels, units, np.random.default_rng((seed, order)))
        for number, size in enumerate(sizes):
            if size == whole and order:
                wrong[number, order], losses[number, order] = wrong[number, 0], losses[number, 0]
                continue
            part = rows[:size]
            log_probabilities = fit_and_predict(features[part], labels[part], *validation, classes)
            wrong[number, order] = log_probabilities.argmax(axis=1) != validation[1]
            losses[number, order] = -np.take_along_axis(log_probabilities, validation[1][:, None], axis=1)[:, 0]
    return LearningCurve(sizes, wrong, losses)


def nested_order(labels: np.ndarray, units: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the rows of images in a random order, (n,): classes take turns by their shares, units stay together."""
    _, unit = np.unique(units, return_inverse=True)
    shuffled = random.permutation(unit.max() + 1)[unit]
    rows = np.argsort(shuffled, kind="stable")
    table = pd.DataFrame({"label": labels[rows], "unit": shuffled[rows]})
    of_class = table.groupby("label")["label"]
    table["place"] = (of_class.cumcount() + 0.5) / of_class.transform("size")
    first = table.groupby("unit")["place"].transform("min")
    return rows[np.lexsort((table["unit"], first))]


def fit_and_predict(
    features: np.ndarray, labels: np.ndarray, validation: np.ndarray, validation_labels: np.ndarray, classes: int
) -> np.ndarray:
    """Return the calibrated logarithms of the validation images' probabilities, (n, classes), of the best penalty."""
    fits = fit_path(features, labels, classes, inverse_penalties=TWO_PENALTIES)
    return choose_calibrated(validation_labels, (validation @ kernel + bias for _, kernel, bias in fits))


def forecast(curve: LearningCurve, target: int, seed: int, images: np.ndarray | None = None) -> pd.DataFrame:
    """Return a table of accuracy and log loss at each size and, forecast, at `target`, each with a 95 % interval.

    Args:
        curve: What was measured.
        target: Training images to forecast for, more than were measured.
        seed: Seed of the resampling.
        images: Rows of the validation images to look at, such as those of a class; all if None.

    Returns:
        A row a size, ascending, the last one the forecast: images, accuracy, accuracy_low, accuracy_high, log_loss,
        log_loss_low, log_loss_high.
    """
    table = pd.DataFrame({"images": [*curve.sizes, target]})
    for name, values in (("accuracy", curve.wrong), ("log_loss", curve.losses)):
        values = values if images is None else values[:, :, images]
        means = resample_means(values, seed)
        ahead = extrapolate(curve.sizes, means, target)
        lows, highs = np.quantile(np.column_stack([means, ahead]), (0.025, 0.975), axis=0)
        highs[-1] = max(highs[-1], highs[-2])
        middle = np.append(values.mean(axis=(1, 2)), np.median(ahead))
        if name == "accuracy":
            middle, lows, highs = 1 - middle, 1 - highs, 1 - lows
        table[name], table[f"{name}_low"], table[f"{name}_high"] = middle, lows, highs
    return table


def resample_means(values: np.ndarray, seed: int) -> np.ndarray:
    """Return means of values, (sizes, orders, n), over resampled orders and images, (`RESAMPLED`, sizes)."""
    random = np.random.default_rng(seed)
    _, orders, images = values.shape
    drawn = random.multinomial(images, np.full(images, 1 / images), RESAMPLED) / images
    order = random.multinomial(orders, np.full(orders, 1 / orders), RESAMPLED) / orders
    return np.stack([((order @ one) * drawn).sum(axis=1) for one in values], axis=1)


def extrapolate(sizes: np.ndarray, means: np.ndarray, target: int) -> np.ndarray:
    """Return each row of means carried on from its last one to `target` by its power law, (rows,); none rises.

    Args:
        sizes: Training images, ascending, (sizes,).
        means: Mistakes or losses at each size, (rows, sizes); below half a mistake in 1,000 they count as that.
        target: The size.
    """
    steps = np.log(sizes) - np.log(sizes).mean()
    slopes = np.log(np.maximum(means, LOWEST)) @ steps / (steps @ steps)
    return means[:, -1] * (target / sizes[-1]) ** np.minimum(slopes, 0)


def class_forecasts(
    curve: LearningCurve, labels: np.ndarray, names: Sequence[str], target: int, seed: int
) -> pd.DataFrame:
    """Return a table of each class's recall now and its forecast at `target` images, most images gained first.

    Args:
        curve: What was measured.
        labels: Class numbers of the validation images, (n,).
        names: The classes.
        target: Training images of all classes to forecast for.
        seed: Seed of the resampling.

    Returns:
        A row for each class that validates: label, validation_images, recall, forecast, forecast_low, forecast_high.
    """
    rows = []
    for number, name in enumerate(names):
        images = np.flatnonzero(labels == number)
        if len(images):
            both = forecast(curve, target, seed, images)[["accuracy", "accuracy_low", "accuracy_high"]].to_numpy()[-2:]
            rows.append((name, len(images), both[0][0], *both[1]))
    table = pd.DataFrame(
        rows, columns=["label", "validation_images", "recall", "forecast", "forecast_low", "forecast_high"]
    )
    gained = table["validation_images"] * (table["forecast"] - table["recall"])
    return table.loc[gained.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)

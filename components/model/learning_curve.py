"""Learning curves: how a regression on stored features does with fewer images, and would do with more.

The forecast is a power law: mistakes fall by the same factor each time that the images are doubled. How sure it is says
resampling, of the validation images and of the orders in which images were added. Since a law may end, and no gain is
possible, too, its interval reaches from where the law would lead at best to what is scored today at worst.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from components.data.artifacts import Audit, Features, Forecast, Splits
from components.data.grouping import units_of
from components.model.logistic import TWO_PENALTIES, fit_path
from components.scores.temperature import choose_calibrated
from components.system.errors import UserError

SHARES = (1 / 8, 1 / 4, 1 / 2, 1)  # of the training images
FEWEST = 1  # images of each class, on average, in the smallest part
ORDERS = 8  # in which images are added, of up to FEW training images; of more so many fewer, two at least
FEW = 5000
MORE = 2  # times as many images are forecast for
SEED = 0  # of the orders, and of the resampling
RESAMPLED = 1000  # times
DRAWN = 2**24  # numbers that are drawn for it at once
MAPS = "the features are maps, and a regression takes pooled ones, `extract: {pooling: auto}`"
LOWEST = 0.0005  # mistakes or losses an image, so that none have a logarithm
CURVE = [
    "images",
    *("accuracy", "accuracy_low", "accuracy_high"),
    *("log_loss", "log_loss_low", "log_loss_high"),
]  # columns of a forecast's table
CLASSES = ["label", "validation_images", "recall", "forecast", "forecast_low", "forecast_high"]  # likewise


@dataclass(frozen=True)
class LearningCurve:
    """Which validation images are mistaken, and how much each loses, with so many training images.

    Args:
        sizes: Training images, ascending, (sizes,).
        wrong: Whether each is mistaken, bool (sizes, orders, n); with all training images every order is the same.
        losses: Minus the logarithm of the probability of each one's class, calibrated, float32 (sizes, orders, n).
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
    count = max(2, min(ORDERS, ORDERS * FEW // whole))
    orders = [nested_order(labels, units, np.random.default_rng((seed, order))) for order in range(count)]
    sizes = np.unique([round(whole * share) for share in SHARES if whole * share >= FEWEST * classes])
    sizes = np.array([size for size in sizes if all(np.ptp(labels[rows[:size]]) for rows in orders)])  # of two classes
    if len(sizes) < 2:
        raise UserError(f"{whole} training images of {classes} classes are too few for a curve: it takes 2 a class")
    wrong = np.empty((len(sizes), count, len(validation[1])), dtype=bool)
    losses = np.empty(wrong.shape, dtype=np.float32)
    for order, rows in enumerate(orders):
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


def write_forecast(forecast: Forecast, features: Features, splits: Splits, audit: Audit) -> None:
    """Write a Forecast for `MORE` times as many training images, or one whose `obstacle` says why there is no curve."""
    classes = splits.facts.classes
    train, validation = (splits.part(name) for name in ("train", "validation"))
    numbers = {name: number for number, name in enumerate(classes)}
    labels, held_out = (part["label"].map(numbers).to_numpy(np.int64) for part in (train, validation))
    scores, recalls = pd.DataFrame(columns=CURVE), pd.DataFrame(columns=CLASSES)
    curve = None
    if features.facts.pooling == "none":
        forecast.facts.obstacle = MAPS
    else:
        known, plain = (features.array[features.rows(part["file"].tolist()), 0] for part in (train, validation))
        units = units_of(audit, train)
        try:
            curve = measure_curve((known, labels), (plain, held_out), units, len(classes), SEED)
        except UserError as error:
            forecast.facts.obstacle = str(error)
    if curve:
        arrays = {"sizes": curve.sizes, "wrong": curve.wrong, "losses": curve.losses, "labels": held_out}
        forecast.write_arrays("curve", arrays)
        scores = forecast_scores(curve, MORE * len(train), SEED)
        recalls = forecast_recalls(curve, held_out, classes, MORE * len(train), SEED)
    forecast.write_table("curve.csv", scores)
    forecast.write_table("classes.csv", recalls)


def read_curve(forecast: Forecast) -> tuple[LearningCurve, np.ndarray]:
    """Return a Forecast's LearningCurve, and the class numbers of its validation images, (n,).

    Raises:
        UserError: There is no curve.
    """
    if forecast.facts.obstacle:
        raise UserError(f"there is no learning curve: {forecast.facts.obstacle}")
    arrays = forecast.arrays("curve")
    labels = arrays.pop("labels")
    return LearningCurve(**arrays), labels


def forecast_scores(curve: LearningCurve, target: int, seed: int, images: np.ndarray | None = None) -> pd.DataFrame:
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
        middle = np.append(values.mean(axis=(1, 2), dtype=np.float64), np.median(ahead))
        if name == "accuracy":
            middle, lows, highs = 1 - middle, 1 - highs, 1 - lows
        table[name], table[f"{name}_low"], table[f"{name}_high"] = middle, lows, highs
    return table[CURVE]


def resample_means(values: np.ndarray, seed: int) -> np.ndarray:
    """Return means of values, (sizes, orders, n), over resampled orders and images, (`RESAMPLED`, sizes)."""
    random = np.random.default_rng(seed)
    sizes, orders, images = values.shape
    of_image = values.reshape(sizes * orders, images).T.astype(np.float64)
    at_once = max(1, DRAWN // images)
    means = []
    with threadpool_limits(1):  # so that the sums are the same on any number of cores
        for start in range(0, RESAMPLED, at_once):
            drawn = random.multinomial(images, np.full(images, 1 / images), min(at_once, RESAMPLED - start))
            means.append(drawn / images @ of_image)
    order = random.multinomial(orders, np.full(orders, 1 / orders), RESAMPLED) / orders
    return np.einsum("rso,ro->rs", np.concatenate(means).reshape(RESAMPLED, sizes, orders), order)


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


def forecast_recalls(
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
            both = forecast_scores(curve, target, seed, images).iloc[-2:]
            now, ahead = both[["accuracy", "accuracy_low", "accuracy_high"]].to_numpy()
            rows.append((name, len(images), now[0], *ahead))
    table = pd.DataFrame(rows, columns=CLASSES)
    gained = table["validation_images"] * (table["forecast"] - table["recall"])
    return table.loc[gained.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)

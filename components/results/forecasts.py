"""What more training images would bring, in words and for the page: the learning curves of networks' features."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from components.data.artifacts import Forecast, Report
from components.model.registry import MODELS
from components.results import charts, titles
from components.results.texts import with_interval
from components.scores.registry import CHOICE

LEAST = 0.0005  # of the share of images that are right: what is worth a word
GAINING = 12  # classes that are shown at most, those that gain most


def forecast_sentences(forecast: Forecast) -> list[str]:
    """Return two sentences, on the forecast of all classes and on the class that gains most; or why there is none."""
    facts = forecast.facts
    features = f"the features of {titles.network_name(facts)} at {facts.image_size} pixels"
    if facts.obstacle:
        return [f"There is no learning curve of {features}: {facts.obstacle}."]
    now, ahead = forecast.table("curve.csv").to_dict("records")[-2:]
    accuracy, then, low, high = (
        f"{100 * share:.1f}"
        for share in (now["accuracy"], ahead["accuracy"], ahead["accuracy_low"], ahead["accuracy_high"])
    )
    first = f"With {now['images']:,} training images a regression on {features} is right on {accuracy} % of the "
    first += f"validation images; with {ahead['images']:,} it is forecast to be right on {then} % "
    first += f"(95 % interval {low} to {high})."
    label, _, recall, *ahead_of_class = forecast.table("classes.csv").iloc[0]
    if ahead_of_class[0] - recall < LEAST:
        return [first, "No class is forecast to gain."]
    recall, then, low, high = (f"{100 * share:.1f}" for share in (recall, *ahead_of_class))
    return [first, f"Of the classes, {label} gains most: from {recall} to {then} % ({low} to {high})."]


def loss_now(forecast: Forecast) -> float:
    """Return the log loss on validation with all training images that there are; infinite where there is no curve."""
    table = forecast.table("curve.csv")
    return math.inf if forecast.facts.obstacle else float(table["log_loss"].iloc[-2])


def forecast_section(
    reports: Mapping[str, Report], scores: pd.DataFrame, forecasts: Sequence[Forecast]
) -> dict[str, Any]:
    """Return what the page shows of the forecasts; {} where there are none for features that a way uses.

    `sentences`, `chart`, `rows` and `classes` are of the features that the best way on validation uses that uses any;
    `more_classes` is the number of classes that are not in their table, `networks` a row for each curve where there are
    several.

    Args:
        reports: The main report on each way, by its name.
        scores: A row a way, as in `comparison.csv`.
        forecasts: The forecasts, of different features.
    """
    of_features = {forecast.manifest["lineage"]["extract"]: forecast for forecast in forecasts}
    ways: dict[str, list[str]] = {}  # by the features that they use
    for name in map(str, scores[CHOICE].sort_values(kind="stable").index):
        if (features := reports[name].manifest["lineage"].get("extract")) in of_features:
            ways.setdefault(features, []).append(name)
    if not ways:
        return {}
    first, *others = (of_features[features] for features in ways)
    classes = first.table("classes.csv")
    gaining = classes[classes["forecast"] - classes["recall"] >= LEAST].head(GAINING)
    return {
        "sentences": forecast_sentences(first),
        "chart": "" if first.facts.obstacle else forecast_chart(first),
        "rows": curve_rows(first),
        "classes": {
            row["label"]: {
                "validation images": f"{row['validation_images']:,}",
                "recall now": f"{row['recall']:.3f}",
                "with twice the images": with_interval(row["forecast"], row["forecast_low"], row["forecast_high"]),
            }
            for row in gaining.to_dict("records")
        },
        "more_classes": len(classes) - len(gaining),
        "networks": {", ".join(names): network_row(of_features[one]) for one, names in ways.items()} if others else {},
    }


def forecast_chart(forecast: Forecast) -> str:
    """Return the SVG of accuracy on validation by the number of training images, in the band of its intervals."""
    table = forecast.table("curve.csv")
    images, accuracy, low, high = (
        table[name].tolist() for name in ("images", "accuracy", "accuracy_low", "accuracy_high")
    )
    look = MODELS["logistic"]
    band = charts.Band(
        "training images", images, accuracy, low, high, charts.Look(look.colour, look.marker), forecast=1
    )
    across = charts.scale_of(images, charts.LEFT, charts.WIDTH - charts.RIGHT, logarithmic=True)
    label = " ".join(forecast_sentences(forecast)[:1])
    title = "Accuracy on validation (higher is better)"
    return charts.band_chart([band], replace(across, ticks=images), title, "training images", label)


def curve_rows(forecast: Forecast) -> dict[str, dict[str, str]]:
    """Return, by the number of training images as in `60` or `120 (forecast)`, a row of scores as texts."""
    rows = forecast.table("curve.csv").to_dict("records")
    return {
        f"{row['images']:,}{' (forecast)' * (row is rows[-1])}": {
            name.replace("_", " "): with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"])
            for name in ("accuracy", "log_loss")
        }
        for row in rows
    }


def network_row(forecast: Forecast) -> dict[str, str]:
    """Return as texts the network behind a forecast, accuracy now and with twice the images, the class gaining most."""
    network = f"{titles.network_name(forecast.facts)}, {forecast.facts.image_size} pixels"
    if forecast.facts.obstacle:
        return {"features of": network, "accuracy now": "–", "with twice the images": "–", "gains most": ""}
    *_, now, ahead = forecast.table("curve.csv").to_dict("records")
    return {
        "features of": network,
        "accuracy now": with_interval(now["accuracy"], now["accuracy_low"], now["accuracy_high"]),
        "with twice the images": with_interval(ahead["accuracy"], ahead["accuracy_low"], ahead["accuracy_high"]),
        "gains most": str(forecast.table("classes.csv")["label"].iloc[0]),
    }

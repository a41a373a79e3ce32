"""Forecast what more training images would bring, from stored features."""

from components.data.artifacts import Audit, Features, Forecast, Splits
from components.machinery.signature import Input, Output


def forecast(features: Input[Features], splits: Input[Splits], audit: Input[Audit], forecast: Output[Forecast]) -> None:
    """Forecast accuracy and log loss with twice the training images, of all classes and of each, by a learning curve.

    A regression is fitted on an eighth, a quarter, half and all of the training images, and scored on validation; a
    power law goes on from there. The test split is not read. Where there can be no curve, the artifact says why.

    Args:
        features: The backbone's output of every file and view, of which the plain images' is taken.
        splits: The training and validation rows.
        audit: Which images are there twice: these are added together.
        forecast: The curve, and the forecast of all classes and of each.
    """
    from components.model import learning_curve

    learning_curve.write_forecast(forecast, features, splits, audit)
    if forecast.facts.obstacle:
        print(f"forecast: there is no learning curve: {forecast.facts.obstacle}")

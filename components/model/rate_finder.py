"""Finding a learning rate: a short training whose rate grows from batch to batch, and whose weights nobody keeps."""

import math

import keras
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from components.model import training
from components.model.epochs import Rows
from components.model.settings import Training
from components.system.errors import UserError
from components.system.progress import bar

LOWEST, HIGHEST, BATCHES = 1e-8, 10.0, 300
SMOOTHING = 15  # batches, the standard deviation of a Gaussian
DIVERGED = 4  # times the loss of the first batches, or of chance where that is more


def sweep(model: keras.Model, part: Rows, settings: Training, head: keras.Model | None) -> pd.DataFrame:
    """Train on batch after batch, each at a higher learning rate than the one before, until the loss diverges.

    Args:
        model: Views to logits, (batch, ...) to (batch, classes).
        part: The training part.
        settings: How to train; the learning rate, its schedule and the number of epochs count for nothing.
        head: The model's head, where it has one.

    Returns:
        One row a batch: learning_rate, loss (before the step), smoothed.

    Source:
        Smith, arXiv 1506.01186, with rates that grow by a factor.
    """
    growth = (HIGHEST / LOWEST) ** (1 / (BATCHES - 1))
    trainer = training.Trainer(
        model, head, settings, lambda share: keras.optimizers.schedules.ExponentialDecay(share * LOWEST, 1, growth)
    )
    weights = training.class_weights(settings.class_weights, part.labels)
    batches = math.ceil(len(part.rows) / settings.batch_size)
    chance = math.log(model.output_shape[-1])
    losses: list[float] = []
    with bar("find_rate", BATCHES, "batch") as progress:
        while len(losses) < BATCHES:
            epoch, number = divmod(len(losses), batches)
            if number == 0:
                order, views = part.draw(settings.seed, epoch)
            place = slice(number * settings.batch_size, (number + 1) * settings.batch_size)
            chosen = order[place]
            shares = weights[chosen] / np.float32(len(chosen))
            loss = float(trainer.batch(part.read(chosen, views[place]), part.labels[chosen], shares)[0])
            if not loss < DIVERGED * max([chance, *(losses[:SMOOTHING] or [loss])]):
                break
            losses.append(loss)
            progress.update()
    rates = LOWEST * growth ** np.arange(len(losses))
    smoothed = gaussian_filter1d(np.array(losses), SMOOTHING)
    return pd.DataFrame({"learning_rate": rates, "loss": losses, "smoothed": smoothed})


def falling(curve: pd.DataFrame) -> pd.DataFrame:
    """Return the part of the curve up to the lowest smoothed loss."""
    return curve[: int(curve["smoothed"].argmin()) + 1] if len(curve) else curve


def suggested(curve: pd.DataFrame) -> float:
    """Return the learning rate at which the smoothed loss falls most steeply over the rate's logarithm.

    Raises:
        UserError: It never falls.
    """
    part = falling(curve)
    if len(part) < 2:
        raise UserError(f"the loss falls at no learning rate from {LOWEST:g} on: is the model trained already?")
    return float(part["learning_rate"][int(np.argmin(np.gradient(part["smoothed"])))])

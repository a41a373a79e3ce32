"""Finding a learning rate: a short training whose rate grows from batch to batch, and whose weights nobody keeps."""

import math

import keras
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from components.model.epochs import Epochs
from components.model.rows import Rows
from components.model.settings import Training
from components.model.trainer import Trainer
from components.system.errors import UserError
from components.system.progress import bar

LOWEST, HIGHEST, BATCHES = 1e-8, 10.0, 300
SMOOTHING = 15  # batches, the standard deviation of a Gaussian
DIVERGED = 4  # times the loss of the first batches, or of chance where that is more


def record_losses(model: keras.Model, rows: Rows, settings: Training, head: keras.Model | None) -> pd.DataFrame:
    """Train at a rate that grows by the batch till the loss diverges; return a table, a row a batch, of rate and loss.

    Args:
        model: Views to logits, (batch, ...) to (batch, classes).
        rows: The rows that train.
        settings: How to train; the learning rate, its schedule and the number of epochs count for nothing.
        head: The model's head, where it has one.

    Returns:
        One row a batch, `BATCHES` at most: learning_rate, from `LOWEST` to `HIGHEST`, loss (before the step), smoothed
        (the loss); the batch that diverges is left out, so that there may be no row.

    Source:
        Smith, arXiv 1506.01186, with rates that grow by a factor.
    """
    growth = (HIGHEST / LOWEST) ** (1 / (BATCHES - 1))
    trainer = Trainer(
        model, head, settings, lambda share: keras.optimizers.schedules.ExponentialDecay(share * LOWEST, 1, growth)
    )
    epochs, chance = Epochs(rows, settings), math.log(model.output_shape[-1])
    losses: list[float] = []
    with bar("find_rate", BATCHES, "batch") as progress:
        while len(losses) < BATCHES:
            number, batch = divmod(len(losses), len(epochs.counts))
            if batch == 0:
                epoch = epochs[number]
            loss = float(trainer.train_batch(*epoch.read(rows, batch))[0])
            if not loss < DIVERGED * max([chance, *(losses[:SMOOTHING] or [loss])]):
                break
            losses.append(loss)
            progress.update()
    rates = LOWEST * growth ** np.arange(len(losses))
    smoothed = gaussian_filter1d(np.array(losses), SMOOTHING)
    return pd.DataFrame({"learning_rate": rates, "loss": losses, "smoothed": smoothed})


def falling_part(curve: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the curve up to the lowest smoothed loss, its own row too; an empty curve as it is."""
    return curve[: int(curve["smoothed"].argmin()) + 1] if len(curve) else curve


def suggest_rate(curve: pd.DataFrame) -> float:
    """Return the rate, up to the lowest smoothed loss, where that loss falls most steeply over the rate's logarithm.

    Args:
        curve: As `record_losses` returns it.

    Raises:
        UserError: It never falls.
    """
    falling = falling_part(curve)
    if len(falling) < 2:
        raise UserError(f"the loss falls at no learning rate from {LOWEST:g} on: is the model trained already?")
    return float(falling["learning_rate"][int(np.argmin(np.gradient(falling["smoothed"])))])

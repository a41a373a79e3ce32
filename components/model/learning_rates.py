"""Learning rates: over the steps of a training, and of the backbone beside the head."""

import math
from collections.abc import Callable
from typing import Any

import keras

from components.model import optimizers
from components.model.settings import Training

Schedule = Callable[[float], float | keras.optimizers.schedules.LearningRateSchedule]  # of a share of the learning rate


def plan_schedule(settings: Training, steps: int) -> Schedule:
    """Return a function from a share of the learning rate to its schedule, or to a number if the rate is constant.

    The warm-up is linear: its n batches have 1 to n of the n + 1 parts of the rate that comes after them. Cosine falls
    to 0 at the last step. A constant rate without a warm-up is a number.

    Args:
        settings: How to train.
        steps: Batches of all epochs.

    Source:
        Warm-up: Goyal et al., arXiv 1706.02677. Cosine: Loshchilov and Hutter, arXiv 1608.03983.
    """
    warm_up = math.floor(settings.warm_up * steps)
    if not warm_up and settings.schedule == "constant":
        return lambda share: share * settings.learning_rate
    return lambda share: keras.optimizers.schedules.CosineDecay(
        share * settings.learning_rate / (warm_up + 1), steps - warm_up, alpha=optimizers.SCHEDULES[settings.schedule],
        warmup_target=share * settings.learning_rate, warmup_steps=warm_up,
    )  # fmt: skip


class TwoRates(keras.optimizers.Optimizer):
    """Two optimizers in one: the head's, and one with another learning rate for all other variables.

    Scaling the backbone's gradients would not do: Adam divides the scale out again.

    Args:
        optimizers: The head's and the other one.
        head: Its variables go to the first.

    Source:
        Slower backbones: Howard and Ruder, arXiv 1801.06146.
    """

    def __init__(self, optimizers: tuple[keras.Optimizer, keras.Optimizer], head: keras.Model):
        super().__init__(learning_rate=0.0)  # of its own it takes no step
        self.optimizers, self.head = optimizers, {id(variable) for variable in head.trainable_variables}

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables of both optimizers, the head's first; the model's own are not among them."""
        return [variable for optimizer in self.optimizers for variable in optimizer.variables]

    def build(self, variables: list[keras.Variable]) -> None:
        """Build the first optimizer for those of the variables that are the head's, and the second for all others."""
        for optimizer, of_head in zip(self.optimizers, (True, False), strict=True):
            optimizer.build([variable for variable in variables if (id(variable) in self.head) == of_head])
        self.built = True

    def apply(self, grads: list[Any], trainable_variables: list[keras.Variable]) -> None:
        """Take one step with each optimizer on its own variables; gradients are in the order of the variables."""
        pairs = list(zip(grads, trainable_variables, strict=True))
        for optimizer, of_head in zip(self.optimizers, (True, False), strict=True):
            optimizer.apply_gradients([pair for pair in pairs if (id(pair[1]) in self.head) == of_head])

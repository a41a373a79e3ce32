"""Learning rates: over the steps of a training, and of the backbone's blocks beside the head."""

import math
from collections.abc import Callable
from typing import Any

import keras

from components.model import optimizers
from components.model.blocks import trainable_blocks
from components.model.settings import FineTuning, Training

Schedule = Callable[[float], float | keras.optimizers.schedules.LearningRateSchedule]  # of a share of the learning rate


def plan_schedule(settings: Training, steps: int) -> Schedule:
    """Return a function from a share of the learning rate to a Keras schedule, or to a number where it never changes.

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


def variables_by_rate(
    model: keras.Model, head: keras.Model | None, settings: Training
) -> dict[float, list[keras.Variable]]:
    """Return trainable variables by share of the learning rate, head's 1.0 first; all under 1.0 unless fine-tuned.

    Without a head, or with settings that are no `FineTuning`, all are under 1.0.

    The last block of the backbone, as `trainable_blocks` counts them, learns at `backbone_rate`, and each one before it
    at `rate_decay` times the rate of the one behind it.

    Source:
        Howard and Ruder, arXiv 1801.06146; by blocks: Bao et al., arXiv 2106.08254.
    """
    variables = model.trainable_variables
    if head is None or not isinstance(settings, FineTuning):
        return {1.0: variables}
    of_head = {id(variable) for variable in head.trainable_variables}
    groups = {1.0: [variable for variable in variables if id(variable) in of_head]}
    blocks = [[one for one in block if id(one) not in of_head] for block in trainable_blocks(model)]
    for number, block in enumerate(reversed([block for block in blocks if block])):
        groups.setdefault(settings.backbone_rate * settings.rate_decay**number, []).extend(block)
    return groups


class SeveralRates(keras.optimizers.Optimizer):
    """Several optimizers in one, each with a learning rate of its own for variables of its own.

    Scaling gradients would not do: Adam divides the scale out again.

    Args:
        parts: The optimizers, each with its variables.
    """

    def __init__(self, parts: list[tuple[keras.Optimizer, list[keras.Variable]]]):
        super().__init__(learning_rate=0.0)  # of its own it takes no step
        self.parts = parts

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables of all optimizers, one after the other; the model's own are not among them."""
        return [variable for optimizer, _ in self.parts for variable in optimizer.variables]

    def build(self, variables: list[keras.Variable]) -> None:
        """Build each optimizer for the variables that it was given with in `parts`; `variables` itself is ignored."""
        for optimizer, subset in self.parts:
            optimizer.build(subset)
        self.built = True

    def apply(self, grads: list[Any], trainable_variables: list[keras.Variable]) -> None:
        """Take one step with each optimizer on its own variables; gradients are in the order of the variables."""
        gradients = {id(variable): grad for grad, variable in zip(grads, trainable_variables, strict=True)}
        for optimizer, subset in self.parts:
            optimizer.apply([gradients[id(variable)] for variable in subset], subset)

    def finalize_variable_values(self, var_list: list[keras.Variable]) -> None:
        """Finalize each optimizer on its own variables: they take their moving averages, where there are some."""
        for optimizer, subset in self.parts:
            optimizer.finalize_variable_values(subset)

"""Decide once in which precision the frozen network computes."""

from typing import Annotated

from components.data.artifacts import Augmented, Precision, Weights
from components.machinery.signature import Input, Output
from components.model.precision import PRECISIONS
from components.system.limits import Names


def choose_precision(
    augmented: Input[Augmented],
    weights: Input[Weights],
    chosen_precision: Output[Precision],
    *,
    precision: Annotated[str, Names("precision", PRECISIONS)],
) -> None:
    """Decide in which precision the long sums of the frozen network are computed.

    `auto` measures, and so may come out differently on another machine: its decision is an artifact, and an input
    of all that follows, so that it stands until the network, the images' size or this step change.

    Args:
        augmented: The plain images and their views, of which eight are measured on.
        weights: Pretrained weights, which say what the backbone is.
        chosen_precision: The precision, and the measurements that decided it.
        precision: `float32`, `bfloat16`, or `auto`: bfloat16 where it is clearly faster on this machine and gives
            nearly the same features.
    """
    import pandas as pd

    speeds = pd.DataFrame(columns=["precision", "views_per_second", "difference"])
    if precision == "auto":
        from components.model import precision_choice

        speeds = precision_choice.measure_precisions(augmented, weights)
        precision = precision_choice.better_precision(speeds)
    chosen_precision.write_table("speeds.csv", speeds)
    chosen_precision.facts.precision = precision

"""Decide once what a frozen network computes in."""

from typing import Annotated

from components.data.artifacts import Augmented, Precision, Weights
from components.machinery.signature import Input, Output
from components.model.precision import ASKED
from components.system.limits import Names


def choose_precision(
    augmented: Input[Augmented],
    weights: Input[Weights],
    chosen_precision: Output[Precision],
    *,
    precision: Annotated[str, Names("precision", ASKED)],
) -> None:
    """Decide what the long sums of the frozen network are computed in.

    `auto` measures, and so may come out differently on another machine: its decision is an artifact, from which all
    that follows is made, so that it stands until the network, the images' size or this step change.

    Args:
        augmented: The plain images and their views; eight are measured on.
        weights: Pretrained weights, which say what the backbone is.
        chosen_precision: The precision, and what decided it.
        precision: `float32`, `bfloat16`, or `auto`: bfloat16 where it is clearly faster on this machine and gives
            nearly the same features.
    """
    import pandas as pd

    speeds = pd.DataFrame(columns=["precision", "views_per_second", "difference"])
    if precision == "auto":
        from components.model import extraction

        speeds = extraction.measure_precisions(augmented, weights)
        precision = extraction.better_precision(speeds)
    chosen_precision.write_table("speeds.csv", speeds)
    chosen_precision.facts.precision = precision

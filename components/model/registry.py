"""The registry of models: what the steps that train make, in the order in which they are shown."""

from typing import NamedTuple


class Model(NamedTuple):
    """A model of a comparison.

    Args:
        step: The step that makes it.
        colour: In figures, of Okabe and Ito's palette.
        marker: In figures, as Matplotlib names it.
        trained: Whether it is trained, with a seed; else it is made of models that are.
    """

    step: str
    colour: str
    marker: str
    trained: bool = True


MODELS = {
    "benchmark": Model("train_benchmark", "#E69F00", "s"),
    "top": Model("train_top", "#56B4E9", "^"),
    "fine_tuned": Model("fine_tune", "#0072B2", "o"),
    "ensemble": Model("average", "#D55E00", "P", trained=False),
}

"""The registry of models: the step that makes each, and how figures draw it, in the order of tables and figures."""

from typing import NamedTuple


class Model(NamedTuple):
    """A model of a comparison.

    Args:
        step: The step that makes it.
        colour: Its colour in figures, of Okabe and Ito's palette.
        marker: Its marker in figures, as Matplotlib names it.
        is_trained: Whether it is trained, with a seed; else it is made of models that are.
    """

    step: str
    colour: str
    marker: str
    is_trained: bool = True


MODELS = {
    "benchmark": Model("train_benchmark", "#E69F00", "s"),
    "top": Model("train_top", "#56B4E9", "^"),
    "fine_tuned": Model("fine_tune", "#0072B2", "o"),
    "ensemble": Model("average", "#D55E00", "P", is_trained=False),
}

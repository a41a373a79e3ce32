"""The registry of models: the step that makes each, and how figures draw it, in the order of tables and figures."""

from typing import NamedTuple


class Model(NamedTuple):
    """A model of a comparison.

    Args:
        step: The step that makes it.
        colour: Its colour in figures, of Okabe and Ito's palette.
        marker: Its marker in figures, as Matplotlib names it.
        is_trained: Whether it is trained on images; else it is made of models that are.
        has_chance: Whether a training has a seed; without chance one training tells all of the way.
    """

    step: str
    colour: str
    marker: str
    is_trained: bool = True
    has_chance: bool = True


MODELS = {
    "benchmark": Model("train_benchmark", "#E69F00", "s"),
    "neighbours": Model("fit_neighbours", "#CC79A7", "v", has_chance=False),
    "logistic": Model("fit_logistic", "#009E73", "D", has_chance=False),
    "top": Model("train_top", "#56B4E9", "^"),
    "fine_tuned": Model("fine_tune", "#0072B2", "o"),
    "ensemble": Model("average", "#D55E00", "P", is_trained=False),
}

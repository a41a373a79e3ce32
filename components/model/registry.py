"""The registry of models: the step that makes each, and how figures draw it, in the order of tables and figures."""

from typing import NamedTuple


class Model(NamedTuple):
    """A model of a comparison.

    Args:
        step: The step that makes it.
        meaning: What it is, in words that follow its name.
        colour: Its colour in figures, of Okabe and Ito's palette; some lighter or darker, so that no two share a grey.
        marker: Its marker in figures, as Matplotlib names it.
        is_trained: Whether it is trained on images; else it is made of models that are.
        has_chance: Whether a training has a seed; without chance one training tells all of the way.
    """

    step: str
    meaning: str
    colour: str
    marker: str
    is_trained: bool = True
    has_chance: bool = True


MODELS = {
    "benchmark": Model(
        "train_benchmark", "a small network trained from scratch on these images alone, which reuse has to beat",
        "#D55E00", "s",
    ),
    "neighbours": Model(
        "fit_neighbours", "the classes of the training images nearest by the pretrained network's features",
        "#DFA3C4", "v", has_chance=False,
    ),
    "logistic": Model(
        "fit_logistic", "logistic regression on the pretrained network's features", "#00573F", "D", has_chance=False
    ),
    "top": Model("train_top", "a new head trained on the pretrained network, which stays as it is", "#56B4E9", "^"),
    "fine_tuned": Model(
        "fine_tune", "that head and the pretrained network's layers from the cut on, trained further together",
        "#0072B2", "o",
    ),
    "ensemble": Model("average", "the mean of the other models' probabilities", "#222222", "P", is_trained=False),
}  # fmt: skip

"""Draw the figures of a data set."""

from components.data.artifacts import Drawings, Exploration
from components.machinery.signature import Input, Output


def draw_exploration(exploration: Input[Exploration], drawings: Output[Drawings]) -> None:
    """Draw the figures of a data set: images a class, sizes, samples, colours, views, the stock network's words.

    Args:
        exploration: The counts, samples, densities and words of the data set.
        drawings: The figures.
    """
    from components.results import exploration_drawing

    exploration_drawing.draw_exploration(exploration, drawings)

"""Draw what the data set looks like."""

from components.data.artifacts import Drawings, Exploration
from components.machinery.signature import Input, Output


def draw_exploration(exploration: Input[Exploration], drawings: Output[Drawings]) -> None:
    """Draw what the data set looks like: images a class, samples, sizes, colours, views, the stock network's words.

    Args:
        exploration: What was found out.
        drawings: The figures.
    """
    from components.results import exploration_drawing

    exploration_drawing.draw_exploration(exploration, drawings)

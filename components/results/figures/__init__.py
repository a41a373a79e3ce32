"""The figures: each function draws one and saves it as a PNG, the same bytes for the same input."""

from components.results.figures.curves import learning_curve, learning_curves, learning_rates, model_curves
from components.results.figures.data_set import (
    augmented_samples,
    image_sizes,
    images_per_class,
    rgb_densities,
    sample_grid,
    stock_words,
)
from components.results.figures.intervals import comparison, per_class, slices
from components.results.figures.leakage import leakage
from components.results.figures.mistakes import mistakes
from components.results.figures.predictions import confusion_matrix, reliability
from components.results.figures.style import statement

__all__ = [
    "augmented_samples",
    "comparison",
    "confusion_matrix",
    "image_sizes",
    "images_per_class",
    "leakage",
    "learning_curve",
    "learning_curves",
    "learning_rates",
    "mistakes",
    "model_curves",
    "per_class",
    "reliability",
    "rgb_densities",
    "sample_grid",
    "slices",
    "statement",
    "stock_words",
]

"""The figures of every step: each function draws one and saves it as a PNG, the same bytes for the same input."""

from components.results.figures.curves import comparison, learning_curve, learning_curves, learning_rates, model_curves
from components.results.figures.data_set import (
    augmented_samples,
    image_sizes,
    images_per_class,
    rgb_densities,
    sample_grid,
    stock_words,
)
from components.results.figures.grad_cam import grad_cam, heat
from components.results.figures.leakage import leakage
from components.results.figures.predictions import confident_mistakes, confusion_matrix
from components.results.figures.style import statement

__all__ = [
    "augmented_samples",
    "comparison",
    "confident_mistakes",
    "confusion_matrix",
    "grad_cam",
    "heat",
    "image_sizes",
    "images_per_class",
    "leakage",
    "learning_curve",
    "learning_curves",
    "learning_rates",
    "model_curves",
    "rgb_densities",
    "sample_grid",
    "statement",
    "stock_words",
]

"""The figures: each function draws one and saves it as a PNG, the same bytes for the same input."""

from components.results.figures.curves import (
    draw_forecast,
    draw_learning_curve,
    draw_learning_rates,
    draw_model_curves,
    draw_training_curves,
)
from components.results.figures.data_set import (
    draw_augmented_samples,
    draw_image_sizes,
    draw_images_per_class,
    draw_rgb_densities,
    draw_sample_grid,
    draw_stock_words,
)
from components.results.figures.fronts import draw_fronts
from components.results.figures.intervals import draw_class_scores, draw_model_scores, draw_slice_scores
from components.results.figures.leakage import draw_leakage
from components.results.figures.mistakes import draw_mistakes
from components.results.figures.predictions import draw_confusion_matrix, draw_reliability
from components.results.figures.suspects import draw_suspects

__all__ = [
    "draw_augmented_samples",
    "draw_class_scores",
    "draw_confusion_matrix",
    "draw_forecast",
    "draw_fronts",
    "draw_image_sizes",
    "draw_images_per_class",
    "draw_leakage",
    "draw_learning_curve",
    "draw_learning_rates",
    "draw_mistakes",
    "draw_model_curves",
    "draw_model_scores",
    "draw_reliability",
    "draw_rgb_densities",
    "draw_sample_grid",
    "draw_slice_scores",
    "draw_stock_words",
    "draw_suspects",
    "draw_training_curves",
]

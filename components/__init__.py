"""The steps of an experiment, one module each, in the order in which data flows through them."""

import sys

from components.system.libraries import KerasFinder

STEPS = (
    "fetch",
    "fetch_weights",
    "audit",
    "split",
    "embed",
    "probe",
    "augment",
    "explore",
    "draw_exploration",
    "choose_precision",
    "extract",
    "forecast",
    "train_benchmark",
    "fit_neighbours",
    "fit_logistic",
    "train_top",
    "fine_tune",
    "choose_classifier",
    "average",
    "evaluate",
    "compare",
    "draw_comparison",
)

sys.meta_path.insert(0, KerasFinder)

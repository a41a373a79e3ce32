"""The steps of an experiment, one module each, in the order in which data flows through them."""

STEPS = (
    "fetch",
    "fetch_weights",
    "audit",
    "split",
    "augment",
    "explore",
    "extract",
    "train_benchmark",
    "train_top",
    "fine_tune",
    "average",
    "evaluate",
    "compare",
)

"""The registries of training: optimizers, schedules, class weights, and scores that choose the best epoch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

# The class of `components.model.fused` and its options.
OPTIMIZERS: dict[str, tuple[str, list[str]]] = {
    "adam": ("Adam", []),
    "adamw": ("AdamW", ["weight_decay"]),
    "rmsprop": ("RMSprop", []),
    "sgd": ("SGD", ["momentum"]),
}

# The share of the learning rate that is left at the end.
SCHEDULES = {"constant": 1.0, "cosine": 0.0}

# What scikit-learn calls it.
CLASS_WEIGHTS = {"none": None, "balanced": "balanced"}

# The column of the history, and the sign with which more is better.
MONITORS = {"log_loss": ("validation_log_loss", -1), "accuracy": ("validation_accuracy", 1)}


def build(
    name: str, learning_rate: "float | keras.optimizers.schedules.LearningRateSchedule", ema_momentum: float = 0.0,
    **options: Any,
) -> "keras.Optimizer":  # fmt: skip
    """Return a new optimizer of the registry; options that it has must be given, others are ignored.

    Args:
        name: Which one.
        learning_rate: Its step size.
        ema_momentum: Share of the moving average of the weights that each step leaves; 0 for no average.
        options: Of `OPTIMIZERS`.

    Source:
        AdamW: Loshchilov and Hutter, arXiv 1711.05101.
    """
    from components.model import fused

    kind, names = OPTIMIZERS[name]
    chosen = {option: options[option] for option in names}
    return getattr(fused, kind)(learning_rate, use_ema=bool(ema_momentum), ema_momentum=ema_momentum, **chosen)

"""Training many heads at once on the same stored features: each as `train_top` trains it alone."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import pandas as pd

from components.data.artifacts import Features, Splits
from components.model import assembly, runtime, training
from components.model.settings import HeadTraining
from components.scores.registry import VALIDATION
from components.system.progress import bar


def train_heads(features: Features, splits: Splits, arguments: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Train heads, a core each; return a table, a row each in order: epochs, validation scores at the best, seconds.

    As many are trained at once as there are cores: an operation of a head is too small for two cores; whole trainings
    are not.

    Args:
        features: The backbone's output.
        splits: The training and validation rows.
        arguments: Of each head, the keywords of `train_top`.

    Returns:
        A row for each head, in their order: best_epoch, epochs_trained, validation_kappa, validation_log_loss and
        validation_accuracy, all after the temperature, and the seconds of training.

    Raises:
        UserError: A head takes features of another pooling, or its training diverges.
    """
    runtime.use_one_thread()
    split_rows = assembly.rows_of_splits(features, splits)

    def build_head(settings: HeadTraining, **of_head: Any) -> keras.Model:
        runtime.set_seed(settings.seed)
        return assembly.new_head(features, **of_head)

    def train_head(head: keras.Model, settings: HeadTraining) -> dict[str, float]:
        with TemporaryDirectory() as folder:
            result = training.train("", head, split_rows, settings, lambda *epoch: None, Path(folder), head)
        best = result.history.iloc[result.best_epoch - 1]
        return {
            "best_epoch": result.best_epoch,
            "epochs_trained": len(result.history),
            **{name: float(best[name]) for name in VALIDATION},
            "seconds": round(result.training_seconds, 3),
        }

    heads = [build_head(**values) for values in arguments]  # one after the other: a seed is the whole process's
    with ThreadPoolExecutor(os.cpu_count()) as pool, bar("find_head", len(heads), "head") as progress:
        trainings = [
            pool.submit(train_head, head, values["settings"]) for head, values in zip(heads, arguments, strict=True)
        ]
        for future in trainings:
            future.add_done_callback(lambda _: progress.update())
        return pd.DataFrame([future.result() for future in trainings])

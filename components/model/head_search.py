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
from components.model import assembly, training
from components.model.settings import HeadTraining
from components.system.progress import bar


def search(features: Features, splits: Splits, arguments: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Train heads, as many at once as there are cores, and score them on validation.

    An operation of a head is too small for two cores; whole trainings are not.

    Args:
        features: The backbone's output.
        splits: The training and validation rows.
        arguments: Of each head, the keywords of `train_top`.

    Returns:
        A row for each head, in their order: best_epoch, epochs, the scores on validation, such as
        validation_log_loss, all before the temperature, and the seconds of training.

    Raises:
        UserError: A head takes features of another pooling, or its training diverges.
    """
    training.one_thread()
    parts = assembly.parts(features, splits)

    def build(head: str, dropout: float, settings: HeadTraining) -> keras.Model:
        training.seeded(settings.seed)
        return assembly.new_head(features, head, dropout)

    def train(head: keras.Model, settings: HeadTraining) -> dict[str, float]:
        with TemporaryDirectory() as folder:
            trained = training.train("", head, parts, settings, lambda *epoch: None, Path(folder), head)
        best = trained.history.iloc[trained.best_epoch - 1].filter(like="validation_")
        return {
            "best_epoch": trained.best_epoch,
            "epochs": len(trained.history),
            **{str(name).replace("_loss", "_log_loss"): float(score) for name, score in best.items()},
            "seconds": round(trained.training_seconds, 3),
        }

    heads = [build(**own) for own in arguments]  # one after the other: a seed is the whole process's
    with ThreadPoolExecutor(os.cpu_count()) as pool, bar("find_head", len(heads), "head") as progress:
        waiting = [pool.submit(train, head, own["settings"]) for head, own in zip(heads, arguments, strict=True)]
        for future in waiting:
            future.add_done_callback(lambda _: progress.update())
        return pd.DataFrame([future.result() for future in waiting])

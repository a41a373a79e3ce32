"""Training many heads at once on the same stored features: each as `train_top` trains it alone."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import pandas as pd

from components.data.artifacts import Features, Splits
from components.model import assembly, training
from components.progress import bar


def search(features: Features, splits: Splits, settings: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Train a head for each of the settings, as many at once as there are cores, and score them on validation.

    An operation of a head is too small for two cores; whole trainings are not.

    Args:
        features: The backbone's output.
        splits: The training and validation rows.
        settings: The parameters of `train_top`, checked.

    Returns:
        A row for each of the settings, in their order: best_epoch, epochs, the scores on validation, such as
        validation_log_loss, all before the temperature, and the seconds of training.

    Raises:
        UserError: A head takes features of another pooling, or its training diverges.
    """
    training.one_thread()
    parts = assembly.parts(features, splits)
    names = signature(training.Settings).parameters

    def build(values: Mapping[str, Any]) -> keras.Model:
        training.seeded(values["seed"])
        return assembly.new_head(features, values["head"], values["dropout"])

    def train(head: keras.Model, values: Mapping[str, Any]) -> dict[str, float]:
        chosen = training.Settings(**{name: values[name] for name in names if name in values})
        with TemporaryDirectory() as folder:
            trained = training.train("", head, parts, chosen, lambda *epoch: None, Path(folder), head)
        best = trained.history.iloc[trained.best_epoch - 1].filter(like="validation_")
        return {
            "best_epoch": trained.best_epoch,
            "epochs": len(trained.history),
            **{str(name).replace("_loss", "_log_loss"): float(score) for name, score in best.items()},
            "seconds": round(trained.training_seconds, 3),
        }

    heads = [build(values) for values in settings]  # one after the other: a seed is the whole process's
    with ThreadPoolExecutor(os.cpu_count()) as pool, bar("find_head", len(heads), "head") as progress:
        waiting = [pool.submit(train, *pair) for pair in zip(heads, settings, strict=True)]
        for future in waiting:
            future.add_done_callback(lambda _: progress.update())
        return pd.DataFrame([future.result() for future in waiting])

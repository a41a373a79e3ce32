"""Probes: how well features tell the classes apart, by classifiers that are fitted in seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.data.artifacts import Embeddings, Probe, Splits
from components.model.logistic import TWO_PENALTIES, fit_path
from components.model.neighbours import neighbour_logits
from components.scores import metrics
from components.scores.registry import VALIDATION
from components.scores.temperature import choose_calibrated


@dataclass(frozen=True)
class Samples:
    """Features, (n, channels), and class numbers, (n,), of the images that train, and of those that validate."""

    train: np.ndarray
    train_labels: np.ndarray
    validation: np.ndarray
    validation_labels: np.ndarray
    validation_files: list[str]
    classes: int


def read_samples(embeddings: Sequence[Embeddings], splits: Splits) -> Samples:
    """Return the Samples: features and class numbers of embedded training and validation images, as in `splits.csv`."""
    numbers = {name: number for number, name in enumerate(splits.facts.classes)}
    files = [file for one in embeddings for file in one.table("files.csv")["file"]]
    row = {file: number for number, file in enumerate(files)}
    features = np.concatenate([np.asarray(one.array) for one in embeddings])
    tables = [splits.part(name) for name in ("train", "validation")]
    train, validation = (table[table["file"].isin(row)] for table in tables)

    def of(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        return features[table["file"].map(row).to_numpy()], table["label"].map(numbers).to_numpy(dtype=np.int64)

    return Samples(*of(train), *of(validation), validation["file"].tolist(), len(numbers))


def probe_features(samples: Samples, neighbours: int) -> dict[str, np.ndarray]:
    """Return {"neighbours": ..., "logistic": ...}, each the validation images' calibrated probabilities, (n, classes).

    They are calibrated by a temperature; `logistic` has the penalty that is best on validation.
    """
    known = samples.train, samples.train_labels, samples.classes
    fits = fit_path(*known, inverse_penalties=TWO_PENALTIES)
    candidates = {
        "neighbours": [neighbour_logits(*known, neighbours, samples.validation)],
        "logistic": (samples.validation @ kernel + bias for _, kernel, bias in fits),
    }
    return {name: np.exp(choose_calibrated(samples.validation_labels, one)) for name, one in candidates.items()}


def write_probe(probe: Probe, samples: Samples, probabilities: Mapping[str, np.ndarray]) -> None:
    """Write a probe: the scores of each kind, and the probabilities of the one whose log loss is lowest.

    Args:
        probe: The artifact to fill.
        samples: What was probed.
        probabilities: Of the validation images, by kind of probe.
    """
    labels = samples.validation_labels
    scores = {name: metrics.validation_scores(labels, one) for name, one in probabilities.items()}
    best = min(scores, key=lambda name: scores[name]["validation_log_loss"])
    table = pd.DataFrame(scores).T[list(VALIDATION)].rename_axis("method").reset_index()
    probe.write_table("scores.csv", table)
    probe.write_table("files.csv", pd.DataFrame({"file": samples.validation_files}))
    probe.write_arrays("predictions", {"labels": labels, "probabilities": probabilities[best].astype(np.float32)})
    facts = probe.facts
    facts.method, facts.train_images, facts.validation_images = best, len(samples.train), len(labels)
    vars(facts).update(scores[best])

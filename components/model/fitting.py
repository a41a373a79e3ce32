"""Heads that are fitted without epochs and without chance: what they share, from stored features to a classifier."""

from collections.abc import Callable, Iterable
from time import perf_counter

import keras
import numpy as np
import pandas as pd
from scipy.special import softmax

from components.data.artifacts import Classifier, Features, Splits, Weights
from components.model import assembly, delivery
from components.model.naming import model_of_step
from components.model.rows import Rows
from components.model.training import TrainingResult
from components.scores import metrics, selective
from components.scores.temperature import fit_temperature
from components.system.errors import UserError

Candidates = Callable[[np.ndarray, np.ndarray, int], Iterable[tuple[str, keras.Model]]]


def plain_features(rows: Rows) -> np.ndarray:
    """Return the features of the plain views of some images, (n, channels), in the order of the rows."""
    return rows.read_plain(np.arange(len(rows.rows)))


def deliver_best(
    step: str, features: Features, splits: Splits, weights: Weights, classifier: Classifier, candidates: Candidates
) -> None:
    """Write a classifier with the head, of several, whose log loss on validation is lowest after its own temperature.

    The heads are fitted on the plain views of the training images. Which are tried, and how good each is, is printed.

    Args:
        step: The step that makes it.
        features: The backbone's output, pooled, of every file and view.
        splits: The training and validation rows.
        weights: The backbone's pretrained weights.
        classifier: The classifier to be written.
        candidates: Takes the features, (n, channels), and class numbers, (n,), of the training images and the number of
            classes; yields heads, features to logits, each after what it is called.

    Raises:
        UserError: The features are maps.
    """
    if features.facts.pooling == "none":
        raise UserError(f"{step} takes features that are pooled, `extract: {{pooling: auto}}`; received maps")
    keras.utils.clear_session()  # layers without a name of their own are numbered from the start
    start = perf_counter()
    train, validation = assembly.rows_of_splits(features, splits)
    known, held_out = plain_features(train), plain_features(validation)
    best: tuple[float, str, keras.Model, np.ndarray] | None = None
    tried, outcomes = [], []
    for name, head in candidates(known, train.labels, len(features.facts.classes)):
        logits = head.predict(held_out, verbose=0)
        temperature = fit_temperature(validation.labels, logits)
        outcomes.append(selective.find_outcome(validation.labels, logits, temperature))
        calibrated = softmax(logits / temperature, axis=1)
        loss = metrics.log_loss(validation.labels, calibrated)
        tried.append(f"{name}: {loss:.4f}")
        if best is None or loss < best[0]:
            best = loss, name, head, logits
    assert best is not None
    _, name, head, logits = best
    print(f"{step}: {name} is chosen by its log loss on validation ({', '.join(tried)})")
    layers = [*assembly.backbone_layers(features, weights), head]
    fitted = assembly.Untrained(head, (train, validation), layers, head)
    seconds, chosen_among = perf_counter() - start, selective.Candidates(np.stack(outcomes))
    result = TrainingResult(pd.DataFrame(columns=["epoch"]), 0, logits, seconds, chosen_among)
    delivery.deliver(classifier, model_of_step(step), fitted, result)

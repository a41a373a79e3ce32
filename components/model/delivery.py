"""Delivering a classifier: one Keras model from raw RGB to calibrated probabilities, with its history and scores."""

import math
from collections.abc import Sequence

import keras
import numpy as np
import pandas as pd
from scipy.special import softmax

from components.data.artifacts import Classifier
from components.model.assembly import Untrained
from components.model.penultimate import penultimate_features
from components.model.prediction import inference_graph
from components.model.rows import Rows
from components.model.training import TrainingResult, predict_plain_views
from components.scores import conformal, metrics, selective
from components.scores.proportions import independent_units
from components.scores.temperature import fit_temperature
from components.scores.unlikeness import Unlikeness, fit_unlikeness
from components.system.errors import UserError

MOST, WIDEST = 5000, 4096  # training images whose features are looked at, and features of an image


def deliver(
    classifier: Classifier, name: str, untrained: Untrained, result: TrainingResult,
    layers: Sequence[keras.Layer] = (),
) -> None:  # fmt: skip
    """Write a classifier: its model with a temperature fitted on validation, `history.csv`, `layers.csv`, its facts.

    The scores on validation are those after the temperature. All layers are frozen. `promises.csv` says what share of
    right answers validation promises where the model answers only if it is sure, `coverages.csv` which classes a set of
    a stated coverage has; they have no rows where the result names no candidates that validation chose among.
    `unlikeness.npz` tells images that are unlike those that it was trained on; there is none where the model shows no
    penultimate features.

    Args:
        classifier: The classifier to be written.
        name: Which of the models of the registry it is.
        untrained: The model, trained by now, its rows, and its layers.
        result: What its training came to.
        layers: Those to deliver, where they are others than those that were trained.

    Raises:
        UserError: Its logits are not numbers.
    """
    train, validation = untrained.split_rows
    classes = classifier.facts.classes
    if not np.isfinite(result.logits).all():
        raise UserError(f"the outputs of {name} on validation are not numbers: lower the learning rate")
    temperature = fit_temperature(validation.labels, result.logits)
    scores = metrics.validation_scores(validation.labels, softmax(result.logits / temperature, axis=1))
    size = classifier.facts.image_size
    image = keras.Input((size, size, 3), name="image")
    x = image
    for layer in layers or untrained.layers:
        x = layer(x)
    x = keras.layers.Rescaling(1 / temperature, name="temperature")(x)
    model = keras.Model(image, keras.layers.Softmax(name="probabilities")(x), name=name)
    table = layer_table(untrained.layers)
    for layer in model.layers:
        layer.trainable = False
    classifier.save(model)
    classifier.write_table("history.csv", result.history)
    classifier.write_table("layers.csv", table)
    classifier.write_values("validation", {name.removeprefix("validation_"): value for name, value in scores.items()})
    answers = selective.answer_crosswise(result.candidates, validation.groups)
    classifier.write_table("promises.csv", selective.promise_table(answers))
    classifier.write_table("coverages.csv", conformal.coverage_table(answers))
    if (unlikeness := measure_unlikeness(untrained, result.logits)) is not None:
        classifier.write_arrays("unlikeness", unlikeness._asdict())
    facts = classifier.facts
    facts.model = name
    facts.temperature = temperature
    facts.model_parameters, facts.trainable_parameters = model.count_params(), int(table["trainable"].sum())
    facts.train_counts = np.bincount(train.labels, minlength=len(classes)).tolist()
    facts.validation_images = len(validation.labels)
    facts.epochs, facts.best_epoch = len(result.history), result.best_epoch
    vars(facts).update(scores)
    classifier.note_work("training", len(train.rows) * len(result.history), result.training_seconds)


def measure_unlikeness(untrained: Untrained, logits: np.ndarray) -> Unlikeness | None:
    """Return how unlike its training images a model finds others; None where it shows no features, or more than WIDEST.

    Of more than `MOST` training images so many are drawn, the same each time.

    Args:
        untrained: The model, trained by now, and its rows.
        logits: Of the validation images, (n, classes).
    """
    train, validation = untrained.split_rows
    features = penultimate_features(untrained.model)
    if features is None or features.shape[-1] > WIDEST:
        return None
    network = keras.Model(untrained.model.inputs[0], features, name="penultimate")
    infer = inference_graph(network, train.array.shape[2:], train.array.dtype)
    drawn = np.sort(np.random.default_rng(0).permutation(len(train.rows))[:MOST])
    known = predict_plain_views(infer, Rows(train.array, train.rows[drawn], train.labels[drawn]))
    held_out = predict_plain_views(infer, validation)
    return fit_unlikeness(known, (held_out, logits), independent_units(validation.groups, len(logits)))


def layer_table(layers: Sequence[keras.Layer]) -> pd.DataFrame:
    """Return a table with a row a layer: `layer`, `kind`, `output_shape`, and counts `parameters` and `trainable`.

    A network among them is a row for each of its layers, and for each network in it one. `output_shape` is without the
    batch, as in `4 x 4 x 512` or `any x any x 3`; `parameters` counts numbers, `trainable` those that training may
    change.
    """
    rows = []
    for one in layers:
        for layer in getattr(one, "layers", [one]):
            if not isinstance(layer, keras.layers.InputLayer):
                trainable = sum(math.prod(weight.shape) for weight in layer.trainable_weights)
                shape = " x ".join("any" if size is None else str(size) for size in layer.output.shape[1:])
                rows.append((layer.name, type(layer).__name__, shape, layer.count_params(), trainable))
    return pd.DataFrame(rows, columns=["layer", "kind", "output_shape", "parameters", "trainable"])

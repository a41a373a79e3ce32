"""Delivering a classifier: one Keras model from raw RGB to calibrated probabilities, with its record."""

from collections.abc import Sequence

import keras
import numpy as np
from scipy.special import softmax

from components.data.artifacts import Classifier
from components.model.epochs import Rows
from components.model.training import Trained
from components.scores import metrics
from components.scores.temperature import fit_temperature


def deliver(
    classifier: Classifier, name: str, layers: Sequence[keras.Layer], trained: Trained, parts: tuple[Rows, Rows]
) -> None:
    """Fit the temperature on validation, save the model and write the record.

    Args:
        classifier: The artifact to fill.
        name: Which of the models of the registry it is.
        layers: From raw RGB, (batch, size, size, 3) in [0, 255], to logits.
        trained: Its training.
        parts: The training and validation part that it was trained on.
    """
    train, validation = parts
    classes = classifier.facts["classes"]
    temperature = fit_temperature(validation.labels, trained.logits)
    size = classifier.facts["image_size"]
    image = keras.Input((size, size, 3), name="image")
    x = image
    for layer in layers:
        x = layer(x)
    x = keras.layers.Rescaling(1 / temperature, name="temperature")(x)
    model = keras.Model(image, keras.layers.Softmax(name="probabilities")(x), name=name)
    for layer in model.layers:
        layer.trainable = False
    classifier.save(model)
    classifier.write_table("history.csv", trained.history)
    validated = metrics.validation_scores(validation.labels, softmax(trained.logits / temperature, axis=1))
    classifier.write_values(
        "validation", {name.removeprefix("validation_"): value for name, value in validated.items()}
    )
    classifier.facts.update(
        model=name,
        temperature=temperature,
        model_parameters=model.count_params(),
        train_counts=np.bincount(train.labels, minlength=len(classes)).tolist(),
        validation_images=len(validation.labels),
        epochs=len(trained.history),
        best_epoch=trained.best_epoch,
        **validated,
    )
    classifier.did("training", len(train.rows) * len(trained.history), trained.training_seconds)

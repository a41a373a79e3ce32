"""Penultimate features: what a classifier's layer of logits takes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def penultimate_features(model: "keras.Model") -> "keras.KerasTensor | None":
    """Return the input of a model's layer of logits, a tensor of its graph, (batch, features); None without such one.

    A head that has none, as one of nearest neighbours, decides by its own input.

    Args:
        model: To logits; the layer may be within a model that it ends in.
    """
    import keras

    operation, number, _ = model.outputs[0]._keras_history
    source = operation._inbound_nodes[number].input_tensors[0]
    if isinstance(operation, keras.layers.Dense):
        return source
    if isinstance(operation, keras.Model):
        features = penultimate_features(operation)
        return None if features is None else keras.Model(operation.input, features, name="penultimate")(source)
    return model.inputs[0] if model.name == "head" else None


def with_features(network: "keras.Model") -> "keras.Model | None":
    """Return a network to [features, logits, probabilities] of a delivered classifier; None where it has no features.

    The features are the penultimate ones, the logits those before the temperature.

    An ensemble has none, nor has an average over views.
    """
    import keras

    logits = network.get_layer("temperature").input
    features = penultimate_features(keras.Model(network.input, logits, name="logits"))
    return (
        None if features is None else keras.Model(network.input, [features, logits, network.output], name=network.name)
    )

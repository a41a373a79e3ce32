"""Train the backbone's last layers, from the trained head on."""

from typing import Annotated

from components.data.artifacts import Classifier, Splits, Tensors, Top, Weights
from components.model.optimizers import OPTIMIZERS
from components.parameters import Count, Names, Positive, Seed
from components.step import Input, Output


def fine_tune(
    tensors: Input[Tensors],
    splits: Input[Splits],
    top: Input[Top],
    weights: Input[Weights],
    classifier: Output[Classifier],
    *,
    optimizer: Annotated[str, Names("optimizer", OPTIMIZERS)],
    learning_rate: Positive,
    epochs: Count,
    patience: Count,
    batch_size: Count,
    seed: Seed,
) -> None:
    """Train the backbone's last layers together with the trained head, from stored tensors at the cut.

    Batch normalisation stays frozen, in inference mode.

    Args:
        tensors: Activations at the cut of every file and view; they say which layer is the first to be trained.
        splits: The training and validation rows.
        top: The trained head.
        weights: The backbone's pretrained weights.
        classifier: Backbone and head in one.
        optimizer: Name of an optimizer.
        learning_rate: Step size of the optimizer.
        epochs: Epochs at most.
        patience: Epochs without a lower validation loss before it stops.
        batch_size: Images a batch.
        seed: Seed of the dropout, the order and the views.

    Raises:
        UserError: Training diverges.
    """
    import keras

    from components.model import backbones, delivery, training
    from components.model.cut import cut
    from components.results import tracking

    settings = training.Settings(optimizer, learning_rate, epochs, patience, batch_size, seed)
    training.seeded(seed)
    parts = delivery.parts(tensors, splits)
    entry = backbones.get(weights.facts["backbone"])
    network = entry.build(tensors.facts["image_size"], weights.file)
    _, suffix = cut(network, tensors.facts["first_trainable"])
    head = top.load()
    pooling = top.facts["pooling"]
    model = keras.Model(suffix.input, head(backbones.pooling(pooling)(suffix.output)))
    classifier.facts["trainable_parameters"] = int(sum(keras.ops.size(weight) for weight in model.trainable_weights))
    with tracking.live(classifier, "fine_tuned") as log_epoch:
        trained = training.train("fine_tune", model, parts, settings, log_epoch, classifier.resume)
    layers = delivery.transfer_layers(entry, network, pooling, head)
    delivery.deliver(classifier, "fine_tuned", layers, trained, parts)

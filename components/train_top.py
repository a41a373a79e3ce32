"""Train a head on stored features."""

from typing import Annotated

from components.data.artifacts import Classifier, Features, Splits, Top, Weights
from components.model.heads import HEADS
from components.model.optimizers import OPTIMIZERS
from components.parameters import Count, Names, PartialShare, Positive, Seed
from components.step import Input, Output


def train_top(
    features: Input[Features],
    splits: Input[Splits],
    weights: Input[Weights],
    top: Output[Top],
    classifier: Output[Classifier],
    *,
    head: Annotated[str, Names("head", HEADS)],
    dropout: PartialShare,
    optimizer: Annotated[str, Names("optimizer", OPTIMIZERS)],
    learning_rate: Positive,
    epochs: Count,
    patience: Count,
    batch_size: Count,
    seed: Seed,
) -> None:
    """Train a head on the stored features of the frozen backbone.

    Args:
        features: The backbone's output, pooled as the head takes it, of every file and view.
        splits: The training and validation rows.
        weights: The backbone's pretrained weights.
        top: The trained head.
        classifier: Backbone and head in one.
        head: Name of an entry in the registry of heads.
        dropout: Share of the features that are left out at random in training, in [0, 1).
        optimizer: Name of an optimizer.
        learning_rate: Step size of the optimizer.
        epochs: Epochs at most.
        patience: Epochs without a lower validation loss before it stops.
        batch_size: Images a batch.
        seed: Seed of the weights, the dropout, the order and the views.

    Raises:
        UserError: The head takes features of another pooling, or training diverges.
    """
    from components.model import backbones, delivery, heads, training
    from components.results import tracking

    settings = training.Settings(optimizer, learning_rate, epochs, patience, batch_size, seed)
    training.seeded(seed)
    parts = delivery.parts(features, splits)
    pooling = features.facts["pooling"]
    model = heads.build(head, pooling, features.array.shape[2:], len(splits.facts["classes"]), dropout)
    with tracking.live(classifier, "top") as log_epoch:
        trained = training.train("train_top", model, parts, settings, log_epoch, classifier.resume)
    model.save(top.file)
    entry = backbones.get(weights.facts["backbone"])
    network = entry.build(features.facts["image_size"], weights.file)
    delivery.deliver(classifier, "top", delivery.transfer_layers(entry, network, pooling, model), trained, parts)

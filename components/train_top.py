"""Train a head on stored features."""

from typing import Annotated

from components.data.artifacts import Classifier, Features, Splits, Top, Weights
from components.model.heads import HEADS
from components.model.optimizers import CLASS_WEIGHTS, MONITORS, OPTIMIZERS, SCHEDULES
from components.naming import name_of
from components.parameters import Count, Names, NotNegative, PartialShare, Positive, Seed
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
    schedule: Annotated[str, Names("schedule", SCHEDULES)],
    warm_up: PartialShare,
    momentum: PartialShare,
    weight_decay: NotNegative,
    l2: NotNegative,
    label_smoothing: PartialShare,
    class_weights: Annotated[str, Names("class weights", CLASS_WEIGHTS)],
    monitor: Annotated[str, Names("monitor", MONITORS)],
    min_delta: NotNegative,
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
        schedule: The learning rate over all epochs: constant, or cosine, which falls to 0.
        warm_up: Share of all batches in which the learning rate rises from 0, in [0, 1).
        momentum: Share of the last step that goes on in the next, in [0, 1); of sgd alone.
        weight_decay: Share of the weights, times the learning rate, that each step takes off; of adamw alone.
        l2: Penalty on the squares of the head's kernels, added to the training loss.
        label_smoothing: Share of each training label that is spread over all classes, in [0, 1).
        class_weights: Weights of the images in the training loss: none, or balanced, the same sum for each class.
        monitor: What the best epoch is best in, on validation: log_loss or accuracy.
        min_delta: By how much an epoch must be better than the best.
        epochs: Epochs at most.
        patience: Epochs without a better one before it stops.
        batch_size: Images a batch.
        seed: Seed of the weights, the dropout, the order and the views.

    Raises:
        UserError: The head takes features of another pooling, the optimizer has no weight decay where there is to be
            some, or training diverges.
    """
    from components.model import assembly, delivery, training
    from components.results import tracking

    settings = training.Settings(
        optimizer=optimizer, learning_rate=learning_rate, schedule=schedule, warm_up=warm_up, momentum=momentum,
        weight_decay=weight_decay, label_smoothing=label_smoothing, class_weights=class_weights, monitor=monitor,
        min_delta=min_delta, epochs=epochs, patience=patience, batch_size=batch_size, seed=seed, l2=l2,
    )  # fmt: skip
    if features.facts["pooling"] == "average":
        training.one_thread()
    training.seeded(seed)
    untrained = assembly.top(features, splits, weights, head, dropout)
    with tracking.live(classifier, name_of("train_top")) as log_epoch:
        trained = training.train(
            "train_top", untrained.model, untrained.parts, settings, log_epoch, classifier.resume, untrained.head
        )
        top.save(untrained.model)
        delivery.deliver(classifier, name_of("train_top"), untrained.layers, trained, untrained.parts)

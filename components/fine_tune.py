"""Train the backbone's last layers, from the trained head on."""

from typing import Annotated

from components.data.artifacts import Classifier, Splits, Tensors, Top, Weights
from components.model.optimizers import CLASS_WEIGHTS, MONITORS, OPTIMIZERS, SCHEDULES
from components.naming import name_of
from components.parameters import Count, Names, NotNegative, PartialShare, Positive, Seed, Share
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
    backbone_rate: Share,
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
        backbone_rate: Share of the learning rate at which the backbone's layers learn, in [0, 1].
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
        seed: Seed of the dropout, the order and the views.

    Raises:
        UserError: The optimizer has no weight decay, and there is to be some, or training diverges.
    """
    import keras

    from components.model import assembly, delivery, training
    from components.results import tracking

    settings = training.Settings(
        optimizer=optimizer, learning_rate=learning_rate, schedule=schedule, warm_up=warm_up, momentum=momentum,
        weight_decay=weight_decay, label_smoothing=label_smoothing, class_weights=class_weights, monitor=monitor,
        min_delta=min_delta, epochs=epochs, patience=patience, batch_size=batch_size, seed=seed, l2=l2,
        backbone_rate=backbone_rate,
    )  # fmt: skip
    training.seeded(seed)
    with training.strategy().scope(), tracking.live(classifier, name_of("fine_tune")) as log_epoch:
        untrained = assembly.fine_tuned(tensors, splits, top, weights)
        sizes = [keras.ops.size(weight) for weight in untrained.model.trainable_weights]
        classifier.facts["trainable_parameters"] = int(sum(sizes))
        trained = training.train(
            "fine_tune", untrained.model, untrained.parts, settings, log_epoch, classifier.resume, untrained.head
        )
        delivery.deliver(classifier, name_of("fine_tune"), untrained.layers, trained, untrained.parts)

"""Train the benchmark: a network from scratch."""

from typing import Annotated

from components.data.artifacts import Augmented, Classifier, Splits
from components.model.benchmark import NETWORKS
from components.model.optimizers import CLASS_WEIGHTS, MONITORS, OPTIMIZERS, SCHEDULES
from components.naming import name_of
from components.parameters import Count, Names, NotNegative, PartialShare, Pixels, Positive, Range, Seed
from components.step import Input, Output


def train_benchmark(
    augmented: Input[Augmented],
    splits: Input[Splits],
    classifier: Output[Classifier],
    *,
    network: Annotated[str, Names("benchmark network", NETWORKS)],
    image_size: Pixels,
    width: Count,
    stages: Annotated[int, Range("from 3 to 12", lambda value: 3 <= value <= 12)],
    optimizer: Annotated[str, Names("optimizer", OPTIMIZERS)],
    learning_rate: Positive,
    schedule: Annotated[str, Names("schedule", SCHEDULES)],
    warm_up: PartialShare,
    momentum: PartialShare,
    weight_decay: NotNegative,
    label_smoothing: PartialShare,
    class_weights: Annotated[str, Names("class weights", CLASS_WEIGHTS)],
    monitor: Annotated[str, Names("monitor", MONITORS)],
    min_delta: NotNegative,
    epochs: Count,
    patience: Count,
    batch_size: Count,
    seed: Seed,
) -> None:
    """Train the benchmark: a network from scratch, on the images alone.

    Args:
        augmented: The plain images and their views.
        splits: The training and validation rows.
        classifier: The trained network.
        network: cnn, a convolutional network, or perceptron, one dense layer on the pixels.
        image_size: Pixels a side that it sees; images are resized to it inside the model.
        width: Channels of the first stage, doubled from stage to stage up to eight times; of cnn alone.
        stages: Convolutions, each followed by pooling, three or more; of cnn alone.
        optimizer: Name of an optimizer.
        learning_rate: Step size of the optimizer.
        schedule: The learning rate over all epochs: constant, or cosine, which falls to 0.
        warm_up: Share of all batches in which the learning rate rises from 0, in [0, 1).
        momentum: Share of the last step that goes on in the next, in [0, 1); of sgd alone.
        weight_decay: Share of the weights, times the learning rate, that each step takes off; of adamw alone.
        label_smoothing: Share of each training label that is spread over all classes, in [0, 1).
        class_weights: Weights of the images in the training loss: none, or balanced, the same sum for each class.
        monitor: What the best epoch is best in, on validation: log_loss or accuracy.
        min_delta: By how much an epoch must be better than the best.
        epochs: Epochs at most.
        patience: Epochs without a better one before it stops.
        batch_size: Images a batch.
        seed: Seed of the weights, the dropout, the order and the views.

    Raises:
        UserError: The images are too small for the stages, the optimizer has no weight decay, and there is to be some,
            or training diverges.
    """
    from components.model import assembly, delivery, training
    from components.results import tracking

    settings = training.Settings(
        optimizer=optimizer, learning_rate=learning_rate, schedule=schedule, warm_up=warm_up, momentum=momentum,
        weight_decay=weight_decay, label_smoothing=label_smoothing, class_weights=class_weights, monitor=monitor,
        min_delta=min_delta, epochs=epochs, patience=patience, batch_size=batch_size, seed=seed,
    )  # fmt: skip
    training.seeded(seed)
    untrained = assembly.benchmark(augmented, splits, network, image_size, width, stages)
    with tracking.live(classifier, name_of("train_benchmark")) as log_epoch:
        trained = training.train(
            "train_benchmark", untrained.model, untrained.parts, settings, log_epoch, classifier.resume
        )
        delivery.deliver(classifier, name_of("train_benchmark"), untrained.layers, trained, untrained.parts)

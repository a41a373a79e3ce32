"""Train the benchmark: a convolutional network from scratch."""

from typing import Annotated

from components.data.artifacts import Augmented, Classifier, Splits
from components.model.optimizers import OPTIMIZERS
from components.parameters import Count, Names, Pixels, Positive, Range, Seed
from components.step import Input, Output


def train_benchmark(
    augmented: Input[Augmented],
    splits: Input[Splits],
    classifier: Output[Classifier],
    *,
    image_size: Pixels,
    width: Count,
    stages: Annotated[int, Range("from 3 to 12", lambda value: 3 <= value <= 12)],
    optimizer: Annotated[str, Names("optimizer", OPTIMIZERS)],
    learning_rate: Positive,
    epochs: Count,
    patience: Count,
    batch_size: Count,
    seed: Seed,
) -> None:
    """Train the benchmark: a convolutional network from scratch, on the images alone.

    Args:
        augmented: The plain images and their views.
        splits: The training and validation rows.
        classifier: The trained network.
        image_size: Pixels a side that it sees; images are resized to it inside the model.
        width: Channels of the first stage, doubled from stage to stage up to eight times.
        stages: Convolutions, each followed by pooling; three or more.
        optimizer: Name of an optimizer.
        learning_rate: Step size of the optimizer.
        epochs: Epochs at most.
        patience: Epochs without a lower validation loss before it stops.
        batch_size: Images a batch.
        seed: Seed of the weights, the dropout, the order and the views.

    Raises:
        UserError: The images are too small for the stages, or training diverges.
    """
    import keras

    from components.model import benchmark, delivery, training
    from components.results import tracking

    settings = training.Settings(optimizer, learning_rate, epochs, patience, batch_size, seed)
    training.seeded(seed)
    parts = delivery.parts(augmented, splits)
    layers = [
        keras.layers.Resizing(image_size, image_size, name="resizing"),
        keras.layers.Rescaling(1 / 127.5, -1.0, name="preprocessing"),
        benchmark.build(image_size, len(splits.facts["classes"]), width, stages),
    ]
    model = keras.Sequential([keras.Input(augmented.array.shape[2:]), *layers])
    with tracking.live(classifier, "benchmark") as log_epoch:
        trained = training.train("train_benchmark", model, parts, settings, log_epoch, classifier.resume)
    delivery.deliver(classifier, "benchmark", layers, trained, parts)

"""Train the benchmark: a network from scratch."""

from typing import Annotated

from components.data.artifacts import Augmented, Classifier, Splits
from components.machinery.signature import Input, Output
from components.model.benchmark import NETWORKS
from components.model.naming import model_of_step
from components.model.settings import Training
from components.system.limits import Count, Names, Pixels, Range


def train_benchmark(
    augmented: Input[Augmented],
    splits: Input[Splits],
    classifier: Output[Classifier],
    *,
    network: Annotated[str, Names("benchmark network", NETWORKS)],
    image_size: Pixels,
    width: Count,
    stages: Annotated[int, Range("from 3 to 12", lambda value: 3 <= value <= 12)],
    settings: Training,
) -> None:
    """Train the benchmark: a network from scratch, on the images alone.

    Args:
        augmented: The plain images and their views.
        splits: The training and validation rows.
        classifier: The trained network.
        network: cnn, a convolutional network, or perceptron, one dense layer on the pixels.
        image_size: Pixels a side that it sees; images are resized to it inside the model.
        width: Channels of the first stage, doubled from stage to stage up to eight times; of cnn alone.
        stages: How many convolutions, each followed by pooling, three or more; of cnn alone.
        settings: How to train.

    Raises:
        UserError: The images are too small for the stages, or training diverges.
    """
    from components.model import assembly, delivery, runtime, training
    from components.results import tracking

    runtime.set_seed(settings.seed)
    untrained = assembly.assemble_benchmark(
        augmented, splits, network, image_size, width, stages, classifier.path.parent
    )
    with tracking.live_run(classifier, model_of_step("train_benchmark")) as log_epoch:
        result = training.train(
            "train_benchmark", untrained.model, untrained.split_rows, settings, log_epoch, classifier.resume
        )
        delivery.deliver(classifier, model_of_step("train_benchmark"), untrained, result)

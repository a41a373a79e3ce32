"""Train a head on stored features."""

from typing import Annotated

from components.data.artifacts import Classifier, Features, Splits, Top, Weights
from components.machinery.signature import Input, Output
from components.model.heads import HEADS
from components.model.naming import model_of_step
from components.model.settings import HeadTraining
from components.system.limits import Count, Names, PartialShare


def train_top(
    features: Input[Features],
    splits: Input[Splits],
    weights: Input[Weights],
    top: Output[Top],
    classifier: Output[Classifier],
    *,
    head: Annotated[str, Names("head", HEADS)],
    dropout: PartialShare,
    width: Count,
    depth: Count,
    settings: HeadTraining,
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
        width: Units of each hidden layer of the head hidden; channels of each convolution of conv behind its first,
            which has half as many; of these two alone.
        depth: Hidden layers of the head hidden; convolutions of conv behind its first; of these two alone.
        settings: How to train.

    Raises:
        UserError: The head takes features of another pooling, or training diverges.
    """
    from components.model import assembly, delivery, runtime, training
    from components.results import tracking

    if features.facts.pooling != "none":
        runtime.use_one_thread()
    runtime.set_seed(settings.seed)
    untrained = assembly.assemble_top(features, splits, weights, head, dropout, width, depth)
    with tracking.live_run(classifier, model_of_step("train_top")) as log_epoch:
        result = training.train(
            "train_top", untrained.model, untrained.split_rows, settings, log_epoch, classifier.resume, untrained.head
        )
        top.save(untrained.model)
        delivery.deliver(classifier, model_of_step("train_top"), untrained, result)

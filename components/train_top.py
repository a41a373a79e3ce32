"""Train a head on stored features."""

from typing import Annotated

from components.data.artifacts import Classifier, Features, Splits, Top, Weights
from components.machinery.signature import Input, Output
from components.model.heads import HEADS
from components.model.naming import name_of
from components.model.settings import HeadTraining
from components.system.limits import Names, PartialShare


def train_top(
    features: Input[Features],
    splits: Input[Splits],
    weights: Input[Weights],
    top: Output[Top],
    classifier: Output[Classifier],
    *,
    head: Annotated[str, Names("head", HEADS)],
    dropout: PartialShare,
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
        settings: How to train.

    Raises:
        UserError: The head takes features of another pooling, or training diverges.
    """
    from components.model import assembly, delivery, training
    from components.results import tracking

    if features.facts["pooling"] == "average":
        training.one_thread()
    training.seeded(settings.seed)
    untrained = assembly.top(features, splits, weights, head, dropout)
    with tracking.live_run(classifier, name_of("train_top")) as log_epoch:
        trained = training.train(
            "train_top", untrained.model, untrained.parts, settings, log_epoch, classifier.resume, untrained.head
        )
        top.save(untrained.model)
        delivery.deliver(classifier, name_of("train_top"), untrained.layers, trained, untrained.parts)

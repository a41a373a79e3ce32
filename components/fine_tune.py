"""Train the backbone's last layers, from the trained head on."""

from components.data.artifacts import Classifier, Splits, Tensors, Top, Weights
from components.machinery.signature import Input, Output
from components.model.naming import name_of
from components.model.settings import FineTuning


def fine_tune(
    tensors: Input[Tensors],
    splits: Input[Splits],
    top: Input[Top],
    weights: Input[Weights],
    classifier: Output[Classifier],
    *,
    settings: FineTuning,
) -> None:
    """Train the backbone's last layers together with the trained head, from stored tensors at the cut.

    Batch normalisation stays frozen, in inference mode.

    Args:
        tensors: Activations at the cut of every file and view; they say which layer is the first to be trained.
        splits: The training and validation rows.
        top: The trained head.
        weights: The backbone's pretrained weights.
        classifier: Backbone and head in one.
        settings: How to train.

    Raises:
        UserError: Training diverges.
    """
    import keras

    from components.model import assembly, delivery, training
    from components.results import tracking

    training.seeded(settings.seed)
    with training.strategy().scope(), tracking.live_run(classifier, name_of("fine_tune")) as log_epoch:
        untrained = assembly.fine_tuned(tensors, splits, top, weights)
        sizes = [keras.ops.size(weight) for weight in untrained.model.trainable_weights]
        classifier.facts["trainable_parameters"] = int(sum(sizes))
        trained = training.train(
            "fine_tune", untrained.model, untrained.parts, settings, log_epoch, classifier.resume, untrained.head
        )
        delivery.deliver(classifier, name_of("fine_tune"), untrained.layers, trained, untrained.parts)

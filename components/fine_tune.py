"""Train the backbone's last layers together with the trained head."""

from components.data.artifacts import Classifier, Splits, Tensors, Top, Weights
from components.machinery.signature import Input, Output
from components.model.naming import model_of_step
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
        UserError: Training diverges, or none of the layers that are trained takes LoRA.
    """
    from components.model import assembly, delivery, nodes, runtime, soup
    from components.results import tracking

    def assemble() -> assembly.Untrained:
        return assembly.assemble_fine_tuning(tensors, splits, top, weights, settings.lora)

    nodes.meet(classifier)
    strategy = runtime.device_strategy()
    with tracking.live_run(classifier, model_of_step("fine_tune")) as log_epoch:
        untrained, result, averaged = soup.train_soup(
            "fine_tune", assemble, settings, log_epoch, classifier.resume, strategy
        )
        classifier.facts.averaged_runs = averaged
        merged = assembly.plain_layers(untrained.layers, weights) if settings.lora else ()
        delivery.deliver(classifier, model_of_step("fine_tune"), untrained, result, merged)

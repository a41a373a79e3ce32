"""Score a network's features before anything is trained on them."""

from components.data.artifacts import Embeddings, Probe, Splits
from components.machinery.signature import Input, Output
from components.system.limits import Count


def probe(
    embeddings: Input[list[Embeddings]], splits: Input[Splits], probe: Output[Probe], *, neighbours: Count = 20
) -> None:
    """Fit nearest neighbours and logistic regression to training features; write how well both classify validation.

    Of the one with the lower log loss the predictions are written, too.

    Args:
        embeddings: The features of one part or more of the training and validation images.
        splits: The labels of both.
        probe: The scores on validation, after the temperature of each, and the better one's probabilities.
        neighbours: How many neighbours vote.
    """
    from time import perf_counter

    from components.model import probing
    from components.results import tracking

    start = perf_counter()
    samples = probing.read_samples(embeddings, splits)
    probing.write_probe(probe, samples, probing.probe_features(samples, neighbours))
    probe.note_work("probing", len(samples.train_labels), perf_counter() - start)
    tracking.log_probe_or_warn(probe)

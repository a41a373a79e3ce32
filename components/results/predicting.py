"""What a classifier says of the test images, before its temperature: from one run, or in shards of a report."""

import keras
import numpy as np
import pandas as pd
from scipy.special import softmax

from components.data.artifacts import Augmented, Classifier, Report, TestSplit
from components.model import averaged_views
from components.model.prediction import predict_outputs
from components.model.written import WrittenNetwork, open_network
from components.results.failures import class_numbers
from components.scores import metrics
from components.scores.temperature import fit_temperature
from components.system.errors import UserError

OUTPUTS = "outputs"  # the file of a shard, `outputs.npz`: `outputs`, (rows, views, classes)


def fill_shard(
    report: Report, augmented: Augmented, test_split: TestSplit, classifier: Classifier, views: str, batch_size: int
) -> None:
    """Write `outputs.npz`, all that a shard of a Report has: what `predict_outputs` gives for its test images.

    Raises:
        UserError: Views are to be averaged, and there are none.
    """
    rows = augmented.rows(test_split.table("test_split.csv")["file"].tolist())
    outputs = np.empty((0, 1, len(classifier.facts.classes)), np.float32)  # where a shard has no images
    model = predicting_network(open_network(classifier), augmented, views)
    with report.time_work("evaluation", len(rows)):
        if len(rows):
            outputs = predict_outputs(model, augmented.array, rows, batch_size)
    report.write_arrays(OUTPUTS, {OUTPUTS: outputs})


def outputs_of_shards(report: Report) -> np.ndarray:
    """Return what `predict_outputs` gives for all test images, (rows, views, classes), joined from report shards."""
    return np.concatenate([shard.arrays(OUTPUTS)[OUTPUTS] for shard in report.shards])


def predicting_network(
    network: keras.Model | WrittenNetwork, augmented: Augmented, views: str
) -> keras.Model | WrittenNetwork:
    """Return the network that predicts: unchanged for `plain` views, else one that averages over views of an image.

    The views are those that `augmented` says, the same of every image, without RandAugment. The average has no
    temperature yet: `calibrate_average`.

    Args:
        network: A delivered classifier.
        augmented: The plain images, and how their views are drawn.
        views: `plain` or `averaged`.

    Raises:
        UserError: There are no views, or the network is a written file.
    """
    if views == "plain":
        return network
    facts = augmented.facts
    if not facts.views:
        raise UserError("evaluate: views is averaged, but `augment` made none: give it views of 1 or more")
    if isinstance(network, WrittenNetwork):
        raise UserError("evaluate: a written file averages the views that are in it: give views: plain")
    if facts.view_limits.get("randaugment"):
        print("evaluate: the averaged views are without RandAugment, whose colours no delivered network makes")
    return averaged_views.average_views(network, averaged_views.fixed_views(fact_of_views(augmented)))


def fact_of_views(augmented: Augmented) -> dict[str, int | float | str]:
    """Return the fact `averaged_views`: number, seed and limits of the views over which is averaged."""
    facts = augmented.facts
    limits = {name: facts.view_limits[name] for name in averaged_views.FIELDS}
    return {"views": facts.views, "seed": facts.view_seed, **limits}


def calibrate_average(
    report: Report, network: keras.Model, augmented: Augmented, labels: "pd.Series[str]", outputs: np.ndarray
) -> keras.Model:
    """Return the network that averages over views, with a temperature; set that, its views and validation scores.

    A mean of probabilities is less confident than each of them, so it needs a temperature of its own.

    Args:
        report: The report.
        network: A delivered classifier.
        augmented: The plain images, and how their views are drawn.
        labels: The classes of the validation images, (n,).
        outputs: What the average says of these before a temperature, (n, 1, classes).

    Source: Rahaman & Thiery, Uncertainty Quantification and Deep Ensembles, arXiv 2007.08792.
    """
    report.facts.averaged_views = fact_of_views(augmented)
    numbers, logits = class_numbers(labels, report.facts.classes), outputs[:, 0]
    temperature = fit_temperature(numbers, logits)
    vars(report.facts).update(metrics.validation_scores(numbers, softmax(logits / temperature, axis=1)))
    report.facts.temperature = temperature
    return averaged_views.average_views(network, averaged_views.fixed_views(report.facts.averaged_views), temperature)

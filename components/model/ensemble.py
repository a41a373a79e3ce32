"""The average of classifiers, as a classifier."""

from collections.abc import Sequence

import keras
import pandas as pd

from components.data.artifacts import Augmented, Classifier, Splits
from components.model import assembly, delivery
from components.model.naming import name_of
from components.model.prediction import LEAST, outputs, views_of
from components.model.training import Trained
from components.system.errors import UserError


def average(
    augmented: Sequence[Augmented], splits: Splits, classifiers: Sequence[Classifier], ensemble: Classifier,
    batch_size: int,
) -> None:  # fmt: skip
    """Fill an ensemble: the mean of the classifiers' probabilities, calibrated on validation like each of them.

    Source: Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty Estimation, arXiv 1612.01474.

    Raises:
        UserError: There is one classifier alone, or they take images of different sizes.
    """
    if len(classifiers) < 2:
        raise UserError(f"average: {classifiers[0].path} alone has no average: give two classifiers or more")
    sizes = {classifier.facts.image_size for classifier in classifiers}
    if len(sizes) > 1:
        raise UserError(f"average: classifiers of images of one size have an average; received {sorted(sizes)} pixels")
    keras.utils.clear_session()  # layers without a name of their own are numbered from the start
    size = sizes.pop()
    image = keras.Input((size, size, 3), name="image")
    members = []
    for number, classifier in enumerate(classifiers, start=1):
        member = classifier.load()
        member.name = f"{classifier.facts.model}_{number}"
        members.append(member(image))
    mean = keras.layers.Average(name="average")(members)
    model = keras.Model(image, keras.ops.log(mean + LEAST), name="members")
    parts = assembly.parts(views_of(classifiers[0], augmented), splits)
    validation = parts[1]
    (logits,) = outputs(model, validation.array[:, :1], validation.rows, batch_size)
    vars(ensemble.facts).pop("arms", None)  # from which a member was chosen
    ensemble.facts.members = [classifier.facts.model for classifier in classifiers]
    untrained = Trained(pd.DataFrame(columns=["epoch"]), 0, logits[:, 0], 0.0)
    delivery.deliver(ensemble, name_of("average"), [model], untrained, parts)

"""The average of classifiers, as a classifier."""

from collections.abc import Sequence

import keras
import pandas as pd

from components.data.artifacts import Augmented, Classifier, Splits
from components.model import assembly, delivery
from components.model.naming import model_name
from components.model.prediction import LOG_FLOOR, predict_views, training_views
from components.model.training import TrainingResult
from components.system.errors import UserError


def average_classifiers(
    augmented: Sequence[Augmented], splits: Splits, classifiers: Sequence[Classifier], ensemble: Classifier,
    batch_size: int,
) -> None:  # fmt: skip
    """Write the classifier that averages others' probabilities, then applies a temperature fitted on validation.

    Validation is on the plain images. The history has no rows, the fact `members` names the model of each member.

    Args:
        augmented: Sets of views; that of the first classifier is used, as `training_views` finds it.
        splits: The training and validation rows.
        classifiers: The members.
        ensemble: The classifier to be written.
        batch_size: Images a batch.

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
    probabilities = []
    for number, classifier in enumerate(classifiers, start=1):
        member = classifier.load()
        member.name = f"{classifier.facts.model}_{number}"
        probabilities.append(member(image))
    mean = keras.layers.Average(name="average")(probabilities)
    model = keras.Model(image, keras.ops.log(mean + LOG_FLOOR), name="members")
    split_rows = assembly.rows_of_splits(training_views(classifiers[0], augmented), splits)
    validation = split_rows[1]
    (logits,) = predict_views(model, validation.array[:, :1], validation.rows, batch_size)
    vars(ensemble.facts).pop("arms", None)  # from which a member was chosen
    ensemble.facts.members = [classifier.facts.model for classifier in classifiers]
    result = TrainingResult(pd.DataFrame(columns=["epoch"]), 0, logits[:, 0], 0.0)
    delivery.deliver(ensemble, model_name("average"), [model], result, split_rows)

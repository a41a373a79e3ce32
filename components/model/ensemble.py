"""The average of classifiers, as a classifier."""

from collections.abc import Sequence

import keras
import pandas as pd

from components.data.artifacts import Augmented, Classifier, Splits
from components.model import assembly, delivery
from components.model.naming import model_of_step
from components.model.prediction import LOG_FLOOR, predict_views, training_views
from components.model.training import TrainingResult
from components.system.errors import UserError


def average_classifiers(
    augmented: Sequence[Augmented], splits: Splits, classifiers: Sequence[Classifier], ensemble: Classifier,
    batch_size: int,
) -> None:  # fmt: skip
    """Write the classifier that averages others' probabilities, then applies a temperature fitted on validation.

    It takes images of the largest size among them, and resizes them itself for members of smaller ones, which is
    printed. Validation is on the plain images. The history has no rows, the fact `members` names the model of each.

    Args:
        augmented: Sets of views; those of the largest images that a classifier takes are used, by `training_views`.
        splits: The training and validation rows.
        classifiers: The members.
        ensemble: The classifier to be written.
        batch_size: Images a batch.

    Source: Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty Estimation, arXiv 1612.01474.

    Raises:
        UserError: There is one classifier alone, or their images became squares in different ways.
    """
    if len(classifiers) < 2:
        raise UserError(f"average: {classifiers[0].path} alone has no average: give two classifiers or more")
    ways = sorted({classifier.facts.resize for classifier in classifiers})
    if len(ways) > 1:
        raise UserError(
            f"average: classifiers of images resized in one way have an average; received {', '.join(ways)}: vary no "
            "`augment.resize` beside `ensemble`"
        )
    keras.utils.clear_session()  # layers without a name of their own are numbered from the start
    largest = max(classifiers, key=lambda classifier: classifier.facts.image_size)
    size = largest.facts.image_size
    image = keras.Input((size, size, 3), name="image")
    probabilities = []
    for number, classifier in enumerate(classifiers, start=1):
        member = classifier.load()
        member.name = f"{classifier.facts.model}_{number}"
        side = classifier.facts.image_size
        if side < size:
            print(f"average: of images of {size} pixels, {member.name} sees {side}: they are resized within the model")
        probabilities.append(member(keras.layers.Resizing(side, side)(image) if side < size else image))
    mean = keras.layers.Average(name="average")(probabilities)
    model = keras.Model(image, keras.ops.log(mean + LOG_FLOOR), name="members")
    split_rows = assembly.rows_of_splits(training_views(largest, augmented), splits)
    validation = split_rows[1]
    (logits,) = predict_views(model, validation.array, validation.rows, batch_size)
    vars(ensemble.facts).pop("arms", None)  # from which a member was chosen
    ensemble.facts.image_size, ensemble.facts.resize = size, ways[0]
    ensemble.facts.members = [classifier.facts.model for classifier in classifiers]
    result = TrainingResult(pd.DataFrame(columns=["epoch"]), 0, logits[:, 0], 0.0)
    untrained = assembly.Untrained(model, split_rows, [model])
    delivery.deliver(ensemble, model_of_step("average"), untrained, result)

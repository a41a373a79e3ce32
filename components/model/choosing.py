"""The choice among classifiers of one model by their validation scores."""

import shutil
from collections.abc import Sequence
from typing import Any

from components.data.artifacts import Classifier
from components.scores.conformal import lower_coverages
from components.scores.selective import lower_limits
from components.system.errors import UserError

FILES = (
    "model.keras",
    "history.csv",
    "layers.csv",
    "validation.json",
    "promises.csv",
    "coverages.csv",
    "unlikeness.npz",
)  # of a classifier; the last is not there for a model that shows no features


def copy_best(arms: Sequence[Classifier], target: Classifier) -> None:
    """Copy the arm with the lowest validation log loss, the first of equals, and the ranking of all, into `target`.

    The copy's fact `arms` has the values in which the arms differ, by `STEP.PARAMETER`, and the validation log loss of
    each, the best first. What validation promises is made to hold for all arms at once, and coverages for the chosen.

    Raises:
        UserError: They are of different models, or two are alike.
    """
    models = {arm.facts.model for arm in arms}
    if len(models) > 1:
        raise UserError(
            f"choose_classifier: one is chosen of the arms of one model; received {', '.join(sorted(models))}"
        )
    ranked = sorted(arms, key=lambda arm: arm.facts.validation_log_loss)
    best = ranked[0]
    ranking = [
        {"values": values, "validation_log_loss": arm.facts.validation_log_loss}
        for arm, values in zip(ranked, differing_values(ranked), strict=True)
    ]
    for name in FILES:
        if (best.path / name).is_file():
            shutil.copyfile(best.path / name, target.path / name)
    for section in ("facts", "parameters", "lineage"):
        target.manifest[section] = {**best.manifest[section]}
    target.manifest["parameters"]["choose_classifier"] = {}
    target.facts.arms = ranking
    promises = target.table("promises.csv")
    target.write_table("promises.csv", promises.assign(right=lower_limits(promises, len(arms))))
    coverages = target.table("coverages.csv")
    target.write_table("coverages.csv", coverages.assign(coverage=lower_coverages(coverages, len(arms))))


def differing_values(arms: Sequence[Classifier]) -> list[dict[str, Any]]:
    """Return for each arm its values, by `STEP.PARAMETER`, of the parameters in which arms differ; None for lacking.

    Parameters that the first arm lacks are left out.

    Raises:
        UserError: Two do not differ.
    """
    parameters = [
        {
            f"{step}.{name}": value
            for step, values in arm.manifest["parameters"].items()
            for name, value in values.items()
        }
        for arm in arms
    ]
    keys = [key for key in parameters[0] if any(one.get(key) != parameters[0][key] for one in parameters)]
    differing = [{key: one.get(key) for key in keys} for one in parameters]
    for number, values in enumerate(differing):
        if values in differing[:number]:
            raise UserError(
                f"choose_classifier: {arms[number].path} and another arm are trained alike: give one of them"
            )
    return differing

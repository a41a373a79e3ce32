"""The choice among classifiers of one model by their validation scores."""

import shutil
from collections.abc import Sequence
from typing import Any

from components.data.artifacts import Classifier
from components.system.errors import UserError

FILES = ("model.keras", "history.csv", "validation.json")


def choose(arms: Sequence[Classifier], chosen: Classifier) -> None:
    """Make a classifier the copy of that arm which has the lowest log loss on validation, the first of equals.

    Its fact `arms` has the values in which they differ, by `STEP.PARAMETER`, and the validation log loss of each, the
    best first.

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
    tried = [
        {"values": values, "validation_log_loss": arm.facts.validation_log_loss}
        for arm, values in zip(ranked, differing_values(ranked), strict=True)
    ]
    for name in FILES:
        shutil.copyfile(best.path / name, chosen.path / name)
    for part in ("facts", "parameters", "lineage"):
        chosen.manifest[part] = {**best.manifest[part]}
    chosen.manifest["parameters"]["choose_classifier"] = {}
    chosen.facts.arms = tried


def differing_values(arms: Sequence[Classifier]) -> list[dict[str, Any]]:
    """Return the parameters of each arm in which they differ, by `STEP.PARAMETER`.

    Raises:
        UserError: Two do not differ.
    """
    chains = [
        {
            f"{step}.{name}": value
            for step, values in arm.manifest["parameters"].items()
            for name, value in values.items()
        }
        for arm in arms
    ]
    keys = [key for key in chains[0] if any(chain.get(key) != chains[0][key] for chain in chains)]
    values = [{key: chain.get(key) for key in keys} for chain in chains]
    for number, own in enumerate(values):
        if own in values[:number]:
            raise UserError(
                f"choose_classifier: {arms[number].path} and another arm are trained alike: give one of them"
            )
    return values

"""Ways in the journal: what the trainings that differ in their seeds alone are grouped by, and called."""

from components.data.artifacts import Classifier, Probe, Report
from components.data.content import sha256
from components.results import titles

WAY = "graft.way"  # the tag that MLflow's table of runs is grouped by
DIGITS = 6  # of the digest in a way's name
TRIALS = ("seed", "fold")  # parameters in which the trainings of one way differ


def way_name(artifact: Classifier | Report | Probe, model: str) -> str:
    """Return the name of a model's way, such as `digits, fine_tuned, vgg16 (3fa2c1)`: alike for all of its trainings.

    The digits in brackets tell it from another way that goes by the same words, as after a change of a parameter.

    Args:
        artifact: The model, the report on it, or the probe.
        model: Its name in the registry, which a model in training does not say of itself yet.
    """
    return f"{_title(artifact, model)} ({_way_digest(artifact)[:DIGITS]})"


def training_name(artifact: Classifier | Report | Probe, model: str) -> str:
    """Return the name of a training of a way: the way's without its digits; `, seed 3` follows if it has a seed."""
    chain = {step: values for step, values in artifact.manifest["parameters"].items() if step != "evaluate"}
    *_, last = chain.values()
    return _title(artifact, model) + (f", seed {last['seed']}" if "seed" in last else "")


def _title(artifact: Classifier | Report | Probe, model: str) -> str:
    """Return `RECIPE, MODEL, NETWORK` with `, views averaged` or `, onnx int8` behind it where a model is that."""
    name = titles.model_name(model, titles.network_name(artifact.facts), [])
    kind = "" if isinstance(artifact, Probe) else titles.served_as(artifact)
    return f"{artifact.record.recipe or artifact.facts.data_set}, {name}{kind}"


def _way_digest(artifact: Classifier | Report | Probe) -> str:
    """Return the digest of a way: parameters but for seeds, folds and those of `evaluate`; images, weights, views."""
    chain = artifact.manifest["parameters"]
    settings = {
        step: {name: value for name, value in values.items() if name not in TRIALS} for step, values in chain.items()
    }
    views = settings.pop("evaluate", {}).get("views", "plain")
    return sha256(settings, artifact.manifest["lineage"]["fetch"], artifact.facts.weights_sha256, views)

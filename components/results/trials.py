"""Trials: reports grouped by the model that they are on, and the names that tell models and trials apart.

A trial is one training of a model; the trials of a model differ in seeds and folds alone.
"""

import itertools
from collections.abc import Mapping, Sequence

from components.data.artifacts import Report
from components.model.registry import MODELS
from components.results import titles
from components.scores.registry import CHOICE
from components.system.errors import UserError

SEEDS = (  # parameters that trials of one model differ in
    "seed", *(f"{model.step}.seed" for model in MODELS.values() if model.is_trained and model.has_chance),
    "augment.seed", "split.seed", "split.fold",
)  # fmt: skip
TRAININGS = [model.step for model in MODELS.values()]


def trials_by_model(reports: Sequence[Report]) -> dict[str, list[Report]]:
    """Return each model's trials by its name, the main one first: in the registry's order, arms by validation log loss.

    Reports on models that were made alike but for seeds and the fold are trials of one. The main trial, which stands
    for the model and comes first, is on the test split of the very first report and has the seeds of the first
    reports, so that differences between models are not differences between seeds. A model is called as the registry
    has it; where there are several pretrained networks, after its own too; and where several models still have one
    name, each has the parameters that tell it from the others, as in `fine_tuned, mobilenet_v2 learning_rate=0.0001`.

    Raises:
        UserError: The reports are on several data sets or test splits, or two are on one and the same model.
    """
    names = network_names(reports)
    arms: dict[tuple[str, str, frozenset], list[Report]] = {}
    for report in reports:
        if report.manifest["lineage"]["fetch"] != reports[0].manifest["lineage"]["fetch"]:
            raise UserError(f"{reports[0].path} and {report.path} are on different data sets: compare reports on one")
        parameters = frozenset((key, value) for key, value in chain_parameters(report).items() if key not in SEEDS)
        arms.setdefault((report.facts.model, names.get(network_of(report), ""), parameters), []).append(report)
    main_seeds: dict[str, object] = {}
    for report in reports:
        main_seeds = seeds_and_fold(report) | main_seeds
    for trials in arms.values():
        trials.sort(
            key=lambda trial: (
                split_digest(trial) != split_digest(reports[0]),
                len(seeds_and_fold(trial).items() - main_seeds.items()),
            )
        )
        if split_digest(trials[0]) != split_digest(reports[0]):
            raise UserError(
                f"{reports[0].path} and {trials[0].path} are on different test splits: "
                "give a report of every model on one"
            )
    ordered = sorted(arms.items(), key=lambda arm: arm[1][0].metrics[CHOICE])
    models: dict[str, list[Report]] = {}
    for (model, network, parameters), trials in sorted(ordered, key=lambda arm: [*MODELS].index(arm[0][0])):
        alternatives = [dict(others) for (*same_model, others), _ in ordered if same_model == [model, network]]
        values = dict(parameters)
        keys = [key for key in chain_parameters(trials[0])
                if any(other.get(key) != values.get(key) for other in alternatives)]  # fmt: skip
        name = titles.model_name(model, network, [f"{key}={values[key]}" for key in keys])
        check_trials_differ(name, trials)
        models[name] = trials
    return models


def network_names(reports: Sequence[Report]) -> dict[tuple[str, str] | None, str]:
    """Return names, `NETWORK` or `NETWORK-1a2b3c4d`, by (network, digest of weights); empty unless there are several.

    The name has 8 digits of the digest of the weights where the backbone has several.
    """
    networks = {network for report in reports if (network := network_of(report))}
    backbones = [backbone for backbone, _ in networks]
    return {
        (backbone, weights): f"{backbone}-{weights[:8]}" if backbones.count(backbone) > 1 else backbone
        for backbone, weights in networks
        if len(networks) > 1
    }


def network_of(report: Report) -> tuple[str, str] | None:
    """Return the network and the digest of the weights behind a report's model; None where there is no one network."""
    network, weights = titles.network_name(report.facts), report.facts.weights_sha256
    return (network, weights) if network and weights else None


def reports_by_name(models: Mapping[str, Sequence[Report]]) -> dict[str, Report]:
    """Return reports by name: a model's first has its name, the others add seeds and fold that vary, `top seed=1`."""
    reports = {}
    for name, trials in models.items():
        parameters = [chain_parameters(trial) for trial in trials]
        keys = [key for key in SEEDS if any(values.get(key) != parameters[0].get(key) for values in parameters)]
        for trial, values in zip(trials, parameters, strict=True):
            suffix = [f"{key}={values.get(key)}" for key in keys] if trial is not trials[0] else []
            reports[" ".join([name, *suffix])] = trial
    return reports


def check_trials_differ(name: str, trials: Sequence[Report]) -> None:
    """Raise if two trials of a model have the same parameters, seeds, fold and views, but for what validation chose.

    Raises:
        UserError: Two are.
    """
    for one, other in itertools.combinations(trials, 2):
        if chain_parameters(one) == chain_parameters(other):
            raise UserError(f"{one.path} and {other.path} are on one model, {name}: give one of them")


def split_digest(report: Report) -> str:
    """Return the digest of the split whose test part a report is on."""
    return report.manifest["lineage"]["split"]


def chain_parameters(report: Report) -> dict[str, object]:
    """Return the parameters behind a report: of its training as `seed`, of other steps as `split.seed`, and `views`.

    Of the evaluation there are the views alone. A value that validation chose among several is left out, since it is
    no difference between models.
    """
    chain: Mapping[str, Mapping[str, object]] = report.manifest["parameters"]
    *_, evaluation = chain
    *_, training = (step for step in chain if step in TRAININGS)
    chosen = {address for arm in report.facts.arms for address in arm["values"]}
    parameters = {
        name if step == training else f"{step}.{name}": value
        for step, values in chain.items()
        if step != evaluation
        for name, value in values.items()
        if f"{step}.{name}" not in chosen
    }
    return parameters | {"views": report.facts.views}


def seeds_and_fold(report: Report) -> dict[str, object]:
    """Return the seeds and the fold of all steps behind a report, by `step.parameter`, as in `train_top.seed`."""
    chain: Mapping[str, Mapping[str, object]] = report.manifest["parameters"]
    parameters = {f"{step}.{name}": value for step, values in chain.items() for name, value in values.items()}
    return {key: value for key, value in parameters.items() if key in SEEDS}

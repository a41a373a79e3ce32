"""The registry: models under the name of their data set, of which the alias `champion` is the one to use.

A candidate takes the alias only if the comparison on the test split shows that it is better than the champion: lower in
log loss or higher in accuracy, and significantly worse in neither. Both claims are corrected together, and for the
number of models that were scored on the test split so far: who looks more often has to show more. Nor may
it make more costly mistakes, beyond chance.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from components.data.artifacts import MANIFEST, PROBABILITY, Classifier, Report
from components.data.json_files import read_json
from components.results import titles
from components.results.costly_mistakes import compare_costly_mistakes
from components.results.failures import class_numbers
from components.results.texts import markdown
from components.results.tracking import card, certified, runs, store
from components.results.tracking.runs import FINGERPRINT, TEST_SPLIT
from components.results.tracking.store import client
from components.scores.registry import HEADLINE, SCORES
from components.system.errors import UserError

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

    from components.scores.estimates import Sample

CHAMPION = "champion"
RULE = (
    "better: a log loss lower or an accuracy higher at p < 0.05, corrected for both and for the models scored so far, "
    "and no more costly mistakes"
)
JUDGES = ("log_loss", "accuracy")
PAGE = 1000  # runs that MLflow lists at once


@store.one_line_errors()
@store.repeat_on_conflict
def promote(classifier: Classifier, report: Report, reason: str = "") -> tuple[bool, list[str]]:
    """Register a model, champion if it is better or for a reason; return whether it is champion, and sentences.

    The first version of a data set becomes champion without a comparison; the same model again changes nothing.

    Args:
        classifier: The candidate.
        report: Its test scores and predictions.
        reason: Why it is to be champion whatever the comparison says; recorded as the version's tag `forced`.

    Returns:
        Whether it is the champion now, and sentences on what was compared and done.

    Raises:
        UserError: The journal is off, does not answer or refuses; or the champion was tested on other images, and
            there is no reason.
    """
    name, title = classifier.facts.data_set, titles.model_title(report)
    champion = champion_of(name)
    if champion and champion.tags.get(FINGERPRINT) == report.facts.fingerprint:
        return True, [f"{name}: {title} is the champion already, as version {champion.version}: nothing changes"]
    version, looks = register_version(classifier, report)
    better, verdict = judge_candidate(report, version, champion, reason, looks)
    sentences = [f"{name}: {title} is version {version}; models scored on its test split so far: {looks}", *verdict]
    tags = {"verdict": "; ".join(verdict), **({"forced": reason} if reason else {})}
    for key, value in tags.items():
        client().set_model_version_tag(name, version, key, value[: certified.DESCRIPTION])
    if not better and not reason:
        return False, [*sentences, f"the champion stays version {champion.version if champion else ''} ({RULE})"]
    client().set_registered_model_alias(name, CHAMPION, version)
    return True, [*sentences, f"version {version} is the champion{'' if better else f', as asked for: {reason}'}"]


def champion_of(name: str) -> "ModelVersion | None":
    """Return the version of the champion of a data set; None if there is none yet."""
    for model in client().search_registered_models(f"name = '{name}'"):
        if CHAMPION in model.aliases:
            return client().get_model_version(name, model.aliases[CHAMPION])
    return None


def register_version(classifier: Classifier, report: Report) -> tuple[str, int]:
    """Complete a model's run, register it once, renew its card; return (version, models scored on its test split).

    Returns:
        The version, and how many models have been scored on its test split.

    Raises:
        UserError: The run was logged by another version; or as in `complete_run`.
    """
    name = classifier.facts.data_set
    runs.complete_run(classifier, report)
    run = runs.find_run(name, FINGERPRINT, report.facts.fingerprint)
    if not (run and run.outputs and run.outputs.model_outputs and TEST_SPLIT in run.data.tags):
        raise UserError(f"the run {run and run.info.run_id} was logged by another version: delete it, then once more")
    looks = count_looks(run)
    text = card.card_text(classifier, report, looks)
    model_id = run.outputs.model_outputs[0].model_id
    if not client().search_registered_models(f"name = '{name}'"):
        client().create_registered_model(
            name, description=f"Models of the data set {markdown(name)}, by their recipes."
        )
    with runs.lock(report):  # MLflow would take a model twice
        versions = client().search_model_versions(f"name = '{name}'")
        existing = [str(one.version) for one in versions if one.tags.get(FINGERPRINT) == report.facts.fingerprint]
        version = existing[0] if existing else str(create_version(name, run, model_id, report).version)
    certified.write_card(run, name, version, text)
    client().set_model_version_tag(name, version, "test_looks", str(looks))
    return version, looks


def create_version(name: str, run: "Run", model_id: str, report: Report) -> "ModelVersion":
    """Create and return a version of a registered model, with its inputs, and scores with intervals, as tags."""
    kept = (FINGERPRINT, TEST_SPLIT, "model", "recipe", "comparison", "data_digest", "dvc_revision", "git_revision")
    tags = {key: run.data.tags[key] for key in kept if key in run.data.tags}
    tags |= {score: card.score_with_interval(report, score) for score in report.intervals}
    version = client().create_model_version(name, f"models:/{model_id}", run.info.run_id, tags, model_id=model_id)
    listed = [{"name": name, "version": str(version.version)}]  # which a server writes by itself, for its UI
    client().set_logged_model_tags(model_id, {"mlflow.modelVersions": json.dumps(listed)})
    return version


def count_looks(run: "Run") -> int:
    """Return how many different models in a run's experiment have test scores on its test split, its own included."""
    split, token, models = run.data.tags[TEST_SPLIT], None, set()
    while True:
        page = client().search_runs(
            [run.info.experiment_id], f"tags.{TEST_SPLIT} = '{split}'", max_results=PAGE, page_token=token
        )
        models |= {one.data.tags[FINGERPRINT] for one in page if HEADLINE in one.data.metrics}
        token = page.token
        if not token:
            return len(models)


def judge_candidate(
    report: Report, version: str, champion: "ModelVersion | None", reason: str, looks: int
) -> tuple[bool, list[str]]:
    """Return whether a candidate beats the champion (True if none) and why; not comparable: False if forced, or raise.

    Raises:
        UserError: The champion was tested on other images, and there is no reason to promote the candidate anyway.
    """
    if champion is None:
        return True, ["there is no champion to compare it with: it is the first"]
    if champion.tags.get(TEST_SPLIT) != report.facts.test_split:
        problem = (
            f"version {version} cannot be compared with the champion, version {champion.version}, which was tested on "
            f"other images and may have been trained on these"
        )
        if not reason:
            raise UserError(
                f"{problem}: run the champion's recipe on this split and promote it, or give --force REASON"
            )
        return False, [problem]
    with TemporaryDirectory() as folder:
        other = download_report(str(champion.run_id), folder)
        differences = compare_with_champion(report, other, looks)
        is_costlier, on_costs = compare_costly_mistakes(report, other)
    sentences = [*difference_sentences(differences, str(champion.version)), *on_costs]
    return is_better(differences) and not is_costlier, sentences


def download_report(run: str, folder: str) -> Report:
    """Return the report of a run, downloaded into a folder: its manifest and its predictions, and no other file."""
    names = (MANIFEST, "predictions.csv")
    manifest, _ = (Path(client().download_artifacts(run, f"report/{name}", folder)) for name in names)
    return Report(manifest.parent, read_json(manifest))


def compare_with_champion(report: Report, champion: Report, looks: int) -> Mapping[str, Mapping[str, float]]:
    """Return, by `log_loss` and `accuracy`, `first` (champion), `second`, `difference`, corrected `low`, `high`, `p`.

    The difference is candidate minus champion; the correction is for both scores and so many looks.

    The values of each are `first`, the champion's, `second`, `difference`, `low`, `high` and `p`.
    """
    from components.scores.estimates import sample_of
    from components.scores.proportions import independent_units

    other, candidate = (one.table("predictions.csv").set_index("file") for one in (champion, report))
    classes = report.facts.classes
    columns = [PROBABILITY + name for name in classes]
    labels = class_numbers(candidate["label"], classes)
    unit = independent_units(candidate["group"].to_numpy(), len(candidate))
    first, second = (
        sample_of(labels, table.loc[candidate.index, columns].to_numpy(), unit, JUDGES) for table in (other, candidate)
    )
    return judged_differences(first, second, looks)


def judged_differences(first: "Sample", second: "Sample", looks: int) -> dict[str, dict[str, float]]:
    """Return, by `log_loss` and `accuracy`, `first`, `second`, `difference` second minus first, `low`, `high` and `p`.

    The last three are corrected for both scores and so many looks.
    """
    from components.scores.pairs import correction_of, difference
    from components.scores.proportions import ALPHA

    alpha = correction_of([first, second], JUDGES).alpha / looks
    rows: dict[str, dict[str, float]] = {}
    for name in JUDGES:
        one = difference(first, second, name)
        low, high = one.interval(alpha)
        p = min(one.p_value() * ALPHA / alpha, 1.0)
        rows[name] = {
            "first": one.first,
            "second": one.second,
            "difference": one.value,
            "low": low,
            "high": high,
            "p": p,
        }
    return rows


def is_better(differences: Mapping[str, Mapping[str, float]]) -> bool:
    """Return whether the second of two models is better by log loss or accuracy and worse by neither, significantly."""
    loss, accuracy = (differences[name] for name in JUDGES)
    gains, losses = loss["high"] < 0 or accuracy["low"] > 0, loss["low"] > 0 or accuracy["high"] < 0
    return gains and not losses


def difference_sentences(differences: Mapping[str, Mapping[str, float]], version: str) -> list[str]:
    """Return a sentence for each score, the candidate's against that of the champion, which is this version."""
    return [
        f"{SCORES[name].title} {one['second']:.4f} against {one['first']:.4f} of version {version}: "
        f"{one['difference']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}], p = {one['p']:.2g}"
        for name, one in differences.items()
    ]

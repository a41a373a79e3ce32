"""Arranging: every trial is whole, shares what lies before it, and takes nothing of another."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from components import STEPS, step
from components.data.artifacts import Classifier, Report
from components.errors import UserError
from components.step import ROOT
from pipeline import recipes
from pipeline.arranging import RECORD, SHOWN, Task, arranged, axes_of
from tests.conftest import CLASSES, MODELS, PARAMETERS

NOTHING = {"repeats": 1, "ensemble": "none", "views": "none"}


def tasks(folds: int = 1, sweeps: dict | None = None, **asked) -> list[Task]:
    values = {**PARAMETERS, "split": {**PARAMETERS["split"], "folds": folds, "fold": 1 if folds > 1 else 0}}
    vary = {**NOTHING, **asked}
    return arranged(axes_of(values, vary, sweeps or {}), vary["ensemble"] != "none")


def counted(found: list[Task]) -> dict[str, int]:
    return dict(Counter(task.step for task in found))


ONCE = {name: 1 for name in STEPS if name != "average"} | {"evaluate": 3}


def test_a_recipe_that_varies_nothing_runs_every_step_once_and_evaluates_each_model():
    assert counted(tasks()) == ONCE
    assert not any(task.arms or task.values for task in tasks())


def test_repeats_share_everything_up_to_the_trainings():
    found = tasks(repeats=3)
    assert counted(found) == ONCE | dict.fromkeys(MODELS, 3) | {"evaluate": 9}
    seeds = [task.values["seed"] for task in found if task.step == "train_top"]
    assert seeds == [1, 2, 3]
    for task in found:
        if task.step == "fine_tune":
            top = task.inputs["top"][0].task
            assert task.values == top.values and task.inputs["tensors"][0].task.arms == {}


def test_folds_have_splits_of_their_own_and_one_extraction():
    found = tasks(folds=3)
    assert counted(found) == ONCE | dict.fromkeys(("split", *MODELS), 3) | {"evaluate": 9}
    assert [task.values["fold"] for task in found if task.step == "split"] == [1, 2, 0]  # the recipe's own first
    for task in found:
        if task.step == "evaluate":
            places = {one.task.arms["fold"] for (one,) in task.inputs.values() if "fold" in one.task.arms}
            assert places == {task.arms["fold"]}


def test_folds_times_repeats_are_trials_and_each_has_its_ensemble():
    found = tasks(folds=2, repeats=2, ensemble="mean")
    assert counted(found)["average"] == 4
    for task in found:
        if task.step == "average":
            members = [one.task for one in task.inputs["classifiers"]]
            assert [member.step for member in members] == list(MODELS)
            assert all(member.arms == task.arms for member in members)
    assert counted(found)["evaluate"] == 4 * 4
    (last,) = (task for task in found if task.step == "compare")
    assert len(last.inputs["reports"]) == 16


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"folds": 2, "repeats": 2, "ensemble": "mean", "views": "averaged"},
        {"sweeps": {"extract.unfreeze": ["last_block", "none"]}},
    ],
)
def test_a_page_takes_the_reports_that_are_compared_and_the_records_of_what_it_shows(asked):
    found = tasks(**asked)
    (compared,), (drawn,) = ([task for task in found if task.step == name] for name in ("compare", "draw_comparison"))
    assert drawn.inputs["comparison"] == [compared.outputs["comparison"]]
    assert drawn.inputs["reports"] == compared.inputs["reports"]
    assert [one.task for one in drawn.inputs["records"]] == [task for task in found if task.step in SHOWN]
    assert {one.key for one in drawn.inputs["records"]} == {RECORD}


def test_a_precision_is_chosen_and_a_data_set_drawn_once_for_each_way_in_which_views_are_made():
    found = tasks(
        folds=2,
        repeats=2,
        views="averaged",
        sweeps={"augment.flip": ["none", "horizontal"], "extract.unfreeze": ["none", "last_block"]},
    )
    for name in ("explore", "draw_exploration", "choose_precision"):
        assert [task.arms["augment"] for task in found if task.step == name] == [0, 1]
    extracted = [task for task in found if task.step == "extract"]
    assert len(extracted) == 4
    for task in extracted:
        (chosen,), (augmented,) = task.inputs["chosen_precision"], task.inputs["augmented"]
        assert chosen.task.inputs["augmented"] == [augmented]


def test_every_task_makes_a_record_last():
    for task in tasks(ensemble="mean"):
        assert [*task.outputs] == [*step.load(task.step).outputs, RECORD]


def test_averaged_views_are_evaluated_beside_the_plain_ones():
    found = tasks(views="averaged", ensemble="mean")
    assert counted(found) == ONCE | {"average": 1, "evaluate": 8}
    assert tasks(views="plain")[0].arms == {} and counted(tasks(views="plain")) == ONCE


def test_a_sweep_goes_with_what_the_recipe_varies_and_an_ensemble_is_of_all_arms():
    found = tasks(repeats=2, ensemble="mean", sweeps={"fine_tune.learning_rate": ["1e-3", "1e-4"]})
    assert counted(found) == ONCE | dict.fromkeys(MODELS, 2) | {"fine_tune": 4, "average": 2, "evaluate": 2 * 5}
    assert {len(task.inputs["classifiers"]) for task in found if task.step == "average"} == {4}


def test_what_is_varied_is_not_swept_too():
    with pytest.raises(UserError, match=r"train_top.seed is swept, and the recipe varies it too"):
        tasks(repeats=2, sweeps={"train_top.seed": ["1", "2"]})


WRONG = {
    "unknown": ({"repeat": 2}, "no setting in recipe digits: vary 'repeat'; did you mean 'repeats'"),
    "none": ({"repeats": 0}, "recipe digits: vary: repeats is 1 or more; received 0"),
    "ensemble": ({"ensemble": "median"}, "no kind of ensemble 'median'"),
    "views": ({"views": "all"}, "no choice of views 'all'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_a_recipe_cannot_vary_is_one_line(case):
    content = recipes.read(ROOT / "params.yaml")
    content["recipes"]["digits"]["vary"], line = WRONG[case]
    with pytest.raises(UserError, match=line):
        recipes.check(content)


@pytest.fixture(scope="module")
def varied(made, tmp_path_factory) -> Path:
    """A small recipe with its stages done, which is to be repeated and averaged; only what is missing was run."""
    folder = tmp_path_factory.mktemp("varied")
    (folder / "data").mkdir()
    for kind in ("images", "weights"):
        (folder / "data" / kind).mkdir()
        shutil.copytree(made[kind], folder / "data" / kind / "edges")
    own = folder / "artifacts" / "edges"
    names = "splits test_split augmented chosen_precision features tensors top classifiers reports"
    for name in names.split():
        shutil.copytree(made["splits"].parent / name, own / name)
    vary(folder, repeats=2, ensemble="mean")
    return own


def vary(folder: Path, **asked) -> str:
    """Run the command on the recipe, which asks for something; return what it prints."""
    content = recipes.read(ROOT / "params.yaml")
    content["active"] = {"edges": {"data": "edges", "weights": "edges"}}
    content["data"]["own"] = {"edges": {"source": "data/images/edges"}}
    content["weights"]["own"] = {"edges": {"backbone": "vgg16_small", "source": "data/weights/edges"}}
    content["recipes"] = {"edges": {**PARAMETERS, "vary": asked}}
    del content["recipes"]["edges"]["fetch"], content["recipes"]["edges"]["fetch_weights"]
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    said = ""
    for command in (["plan"], ["run", "vary@edges"]):
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *command], cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said += done.stdout
    return said


def test_variants_are_artifacts_like_those_of_the_stages(varied):
    reports = Report.read_all([varied / "variants"])
    assert [str(report.path.relative_to(varied / "variants")) for report in reports] == [
        "ensemble/reports/ensemble",
        *(f"seed-2/reports/{model}" for model in ("benchmark", "ensemble", "fine_tuned", "top")),
    ]
    top = Classifier.read(varied / "variants/seed-2/classifiers/top")
    assert top.manifest["parameters"]["train_top"]["seed"] == 2
    assert json.loads((varied / "variants/variants.json").read_text())["seed-2/top"] == "train_top"


def test_an_ensemble_is_the_mean_of_its_members_and_calibrated_on_validation(varied):
    import numpy as np

    from components.data.artifacts import Augmented, Splits
    from components.results import metrics

    ensemble = Classifier.read(varied / "variants/ensemble/classifiers/ensemble")
    members = [Classifier.read(varied / "classifiers" / model) for model in MODELS.values()]
    assert ensemble.facts["members"] == [*MODELS.values()]
    augmented, validation = Augmented.read(varied / "augmented"), Splits.read(varied / "splits").part("validation")
    images = augmented.array[augmented.rows(validation["file"].tolist()), 0]
    mean = np.mean([member.load().predict_on_batch(images) for member in members], axis=0)
    powered = mean ** (1 / ensemble.facts["temperature"])
    expected = powered / powered.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ensemble.load().predict_on_batch(images), expected, atol=1e-5)
    labels = validation["label"].map(CLASSES.index).to_numpy()
    assert ensemble.facts["validation_log_loss"] == pytest.approx(metrics.log_loss(labels, expected), abs=1e-5)


def test_what_is_up_to_date_is_not_run_again_and_what_is_no_longer_asked_for_goes(varied):
    before = {file: file.stat().st_mtime_ns for file in varied.rglob("artifact.json")}
    assert vary(varied.parents[1], repeats=2, ensemble="mean") == ""
    assert {file: file.stat().st_mtime_ns for file in varied.rglob("artifact.json")} == before
    shutil.copytree(varied.parents[1], again := varied.parents[2] / f"{varied.parents[1].name}-again")
    vary(again, repeats=2)
    left = [report.path.parent.parent.name for report in Report.read_all([again / "artifacts/edges/variants"])]
    assert left == ["seed-2"] * 3

"""Ways: several trainings in one stage, each as if it were alone, kept and resumed by itself."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from components.data.artifacts import Classifier, Comparison, Report, Top
from components.data.records import Record
from components.machinery.running import run_step
from components.machinery.trainings import fewest_trainings, has_several_trainings
from components.model import training
from components.model.registry import MODELS
from components.system.errors import UserError
from pipeline.places import path_of
from pipeline.running import run_tasks
from tests.conftest import PARAMETERS, digests, recipe_of, tasks_of

TRAININGS = ("train_benchmark", "train_top", "fine_tune")


def tasks_of_way(repeats: int, source: Path, **entries) -> list:
    values = {**PARAMETERS, **{name: {**PARAMETERS[name], "repeats": repeats} for name in TRAININGS}}
    return tasks_of(recipe_of(values, **entries), source, values)


@pytest.fixture(scope="module")
def ways(source, tmp_path_factory) -> Path:
    """A recipe whose models, the ensemble among them, are trained three times; not to be changed."""
    home = tmp_path_factory.mktemp("ways")
    run_tasks(tasks_of_way(3, source, models=tuple(MODELS)), home)
    return home / "artifacts" / "edges"


def top_at(made: dict[str, Path], folder: Path) -> dict[str, Path]:
    return {**made, "top": folder / "top", "classifier": folder / "classifier"}


@pytest.mark.slow  # each training again, by itself
def test_every_training_is_as_if_it_were_alone(made, ways, tmp_path):
    """The first is the one of no repeats, the second that of the next seed: to the byte, the manifest included."""
    together = digests(ways / "glyphs/classifiers/top")
    alone = digests(made["classifiers/top"])
    assert {
        name.partition("/")[2]: value for name, value in together.items() if name.startswith("training=1/")
    } == alone
    run_step("train_top", top_at(made, tmp_path), {**PARAMETERS["train_top"], "seed": 2})
    second = {name.partition("/")[2]: value for name, value in together.items() if name.startswith("training=2/")}
    assert second == digests(tmp_path / "classifier")
    assert len({value for name, value in together.items() if name.endswith("model.keras")}) == 3


def test_a_fine_tuning_begins_from_the_head_of_its_own_training(ways):
    for number in (1, 2, 3):
        tuned = Classifier.read(ways / f"glyphs/classifiers/fine_tuned/training={number}").manifest
        head = Top.read(ways / f"glyphs/top/training={number}").manifest
        assert tuned["lineage"]["train_top"] == head["lineage"]["train_top"]
        assert tuned["parameters"]["fine_tune"]["seed"] == tuned["parameters"]["train_top"]["seed"] == number


def test_an_ensemble_is_of_the_models_of_one_training(ways):
    for number in (1, 2, 3):
        ensemble = Classifier.read(ways / f"classifiers/ensemble/training={number}").manifest
        member = Classifier.read(ways / f"classifiers/benchmark/training={number}").manifest
        assert ensemble["lineage"]["train_benchmark"] == member["lineage"]["train_benchmark"]


def test_every_training_is_evaluated_and_all_of_a_way_are_one_line_of_the_comparison(ways):
    assert len(Report.read_all([ways])) == 3 * 4 + 2  # of those without chance one each
    comparison = Comparison.read(ways / "comparison")
    assert comparison.table("comparison.csv")["model"].tolist() == [*MODELS]
    trials = comparison.table("trials.csv")
    assert trials.groupby("model").size().to_dict() == {
        name: 3 if model.has_chance else 1 for name, model in MODELS.items()
    }
    assert set(trials["seed"]) >= {"1", "2", "3"} or set(trials["seed"]) >= {1, 2, 3}


def test_the_record_of_a_way_has_what_each_training_took(ways):
    records = Record.read_all([ways / "glyphs/top.record.json"])
    tops = [Top.read(ways / f"glyphs/top/training={number}") for number in (1, 2, 3)]
    assert [one.digest for one in records] == [top.manifest["lineage"]["train_top"] for top in tops]
    costs = pd.read_csv(ways / "page/costs.csv")
    assert len(costs) == 3 * 4 + 2 and costs["seconds_training"].notna().all()
    assert len([path for path in (ways / "page/figures").iterdir() if path.is_dir()]) == 3 * 4 + 2


def count_trainings(monkeypatch) -> list[str]:
    """Return a list to which every training adds the name of its step."""
    names, train = [], training.train

    def count_and_train(name: str, *rest) -> training.TrainingResult:
        names.append(name)
        return train(name, *rest)

    monkeypatch.setattr(training, "train", count_and_train)
    return names


def test_more_repeats_train_what_is_missing_and_fewer_drop_what_is_too_many(ways, made, tmp_path, monkeypatch):
    trained, parameters = count_trainings(monkeypatch), PARAMETERS["train_top"]
    at, before = top_at(made, tmp_path), digests(ways / "glyphs/classifiers/top")

    def run(repeats: int, **changes) -> int:
        trained.clear()
        run_step("train_top", at, {**parameters, "repeats": repeats, **changes})
        return len(trained)

    assert run(1) == 1 and not has_several_trainings(at["classifier"])
    (tmp_path / ".classifier.moved").mkdir()  # as a kill between two moves leaves it
    (tmp_path / ".classifier.moved" / "artifact.json").write_text("{}")
    assert run(3) == 2 and digests(at["classifier"]) == before
    assert run(3) == 0 and digests(at["classifier"]) == before
    kept = Record.read_all([tmp_path / "top.record.json"])
    assert run(2) == 0 and {path.name for path in at["classifier"].iterdir()} == {"training=1", "training=2"}
    assert Record.read_all([tmp_path / "top.record.json"]) == kept[:2]
    assert run(2, dropout=0.3) == 2
    assert run(1) == 1
    assert digests(at["classifier"]) == digests(made["classifiers/top"])


def test_a_training_that_broke_off_is_resumed_and_the_finished_ones_stay(ways, made, tmp_path, monkeypatch):
    at, parameters = top_at(made, tmp_path), {**PARAMETERS["train_top"], "repeats": 3}
    calls, train = [], training.train

    def break_second(name, *rest):
        calls.append(name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train(name, *rest)

    monkeypatch.setattr(training, "train", break_second)
    with pytest.raises(KeyboardInterrupt):
        run_step("train_top", at, parameters)
    assert [path.name for path in at["classifier"].iterdir() if not path.name.startswith(".")] == ["training=1"]
    run_step("train_top", at, parameters)
    assert len(calls) == 2 + 2
    assert digests(at["classifier"]) == digests(ways / "glyphs/classifiers/top")


def test_what_takes_more_trainings_than_there_are_says_so(ways, made, tmp_path):
    at = {**made, "top": ways / "glyphs/top", "classifier": tmp_path / "classifier"}
    with pytest.raises(UserError, match="glyphs/top has 3 trainings, and 4 are needed: make it again"):
        run_step("fine_tune", at, {**PARAMETERS["fine_tune"], "repeats": 4})


def test_of_ways_of_several_trainings_as_many_are_averaged_as_all_have():
    assert [fewest_trainings(counts) for counts in ([3, 5], [1, 5], [1, 1], [])] == [3, 5, 1, 1]


def test_a_model_to_use_is_one_of_the_trainings(ways):
    with pytest.raises(UserError, match=r"top holds 3 artifacts: name one of them, as in .*top/training=1"):
        Classifier.read(ways / "glyphs/classifiers/top")


@pytest.mark.slow  # each training as a task of its own
def test_trainings_apart_are_the_same_models(source, ways, tmp_path):
    values = {**PARAMETERS, **{name: {**PARAMETERS[name], "repeats": 2} for name in TRAININGS}}
    tasks = tasks_of(recipe_of(values, models=("top",)), source, values, apart=True)
    home = ways.parents[1]
    shutil.copytree(home / "data", tmp_path / "data")
    run_tasks(tasks, tmp_path)
    apart = [Classifier.read(tmp_path / path_of(output)) for task in tasks for output in task.outputs.values()
             if output.kind is Classifier]  # fmt: skip
    together = [Classifier.read(ways / f"glyphs/classifiers/top/training={number}") for number in (1, 2)]
    assert [one.digest for one in apart] == [one.digest for one in together]


@pytest.mark.slow  # a whole recipe of arms and trainings
def test_each_training_chooses_among_its_arms(source, tmp_path):
    values = {**PARAMETERS, **{name: {**PARAMETERS[name], "repeats": 2} for name in TRAININGS}}
    arms = {"train_top": {"learning_rate": [1e-5, 0.01]}}
    run_tasks(tasks_of(recipe_of(values, models=("top",), vary=arms), source, values), tmp_path)
    chosen = Classifier.read_all([tmp_path / "artifacts/edges/glyphs/chosen/top"])
    assert [one.manifest["parameters"]["train_top"]["seed"] for one in chosen] == [1, 2]
    assert all(one.facts.arms[0]["values"] == {"train_top.learning_rate": 0.01} for one in chosen)
    reports = Report.read_all([tmp_path / "artifacts/edges/glyphs/reports/top"])
    assert [one.facts.classifier for one in reports] == [one.digest for one in chosen]


def test_a_record_of_one_run_is_as_it_was(made):
    content = json.loads((made["head"].parent / "top.record.json").read_text())
    assert content["step"] == "train_top" and "trainings" not in content

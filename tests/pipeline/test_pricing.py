"""What a run will take: the table, what it rests on, and that what was promised stands beside what was taken."""

import json
from dataclasses import replace

import pytest

from components.data.artifacts import Classifier
from components.machinery import running
from components.system.errors import UserError
from pipeline import planning, pricing
from pipeline.planning import Entry
from pipeline.pricing import Price
from pipeline.rehearsing import Rehearsal, Run
from tests.conftest import PARAMETERS, recipe_of, tasks_of
from tests.pipeline.test_dvc import Checkout

COUNTS = {"images": 48, "train": 24, "validation": 12, "test": 12}


@pytest.fixture
def home(made, monkeypatch):
    """The folder with everything that a recipe has made."""
    monkeypatch.chdir(made["images"].parents[2])
    return made["images"].parents[2]


def training_task(source, repeats: int = 1, epochs: int = 3):
    parameters = {**PARAMETERS, "fine_tune": {**PARAMETERS["fine_tune"], "repeats": repeats, "epochs": epochs}}
    return next(task for task in tasks_of(recipe_of(parameters), source, parameters) if task.step == "fine_tune")


def test_the_price_of_trainings_has_the_start_once_and_the_epochs_that_earlier_ones_had(home, source, made):
    task = training_task(source, repeats=4, epochs=100)
    once, longer = Run(5.0, 2.0, 1), Run(14.0, 6.5, 10)  # of each epoch more half a second to train, half to validate
    rehearsal = Rehearsal(
        "fine_tune", (COUNTS, COUNTS), Run(9.0, 2.0, 1), (once, once), (longer, longer), (7, 7), 99, 0
    )
    price = pricing.price_of(task, rehearsal)
    facts = Classifier.read(made["classifiers/fine_tuned"]).facts
    share = facts.epochs / int(PARAMETERS["fine_tune"]["epochs"])  # of those that it might have had
    assert price.most == pytest.approx(4 + 4 * (4 + 100))
    assert price.seconds == pytest.approx(4 + 4 * (4 + 100 * share))
    assert (price.disk, price.memory) == (28, 99)
    assert price.promised == pytest.approx({"promised_seconds": 5, "promised_per_image": 1 / 24})


def test_without_earlier_trainings_all_epochs_are_expected(tmp_path, source, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert pricing.expected_epochs(training_task(source, epochs=7)) == 7


def test_the_table_has_the_dearest_stages_the_sum_and_what_is_not_known():
    prices: dict[str, Price | None] = {
        f"stage-{number}": Price(number, 2 * number, 10**9, 10**9) for number in range(40)
    }
    prices |= {"fetch-far": Price(), "split-near": None}
    lines = pricing.price_lines(prices)
    assert len(lines) < 40 and all(len(line) <= 120 for line in lines)
    rows = {line.split("  ")[0].strip(): line.split()[-4:] for line in lines}
    assert rows["stage-39"] == ["39", "78", "1.000", "1.0"] and "stage-9" not in rows and rows["11 others"][0] == "45"
    assert rows["in all, as far as known"] == ["780", "1,560", "40.000", "1.0"]
    assert "up to date, for nothing: split-near" in lines and lines[-1].endswith("fetch-far")


def test_what_is_not_known_is_no_sum_of_nothing():
    lines = pricing.price_lines({"fetch-far": Price(), "split-far": Price()})
    assert lines[3].split() == ["in", "all,", "as", "far", "as", "known", "0.000"]
    assert pricing.price_lines({"split-near": None})[1].split() == ["in", "all", "0", "0", "0.000"]


def test_what_has_no_room_is_refused_with_the_stage_that_takes_most(home):
    with pytest.raises(UserError, match=r"extract-x: it takes 9,000,000 GB of disk, and all"):
        pricing.check_fit({"extract-x": Price(disk=9 * 10**15), "split-x": Price(disk=1), "audit-x": None})
    with pytest.raises(UserError, match=r"fine_tune-x: it takes 9,000,000 GB of memory"):
        pricing.check_fit({"fine_tune-x": Price(memory=9 * 10**15), "audit-x": Price(memory=1)})
    pricing.check_fit({"extract-x": Price(disk=1, memory=1)})


def test_a_promise_is_of_one_plan_and_one_machine_alone(home, source, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "PROMISES", tmp_path / "promises.json")
    entry = Entry.of(training_task(source))
    assert planning.promise_of(entry) == {}
    promised = {"promised_seconds": 2.0, "promised_per_image": 0.5}
    planning.PROMISES.write_text(json.dumps({planning.promise_digest(entry): promised}))
    assert planning.promise_of(entry) == promised
    assert planning.promise_of(replace(entry, code="another")) == {}
    for broken in ('{"half', "[]"):
        (tmp_path / "broken.json").write_text(broken)
        with monkeypatch.context() as patch:
            patch.setattr(planning, "PROMISES", tmp_path / "broken.json")
            assert planning.promise_of(entry) == {}
    monkeypatch.setattr(planning, "machine_type", lambda: {"processor": "another", "gpus": 0})
    assert planning.promise_of(entry) == {}


def test_a_record_says_what_the_run_took_and_was_promised(made, tmp_path):
    artifacts = {**made, "splits": tmp_path / "splits", "test_split": tmp_path / "test"}
    running.run_step("split", artifacts, PARAMETERS["split"], promised={"promised_seconds": 2.0})
    record = running.Record.read(tmp_path / "splits.record.json")
    assert record.run["promised_seconds"] == 2.0 and record.run["seconds"] > 0 and record.run["memory"] > 2**24


@pytest.mark.slow
def test_what_check_promises_comes_to_stand_on_the_page_and_what_is_done_costs_nothing(tmp_path, source):
    project = Checkout.begin(tmp_path / "project", source)
    before = project("python", "-m", "pipeline", "check", "--cost")
    assert "not here yet: edges" in before and "seconds not known" in before
    project("dvc", "repro", "data/dvc.yaml")
    (project.folder / ".rehearsal.unfinished/left/by-a-kill").mkdir(parents=True)
    lines = project("python", "-m", "pipeline", "check", "--cost").splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert float(rows["train_top-edges-glyphs"][1]) > 0 and "fetch-edges" not in rows
    project("dvc", "repro")
    page = (project.folder / "artifacts/edges/page/comparison.html").read_text(encoding="utf-8")
    assert "Promised and taken" in page
    after = project("python", "-m", "pipeline", "check", "--cost")
    assert "up to date, for nothing" in after and after.split("in all")[1].split()[:2] == ["0", "0"]
    assert not (project.folder / ".rehearsal.unfinished").exists()

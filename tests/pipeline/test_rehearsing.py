"""What a task takes is read from what it took on a few images."""

import os
import signal
from typing import Any

import pytest

from components.data.artifacts import Images
from components.machinery.running import run_step
from components.system.errors import UserError
from pipeline import rehearsing
from pipeline.arranging import Task
from pipeline.rehearsing import Rehearsal, Run, miniature
from pipeline.running import artifact_paths
from tests.conftest import CLASSES, PARAMETERS, recipe_of, tasks_of, write_images

SMALL = {"images": 16, "train": 8, "validation": 4, "test": 4}
LARGE = {part: 4 * count for part, count in SMALL.items()}
ALL = {"images": 1000, "train": 600, "validation": 300, "test": 100}
BATCH, IMAGE, START = 0.25, 0.01, 4.0  # seconds


def rehearsal(step: str, runs: tuple[Run, Run], longer: tuple[Run, Run] | None = None, **said: Any) -> Rehearsal:
    first = Run(runs[0].seconds + START, runs[0].training, runs[0].epochs)
    rest: dict[str, Any] = {"disk": (160, 640), "memory": 2**30, "gpus": 0, **said}
    return Rehearsal(step, (SMALL, LARGE), first, runs, longer or runs, **rest)


@pytest.mark.parametrize(("step", "part"), [("extract", "images"), ("evaluate", "test"), ("average", "validation")])
def test_the_time_for_all_images_lies_on_the_line_through_both_samples(step, part):
    of_samples = tuple(Run(2 + IMAGE * counts[part]) for counts in (SMALL, LARGE))
    found = rehearsal(step, (of_samples[0], of_samples[1]))
    assert found.seconds(ALL) == pytest.approx((START, 2 + IMAGE * ALL[part], 0))
    assert found.disk_bytes(ALL) == 10_000


def test_a_larger_sample_that_took_less_makes_no_image_cost_less_than_nothing():
    assert rehearsal("extract", (Run(2.1), Run(2.0))).seconds(ALL) == pytest.approx((START, 2.0, 0))


def of_training(counts: dict[str, int], epochs: int) -> Run:
    """What a training takes whose epochs cost so much an image to train on, and a tenth of it an image to validate."""
    training = 1.0 + epochs * IMAGE * counts["train"]  # the first builds the graph
    return Run(training + 2 + epochs * IMAGE / 10 * counts["validation"], training, epochs)


def test_epochs_are_told_from_what_is_besides_and_training_from_validation():
    short, longer = ((of_training(SMALL, epochs), of_training(LARGE, epochs)) for epochs in (1, 16))
    start, besides, epoch = rehearsal("fine_tune", short, longer).seconds(ALL)
    assert (start, besides) == pytest.approx((START, 3))
    assert epoch == pytest.approx(IMAGE * (ALL["train"] + ALL["validation"] / 10))


def tasks_with(source, **split: Any) -> list[Task]:
    parameters = {**PARAMETERS, "split": {**PARAMETERS["split"], **split}}
    return tasks_of(recipe_of(parameters), source, parameters)


def test_folds_and_seeds_are_rehearsed_once(source):
    known: dict[str, Task] = {}
    folds = tasks_with(source, folds=3, validation=0.25)
    one = {task.step: miniature(task, False, known) for task in folds if task.step == "split"}
    assert sum(task.step == "split" for task in folds) == 3 and len(known) == len({*known.values()})
    for task in folds:
        miniature(task, False, known)
    steps = [task.step for task in known.values()]
    assert steps.count("split") == steps.count("train_top") == 1 and one["split"] in known.values()
    assert next(task for task in known.values() if task.step == "split").values["method"] == "stratified"


def test_a_sample_has_as_many_images_of_each_of_its_classes(made, tmp_path):
    images = Images.read(made["images"])
    rehearsing.draw_sample(images, [*CLASSES[:2]], 5, tmp_path / "sample")
    sample = Images.read(tmp_path / "sample")
    table = sample.table("images.csv")
    assert table["label"].value_counts().to_dict() == dict.fromkeys(CLASSES[:2], 5)
    assert sample.facts.classes == [*CLASSES[:2]] and sample.digest not in ("", images.digest)
    assert {*sample.stored_files()} == {*table["file"]}


@pytest.mark.parametrize(
    ("pixels", "sizes"), [(3 * 9 * 3072, (12, 24)), pytest.param(2**24, (48, 48), marks=pytest.mark.slow)]
)
def test_steps_run_on_two_samples_or_on_all_of_a_few_images(source, made, tmp_path, monkeypatch, pixels, sizes):
    steps = ("fetch", "audit", "split", "augment")
    first, *tasks = (task for task in tasks_with(source) if task.step in steps)
    monkeypatch.chdir(made["images"].parents[2])
    monkeypatch.setattr(rehearsing, "PIXELS", pixels)
    found = rehearsing.rehearse(tasks, Images.read(made["images"]), first, tmp_path)
    assert [one.step for one in found.values()] == ["audit", "split", "augment"]
    for one in found.values():
        assert tuple(counts["images"] for counts in one.counts) == sizes
        assert one.first.seconds > 0 and one.memory > 2**24
    _, split, augment = found.values()
    train = 24 if sizes == (48, 48) else sizes[1] // 2
    assert split.counts[1] == {"images": sizes[1], "train": train, "validation": train // 2, "test": train // 2}
    of_all = augment.disk_bytes({"images": 48})
    assert of_all == pytest.approx(48 * 32 * 32 * 3, rel=0.02)


def test_large_views_and_rare_classes_make_no_rehearsal_of_all_images(source, made, tmp_path, monkeypatch):
    write_images(tmp_path / "lamps", 12, classes=CLASSES[:2])
    write_images(tmp_path / "lamps", 3, classes=("rare",))
    fetch, audit = (task for task in tasks_with(tmp_path / "lamps") if task.step in ("fetch", "audit"))
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    run_step("fetch", artifact_paths(fetch), fetch.values)
    monkeypatch.setattr(rehearsing, "PIXELS", 1)
    images = Images.read(artifact_paths(fetch)["images"])
    (found,) = rehearsing.rehearse([fetch, audit], images, fetch, tmp_path / "rehearsal").values()
    assert [counts["images"] for counts in found.counts] == [8, 16]


def kill_itself(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_rehearsal_that_is_killed_is_one_line(source, tmp_path, monkeypatch):
    audit = next(task for task in tasks_with(source) if task.step == "audit")
    monkeypatch.setattr(rehearsing, "time_runs", kill_itself)
    with pytest.raises(UserError, match="the rehearsal of audit was killed: by somebody, or as memory ran out"):
        rehearsing.rehearse_task(audit, [tmp_path])

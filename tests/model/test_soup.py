"""Soups: what is averaged, that validation decides it, and that a soup goes on where it was broken off."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from components.data.artifacts import Augmented, Classifier
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.model import runtime, soup, training
from components.model.assembly import Untrained
from components.model.rows import Rows
from components.model.settings import FineTuning
from components.model.training import TrainingResult
from components.system.errors import UserError
from tests.conftest import PARAMETERS, TRAINING, digests

SETTINGS: dict[str, Any] = {**TRAINING, "l2": 0, "backbone_rate": 1, "rate_decay": 1, "epochs": 3, "soup": 3}


class Stopped(Exception):
    pass


@pytest.fixture
def rows() -> Rows:
    random = np.random.default_rng(0)
    array = random.normal(size=(30, 2, 4)).astype(np.float32)
    return Rows(array, np.arange(30), array[:, 0, :3].argmax(axis=1))


def bake(rows: Rows, folder: Path, stop: int = 0, **changed: Any) -> tuple[list[np.ndarray], TrainingResult, int]:
    """Train a soup of a small network, or until an epoch; return its weights, its result and how many are averaged."""

    def assemble() -> Untrained:
        layers = [keras.Input((4,)), keras.layers.Dropout(0.3), keras.layers.Dense(3, kernel_initializer="ones")]
        model = keras.Sequential(layers)
        return Untrained(model, (rows, rows), [], model)

    def log(epoch: int, row: dict[str, float]) -> None:
        if epoch == stop:
            raise Stopped

    settings = FineTuning(**{**SETTINGS, **changed})
    untrained, result, averaged = soup.train_soup("", assemble, settings, log, folder, runtime.device_strategy())
    return untrained.model.get_weights(), result, averaged


def test_the_weights_are_the_mean_of_the_runs_that_make_validation_no_worse(rows, tmp_path):
    weights, result, averaged = bake(rows, tmp_path / "soup")
    seeds = soup.seeds_of_runs(SETTINGS["seed"], 3)
    runs = [bake(rows, tmp_path / f"{seed}", soup=1, seed=seed) for seed in seeds]
    columns = ["validation_log_loss"]
    each = [one.history[columns[0]][one.best_epoch - 1] for _, one, _ in runs]
    assert len({*each}) == 3
    best = int(np.argmin(each))
    assert result.best_epoch == 3 * best + runs[best][1].best_epoch
    pd.testing.assert_frame_equal(
        result.history.drop(columns="epoch"),
        pd.concat([one.history for _, one, _ in runs], ignore_index=True).drop(columns="epoch"),
    )
    assert result.history["epoch"].tolist() == [*range(1, 10)]
    means = {
        number: np.mean([runs[run][0][0] for run in sorted(range(3), key=each.__getitem__)[:number]], axis=0)
        for number in (1, 2, 3)
    }
    np.testing.assert_array_equal(weights[0], means[averaged])
    assert averaged > 1


def test_a_run_that_makes_validation_worse_is_left_out(rows, tmp_path, monkeypatch):
    """One of two runs learns the wrong classes: the mean with it is worse, and the other is delivered as it is."""
    alone, result_alone, _ = bake(rows, tmp_path / "alone", soup=1)
    train, seeds = training.train, soup.seeds_of_runs(SETTINGS["seed"], 2)

    def train_wrongly(name, model, split_rows, settings, *rest):
        if settings.seed == seeds[1]:
            split_rows = (replace(rows, labels=(rows.labels + 1) % 3), rows)
            settings = replace(settings, learning_rate=1.0)
        return train(name, model, split_rows, settings, *rest)

    monkeypatch.setattr(training, "train", train_wrongly)
    weights, result, averaged = bake(rows, tmp_path / "soup", soup=2)
    assert averaged == 1
    np.testing.assert_array_equal(weights[0], alone[0])
    np.testing.assert_array_equal(result.logits, result_alone.logits)


def test_a_soup_that_was_broken_off_ends_as_if_it_had_never_stopped(rows, tmp_path):
    undisturbed = bake(rows, tmp_path / "undisturbed")
    for stop in (2, 5, 8):
        with suppress(Stopped):
            bake(rows, tmp_path / "disturbed", stop)
    disturbed = bake(rows, tmp_path / "disturbed")
    for first, second in zip(undisturbed[0], disturbed[0], strict=True):
        np.testing.assert_array_equal(first, second)
    pd.testing.assert_frame_equal(undisturbed[1].history, disturbed[1].history)
    np.testing.assert_array_equal(undisturbed[1].logits, disturbed[1].logits)


def test_no_run_has_the_seed_of_another_training_of_the_way():
    seeds = [seed for first in range(1, 101) for seed in soup.seeds_of_runs(first, 10)]
    assert len({*seeds}) == len(seeds)
    assert soup.seeds_of_runs(7, 1) == [7]


def test_a_soup_is_delivered_as_one_network_whose_facts_tell_of_it_and_twice_the_same(made, tmp_path):
    at = {**made, "top": tmp_path / "top"}
    run_step("train_top", {**at, "classifier": tmp_path / "head"}, PARAMETERS["train_top"])
    for name in "ab":
        run_step("fine_tune", {**at, "classifier": tmp_path / name}, {**PARAMETERS["fine_tune"], "soup": 2})
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    classifier, single = Classifier.read(tmp_path / "a"), Classifier.read(made["classifiers/fine_tuned"])
    assert classifier.facts.averaged_runs in (1, 2)
    assert classifier.facts.model_parameters == single.facts.model_parameters
    assert classifier.facts.epochs == len(classifier.table("history.csv")) == 2 * single.facts.epochs
    images = Augmented.read(made["augmented"]).array[:4, 0]
    assert classifier.load().predict_on_batch(images).shape == (4, 3)


def test_runs_with_lora_are_refused_before_any_work():
    with pytest.raises(UserError, match=r"fine_tune: a mean .* lora 2 and soup 2: set `soup: 1`, or `lora: 0`"):
        load_step("fine_tune").check_values({**PARAMETERS["fine_tune"], "lora": 2, "soup": 2})

"""Steps that break off on one machine and go on on another, by a folder that both have."""

import os
import shutil
import time
from pathlib import Path

import pytest

from components.data import resuming
from components.machinery.running import run_step
from components.model import training
from components.system.errors import UserError
from tests.conftest import PARAMETERS, digests


def test_trainings_go_on_on_another_machine_that_shares_a_folder(made, tmp_path, monkeypatch):
    """Of two trainings the second breaks off; elsewhere neither is there, and only missing epochs are trained."""
    states = tmp_path / "states"
    trained: list[int] = []
    values = {**PARAMETERS["train_top"], "repeats": 2, "epochs": 4, "patience": 4}
    epoch_function = training.epoch_function

    def counting(*arguments):
        train_epoch = epoch_function(*arguments)

        def train(number):
            if len(trained) == breaks_off:
                raise KeyboardInterrupt
            trained.append(number)
            return train_epoch(number)

        return train

    def train_on(machine: str) -> Path:
        at = {**made, "top": tmp_path / machine / "top", "classifier": tmp_path / machine / "classifier"}
        run_step("train_top", at, values)
        return at["classifier"]

    monkeypatch.setattr(training, "epoch_function", counting)
    breaks_off = -1
    undisturbed = train_on("undisturbed")
    assert len(trained) == 8
    states.mkdir()
    monkeypatch.setenv(resuming.FOLDER, str(states))
    trained, breaks_off = [], 6
    with pytest.raises(KeyboardInterrupt):
        train_on("first")
    shutil.rmtree(tmp_path / "first")
    assert len([*states.glob("*.resume/training.npz")]) == 2
    trained, breaks_off = [], -1
    second = train_on("second")
    assert trained[-1] == 3 and len(trained) < 4  # of the second training alone
    assert not [*states.iterdir()]
    for number in (1, 2):
        assert digests(undisturbed / f"training={number}") == digests(second / f"training={number}")


def test_what_nobody_went_on_from_for_long_is_removed(tmp_path, monkeypatch):
    old, new = tmp_path / "a.resume", tmp_path / "b.resume"
    for folder in (old, new):
        folder.mkdir()
    long_ago = time.time() - (resuming.DAYS + 1) * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    resuming.remove_abandoned()  # which no folder is named for
    monkeypatch.setenv(resuming.FOLDER, str(tmp_path))
    assert old.exists()
    (tmp_path / "c.resume").symlink_to("removed")  # as what another machine removes between two looks
    resuming.remove_abandoned()
    assert {*tmp_path.glob("[ab]*")} == {new}


@pytest.mark.parametrize("folder", ["~/shared", "shared"])
def test_a_shared_folder_is_named_by_its_whole_path(monkeypatch, folder):
    monkeypatch.setenv(resuming.FOLDER, folder)
    with pytest.raises(UserError, match=f"GRAFT_SHARED_FOLDER is the whole path of a folder, .* received '{folder}'"):
        resuming.remove_abandoned()


def test_a_shared_folder_is_not_made_where_no_volume_is_mounted(monkeypatch, tmp_path):
    monkeypatch.setenv(resuming.FOLDER, str(tmp_path / "volume"))
    with pytest.raises(UserError, match=r"there is no folder '.*volume': mount the volume there, or make the folder"):
        resuming.remove_abandoned()
    assert not (tmp_path / "volume").exists()

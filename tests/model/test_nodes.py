"""Nodes that train together: that they find one another, and train as one."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from components.data import resuming
from components.data.artifacts import Classifier
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.model import nodes
from components.system.errors import UserError
from tests.conftest import PARAMETERS

ONE_NODE = """
import json, sys
from components.machinery.running import run_step
run_step("fine_tune", *json.loads(sys.argv[1]))
"""


def begin(at: dict[str, str], values: dict, environment: dict[str, str]) -> subprocess.Popen:
    """Start fine-tuning as a process of its own."""
    words = [sys.executable, "-c", ONE_NODE, json.dumps([at, values])]
    return subprocess.Popen(words, cwd=ROOT, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow  # three processes with Keras
def test_two_nodes_train_as_one(made, tmp_path):
    """Two trainings each; batches of 5, and a last one of 4, do not divide evenly."""
    at = {**made, "top": tmp_path / "top"}
    run_step("train_top", {**at, "classifier": tmp_path / "head"}, {**PARAMETERS["train_top"], "dropout": 0})
    paths = {name: str(path) for name, path in at.items() if isinstance(path, Path)}
    values = {**PARAMETERS["fine_tune"], "batch_size": 5, "epochs": 3, "patience": 3, "repeats": 2}

    def begin_on(name: str, **environment: str) -> subprocess.Popen:
        apart = {**paths, "classifier": str(tmp_path / name)}
        return begin(apart, values, {"MLFLOW_TRACKING_URI": "off", **environment})

    (tmp_path / "shared").mkdir()
    shared = {"GRAFT_NODES": "2", "GRAFT_NODE_ADDRESS": "127.0.0.1", resuming.FOLDER: str(tmp_path / "shared")}
    for processes in (
        [begin_on("alone")],
        [begin_on(f"node{number}", **shared, GRAFT_NODE=f"{number}") for number in (1, 0)],
    ):
        for process in processes:
            _, errors = process.communicate(timeout=300)
            assert process.returncode == 0, errors
    assert not [*(tmp_path / "shared").iterdir()]
    images = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)
    for training in ("training=1", "training=2"):
        made_by = [Classifier.read(tmp_path / name / training) for name in ("alone", "node0", "node1")]
        histories = [one.table("history.csv").to_numpy() for one in made_by]
        outputs = [one.load().predict_on_batch(images) for one in made_by]
        for number in (1, 2):
            np.testing.assert_allclose(histories[0], histories[number], atol=1e-4)
            np.testing.assert_allclose(outputs[0], outputs[number], atol=1e-4)


@pytest.fixture
def output(tmp_path, monkeypatch) -> Classifier:
    (tmp_path / "shared").mkdir()
    monkeypatch.setenv(resuming.FOLDER, str(tmp_path / "shared"))
    monkeypatch.setenv(nodes.ADDRESS, "127.0.0.1")
    monkeypatch.setattr(nodes, "PAUSE", 0.01)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    return Classifier(tmp_path / "classifier", inputs_digest="digest")


def test_a_step_on_one_node_meets_nobody(output):
    nodes.meet(output)
    assert "TF_CONFIG" not in os.environ


def test_an_address_of_an_attempt_that_broke_off_is_not_taken(output, tmp_path, monkeypatch):
    """Nobody listens there; node 1 comes again, at another one, while node 0 looks."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        stale = f"127.0.0.1:{gone.getsockname()[1]}"
    folder = output.resume / "nodes-run"
    folder.mkdir(parents=True)
    (folder / "1.txt").write_text(stale)
    (folder / "all.json").write_text(json.dumps(["127.0.0.1:1", stale]))
    monkeypatch.setenv(nodes.NODES, "2")
    with socket.create_server(("127.0.0.1", 0)) as back:
        fresh = f"127.0.0.1:{back.getsockname()[1]}"
        timer = threading.Timer(0.2, lambda: nodes.write_text(folder / "1.txt", fresh))
        timer.start()
        monkeypatch.setenv("TF_CONFIG", "")  # restored at the end
        monkeypatch.delenv("TF_CONFIG")
        nodes.meet(output)
        timer.join()
    config = json.loads(os.environ.pop("TF_CONFIG"))
    assert config["cluster"]["worker"][1] == fresh and config["task"] == {"type": "worker", "index": 0}
    assert json.loads((folder / "all.json").read_text()) == config["cluster"]["worker"]
    assert nodes.read_list_with(folder / "all.json", fresh) == config["cluster"]["worker"]
    assert nodes.read_list_with(folder / "all.json", stale) is None


@pytest.mark.parametrize("number", ["0", "1"])
def test_a_node_that_does_not_come_is_waited_for_no_longer_than_that(number, output, monkeypatch):
    monkeypatch.setenv(nodes.NODES, "2")
    monkeypatch.setenv(nodes.NODE, number)
    monkeypatch.setattr(nodes, "MINUTES", 0)
    other = 1 - int(number)
    with pytest.raises(UserError, match=f"node {other} of 2 did not come within 0 minutes"):
        nodes.meet(output)


def test_nodes_without_a_folder_to_meet_in_are_told_so(output, monkeypatch):
    monkeypatch.setenv(nodes.NODES, "2")
    monkeypatch.delenv(resuming.FOLDER)
    with pytest.raises(UserError, match="2 nodes meet in a folder that they share: set GRAFT_SHARED_FOLDER"):
        nodes.meet(output)

"""What choosing is measured against: every candidate trained, in a folder of its own."""

import json

import pytest

from benchmarks import choosing
from pipeline.__main__ import main
from tests.pipeline.test_choosing import write_project


@pytest.mark.slow  # eight trainings, and a choice among four candidates
def test_choosing_is_held_to_the_best_of_all_and_to_what_all_took(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")  # which main sets; undone at the end
    monkeypatch.chdir(write_project(tmp_path))
    main(["new", "../edges", "--network", "glyphs"])
    words = ["--networks", "glyphs", "random_vgg16_small", "--sizes", "32", "40", "--seeds", "1"]
    choosing.main(["edges", *words, "--set", "augment.views=0"])
    (row,) = json.loads(choosing.RESULTS.read_text())["rows"]
    assert row["candidates"] == 4 and row["seconds"] > 0 and 0 < row["all"] < row["five"]
    assert (row["best"] == row["chosen"]) <= (row["validation"] == row["test"] == 0)
    assert all(" from last_block" in row[name] for name in ("best", "chosen"))

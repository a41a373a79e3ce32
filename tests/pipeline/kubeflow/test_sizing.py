"""How much of Argo a pipeline takes: one that it could not hold is refused before it is sent, with what would fit."""

from pathlib import Path

import pytest
import yaml
from kfp.dsl.graph_component import GraphComponent

from components.system.errors import UserError
from pipeline import cluster
from pipeline.__main__ import main
from pipeline.kubeflow import compiling, sizing

RATES = [f"{number}e-5" for number in range(1, 13)]


def compiled(content: dict, sweeps: dict[str, list[str]]) -> GraphComponent:
    """Return the pipeline of `digits` with a sweep, before it is written."""
    graph = compiling.compile_recipe(content, cluster.read(content), "digits", {}, sweeps)
    return compiling.share_components(graph)


def write(content: dict, folder: Path, **options) -> None:
    compiling.write(content, cluster.read(content), "digits", folder, **options)


def test_a_pipeline_that_argo_cannot_hold_is_refused_with_the_number_of_arms_that_it_can(
    content, tmp_path, monkeypatch
):
    six, twelve = ({"fine_tune.learning_rate": RATES[:number]} for number in (6, 12))
    monkeypatch.setattr(sizing, "MOST", sizing.workflow_size(compiled(content, six)))
    line = r"digits with 12 arms is about 0\.[0-9] MB to Argo when all is done, .*; about 6 arms fit: vary less"
    with pytest.raises(UserError, match=line):
        write(content, tmp_path, sweeps=twelve)
    assert not [*tmp_path.iterdir()]
    for options in ({"sweeps": six}, {"sweeps": twelve, "local": True}):
        write(content, tmp_path, **options)
    content["recipes"]["digits"]["vary"] = {"fine_tune": {"epochs": [2, 3]}}
    with pytest.raises(UserError, match=r"with 12 arms .*; about [56] arms fit"):
        write(content, tmp_path, sweeps=six)


def test_too_many_arms_are_refused_before_a_server_is_asked(content, tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sizing, "MOST", 400_000)
    sweep = f"fine_tune.learning_rate={','.join(RATES)}"
    with pytest.raises(UserError, match=r"digits with 12 arms is about .*; about [1-9] arms fit"):
        main(["submit", "digits", "--host", "http://127.0.0.1:1", "--sweep", sweep])


def test_a_pipeline_too_large_without_any_arm_is_refused_with_what_makes_it_smaller(content, tmp_path, monkeypatch):
    monkeypatch.setattr(sizing, "MOST", 200_000)
    for sweeps in ({}, {"fine_tune.learning_rate": RATES[:2]}):
        with pytest.raises(UserError, match=r"^digits is about .* Argo holds 0\.2 MB: take fewer folds, networks"):
            write(content, tmp_path, sweeps=sweeps)


def test_the_size_of_a_pipeline_is_rather_above_what_kubeflow_made_of_one(content):
    measured = {1: 275_638, 20: 598_155}  # by 2.17's own translation, with a state of it that is done, compressed
    for arms, size in measured.items():
        rates = [f"{(number + 1) * 1e-5:.6g}" for number in range(arms)]
        estimate = sizing.workflow_size(compiled(content, {"fine_tune.learning_rate": rates}))
        assert 0.9 * size < estimate < 1.3 * size

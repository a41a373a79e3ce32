"""`graft choose`: many candidates, the weaker ended early, within a time, with a decision that is kept."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.machinery.code import ROOT
from components.model.backbones.applications import APPLICATIONS
from components.system.errors import UserError
from pipeline import recipes
from pipeline.__main__ import main
from pipeline.candidates import list_candidates
from pipeline.decisions import Decision, describe, read_decision
from pipeline.halving import BEATEN, Clock, Trial
from tests.conftest import write_images

WORDS = ["choose", "../edges", "--networks", "glyphs,random_vgg16_small,gone", "--sizes", "16,32,40"]


def run(*words: str) -> str:
    with redirect_stdout(StringIO()) as printed:
        main([*words])
    return printed.getvalue()


def write_project(top: Path) -> Path:
    """Write a project, and beside it images of its own; return the project's folder."""
    write_images(top / "edges", 30)
    here = top / "project"
    here.mkdir()
    (here / "pretraining").symlink_to(ROOT / "pretraining")
    content = (ROOT / "params.yaml").read_text(encoding="utf-8")
    content = content.replace("epochs: 200, patience: 20", "epochs: 20, patience: 20").replace("views: 4", "views: 1")
    content = content.replace("epochs: 14\n    patience: 14", "epochs: 2\n    patience: 14")
    gone = "gone: {backbone: vgg16_small, source: gone.h5}"
    content = content.replace("  own:\n    glyphs:", f"  own:\n    {gone}\n    glyphs:")
    (here / "params.yaml").write_text(content, encoding="utf-8")
    return here


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[Path]:
    """A project, which is the current folder."""
    here = write_project(tmp_path_factory.mktemp("choosing"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        yield here


@pytest.fixture(scope="module")
def printed(project) -> str:
    """What choosing has printed."""
    return run(*WORDS)


def decided() -> Decision:
    """Return the decision about the small data set."""
    decision = read_decision("edges")
    assert decision
    return decision


def made_when(project: Path) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for file in (project / "artifacts").rglob("*.record.json")}


@pytest.mark.slow  # a whole choice
def test_each_rung_is_reached_by_fewer_and_the_best_of_the_last_is_fine_tuned(printed):
    trials = decided().trials
    assert [[one["rung"] for one in trial.course[1:]] for trial in trials[:4]] == [
        ["head", "fine-tuned"],
        ["head"],
        [],
        [],
    ]
    assert [trial.ended for trial in trials[:4]] == ["", BEATEN, BEATEN, BEATEN]
    by_rung = [[trial.course[rung]["log_loss"] for trial in trials if len(trial.course) > rung] for rung in range(2)]
    assert max(by_rung[0][:2]) <= min(by_rung[0][2:])
    assert by_rung[1] == sorted(by_rung[1])


def test_a_network_that_cannot_take_a_size_ends_there_and_one_without_weights_at_every_size(printed):
    ended = {one.candidate: one.ended for one in decided().trials if not one.course}
    assert {*ended} == {*(("gone", size) for size in (16, 32, 40)), ("glyphs", 16), ("random_vgg16_small", 16)}
    for (network, _), reason in ended.items():
        assert ("no weights file" if network == "gone" else "no backbone for images of 16 pixels") in reason


def test_the_recipe_of_the_best_is_written_and_switched_on_in_place_of_the_draft(printed, project):
    content = recipes.read()
    best, second, *_ = decided().trials
    recipes.check(content)
    assert content["active"] == ["edges_chosen", "digits"]
    assert content["recipes"]["edges_chosen"] == {
        "like": "edges",
        "networks": list(dict.fromkeys([best.network, second.network])),
        "vary": {
            "augment": {"image_size": list(dict.fromkeys([best.image_size, second.image_size]))},
            "extract": {"unfreeze": [best.cut]},
        },
    }
    assert "`make repro` trains and tests it" in printed.splitlines()[-1]


def test_whom_there_are_scores_of_is_in_the_table_and_why_there_are_none_of_others_is_said(printed):
    lines = printed.splitlines()
    start = next(number for number, line in enumerate(lines) if line.split()[:2] == ["candidate", "came"])
    scored, trials = [one for one in decided().trials if one.course], decided().trials
    assert [" ".join(row.split()[:3]) for row in lines[start + 1 : start + 5]] == [str(one.candidate) for one in scored]
    for row, trial in zip(lines[start + 1 :], scored, strict=False):
        assert ("*" in row) == (not any(trial.is_dominated_by(other) for other in trials))
    assert any(line.startswith(f"best on validation: {scored[0].candidate}; ") for line in lines)
    assert any(line.startswith("no further: gone at 16, gone at 32, gone at 40: no weights file") for line in lines)
    assert all(len(line) <= 160 for line in lines[start:])


def test_many_candidates_are_folded():
    many = [Trial("net", 32 + number, [{**row(number / 50), "accuracy": 0.5}]) for number in range(40)]
    lines = describe(Decision("edges", 2, 1.0, 9.0, many, [])).splitlines()
    assert len(lines) < 30 and "... and 20 more, in decisions/edges.json" in lines


def test_a_decision_that_is_kept_is_told_and_nothing_is_computed(printed, project):
    before, text = made_when(project), (project / "params.yaml").read_text()
    again = run(*WORDS)
    assert again.startswith("choose: decided before, in decisions/edges.json")
    assert again[again.index("\n\n") + 2 :] in printed
    assert (made_when(project), (project / "params.yaml").read_text()) == (before, text)


def test_to_decide_anew_computes_nothing_twice_and_comes_to_the_same(printed, project):
    before, kept = made_when(project), decided()
    run(*WORDS, "--anew", "--hours", "2")
    decision = decided()
    assert made_when(project) == before
    assert decision.trials == kept.trials and decision.hours == 2


def records_below(folder: Path) -> list[Path]:
    """Return the records of probes below a folder in which a process moves others away meanwhile."""
    return [Path(place) / name for place, _, names in os.walk(folder) for name in names if name == "probe.record.json"]


@pytest.mark.slow  # two processes that load TensorFlow
def test_what_was_killed_goes_on_and_comes_to_the_same(printed, project, tmp_path):
    folder = write_project(tmp_path)
    command = [sys.executable, "-m", "pipeline", *WORDS]
    options: dict[str, Any] = {
        "cwd": folder,
        "env": {**os.environ, "PYTHONPATH": str(ROOT)},
        "stdout": subprocess.DEVNULL,
    }
    with subprocess.Popen(command, **options) as process:
        while not (records := records_below(folder)) and process.poll() is None:
            time.sleep(0.05)
        process.kill()
    before = {file: file.stat().st_mtime_ns for file in records}
    assert before and not (folder / "decisions").exists()
    subprocess.run(command, check=True, **options)
    assert {file: file.stat().st_mtime_ns for file in records} == before
    courses = [
        [(one["network"], one["image_size"], one["course"]) for one in json.loads(file.read_text())["trials"]]
        for file in (folder / "decisions/edges.json", project / "decisions/edges.json")
    ]
    assert courses[0] == courses[1]


def test_other_candidates_than_those_decided_on_are_to_be_asked_for_anew(printed):
    with pytest.raises(UserError, match=r"decisions/edges.json decides among 9 other candidates .* `--anew`"):
        run("choose", "edges", "--networks", "glyphs")


def test_a_decision_stands_for_what_is_not_given(printed):
    assert run("choose", "edges").startswith("choose: decided before")
    with pytest.raises(UserError, match="for 2 finalists"):
        run("choose", "edges", "--finalists", "3")


def test_a_recipe_that_somebody_wrote_is_not_replaced(project):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("recipes:\n", "recipes:\n  digits_chosen: {like: digits}\n", 1))
    with pytest.raises(UserError, match="a recipe digits_chosen that no decision"):
        run("choose", "digits")
    (project / "params.yaml").write_text(text)


def test_neither_a_recipe_nor_a_folder(project):
    with pytest.raises(UserError, match="no recipe, and no folder, 'digts'; did you mean 'digits'"):
        run("choose", "digts")


def test_a_damaged_decision_is_one_line(printed, project):
    file = project / "decisions" / "edges.json"
    content = file.read_text()
    file.write_text(json.dumps({**json.loads(content), "extra": 1}))
    with pytest.raises(UserError, match=r"decisions/edges.json is no decision"):
        run(*WORDS)
    file.write_text(content)


def test_without_any_score_in_time_nothing_is_written(project, monkeypatch):
    text = (project / "params.yaml").read_text()
    with pytest.raises(UserError, match=r"no candidate of digits has a score: .* give more --hours"):
        run("choose", "digits", "--hours", "1e-7")
    assert (project / "params.yaml").read_text() == text and not read_decision("digits")


# What is tried


def content() -> dict:
    return yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def test_candidates_are_every_network_at_every_size():
    found = list_candidates(content(), "digits", ["vgg16", "glyphs", "vgg16"], ["32", "64"])
    assert found == [("vgg16", 32), ("vgg16", 64), ("glyphs", 32), ("glyphs", 64)]
    assert list_candidates(content(), "digits", [], []) == [("glyphs", 32)]


def test_sizes_that_a_recipe_varies_are_tried():
    varied = content()
    varied["recipes"]["digits"]["vary"] = {"augment": {"image_size": [32, 48]}}
    assert [size for _, size in list_candidates(varied, "digits", [], [])] == [32, 48]


def test_all_are_ones_own_weights_and_every_registered_network_that_can_be_downloaded():
    names = {name for name, _ in list_candidates(content(), "digits", ["all"], [])}
    assert names == {"glyphs", *APPLICATIONS}


@pytest.mark.parametrize(
    ("networks", "sizes", "said"),
    [(["vgg61"], [], "did you mean 'vgg19'"), ([], ["big"], "image_size is a whole number"), ([], ["0"], "from 1")],
)
def test_a_candidate_that_cannot_be_is_refused(networks, sizes, said):
    with pytest.raises(UserError, match=said):
        list_candidates(content(), "digits", networks, sizes)


# Ranks, the front, the clock


def row(loss: float) -> dict[str, Any]:
    return {"rung": "logistic", "train_images": 9, "log_loss": loss}


def trial(losses: list[float], seconds: float = 0.01, megabytes: float = 10.0, parameters: int = 10**6) -> Trial:
    return Trial("net", 32, [*map(row, losses)], "", 0.0, seconds, parameters, megabytes)


def test_who_came_further_stands_before_who_has_the_lower_loss():
    ranked = sorted([trial([0.1]), trial([0.5, 0.4]), trial([]), trial([0.6, 0.3])], key=lambda one: one.standing)
    assert [[row["log_loss"] for row in one.course] for one in ranked] == [[0.6, 0.3], [0.5, 0.4], [0.1], []]


def test_the_front_is_by_the_last_rung_that_both_reached():
    beaten, best = trial([0.3]), trial([0.2, 0.9])
    assert beaten.is_dominated_by(best) and not best.is_dominated_by(beaten)


@pytest.mark.parametrize("cheaper", [{"seconds": 0.005}, {"megabytes": 9.0}, {"parameters": 10**5}])
def test_what_is_worse_but_cheaper_in_one_way_is_on_the_front(cheaper):
    small = trial([0.3], **cheaper)
    assert not small.is_dominated_by(trial([0.2])) and not trial([0.2]).is_dominated_by(small)
    assert trial([0.3]).is_dominated_by(trial([0.3], **cheaper))


def test_times_within_a_tenth_are_the_same():
    assert trial([0.3], seconds=0.0095).is_dominated_by(trial([0.2]))
    assert not trial([0.3], seconds=0.008).is_dominated_by(trial([0.2]))


def test_the_clock_learns_what_estimates_leave_out_and_by_how_much_they_are_too_high():
    clock = Clock(100)
    assert clock.allows("probed", 60) and not clock.allows("probed", 101)
    clock.note("probed", 0, 9)  # nothing was measured before the first
    clock.note("probed", 10, 15)
    assert clock.correct("probed", 40) == 49 and not clock.allows("probed", 92)
    clock.note("head", 80, 20)
    assert clock.correct("head", 200) == 50 and clock.correct("fine-tuned", 60) == 60
    clock.note("head", 20, 30)
    assert clock.correct("head", 20) == 30

"""The plan: what every stage runs, with which values, and that nothing in params.yaml gets past its checks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components import code, step
from components.errors import UserError
from components.step import ROOT
from pipeline import planning, recipes
from tests.conftest import write_images
from tests.test_dvc import Checkout, copy_project


@pytest.fixture
def content() -> dict:
    content = recipes.read(ROOT / "params.yaml")
    content["active"] = {"digits": {"data": "digits", "weights": "glyphs"}}
    return content


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_an_entry_has_checked_values_and_the_digest_of_the_code(content):
    entry = planning.plan(content)["split"]["digits"]
    assert entry["values"]["train"] == 30 and type(entry["values"]["train"]) is float
    assert entry["code"] == code.digest("split")
    assert f"numpy {code.versions('split')['numpy']}" in entry["versions"]
    assert planning.artifacts_of(entry) == {
        "images": "data/images/digits", "audit": "artifacts/digits/audit",
        "splits": "artifacts/digits/splits", "test_split": "artifacts/digits/test_split",
    }  # fmt: skip


def test_a_value_changes_the_digest_of_its_stage_and_no_other(content):
    before = planning.plan(content)
    content["recipes"]["digits"]["train_top"] = {"dropout": 0.3}
    after = planning.plan(content)
    changed = {(stage, key) for stage, entries in before.items() for key in entries
               if entries[key]["digest"] != after[stage][key]["digest"]}  # fmt: skip
    assert changed == {("train_top", "digits")}


def test_a_version_changes_the_stages_that_use_the_package(content, monkeypatch):
    before, known = planning.plan(content), code.versions_in
    monkeypatch.setattr(code, "versions_in", lambda text: {**known(text), "keras": "99"})
    after = planning.plan(content)
    for stage, entries in before.items():
        for key, entry in entries.items():
            uses = stage != "vary" and "keras" in code.packages(entry["step"])
            assert (entry["digest"] != after[stage][key]["digest"]) == uses, stage


def test_a_value_is_what_it_means_however_it_is_written(content):
    before = planning.plan(content)
    content["recipes"]["digits"]["split"]["train"] = "3e1"
    assert planning.plan(content) == before


def test_a_variant_is_in_the_entry_of_what_varies(content):
    content["recipes"]["digits"]["vary"] = {"repeats": 2}
    entry = planning.plan(content)["vary"]["digits"]
    assert [task["step"] for task in entry["tasks"]] == [
        "train_benchmark", "train_top", "fine_tune", *["evaluate"] * 3,
    ]  # fmt: skip
    assert {task["values"]["seed"] for task in entry["tasks"] if "seed" in task["values"]} == {2}
    for task in entry["tasks"]:
        outputs = [planning.artifacts_of(task)[key] for key in step.load(task["step"]).outputs]
        assert all(path.startswith("artifacts/digits/variants/seed-2/") for path in outputs)
        assert task["record"].startswith("artifacts/digits/variants.records/seed-2/")


def test_the_plan_is_the_same_text_each_time(content, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "PLAN", tmp_path / "plan.json")
    texts = []
    for _ in range(2):
        planning.write(planning.plan(content))
        texts.append(planning.PLAN.read_text())
    assert texts[0] == texts[1] and {path.name for path in tmp_path.iterdir()} == {"plan.json"}
    assert str(ROOT) not in texts[0]


@pytest.mark.parametrize(
    ("address", "step_name"),
    [("split@digits", "split"), ("evaluate@digits-top", "evaluate"), ("data/dvc.yaml:fetch@digits", "fetch")],
)
def test_a_stage_is_found_by_the_name_that_dvc_gives_it(address, step_name, content, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "PLAN", tmp_path / "plan.json")
    planning.write(planning.plan(content))
    stage, entry = planning.read_entry(address)
    assert stage == entry["step"] == step_name


def test_stages_that_are_not_there(content, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "PLAN", tmp_path / "plan.json")
    with pytest.raises(UserError, match=r"no .*plan.json here: `dvc repro`"):
        planning.read_entry("split@digits")
    planning.write(planning.plan(content))
    for address in ("split@digit", "split", "", "splitt@digits"):
        with pytest.raises(UserError, match="no stage "):
            planning.read_entry(address)


NAMES = "letters, digits, _ and -"
WRONG: dict[str, tuple[dict, str]] = {
    "a command as a recipe": (
        {"active": {"d;touch x;": {"data": "mine", "weights": "glyphs"}}}, "no recipe 'd;touch x;'",
    ),
    "a quote in a recipe": (
        {"recipes": {"d'; touch x; '": {}}, "active": {"d'; touch x; '": {"data": "mine", "weights": "glyphs"}}}, NAMES,
    ),
    "a command as a number": ({"data": {"max_quarantined": "0.05; touch x #"}}, "max_quarantined is a number"),
    "a command as a name": ({"data": {"own": {"m;touch x;": {"source": "pretraining"}}}}, NAMES),
    "names that are one": ({"recipes": {"a_b": {}, "a-b": {}}}, "a_b and a-b are one name to Kubernetes"),
    "names that are one but for capitals": ({"recipes": {"ab": {}, "aB": {}}}, "ab and aB are one name to Kubernetes"),
    "a name too long for the disk": ({"recipes": {"a" * 244: {}}}, "at most 243 characters"),
    "more than there is": (
        {"recipes": {"edges": {"split": {"train": 0.8, "test": 0.3}}}}, "train 0.8 + test 0.3 = 1.1 of the images",
    ),
    "no such source": ({"data": {"own": {"mine": {"source": "nowhere"}}}}, "nothing is at 'nowhere'"),
    "no such weights": (
        {"weights": {"own": {"glyphs": {"backbone": "vgg16_small", "source": "nowhere.h5"}}}},
        "nothing is at 'nowhere.h5'",
    ),
    "a home": ({"data": {"own": {"mine": {"source": "~/images"}}}}, "DVC knows no ~: write the path in full"),
}  # fmt: skip


def merged(content: dict, changes: dict) -> dict:
    """Return nested mappings with changes; a recipe of no lines is one of defaults."""
    for key, value in changes.items():
        content[key] = merged(dict(content.get(key) or {}), value) if isinstance(value, dict) else value
    return content


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Checkout:
    folder = tmp_path_factory.mktemp("planned") / "project"
    folder.mkdir()
    copy_project(folder)
    project = Checkout(folder, write_images(folder.parent / "mine", 16))
    content = yaml.safe_load((folder / "params.yaml").read_text())
    content["data"]["own"] = {"mine": {"source": str(folder.parent / "mine")}}
    content["active"] = {"edges": {"data": "mine", "weights": "glyphs"}}
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return project


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line_of_plain_dvc_and_nothing_else_runs(case, project):
    """Whatever stands in params.yaml, no word of it is run."""
    file = project.folder / "params.yaml"
    before = file.read_text()
    changes, line = WRONG[case]
    content = yaml.safe_load(before)
    for name in changes.get("recipes", {}):
        content["recipes"].setdefault(name, content["recipes"]["edges"])
    file.write_text(yaml.safe_dump(merged(content, changes), sort_keys=False))
    try:
        said = project("dvc", "repro", check=False)
    finally:
        file.write_text(before)
    assert len([one for one in said.splitlines() if one.startswith("error: ")]) == 1 and line in said
    assert "Running stage" not in said.replace("Running stage 'plan'", "")
    assert not {path.name for path in project.folder.iterdir()} & {"x", "artifacts", "plan.json"}


def test_names_that_are_long_but_fit(content):
    content["recipes"]["a" * 243] = content["recipes"]["digits"]
    content["active"] = {"a" * 243: content["active"]["digits"]}
    assert len(planning.plan(content)["split"]) == 1


def test_fractions_that_are_the_whole_are_right(content):
    content["recipes"]["digits"]["split"] = {"train": 0.7, "validation": 0.1, "test": 0.2}
    planning.plan(content)
    content["recipes"]["digits"]["split"] = {"method": "published", "train": 0.9, "validation": 0.2, "test": 0.9}
    planning.plan(content)


def test_a_word_of_the_plan_is_no_command(tmp_path):
    """Stages are told by a variable of the environment, which a shell does not read again."""
    stage = "split@d'; touch x; '"
    done = subprocess.run(
        'python -m pipeline run "$DVC_STAGE"', shell=True, cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "DVC_STAGE": stage, "PYTHONPATH": str(ROOT),
             "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.startswith("error: no plan.json here")
    (tmp_path / "plan.json").write_text(json.dumps({"stages": {"split": {}}}))
    assert not (tmp_path / "x").exists()

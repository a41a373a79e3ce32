"""The plan: what every stage runs, with which values, and that nothing in params.yaml gets past its checks."""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from components.machinery import code
from components.machinery.code import ROOT
from components.system.errors import UserError
from pipeline import places, planning, recipes
from pipeline.__main__ import main
from pipeline.planning import Entry
from tests.conftest import write_images
from tests.pipeline.test_dvc import Checkout


@pytest.fixture
def content() -> dict:
    return {**recipes.read(ROOT / "params.yaml"), "active": ["digits"]}


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The folder of the plan, in a folder of its own."""
    monkeypatch.setattr(planning, "PLAN", tmp_path / "plan")
    return tmp_path / "plan"


def entries(content: dict) -> dict[str, Entry]:
    return {name: Entry.of(task) for name, task in planning.active_tasks(content).items()}


def changed_stages(before: dict[str, Entry], after: dict[str, Entry]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_an_entry_has_checked_values_and_the_digest_of_the_code(content):
    entry = entries(content)["split-digits"]
    assert entry.values["train"] == 30 and type(entry.values["train"]) is float
    assert entry.code == code.code_digest("split") and entry.versions == code.computing_versions("split")
    assert entry.artifacts == {
        "images": ["data/images/digits"], "audit": ["artifacts/digits/audit"],
        "splits": ["artifacts/digits/splits"], "test_split": ["artifacts/digits/test_split"],
    }  # fmt: skip
    assert entry.record == "artifacts/digits/splits.record.json" and entry.recipe == "digits"


def test_plans_that_are_written_at_once_do_not_meet(content, folder):
    tasks = planning.active_tasks(content)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(planning.write, [tasks] * 12))
    assert {file.stem for file in folder.glob("*.json")} == {*tasks}
    assert [path.name for path in folder.parent.iterdir()] == ["plan"]


def test_a_value_changes_the_entry_of_its_stage_and_no_other(content):
    before = entries(content)
    content["recipes"]["digits"]["train_top"] = {"dropout": 0.3}
    assert changed_stages(before, entries(content)) == {"train_top-digits-glyphs"}


def test_a_version_changes_the_stages_that_use_the_package(content, monkeypatch):
    before, known = entries(content), code.locked_versions
    monkeypatch.setattr(code, "locked_versions", lambda text: {**known(text), "keras": "99"})
    uses = {name for name, entry in before.items() if "keras" in code.computing_packages(entry.step)}
    assert changed_stages(before, entries(content)) == uses


def test_a_value_is_what_it_means_however_it_is_written(content):
    before = entries(content)
    content["recipes"]["digits"]["split"]["train"] = "3e1"
    assert entries(content) == before


def test_a_recipe_that_is_switched_on_changes_no_entry_of_another(content):
    before = entries(content)
    after = entries({**content, "active": [*content["recipes"]]})
    assert before.items() <= after.items()


def test_the_plan_is_the_same_text_each_time(content, folder):
    texts = []
    for _ in range(2):
        planning.write(planning.active_tasks(content))
        texts.append({path.name: path.read_text() for path in folder.iterdir()})
    assert texts[0] == texts[1] and {path.name for path in folder.parent.iterdir()} == {"plan"}
    assert set(texts[0]) == {planning.PARAMS_DIGEST, *(f"{name}.json" for name in entries(content))}
    assert not any(str(ROOT) in text for text in texts[0].values())


@pytest.mark.parametrize(
    ("address", "step_name"),
    [
        ("split-digits", "split"),
        ("evaluate-digits-glyphs-top", "evaluate"),
        ("data/dvc.yaml:fetch-digits", "fetch"),
    ],
)
def test_a_stage_is_found_by_the_name_that_dvc_gives_it(address, step_name, content, folder):
    planning.write(planning.active_tasks(content))
    entry = planning.read_entry(address)
    assert entry.step == step_name and entry == entries(content)[address.rpartition(":")[2]]


def test_stages_that_are_not_there(content, folder):
    with pytest.raises(UserError, match=r"no .*plan here: `dvc repro`"):
        planning.read_entry("split-digits")
    planning.write(planning.active_tasks(content))
    for address in ("split-digit", "split", "", "splitt-digits", "../plan/split-digits"):
        with pytest.raises(UserError, match="no stage "):
            planning.read_entry(address)


NAMES = "letters, digits, _ and -"
WRONG: dict[str, tuple[dict, str]] = {
    "a command as a recipe": ({"active": ["d;touch x;"]}, "no recipe 'd;touch x;'"),
    "a quote in a recipe": ({"recipes": {"d'; touch x; '": {}}, "active": ["d'; touch x; '"]}, NAMES),
    "a command as a number": ({"data": {"max_quarantined": "0.05; touch x #"}}, "max_quarantined is a number"),
    "a command as a name": ({"data": {"own": {"m;touch x;": {"source": "pretraining"}}}}, NAMES),
    "names that are one": ({"recipes": {"a_b": {}, "a-b": {}}}, "a_b and a-b are one name to Kubernetes"),
    "names that are one but for signs": ({"recipes": {"a_b": {}, "a__b-": {}}}, "a_b and a__b- are one name to"),
    "names that are one but for capitals": ({"recipes": {"ab": {}, "aB": {}}}, "ab and aB are one name to Kubernetes"),
    "a name too long for the disk": ({"recipes": {"a" * 244: {}}}, "at most 243 characters"),
    "more than there is": (
        {"recipes": {"edges": {"split": {"train": 0.8, "test": 0.3}}}}, "train 0.8 + test 0.3 = 1.1 of the images",
    ),
    "no such source": ({"data": {"own": {"mine": {"source": "nowhere"}}}}, "nothing is at 'nowhere'"),
    "no such weights": (
        {"weights": {"own": {"glyphs": {"backbone": "vgg16_small", "source": "nowhere.h5"}}}},
        "no file is at 'nowhere.h5'",
    ),
    "no such home": ({"data": {"own": {"mine": {"source": "~/nowhere"}}}}, "nothing is at '~/nowhere'"),
    "a folder as weights": (
        {"weights": {"own": {"glyphs": {"backbone": "vgg16_small", "source": "pretraining"}}}},
        "no file is at 'pretraining'",
    ),
    "another network": (
        {"recipes": {"edges": {"networks": ["glyphs", "vgg16"]}}},
        "dvc.yaml has other stages than params.yaml asks for: `graft arrange` writes it anew",
    ),
    "an arm": (
        {"recipes": {"edges": {"vary": {"train_top": {"dropout": [0.1, 0.3]}}}}},
        "dvc.yaml has other stages than params.yaml asks for: `graft arrange` writes it anew",
    ),
}  # fmt: skip


def merged(content: dict, changes: dict) -> dict:
    """Return nested mappings with changes; a recipe of no lines is one of defaults."""
    for key, value in changes.items():
        content[key] = merged(dict(content.get(key) or {}), value) if isinstance(value, dict) else value
    return content


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Checkout:
    folder = tmp_path_factory.mktemp("planned") / "project"
    project = Checkout.begin(folder, write_images(folder.parent / "mine", 16))
    content = yaml.safe_load((folder / "params.yaml").read_text())
    content["data"]["own"] = {"mine": {"source": str(folder.parent / "mine")}}
    content["recipes"]["edges"]["data"] = "mine"
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    project("python", "-m", "pipeline", "arrange")
    return project


def wrong_text(case: str, project: Checkout) -> str:
    """Return the project's params.yaml with what is wrong in it."""
    content, (changes, _) = yaml.safe_load((project.folder / "params.yaml").read_text()), WRONG[case]
    for name in changes.get("recipes", {}):
        content["recipes"].setdefault(name, content["recipes"]["edges"])
    return yaml.safe_dump(merged(content, changes), sort_keys=False)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line_and_there_is_no_plan(case, project, monkeypatch):
    """As the stage `plan` says it, before which no other runs; whatever stands in params.yaml, no word of it is run."""
    shutil.copytree(project.folder, project.folder.parent / case)
    monkeypatch.chdir(project.folder.parent / case)
    Path("params.yaml").write_text(wrong_text(case, project))
    with pytest.raises(UserError, match=re.escape(WRONG[case][1])) as caught:
        main(["plan"])
    assert "\n" not in str(caught.value)
    assert not {path.name for path in Path().iterdir()} & {"x", "artifacts", "plan"}


@pytest.mark.parametrize("case", ["a command as a recipe", "a command as a name", "no such source", "another network"])
def test_what_is_wrong_is_one_line_of_plain_dvc_and_nothing_else_runs(case, project):
    file, line = project.folder / "params.yaml", WRONG[case][1]
    before = file.read_text()
    file.write_text(wrong_text(case, project))
    try:
        said = project("dvc", "repro", check=False)
    finally:
        file.write_text(before)
    assert len([one for one in said.splitlines() if one.startswith("error: ")]) == 1 and line in said
    assert "Running stage" not in said.replace("Running stage 'plan'", "")
    assert not {path.name for path in project.folder.iterdir()} & {"x", "artifacts", "plan"}


def test_names_that_are_long_but_fit(content):
    content["recipes"] = {end * 243: {**content["recipes"]["digits"], "audit": {"distance": len(end)}} for end in "ab"}
    stages = planning.active_tasks({**content, "active": [*content["recipes"]]})
    assert {len(name) for name, task in stages.items() if task.step == "audit"} == {places.LONGEST}


def test_fractions_that_are_the_whole_are_right(content):
    content["recipes"]["digits"]["split"] = {"train": 0.7, "validation": 0.1, "test": 0.2}
    recipes.check(content)
    content["recipes"]["digits"]["split"] = {"method": "published", "train": 0.9, "validation": 0.2, "test": 0.9}
    recipes.check(content)


def test_a_word_of_the_plan_is_no_command(tmp_path):
    """Stages are told by a variable of the environment, which a shell does not read again."""
    stage = "split-d'; touch x; '"
    done = subprocess.run(
        'python -m pipeline run "$DVC_STAGE"', shell=True, cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "DVC_STAGE": stage, "PYTHONPATH": str(ROOT),
             "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.startswith("error: no plan here")
    assert not (tmp_path / "x").exists()

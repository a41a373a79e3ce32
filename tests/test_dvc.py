"""DVC: what dvc.yaml says agrees with the steps, data sets are versioned, and a change re-runs what uses it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components import STEPS, step
from components.__main__ import parser_of
from components.data.artifacts import RECORD
from components.step import ROOT
from pipeline import recipes
from tests.conftest import PARAMETERS, write_images

STAGES = {**yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]}
FETCHES = yaml.safe_load((ROOT / "data" / "dvc.yaml").read_text())["stages"]


def definition(stage: str) -> dict:
    found = {**STAGES, **FETCHES}[stage]
    return found.get("do", found)


def paths(entries: list) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def inside(path: str, artifacts: set[str]) -> str | None:
    return next((artifact for artifact in artifacts if path == artifact or path.startswith(f"{artifact}/")), None)


@pytest.mark.parametrize("stage", [*(stage for stage in STAGES if stage != "vary"), *FETCHES])
def test_a_stage_is_its_step(stage):
    """Flags are the artifacts and parameters, deps and outs the inputs, outputs and code; `params` the sections."""
    said = definition(stage)
    *start, name, arguments = said["cmd"].split(maxsplit=4)
    assert start == ["python", "-m", "components"]
    flags = vars(parser_of(name).parse_args(arguments.split()))
    wanted = step.load(name)
    given = set(flags) - {"params", "recipe", "executor_input", "view"}
    if stage in STAGES and wanted.parameters:
        (key,) = set(re.findall(r"recipes\.(\$\{\S+?\})\.", said["cmd"]))
        assert flags["params"] == [f"params.yaml:defaults.{name}", f"params.yaml:recipes.{key}.{name}"]
        assert said["params"] == [f"defaults.{name}", f"recipes.{key}.{name}"]
        assert given == {*wanted.inputs, *wanted.outputs}
    else:
        assert given == {*wanted.inputs, *wanted.outputs, *wanted.parameters}
        assert "params" not in said
    inputs = {path for key in wanted.inputs for path in (flags[key] if key in wanted.several else [flags[key]])}
    if "images" in wanted.inputs:  # their record holds their digest: DVC looks at a file, not at every image
        inputs = {f"{path}/{RECORD}" if path == flags["images"] else path for path in inputs}
    outputs = {flags[artifact] for artifact in wanted.outputs}
    deps = set(paths(said["deps"]))
    assert {dep for dep in deps if dep.startswith("components/")} == set(wanted.code())
    assert {dep for dep in deps if not dep.startswith("components/")} - {"${item.source}"} == inputs
    made = paths([*said["outs"], *said.get("metrics", []), *said.get("plots", [])])
    assert {inside(path, outputs) for path in made} == outputs


@pytest.mark.parametrize(("stage", "artifact"), [("evaluate", "top"), ("compare", "comparison")])
def test_a_stage_keeps_every_file_that_its_step_makes(made, stage, artifact):
    """One that it does not list would be missing after `dvc checkout`, and the stage behind it would run again."""
    said = definition(stage)
    kept = {path.rpartition("/")[2] for path in paths([*said["outs"], *said["metrics"], *said.get("plots", [])])}
    assert kept == {path.name for path in made[artifact].iterdir()}


def test_every_step_is_a_stage():
    assert set(STAGES) - {"vary"} == set(STEPS) - {"fetch", "fetch_weights", "average"}
    assert set(FETCHES) == {"fetch", "fetch_own", "fetch_weights", "fetch_own_weights", "fetch_random_weights"}


def test_what_varies_depends_on_all_that_its_steps_take():
    """The code of these steps is behind what the stage takes; only that of averaging is not."""
    deps, code = set(paths(definition("vary")["deps"])), set(step.load("average").code())
    stages = ("split", "augment", "extract", "train_benchmark", "train_top", "fine_tune")
    made = {path for stage in stages for path in paths(definition(stage)["outs"])}
    assert made <= deps
    assert code - set().union(*(step.load(name).code() for name in stages)) <= deps


SECRETS = {
    name: f"planted-{name.lower()}-b5f1"
    for name in (
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_KEY", "KF_PIPELINES_TOKEN",
        "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN",
    )
}  # fmt: skip


def leaks(folder: Path) -> list[Path]:
    """Return every file that holds a secret of the environment."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if b"-b5f1" in path.read_bytes()]


class Checkout:
    """A git repository with the project in it, a tiny recipe switched on, and a local DVC remote."""

    def __init__(self, folder: Path, source: Path):
        self.folder = folder
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "MLFLOW_TRACKING_URI": "off",
            **SECRETS,
            **{f"GIT_{role}_{what}": f"test{'@example.org' * (what == 'EMAIL')}"
               for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }  # fmt: skip
        content = yaml.safe_load((folder / "params.yaml").read_text())
        content["active"] = {"edges": {"data": "edges", "weights": "glyphs"}}
        content["data"] = {"published": ["digits"], "own": {"edges": {"source": str(source)}}, "max_quarantined": 0.05}
        content["recipes"] = {"edges": {name: PARAMETERS[name] for name in recipes.IN_RECIPES}}
        (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        self("git", "init", "-q", "-b", "main")
        self("dvc", "init", "-q")
        shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
        self("dvc", "remote", "add", "-q", "-d", "local", str(folder.parent / "remote"))
        self.commit("start")

    def __call__(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 or not check, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "-b5f1" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def commit(self, message: str) -> None:
        self("git", "add", "-A")
        self("git", "commit", "-q", "-m", message)

    def change(self, path: str, value: object) -> None:
        content = yaml.safe_load((self.folder / "params.yaml").read_text())
        *parents, last = path.split(".")
        section = content
        for key in parents:
            section = section[key]
        section[last] = value
        (self.folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

    def repro(self, *targets: str) -> set[str]:
        """Run `dvc repro`, of everything or of some stages and what they need; return the stages that ran."""
        return set(re.findall(r"Running stage '(?:.*:)?(\w+)@", self("dvc", "repro", *targets)))

    def scores(self) -> dict[str, dict]:
        reports = self.folder / "artifacts" / "edges" / "reports"
        return {path.parent.name: json.loads(path.read_text()) for path in reports.glob("*/metrics.json")}


def test_the_main_job_from_images_to_comparison_and_what_a_change_re_runs(tmp_path):
    """One flow through the real `dvc repro` on tiny data, with every promise about re-running and versions."""
    source = write_images(tmp_path / "my own", 16)
    folder = tmp_path / "project"
    folder.mkdir()
    copy_project(folder)
    project = Checkout(folder, source)

    assert project.repro() == set(STAGES) | {"fetch_own", "fetch_own_weights"}
    assert project.repro() == set()
    project.commit("first")
    first = project.scores()
    assert set(first) == {"benchmark", "top", "fine_tuned"}
    first_revision = project("git", "rev-parse", "HEAD").strip()
    project("dvc", "push", "-q")

    assert "validation_kappa" in project("dvc", "metrics", "show")
    project("dvc", "plots", "show", "-o", "plots")
    page = (folder / "plots" / "index.html").read_text()
    assert all(f"edges, {model}: " in page for model in first)

    project.change("recipes.edges.train_top.learning_rate", 0.02)
    assert "learning_rate" in project("dvc", "params", "diff")
    assert project.repro() == {"train_top", "fine_tune", "vary", "evaluate", "compare"}
    project.change("recipes.edges.split.seed", 2)
    assert project.repro("train_top@edges") == {"split", "train_top"}

    project("git", "checkout", "-q", "--", ".")
    project("dvc", "checkout", "-q", "-f", "--allow-missing")
    assert project.scores() == first
    again = project.repro("--force", "--single-item", "fine_tune@edges", "evaluate@edges-fine_tuned")
    assert again == {"fine_tune", "evaluate"}
    assert project.scores() == first
    project("git", "checkout", "-q", "--", ".")
    project("dvc", "checkout", "-q", "-f", "--allow-missing")

    extra = sorted((source / "up").iterdir())[0].read_bytes()
    (source / "up" / "one more.png").write_bytes(extra)
    assert str(source) in project("dvc", "status")
    assert project.repro("split@edges", "augment@edges") == {"fetch_own", "audit", "split", "augment"}
    assert "one more.png" in project("dvc", "diff")
    project.commit("second")
    project("dvc", "push", "-q")

    clone = tmp_path / "clone"
    project("git", "clone", "-q", str(folder), str(clone))
    there = Checkout.__new__(Checkout)
    there.folder, there.environment = clone, project.environment
    there("dvc", "pull", "-q", "--allow-missing")
    assert there.repro("split@edges", "augment@edges") == set()
    assert (clone / "data/images/edges/images/up/one more.png").read_bytes() == extra
    there("git", "checkout", "-q", first_revision)
    there("dvc", "pull", "-q", "--allow-missing")
    assert not (clone / "data/images/edges/images/up/one more.png").exists()
    (source / "up" / "one more.png").unlink()
    assert there.repro() == set()
    assert there.scores() == first
    assert leaks(tmp_path) == []


def copy_project(folder: Path) -> None:
    """Copy the project, without what it made."""
    made = shutil.ignore_patterns("__pycache__", "images", "weights", "dvc.lock")
    for name in ("components", "pipeline", "pretraining"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data", folder / "data", ignore=made)
    for name in ("dvc.yaml", "params.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)

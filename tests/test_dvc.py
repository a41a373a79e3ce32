"""DVC: what dvc.yaml says agrees with the steps, data sets are versioned, and a change re-runs what uses it."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components import STEPS, step
from components.data.artifacts import MANIFEST
from components.data.records import SUFFIX
from components.step import ROOT
from pipeline import planning, recipes
from tests.conftest import PARAMETERS, write_images

STAGES = {**yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]}
FETCHES = yaml.safe_load((ROOT / "data" / "dvc.yaml").read_text())["stages"]


def definition(stage: str) -> dict:
    found = {**STAGES, **FETCHES}[stage]
    return found.get("do", found)


def paths(entries: list) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def resolved(text: str, stage: str, key: str) -> str:
    """Return a text of dvc.yaml as DVC resolves it for what a stage is for."""
    recipe, _, model = key.partition("-")
    uses = {"data": "digits", "weights": "glyphs"}
    sources = {name: own["source"] for noun in ("data", "weights") for name, own in CONTENT[noun]["own"].items()}
    names = {f"item.{noun}": name for noun, name in uses.items()} | {"item.source": sources.get(key, "")}
    names |= {"key": key, "item": key, "item.recipe": recipe, "item.model": model}
    return re.sub(r"\$\{([\w.]+)\}", lambda match: names[match[1]], text)


SOURCE = ROOT / "tests"  # a folder that is there; nothing of it is read
CONTENT = {**recipes.read(ROOT / "params.yaml"), "active": {"digits": {"data": "digits", "weights": "glyphs"}}}
CONTENT["data"] = {**CONTENT["data"], "own": {"mine": {"source": str(SOURCE)}}}
CONTENT["weights"] = {**CONTENT["weights"], "random": ["vgg16"]}
PLAN = planning.plan(CONTENT)
TASKS = [(stage, key) for stage, entries in PLAN.items() for key in entries]


def test_the_plan_has_the_stages_of_dvc():
    assert set(PLAN) == {*STAGES, *FETCHES} - {"plan"}
    assert set(STAGES) - {"vary", "plan"} == set(STEPS) - {"fetch", "fetch_weights", "average"}


@pytest.mark.parametrize(("stage", "key"), TASKS)
def test_a_stage_runs_what_the_plan_says(stage, key):
    """Its inputs and outputs are those of its entry, whose digest it depends on; and no word reaches the shell."""
    said, entry = definition(stage), PLAN[stage][key]
    assert said["cmd"] == 'python -m pipeline run "$DVC_STAGE"'
    assert [resolved(name, stage, key) for name in said["params"][0]["plan.json"]] == [f"stages.{stage}.{key}.digest"]
    deps = {resolved(path, stage, key) for path in paths(said.get("deps", []))}
    outs = paths([*said["outs"], *said.get("metrics", []), *said.get("plots", [])])
    made = {resolved(path, stage, key) for path in outs}
    if stage == "vary":
        assert made == {entry["variants"], entry["records"]}
        return
    wanted = step.load(entry["step"])
    artifacts = planning.artifacts_of(entry)
    inputs = {name: artifacts[name] for name in wanted.inputs}
    listed = {path for paths in inputs.values() for path in (paths if isinstance(paths, list) else [paths])}
    if "images" in inputs:  # the manifest holds their digest: DVC looks at a file, not at every image
        listed = {f"{path}/{MANIFEST}" if path == inputs["images"] else path for path in listed}
    source = entry["values"].get("source")
    assert deps == listed | ({source} if stage.startswith("fetch_own") else set())
    outputs = {artifacts[name] for name in wanted.outputs} | {entry["record"]}
    assert {next(output for output in outputs if f"{path}/".startswith(f"{output}/")) for path in made} == outputs
    persisted = [path for out in said["outs"] if isinstance(out, dict) for path, how in out.items() if how["persist"]]
    assert [resolved(path, stage, key) for path in persisted] == [entry["record"]]


@pytest.mark.parametrize(("stage", "artifact"), [("evaluate", "top"), ("compare", "comparison")])
def test_a_stage_keeps_every_file_that_its_step_makes(made, stage, artifact):
    """One that it does not list would be missing after `dvc checkout`, and the stage behind it would run again."""
    said = definition(stage)
    listed = paths([*said["outs"], *said["metrics"], *said.get("plots", [])])
    kept = {path.rpartition("/")[2] for path in listed if not path.endswith(SUFFIX)}
    assert kept == {path.name for path in made[artifact].iterdir()}


def test_what_varies_depends_on_all_that_its_steps_take():
    deps = set(paths(definition("vary")["deps"]))
    stages = ("split", "augment", "choose_precision", "extract", "train_benchmark", "train_top", "fine_tune")
    made = {path for stage in stages for path in paths(definition(stage)["outs"]) if not path.endswith(SUFFIX)}
    assert made <= deps


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
        return set(re.findall(r"Running stage '(?:.*:)?(\w+)[@']", self("dvc", "repro", *targets)))

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

    edits(project)

    project.change("recipes.edges.train_top.learning_rate", 0.02)
    assert "learning_rate" in project("dvc", "params", "diff")
    assert project.repro() == {"plan", "train_top", "fine_tune", "vary", "evaluate", "compare", "draw_comparison"}
    project.change("recipes.edges.split.seed", 2)
    assert project.repro("train_top@edges") == {"plan", "split", "train_top"}

    project("git", "checkout", "-q", "--", ".")
    project("dvc", "checkout", "-q", "-f", "--allow-missing")
    assert project.scores() == first
    stages = ("fine_tune@edges", "evaluate@edges-fine_tuned")
    said = project("dvc", "repro", "--force", "--single-item", *stages, check=False)
    assert "error: plan.json is of another params.yaml than this: `dvc repro plan` makes it anew" in said
    assert project.repro("plan") == {"plan"}
    again = project.repro("--force", "--single-item", *stages)
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
    assert there.repro("split@edges", "augment@edges") == {"plan"}  # which is in no remote
    assert (clone / "data/images/edges/images/up/one more.png").read_bytes() == extra
    there("git", "checkout", "-q", first_revision)
    there("dvc", "pull", "-q", "--allow-missing")
    assert not (clone / "data/images/edges/images/up/one more.png").exists()
    (source / "up" / "one more.png").unlink()
    assert there.repro() <= {"plan"}
    assert there.scores() == first
    assert leaks(tmp_path) == []


EDITS = {  # of the code, by the stages that run after the plan
    frozenset(): [
        ("data/splitting.py", "\ndef ", "# a comment\n\ndef "),
        ("data/artifacts.py", '"""A directory with a manifest', '"""A directory, with a manifest'),
        ("results/metrics.py", "labels: np.ndarray, probabilities: np.ndarray)", "labels, probabilities)"),
    ],
    frozenset({"train_top", "split"}): [
        ("train_top.py", "untrained", "before"),
        ("split.py", 'print(f"split: {line}")', 'print(f"split says: {line}")'),
    ],
    frozenset({"draw_comparison"}): [("results/page.html", "</style>", "p.new { color: red; }\n</style>")],
    frozenset({"draw_exploration", "draw_comparison"}): [("results/figures/style.py", "#666666", "#777777")],
}  # fmt: skip


def edits(project: Checkout) -> None:
    """Change the code in one way after the other: what follows from a step runs only where its bytes change."""
    before, project.environment = project.environment, {**project.environment, "MLFLOW_TRACKING_URI": ""}
    project("python", "-m", "pipeline", "log")
    for stages, changes in EDITS.items():
        for file, old, new in changes:
            path = project.folder / "components" / file
            text = path.read_text()
            assert old in text
            path.write_text(text.replace(old, new))
        assert project.repro() == {"plan", *stages}
    assert "written" not in project("python", "-m", "pipeline", "log")
    assert runs(project.folder / "mlflow.db") == 3
    project.environment = before
    project("git", "checkout", "-q", "--", "components")
    project.repro()


def runs(database: Path) -> int:
    """Return how many runs a journal has."""
    with sqlite3.connect(database) as connection:
        return connection.execute("select count(*) from runs where lifecycle_stage = 'active'").fetchone()[0]


def copy_project(folder: Path) -> None:
    """Copy the project, without what it made."""
    made = shutil.ignore_patterns("__pycache__", "images", "weights", "dvc.lock")
    for name in ("components", "pipeline", "pretraining"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data", folder / "data", ignore=made)
    for name in ("dvc.yaml", "params.yaml", "requirements.txt", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)

"""DVC: its stages are those of the arrangement, data sets are versioned, and a change re-runs what uses it."""

import copy
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

from components import STEPS
from components.data.artifacts import MANIFEST
from components.data.records import SUFFIX
from components.machinery.code import ROOT
from components.machinery.signature import load_step
from pipeline import planning, recipes, stages
from pipeline.places import path_of
from pipeline.recipes import PROBES
from tests.conftest import FITTING, PARAMETERS, write_images

CONTENT = recipes.read(ROOT / "params.yaml")


def paths(entries: list) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def test_the_committed_files_have_the_stages_that_params_yaml_asks_for():
    """Else: `graft arrange`."""
    stages.check({ROOT / file: text for file, text in stages.render(CONTENT, planning.active_tasks(CONTENT)).items()})


@pytest.fixture(scope="module")
def offered() -> dict[str, dict]:
    """The stages of all recipes together, with own data sets and weights, by name."""
    content = copy.deepcopy({**CONTENT, "active": [*CONTENT["recipes"]]})
    content["data"]["own"] = {"digits": {"source": "tests"}, "kth_animals": {"source": "https://example.org/a.tar"}}
    content["weights"]["own"]["vgg19"] = {"backbone": "vgg19", "source": "../mine.weights.h5"}
    texts = stages.render(content, planning.active_tasks(content))
    read = (yaml.load(text, yaml.CSafeLoader) for text in texts.values())
    return {name: stage for content in read for name, stage in content["stages"].items()}


def test_the_plan_depends_on_lists_of_corrections_and_the_split_holds_their_decisions(tmp_path):
    lists = [tmp_path / name for name in ("one.csv", "two.csv")]
    for number, file in enumerate(lists):
        file.write_text(f"file,decision\n{number}.png,exclude\n")
    content = copy.deepcopy({**CONTENT, "active": ["digits"]})
    content["recipes"]["digits"]["split"] = {"corrections": str(lists[0])}
    content["recipes"]["digits"]["vary"] = {"split": {"corrections": ["", str(lists[1])]}}
    tasks = planning.active_tasks(content)
    plan = yaml.safe_load(stages.render(content, tasks)[stages.EXPERIMENTS])["stages"]["plan"]
    assert plan["deps"] == [*stages.PLANNING["deps"], *map(str, lists)]
    held = [task.values["corrections"] for task in tasks.values() if task.step == "split"]
    assert held == ["", '[["1.png", "exclude"]]']


def test_a_stage_depends_on_its_plan_and_its_inputs_and_makes_its_outputs(offered):
    """Of images on the manifest, which holds their digest: DVC looks at a file, not at every image."""
    content = {**CONTENT, "active": [*CONTENT["recipes"]]}
    for name, task in planning.active_tasks(content).items():
        stage, wanted = offered[name], load_step(task.step)
        assert stage["cmd"] == 'python -m pipeline run "$DVC_STAGE"'
        taken = [made for several in task.inputs.values() for made in several]
        deps = [f"{path_of(made)}/{MANIFEST}" if made.key == "images" else str(path_of(made)) for made in taken]
        source = {
            "fetch-digits": ["data/images/digits.source.json"],
            "fetch_weights-vgg19": ["data/weights/vgg19.source.json"],
            "fetch_weights-glyphs": ["pretraining/vgg16_small.weights.h5"],
        }
        assert set(stage["deps"]) == {f"plan/{name}.json", *deps, *source.get(name, [])}
        persisted = [entry for entry in stage["outs"] if isinstance(entry, dict)]  # the record; trainings, if any
        assert all(list(entry.values()) == [{"persist": True}] for entry in persisted)
        assert paths(persisted)[-1].endswith(SUFFIX)
        assert len(persisted) == (len(stage["outs"]) if "repeats" in task.values else 1)
        assert paths(stage["outs"]) == [str(path_of(made)) for made in task.outputs.values()]
        assert len(stage["outs"]) == len(wanted.outputs) + 1


def test_a_source_of_one_s_own_has_a_stage_that_always_runs_and_a_weights_file_of_the_project_none(offered):
    assert {name for name in offered if name.startswith("list_source")} == {
        "list_source-digits", "list_source_weights-vgg19",
    }  # fmt: skip
    assert offered["list_source-digits"] == {
        "wdir": "..", "cmd": 'python -m pipeline list_source "$DVC_STAGE"', "deps": ["plan/fetch-digits.json"],
        "outs": [{"data/images/digits.source.json": {"persist": True}}], "always_changed": True,
    }  # fmt: skip


def test_every_dependency_is_made_by_a_stage_or_is_there(offered):
    made = {path for stage in offered.values() for path in paths(stage["outs"])}
    for stage in offered.values():
        for dependency in stage["deps"]:
            inside = {dependency, *map(str, Path(dependency).parents)}
            assert inside & made or inside & {"plan"} or (ROOT / dependency).exists(), dependency


def test_what_validation_says_is_a_metric_and_each_report_has_its_plots():
    said = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    assert said["metrics"] == [
        *(
            f"artifacts/digits/{way}/training={number}/validation.json"
            for way in ("classifiers/benchmark", "glyphs/classifiers/top", "glyphs/classifiers/fine_tuned")
            for number in range(1, 6)
        ),
        "artifacts/digits/comparison/chosen.json",
    ]
    assert len(said["plots"]) == 2 * 3 * 5


def test_pins_of_data_sets_that_no_active_recipe_uses_stay():
    pinned = yaml.safe_load((ROOT / "data/dvc.lock").read_text())["stages"]
    assert {"fetch-digits", "fetch-kth_animals", "fetch-sign_language"} <= set(pinned)


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
    """A git repository with the project in it, and what goes on in it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "MLFLOW_TRACKING_URI": "off",
            **SECRETS,
            **{f"GIT_{role}_{what}": f"test{'@example.org' * (what == 'EMAIL')}"
               for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }  # fmt: skip

    @classmethod
    def begin(cls, folder: Path, source: Path) -> "Checkout":
        """Copy the project into a new repository, with a tiny recipe switched on, and a local DVC remote."""
        folder.mkdir()
        copy_project(folder)
        content = yaml.safe_load((folder / "params.yaml").read_text())
        content["active"] = ["edges"]
        content["data"]["own"] = {"edges": {"source": str(source)}}
        values = {name: PARAMETERS[name] for name in recipes.IN_RECIPES if PARAMETERS[name] and name != "audit"}
        content["recipes"] = {"edges": {"data": "edges", "networks": ["glyphs"], **values}}
        (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        project = cls(folder)
        project("git", "init", "-q", "-b", "main")
        project("dvc", "init", "-q")
        project("python", "-m", "pipeline", "arrange")
        shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
        project("dvc", "remote", "add", "-q", "-d", "local", "../remote")
        project.commit("start")
        return project

    def copy(self, folder: Path) -> "Checkout":
        """Return a copy of it, with all that was made, whose remote is empty."""
        subprocess.run(["cp", "-a", self.folder, folder], check=True)
        return Checkout(folder)

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
        """Run `dvc repro`, of all or of some stages and what they need; return which ran, but for the listing."""
        return {*stages_run(self("dvc", "repro", *targets))} - {"list_source"}

    def scores(self) -> dict[str, dict]:
        reports = (self.folder / "artifacts").rglob("reports/*/metrics.json")
        return {path.parent.name: json.loads(path.read_text()) for path in reports}


def stages_run(said: str) -> list[str]:
    """Return the steps of the stages that ran, in order, by what DVC says."""
    return re.findall(r"Running stage '(?:.*:)?(\w+)", said)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Checkout:
    """A project whose one recipe has run, once by `dvc repro` and once by a second that found nothing to do."""
    folder = tmp_path_factory.mktemp("finished")
    project = Checkout.begin(folder / "project", write_images(folder / "my own", 16))
    assert project.repro() == {"plan", *STEPS} - {"choose_classifier", "average", *PROBES, *FITTING}
    assert project.repro() == set()
    project.commit("first")
    return project


@pytest.mark.slow  # a whole project through DVC
def test_make_repro_prints_the_stages_and_errors_of_dvc_and_nothing_of_the_lock_between(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    project.change("recipes.edges.split.seed", 2)
    only_dvc = ("make", "--eval", "reproduce:; @$(REPRO) split-edges", "reproduce")  # `graft` is of another folder
    printed = project(*only_dvc)
    assert {*stages_run(printed)} - {"list_source"} == {"plan", "split"}
    assert "split: Decide which images train" in printed and "To track the changes with git" in printed
    assert "lock file" not in printed
    (project.folder / "dvc.lock").write_text("stages: [")
    failed = project(*only_dvc, check=False)
    assert "dvc.lock' is invalid" in failed and re.search(
        r"^make(\[\d+\])?: \*\*\* ", failed, re.MULTILINE
    )  # `make test` calls it


@pytest.mark.slow  # a whole project through DVC, several times
def test_the_main_job_from_images_to_comparison_and_what_a_change_re_runs(finished, tmp_path):
    """One flow through the real `dvc repro` on tiny data, with every promise about re-running and versions."""
    project, source = finished.copy(tmp_path / "project"), finished.folder.parent / "my own"
    folder = project.folder
    first = project.scores()
    assert set(first) == {"benchmark", "top", "fine_tuned"}
    first_revision = project("git", "rev-parse", "HEAD").strip()
    project("dvc", "push", "-q")

    table = project("dvc", "metrics", "show").splitlines()
    assert len(table) == 1 + 3 + 1 and max(map(len, table)) <= 120
    project("dvc", "plots", "show", "-o", "plots")
    page = (folder / "plots" / "index.html").read_text()
    assert all(f"{model}: test images" in page for model in first)

    project.change("recipes.edges.train_top.learning_rate", 0.02)
    assert "learning_rate" in project("dvc", "params", "diff")
    assert project.repro() == {"plan", "train_top", "fine_tune", "evaluate", "compare", "draw_comparison"}
    project.change("recipes.edges.split.seed", 2)
    assert project.repro("train_top-edges-glyphs") == {"plan", "split", "train_top"}

    project("git", "checkout", "-q", "--", ".")
    project("dvc", "checkout", "-q", "-f", "--allow-missing")
    assert project.scores() == first
    judged = ("fine_tune-edges-glyphs", "evaluate-edges-glyphs-fine_tuned")
    said = project("dvc", "repro", "--force", "--single-item", *judged, check=False)
    assert "error: plan is of another params.yaml than this: `dvc repro plan` makes it anew" in said
    assert project.repro("plan") == {"plan"}
    again = project.repro("--force", "--single-item", *judged)
    assert again == {"fine_tune", "evaluate"}
    assert project.scores() == first
    project("git", "checkout", "-q", "--", ".")
    project("dvc", "checkout", "-q", "-f", "--allow-missing")

    extra = sorted((source / "up").iterdir())[0].read_bytes()
    (source / "up" / "one more.png").write_bytes(extra)
    assert project.repro("split-edges", "augment-edges") == {"fetch", "audit", "split", "augment"}
    assert "one more.png" in project("dvc", "diff")
    project.commit("second")
    project("dvc", "push", "-q")

    clone = tmp_path / "clone"
    project("git", "clone", "-q", str(folder), str(clone))
    there = Checkout(clone)
    there("dvc", "pull", "-q", "--allow-missing")
    elsewhere = source.rename(source.with_name("elsewhere"))
    assert there.repro("split-edges", "augment-edges") == {"plan"}  # which is in no remote
    elsewhere.rename(source)
    assert (clone / "data/images/edges/images/up/one more.png").read_bytes() == extra
    there("git", "checkout", "-q", first_revision)
    there("dvc", "pull", "-q", "--allow-missing")
    assert not (clone / "data/images/edges/images/up/one more.png").exists()
    (source / "up" / "one more.png").unlink()
    assert there.repro() <= {"plan"}
    assert there.scores() == first
    assert leaks(tmp_path) == []


@pytest.mark.slow  # whole experiments, each a copy of the project
def test_experiments(finished, tmp_path):
    """Try values that the recipe sets, and one that it leaves to the defaults; the test split is not read."""
    project = finished.copy(tmp_path / "project")
    for setting, stage in (("train_top.dropout=0.4", "train_top-edges-glyphs"), ("audit.distance=6", "audit-edges")):
        said = project("dvc", "exp", "run", "-S", f"++recipes.edges.{setting}", stage)
        assert stages_run(said) == ["plan", "list_source", stage.partition("-")[0]]
        project("git", "checkout", "-q", "--", ".")
        project("dvc", "checkout", "-q", "-f", "--allow-missing")
    table = project("python", "-m", "pipeline", "experiments")
    assert "dropout" in table and "distance" in table and max(map(len, table.splitlines())) <= 120
    project.environment["MLFLOW_TRACKING_URI"] = ""
    project("dvc", "exp", "run", "--temp", "-S", "++recipes.edges.train_top.dropout=0.3", "train_top-edges-glyphs")
    assert runs(project.folder / "mlflow.db") == 1 and not [*(project.folder / ".dvc/tmp").rglob("mlflow.db")]
    for setting in ("recipes.edges.networks=[glyphs,vgg16]", "++recipes.edges.vary.train_top.dropout=[0.1,0.2]"):
        said = project("dvc", "exp", "run", "-S", setting, check=False)
        assert "dvc.yaml has other stages than params.yaml asks for: `graft arrange` writes it" in said
        project("git", "checkout", "-q", "--", ".")


FETCH = "data/dvc.yaml:fetch-edges"


def test_dvc_reads_no_source_of_one_s_own_and_an_experiment_finds_it(tmp_path):
    """Whatever is in it: DVC stops at a link to nowhere and a name that is no UTF-8, and waits for a pipe for ever."""
    source = write_images(tmp_path / "edges", 4)
    project = Checkout.begin(tmp_path / "project", source)
    project.change("data", {"own": {"edges": {"source": "../edges"}}, "max_quarantined": 0.5})
    project.commit("a relative source")
    (source / "up" / "gone.png").symlink_to("/nowhere/at/all.png")
    os.mkfifo(source / "up" / "pipe.png")
    for name in (b"caf\xe9.png", b"~.png", b"a\\b.png", b"${x}.png", b"a\nb.png"):
        shutil.copy(os.fsencode(source / "up" / "00.png"), os.fsencode(source / "up") + b"/" + name)
    (source / ".dvcignore").write_text("up\n")
    assert project.repro(FETCH) == {"plan", "fetch"}
    left_out = (project.folder / "data/images/edges/quarantine.csv").read_text().splitlines()[1:]
    assert [line.partition(",")[0] for line in left_out] == ["up/caf\\udce9.png", "up/gone.png", "up/pipe.png"]
    assert project.repro(FETCH) == set()
    (source / "up" / "a\\b.png").unlink()
    assert project.repro(FETCH) == {"fetch"}
    project.commit("fetched")
    said = project("dvc", "exp", "run", "--temp", "-S", "data.max_quarantined=0.6", FETCH)
    assert stages_run(said) == ["plan", "list_source", "fetch"]


EDITS = {  # of the code, by the stages that run after the plan
    frozenset(): [
        ("data/splitting.py", "\ndef ", "# a comment\n\ndef "),
        ("data/artifact.py", '"""A directory with a manifest', '"""A directory, with a manifest'),
        ("scores/metrics.py", "labels: np.ndarray, probabilities: np.ndarray)", "labels, probabilities)"),
    ],
    frozenset({"train_top", "split"}): [
        ("train_top.py", "untrained", "before"),
        ("split.py", 'print(f"split: {line}")', 'print(f"split says: {line}")'),
    ],
    frozenset({"draw_comparison"}): [("results/page.html", "</style>", "p.new { color: red; }\n</style>")],
    frozenset({"draw_exploration", "draw_comparison"}): [("results/figures/style.py", "#666666", "#777777")],
}  # fmt: skip


@pytest.mark.slow  # eight times through DVC; what changes a step's digest is test_code.py's
def test_an_edit_of_the_code_re_runs_what_it_changes(finished, tmp_path):
    """Change the code in one way after the other: what follows from a step runs only where its bytes change."""
    project = finished.copy(tmp_path / "project")
    project.environment["MLFLOW_TRACKING_URI"] = ""
    project("python", "-m", "pipeline", "log")
    for steps, changes in EDITS.items():
        for file, old, new in changes:
            path = project.folder / "components" / file
            text = path.read_text()
            assert old in text
            path.write_text(text.replace(old, new))
        assert project.repro() == {"plan", *steps}
    assert "written" not in project("python", "-m", "pipeline", "log")
    assert runs(project.folder / "mlflow.db") == 3


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
    for name in ("Makefile", "dvc.yaml", "params.yaml", "requirements.txt", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)

"""What CONTRIBUTING.md says of adding something: done as it stands there, one place each, and the tests take it up."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.metrics import matthews_corrcoef

from components.data.artifacts import Comparison, Report
from components.step import ROOT
from tests.conftest import MODELS

BLOCKS = re.findall(
    r"in `([\w/.]+)`, `(\w+)`:.*?```(?:python|yaml)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL
)


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A copy of the project to which everything of the five examples has been added."""
    copy = tmp_path_factory.mktemp("contributed") / "graft"
    nothing = shutil.ignore_patterns(".*", "artifacts", "images", "weights", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=nothing)
    for file, mapping, text in BLOCKS:
        content = (copy / file).read_text()
        functions, entry = text.rsplit("\n\n\n", 1) if "\n\n\n" in text else ("", text)
        (head,) = re.findall(rf"^{mapping}(?: = \{{|:)$", content, re.MULTILINE)
        (copy / file).write_text(content.replace(f"\n{head}\n", f"\n{functions}\n\n\n{head}\n{entry}", 1))
    params = (copy / "params.yaml").read_text()
    params = params.replace("  published: [digits,", "  published: [shapes, digits,")
    params = params.replace("  random: []", "  random: [mobilenet_050]")
    params = params.replace("active:\n", "active:\n  shapes: {data: shapes, weights: random_mobilenet_050}\n")
    (copy / "params.yaml").write_text(params)
    return copy


def said(copy: Path, *arguments: str, **variables: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    command = [sys.executable, *(() if arguments[0] == "-c" else ("-m",)), *arguments]
    left = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert left.returncode == 0, left.stdout + left.stderr
    return left.stdout


def test_each_is_one_place():
    assert [mapping for _, mapping, _ in BLOCKS] == ["BACKBONES", "HEADS", "DATA_SETS", "recipes", "SCORES"]
    assert len({file for file, _, _ in BLOCKS}) == len(BLOCKS)


def test_the_tests_take_them_up(extended):
    said(extended, "pipeline", "check")
    chosen = "mobilenet_050 or deep or shapes"
    files = ("test_models", "test_stock", "test_layout", "test_recipes")
    told = said(extended, "pytest", "-p", "no:cacheprovider", "-k", chosen, *(f"tests/{name}.py" for name in files))
    assert int(re.findall(r"(\d+) passed", told)[0]) >= 12
    assert "failed" not in told


def test_they_work_together(extended):
    """The new data set, under the new recipe, with the new head on the new backbone."""
    names = "images weights audit splits test_split augmented chosen_precision features tensors top classifier"
    at = {name: f"made/{name}" for name in names.split()}
    recipe = ["--params", "params.yaml:defaults.{0}", "--params", "params.yaml:recipes.shapes.{0}"]
    steps = ("audit", "split", "augment", "extract", "train_top")
    default = ["--params", "params.yaml:defaults.choose_precision"]
    given = {
        "fetch": ["--data_set", "shapes", "--source", "published", "--max_quarantined", "0"],
        "fetch_weights": ["--backbone", "mobilenet_050", "--source", "random", "--stock", "leave"],
        **{name: [word.format(name) for word in recipe] for name in steps[:3]},
        "choose_precision": default,
        **{name: [word.format(name) for word in recipe] for name in steps[3:]},
    }
    kinds = {
        "fetch": ["images"], "fetch_weights": ["weights"], "audit": ["images", "audit"],
        "split": ["images", "audit", "splits", "test_split"],
        "augment": ["images", "augmented"], "choose_precision": ["augmented", "weights", "chosen_precision"],
        "extract": ["augmented", "weights", "chosen_precision", "features", "tensors"],
        "train_top": ["features", "splits", "weights", "top", "classifier"],
    }  # fmt: skip
    for name, words in given.items():
        said(extended, "components", name, *words, *(word for key in kinds[name] for word in (f"--{key}", at[key])))
    manifest = (extended / "made" / "classifier" / "artifact.json").read_text()
    assert all(f'"{name}"' in manifest for name in ("mobilenet_050", "deep", "disc"))


STEPS = """
from pathlib import Path
from tests import conftest
conftest.run_steps(Path("run"), conftest.write_images(Path("edges"), 16))
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_score_is_known_everywhere(extended, database):
    """With its interval in the report, its test of every pair, on the page and in the journal."""
    shutil.copy(database.removeprefix("sqlite:///"), extended / "mlflow.db")
    printed = said(extended, "-c", STEPS, MLFLOW_TRACKING_URI=f"sqlite:///{extended}/mlflow.db")
    comparison = Comparison.read(extended / "run/comparison")
    scores, pairs = (comparison.table(f"{name}.csv") for name in ("comparison", "pairs"))
    for model, row in scores.set_index("model").iterrows():
        report = Report.read(extended / f"run/reports/{model}")
        told = report.table("predictions.csv")
        assert report.metrics["matthews"] == pytest.approx(matthews_corrcoef(told["label"], told["predicted"]))
        low, high = report.intervals["matthews"]
        assert -1 <= low <= report.metrics["matthews"] <= high <= 1 and low < high
        assert row[["matthews", "matthews_low", "matthews_high"]].tolist() == [report.metrics["matthews"], low, high]
        assert {"matthews", "matthews_low"} <= {*report.table("slices.csv")}
    assert pairs["matthews_p_corrected"].between(0, 1).all() and len(pairs) == 3
    assert "Matthews' r" in printed.split("edges: 12 test images")[1].splitlines()[2]
    page = (extended / "run/page/comparison.html").read_text()
    assert page.count("Matthews&#39; r") >= len(pairs) + len(MODELS)
    with sqlite3.connect(extended / "mlflow.db") as journal:
        found = journal.execute("select key, count(distinct run_uuid) from latest_metrics group by key").fetchall()
    assert {name: dict(found)[name] for name in ("matthews", "matthews_low", "validation_matthews")} == {
        "matthews": 3, "matthews_low": 3, "validation_matthews": 3,
    }  # fmt: skip

"""What CONTRIBUTING.md says of adding something: done as it stands there, one place each, and the tests take it up."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sklearn.metrics import matthews_corrcoef

from components.data.artifacts import Comparison, Report
from components.machinery.code import ROOT

pytestmark = pytest.mark.slow  # the project once more, with all of it, and tests within a test

BLOCKS = re.findall(
    r"in `([\w/.]+)`(?:, `(\w+)`)?(?:, before `(\w+)`)?[:,](?:(?!```)[\s\S])*?```(?:python|yaml|text)\n(.*?)```",
    (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL,
)  # fmt: skip


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A copy of the project to which everything of the examples has been added."""
    copy = tmp_path_factory.mktemp("contributed") / "graft"
    nothing = shutil.ignore_patterns(".*", "artifacts", "images", "weights", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=nothing)
    for file, mapping, before, text in BLOCKS:
        content = (copy / file).read_text() if mapping else ""
        (copy / file).write_text(with_entry(content, mapping, before, text) if mapping else text)
    params = (copy / "params.yaml").read_text()
    (copy / "params.yaml").write_text(params.replace("active:\n", "active:\n  - shapes\n", 1))
    return copy


def with_entry(content: str, mapping: str, before: str, text: str) -> str:
    """Return a file with an entry in a mapping, first or before another one, and the functions above the mapping."""
    functions, entry = text.rsplit("\n\n\n", 1) if "\n\n\n" in text else ("", text)
    (head,) = re.findall(rf"^{mapping}(?: = [{{(]|:)$", content, re.MULTILINE)
    start = content.index(f"\n{head}\n") + 1
    place = content.index(f'    "{before}"', start) if before else start + len(head) + 1
    return f"{content[:start]}{functions}\n\n\n{content[start:place]}{entry}{content[place:]}"


def said(copy: Path, *arguments: str, **variables: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    command = [sys.executable, *(() if arguments[0] == "-c" else ("-m",)), *arguments]
    left = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert left.returncode == 0, left.stdout + left.stderr
    return left.stdout


def test_each_is_one_place_and_a_step_four():
    assert [mapping or file for file, mapping, _, _ in BLOCKS] == [
        "APPLICATIONS", "HEADS", "DATA_SETS", "recipes", "SCORES",
        "components/train_prototypes.py", "STEPS", "MODELS", "defaults",
    ]  # fmt: skip


def test_the_tests_take_them_up(extended):
    said(extended, "pipeline", "check")
    chosen = "mobilenet_050 or tapering or shapes"
    files = ("model/test_models", "model/test_stock", "data/test_layout", "pipeline/test_recipes")
    told = said(extended, "pytest", "-p", "no:cacheprovider", "-k", chosen, *(f"tests/{name}.py" for name in files))
    assert int(re.findall(r"(\d+) passed", told)[0]) >= 11
    assert "failed" not in told


RUN = """
from pathlib import Path
from pipeline import planning, recipes, running
running.run_tasks(planning.tasks_by_recipe(recipes.read(), ["shapes"])["shapes"])
print(Path("artifacts/shapes/page/comparison.txt").read_text(encoding="utf-8"))
"""


@pytest.fixture(scope="module")
def ran(extended, database) -> tuple[Path, str]:
    """The copy with the new recipe run: the new data set, head, backbone, score and model; and what was printed."""
    shutil.copy(database.removeprefix("sqlite:///"), extended / "mlflow.db")
    return extended, said(extended, "-c", RUN, MLFLOW_TRACKING_URI=f"sqlite:///{extended}/mlflow.db")


def journal(folder: Path, query: str) -> dict:
    with sqlite3.connect(folder / "mlflow.db") as opened:
        return dict(opened.execute(query).fetchall())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_they_work_together(ran):
    folder, _ = ran
    top = (folder / "artifacts/shapes/random_mobilenet_050/classifiers/top/artifact.json").read_text()
    assert all(f'"{name}"' in top for name in ("mobilenet_050", "tapering", "disc"))


def test_a_model_is_known_everywhere(ran, tmp_path):
    """In the table, on the page with its figures, in the journal, in dvc.yaml and in the compiled pipeline."""
    folder, printed = ran
    scores = Comparison.read(folder / "artifacts/shapes/comparison").table("comparison.csv")
    assert scores["model"].tolist() == ["benchmark", "top", "prototypes"]
    assert "prototypes" in printed.split("shapes: 40 test images")[1].split("* none is better")[0]
    page = folder / "artifacts/shapes/page"
    assert (page / "comparison.html").read_text().count("prototypes") > 10
    assert {path.name for path in (page / "figures/prototypes").iterdir()} >= {"confusion_matrix.png", "classes.png"}
    own = "select run_uuid from tags where key = 'recipe' and value = 'shapes'"
    query = f"select value, count(*) from tags where key = 'model' and run_uuid in ({own}) group by value"
    runs = journal(folder, query)
    assert runs == {"benchmark": 1, "top": 1, "prototypes": 1}
    said(folder, "pipeline", "arrange")
    stages = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"]
    assert "train_prototypes-shapes-random_mobilenet_050" in stages
    content = yaml.safe_load((folder / "params.yaml").read_text())
    content["cluster"] |= {"images": dict.fromkeys(("steps", "fetch"), "here:1"), "tracking": "off"}
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (file,) = said(folder, "pipeline", "compile", "shapes", "--local", "--out", str(tmp_path)).split()
    pipeline, *_ = yaml.safe_load_all(Path(file).read_text())
    tasks = pipeline["root"]["dag"]["tasks"]
    assert {"train-prototypes"} <= set(tasks) and len([name for name in tasks if name.startswith("evaluate")]) == 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_score_is_known_everywhere(ran):
    """With its interval in the report, its test of every pair, on the page and in the journal."""
    folder, printed = ran
    recipe = folder / "artifacts/shapes"
    comparison = Comparison.read(recipe / "comparison")
    scores, pairs = (comparison.table(f"{name}.csv") for name in ("comparison", "pairs"))
    reports = {report.facts.model: report for report in Report.read_all([recipe])}
    for model, row in scores.set_index("model").iterrows():
        report = reports[str(model)]
        told = report.table("predictions.csv")
        assert report.metrics["matthews"] == pytest.approx(matthews_corrcoef(told["label"], told["predicted"]))
        low, high = report.intervals["matthews"]
        assert -1 <= low <= report.metrics["matthews"] <= high <= 1 and low < high
        told_of_way = row[["matthews", "matthews_low", "matthews_high"]].tolist()
        assert told_of_way == pytest.approx([report.metrics["matthews"], low, high])
    assert pairs["matthews_p"].between(0, 1).all() and len(pairs) == 3
    assert "Matthews' r" in printed.split("shapes: 40 test images")[1].splitlines()[2]
    page = (recipe / "page/comparison.html").read_text()
    assert page.count("Matthews&#39; r") >= len(pairs) + 1  # a row of each pair's table, and a column of the scores'
    own = "select run_uuid from tags where key = 'recipe' and value = 'shapes'"
    query = f"select key, count(distinct run_uuid) from latest_metrics where run_uuid in ({own}) group by key"
    runs = journal(folder, query)
    assert [runs[name] for name in ("matthews", "matthews_low", "validation_matthews")] == [3, 3, 3]

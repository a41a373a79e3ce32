"""Results depend on their inputs alone: the same bytes from the same inputs, and no pictures among them."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from components import STEPS
from components.data.artifacts import Exploration
from components.data.records import Record, record_path
from components.machinery import code
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.system.errors import UserError
from tests.conftest import MODELS, PARAMETERS, digests

DRAWING = ("draw_exploration", "draw_comparison")
AGAIN = """
import json, sys
from components.machinery.running import run_step
for name, artifacts, parameters in json.loads(sys.argv[1]):
    run_step(name, artifacts, parameters, "another recipe")
drawing = [module for module in sys.modules if module.startswith(("components.results.figures", "jinja2"))]
sys.exit(f"computing has loaded {drawing}" if drawing else 0)
"""


@pytest.mark.parametrize("name", [name for name in STEPS if name not in DRAWING])
def test_steps_that_compute_draw_nothing(name):
    modules = code.modules_behind(f"components/{name}.py")
    drawing = ("components/results/figures", "components/results/page", "components/results/drawing")
    assert not [module for module in modules if module.startswith(drawing)]


def test_the_same_inputs_give_the_same_bytes_in_another_process(made, tmp_path):
    made_anew = {key: key for key in ("exploration", "splits", "test_split", "forecast")}
    made_anew |= {f"reports/{model}": model for model in MODELS.values()} | {"comparison": "comparison"}
    at = {name: str(path) for name, path in made.items()}
    own = {key: str(tmp_path / key) for key in made_anew}
    runs: list[tuple[str, dict[str, Any]]] = [("explore", {**at, "exploration": own["exploration"]})]
    runs += [("split", {**at, "splits": own["splits"], "test_split": own["test_split"]})]
    runs += [("forecast", {**at, "forecast": own["forecast"]})]
    for model in MODELS.values():
        given: dict[str, Any] = {**at, "classifier": at[f"classifiers/{model}"], "report": own[f"reports/{model}"]}
        given |= {"augmented": [at["augmented"]], "splits": own["splits"], "test_split": own["test_split"]}
        runs.append(("evaluate", given))
    reports = [own[f"reports/{model}"] for model in MODELS.values()]
    runs.append(("compare", {"reports": reports, "comparison": own["comparison"]}))
    listed = json.dumps([(name, artifacts, PARAMETERS[name]) for name, artifacts in runs])
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", AGAIN, listed]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for key, original in made_anew.items():
        assert digests(tmp_path / key) == digests(made[original]), key


@pytest.mark.parametrize("cut", [0, 10, 200, -30])
def test_arrays_that_are_damaged_are_one_line(cut, made, tmp_path):
    content = (made["exploration"] / "samples.npz").read_bytes()
    (tmp_path / "samples.npz").write_bytes(content[:cut])
    with pytest.raises(UserError, match=r"is damaged .*: make it again"):
        Exploration(tmp_path).arrays("samples")


def test_drawing_takes_nothing_but_what_it_draws_and_gives_the_same_bytes(made, tmp_path):
    at = {"exploration": made["exploration"], "drawings": tmp_path / "drawings"}
    run_step("draw_exploration", at, {}, "another recipe")
    assert digests(tmp_path / "drawings") == digests(made["drawings"])


def test_other_records_change_the_page_alone(made, tmp_path):
    """A machine that trains a thousand times slower makes the same models, scores and figures of them."""
    for file in made["page"].parent.rglob("*.record.json"):
        record = json.loads(file.read_text())
        for done in record["work"].values():
            done["seconds"] *= 1000
        (tmp_path / file.name.replace(".record", f"{record['digest'][:8]}.record")).write_text(json.dumps(record))
    given = {"comparison": made["comparison"], "drawings": [made["drawings"]], "forecasts": [made["forecast"]]}
    given["reports"] = [made[model] for model in MODELS.values()]
    run_step("draw_comparison", {**given, "records": [tmp_path], "page": tmp_path / "page"}, {}, "edges")
    one, other = digests(made["page"]), digests(tmp_path / "page")
    assert one.keys() == other.keys()
    changed = {
        "artifact.json",
        "comparison.html",
        "comparison.txt",
        "costs.csv",
        "figures/comparison.png",
        "figures/fronts.png",
    }
    assert {name for name in one if one[name] != other[name]} == changed
    assert Record.read(record_path(tmp_path / "page")).step == "draw_comparison"

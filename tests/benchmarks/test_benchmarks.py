"""The benchmarks: what multiply-adds allow, both sides doing the same, and the table that says so."""

import ast
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from benchmarks import duplicates, heads, here, machine, plain, pytorch, results, scale, starting, synthetic
from benchmarks.__main__ import ROWS, main, report
from benchmarks.fine_tuning import floor_of
from benchmarks.measuring import Aim, Bench, Line, table
from benchmarks.multiply_adds import floor, forward
from benchmarks.studies import STUDIES, Study
from components.data.artifacts import Classifier
from components.data.datasets import DATA_SETS
from components.data.images import read_image
from components.machinery.code import ROOT
from components.model import backbones
from components.system.errors import UserError
from pipeline import recipes, running
from pipeline.arranging import Task
from pipeline.running import find_output
from pretraining import learning_curve
from tests.conftest import MODELS, PARAMETERS, recipe_of, tasks_of
from tests.model.test_training import edges

BACKBONE = "vgg16_small"
CONV = 14 * 14 * 512 * 512 * 9  # multiply-adds of a convolution of VGG's fifth block
FIRST = 7 * 7 * 2048 * 512  # of the first of ResNet50's last block
BLOCK = 2 * FIRST + 7 * 7 * 512 * 512 * 9
LINE = Line("row", "case", 2.0, 6.0, "images/s", "3.0x", 3.0, Aim(2.5, "times as fast"), {"plain": [2.0]})


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_multiply_adds_of_layers():
    import keras

    image = keras.Input((8, 8, 4))
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same", groups=2, name="grouped")(image)  # (4, 4, 6)
    x = keras.layers.BatchNormalization(name="normalised")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="valid", depth_multiplier=2, name="depthwise")(x)  # (2, 2, 12)
    x = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    network = keras.Model(image, keras.layers.Dense(5, name="dense")(x))
    found = {layer.name: forward(layer) for layer in network.layers[1:]}
    grouped, depthwise, dense = 16 * 6 * 9 * 2, 4 * 12 * 9, 12 * 5
    assert found == {"grouped": grouped, "normalised": 0, "depthwise": depthwise, "pooled": 0, "dense": dense}
    every, suffix = grouped + depthwise + dense, depthwise + dense
    assert floor(network, "normalised") == (every + 2 * suffix - depthwise) / (3 * suffix - depthwise)


@pytest.mark.parametrize(
    ("backbone", "adds"), [("vgg16", 15_346_630_656), ("resnet50", 3_855_925_248), ("mobilenet_v2", 299_494_272)]
)
def test_multiply_adds_of_networks(backbone, adds):
    assert sum(map(forward, backbones.get(backbone).build(224).layers)) == adds


@pytest.mark.parametrize(
    ("recipe", "exact"),
    [
        ("car_damage", (15_346_630_656 + CONV) / (2 * CONV)),
        ("sign_language", (15_346_630_656 + 5 * CONV) / (8 * CONV)),
        ("kth_animals", (19_508_428_800 + 7 * CONV) / (11 * CONV)),
        ("groceries", (3_855_925_248 + 2 * BLOCK - FIRST) / (3 * BLOCK - FIRST)),
    ],
)  # fmt: skip
def test_floors(recipe, exact):
    (study,) = (study for study in STUDIES if study.recipe == recipe)
    found = floor_of(study)
    assert found == pytest.approx(exact, abs=1e-12)
    assert round(found, 1) == {"car_damage": 17.1, "sign_language": 4.8, "kth_animals": 4.5, "groceries": 7.0}[recipe]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.recipe)
def test_studies_are_the_recipes(study):
    values = study.resolved.values
    assert study.classes == len(DATA_SETS[study.resolved.data].classes)
    assert study.epochs[0] <= values["train_top"]["epochs"] and study.epochs[1] <= values["fine_tune"]["epochs"]


@pytest.mark.parametrize("row", [row for row in ROWS if row != "pytorch"])
def test_every_row_has_a_plain_side(row):
    assert peers(f"benchmarks/{row}.py")


def test_pytorch_is_pinned_for_the_benchmark_alone_and_its_script_knows_the_networks():
    pinned, locked = (
        set(re.findall(r"^([\w.-]+)==", file.read_text(), re.MULTILINE))
        for file in (pytorch.REQUIREMENTS, ROOT / "requirements.txt")
    )
    assert {"torch", "torchvision", "timm"} <= pinned and not {"torch", "torchvision", "timm"} & locked
    assert "--hash=sha256:" in pytorch.REQUIREMENTS.read_text()
    assignments = {
        ast.unparse(node.targets[0]): node.value
        for node in ast.parse(pytorch.SCRIPT.read_text()).body
        if isinstance(node, ast.Assign)
    }
    assert ast.literal_eval(assignments["NETWORKS"]).keys() == pytorch.IMAGES.keys()


def test_every_plain_script_is_run():
    scripts = {
        node.name for node in ast.parse(Path(plain.__file__).read_text()).body if isinstance(node, ast.FunctionDef)
    }
    shared = {"network", "compile_model", "head"}  # of several scripts
    assert set.union(*(peers(f"benchmarks/{name}.py") for name in ROWS)) == (scripts - shared) | {"COMMAND"}


def peers(file: str) -> set[str]:
    """Return what a module takes from `benchmarks.plain`."""
    nodes = ast.walk(ast.parse((ROOT / file).read_text()))
    return {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "plain"
        and hasattr(plain, node.attr)
    }


@pytest.fixture
def bench(tmp_path) -> Bench:
    """A bench of which both sides are this process."""

    def call(function, *arguments):
        return function(*arguments)

    return Bench(call, call, tmp_path, quick=True)  # type: ignore[arg-type]


def test_both_sides_train_the_same_head(bench, monkeypatch):
    monkeypatch.setattr(Study, "backbone", BACKBONE)
    task, train, validation = heads.prepare(bench, Study("kth_animals", 3, (30, 9, 9), (2, 1), "features", (30, 9, 9)))
    assert [len(labels) for _, labels in (train, validation)] == [30, 9]
    plains, ours = heads.losses_of(bench, task, train, 3)
    assert ours == pytest.approx(plains, rel=1e-5)
    assert ours[2] < ours[0]


@pytest.mark.slow
def test_copies_of_each_kind_are_found(bench):
    lines = [*duplicates.measure(bench)]
    assert len(lines) == len(duplicates.COPIES)
    assert all(line.aim is None or line.aim.holds(line.value) for line in lines)


def test_a_failing_step_says_why(tmp_path):
    task = find_output(tasks_of(recipe_of(), tmp_path / "source"), "splits").task
    with pytest.raises(UserError, match=r"split failed: .*no split method 'by chance'"):
        here.step_cost(here.with_values(task, method="by chance"), tmp_path)


def test_photographs(tmp_path):
    files = sorted(synthetic.photographs(tmp_path, 10, 32, 3).glob("*/*.jpg"))
    assert [file.parent.name for file in files].count("class00") == 4 and len(files) == 10
    sizes = {side for file in files for side in read_image(file).size}
    assert 32 <= min(sizes) < max(sizes) <= 38
    features = synthetic.features(np.repeat(np.arange(3), 50), 64)
    assert features.min() == 0
    means = [features[start : start + 50].mean(axis=0) for start in (0, 50, 100)]
    assert np.abs(means[0] - means[1]).mean() > 0.1


def test_aims_hold_from_the_limit_on():
    least, most = Aim(2, "of it"), Aim(2, "s", most=True)
    assert [least.holds(value) for value in (1.9, 2, 2.1)] == [False, True, True]
    assert [most.holds(value) for value in (1.9, 2, 2.1)] == [True, True, False]
    assert (str(least), str(most)) == ("at least 2 of it", "at most 2 s")


def test_the_table_is_markdown():
    missed = replace(LINE, value=2.0, case="a longer case", plain=1234.5)
    free = replace(LINE, aim=None)
    head, rule, *rows = [line.strip("| ").split("|") for line in table([LINE, missed, free]).splitlines()]
    assert {len(row) for row in (head, rule, *rows[:2])} == {7}
    assert set("".join(rule)) <= set("- ")
    assert [cell.strip() for cell in rows[1]] == [
        "row", "a longer case", "1,234 images/s", "6 images/s", "3.0x", "at least 2.5 times as fast", "**no**",
    ]  # fmt: skip
    assert rows[0][-1].strip() == "yes" and "times as fast" not in "".join(rows[2])


def test_json_holds_the_table(tmp_path, capsys):
    lines = [LINE, replace(LINE, aim=None)]
    assert [line.as_json().get("holds") for line in lines] == [True, None]
    found = {"machine": machine.describe_machine(), "quick": False, "seconds": {"row": 12.3}}
    file = tmp_path / "benchmarks.json"
    file.write_text(json.dumps({**found, "lines": [line.as_json() for line in lines]}))
    assert Line.from_json(json.loads(file.read_text())["lines"][0]) == LINE
    main(["--show", "--json", str(file)])
    said = capsys.readouterr().out
    assert said == report(json.loads(file.read_text())) + "\n"
    assert table(lines) in said and "row 12 s" in said and machine.describe_machine()["processor"] in said


def test_wrong_words(tmp_path):
    with pytest.raises(UserError, match="no row 'scal'; did you mean 'scale'"):
        main(["scal"])
    with pytest.raises(UserError, match="python -m benchmarks` writes it"):
        main(["--show", "--json", str(tmp_path / "none.json")])


def test_costs_beyond_what_was_measured():
    assert here.Cost(10, 4).beyond(here.Cost(1, 1), 10) == here.Cost(100, 34)


def test_six_recipes_are_switched_on():
    text = (ROOT / "params.yaml").read_text()
    before, on = recipes.read(ROOT / "params.yaml"), yaml.safe_load(starting.switch_on(text))
    assert on == {**before, "active": [*starting.RECIPES]}
    with pytest.raises(RuntimeError, match=r"switched on are digits, .*, not digits,"):
        starting.switch_on(text.replace("  groceries:", "  grocery:"))


def test_the_figure_of_memory_and_time(tmp_path):
    lines = [
        replace(LINE, case=f"{count:,} images: {what}", plain=count, here=count / 2, details={"images": count})
        for count in (1000, 10_000, 100_000)
        for what in ("memory", "time")
    ]
    scale.draw(lines, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as figure:
        assert figure.width > 2 * figure.height > 0


def test_every_study_of_the_results_is_a_recipe_and_takes_its_changes():
    content = recipes.read()
    for study in results.STUDIES.values():
        recipes.resolve(recipes.apply_changes(content, study.recipe, study.changes), study.recipe)
    assert {study.recipe for study in results.STUDIES.values()} == set(content["recipes"])


@pytest.mark.slow  # whole recipes
def test_a_row_of_results_is_its_recipe_s_ways_and_is_made_once(source, tmp_path, monkeypatch, capsys):
    network = f"random_{BACKBONE}"
    content = edges(source, models=["benchmark", "top"], train_top={**PARAMETERS["train_top"], "repeats": 3})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(results, "STUDIES", {"lines": results.Study("edges", {"train_top.epochs": 2}, (network,))})
    monkeypatch.setattr(results, "NETWORKS", (network,))
    monkeypatch.setattr(results, "ROWS", [f"lines/{network}", "lines/scratch"])
    Path("docs").mkdir()
    Path("params.yaml").write_text(yaml.safe_dump(content))
    results.main(["--only", f"lines/{network}"])
    results.main([])
    table = pd.read_csv("docs/results.csv", keep_default_na=False)
    assert table[[*results.KEYS, "trainings"]].values.tolist() == [
        ["lines", "", "benchmark", 1], ["lines", network, "top", 3]
    ]  # fmt: skip
    assert (table["accuracy_low"] < table["accuracy"]).all() and (table["seconds"] > 0).all()
    assert f"| {network} | top | 3 |" in capsys.readouterr().out
    made = {file: file.stat().st_mtime_ns for file in results.WORK.rglob("artifact.json")}
    assert Counter(file.parent.name for file in made)["features"] == 1
    results.main([])
    assert {file: file.stat().st_mtime_ns for file in results.WORK.rglob("artifact.json")} == made
    assert pd.read_csv("docs/results.csv", keep_default_na=False).equals(table)
    with pytest.raises(UserError, match="no row 'lines/scratc'; did you mean 'lines/scratch'"):
        results.main(["--only", "lines/scratc"])


def test_the_learning_curve_is_of_its_numbers_of_images_and_splits_and_scores_no_test_image(monkeypatch):
    trials = learning_curve.trials()
    assert [*trials] == [(images, split) for images in learning_curve.TRAIN_IMAGES for split in learning_curve.SPLITS]
    for (images, split), tasks in trials.items():
        values = {task.step: task.values for task in tasks}
        assert values["split"]["train"] == images
        assert {values[name]["seed"] for name in ("split", *recipes.TRAINING)} == {split}
        assert {values[name]["repeats"] for name in recipes.TRAINING} == {learning_curve.TRAININGS}
    assert len({find_output(tasks, "features") for tasks in trials.values()}) == 1
    ran: list[Task] = []
    monkeypatch.setattr(running, "run_tasks", lambda tasks, home: ran.extend(tasks))
    trainings = [Classifier("", {"facts": {"validation_kappa": kappa}}) for kappa in (0.5, 0.7)]
    monkeypatch.setattr(Classifier, "read_all", lambda paths: trainings)
    assert learning_curve.scores(trials[20, 1], Path("nowhere")) == {model: [0.5, 0.7] for model in MODELS.values()}
    assert {task.step for task in ran} >= {*recipes.TRAINING} and "evaluate" not in {task.step for task in ran}


def test_the_interval_of_a_learning_curve_is_over_splits_of_which_each_has_the_mean_of_its_trainings():
    """Of splits with means 0.2, 0.4 and 0.6: 0.4 plus and minus 4.303 times 0.2 / sqrt(3), cut at 1."""
    rows = [("top", 20, split, training, split / 5 + training) for split in (1, 2, 3) for training in (-0.1, 0.1)]
    table = pd.DataFrame(rows, columns=["model", "train_images", "split", "training", "score"])
    assert learning_curve.mean_intervals(table)[20, "top"] == "0.400 [-0.097, 0.897]"

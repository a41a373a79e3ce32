"""A step as its signature tells it, its command line, what it refuses, and the order of the floors."""

import ast
import dataclasses
import inspect
import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from components import STEPS, __main__
from components.data.artifacts import (
    Artifact,
    Augmented,
    Classifier,
    Comparison,
    Forecast,
    Images,
    Report,
    Splits,
    TestSplit,
)
from components.data.datasets import DATA_SETS, DataSet
from components.data.records import Record
from components.machinery import lineage
from components.machinery.code import ROOT
from components.machinery.running import read_inputs, run_step
from components.machinery.signature import load_step
from components.model.settings import HeadTraining, Training
from components.results.tracking import logged
from components.system.errors import UserError
from tests.conftest import FITTING, MODELS, PARAMETERS, TRAINING, write_images


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fetch(source: Path, target: Path, data_set: str = "own") -> None:
    run_step("fetch", {"images": target}, {"data_set": data_set, "source": str(source), "max_quarantined": 0})


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Two data sets, one split twice and augmented, the other augmented; not to be changed."""
    place = tmp_path_factory.mktemp("step")
    for name, classes in (("one", ("down", "left", "up")), ("two", ("a", "b"))):
        fetch(write_images(place / f"{name} source", 8, classes=classes), place / name)
        at = {"images": place / name, "augmented": place / f"{name} augmented"}
        run_step("augment", at, {**PARAMETERS["augment"], "image_size": 8, "views": 1})
    at = {"images": place / "one", **{name: place / name for name in ("audit", "splits", "test_split")}}
    run_step("audit", at, PARAMETERS["audit"])
    run_step("split", at, {**SPLIT, "train": 12, "validation": 6, "test": 6})
    return place


# What a signature tells


@pytest.mark.parametrize("name", STEPS)
def test_a_step_documents_itself(name):
    found = load_step(name)
    arguments = [*found.inputs, *found.outputs, *found.parameters]
    assert list(found.descriptions) == arguments
    assert all(text.endswith(".") for text in found.descriptions.values())
    assert found.function.__name__ == name and found.function.__module__ == f"components.{name}"
    first = (found.function.__doc__ or "").splitlines()[0]
    assert first == found.summary and first.endswith(".") and ". " not in first
    assert found.outputs and {parameter.kind for parameter in found.parameters.values()} <= {str, int, float}
    kinds = [*found.inputs.values(), *found.outputs.values()]
    assert all(issubclass(kind, Artifact | Record) and kind.__doc__ for kind in kinds)


def test_a_signature_becomes_inputs_outputs_and_parameters():
    found = load_step("split")
    assert {key: kind.__name__ for key, kind in found.inputs.items()} == {"images": "Images", "audit": "Audit"}
    assert {key: kind.__name__ for key, kind in found.outputs.items()} == {
        "splits": "Splits",
        "test_split": "TestSplit",
    }
    kinds = {key: parameter.kind for key, parameter in found.parameters.items()}
    sizes = dict.fromkeys(("train", "validation", "test"), float)
    choices = dict.fromkeys(("method", "duplicates", "two_labels", "untrained_classes", "corrections"), str)
    assert kinds == {**choices, **sizes, "folds": int, "fold": int, "seed": int}
    assert found.descriptions["seed"] == "Seed of the drawing."
    assert found.summary == "Decide which images train, which validate and which test."


def test_an_input_may_be_several_of_a_kind():
    found = load_step("compare")
    assert (found.inputs, found.several) == ({"reports": Report}, {"reports"})
    several = {name: load_step(name).several for name in STEPS if load_step(name).several}
    assert several == {
        "probe": {"embeddings"}, "choose_classifier": {"arms"},
        "average": {"classifiers", "augmented"}, "evaluate": {"augmented"},
        "compare": {"reports"}, "draw_comparison": {"reports", "drawings", "records", "forecasts"},
    }  # fmt: skip


def test_an_input_that_may_be_none_is_an_empty_list_where_it_is_not_given():
    optional = {name: load_step(name).optional for name in STEPS if load_step(name).optional}
    assert optional == {"draw_comparison": {"forecasts"}}
    assert __main__.step_parser(load_step("draw_comparison"), "graft step").get_default("forecasts") == []
    step = dataclasses.replace(load_step("draw_comparison"), inputs={"forecasts": Forecast})
    assert read_inputs(step, {}) == read_inputs(step, {"forecasts": []}) == {"forecasts": []}
    with pytest.raises(UserError, match="no Forecast at nowhere"):
        read_inputs(step, {"forecasts": ["nowhere"]})


def test_the_fields_of_a_dataclass_are_parameters_like_the_others():
    found = load_step("train_top")
    shared = [*inspect.signature(Training).parameters]
    assert list(found.parameters) == ["head", "dropout", "width", "depth", *shared, "l2"]
    assert found.descriptions["epochs"] == load_step("fine_tune").descriptions["epochs"] == "Epochs at most."
    assert found.descriptions["l2"].startswith("Penalty ") and "settings" not in found.descriptions
    arguments = found.function_arguments(found.check_values(PARAMETERS["train_top"]))
    settings = arguments.pop("settings")
    assert type(settings) is HeadTraining and asdict(settings) == {**TRAINING, "l2": 0}
    assert arguments == {"head": "linear", "dropout": 0.1, "width": 8, "depth": 1}


def test_every_module_of_a_step_is_a_step():
    assert {file.stem for file in (ROOT / "components").glob("*.py")} == {"__init__", "__main__", *STEPS}


def test_an_unknown_step():
    with pytest.raises(UserError, match="no step 'trian_top'; did you mean 'train_top'"):
        load_step("trian_top")


# Values


SPLIT = PARAMETERS["split"]


def test_checked_values_are_complete_and_in_order():
    found = load_step("split").check_values({name: str(value) for name, value in reversed(SPLIT.items())})
    assert found == SPLIT and list(found) == list(load_step("split").parameters)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**SPLIT, "metod": 1}, "no parameter of split 'metod'; did you mean 'method'"),
        ({True: 1}, "no parameter of split 'True'"),
        ({"method": "random"}, "split lacks train, validation, test, folds, fold, seed, .*: .* --train VALUE"),
        ({}, "split lacks method, "),
    ],
)
def test_parameters_that_are_unknown_or_missing(values, message):
    with pytest.raises(UserError, match=message):
        load_step("split").check_values(values)


# Running


def broken(monkeypatch: pytest.MonkeyPatch) -> str:
    """Register a data set whose digest is found wrong when all the work is done."""
    entry = DataSet("Edges", "CC0", "nobody", ("down", "left", "up"), 24, "0" * 64)
    monkeypatch.setitem(DATA_SETS, "edges", entry)
    return "edges"


def test_a_step_that_raises_leaves_no_output(place, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="not the published edges"):
        fetch(place / "one source", tmp_path / "images", broken(monkeypatch))
    assert not (tmp_path / "images").exists()


def test_a_step_that_raises_leaves_the_earlier_output(place, tmp_path, monkeypatch):
    fetch(place / "two source", tmp_path / "images")
    before = contents(tmp_path / "images")
    with pytest.raises(UserError):
        fetch(place / "one source", tmp_path / "images", broken(monkeypatch))
    assert contents(tmp_path / "images") == before
    fetch(place / "one source", tmp_path / "images")
    assert contents(tmp_path / "images") == contents(place / "one")
    assert {path.name for path in tmp_path.iterdir()} == {"images", "images.record.json"}


def test_what_is_no_artifact_is_never_replaced(place, tmp_path):
    source = write_images(tmp_path / "photos", 2)
    (source / "notes.txt").write_text("the only copy")
    before = contents(source)
    with pytest.raises(UserError, match="photos"):
        fetch(source, source)
    assert contents(source) == before


def test_outputs_need_places_of_their_own(place, tmp_path):
    at = {"images": place / "one", "audit": place / "audit", "splits": tmp_path / "x", "test_split": tmp_path / "x"}
    with pytest.raises(UserError, match="split: splits and test_split have the same path"):
        run_step("split", at, SPLIT)
    assert not list(tmp_path.iterdir())


def test_an_output_needs_a_name_of_its_own(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="images"):
        fetch(place / "one source", Path())
    assert not list(tmp_path.iterdir())


def test_the_manifest_carries_the_whole_chain(place):
    augmented = Augmented.read(place / "one augmented")
    manifest = augmented.manifest
    assert manifest["kind"] == "Augmented"
    assert manifest["facts"]["classes"] == ["down", "left", "up"] and manifest["facts"]["image_size"] == 8
    assert manifest["parameters"] == {"augment": {**PARAMETERS["augment"], "image_size": 8, "views": 1}}
    assert manifest["lineage"] == {"fetch": Images.read(place / "one").digest, "augment": augmented.digest}
    assert manifest["digest"] == augmented.content_digest()


def test_the_record_says_what_a_run_took_and_ran_on(place):
    record = Record.read(place / "one augmented.record.json")
    assert (record.step, record.digest) == ("augment", Augmented.read(place / "one augmented").digest)
    assert record.work["augmentation"]["images"] == 24
    assert record.versions["python"] == platform.python_version() and record.versions["numpy"] == np.__version__
    assert record.machine["cores"] == os.cpu_count() and record.machine["gpus"] == 0
    assert record.machine["processor"] and str(record.machine["system"]).startswith(platform.system())


def split_again(place: Path, folder: Path, recipe: str = "", **changed: object) -> Splits:
    at = {"images": place / "one", "audit": place / "audit"}
    at |= {name: folder / name for name in ("splits", "test_split")}
    run_step("split", at, {**SPLIT, "train": 12, "validation": 6, "test": 6, **changed}, recipe)
    return Splits.read(at["splits"])


def test_digests_follow_the_content_and_not_the_recipe(place, tmp_path):
    digests = [split_again(place, tmp_path, recipe, seed=seed).digest for seed, recipe in ((1, ""), (1, "x"), (2, ""))]
    assert digests[0] == digests[1] == Splits.read(place / "splits").digest != digests[2]


def test_what_one_run_makes_belongs_together(place, tmp_path):
    """Although the training images are the same, the test images are of another run."""
    splits = split_again(place, tmp_path, test=5)
    test_split = TestSplit.read(tmp_path / "test_split")
    assert splits.manifest["lineage"]["split"] == test_split.manifest["lineage"]["split"]
    assert splits.manifest["lineage"]["split"] != Splits.read(place / "splits").manifest["lineage"]["split"]


def test_the_record_of_the_same_content_stays(place, tmp_path):
    """What was made, and when, has not changed by being made again."""
    split_again(place, tmp_path, "first")
    file = tmp_path / "splits.record.json"
    before = file.read_bytes()
    split_again(place, tmp_path, "again")
    assert file.read_bytes() == before
    split_again(place, tmp_path, "other", seed=2)
    assert Record.read(file).recipe == "other"


@pytest.mark.parametrize("format", [None, 1, 3, "2"])
def test_artifacts_and_records_of_another_version_are_recognised(format, place, tmp_path):
    split_again(place, tmp_path)
    for file, read in ((tmp_path / "splits/artifact.json", Splits), (tmp_path / "splits.record.json", Record)):
        content = {**json.loads(file.read_text()), "format": format}
        if format is None:
            del content["format"]
        file.write_text(json.dumps(content))
        with pytest.raises(UserError, match=r"was written by another version of Graft.*: make it again with"):
            read.read(file.parent if read is Splits else file)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere", "no Images at .*nowhere: run the step that makes it, or `dvc pull` it"),
        ("one source", "no Images at "),
        ("one/artifact.json", "no Images at "),
        ("splits", "is of the kind Splits; .*Images is needed"),
    ],
)
def test_an_input_of_another_kind(path, message, place, tmp_path):
    at = {"images": place / path, "augmented": tmp_path / "augmented"}
    with pytest.raises(UserError, match=message):
        run_step("augment", at, PARAMETERS["augment"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["{", "", "[]", '{"kind": 1}', "{}", '{"format": 2}', '{"format": 2, "kind": 1}'])
def test_a_damaged_record(text, tmp_path):
    (tmp_path / "artifact.json").write_text(text)
    with pytest.raises(UserError, match=str(tmp_path)):
        Images.read(tmp_path)


def test_inputs_of_different_data_sets(place, made, tmp_path):
    at = {**made, "images": place / "one", "splits": place / "splits", "augmented": place / "two augmented"}
    with pytest.raises(UserError, match="explore: its inputs go back to different runs of fetch"):
        run_step("explore", {**at, "exploration": tmp_path / "exploration"}, PARAMETERS["explore"])
    assert not list(tmp_path.iterdir())


def test_inputs_of_one_data_set_however_it_came(place, tmp_path):
    """A data set is what it holds: fetched again, elsewhere, it goes with what was made from it before."""
    fetch(place / "one source", tmp_path / "images")
    inputs: dict[str, Artifact] = {
        "images": Images.read(tmp_path / "images"),
        "splits": Splits.read(place / "splits"),
        "augmented": Augmented.read(place / "one augmented"),
    }
    manifest = lineage.inherited_manifest(load_step("explore"), inputs)
    assert set(manifest["lineage"]) == {"fetch", "audit", "split", "augment"}
    assert set(manifest["parameters"]) == {"audit", "split", "augment"}


def reports(made: dict[str, Path]) -> list[Report]:
    return [Report.read(made[model]) for model in MODELS.values()]


@pytest.mark.parametrize("number", [0, 2])
def test_alternatives_of_different_data_sets(made, number):
    given = reports(made)
    given[number].manifest["lineage"]["fetch"] = "another"
    with pytest.raises(UserError, match="compare: its inputs go back to different runs of fetch"):
        lineage.inherited_manifest(load_step("compare"), {"reports": [*given]})


def test_classifiers_that_are_averaged_go_back_to_one_split(made):
    given = [Classifier.read(made[f"classifiers/{model}"]) for model in MODELS.values()]
    given[1].manifest["lineage"]["split"] = "another"
    with pytest.raises(UserError, match="average: its inputs go back to different runs of split"):
        lineage.inherited_manifest(load_step("average"), {"classifiers": [*given]})


def test_what_alternatives_differ_in_is_left_out(made):
    given = reports(made)
    manifest = lineage.inherited_manifest(load_step("compare"), {"reports": [*given]})
    assert set(given[2].manifest["lineage"]) - set(manifest["lineage"]) == {"evaluate"}
    assert set(manifest["parameters"]) == {*given[0].manifest["parameters"], *given[2].manifest["parameters"]}
    assert "model" not in manifest["facts"] and manifest["facts"]["data_set"] == "edges"

    given[1].manifest["lineage"]["train_top"] = "another"
    given[1].manifest["parameters"]["train_top"]["seed"] = 2
    changed = lineage.inherited_manifest(load_step("compare"), {"reports": [*given]})
    assert set(manifest["lineage"]) - set(changed["lineage"]) == {"train_top"}
    assert set(manifest["parameters"]) - set(changed["parameters"]) == {"train_top"}


@pytest.mark.parametrize("shape", [[3], [1, 1, 1], [2, 1], [1]])
def test_several_are_given_after_one_flag_or_after_each_its_own(shape, made, tmp_path):
    left = [str(made[model]) for model in MODELS.values()]
    words: list[str] = []
    for number in shape:
        words += ["--reports", *left[:number]]
        del left[:number]
    __main__.main(["compare", *words, "--comparison", str(tmp_path / "comparison")])
    given = [Report.read(word) for word in words if word != "--reports"]
    table = Comparison.read(tmp_path / "comparison").table("comparison.csv")
    assert table["model"].tolist() == [report.facts.model for report in given]


# The command line


def arguments(name: str, folder: Path) -> list[str]:
    """Return a step's artifacts as flags, none of which is there."""
    found = load_step(name)
    return [name, *(word for key in (*found.inputs, *found.outputs) for word in (f"--{key}", str(folder / key)))]


@pytest.mark.parametrize("name", STEPS)
def test_help_shows_every_flag(name, capsys):
    with pytest.raises(SystemExit) as left:
        __main__.main([name, "--help"])
    shown, found = capsys.readouterr().out, load_step(name)
    assert left.value.code == 0
    assert found.summary.split()[0] in shown
    flags = {word.strip(",[]") for word in shown.split() if word.strip("[").startswith("--")}
    general = {"--help", "--params", "--recipe", "--record", "--executor_input", "--shards", "--view"}
    assert flags == general | {f"--{argument}" for argument in found.descriptions}
    said = " ".join(shown.split())
    assert all(text in said for text in found.descriptions.values())


@pytest.mark.parametrize("flags", [[], ["--help"]])
def test_help_lists_the_steps_in_order(flags, capsys):
    __main__.main(flags)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(STEPS)


def test_later_sections_win_and_flags_win_over_them(place, tmp_path):
    defaults = "defaults: {method: random, train: 3, validation: 6, test: 0.25, folds: 1, fold: 0, seed: 1, "
    defaults += "duplicates: keep, two_labels: keep, untrained_classes: refuse}"
    sections = f"{defaults}\nown: {{mine: {{train: 5, seed: 2}}}}"
    (tmp_path / "params.yaml").write_text(sections)
    given = [
        "--params",
        f"{tmp_path}/params.yaml:defaults",
        "--seed",
        "3",
        "--params",
        f"{tmp_path}/params.yaml:own.mine",
    ]
    at = ["--images", f"{place}/one", "--audit", f"{place}/audit"]
    at += ["--splits", f"{tmp_path}/splits", "--test_split", f"{tmp_path}/test_split"]
    __main__.main(["split", *at, *given, "--recipe", "mine"])
    manifest = Splits.read(tmp_path / "splits").manifest
    expected = {"method": "random", "train": 5.0, "validation": 6.0, "test": 0.25, "folds": 1, "fold": 0, "seed": 3}
    expected |= {"duplicates": "keep", "two_labels": "keep", "untrained_classes": "refuse", "corrections": ""}
    assert manifest["parameters"]["split"] == expected
    assert Record.read(tmp_path / "splits.record.json").recipe == "mine"


def test_an_empty_section_says_nothing(tmp_path):
    (tmp_path / "params.yaml").write_text("own:\n")
    assert __main__.read_section(f"{tmp_path}/params.yaml:own") == {}


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nowhere.yaml:a", "no nowhere.yaml here"),
        ("params.yaml", "params.yaml.*FILE:SECTION"),
        ("params.yaml:b", "params.yaml has no section 'b'"),
        ("params.yaml:a.b.c", "has no section 'a.b.c'"),
        ("params.yaml:a.b", "received 3"),
        ("broken.yaml:a", "cannot read broken.yaml"),
        ("bytes.yaml:a", "cannot read bytes.yaml"),
        (".:a", r"cannot read \.: "),
    ],
)
def test_sections_that_cannot_be_read(address, message, tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text("a: {b: 3}")
    (tmp_path / "broken.yaml").write_text("a: {b: 3\nc")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xff")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        __main__.read_section(address)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["splt"], "no step 'splt'; did you mean 'split'"),
        (["split"], "are required: --images, --audit, --splits, --test_split; `.*--help` says what it takes"),
        (["split", "--sed", "1"], "required"),
        (["split", "*", "--sed", "1"], "unrecognized arguments: --sed 1"),
        (["split", "*", "--see", "1"], "unrecognized"),  # no abbreviations: a new parameter would change them
        (["split", "*", "--seed"], "--seed: expected one argument"),
        (["split", "*", "more"], "unrecognized arguments: more"),
        (["split", "*", "--seed", "1.5"], "split lacks method"),
        (["compare", "*"], "no Report at .*reports: run the step that makes it"),
        (["compare", "--reports", "--comparison", "c"], "--reports: expected at least one argument"),
    ],
)
def test_wrong_arguments_are_one_line_before_any_work(given, message, tmp_path):
    at = arguments(given[0], tmp_path)[1:] if "*" in given else []
    with pytest.raises(UserError, match=message) as caught:
        __main__.main([given[0], *at, *(word for word in given[1:] if word != "*")])
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def python(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=folder, env=surroundings)


@pytest.mark.parametrize(
    "given",
    [["fine_tune", "--seed", "first"], ["augment", *arguments("augment", Path("nowhere"))[1:], "--seed", "first"]],
    ids=["flag missing", "parameters missing"],
)
def test_wrong_arguments_leave_with_one_line_and_2(given, tmp_path):
    left = python("-m", "components", *given, folder=tmp_path)
    assert (left.returncode, left.stdout) == (2, "")
    assert left.stderr.startswith("error: ") and left.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_help_leaves_with_0(tmp_path):
    left = python("-m", "components", "train_top", "--help", folder=tmp_path)
    assert (left.returncode, left.stderr) == (0, "")
    assert "--learning_rate" in left.stdout


# The floors


def imports(file: Path) -> set[str]:
    """Return the dotted names that a module imports anywhere in it, but for types alone."""
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            todo += ast.iter_child_nodes(node)
    return found


MODULES = {file.relative_to(ROOT).as_posix(): imports(file) for file in sorted((ROOT / "components").rglob("*.py"))}


def importers(name: str) -> set[str]:
    return {file for file, names in MODULES.items() if any(f"{one}.".startswith(f"{name}.") for one in names)}


@pytest.mark.parametrize("name", ["kfp", "dvc", "pipeline", "pretraining", "tests"])
def test_nothing_imports_upwards(name):
    assert importers(name) == set()


def test_one_folder_knows_kubeflow_s_sdk():
    files = sorted((ROOT / "pipeline").rglob("*.py"))
    found = {file.parent for file in files if any(f"{name}.".startswith(("kfp.", "kfp_")) for name in imports(file))}
    assert found == {ROOT / "pipeline" / "kubeflow"}


def test_one_folder_knows_the_journal():
    """And what MLflow's server loads, which answers with its errors."""
    served = {"components/model/scoring_server.py", "components/model/served.py"}
    folders = {Path(file).parent.as_posix() for file in importers("mlflow") - served}
    assert folders == {"components/results/tracking"}


def test_what_is_served_needs_no_more_of_the_project_than_goes_with_the_model():
    shipped = {f"components/{file}" for file in logged.CODE}
    needed = {name for file in shipped for name in MODULES[file] if name.startswith("components")}
    modules = ({name, name.rpartition(".")[0]} for name in needed)  # it, or what it is a name in
    assert all({f"{one.replace('.', '/')}.py" for one in ones} & shipped for ones in modules)


@pytest.mark.parametrize(
    "word", ["pickle", "joblib", "dill", "enable_unsafe_deserialization", "safe_mode=False", "eval(", "exec("]
)
def test_nothing_is_unpickled_and_no_file_is_run(word):
    texts = {file: re.sub(r'unpickle|allow_pickle=False|"\.pickle"', "", (ROOT / file).read_text()) for file in MODULES}
    assert not [file for file, text in texts.items() if word in text]


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_imported_by_none(name):
    assert importers(f"components.{name}") == set()


LIGHT = """
import importlib, sys
from components import STEPS, __main__
from components.machinery.signature import load_step
from components.system.errors import UserError
for name in STEPS:
    importlib.import_module(f"components.{name}")
found = load_step("fine_tune")
flags = [word for key in (*found.inputs, *found.outputs) for word in (f"--{key}", key)]
try:
    __main__.main(["fine_tune", *flags, "--seed", "first"])
except UserError:
    print(sorted(set(sys.argv[1:]) & set(sys.modules)))
"""
HEAVY = ("keras", "tensorflow", "mlflow", "sklearn", "pandas", "numpy", "scipy", "matplotlib", "PIL", "dvc", "kfp")


def test_nothing_heavy_is_imported_before_the_arguments_are_checked(tmp_path):
    left = python("-c", LIGHT, *HEAVY, folder=tmp_path)
    assert (left.stdout, left.stderr) == ("[]\n", "")


def test_only_steps_with_a_network_load_keras():
    training = {"train_benchmark", "train_top", "fine_tune", "average"}
    computing = {"fetch_weights", "embed", "explore", "choose_precision", "extract", *training, "evaluate"} | FITTING
    assert {name for name in STEPS if load_step(name).uses("keras")} == computing

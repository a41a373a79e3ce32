"""Facts: typed by kind, taken over where both kinds declare them, contradictions and gaps told in one line."""

import inspect
import shutil
import subprocess
import sys
from dataclasses import fields

import pytest

from components.data import artifacts
from components.data.artifact import MANIFEST, Artifact
from components.data.artifacts import (
    Audit,
    Augmented,
    Classifier,
    Comparison,
    Features,
    Images,
    Report,
    Splits,
    Tensors,
    Weights,
)
from components.data.augmentation import ViewLimits
from components.data.facts import Facts
from components.data.json_files import read_json, write_json
from components.machinery import lineage
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.scores.registry import VALIDATION
from components.system.errors import UserError
from pipeline.places import path_of
from tests.conftest import PARAMETERS, recipe_of, tasks_of

KINDS = [one for _, one in inspect.getmembers(artifacts, inspect.isclass) if issubclass(one, Artifact)]


def test_facts_are_those_of_the_manifest(tmp_path):
    augmented = Augmented(tmp_path, {"facts": {"classes": ["up"], "of_a_later_version": 1}})
    augmented.facts.image_size, augmented.facts.views = 32, 2
    augmented.write_manifest()
    facts = {"classes": ["up"], "of_a_later_version": 1, "image_size": 32, "views": 2}
    assert Augmented.read(tmp_path).manifest["facts"] == facts == vars(Augmented.read(tmp_path).facts)
    assert list(read_json(tmp_path / MANIFEST)["facts"]) == list(facts)
    assert Augmented.read(tmp_path).facts.image_size == 32


def test_a_fact_that_an_earlier_version_did_not_write_is_missing_in_one_line(tmp_path):
    Augmented(tmp_path, {"facts": {"image_size": 32}}).write_manifest()
    with pytest.raises(UserError, match=f"^{tmp_path} lacks the fact 'views': make it again with `dvc repro`$"):
        _ = Augmented.read(tmp_path).facts.views


def test_a_fact_that_no_kind_declares_is_an_error_of_the_code(tmp_path):
    with pytest.raises(AttributeError, match="ImagesFacts declares no fact 'image_size'"):
        getattr(Images(tmp_path).facts, "image_size")  # noqa: B009


def test_facts_that_may_be_missing_have_the_value_of_their_class(tmp_path):
    classifier = Classifier(tmp_path)
    assert (classifier.facts.backbone, classifier.facts.members) == ("", ())
    assert classifier.manifest["facts"] == {}


def test_every_main_score_of_the_registry_is_a_fact_on_validation(made):
    assert all(kind.facts_type.declares(name) for kind in (Classifier, Report) for name in VALIDATION)
    assert {*VALIDATION} <= {*vars(Report.read(made["top"]).facts)}
    assert not Splits.facts_type.declares(VALIDATION[0])


def test_kinds_say_the_facts_that_their_artifacts_have(made, source):
    """No step writes a fact that its output's kind does not declare, nor leaves one out that has no other value."""
    for task in tasks_of(recipe_of(), source):
        for key, kind in load_step(task.step).outputs.items():
            home = made["comparison"].parents[2]
            facts = read_json(home / path_of(task.outputs[key]) / MANIFEST)["facts"]
            assert all(kind.facts_type.declares(name) for name in facts), (task.step, key)
            if kind not in (Comparison, artifacts.Page):  # which have what their reports agree on
                declared = {name for base in kind.facts_type.__mro__ for name in inspect.get_annotations(base)}
                lacking = declared - {"families"} - {*facts}
                assert all(hasattr(kind.facts_type, name) for name in lacking), (task.step, key, lacking)


def test_every_kind_names_facts_of_its_own_type():
    assert len(KINDS) > 16
    for kind in KINDS:
        assert issubclass(kind.facts_type, Facts)
        assert kind.facts_type is not Facts or kind in (Artifact, artifacts.FileArray, artifacts.SavedModel)


def test_outputs_take_over_what_both_kinds_declare(tmp_path):
    images = Images(tmp_path / "images", {"facts": {"classes": ["up"], "data_set": "edges", "views": 3, "hue": 1}})
    audit = Audit(tmp_path / "audit", {"facts": {"classes": ["up"], "data_set": "edges", "duplicates": {"near": 1}}})
    manifest = lineage.inherited_manifest(load_step("split"), {"images": images, "audit": audit})
    assert manifest["facts"] == {"classes": ["up"], "data_set": "edges", "duplicates": {"near": 1}}
    assert lineage.facts_of_kinds(manifest["facts"], [Weights]) == {}


def test_inputs_that_contradict_each_other_in_a_fact(made):
    features, splits = Features.read(made["features"]), Splits.read(made["splits"])
    inputs: dict[str, Artifact] = {"features": features, "splits": splits, "weights": Weights.read(made["weights"])}
    lineage.inherited_manifest(load_step("train_top"), inputs)
    splits.facts.classes = ["up", "left", "down"]
    with pytest.raises(UserError) as refused:
        lineage.inherited_manifest(load_step("train_top"), inputs)
    assert str(refused.value) == (
        "train_top: its inputs contradict each other: classes is ['down', 'left', 'up'] in features and "
        "['up', 'left', 'down'] in splits: make them from the same"
    )


def test_one_data_set_of_two_names_goes_with_nothing_of_the_other(made):
    images, audit = Images.read(made["images"]), Audit.read(made["audit"])
    images.facts.data_set = "renamed"
    with pytest.raises(UserError, match=r"split: .* data_set is 'renamed' in images and 'edges' in audit"):
        lineage.inherited_manifest(load_step("split"), {"images": images, "audit": audit})


def test_what_alternatives_contradict_each_other_in_is_left_out(made):
    """So that a comparison of several models says nothing of one, and the images of one size decide beside others."""
    one, other = Augmented.read(made["augmented"]), Augmented.read(made["augmented"])
    other.facts.image_size = 48
    classifier = Classifier.read(made["classifiers/top"])
    manifest = lineage.inherited_manifest(load_step("evaluate"), {"augmented": [one, other], "classifier": classifier})
    assert manifest["facts"]["image_size"] == 32


def test_views_say_how_they_were_drawn_to_whoever_draws_more(made):
    given = PARAMETERS["augment"]
    for artifact in (Augmented.read(made["augmented"]), Tensors.read(made["tensors"])):
        assert artifact.facts.view_limits == {field.name: given[field.name] for field in fields(ViewLimits)}
        assert artifact.facts.view_seed == given["seed"]


def test_a_step_that_finds_a_fact_missing_says_so_in_one_line(made, tmp_path):
    at = {**made, "audit": tmp_path / "audit", "splits": tmp_path / "splits", "test_split": tmp_path / "test_split"}
    shutil.copytree(made["audit"], at["audit"])
    manifest = read_json(at["audit"] / MANIFEST)
    del manifest["facts"]["duplicates"]
    write_json(at["audit"] / MANIFEST, manifest)
    with pytest.raises(UserError, match=f"^{at['audit']} lacks the fact 'duplicates': make it again with `dvc repro`$"):
        run_step("split", at, PARAMETERS["split"])
    assert [path.name for path in tmp_path.iterdir()] == ["audit"]


@pytest.mark.slow  # a type checker's run
def test_a_type_checker_knows_the_facts(tmp_path):
    file = tmp_path / "reads.py"
    file.write_text(
        "from components.data.artifacts import Classifier, Images\n"
        "def classes(classifier: Classifier) -> list[str]:\n    return classifier.facts.classes\n"
        "def size(images: Images) -> int:\n    return images.facts.image_size\n"
        "def names(images: Images) -> int:\n    return images.facts.classes\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(file)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    assert 'reads.py:5: error: "ImagesFacts" has no attribute "image_size"' in told
    assert "reads.py:7: error: Incompatible return value type" in told
    assert "Found 2 errors" in told


def test_facts_are_read_by_no_string():
    files = [*ROOT.glob("components/**/*.py"), *ROOT.glob("pipeline/**/*.py")]
    assert len(files) > 60
    by_string = ('.facts["', ".facts.get(", ".facts['")
    assert not [file for file in files if any(text in file.read_text(encoding="utf-8") for text in by_string)]

"""Written files: what they predict, what is in them and beside them, and which are refused."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import mlflow
import numpy as np
import pytest
from scipy.stats import binomtest

from components.data import images
from components.data.artifacts import Classifier, Report
from components.data.content import file_sha256
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.model import backbones, exporting
from components.model.averaged_views import averaged_classifier
from components.model.exporting import Agreement, Rule, agreement_of
from components.model.served import ServedModel
from components.model.written import FORMATS
from components.results import certificates, tracking
from components.results.delivered import open_classifier, open_model
from components.results.tracking import certified, registry, runs
from components.scores import metrics
from components.system.errors import UserError
from pipeline import images_behind
from pipeline.__main__ import main
from tests.conftest import CLASSES, PARAMETERS, evaluate, recorded

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

ENDINGS = {"onnx": "edges.onnx", "litert": "edges.tflite"}


def export(model: Path | str, to: str, file: Path, *words: str) -> None:
    main(["export", str(file), "--model", str(model), "--to", to, *words])


def raw_images(made: dict[str, Path], source: Path) -> np.ndarray:
    """Return the test images, in the order of the reports, float32 (n, 32, 32, 3)."""
    files = Report.read(made["fine_tuned"]).table("predictions.csv")["file"]
    return np.stack([images.read_pixels(source / file, 32) for file in files]).astype(np.float32)


# What is written


@pytest.mark.parametrize("precision", exporting.RULES)
@pytest.mark.parametrize("to", FORMATS)
def test_a_file_is_scored_on_the_whole_test_split_and_certified(to, precision, made, source, tmp_path, capsys):
    file = tmp_path / ENDINGS[to]
    keras.utils.enable_interactive_logging()  # as Keras does whenever its session is cleared, before a training
    export(made["classifiers/fine_tuned"], to, file, "--precision", precision)
    said = capsys.readouterr().out
    probabilities = FORMATS[to].open(file)(raw_images(made, source))
    report = Report.read(made["fine_tuned"])
    table = report.table("predictions.csv")
    found = agreement_of(table.filter(like="probability_").to_numpy(), probabilities)
    assert not [*exporting.RULES[precision].breaches(found)]

    certificate = json.loads((tmp_path / f"{file.name}.certificate.json").read_text())
    labels = table["label"].map({name: number for number, name in enumerate(CLASSES)}).to_numpy()
    scores = metrics.scores(labels, probabilities)
    for name, value in certificate["test"]["scores"].items():
        assert value["file"] == pytest.approx(scores[name], abs=1e-6)
        assert value["interval"][0] <= value["file"] <= value["interval"][1]
        assert value["model"] == pytest.approx(report.metrics[name], abs=1e-6)
    assert certificate["test"]["images"] == len(table) and certificate["test"]["test_split"] == report.facts.test_split
    assert certificate["file"]["sha256"] == file_sha256(file) and certificate["file"]["bytes"] == file.stat().st_size
    assert certificate["model"]["digest"] == report.facts.classifier
    assert certificate["rule"]["found"]["images"] == 12 and certificate["rule"]["on"] == "the validation images"
    assert certificate["calibration_images"] == (24 if precision == "int8" else 0)
    assert 0 < certificate["milliseconds"]["median"] <= certificate["milliseconds"]["p95"]
    assert file_sha256(file) in (tmp_path / f"{file.name}.card.md").read_text()
    assert (tmp_path / "labels.txt").read_text() == "".join(f"{name}\n" for name in CLASSES)
    assert "12 test images, scored once, which decided nothing: kappa " in said and "McNemar's p = " in said
    assert len([*tmp_path.iterdir()]) == 4


@pytest.mark.parametrize("to", FORMATS)
def test_a_file_alone_says_how_to_read_images_and_predicts(to, made, source, tmp_path, capsys):
    file = tmp_path / "written" / ENDINGS[to]
    export(made["classifiers/top"], to, file)
    (moved := tmp_path / "alone").write_bytes(file.read_bytes())
    metadata = FORMATS[to].read(moved)
    assert json.loads(metadata["classes"]) == [*CLASSES]
    assert (metadata["image_size"], metadata["resize"], metadata["white_level"]) == ("32", "squash", "65535")
    capsys.readouterr()
    for model in (made["classifiers/top"], moved):
        main(["predict", "--model", str(model), str(source / "up")])
    lines = capsys.readouterr().out.splitlines()
    (*known, unlike), *rest = (line.split() for line in lines)
    of_model, of_file = rest[:16], rest[16:]
    assert unlike == "unlike" and known == of_file[0]  # which a file does not tell
    assert [row[:-1] for row in of_model] == of_file[1:] and len(of_model) == 16
    with open_classifier(str(moved)) as classifier:
        assert classifier.facts.temperature == Classifier.read(made["classifiers/top"]).facts.temperature
    with pytest.raises(UserError, match="is a written file itself"):
        export(moved, to, tmp_path / "again")


def test_the_example_in_the_documentation_reads_a_file_without_this_project(made, source, tmp_path):
    (code,) = re.findall(r"```python\n(.+?)```", (ROOT / "docs/using.md").read_text(), re.DOTALL)
    assert "components" not in code and "pipeline" not in code and len(code.splitlines()) <= 12
    export(made["classifiers/top"], "onnx", tmp_path / "digits.onnx")
    shutil.copy(source / "up" / "03.png", tmp_path / "photo.jpg")
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    answer = open_model(str(made["classifiers/top"])).probabilities(
        images.read_pixels(tmp_path / "photo.jpg", 32)[None]
    )
    name, probability = done.stdout.split()
    assert name == CLASSES[answer.argmax()] and float(probability) == pytest.approx(answer.max(), abs=1e-4), done.stderr


def test_a_file_has_a_run_of_its_own_which_counts_as_a_look_at_the_test_split(made, journal, tmp_path):
    export(made["classifiers/fine_tuned"], "litert", tmp_path / "edges.tflite")
    certificate = json.loads((tmp_path / "edges.tflite.certificate.json").read_text())
    assert certificate["looks"] == 2
    found = tracking.client().search_runs([tracking.experiment_ids()["edges"]])
    assert len(found) == 2
    assert {run.data.params.get("export.to") for run in found} == {None, "litert"}
    names = {"edges.tflite", "edges.tflite.certificate.json", "edges.tflite.card.md", "labels.txt"}
    for run in found:
        logged = {Path(file.path).name for file in tracking.client().list_artifacts(run.info.run_id, "export")}
        assert logged == names
        assert run.data.metrics["accuracy"] == pytest.approx(certificate["test"]["scores"]["accuracy"]["file"])
    model = runs.find_run("edges", runs.MODEL, Classifier.read(made["classifiers/fine_tuned"]).digest)
    assert model is not None and len(tracking.client().search_logged_models([model.info.experiment_id])) == 1


def test_the_card_of_a_registered_version_repeats_what_is_certified_of_its_files(made, journal, tmp_path):
    """Of each file once, whether it was written before the model was registered, after that, or again."""
    classifier, report = Classifier.read(made["classifiers/fine_tuned"]), recorded(made["fine_tuned"])

    def sections() -> dict[str, str]:
        version = tracking.client().get_model_version_by_alias("edges", "champion")
        text = mlflow.artifacts.load_text("models:/edges@champion/model_card.md")
        assert version.description == text[: certified.DESCRIPTION] and "\n## Training\n" in text
        by_name = [section.split("\n", 1) for section in text.split(f"\n{certificates.HEADING} ")[1:]]
        assert len(dict(by_name)) == len(by_name)
        return dict(by_name)

    export(made["classifiers/fine_tuned"], "litert", tmp_path / "first.tflite")
    registry.promote(classifier, report, "to read its card")
    before = sections()
    assert "first.tflite" in before and "second.onnx" not in before
    for _ in range(2):
        export(made["classifiers/fine_tuned"], "onnx", tmp_path / "second.onnx")
        after = sections()
        assert after.keys() == {*before, "second.onnx"}
    certificate = json.loads((tmp_path / "second.onnx.certificate.json").read_text())
    assert f"`{certificate['file']['sha256']}`" in after["second.onnx"] and "ms an image" in after["second.onnx"]


def test_outside_the_project_a_model_is_judged_on_given_images_and_not_scored(journal, source, tmp_path, capsys):
    with pytest.raises(UserError, match=r"validated on are not here: run this in its project, or give --images"):
        export(journal, "litert", tmp_path / "file")
    export(journal, "litert", tmp_path / "file", "--images", str(source / "up"))
    assert "not scored on test images, as no test split is here" in capsys.readouterr().out
    assert json.loads((tmp_path / "file.certificate.json").read_text())["test"] is None
    export(journal, "litert", tmp_path / "file", "--images", str(source / "up"), "--test", str(source))
    assert "48 test images, scored once, which decided nothing: kappa " in capsys.readouterr().out
    assert json.loads((tmp_path / "file.certificate.json").read_text())["test"]["images"] == 48
    with pytest.raises(UserError, match="int8 is calibrated on training images, which are not here: run this in the"):
        export(journal, "onnx", tmp_path / "other", "--precision", "int8", "--images", str(source / "up"))
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("to", FORMATS)
def test_a_network_of_imagenet_s_is_exported(to, tmp_path):
    keras.utils.set_random_seed(1)
    backbone = backbones.get("mobilenet_025").build(64)
    inputs = keras.Input((64, 64, 3))
    x = keras.layers.GlobalAveragePooling2D()(backbone(keras.layers.Rescaling(1 / 127.5, -1)(inputs)))
    network = keras.Model(inputs, keras.layers.Softmax()(keras.layers.Dense(5)(x)))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    file = tmp_path / f"file{FORMATS[to].suffix}"
    exporting.convert(network, to, "float32", file)
    told = FORMATS[to].open(file)(pixels.astype(np.float32))
    assert not [
        *exporting.RULES["float32"].breaches(agreement_of(ServedModel(network, [*"abcde"]).probabilities(pixels), told))
    ]


def test_an_ensemble_is_promoted_served_written_and_certified_as_any_other(made, journal, source, tmp_path, capsys):
    members = [made[f"classifiers/{name}"] for name in ("benchmark", "fine_tuned")]
    at = {**made, "augmented": [made["augmented"]], "classifier": tmp_path / "ensemble", "classifiers": members}
    run_step("average", at, PARAMETERS["average"])
    shutil.copytree(tmp_path / "ensemble", ensemble := made["splits"].parent / "classifiers" / "ensemble")
    try:
        for to in FORMATS:
            export(ensemble, to, tmp_path / to / "file")
            certificate = json.loads((tmp_path / to / "file.certificate.json").read_text())
            assert certificate["test"]["images"] == 12 and certificate["test"]["changed"] == []
        capsys.readouterr()
        evaluate({**made, "classifier": ensemble, "report": tmp_path / "report"})
        is_champion, _ = registry.promote(Classifier.read(ensemble), recorded(tmp_path / "report"), "to serve it")
        assert is_champion
        for model in (ensemble, "models:/edges@champion", tmp_path / "onnx" / "file", tmp_path / "litert" / "file"):
            main(["predict", "--model", str(model), str(source / "up")])
        lines = capsys.readouterr().out.splitlines()[-68:]
        assert lines[:17] == lines[17:34] == lines[34:51] == lines[51:]
    finally:
        shutil.rmtree(ensemble)


def test_averaged_views_are_promoted_and_written_as_the_one_model_that_was_scored(made, journal, source, tmp_path):
    evaluate({**made, "classifier": made["classifiers/top"], "report": tmp_path / "report"}, views="averaged")
    report = recorded(tmp_path / "report")
    is_champion, _ = registry.promote(Classifier.read(made["classifiers/top"]), report, "to write it")
    assert is_champion
    expected = report.table("predictions.csv").filter(like="probability_").to_numpy()
    for to in FORMATS:
        keras.utils.clear_session()  # as in a process of its own, where names begin anew
        export("models:/edges@champion", to, tmp_path / to / "file", "--images", str(source / "up"))
        probabilities = FORMATS[to].open(tmp_path / to / "file")(raw_images(made, source))
        np.testing.assert_allclose(probabilities, expected, atol=1e-4)
        with open_classifier(str(tmp_path / to / "file")) as classifier:
            assert classifier.facts.averaged_views["views"] == PARAMETERS["augment"]["views"]
    digests = set()
    for number in range(2):
        (folder := tmp_path / f"{number}").mkdir()
        digests.add(averaged_classifier(Classifier.read(made["classifiers/top"]), report, folder).digest)
    assert len(digests) == 1


# What is refused


def test_a_file_that_the_rule_refuses_is_not_kept(made, tmp_path, monkeypatch):
    monkeypatch.setitem(exporting.RULES, "float16", Rule(0.0))
    with pytest.raises(
        UserError, match=r"litert float16: the probabilities differ by .*, more than 0: not written; try"
    ):
        export(made["classifiers/top"], "litert", tmp_path / "file", "--precision", "float16")
    assert not list(tmp_path.iterdir())


def test_a_rule_breaks_on_what_it_limits_and_on_what_is_no_number():
    rule = Rule(0.1, 0.02, 0.05)
    assert not [*rule.breaches(Agreement(10, 0.1, 1, 0.05))]  # one image of few may change
    assert not [*rule.breaches(Agreement(100, 0.0, 2, 0.0))]
    broken = [*rule.breaches(Agreement(100, 0.11, 3, 0.051))]
    assert [words.split(",")[0] for words in broken] == [
        "the probabilities differ by 0.11", "3 of 100 images change class", "the log loss rises by 0.051 nats",
    ]  # fmt: skip
    assert len([*rule.breaches(Agreement(10, float("nan"), 0, float("nan")))]) == 2


def test_an_agreement_is_the_rise_of_log_loss_if_the_model_is_right():
    model, file = np.array([[0.8, 0.2], [0.5, 0.5]]), np.array([[0.6, 0.4], [0.4, 0.6]])
    found = agreement_of(model, file)
    expected = np.mean([(p * np.log(p / q)).sum() for p, q in zip(model, file, strict=True)])
    assert (found.images, found.changed) == (2, 1)
    assert (found.difference, found.divergence) == pytest.approx((0.2, expected))


@pytest.mark.parametrize(
    ("to", "module"), [("onnx", "tf2onnx"), ("onnx", "onnxruntime"), ("litert", "ai_edge_litert.interpreter")]
)
def test_a_converter_that_is_not_installed_is_named(to, module, made, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=f"{module}.* is not installed: "):
        export(made["classifiers/top"], to, tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_other_images_do_not_take_the_place_of_the_test_split(made, source, tmp_path):
    with pytest.raises(UserError, match="the model's own test split is here, and its file is scored on that: leave"):
        export(made["classifiers/top"], "litert", tmp_path / "file", "--test", str(source))


def test_labels_of_other_classes_are_not_overwritten(made, tmp_path):
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    with pytest.raises(UserError, match=r"labels.txt is of other classes: write the file to another folder"):
        export(made["classifiers/top"], "litert", tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["labels.txt"]


@pytest.mark.parametrize("content", [b"", b"no model", b"1234TFL3 cut off"])
def test_what_is_no_written_file_is_one_line(content, source, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match=r"file is no file that `graft export` wrote"):
        main(["predict", "--model", str(tmp_path / "file"), str(source / "up")])


# The certificate


def test_images_whose_class_changed_are_named_and_tested_by_mcnemar(made):
    report = Report.read(made["fine_tuned"])
    table = report.table("predictions.csv")
    model = table.filter(like="probability_").to_numpy().copy()
    model[:5] = np.roll(model[:5], 1, axis=1)  # the model, so that the file is right where it is not
    right = (table["label"] == table["predicted"]).to_numpy()
    before = np.array([CLASSES[number] for number in model.argmax(axis=1)])
    found = certificates.test_results(report, model)
    assert [row["file"] for row in found["changed"]] == table["file"].head(5).tolist()
    assert [(row["model"], row["written"]) for row in found["changed"]] == [
        *zip(before[:5], table["predicted"].head(5), strict=True)
    ]
    file_alone = int((right & (before != table["label"])).sum())
    model_alone = int((~right & (before == table["label"])).sum())
    expected = binomtest(file_alone, file_alone + model_alone).pvalue
    assert found["mcnemar"] == {"model_alone": model_alone, "file_alone": file_alone, "p": pytest.approx(expected)}


def test_the_images_behind_a_model_are_found_by_its_lineage_alone(made, tmp_path):
    classifier = Classifier.read(made["classifiers/fine_tuned"])
    found = images_behind.find_images_behind(classifier)
    assert found == images_behind.ImagesBehind(made["augmented"], made["splits"], made["test_split"])
    classifier.manifest["lineage"]["split"] = "another"
    assert images_behind.find_images_behind(classifier) is None

"""The built-in recipe, with few epochs, as a person runs it: what comes out, and that it comes out again."""

import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from components import STEPS
from components.data import augmentation
from components.data.artifacts import Augmented, Classifier, Comparison, Images, Report, Splits, TestSplit
from components.data.records import SUFFIX, Record
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.model import averaged_views
from components.results import costs
from components.scores import metrics
from components.scores.temperature import fit_temperature
from components.system.errors import UserError
from pipeline import collection, recipes
from tests.conftest import CLASSES, MODELS, PARAMETERS, digests, evaluate

DOCS = [file.stem for file in (ROOT / "docs").glob("*.md")]
SHORT = {"train_benchmark": 2, "train_top": 60, "fine_tune": 1}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The built-in data set, its weights and what does not depend on a split."""
    folder = tmp_path_factory.mktemp("digits")
    content = recipes.read(ROOT / "params.yaml")
    parameters = recipes.resolve(recipes.apply_changes(content, "digits", {"augment.views": 1}), "digits").values
    names = ("images", "weights", "audit", "augmented", "chosen_precision", "features", "tensors")
    at = {name: folder / name for name in names}
    run_step("fetch", at, collection.fetch_values(content, "digits"))
    weights = collection.weights_values(content, "glyphs")
    run_step("fetch_weights", at, {**weights, "source": str(ROOT / weights["source"])})
    for name in ("audit", "augment", "choose_precision", "extract"):
        run_step(name, at, parameters[name])
    return at, parameters


def train(shared, folder) -> dict[str, dict[str, float]]:
    at, parameters = shared
    at = {**at, **{name: folder / name for name in ("splits", "test_split", "top", "classifier", "report")}}
    run_step("split", at, parameters["split"])
    found = {}
    for name, epochs in SHORT.items():
        run_step(name, at, {**parameters[name], "epochs": epochs, "repeats": 1})
        evaluate(at, **parameters["evaluate"])
        found[MODELS[name]] = Report.read(at["report"]).read_values("metrics")
    return found


def test_the_same_recipe_gives_the_same_bytes_in_every_file_but_the_records(shared, tmp_path):
    first, second = train(shared, tmp_path / "first"), train(shared, tmp_path / "second")
    assert first == second
    files = [digests(tmp_path / run) for run in ("first", "second")]
    apart = {name for name in files[0] if files[0][name] != files[1][name]}
    assert files[0].keys() == files[1].keys() and all(name.endswith(SUFFIX) for name in apart)
    assert first["top"]["kappa"] > 0.3  # few epochs on a pretrained backbone tell digits


def test_a_report_agrees_with_itself(made):
    """Accuracy from the matrix and from the table is the accuracy reported; every test image is there once."""
    test = TestSplit.read(made["test_split"]).table("test_split.csv")
    for model in MODELS.values():
        report = Report.read(made[model])
        table = report.table("predictions.csv")
        assert table["file"].tolist() == test["file"].tolist()
        assert table["label"].tolist() == test["label"].tolist() == [file.split("/")[0] for file in test["file"]]
        matrix = pd.crosstab(table["label"], table["predicted"])
        right = np.trace(matrix.reindex(index=CLASSES, columns=CLASSES, fill_value=0))
        assert report.metrics["accuracy"] == right / len(table)
        np.testing.assert_allclose(table.filter(like="probability_").sum(axis=1), 1, rtol=1e-5)
        figures = made["page"] / "figures" / model
        assert {path.name for path in figures.iterdir()} == {
            "confusion_matrix.png", "learning_curves.png", "mistakes.png", "classes.png", "reliability.png",
            "slices.png",
        }  # fmt: skip
        assert {"log_loss_uncalibrated", "prior_log_loss"} <= set(report.metrics)
        assert not [name for name in report.metrics if name.startswith("seconds")]
        spent = costs.report_costs(report, Record.read_all([made["page"].parent]))
        assert ("seconds_extraction" in spent) == (model != "benchmark")


def test_averaged_views_are_the_mean_over_them_with_a_temperature_of_its_own(made, tmp_path):
    at = {**made, "classifier": made["classifiers/benchmark"], "report": tmp_path / "report"}
    evaluate(at, views="averaged")
    averaged, classifier = Report.read(at["report"]), Classifier.read(at["classifier"])
    augmented, validation = Augmented.read(made["augmented"]), Splits.read(made["splits"]).part("validation")
    network, temperature = classifier.load(), averaged.facts.temperature
    before = keras.Model(network.input, keras.ops.softmax(network.get_layer("temperature").input))
    transforms = averaged_views.fixed_views(averaged.facts.averaged_views)
    assert len(transforms) == augmented.facts.views

    def mean(files: pd.Series) -> np.ndarray:
        plain = augmented.array[augmented.rows(files.tolist()), 0]
        views = np.stack([augmentation.apply_transforms(image, transforms) for image in plain])
        return np.mean([before.predict_on_batch(views[:, number]) for number in range(views.shape[1])], axis=0)

    table, labels = averaged.table("predictions.csv"), validation["label"].map(CLASSES.index).to_numpy()
    means = mean(validation["file"])
    assert temperature == pytest.approx(
        fit_temperature(labels, np.log(means)), rel=0.01
    )  # Pillow rounds, layers do not
    assert averaged.metrics["validation_log_loss"] == pytest.approx(
        metrics.log_loss(labels, softmax(np.log(means) / temperature, axis=1)), rel=0.01
    )
    expected = softmax(np.log(mean(table["file"])) / temperature, axis=1)
    np.testing.assert_allclose(table.filter(like="probability_"), expected, atol=0.01)
    assert averaged.facts.fingerprint != Report.read(made["benchmark"]).facts.fingerprint


def test_training_and_testing_share_no_image(made):
    parts = Splits.read(made["splits"]).table("splits.csv")
    test = TestSplit.read(made["test_split"]).table("test_split.csv")
    everything = Images.read(made["images"]).table("images.csv")
    assert sorted([*parts["file"], *test["file"]]) == sorted(everything["file"])


def test_no_training_step_takes_the_test_split():
    takers = [name for name in STEPS if TestSplit in load_step(name).inputs.values()]
    assert takers == ["evaluate"]


def test_the_comparison_says_what_the_reports_say(made):
    comparison = Comparison.read(made["comparison"])
    text = (made["page"] / "comparison.txt").read_text()
    table = comparison.table("comparison.csv").set_index("model")
    assert table.index.tolist() == ["benchmark", "top", "fine_tuned"]
    for model in MODELS.values():
        report = Report.read(made[model])
        assert table.loc[model, "kappa"] == report.metrics["kappa"]
        low, high = report.intervals["kappa"]
        assert (table["kappa_low"][model], table["kappa_high"][model]) == (low, high)
        assert f"{table['kappa'][model]:.3f} [{low:.3f}, {high:.3f}]" in re.findall(rf"^{model} .*$", text, re.M)[0]
    pairs = comparison.table("pairs.csv")
    assert pairs[["first", "second"]].to_numpy().tolist() == [
        ["benchmark", "top"], ["benchmark", "fine_tuned"], ["top", "fine_tuned"],
    ]  # fmt: skip
    losses = {m: Classifier.read(made[f"classifiers/{m}"]).facts.validation_log_loss for m in MODELS.values()}
    chosen = min(losses, key=lambda model: losses[model])
    assert f"Validation chose {chosen}" in text
    reasons = "\n".join(comparison.read_values("verdict")["verdict"])
    file = f"the file of {chosen}"
    assert len(re.findall(rf"^{file} is (?:better|worse) than|cannot tell {file} from", reasons, re.M)) == 2
    saved = comparison.read_values("chosen")
    assert (saved["model"], saved["log_loss"]) == (chosen, losses[chosen])


@pytest.fixture(scope="module")
def arms(made, tmp_path_factory) -> list[Path]:
    """Reports of a sweep: one more fine-tuned model, one more head, and one fine-tuned from that."""
    folder = tmp_path_factory.mktemp("arms")
    found = []

    def trained(name: str, arm: str, rate: float, **given: Path) -> dict[str, Path]:
        outputs = {key: folder / arm / key for key in ("top", "classifier", "report")}
        run_step(name, {**made, **outputs, **given}, {**PARAMETERS[name], "learning_rate": rate})
        evaluate({**made, **outputs})
        found.append(outputs["report"])
        return outputs

    trained("fine_tune", "tuned", 0.0001, top=made["head"])
    head = trained("train_top", "head", 0.02)["top"]
    trained("fine_tune", "tuned from it", 0.001, top=head)
    return found


def test_models_trained_several_times_are_named_by_what_differs_and_ranked_on_validation(made, arms, tmp_path):
    given = [*arms, *(made[model] for model in MODELS.values())]
    losses = {path: Report.read(path).metrics["validation_log_loss"] for path in given}
    tuned, head, tuned_from_it, benchmark, top, fine_tuned = given
    named = {
        benchmark: "benchmark",
        top: "top learning_rate=0.01",
        head: "top learning_rate=0.02",
        fine_tuned: "fine_tuned train_top.learning_rate=0.01 learning_rate=0.001",
        tuned: "fine_tuned train_top.learning_rate=0.01 learning_rate=0.0001",
        tuned_from_it: "fine_tuned train_top.learning_rate=0.02 learning_rate=0.001",
    }
    run_step("compare", {"reports": given, "comparison": tmp_path / "comparison"}, {})
    comparison = Comparison.read(tmp_path / "comparison")
    stages = [[benchmark], [top, head], [fine_tuned, tuned, tuned_from_it]]
    order = [path for arms in stages for path in sorted(arms, key=lambda path: losses[path])]
    table = comparison.table("comparison.csv").set_index("model")
    assert table.index.tolist() == [named[path] for path in order]
    assert table["validation_log_loss"].tolist() == [losses[path] for path in order]
    chosen = named[min(losses, key=lambda path: losses[path])]
    assert comparison.read_values("chosen")["model"] == chosen
    text = "\n".join(comparison.read_values("verdict")["verdict"])
    assert f"{chosen} is chosen on validation" in text
    assert len(re.findall("by its log loss on validation", text)) == 2
    assert "train_top" not in comparison.manifest["parameters"] and "split" in comparison.manifest["parameters"]


def test_weights_tell_models_apart_too(made):
    from components.results.trials import trials_by_model

    one, other = (Report.read(made["top"]) for _ in range(2))
    vars(other.facts).update(backbone="vgg16", weights_sha256="0123456789")
    assert [*trials_by_model([one, other])] == ["top, vgg16_small", "top, vgg16"]


def test_a_report_given_twice(made, tmp_path):
    with pytest.raises(UserError, match=r"reports/top and .*reports/top are on one model, top: give one of them"):
        run_step("compare", {"reports": [made["top"]] * 2, "comparison": tmp_path / "comparison"}, {})
    assert not list(tmp_path.iterdir())


def test_every_file_that_the_documents_name_exists():
    for document in ("README.md", "CONTRIBUTING.md", "deploy/README.md", *(f"docs/{name}.md" for name in DOCS)):
        text = (ROOT / document).read_text()
        for name in re.findall(
            r"`((?:components|pipeline|pretraining|docs|data(?!/images|/weights))/[\w./]*|[\w]+\.(?:yaml|md|toml))`",
            text,
        ):
            there = any((folder / name).exists() for folder in (ROOT, (ROOT / document).parent))
            assert there or f"This one is written in `{name}`" in text, f"{document}: {name}"  # by its reader
        for name in re.findall(r"\]\(([\w./]+)\)", text):
            assert ((ROOT / document).parent / name).exists(), f"{document} links to {name}"


def test_the_tests_mirror_the_packages():
    """A folder of tests is a package; those of the steps, which are `components` itself, lie in `tests/steps/`."""
    tests = {folder.relative_to(ROOT / "tests").parent for folder in (ROOT / "tests").rglob("test_*.py")} - {Path()}
    for folder in tests - {Path("steps")}:
        assert any((ROOT / top / folder / "__init__.py").exists() for top in (".", "components")), folder


def test_the_locks_have_hashes_and_name_no_host():
    for name in ("requirements.txt", "requirements-setup.txt"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert not re.search(r"^--", text, re.M)
        pinned = re.findall(r"^[a-z0-9][\w.\[\]-]*==", text, re.M)
        assert len(pinned) == len(re.findall(r"==[^\n]*\\\n    --hash=sha256:", text)) > 0

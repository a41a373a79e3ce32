"""The registry: the first version is champion, a better one takes over, another does not, and each look is counted."""

import shutil
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from components.data.artifacts import Classifier, Comparison, Report
from components.results import fingerprints, tracking
from components.results.tracking import card, registry
from components.scores import intervals, metrics
from components.scores.estimates import sample_of
from components.system.errors import UserError, one_line
from pipeline.__main__ import main
from tests.conftest import CLASSES, copy_recipe, free_port, recorded

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

IMAGES = 120


@pytest.fixture
def store(database, tmp_path, monkeypatch):
    """An empty registry: a copy of the SQLite file."""
    shutil.copy(database.removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    tracking.client.cache_clear()
    yield tracking.client()
    tracking.client.cache_clear()


def candidate(made, folder: Path, right: int, start: int = 0, groups: bool = False) -> tuple[Classifier, Report]:
    """Return a copy of a model whose report says that it is right on so many of the test images.

    Args:
        made: Every artifact of a recipe.
        folder: Where the copies go.
        right: Test images, of `IMAGES`, that it is right on.
        start: Number of the first test image: another start is another test split.
        groups: Whether the test images are grouped, ten in each.
    """
    name = f"{right} from {start}"
    for kind, of in (("classifiers", made["classifiers/top"]), ("reports", made["top"])):
        shutil.copytree(of, folder / name / kind, dirs_exist_ok=True)
    classifier, report = Classifier.read(folder / name / "classifiers"), Report.read(folder / name / "reports")
    labels = np.arange(IMAGES) % len(CLASSES)
    predicted = np.where(np.arange(IMAGES) < right, labels, (labels + 1) % len(CLASSES))
    probabilities = np.full((IMAGES, len(CLASSES)), 0.1)
    probabilities[np.arange(IMAGES), predicted] = 0.8
    table = pd.DataFrame({"file": [f"{start + number}.png" for number in range(IMAGES)]})
    table["label"], table["predicted"] = np.array(CLASSES)[labels], np.array(CLASSES)[predicted]
    table["group"] = [f"group {number // 10}" if groups else "" for number in range(IMAGES)]
    table[[f"probability_{label}" for label in CLASSES]] = probabilities
    classifier.manifest["digest"] = report.facts.classifier = f"digest of {name}"
    report.facts.fingerprint = f"fingerprint of {name}"
    report.facts.test_split = fingerprints.test_split_digest(report.manifest["lineage"]["fetch"], table)
    report.record = recorded(made["top"]).record
    report.write_table("predictions.csv", table)
    report.write_values("metrics", {**report.read_values("metrics"), **metrics.scores(labels, probabilities)})
    report.write_values("baselines", {**report.read_values("baselines"), "test_images": IMAGES})
    report.write_values("intervals", intervals.score_intervals(labels, probabilities))
    report.write_table("classes.csv", intervals.class_scores(labels, predicted, CLASSES))
    return classifier, report


def champion(store) -> str:
    return str(store.get_model_version_by_alias("edges", "champion").version)


def test_the_first_is_champion_then_the_better_and_a_worse_one_only_by_force(made, store, tmp_path):
    assert registry.promote(*candidate(made, tmp_path, 90))[0]
    assert champion(store) == "1"
    promoted, sentences = registry.promote(*candidate(made, tmp_path, 112))
    assert promoted and champion(store) == "2"
    assert "accuracy 0.9333 against 0.7500 of version 1: +0.1833" in "\n".join(sentences)
    promoted, sentences = registry.promote(*candidate(made, tmp_path, 91))
    assert not promoted and champion(store) == "2"
    assert sentences[-1].startswith("the champion stays version 2")
    assert registry.promote(*candidate(made, tmp_path, 91), reason="smaller") == (
        True,
        [*sentences[:-1], "version 3 is the champion, as asked for: smaller"],
    )
    assert champion(store) == "3"
    versions = {str(one.version): one for one in store.search_model_versions("name = 'edges'")}
    assert {number: one.tags.get("forced") for number, one in versions.items()} == {
        "1": None,
        "2": None,
        "3": "smaller",
    }
    assert [one.tags["test_looks"] for _, one in sorted(versions.items())] == ["1", "2", "3"]
    assert "-0.1750" in versions["3"].tags["verdict"]


def test_the_same_model_again_changes_nothing(made, store, tmp_path):
    artifacts = candidate(made, tmp_path, 100)
    registry.promote(*artifacts)
    before = store.get_model_version_by_alias("edges", "champion").to_proto()
    promoted, (sentence,) = registry.promote(*artifacts)
    assert promoted and sentence.endswith("is the champion already, as version 1: nothing changes")
    assert store.get_model_version_by_alias("edges", "champion").to_proto() == before


def test_what_the_test_images_cannot_tell_apart_is_not_promoted(made, store, tmp_path):
    registry.promote(*candidate(made, tmp_path, 100))
    promoted, sentences = registry.promote(*candidate(made, tmp_path, 101))
    assert not promoted and champion(store) == "1"
    assert "corrected for both and for the models scored so far" in sentences[-1]


def test_whole_groups_count_as_one_image(made, store, tmp_path):
    """Nine more of ten images in one group are one group, which tells nothing."""
    registry.promote(*candidate(made, tmp_path, 100, groups=True))
    assert not registry.promote(*candidate(made, tmp_path, 110, groups=True))[0]


@pytest.mark.parametrize(("mistakes", "expected"), [(4, True), (5, False)])
def test_a_better_one_that_makes_more_costly_mistakes_is_not_promoted(made, store, tmp_path, mistakes, expected):
    """The champion takes no `up` for `down`, the candidate some; of 5 to 0 McNemar's exact one-sided p is 1 / 32."""
    for right, confused in ((90, 0), (116, mistakes)):
        classifier, report = candidate(made, tmp_path, right)
        table = report.table("predictions.csv")
        for number, row in enumerate(table.index[table["label"] == "up"]):
            named, other = ("down", "up") if number < confused else ("up", "down")
            table.loc[row, "predicted"] = named
            table.loc[row, f"probability_{named}"], table.loc[row, f"probability_{other}"] = 0.8, 0.1
        report.write_table("predictions.csv", table)
        promoted, sentences = registry.promote(classifier, report)
    assert promoted == expected
    assert any(sentence.startswith(f"up as down {mistakes} of 40 (at most ") for sentence in sentences)
    assert any(sentence.endswith("more, p = 0.031") for sentence in sentences) != expected


def test_a_champion_tested_on_other_images_is_not_compared(made, store, tmp_path):
    registry.promote(*candidate(made, tmp_path, 100))
    other = candidate(made, tmp_path, 118, start=50)
    with pytest.raises(UserError, match=r"may have been trained on these: .* or give --force REASON"):
        registry.promote(*other)
    assert champion(store) == "1"
    promoted, sentences = registry.promote(*other, reason="new split")
    assert promoted and champion(store) == "2"
    assert sentences[0].endswith("models scored on its test split so far: 1")


@pytest.mark.parametrize(
    ("loss", "accuracy", "expected"),
    [
        ((-0.2, -0.1), (-0.1, 0.1), True),
        ((-0.1, 0.1), (0.01, 0.1), True),
        ((-0.1, 0.1), (-0.01, 0.1), False),
        ((-0.2, -0.1), (-0.1, -0.01), False),
        ((0.1, 0.2), (0.01, 0.1), False),
    ],
)
def test_better_is_significantly_better_by_one_score_and_worse_by_none(loss, accuracy, expected):
    ends = {"log_loss": loss, "accuracy": accuracy}
    assert registry.is_better({name: {"low": low, "high": high} for name, (low, high) in ends.items()}) is expected


def test_who_looks_more_often_has_to_show_more():
    """Ten more of 120 images right are enough at the second look and not at the thirtieth."""
    labels, unit = np.zeros(120, int), np.arange(120)
    first, second = (
        sample_of(labels, np.where(unit[:, None] < right, [0.8, 0.2], [0.2, 0.8]), unit) for right in (100, 110)
    )
    by_looks = {looks: registry.judged_differences(first, second, looks) for looks in (2, 30)}
    assert [registry.is_better(differences) for differences in by_looks.values()] == [True, False]
    assert by_looks[30]["accuracy"]["p"] == pytest.approx(15 * by_looks[2]["accuracy"]["p"])
    for looks in (1, 30, 1000, 5000):
        for one in registry.judged_differences(first, second, looks).values():
            assert (one["p"] < 0.05) == (one["low"] > 0 or one["high"] < 0)


def test_a_version_has_scores_data_and_a_card_of_what_was_measured(made, store, tmp_path):
    classifier, report = candidate(made, tmp_path, 90)
    report.facts.leakage = {"identical_pairs": 3}
    registry.promote(classifier, report)
    version = store.get_model_version_by_alias("edges", "champion")
    low, high = report.intervals["kappa"]
    assert version.tags["kappa"] == f"{report.metrics['kappa']:.4f} [{low:.4f}, {high:.4f}]"
    assert version.tags["data_digest"] == classifier.manifest["lineage"]["fetch"]
    assert version.tags["recipe"] == "edges" and version.tags["git_revision"] == report.record.revisions["git_revision"]
    folder = mlflow.artifacts.download_artifacts("models:/edges@champion", dst_path=str(tmp_path / "down"))
    text = Path(folder, "model_card.md").read_text()
    assert version.description == text
    for part in ("Intended use", "Scores", "Limits", "Scores by class", "Data", "Training"):
        assert f"\n## {part}\n" in text
    (low, high) = report.intervals["accuracy"]
    assert f"120 test images leave the accuracy anywhere from {low:.1%} to {high:.1%}" in text
    assert "Audit of the data, identical pairs: 3." in text
    assert "the split, stratified, could keep no groups in one part" in text
    row = report.table("classes.csv").sort_values("recall", kind="stable").iloc[0]
    assert f"The class recognised least, {row['class']}: {row['recall']:.1%} of 40 test images" in text


def test_the_card_of_an_ensemble_names_its_members(made, tmp_path):
    classifier, report = candidate(made, tmp_path, 90)
    vars(classifier.facts).update({"model": "ensemble", "members": ["top", "fine_tuned"], "epochs": 0, "best_epoch": 0})
    text = card.card_text(classifier, report, 1)
    assert "- the mean of top, fine\\_tuned\n" in text and "epoch 0" not in text
    vars(classifier.facts).update({"members": [], "averaged_runs": 2})
    assert "- the mean of the weights of 2 runs, each at its best epoch" in card.card_text(classifier, report, 1)


NAMES = ["<script>alert(1)</script>", "[x](javascript:alert(1))", "a | b *c* ~~d~~ `e` &amp; _f_ \n# g"]


def test_the_card_shows_names_as_they_are_and_runs_nothing(made, tmp_path):
    classifier, report = candidate(made, tmp_path, 90)
    classifier.facts.classes, classifier.facts.data_set = NAMES, NAMES[1]
    classifier.facts.weights_license = NAMES[0]
    report.record = replace(report.record, recipe=NAMES[2])
    report.write_table("classes.csv", report.table("classes.csv").assign(**{"class": NAMES}))
    parsed = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = [inner for token in parsed.parse(card.card_text(classifier, report, 1)) for inner in token.children or ()]
    assert {token.type for token in tokens} <= {"text", "softbreak", "code_inline", "text_special"}
    cells = "".join(token.content if token.type != "softbreak" else "\n" for token in tokens)
    for name in NAMES:
        assert cells.count(one_line(name)) >= 3


def test_the_command_takes_what_the_comparison_chose(made, store, tmp_path, monkeypatch, capsys):
    copy_recipe(made, tmp_path / "artifacts/edges")
    copy_recipe(made, tmp_path / "artifacts/damaged")
    (tmp_path / "artifacts/damaged/glyphs/reports/top/artifact.json").write_text("{")
    main(["promote", "edges"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("edges: edges, ") and lines[-1] == "version 1 is the champion"
    chosen = Comparison.read(made["comparison"]).read_values("chosen")["model"]
    assert store.get_model_version_by_alias("edges", "champion").tags["model"] == chosen
    for recipe, wrong in (
        ("edgse", "no Comparison at artifacts/edgse/comparison"),
        ("damaged", "artifacts/damaged/glyphs/reports/top/artifact.json is damaged"),
    ):
        with pytest.raises(UserError, match=wrong):
            main(["promote", recipe])


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("reports", "edges has no report any more on what its comparison chose: `dvc repro` compares anew"),
        ("classifiers", "is of a classifier that is not there: `dvc repro` makes both anew"),
    ],
)
def test_a_command_that_finds_no_longer_what_was_chosen_says_so(made, store, tmp_path, gone, message):
    copy_recipe(made, tmp_path / "artifacts/edges")
    chosen = Comparison.read(made["comparison"]).read_values("chosen")["model"]
    (path,) = (tmp_path / "artifacts/edges").rglob(f"{gone}/{chosen}")
    shutil.rmtree(path)
    with pytest.raises(UserError, match=message):
        main(["promote", "edges"])


def test_a_command_whose_champion_stays_ends_with_1(made, store, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(registry, "promote", lambda *arguments: (False, ["the champion stays"]))
    copy_recipe(made, tmp_path / "artifacts/edges")
    with pytest.raises(SystemExit) as ended:
        main(["promote", "edges"])
    assert (ended.value.code, capsys.readouterr().out) == (1, "the champion stays\n")


@pytest.mark.parametrize(
    ("address", "message"), [("dead", "did not take this: "), ("off", "`off`: there is no journal")]
)
def test_without_a_journal_it_is_one_line(made, tmp_path, monkeypatch, address, message):
    dead = f"http://name:secret@127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", dead if address == "dead" else address)
    tracking.client.cache_clear()
    with pytest.raises(UserError, match=message) as refused:
        registry.promote(Classifier.read(made["classifiers/top"]), Report.read(made["top"]))
    assert "secret" not in str(refused.value)
    tracking.client.cache_clear()

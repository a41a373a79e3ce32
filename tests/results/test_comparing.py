"""Comparisons of reports that are written as `evaluate` writes them, without a network."""

import re
import shutil
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from components.data.artifacts import UNTRAINED, Comparison, Page, Report
from components.results import comparing, drawing, titles, verdicts
from components.results.trials import SEEDS, trials_by_model
from components.scores import intervals, metrics
from components.scores.estimates import sample_of
from components.scores.pairs import SameWay, compare_ways
from components.scores.registry import TESTED
from components.system.errors import UserError

CLASSES = ["a", "b", "c"]
CHAIN = {
    "logistic": ("fit_logistic",),
    "benchmark": ["train_benchmark"],
    "top": ["train_top"],
    "fine_tuned": ["train_top", "fine_tune"],
}


def write(
    folder: Path, model: str, skill: float = 2, *, images: int = 60, split: str = "split", fold: int = 0, seed: int = 1,
    rate: float = 0.01, groups: int = 0, data_set: str = "edges", warned: bool = False, network: str = "",
) -> Report:  # fmt: skip
    """Write a report on images that are hard or easy for any model, which tells their classes by its skill."""
    random = np.random.default_rng([fold, 7])
    labels, shared = random.integers(0, 3, images), random.normal(0, 1, (images, 3))
    own_noise = np.random.default_rng([seed, fold, *model.encode()])
    probabilities = softmax(shared + own_noise.normal(0, 1, (images, 3)) + skill * np.eye(3)[labels], axis=1)
    parameters: dict[str, dict] = {"split": {"method": "stratified", "fold": fold, "seed": 1}}
    parameters |= {step: {"learning_rate": rate, "seed": seed} for step in CHAIN[model]} | {
        "evaluate": {"views": "plain"}
    }
    facts = {
        "model": model,
        "data_set": data_set,
        "classes": CLASSES,
        "train_counts": [9, 9, 9],
        "validation_images": 9,
        "model_parameters": 1000,
        "epochs": 1,
        "views": "plain",
        "fingerprint": folder.name,
        "warnings": ["look out"] * warned,
    }
    if network:
        backbone, _, facts["weights_sha256"] = network.partition("-")
        facts["backbone"] = backbone.removeprefix("random_")
        facts["weights_license"] = UNTRAINED if backbone.startswith("random_") else "MIT"
    record = {"facts": facts, "parameters": parameters, "lineage": {"fetch": data_set, "split": split}}
    report = Report(folder, record)
    folder.mkdir(parents=True)
    table = pd.DataFrame({"file": [f"{fold}-{number}.png" for number in range(images)]})
    table["label"] = np.array(CLASSES)[labels]
    table["group"] = [f"person {fold} {number % groups}" for number in range(images)] if groups else ""
    table["predicted"] = np.array(CLASSES)[probabilities.argmax(axis=1)]
    table[[f"probability_{name}" for name in CLASSES]] = probabilities
    report.write_table("predictions.csv", table)
    names = table["group"].to_numpy()
    report.write_values("intervals", intervals.score_intervals(labels, probabilities, names))
    test_metrics = metrics.scores(labels, probabilities)
    validation = {"validation_kappa": skill / 10, "validation_log_loss": 1 / skill, "validation_accuracy": skill / 10}
    report.write_values("metrics", {**test_metrics, **validation})
    report.write_values("baselines", {**metrics.baselines(labels, [9, 9, 9]), "test_images": images, "best_epoch": 1})
    report.write_table(
        "curves.csv", pd.DataFrame({"epoch": [1], "validation_log_loss": [0.5], "validation_kappa": [0.5]})
    )
    report.write_manifest()
    return report


def pair(**values: float) -> dict:
    """Return a row of `pairs.csv` in which fine_tuned is better than top by every score, but for some values."""
    row: dict = {"first": "top", "second": "fine_tuned", "images": 1000, "groups": 0}
    row |= {"first_trainings": 5, "second_trainings": 5}
    for score, one, other, low, high in (
        ("accuracy", 0.890, 0.923, 0.012, 0.055),
        ("kappa", 0.878, 0.914, 0.013, 0.06),
        ("log_loss", 0.378, 0.243, -0.2, -0.1),
    ):
        test = {"first": one, "second": other, "difference": other - one, "low": low, "high": high, "p": 0.0021}
        row |= {f"{score}_{name}": value for name, value in test.items()}
    return row | values


NOT_TOLD = {"accuracy_p": 0.3, "accuracy_low": -0.0149, "kappa_p": 1.0}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {},
            "fine_tuned is better than top: accuracy 0.923 against 0.890, 3.3 points more (95 % interval 1.2 to 5.5); "
            "by kappa and log loss too.",
        ),
        (
            {"kappa_p": 0.05},
            "fine_tuned is better than top: accuracy 0.923 against 0.890, 3.3 points more (95 % interval 1.2 to 5.5); "
            "by log loss too; by kappa they cannot be told apart.",
        ),
        (
            {**NOT_TOLD, "first_trainings": 2, "second_trainings": 1},
            "the file of fine_tuned is better than the file of top by log loss: log loss 0.243 against 0.378, "
            "0.135 less (95 % interval 0.100 to 0.200); by accuracy (0.923 against 0.890) and kappa they "
            "cannot be told apart.",
        ),
        (
            {"log_loss_difference": 0.135, "log_loss_low": 0.1, "log_loss_high": 0.2},
            "fine_tuned is better than top: accuracy 0.923 against 0.890, 3.3 points more (95 % interval 1.2 to 5.5); "
            "by kappa too; it is worse by log loss, log loss 0.243 against 0.378, 0.135 more (95 % interval "
            "0.100 to 0.200).",
        ),
        (
            {**NOT_TOLD, "log_loss_p": 0.05},
            "These 1,000 test images and trainings cannot tell fine_tuned from top: accuracy 0.923 against 0.890 (95 % "
            "interval of the difference -1.5 to 5.5 points).",
        ),
        (
            {**NOT_TOLD, "log_loss_p": 0.05, "accuracy_low": -0.004, "accuracy_high": 0.0099},
            "fine_tuned and top are equivalent within 1 point: accuracy 0.923 against 0.890 (95 % interval of the "
            "difference -0.4 to 1.0 points).",
        ),
    ],
)
def test_a_sentence_to_quote(values, sentence):
    assert verdicts.pair_sentence(pair(**values)) == sentence


def test_a_way_that_is_worse_is_said_to_be_so():
    row = verdicts.pair_row(pd.DataFrame([pair()]), "top", "fine_tuned")
    assert verdicts.pair_row(pd.DataFrame([pair()]), "fine_tuned", "top") == pair()
    assert verdicts.pair_sentence(row) == (
        "top is worse than fine_tuned: accuracy 0.890 against 0.923, 3.3 points less (95 % interval 1.2 to 5.5); "
        "by kappa and log loss too."
    )


def verdict_beginnings(arms: list[str], kappas: list[float], losses: list[float], p: float) -> list[str]:
    """Return the verdict on models of such scores, whose every difference has that p, as far as the numbers."""
    scores = pd.DataFrame({"kappa": kappas, "validation_log_loss": losses, "trainings": 5, "folds": 1}, index=arms)
    scores["kappa_low"], scores["kappa_high"] = scores["kappa"] - 0.05, scores["kappa"] + 0.05
    rows = []
    for number, one in enumerate(arms):
        for more, other in enumerate(arms[number + 1 :], number + 1):
            difference = kappas[more] - kappas[number]
            signs = {"accuracy": 1, "kappa": 1, "log_loss": -1}
            values = {f"{score}_difference": sign * difference for score, sign in signs.items()}
            rows.append(pair(**values, **{f"{score}_p": p for score in signs}) | {"first": one, "second": other})
    sentences = verdicts.verdict_sentences(scores, pd.DataFrame(rows))
    return [re.split(r":(?! a=)", one)[0] for one in sentences if not one.startswith("These intervals are over")]


THREE = ["benchmark", "top", "fine_tuned"]


@pytest.mark.parametrize(
    ("arms", "kappas", "losses", "p", "expected"),
    [
        (
            THREE, [0.5, 0.7, 0.9], [1.0, 0.8, 0.2], 0.01,
            [
                "fine_tuned is chosen on validation; on test its kappa is 0.900, the mean of 5 trainings (95 % "
                "interval 0.850 to 0.950, over images and trainings).",
                "fine_tuned is better than benchmark",
                "fine_tuned is better than top",
            ],
        ),
        (
            THREE, [0.5, 0.8, 0.7], [0.2, 0.8, 1.0], 0.01,
            [
                "benchmark is chosen on validation; on test its kappa is 0.500, the mean of 5 trainings (95 % "
                "interval 0.450 to 0.550, over images and trainings).",
                "benchmark is worse than top",
                "benchmark is worse than fine_tuned",
                "fine_tuned is worse than top",
            ],
        ),
        (
            THREE, [0.5, 0.8, 0.7], [0.2, 0.8, 1.0], 0.06,
            [
                "benchmark is chosen on validation; on test its kappa is 0.500, the mean of 5 trainings (95 % "
                "interval 0.450 to 0.550, over images and trainings).",
                "These 1,000 test images and trainings cannot tell benchmark from top",
                "These 1,000 test images and trainings cannot tell benchmark from fine_tuned",
                "These 1,000 test images and trainings cannot tell fine_tuned from top",
            ],
        ),
        (
            ["top a=1", "top a=2"], [0.5, 0.6], [0.3, 0.4], 0.01,
            [
                "top a=1 is chosen on validation; on test its kappa is 0.500, the mean of 5 trainings (95 % "
                "interval 0.450 to 0.550, over images and trainings).",
                "top a=1 is worse than top a=2",
                "top by its log loss on validation: a=1 (0.3000), a=2 (0.4000).",
            ],
        ),
        (
            ["top a=1", "top a=2", "top a=3"], [0.5, 0.6, 0.6], [0.5, 0.4, 0.3], 0.06,
            [
                "top a=3 is chosen on validation; on test its kappa is 0.600, the mean of 5 trainings (95 % "
                "interval 0.550 to 0.650, over images and trainings).",
                "These 1,000 test images and trainings cannot tell top a=3 from top a=1",
                "These 1,000 test images and trainings cannot tell top a=3 from top a=2",
                "top by its log loss on validation: a=3 (0.3000), a=2 (0.4000), a=1 (0.5000).",
            ],
        ),
        (
            ["benchmark"], [0.5], [1.0], 0.01,
            ["benchmark is chosen on validation; on test its kappa is 0.500, the mean of 5 trainings (95 % "
                "interval 0.450 to 0.550, over images and trainings)."],
        ),
    ],
)  # fmt: skip
def test_the_verdict_is_chosen_on_validation_and_owns_up_to_what_got_worse(arms, kappas, losses, p, expected):
    assert verdict_beginnings(arms, kappas, losses, p) == expected


@pytest.fixture
def compared(tmp_path, monkeypatch):
    """Compare reports, and write the text without figures and page, which come with the flow; return both."""
    for name in ("figures", "processes", "write_page"):
        monkeypatch.setattr(drawing, name, Mock())

    def compare(*reports: Report) -> tuple[Comparison, str]:
        comparison = Comparison(tmp_path / "comparison", {"facts": {"data_set": "edges"}})
        page = Page(tmp_path / "page")
        for artifact in (comparison, page):
            shutil.rmtree(artifact.path, ignore_errors=True)
            artifact.path.mkdir()
        comparing.compare_reports(reports, comparison)
        drawing.draw_comparison(comparison, reports, [], [], [], page)
        lines = [(page.path / "comparison.txt").read_text(), *comparison.read_values("verdict")["verdict"]]
        return comparison, "\n".join(lines)

    return compare


def test_every_score_has_its_interval_and_every_two_models_their_tests(compared, tmp_path):
    reports = {name: write(tmp_path / name, name, skill) for name, skill in zip(THREE, (0.5, 2, 2.1), strict=True)}
    comparison, text = compared(*reports.values())
    table, pairs = comparison.table("comparison.csv").set_index("model"), comparison.table("pairs.csv")
    lines = text.splitlines()
    for name, report in reports.items():
        for score in TESTED:
            low, high = report.intervals[score]
            row = table.loc[name, [score, f"{score}_low", f"{score}_high"]].tolist()
            assert row == pytest.approx([report.metrics[score], low, high])
            assert f"{row[0]:.3f} [{low:.3f}, {high:.3f}]" in next(
                line for line in lines if line.startswith(f"{name} ")
            )
    labels = reports["top"].table("predictions.csv")["label"].map(CLASSES.index).to_numpy()
    ways = {
        name: sample_of(labels, report.table("predictions.csv").filter(like="probability_").to_numpy(), np.arange(60))
        for name, report in reports.items()
    }
    pd.testing.assert_frame_equal(pairs, compare_ways(ways))
    ranked = {name: reports["fine_tuned"].metrics[f"validation_{name}"] for name in ("kappa", "log_loss", "accuracy")}
    assert comparison.read_values("chosen") == {"model": "fine_tuned", **ranked}
    assert comparison.read_values("verdict")["chosen"] == {"model": "fine_tuned", "fingerprint": "fine_tuned"}
    assert "This is on single files, not on ways: another training may turn it round" in text
    assert "the file of fine_tuned is better than the file of benchmark: accuracy" in text
    assert "These 60 test images cannot tell the file of fine_tuned from the file of top: accuracy" in text
    assert "* none is better; 95 % intervals in brackets; baselines: always the commonest class, accuracy" in text
    assert table["trainings"].tolist() == [1] * 3 and "mean of" not in text and "A/A" not in text
    assert comparison.table("trials.csv")["model"].tolist() == THREE


def test_rows_are_paired_by_file(compared, tmp_path):
    one, other = write(tmp_path / "top", "top"), write(tmp_path / "tuned", "fine_tuned")
    first, _ = compared(one, other)
    table = other.table("predictions.csv")
    expected = first.table("pairs.csv")
    (first.path).rename(tmp_path / "before")
    other.write_table("predictions.csv", table.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(compared(one, other)[0].table("pairs.csv"), expected)


@pytest.mark.parametrize("warned", [False, True])
def test_what_leaks_is_said_with_the_scores_that_it_makes(compared, tmp_path, warned):
    _, text = compared(*(write(tmp_path / name, name, warned=warned) for name in THREE))
    assert ("\nlook out\n" in text) == warned


def test_groups_are_kept_together(compared, tmp_path):
    comparison, text = compared(*(write(tmp_path / name, name, groups=12) for name in THREE))
    assert comparison.table("pairs.csv")["groups"].tolist() == [12] * 3
    assert "These intervals are over the 12 groups of the test images, and hold for all 9 claims" in text


def test_few_groups_are_said_to_tell_nothing(compared, tmp_path):
    skills = dict(zip(THREE, (0.1, 2, 9), strict=True))
    comparison, text = compared(*(write(tmp_path / name, name, skill, groups=7) for name, skill in skills.items()))
    assert (
        "over the 7 groups of the test images, and hold for all 9 claims of the comparison at once. Fewer than" in text
    )
    assert (comparison.table("pairs.csv")["accuracy_p"] == 1).all()


def test_a_way_of_three_trainings_has_their_mean_and_an_interval_over_images_and_trainings(compared, tmp_path):
    reports = [write(tmp_path / f"{name}{seed}", name, seed=seed) for seed in (3, 1, 2) for name in THREE]
    comparison, text = compared(*reports)
    table, trials = comparison.table("comparison.csv").set_index("model"), comparison.table("trials.csv")
    assert table.index.tolist() == THREE and table["trainings"].tolist() == [3] * 3
    assert trials.columns.tolist() == ["model", "fingerprint", *SEEDS, *verdicts.TRIAL_SCORES]
    assert trials["seed"].tolist() == [3, 1, 2] * 3
    assert trials["train_top.seed"].tolist() == [""] * 6 + ["3", "1", "2"]
    for name in THREE:
        of_model = [report for report in reports if report.facts.model == name]
        kappas = [report.metrics["kappa"] for report in of_model]
        assert table.loc[name, ["kappa", "kappa_std"]].tolist() == pytest.approx(
            [np.mean(kappas), np.std(kappas, ddof=1)]
        )
        low, high = of_model[0].intervals["kappa"]
        assert table.loc[name, "kappa_high"] - table.loc[name, "kappa_low"] > 0.8 * (high - low)
    assert comparison.table("pairs.csv")["images"].tolist() == [60] * 3
    assert "edges: 60 test images, means of 3 trainings" in text and "single files" not in text
    assert ", the mean of 3 trainings (95 % interval" in text and "over images and trainings)." in text
    assert "A/A: two trainings of one way, as files, are told apart by accuracy in" in text and "of 9 pairs" in text


def test_two_trainings_do_not_make_a_way(compared, tmp_path):
    """Of one way there are two, of the others three: what is said of that one is on its main file."""
    reports = [write(tmp_path / f"{name}{seed}", name, seed=seed) for seed in (3, 1, 2) for name in THREE][:-1]
    comparison, text = compared(*reports)
    table = comparison.table("comparison.csv").set_index("model")
    assert table["trainings"].tolist() == [3, 3, 1]
    assert table["kappa"]["fine_tuned"] == pytest.approx(reports[2].metrics["kappa"])
    assert "This is on single files of fine_tuned, not on ways" in text
    pairs = comparison.table("pairs.csv")
    assert pairs["first_trainings"].tolist() == [3] * 3 and pairs["second_trainings"].tolist() == [3, 1, 1]
    assert "images and trainings cannot tell benchmark from the file of fine_tuned" in text
    assert "images and trainings cannot tell benchmark from top" in text


def test_of_many_ways_a_set_of_the_best_is_named(compared, tmp_path):
    reports = [
        write(tmp_path / f"top{rate}{seed}", "top", 0.2 if rate == 1 else 2, rate=rate, seed=seed, images=200)
        for rate in range(1, 9)
        for seed in range(5)
    ]
    comparison, text = compared(*reports)
    (sentence,) = (line for line in text.splitlines() if "the best of 8 ways is one of these 7: " in line)
    assert sentence.startswith("By accuracy, kappa and log loss, with 95 % confidence the best")
    assert "learning_rate=1" not in sentence and sentence.count("; ") == 6
    assert "all 8 ways, in every training: trained for one epoch alone" in text
    assert " cannot tell " not in text and len(comparison.table("pairs.csv")) == 28


def test_models_are_compared_of_the_same_seeds_in_whatever_order_the_trials_come(tmp_path):
    trainings = [
        ("benchmark", 0.1, 3),
        ("top", 0.1, 3),
        ("top", 0.1, 5),
        ("top", 0.2, 5),
        ("top", 0.2, 3),
        ("fine_tuned", 0.1, 3),
    ]
    reports = [write(tmp_path / str(n), model, rate=rate, seed=seed) for n, (model, rate, seed) in enumerate(trainings)]
    models = trials_by_model(reports)
    assert [reports.index(trials[0]) for trials in models.values()] == [0, 1, 4, 5]


def test_folds_are_taken_together_where_every_model_has_the_same(compared, tmp_path):
    reports = [
        write(tmp_path / f"{name}{fold}", name, skill, fold=fold, split=f"split {fold}", images=40 + fold)
        for fold in (2, 0, 1)
        for name, skill in zip(THREE, (0.5, 2, 2.1), strict=True)
    ]
    comparison, text = compared(*reports)
    pairs, table = comparison.table("pairs.csv"), comparison.table("comparison.csv").set_index("model")
    assert pairs["images"].tolist() == [123] * 3 and pairs["first_trainings"].tolist() == [3] * 3
    assert table["test_images"].tolist() == [123] * 3 and table["folds"].tolist() == [3] * 3
    kappas = [report.metrics["kappa"] for report in reports[1::3]]
    assert table.loc["top", "kappa"] == pytest.approx(np.mean(kappas))
    assert "These 123 test images and trainings cannot tell fine_tuned from top" in text
    assert "edges: 123 test images, means of 3 trainings on 3 folds" in text


def test_one_training_tells_all_of_a_way_without_chance(compared, tmp_path):
    """As if it were made as often as the others, each time the same; it is in no A/A test."""
    reports = [write(tmp_path / f"{name}{seed}", name, 2, seed=seed) for seed in (1, 2, 3) for name in THREE[1:]]
    alone = write(tmp_path / "logistic", "logistic", 0.2, seed=9)
    comparison, text = compared(*reports, alone)
    table = comparison.table("comparison.csv").set_index("model")
    again = [write(tmp_path / f"again{seed}", "benchmark", 0.2, seed=seed) for seed in (1, 2, 3)]
    for report in again:
        for name in ("predictions.csv", "metrics.json", "intervals.json"):
            (report.path / name).write_bytes((alone.path / name).read_bytes())
    expected, _ = compared(*again, *reports)
    often = expected.table("comparison.csv").set_index("model")
    columns = [f"accuracy{end}" for end in ("", "_low", "_high", "_std")]
    assert table.loc["logistic", columns].tolist() == often.loc["benchmark", columns].tolist()
    assert "single files" not in text and "in 0 of 6 pairs" in text
    assert "the file of" not in text


def test_folds_that_not_every_model_has_are_left_out(compared, tmp_path):
    reports = [
        write(tmp_path / f"{name}{fold}", name, fold=fold, split=f"{fold}") for fold in (0, 1, 2) for name in THREE
    ]
    comparison, text = compared(*reports[:5])
    assert comparison.table("pairs.csv")["images"].tolist() == [60] * 3
    assert comparison.table("comparison.csv")["folds"].tolist() == [1] * 3 and "on single files" in text


def test_two_folds_are_too_few_to_be_taken_together(compared, tmp_path):
    reports = [
        write(tmp_path / f"{name}{fold}{seed}", name, fold=fold, split=f"{fold}", seed=seed)
        for fold in (0, 1) for seed in (1, 2, 3) for name in THREE
    ]  # fmt: skip
    comparison, text = compared(*reports)
    assert comparison.table("pairs.csv")["images"].tolist() == [60] * 3
    assert comparison.table("comparison.csv")[["trainings", "folds"]].to_numpy().tolist() == [[3, 1]] * 3
    assert "means of 3 trainings" in text and "single files" not in text


def test_a_model_is_named_by_what_differs_but_for_seeds_and_folds(tmp_path):
    trainings = [("top", 0.1, 1), ("fine_tuned", 0.1, 1), ("top", 0.2, 2), ("top", 0.1, 3), ("ensemble", 0.1, 1)]
    reports = []
    for number, (model, rate, seed) in enumerate(trainings):
        report = write(tmp_path / str(number), "top", rate=rate, seed=seed)
        report.facts.model = model
        reports.append(report)
    models = trials_by_model(reports)
    assert {name: [trainings[reports.index(report)][2] for report in trials] for name, trials in models.items()} == {
        "top learning_rate=0.1": [1, 3], "top learning_rate=0.2": [2], "fine_tuned": [1], "ensemble": [1],
    }  # fmt: skip


WEIGHTS = "1a2b3c4d" * 8


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        (["vgg16-1"], ["top", "fine_tuned learning_rate=0.1", "fine_tuned learning_rate=0.2"]),
        (
            ["vgg16-1", "mobilenet_v2-1"],
            [
                "top, vgg16", "top, mobilenet_v2", "fine_tuned, vgg16 learning_rate=0.1",
                "fine_tuned, mobilenet_v2", "fine_tuned, vgg16 learning_rate=0.2",
            ],
        ),
        (
            ["vgg16-1", "random_vgg16-2"],
            [
                "top, vgg16", "top, random_vgg16", "fine_tuned, vgg16 learning_rate=0.1",
                "fine_tuned, random_vgg16", "fine_tuned, vgg16 learning_rate=0.2",
            ],
        ),
        (
            ["vgg16-1", f"vgg16-{WEIGHTS}", "mobilenet_v2-1"],
            [
                "top, vgg16-1", "top, vgg16-1a2b3c4d", "top, mobilenet_v2", "fine_tuned, vgg16-1 learning_rate=0.1",
                "fine_tuned, vgg16-1a2b3c4d", "fine_tuned, mobilenet_v2", "fine_tuned, vgg16-1 learning_rate=0.2",
            ],
        ),
    ],
)  # fmt: skip
def test_a_model_is_named_by_its_network_where_there_are_several(networks, expected, compared, tmp_path):
    """And what is made with none, or of several, is called as ever."""
    arms = [(model, network) for model in ("top", "fine_tuned") for network in networks]
    arms += [("fine_tuned", networks[0]), ("benchmark", ""), ("top", "")]
    reports = [write(tmp_path / str(number), model, network=network) for number, (model, network) in enumerate(arms)]
    for report, rate in zip(reports[len(networks) :: len(networks)], (0.1, 0.2), strict=False):
        report.manifest["parameters"]["fine_tune"]["learning_rate"] = rate
    vars(reports[-1].facts).update(model="ensemble", members=["top"], backbone="vgg16")  # all that its members agree on
    models = trials_by_model(reports)
    assert [*models] == ["benchmark", *expected, "ensemble"]
    assert [titles.model_of(name) for name in models] == [report.facts.model for report, *_ in models.values()]
    assert all(titles.folder_name(name) == re.sub(",? ", ",", name) for name in models)
    comparison, text = compared(*reports)
    assert comparison.table("comparison.csv")["model"].tolist() == [*models]
    ranked = [titles.arm_of(name) for name in expected if name.startswith("top")]
    ranking = f"top by its log loss on validation: {' (0.5000), '.join(ranked)} (0.5000)."
    assert (ranking in text) == (len(networks) > 1)


def broken(name: str, reports: list[Report]) -> None:
    """Make reports that do not belong together."""
    *_, last = reports
    if name == "data set":
        last.manifest["lineage"]["fetch"] = "another"
    elif name == "split":
        last.manifest["lineage"]["split"] = "another"
    elif name == "twice":
        reports.append(reports[0])
    else:
        last.write_table("predictions.csv", last.table("predictions.csv").iloc[1:])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("data set", "benchmark and .*fine_tuned are on different data sets: compare reports on one"),
        ("split", "benchmark and .*fine_tuned are on different test splits: give a report of every model on one"),
        ("twice", "benchmark and .*benchmark are on one model, benchmark: give one of them"),
        ("files", "benchmark and .*fine_tuned have different test images: make them again, from one test split"),
    ],
)
def test_reports_that_do_not_belong_together(name, message, compared, tmp_path):
    reports = [write(tmp_path / name, name) for name in THREE]
    broken(name, reports)
    with pytest.raises(UserError, match=message):
        compared(*reports)


@pytest.mark.parametrize(("trainings", "text"), [([3, 1], ""), ([5, 2], ", means of 2 trainings")])
def test_a_way_without_chance_has_no_trainings_to_tell_of(trainings, text):
    scores = pd.DataFrame({"trainings": trainings, "folds": 1}, index=["neighbours, glyphs", "top, glyphs"])
    assert drawing.trainings_text(scores) == text
    assert drawing.trainings_text(scores.iloc[:1]) == ""


def test_ways_that_have_no_chance_have_no_a_a_test():
    assert verdicts.trust_sentence([]) == []
    assert verdicts.trust_sentence([SameWay(0, 0, 0, 0)]) == []

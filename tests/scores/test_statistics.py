"""Intervals and tests against cases from the literature, against brute force, and by simulation."""

from itertools import product

import numpy as np
import pytest
from scipy import special, stats
from scipy.special import softmax

from components.scores import calibration, intervals, metrics, pairs, resampling
from components.scores.registry import TESTED
from components.scores.resampling import ResampledScore


def population(images: int, seed: int, classes: int = 5, skill: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, of which some are rarer, and the probabilities of a model that tells them by its skill."""
    random = np.random.default_rng(seed)
    labels = random.choice(classes, images, p=np.arange(1, classes + 1) / (classes * (classes + 1) / 2))
    return labels, softmax(random.normal(0, 1, (images, classes)) + skill * np.eye(classes)[labels], axis=1)


def outcomes(*counts: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels and two models' probabilities, by how many images both, the first, the second, none tell."""
    first, second = (
        np.stack([0.2 + 0.6 * right, 0.8 - 0.6 * right], axis=1)
        for right in (np.repeat([1, 1, 0, 0], counts), np.repeat([1, 0, 1, 0], counts))
    )
    return np.zeros(sum(counts), int), first, second


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_exact_intervals_of_newcombe(successes, trials, low, high):
    """Source: Newcombe, Statistics in Medicine 17 (1998), pages 857 to 872, table I, method 5."""
    assert intervals.exact_interval(successes, trials) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_accuracy_of_images_that_are_not_grouped_has_the_exact_interval():
    """Source: Fagerland, Lydersen & Laake, Statistical Analysis of Contingency Tables (2017), chapter 2: 13 of 16."""
    labels, probabilities, _ = outcomes(0, 13, 0, 3)
    low, high = intervals.score_intervals(labels, probabilities)["accuracy"]
    assert (low, high) == (pytest.approx(0.5435, abs=5e-5), pytest.approx(0.9595, abs=5e-5))


@pytest.mark.parametrize(
    ("better", "worse", "p"), [(150, 86, 3.716e-5), (16, 6, 0.052479), (7, 1, 0.0703), (5, 5, 1), (0, 0, 1)]
)
def test_mcnemars_exact_test(better, worse, p):
    """Approval of a president, complete response to a therapy, airways of children; and no difference.

    Source: Agresti, Categorical Data Analysis, chapter 10, where z² is 17.36, p 3.1e-5; Cavo et al. and Bentur et al.,
    in Fagerland, Lydersen & Laake, Statistical Analysis of Contingency Tables (2017), chapter 8.
    """
    difference = pairs.compare_models(*outcomes(59, worse, better, 80))["accuracy"]
    assert difference.p == pytest.approx(p, rel=1e-3)


def test_darwins_maize():
    """Fisher counts 1,726 of 32,768 swaps of cross- and self-fertilized plants with a difference as great or greater.

    Source: Fisher, The Design of Experiments, section 21; heights in eighths of an inch.
    """
    heights = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])
    assert pairs.sign_flip_p(heights) * 2**15 == pytest.approx(1726)


def test_signs_are_flipped_in_every_way():
    changes = np.random.default_rng(0).integers(-3, 4, 11)
    sums = np.abs(np.array([*product([-1, 1], repeat=11)]) @ changes)
    assert pairs.sign_flip_p(changes) == pytest.approx(np.mean(sums >= abs(changes.sum())))


def test_the_interval_of_a_difference_of_paired_proportions():
    """Source: Fagerland, Lydersen & Laake, Statistical Analysis of Contingency Tables (2017), chapter 8, Cavo et al."""
    difference = pairs.compare_models(*outcomes(59, 16, 6, 80))["accuracy"]
    ends = (difference.difference, difference.low, difference.high)
    assert ends == tuple(pytest.approx(value, abs=5e-5) for value in (-0.0621, -0.1195, -0.0032))


def test_images_needed_by_mcnemars_test():
    """Source: Chow, Shao & Wang, Sample Size Calculations in Clinical Research, example 6.4.3: shares 0.2, 0.5; 59."""
    assert np.ceil(pairs.compare_models(*outcomes(15, 20, 50, 15))["accuracy"].images_needed) == 59


def test_p_values_are_corrected_step_by_step():
    """Holm's steps by hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, and 0.04, which may not be below the one before it."""
    corrected = pairs.holm_correction(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(corrected, [0.03, 0.06, 0.06, 0.02])
    assert pairs.holm_correction(np.array([0.6, 0.7])).tolist() == [1, 1]


def large_sample_error(table: np.ndarray) -> float:
    """Return the standard error of kappa. Source: Fleiss, Cohen & Everitt, doi:10.1037/h0028106, equation 13."""
    p = table / table.sum()
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    observed, by_chance = np.trace(p), rows @ columns
    kappa = (observed - by_chance) / (1 - by_chance)
    a = np.sum(np.diag(p) * (1 - (rows + columns) * (1 - kappa)) ** 2)
    apart = p * (columns[:, None] + rows[None]) ** 2 * (1 - kappa) ** 2
    b = apart.sum() - np.trace(apart)
    return float(np.sqrt((a + b - (kappa - by_chance * (1 - kappa)) ** 2) / table.sum()) / (1 - by_chance))


def test_kappa_varies_over_resamples_as_over_samples():
    """Source: SAS's example of a simple kappa, as in statsmodels' tests: 0.4842 with a standard error of 0.1380."""
    table = np.array([[0, 4, 1], [0, 8, 0], [0, 1, 5]])
    assert large_sample_error(table) == pytest.approx(0.1380, abs=5e-5)
    labels, predicted = (np.repeat(numbers.ravel(), 50 * table.ravel()) for numbers in np.indices((3, 3)))
    kappa = resampling.resample_model(labels, np.eye(3)[predicted], np.arange(len(labels))).scores["kappa"]
    assert kappa.observed == pytest.approx(0.4842, abs=5e-5)
    assert kappa.resamples.std() == pytest.approx(0.1380 / np.sqrt(50), rel=0.05)


def test_the_corrected_and_accelerated_interval_of_the_spatial_test(monkeypatch):
    """Source: Efron & Tibshirani, An Introduction to the Bootstrap, chapter 14: variance of test A, of 90 %."""
    scores = np.array(
        [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41]
    )
    weights = next(resampling.resample_weights(len(scores)))
    variance = ResampledScore(
        np.var(scores),
        (weights @ scores**2) / 26 - (weights @ scores / 26) ** 2,
        np.array([np.var(np.delete(scores, number)) for number in range(26)]),
    )
    assert variance.observed == pytest.approx(171.5, abs=0.05)
    assert variance.acceleration == pytest.approx(0.061, abs=5e-4)
    assert variance.bias == pytest.approx(0.146, abs=0.06)
    monkeypatch.setattr(resampling, "expanded_critical_value", lambda units: stats.norm.ppf(0.95))  # without expansion
    assert variance.interval() == (pytest.approx(115.8, rel=0.04), pytest.approx(259.6, rel=0.04))


def test_p_is_where_the_interval_ends_at_0(monkeypatch):
    random = np.random.default_rng(0)
    units = random.exponential(1, 60) - 0.8
    weights = next(resampling.resample_weights(60))
    mean = ResampledScore(units.mean(), weights @ units / 60, (units.sum() - units) / 59)
    assert 0.001 < mean.p_value() < 0.2
    monkeypatch.setattr(resampling, "LEVEL", 1 - mean.p_value())
    assert mean.interval()[0] == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize("classes", [2, 3, 25])
def test_scores_from_sums_are_the_scores(classes):
    """Of all images, of a resample of groups in which a class may be missing, and of all groups but one."""
    labels, probabilities = population(40, 1, classes)
    unit = np.random.default_rng(2).integers(0, 9, 40)
    unit = np.unique(unit, return_inverse=True)[1]
    model = resampling.resample_model(labels, probabilities.astype(np.float32), unit)
    weights = next(resampling.resample_weights(9))
    drawn = np.repeat(np.arange(40), weights[0][unit])
    for name, value in metrics.scores(labels, probabilities.astype(np.float32)).items():
        assert model.scores[name].observed == pytest.approx(value)
    for name, value in metrics.scores(labels[drawn], probabilities[drawn]).items():
        assert model.scores[name].resamples[0] == pytest.approx(value)
    for name, value in metrics.scores(labels[unit != 3], probabilities[unit != 3]).items():
        assert model.scores[name].left_out[3] == pytest.approx(value)
    right = probabilities.argmax(axis=1) == labels
    assert model.correct.tolist() == [right[unit == number].sum() for number in range(9)]


def test_the_same_images_give_the_same_intervals_however_many_are_drawn_at_a_time(monkeypatch):
    labels, probabilities = population(60, 1)
    first = intervals.score_intervals(labels, probabilities)
    assert [*first] == [*metrics.scores(labels, probabilities)]
    assert intervals.score_intervals(labels, probabilities, np.full(60, "")) == first
    assert intervals.score_intervals(labels, probabilities, np.arange(60).astype(str)) == first
    monkeypatch.setattr(resampling, "BLOCK", 1000)
    assert intervals.score_intervals(labels, probabilities) == first


@pytest.mark.parametrize("right", [True, False])
def test_a_model_that_is_right_on_all_images_or_on_none_may_be_otherwise_on_others(right):
    """Of 50 images: accuracy's exact interval, and with two classes of 25 kappa's as wide as twice that."""
    labels = np.repeat([0, 1], 25)
    probabilities = np.eye(2)[labels if right else 1 - labels] * 0.8 + 0.1
    ends = intervals.score_intervals(labels, probabilities)
    missed = 0.0711  # of 50; Clopper & Pearson: 1 - 0.025 ** (1 / 50)
    assert ends["accuracy"] == pytest.approx((1 - missed, 1) if right else (0, missed), abs=5e-5)
    assert ends["balanced_accuracy"] == ends["macro_f1"] == pytest.approx(ends["accuracy"])
    assert ends["kappa"] == pytest.approx((1 - 2 * missed, 1) if right else (-1, -1 + 2 * missed), abs=1e-4)
    grouped = intervals.score_intervals(labels, probabilities, np.repeat([*"abcdefghij"], 5))
    missed = 1 - 0.025 ** (1 / 10)  # of ten groups
    assert grouped["accuracy"] == pytest.approx((1 - missed, 1) if right else (0, missed))


def test_a_model_that_always_says_the_same_has_a_kappa_that_is_not_sure():
    labels = np.repeat([0, 1], [30, 20])
    low, high = intervals.score_intervals(labels, np.tile([0.6, 0.4], (50, 1)))["kappa"]
    assert low < -0.2 and high > 0.2
    assert intervals.score_intervals(np.zeros(50, int), np.tile([0.6, 0.4], (50, 1)))["kappa"] == (-1, 1)


def test_two_models_that_predict_the_same_differ_by_chance_at_most():
    labels, probabilities = population(50, 1)
    by_score = pairs.compare_models(labels, probabilities, probabilities)
    for difference in by_score.values():
        assert (difference.difference, difference.p, difference.images_needed) == (0, 1, np.inf)
    assert by_score["accuracy"].low < 0 < by_score["accuracy"].high
    assert by_score["kappa"].low < by_score["accuracy"].low and by_score["kappa"].high > by_score["accuracy"].high


@pytest.mark.parametrize("groups", [1, 7])
def test_few_groups_tell_nothing(groups):
    labels, probabilities = population(60, 1)
    names = np.arange(60) % groups
    ends = intervals.score_intervals(labels, probabilities, names.astype(str))
    assert ends["accuracy"] == (0, 1) and ends["kappa"] == (-1, 1)
    assert ends["log_loss"] == (0, pytest.approx(36.04, abs=0.01))
    pair = pairs.compare_models(labels, population(60, 2)[1], probabilities, names.astype(str))
    for name, difference in pair.items():
        assert difference.p >= 2**-groups * 2 and difference.images_needed == np.inf, name
    assert (pair["accuracy"].low, pair["kappa"].high) == (-1, 2)


def test_precision_and_recall_of_a_case_worked_out_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    predicted = np.array([0, 0, 0, 1, 1, 1, 0, 0, 0, 1])
    table = intervals.class_scores(labels, predicted, ["a", "b", "c", "d"]).set_index("class")
    assert table.columns.tolist() == [
        "support", "precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high", "f1",
    ]  # fmt: skip
    assert table["support"].tolist() == [4, 3, 3, 0]
    np.testing.assert_allclose(table["precision"], [3 / 6, 2 / 4, np.nan, np.nan])
    np.testing.assert_allclose(table["recall"], [3 / 4, 2 / 3, 0, np.nan])
    np.testing.assert_allclose(table["f1"], [6 / 10, 4 / 7, 0, np.nan])
    assert tuple(table.loc["a", ["recall_low", "recall_high"]]) == intervals.exact_interval(3, 4)
    assert tuple(table.loc["b", ["precision_low", "precision_high"]]) == intervals.exact_interval(2, 4)
    assert tuple(table.loc["c", ["recall_low", "recall_high"]]) == intervals.exact_interval(0, 3)
    assert table.loc["d"].drop("support").isna().all()


def test_precision_and_recall_of_groups():
    """Ten groups; one has no image of c, on which the model is always right, and four alone have images of d."""
    group, random = np.repeat(np.arange(10), 12), np.random.default_rng(0)
    labels = np.where(group < 4, random.integers(0, 4, 120), random.integers(0, 3, 120))
    labels[group == 9] = np.repeat([0, 1], 6)
    predicted = np.where((random.random(120) < 0.7) | (labels == 2), labels, (labels + group % 2) % 4)
    grouped = intervals.class_scores(labels, predicted, [*"abcd"], group.astype(str)).set_index("class")
    single = intervals.class_scores(labels, predicted, [*"abcd"]).set_index("class")
    assert (grouped["recall_low"] <= grouped["recall"]).all() and (grouped["recall_high"] >= grouped["recall"]).all()
    assert grouped["recall_high"]["a"] - grouped["recall_low"]["a"] > 0.05
    assert tuple(grouped.loc["c", ["recall_low", "recall_high"]]) == intervals.exact_interval(9, 9)
    assert tuple(grouped.loc["d", ["recall_low", "recall_high"]]) == (0, 1)
    assert grouped[["support", "precision", "recall", "f1"]].equals(single[["support", "precision", "recall", "f1"]])


def test_calibration_of_a_case_worked_out_by_hand():
    """Two images in the bin up to 0.6, one of them right; one in the last: (2 x |0.55 - 0.5| + |0.9 - 1|) / 3."""
    probabilities = np.array([[0.6, 0.4], [0.5, 0.5], [0.1, 0.9]])
    labels = np.array([0, 1, 1])
    table = calibration.calibration_bins(labels, probabilities, 5)
    assert table["images"].tolist() == [0, 0, 2, 0, 1]
    np.testing.assert_allclose(table["low"], [0, 0.2, 0.4, 0.6, 0.8])
    np.testing.assert_allclose(table["confidence"], [np.nan, np.nan, 0.55, np.nan, 0.9])
    np.testing.assert_allclose(table["accuracy"], [np.nan, np.nan, 0.5, np.nan, 1])
    error = calibration.calibration_error(labels, probabilities)  # whose bins end at 0.533, 0.6 and 0.933
    assert error.observed == pytest.approx((0.4 + 0.5 + 0.1) / 3)


def test_a_calibrated_model_has_hardly_a_calibration_error():
    random = np.random.default_rng(0)
    probabilities = softmax(random.normal(0, 2, (20_000, 4)), axis=1)
    labels = (probabilities.cumsum(axis=1) < random.random((20_000, 1))).sum(axis=1)
    error = calibration.calibration_error(labels, probabilities)
    assert error.observed < 0.015 and error.interval[0] == 0 and error.interval[1] < 0.02
    assert error.chance_interval[0] < error.observed < error.chance_interval[1]
    sure = calibration.calibration_error(labels, softmax(3 * np.log(probabilities), axis=1))
    assert sure.interval[0] > 0.1 > sure.chance_interval[1]


def draw_right(random: np.random.Generator, confidence: np.ndarray, groups: int = 0) -> np.ndarray:
    """Return labels of which 0 is right with the confidence; the images of a group are right together, or nearly so."""
    draws = random.normal(0, 1, len(confidence))
    if groups:
        draws = 0.6 * draws + 0.8 * random.normal(0, 1, groups)[np.arange(len(confidence)) % groups]
    return np.where(special.ndtr(draws) < confidence, 0, 1)


@pytest.mark.parametrize(
    ("images", "factor", "groups"), [(50, 1, 0), (140, 0.7, 0), (1000, 0.9, 0), (400, 1, 40), (400, 0.7, 40)]
)
def test_the_interval_of_the_calibration_error_has_the_true_one(images, factor, groups, monkeypatch):
    """Accuracies are the confidences by a factor, so that the true error is known: 0.225 of 0.75 for 0.7."""
    monkeypatch.setattr(calibration, "SAMPLES", 200)
    random, covered, by_chance = np.random.default_rng(0), 0, 0
    for _ in range(60):
        confidence = random.uniform(0.5, 1, images)
        labels = draw_right(random, factor * confidence, groups)
        names = np.array([f"{number % groups}" if groups else "" for number in range(images)])
        error = calibration.calibration_error(labels, np.stack([confidence, 1 - confidence], axis=1), names)
        covered += error.interval[0] <= 0.75 * (1 - factor) <= error.interval[1]
        by_chance += error.chance_interval[0] <= error.observed <= error.chance_interval[1]
    assert covered >= 53
    assert by_chance >= 50 if factor == 1 else by_chance < 40


def test_of_few_groups_the_calibration_error_is_not_known():
    probabilities, names = np.tile([0.7, 0.3], (70, 1)), np.repeat([*"abcdefg"], 10)
    assert calibration.calibration_error(np.zeros(70, int), probabilities, names).interval == (0, 1)


def test_a_model_that_is_always_right_on_few_images_may_be_far_from_calibrated():
    error = calibration.calibration_error(np.zeros(10, int), np.tile([0.999, 0.001], (10, 1)))
    assert error.observed == pytest.approx(0.001) and error.interval[0] < 1e-9 and 0.2 < error.interval[1] < 0.4


def test_every_pair_is_told_once():
    labels, probabilities = population(300, 1)
    models = {"weak": population(300, 1, skill=1)[1], "good": probabilities, "same": probabilities}
    table = pairs.compare_pairs(labels, models)
    assert table[["first", "second"]].to_numpy().tolist() == [["weak", "good"], ["weak", "same"], ["good", "same"]]
    assert table["images"].tolist() == [300] * 3 and table["groups"].tolist() == [0] * 3
    for score in TESTED:
        one = pairs.compare_models(labels, models["weak"], models["good"])[score]
        own = metrics.scores(labels, models["weak"])[score], metrics.scores(labels, probabilities)[score]
        first = table.iloc[0]
        assert (first[f"{score}_first"], first[f"{score}_second"]) == pytest.approx(own)
        assert first[f"{score}_difference"] == pytest.approx(own[1] - own[0])
        assert (first[f"{score}_low"], first[f"{score}_high"], first[f"{score}_p"]) == (one.low, one.high, one.p)
        assert one.low < one.difference < one.high and one.p < 0.01
        assert first[f"{score}_images_needed"] > one.images_needed  # at a level that three pairs share
        np.testing.assert_allclose(table[f"{score}_p_corrected"], pairs.holm_correction(table[f"{score}_p"].to_numpy()))
    assert len(pairs.compare_pairs(labels, {"good": probabilities})) == 0


# By simulation: samples of a population that is so large that its scores are the true ones


@pytest.mark.parametrize("images", [50, 140, 1000])
def test_the_exact_interval_covers_any_accuracy(images):
    """The share of the samples, weighted by their binomial probability, that the interval covers."""
    ends = np.array([intervals.exact_interval(right, images) for right in range(images + 1)])
    for accuracy in (0.5, 0.57, 0.9, 0.97, 0.995):
        covered = (ends[:, 0] <= accuracy) & (ends[:, 1] >= accuracy)
        assert stats.binom.pmf(np.arange(images + 1), images, accuracy) @ covered >= 0.95


def coverage_of(truth: dict[str, float], samples: list[dict[str, resampling.Interval]]) -> dict[str, float]:
    """Return the share of the samples whose interval covers the true score."""
    return {
        name: float(np.mean([sample[name][0] <= value <= sample[name][1] for sample in samples]))
        for name, value in truth.items()
    }


@pytest.mark.parametrize(("images", "samples"), [(50, 300), (140, 200), (1000, 100)])
@pytest.mark.parametrize("skill", [1, 4])
def test_intervals_cover_the_true_scores(images, samples, skill, monkeypatch):
    monkeypatch.setattr(resampling, "RESAMPLES", 500)
    labels, probabilities = population(200_000, 0, skill=skill)
    random = np.random.default_rng(1)
    draws = random.integers(0, len(labels), (samples, images))
    coverage = coverage_of(
        metrics.scores(labels, probabilities),
        [intervals.score_intervals(labels[i], probabilities[i]) for i in draws],
    )
    assert min(coverage[score] for score in TESTED) >= 0.92


def test_groups_of_like_images_need_a_bootstrap_over_groups(monkeypatch):
    """Forty groups of ten images, some groups easy and some hard: images taken for independent cover far too little."""
    monkeypatch.setattr(resampling, "RESAMPLES", 500)
    random = np.random.default_rng(0)
    skill = np.repeat(random.normal(2, 2, 10_000), 10)
    labels = random.integers(0, 4, 100_000)
    probabilities = softmax(random.normal(0, 1, (100_000, 4)) + skill[:, None] * np.eye(4)[labels], axis=1)
    truth, names = metrics.scores(labels, probabilities), np.repeat(np.arange(40), 10).astype(str)
    samples: dict[str, list] = {"groups": [], "images": []}
    for chosen in random.integers(0, 10_000, (150, 40)):
        images = (10 * chosen[:, None] + np.arange(10)).ravel()
        for name, groups in (("groups", names), ("images", None)):
            samples[name].append(intervals.score_intervals(labels[images], probabilities[images], groups))
    grouped, single = (coverage_of(truth, coverage) for coverage in samples.values())
    for score in TESTED:
        assert grouped[score] >= 0.9 and single[score] <= 0.8


def two_models(images: int, seed: int, first: float, second: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels and the probabilities of two models that find the same images hard, by their skills."""
    random = np.random.default_rng(seed)
    labels, shared = random.integers(0, 4, images), random.normal(0, 1, (images, 4))
    one, other = (
        softmax(1.5 * shared + random.normal(0, 1, (images, 4)) + skill * np.eye(4)[labels], axis=1)
        for skill in (first, second)
    )
    return labels, one, other


def test_models_that_are_equally_good_are_seldom_told_apart(monkeypatch):
    monkeypatch.setattr(resampling, "RESAMPLES", 500)
    labels, *models = two_models(300 * 100, 0, 2.5, 2.5)
    p = {score: np.empty(300) for score in TESTED}
    for number in range(300):
        rows = slice(100 * number, 100 * (number + 1))
        for score, difference in pairs.compare_models(labels[rows], models[0][rows], models[1][rows]).items():
            p[score][number] = difference.p
    rates = {score: np.mean(values < 0.05) for score, values in p.items()}
    assert rates["accuracy"] <= 0.06  # exact tests err on that side
    assert 0.02 <= rates["kappa"] <= 0.08 and 0.02 <= rates["log_loss"] <= 0.08


def test_as_many_images_as_are_needed_tell_models_apart_four_times_in_five(monkeypatch):
    monkeypatch.setattr(resampling, "RESAMPLES", 300)
    labels, *models = two_models(200_000, 0, 2.2, 2.6)
    one, other = (resampling.resample_model(labels[:20_000], model[:20_000], np.arange(20_000)) for model in models)
    for score, difference in pairs.differences(one, other, 20_000, 1).items():
        images, trials = int(difference.images_needed), 120
        significant = []
        for number in range(trials):
            rows = slice(images * number, images * (number + 1))
            significant.append(pairs.compare_models(labels[rows], models[0][rows], models[1][rows])[score].p < 0.05)
        assert 100 < images < 800
        assert 0.7 <= np.mean(significant) <= 0.9


@pytest.mark.parametrize(("images", "disagreement"), [(200, 0.1), (1000, 0.05), (10_000, 0.2)])
def test_the_smallest_detectable_difference_is_told_four_times_in_five(images, disagreement):
    """By McNemar's exact test, of 4,000 pairs of models that differ by so much; of half of it seldom."""
    difference = pairs.detectable_difference(images, disagreement)
    random, told = np.random.default_rng(0), []
    for actual in (difference, difference / 2):
        shares = [(disagreement + actual) / 2, (disagreement - actual) / 2, 1 - disagreement]
        better, worse, _ = random.multinomial(images, shares, 4000).T
        told.append(np.mean(2 * stats.binom.cdf(np.minimum(better, worse), better + worse, 0.5) < 0.05))
    assert 0.75 <= told[0] <= 0.82 and told[1] <= 0.35
    needed = pairs.connor_sample_size(np.repeat([1, -1, 0], np.rint(1e6 * np.array(shares)).astype(int)), 1)
    assert needed == pytest.approx(4 * images, rel=0.05)


def test_where_models_disagree_on_too_few_images_no_difference_is_told():
    assert pairs.detectable_difference(50, 0.1) == pairs.detectable_difference(1, 1.0) == np.inf


def test_grouped_models_that_are_equally_good_are_seldom_told_apart():
    """In every group one of the models is better by chance, on all its images: images alone would tell them apart."""
    random = np.random.default_rng(0)
    changes = random.binomial(12, 0.3, (1500, 30)) * random.choice([-1, 1], (1500, 30))
    grouped = np.array([pairs.sign_flip_p(groups) for groups in changes])
    single = np.array([pairs.sign_flip_p(np.repeat(np.sign(groups), np.abs(groups))) for groups in changes[:200]])
    assert np.mean(grouped < 0.05) <= 0.06 and np.mean(single < 0.05) >= 0.2

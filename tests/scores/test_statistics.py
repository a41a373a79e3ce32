"""Intervals and tests against cases from the literature, against brute force, and by simulation."""

from itertools import product

import numpy as np
import pytest
from scipy import special, stats
from scipy.special import softmax

from components.scores import calibration, estimates, intervals, metrics, pairs
from components.scores.estimates import estimate, pool_folds, pool_trainings, sample_of
from components.scores.proportions import effective_trials, exact_interval, independent_units, sign_flip_p
from components.scores.registry import SCORES, TESTED


def population(images: int, seed: int, classes: int = 5, skill: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, of which some are rarer, and the probabilities of a model that tells them by its skill."""
    random = np.random.default_rng(seed)
    labels = random.choice(classes, images, p=np.arange(1, classes + 1) / (classes * (classes + 1) / 2))
    return labels, softmax(random.normal(0, 1, (images, classes)) + skill * np.eye(classes)[labels], axis=1)


def compare_models(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, groups: np.ndarray | None = None
) -> dict[str, pairs.Difference]:
    """Return the difference, second minus first, of two models in each tested score, by its name."""
    unit = independent_units(groups, len(labels))
    one, other = (sample_of(labels, probabilities, unit, TESTED) for probabilities in (first, second))
    return {name: pairs.difference(one, other, name) for name in TESTED}


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
    assert exact_interval(successes, trials) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


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
    assert sign_flip_p(np.repeat([1, -1, 0], [better, worse, 139])) == pytest.approx(p, rel=1e-3)


def test_darwins_maize():
    """Fisher counts 1,726 of 32,768 swaps of cross- and self-fertilized plants with a difference as great or greater.

    Source: Fisher, The Design of Experiments, section 21; heights in eighths of an inch.
    """
    heights = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])
    assert sign_flip_p(heights) * 2**15 == pytest.approx(1726)


def test_signs_are_flipped_in_every_way():
    changes = np.random.default_rng(0).integers(-3, 4, 11)
    sums = np.abs(np.array([*product([-1, 1], repeat=11)]) @ changes)
    assert sign_flip_p(changes) == pytest.approx(np.mean(sums >= abs(changes.sum())))


def test_a_difference_in_accuracy_is_about_that_of_paired_proportions():
    """Source: Fagerland, Lydersen & Laake, Statistical Analysis of Contingency Tables (2017), chapter 8, Cavo et al.

    Theirs is -0.1195 to -0.0032, with a pair more of either kind in the difference as well; p is 0.0525 and 0.0330.
    """
    difference = compare_models(*outcomes(59, 16, 6, 80))["accuracy"]
    assert difference.value == pytest.approx(-10 / 161)
    assert difference.interval() == (pytest.approx(-0.1195, abs=0.003), pytest.approx(-0.0032, abs=0.003))
    assert 0.033 < difference.p_value() < 0.0525


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


def test_kappa_has_the_standard_error_of_a_large_sample():
    """Source: SAS's example of a simple kappa, as in statsmodels' tests: 0.4842 with a standard error of 0.1380."""
    table = np.array([[0, 4, 1], [0, 8, 0], [0, 1, 5]])
    assert large_sample_error(table) == pytest.approx(0.1380, abs=5e-5)
    labels, predicted = (np.repeat(numbers.ravel(), 50 * table.ravel()) for numbers in np.indices((3, 3)))
    sample = sample_of(labels, np.eye(3)[predicted], np.arange(len(labels)))
    assert sample.score("kappa") == pytest.approx(0.4842, abs=5e-5)
    error = np.sqrt(estimates.variance_over_units(sample.influence["kappa"]))
    assert error == pytest.approx(large_sample_error(50 * table), rel=1e-3)


@pytest.mark.parametrize("level", [0.05, 0.001])
@pytest.mark.parametrize("name", TESTED)
def test_p_is_where_the_interval_ends_at_0(name, level):
    first, second = (pool_trainings(trainings(80, seed, 3, skill=skill)) for seed, skill in ((1, 1.0), (2, 2.0)))
    difference = pairs.difference(first, second, name)
    p = difference.p_value()
    assert 0 < p < 1
    assert np.abs(difference.interval(p)).min() == pytest.approx(0, abs=1e-6)
    low, high = difference.interval(level)
    assert (low < 0 < high) == (p > level)


@pytest.mark.parametrize("classes", [2, 3, 25])
def test_the_influence_of_a_unit_is_what_the_score_is_without_it(classes):
    """Of ten groups: to a first order, the score of the others is as much less as the group's influence is more."""
    labels, probabilities = population(4000, 1, classes)
    unit = np.random.default_rng(2).integers(0, 200, 4000)
    sample = sample_of(labels, probabilities.astype(np.float32), unit)
    for name, value in metrics.scores(labels, probabilities.astype(np.float32)).items():
        assert sample.score(name) == pytest.approx(value)
        assert (sample.influence[name] / estimates.leverages(sample.sizes)).mean() == pytest.approx(0, abs=1e-9)
    for left_out in (3, 77):
        others = unit != left_out
        for name, value in metrics.scores(labels[others], probabilities[others]).items():
            expected = sample.score(name) - sample.influence[name][left_out] / 199
            assert value == pytest.approx(expected, abs=0.15 * abs(expected - sample.score(name)) + 1e-5)


def test_the_same_images_give_the_same_intervals_however_many_numbers_are_computed_at_a_time(monkeypatch):
    labels, probabilities = population(60, 1)
    first = intervals.score_intervals(labels, probabilities)
    assert [*first] == [*metrics.scores(labels, probabilities)]
    assert intervals.score_intervals(labels, probabilities, np.full(60, "")) == first
    assert intervals.score_intervals(labels, probabilities, np.arange(60).astype(str)) == first
    monkeypatch.setattr(estimates, "BLOCK", 40)
    assert intervals.score_intervals(labels, probabilities) == first


@pytest.mark.parametrize("right", [True, False])
def test_a_model_that_is_right_on_all_images_or_on_none_may_be_otherwise_on_others(right):
    """Of 50 images: accuracy's exact interval, and with two classes of 25 kappa's at least as wide as twice that."""
    labels = np.repeat([0, 1], 25)
    probabilities = np.eye(2)[labels if right else 1 - labels] * 0.8 + 0.1
    ends = intervals.score_intervals(labels, probabilities)
    missed = 0.0711  # of 50; Clopper & Pearson: 1 - 0.025 ** (1 / 50)
    assert ends["accuracy"] == pytest.approx((1 - missed, 1) if right else (0, missed), abs=5e-5)
    kappa = (1 - 2 * missed, 1) if right else (-1, -1 + 2 * missed)
    assert ends["kappa"] == pytest.approx(kappa, abs=0.03)
    assert ends["kappa"][0] <= kappa[0] + 1e-4 and ends["kappa"][1] >= kappa[1] - 1e-4
    of_class = 1 - 0.025 ** (1 / 25)  # of the images of a class; both do not fail at once
    of_both = of_class / np.sqrt(2) * stats.t.ppf(0.975, 49) / stats.norm.ppf(0.975)
    assert ends["balanced_accuracy"] == pytest.approx((1 - of_both, 1) if right else (0, of_both))
    grouped = intervals.score_intervals(labels, probabilities, np.repeat([*"abcdefghij"], 5))
    missed = 1 - 0.025 ** (1 / 10)  # of ten groups
    assert grouped["accuracy"] == pytest.approx((1 - missed, 1) if right else (0, missed))


def test_a_log_loss_without_a_mistake_has_room_for_the_dearest_one_that_the_model_imagines():
    """Of 50 images, all right: up to 7.1 % may be wrong, and would cost what the model says of its second class."""
    probabilities = np.tile([0.999, 0.001], (50, 1))
    low, high = intervals.score_intervals(np.zeros(50, int), probabilities)["log_loss"]
    assert low == pytest.approx(0.001, abs=1e-5)
    assert high == pytest.approx(0.001 + 0.0711 * (-np.log(0.001) - 0.001), rel=1e-3)


def test_a_log_loss_without_a_right_prediction_has_room_for_some():
    """Of 50 images, all surely wrong: up to 7.1 % may be right, and would cost nothing."""
    low, high = intervals.score_intervals(np.zeros(50, int), np.tile([0.0, 1.0], (50, 1)))["log_loss"]
    assert high == pytest.approx(36.04, abs=0.01) and low == pytest.approx((1 - 0.0711) * high, rel=1e-3)


def test_a_model_that_always_says_the_same_has_a_kappa_of_about_0():
    """One image more that it says otherwise would move it, more among few images."""
    for images, least, most in ((50, 0.05, 0.15), (500, 0.005, 0.015)):
        labels = np.repeat([0, 1], [images * 3 // 5, images * 2 // 5])
        probabilities = np.tile([0.6, 0.4], (images, 1))
        low, high = intervals.score_intervals(labels, probabilities)["kappa"]
        assert -most < low < -least and least < high < most
        difference = compare_models(labels, probabilities, probabilities)["kappa"]
        assert difference.value == 0 and difference.interval()[0] < -least and difference.interval()[1] > least
    assert intervals.score_intervals(np.zeros(50, int), np.tile([0.6, 0.4], (50, 1)))["kappa"] == (-1, 1)


def test_a_class_without_test_images_may_be_recognised_always_or_never():
    labels = np.repeat([0, 1], 50)
    probabilities = np.eye(3)[labels] * 0.8 + 0.1
    low, high = intervals.score_intervals(labels, probabilities)["balanced_accuracy"]
    assert low < 2 / 3 and high == 1
    assert intervals.score_intervals(labels, probabilities[:, :2])["balanced_accuracy"][0] > 0.9


def test_images_of_one_class_tell_nothing_of_kappa():
    labels, probabilities = np.zeros(50, int), population(50, 1)[1]
    assert intervals.score_intervals(labels, probabilities)["kappa"] == (-1, 1)
    assert compare_models(labels, probabilities, population(50, 2)[1])["kappa"].interval() == (-2, 2)


def test_two_models_that_predict_the_same_differ_by_chance_at_most():
    labels, probabilities = population(50, 1)
    by_score = compare_models(labels, probabilities, probabilities)
    for difference in by_score.values():
        low, high = difference.interval()
        assert difference.value == 0 and difference.p_value() == 1 and low < 0 < high
    accuracy, kappa = (by_score[name].interval() for name in ("accuracy", "kappa"))
    assert kappa[0] < accuracy[0] and kappa[1] > accuracy[1]


def test_models_that_differ_on_two_images_of_297_are_not_told_apart_by_any_score():
    labels = np.random.default_rng(0).integers(0, 3, 297)
    first = np.eye(3)[labels] * 0.85 + 0.05
    first[10:40] = np.roll(first[10:40], 1, axis=1)
    second = first.copy()
    second[:2] = np.roll(second[:2], 1, axis=1)
    for difference in compare_models(labels, first, second).values():
        assert difference.p_value() > 0.25


@pytest.mark.parametrize("groups", [1, 7])
def test_few_groups_tell_nothing(groups):
    labels, probabilities = population(60, 1)
    names = np.arange(60) % groups
    ends = intervals.score_intervals(labels, probabilities, names.astype(str))
    assert ends["accuracy"] == (0, 1) and ends["kappa"] == (-1, 1)
    assert ends["log_loss"] == (0, pytest.approx(36.04, abs=0.01))
    pair = compare_models(labels, population(60, 2)[1], probabilities, names.astype(str))
    assert [difference.p_value() for difference in pair.values()] == [1, 1, 1]
    assert (pair["accuracy"].interval()[0], pair["kappa"].interval()[1]) == (-1, 2)


def test_images_in_groups_are_worth_as_many_as_vary_as_much():
    """Groups of ten images that are all right or all wrong are worth one each; images mixed at random about all."""
    random, unit = np.random.default_rng(0), np.repeat(np.arange(200), 10)
    for wrong, least, most in ((random.random(200)[unit] < 0.3, 150, 205), (random.random(2000) < 0.3, 1400, 2000)):
        shares = np.bincount(unit, wrong) / 10
        worth = effective_trials(shares.mean(), estimates.variance_over_units(shares - shares.mean()), 2000, 200)
        assert least <= worth <= most
    assert effective_trials(0.3, 0.1, 50, 50) == 50
    assert effective_trials(0.0, 0.0, 2000, 200) == 200
    few, many = (effective_trials(0.3, 0.001, 2000, 200, degrees) for degrees in (4, 199))
    assert few < many == effective_trials(0.3, 0.001, 2000, 200)


def test_the_error_over_groups_of_unequal_sizes_is_what_leaving_one_out_shows():
    """Source: the jackknife, (units - 1) / units times the sum of squared changes as each unit is left out."""
    unit = np.repeat(np.arange(16), [90, 60, 30, 20, *range(3, 15)])
    labels, probabilities = population(len(unit), 3, skill=1.5)
    sample = sample_of(labels, probabilities, unit)
    without = [metrics.scores(labels[unit != one], probabilities[unit != one]) for one in range(16)]
    for name in TESTED:
        changes = np.array([scores[name] for scores in without]) - sample.score(name)
        expected = 15 / 16 * (changes**2).sum()
        assert estimates.variance_over_units(sample.influence[name]) == pytest.approx(expected, rel=0.05)
    error = estimates.error_part(sample, "accuracy")
    assert error.slope == pytest.approx(-1) and error.share == pytest.approx(1 - sample.score("accuracy"))
    assert 3 <= sample.degrees < 6  # four groups have most of the images
    low, high = estimate(sample, "accuracy").interval()
    assert high - low > np.diff(exact_interval(200 * (1 - error.share), 200))[0]


def test_a_class_that_one_group_has_most_images_of_is_worth_few():
    """Half of it are right in each small group, and in the large one all: the others cannot show how groups differ."""
    unit = np.repeat(np.arange(12), [100, *[10] * 11])
    labels, predicted = np.zeros(210, int), ((unit > 0) & (np.arange(210) % 2 == 0)).astype(int)
    alone, grouped = (
        intervals.class_scores(labels, predicted, ["a", "b"], groups).iloc[0] for groups in (None, unit.astype(str))
    )
    assert alone["recall"] == grouped["recall"] == pytest.approx(155 / 210)
    assert grouped["recall_high"] - grouped["recall_low"] > 4 * (alone["recall_high"] - alone["recall_low"])


def test_precision_recall_and_f1_of_a_case_worked_out_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    predicted = np.array([0, 0, 0, 1, 1, 1, 0, 0, 0, 1])
    table = intervals.class_scores(labels, predicted, ["a", "b", "c", "d"]).set_index("class")
    assert table.columns.tolist() == [
        "support", "precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high", "f1",
        "f1_low", "f1_high",
    ]  # fmt: skip
    assert table["support"].tolist() == [4, 3, 3, 0]
    np.testing.assert_allclose(table["precision"], [3 / 6, 2 / 4, np.nan, np.nan])
    np.testing.assert_allclose(table["recall"], [3 / 4, 2 / 3, 0, np.nan])
    np.testing.assert_allclose(table["f1"], [6 / 10, 4 / 7, 0, np.nan])
    assert tuple(table.loc["a", ["recall_low", "recall_high"]]) == exact_interval(3, 4)
    assert tuple(table.loc["b", ["precision_low", "precision_high"]]) == exact_interval(2, 4)
    assert tuple(table.loc["c", ["recall_low", "recall_high"]]) == exact_interval(0, 3)
    low, high = exact_interval(3, 7)  # of 7 images that are a or called a, 3 are both
    assert tuple(table.loc["a", ["f1_low", "f1_high"]]) == (2 * low / (1 + low), 2 * high / (1 + high))
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
    assert tuple(grouped.loc["c", ["recall_low", "recall_high"]]) == exact_interval(9, 9)  # groups that have any
    assert tuple(grouped.loc["d", ["recall_low", "recall_high"]]) == (0, 1)
    assert grouped["f1_high"]["a"] - grouped["f1_low"]["a"] > 0.05
    assert grouped[["support", "precision", "recall", "f1"]].equals(single[["support", "precision", "recall", "f1"]])


@pytest.mark.parametrize(("images", "fewest", "most"), [(5, 1, 1), (19, 1, 1), (60, 2, 3), (5000, 25, 25)])
def test_a_reliability_diagram_has_as_many_bins_as_its_images_allow(images, fewest, most):
    random = np.random.default_rng(1)
    top = random.uniform(0.5, 1, images)
    probabilities, labels = np.stack([top, 1 - top], axis=1), (random.random(images) > top).astype(int)
    table = calibration.reliability_bins(labels, probabilities)
    assert fewest <= len(table) <= most and table["images"].sum() == images
    assert (table["images"] >= min(images, calibration.FEWEST_IN_BIN)).all()
    assert (table["low"] <= table["confidence"]).all() and (table["confidence"] <= table["high"]).all()
    assert table["low"].tolist()[1:] == table["high"].tolist()[:-1]
    assert (table["accuracy_low"] <= table["accuracy"]).all() and (table["accuracy"] <= table["accuracy_high"]).all()
    grouped = calibration.reliability_bins(labels, probabilities, np.full(images, "one"))
    widths = (grouped["accuracy_high"] - grouped["accuracy_low"]) >= (table["accuracy_high"] - table["accuracy_low"])
    assert widths.all()  # one group says less than as many images


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


def trainings(images: int, seed: int, number: int, spread: float = 0.5, skill: float = 2.0) -> list[estimates.Sample]:
    """Return the Samples of trainings that see the same images, whose skills differ by a spread."""
    random = np.random.default_rng([images, seed])
    labels = np.random.default_rng(images).integers(0, 4, images)
    seen = np.random.default_rng(images + 1).normal(0, 1, (images, 4)) + random.normal(0, 0.5, (images, 4))
    skills = skill + spread * random.normal(0, 1, number)
    return [
        sample_of(
            labels,
            softmax(seen + random.normal(0, 0.7, seen.shape) + one * np.eye(4)[labels], axis=1),
            np.arange(images),
        )
        for one in skills
    ]


def test_a_way_has_the_mean_score_of_its_trainings_and_an_interval_with_both_in_it():
    samples = trainings(200, 1, 5)
    way = pool_trainings(samples)
    for name in SCORES:
        values = [sample.score(name) for sample in samples]
        assert way.values[name].tolist() == values and way.score(name) == pytest.approx(np.mean(values))
        low, high = estimate(way, name).interval()
        assert high - low > 2 * 2.776 * np.std(values, ddof=1) / np.sqrt(5) * 0.8  # Student's t of 4 degrees
        assert high - low > 0.8 * np.ptp(estimate(samples[0], name).interval())
    assert (way.trainings, way.units, way.images) == (5, 200, 200)


def test_what_trainings_make_of_each_image_counts_once():
    """Of trainings that differ by each image's chance alone, the spread is no more than the images explain."""
    spreads = [estimate(pool_trainings(trainings(400, seed, 5, spread=0)), "log_loss").spread for seed in range(40)]
    counted_twice = [
        pool_trainings(trainings(400, seed, 5, spread=0)).values["log_loss"].var(ddof=1) / 5 for seed in range(40)
    ]
    assert np.mean(spreads) < 0.45 * np.mean(counted_twice)


def test_folds_have_the_variance_that_shared_training_images_ask_for():
    """Source: Nadeau & Bengio: with a fifth of the images in each fold, 1 / 5 + 1 / 4 of that of the scores."""
    folds = [trainings(100 + number, 3, 1)[0] for number in range(5)]
    way = pool_folds(folds, train_images=4 * 102)
    assert way.spread == pytest.approx(1 / 5 + 1 / 4)
    assert way.images == way.units == 510 and way.trainings == 5 and way.is_folded
    assert way.score("kappa") == pytest.approx(np.mean([fold.score("kappa") for fold in folds]))
    other = pool_folds([trainings(100 + number, 4, 1)[0] for number in range(5)], train_images=4 * 102)
    difference = pairs.difference(way, other, "log_loss")
    changes = other.values["log_loss"] - way.values["log_loss"]
    total = difference.spread + estimates.variance_over_units(other.influence["log_loss"] - way.influence["log_loss"])
    assert (
        total == pytest.approx(max(0.45 * changes.var(ddof=1), total - difference.spread)) and difference.degrees == 4
    )


def test_every_pair_is_compared_once_and_all_claims_are_corrected_together():
    ways = {
        f"way {number}": pool_trainings(trainings(300, number, 4, skill=skill))
        for number, skill in enumerate((1, 2.5, 2.5))
    }
    table = pairs.compare_ways(ways)
    assert table[["first", "second"]].to_numpy().tolist() == [
        ["way 0", "way 1"],
        ["way 0", "way 2"],
        ["way 1", "way 2"],
    ]
    assert table["images"].tolist() == [300] * 3 and table["groups"].tolist() == [0] * 3
    assert table[["first_trainings", "second_trainings"]].to_numpy().tolist() == [[4, 4]] * 3
    correction = pairs.correction_of([*ways.values()])
    assert 0.05 / 9 < correction.alpha < 0.05 / 2  # nine claims, of which few are independent
    one, other, _ = ways.values()
    for score in TESTED:
        alone, row = pairs.difference(one, other, score), table.iloc[0]
        assert (row[f"{score}_first"], row[f"{score}_second"]) == (one.score(score), other.score(score))
        assert row[f"{score}_difference"] == pytest.approx(other.score(score) - one.score(score))
        assert (row[f"{score}_low"], row[f"{score}_high"]) == alone.interval(correction.alpha)
        assert row[f"{score}_p"] == correction.correct(alone.p_value()) >= alone.p_value()
        excluded = (table[f"{score}_low"] > 0) | (table[f"{score}_high"] < 0)
        assert excluded.tolist() == (table[f"{score}_p"] < 0.05).tolist()
    assert len(pairs.compare_ways({"way 0": one})) == 0
    assert pairs.compare_ways(ways).equals(table)


def test_with_24_ways_each_score_can_tell():
    ways = {
        f"way {number}": pool_trainings(trainings(500, number, 5, 0.05, skill=2 if number else 0.5))
        for number in range(24)
    }
    table = pairs.compare_ways(ways)
    assert len(table) == 276
    worst = table[table["first"] == "way 0"]
    for score in TESTED:
        assert (worst[f"{score}_p"] < 0.05).all()
        best = pairs.best_ways(table, [*ways], score)
        assert "way 0" not in best and len(best) > 15


def test_a_way_without_a_mistake_is_told_from_one_that_is_always_sure_and_wrong():
    """Their scores vary by magnitudes that differ as much as rounding does from either."""
    labels = np.arange(60) % 2
    perfect = [softmax((8 + seed) * np.eye(2)[labels], axis=1) for seed in range(3)]
    ways = [perfect, perfect[::-1], [np.eye(2)[np.zeros(60, int)]] * 3]
    table = pairs.compare_ways({
        f"way {number}": pool_trainings([sample_of(labels, one, np.arange(60)) for one in way])
        for number, way in enumerate(ways)
    })  # fmt: skip
    for score in TESTED:
        assert [p < 0.05 for p in table[f"{score}_p"]] == [False, True, True]
    assert table["accuracy_high"][0] < 0.06


def test_trainings_of_one_way_are_told_apart_as_files_and_seldom_as_ways():
    told = [pairs.compare_same_ways(trainings(1000, seed, 5)) for seed in range(12)]
    assert {(one.files, one.halves) for one in told} == {(10, 10)}
    assert sum(one.files_told for one in told) > 0.3 * 120
    assert sum(one.halves_told for one in told) < 0.1 * 120
    even = pairs.compare_same_ways(trainings(100, 1, 4))
    assert (even.files, even.halves) == (6, 3)  # each two halves once
    assert [pairs.compare_same_ways(trainings(100, 1, number)).halves for number in (1, 2, 3)] == [0, 0, 0]


# By simulation: samples of a population that is so large that its scores are the true ones


@pytest.mark.parametrize("images", [50, 140, 1000])
def test_the_exact_interval_covers_any_accuracy(images):
    """The share of the samples, weighted by their binomial probability, that the interval covers."""
    ends = np.array([exact_interval(right, images) for right in range(images + 1)])
    for accuracy in (0.5, 0.57, 0.9, 0.97, 0.995):
        covered = (ends[:, 0] <= accuracy) & (ends[:, 1] >= accuracy)
        assert stats.binom.pmf(np.arange(images + 1), images, accuracy) @ covered >= 0.95


def coverage_of(truth: dict[str, float], samples: list[dict[str, tuple[float, float]]]) -> dict[str, float]:
    """Return the share of the samples whose interval covers the true score."""
    return {
        name: float(np.mean([sample[name][0] <= value <= sample[name][1] for sample in samples]))
        for name, value in truth.items()
    }


@pytest.mark.parametrize(("images", "samples"), [(50, 300), (140, 200), (1000, 100)])
@pytest.mark.parametrize("skill", [1, 4])
def test_intervals_cover_the_true_scores(images, samples, skill):
    labels, probabilities = population(200_000, 0, skill=skill)
    random = np.random.default_rng(1)
    draws = random.integers(0, len(labels), (samples, images))
    coverage = coverage_of(
        metrics.scores(labels, probabilities),
        [intervals.score_intervals(labels[i], probabilities[i]) for i in draws],
    )
    assert min(coverage[score] for score in TESTED) >= 0.92


def test_groups_of_like_images_need_intervals_over_groups():
    """Forty groups of ten images, some groups easy and some hard: images taken for independent cover far too little."""
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


def test_models_that_are_equally_good_are_seldom_told_apart():
    labels, *models = two_models(300 * 100, 0, 2.5, 2.5)
    p = {score: np.empty(300) for score in TESTED}
    for number in range(300):
        rows = slice(100 * number, 100 * (number + 1))
        for score, difference in compare_models(labels[rows], models[0][rows], models[1][rows]).items():
            p[score][number] = difference.p_value()
    rates = {score: np.mean(values < 0.05) for score, values in p.items()}
    assert max(rates.values()) <= 0.08 and min(rates.values()) >= 0.01


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


def test_where_models_disagree_on_too_few_images_no_difference_is_told():
    assert pairs.detectable_difference(50, 0.1) == pairs.detectable_difference(1, 1.0) == np.inf


def test_grouped_models_that_are_equally_good_are_seldom_told_apart():
    """In every group one of the models is better by chance, on all its images: images alone would tell them apart."""
    random = np.random.default_rng(0)
    changes = random.binomial(12, 0.3, (1500, 30)) * random.choice([-1, 1], (1500, 30))
    grouped = np.array([sign_flip_p(groups) for groups in changes])
    single = np.array([sign_flip_p(np.repeat(np.sign(groups), np.abs(groups))) for groups in changes[:200]])
    assert np.mean(grouped < 0.05) <= 0.06 and np.mean(single < 0.05) >= 0.2

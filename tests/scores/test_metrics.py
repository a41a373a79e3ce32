"""Scores against cases worked out by hand, and the temperature against one that is known."""

import numpy as np
import pytest
import sklearn.metrics
from scipy.special import softmax

from components.scores import metrics
from components.scores.temperature import fit_temperature


def test_scores_of_a_case_worked_out_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 2])
    probabilities = np.array([[8, 1, 1], [6, 2, 2], [2, 6, 2], [1, 8, 1], [2, 6, 2], [1, 1, 8]]) / 10
    scores = metrics.scores(labels, probabilities)
    assert scores["accuracy"] == pytest.approx(5 / 6)
    expected = (3 * 2 + 2 * 3 + 1 * 1) / 36
    assert scores["kappa"] == pytest.approx((5 / 6 - expected) / (1 - expected))
    assert scores["log_loss"] == pytest.approx(-np.mean(np.log([0.8, 0.6, 0.2, 0.8, 0.6, 0.8])))
    assert scores["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert scores["macro_f1"] == pytest.approx((0.8 + 0.8 + 1) / 3)


def test_scores_where_classes_are_absent_or_alone():
    alone = metrics.scores(np.zeros(3, int), np.tile([0.9, 0.1], (3, 1)))
    assert (alone["accuracy"], alone["kappa"]) == (1.0, 0.0)
    absent = metrics.scores(np.array([0, 1]), np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1]], np.float32))
    assert (absent["balanced_accuracy"], absent["macro_f1"]) == (1.0, 1.0)


@pytest.mark.parametrize("classes", [2, 3, 12])
def test_the_confusion_matrix_is_scikit_learns(classes):
    labels, predicted = np.random.default_rng(0).integers(0, classes - 1, (2, 50))  # the last has no image
    expected = sklearn.metrics.confusion_matrix(labels, predicted, labels=range(classes))
    assert metrics.confusion_matrix(labels, predicted, classes).tolist() == expected.tolist()


def test_baselines_need_no_image():
    baselines = metrics.baselines(np.array([0, 0, 1, 2]), [6, 3, 1])
    assert baselines["majority_accuracy"] == 0.5
    assert baselines["chance_accuracy"] == pytest.approx(1 / 3)
    assert baselines["prior_log_loss"] == pytest.approx(-np.mean(np.log([0.6, 0.6, 0.3, 0.1])))


@pytest.mark.parametrize("true", [0.4, 1.0, 3.0])
def test_the_temperature_of_known_logits_is_found(true):
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (4000, 4))
    labels = np.array([random.choice(4, p=row) for row in softmax(logits, axis=1)])
    fitted = fit_temperature(labels, logits * true)
    assert fitted == pytest.approx(true, rel=0.1)
    calibrated = metrics.log_loss(labels, softmax(logits * true / fitted, axis=1))
    assert calibrated <= metrics.log_loss(labels, softmax(logits * true, axis=1))


@pytest.mark.parametrize("classes", [2, 30])
@pytest.mark.parametrize("images", [30, 300])
def test_a_model_that_is_right_on_every_validation_image_is_as_sure_as_half_an_image_more_allows(images, classes):
    labels = np.arange(images) % classes
    logits = 4 * np.eye(classes, dtype=np.float32)[labels]
    probabilities = softmax(logits / fit_temperature(labels, logits), axis=1)
    assert 1 - probabilities.max(axis=1).mean() == pytest.approx(0.5 * (1 - 1 / classes) / (images + 0.5), rel=1e-3)


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 4.0])
def test_a_temperature_of_few_images_serves_others_better_than_the_best_of_the_few_and_than_none(sharpness):
    """By the log loss of 4,000 others, on average over 40 draws of 20 images; at a sharpness of 1, none is needed."""
    random = np.random.default_rng(0)

    def draw(images: int) -> tuple[np.ndarray, np.ndarray]:
        logits = random.normal(0, 2, (images, 3))
        logits[np.arange(images), random.integers(0, 3, images)] += 4
        labels = (softmax(logits, axis=1).cumsum(axis=1) > random.random((images, 1))).argmax(axis=1)
        return labels, sharpness * logits

    def loss_at(temperature: float, labels: np.ndarray, logits: np.ndarray) -> float:
        return metrics.log_loss(labels, softmax(logits / temperature, axis=1))

    others, losses = draw(4000), []
    for _ in range(40):
        few = draw(20)
        best = min(np.geomspace(0.05, 20, 100), key=lambda temperature: loss_at(temperature, *few))
        losses.append([loss_at(temperature, *others) for temperature in (fit_temperature(*few), best, 1.0)])
    fitted, best_of_few, none = np.mean(losses, axis=0)
    assert fitted < best_of_few and (fitted < none or sharpness == 1)


@pytest.mark.parametrize("logits", [np.zeros((4, 3)), 1e38 * np.eye(3)[[0, 1, 2, 0]], -np.eye(3)[[0, 1, 2, 2]]])
def test_the_temperature_of_extreme_logits_is_within_its_bounds(logits):
    labels = np.array([0, 1, 2, 2])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert 0.05 <= fit_temperature(labels, logits.astype(np.float32)) <= 20

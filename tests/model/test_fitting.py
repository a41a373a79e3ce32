"""Heads without epochs and without chance: neighbours and logistic regression, held to scikit-learn."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from components.data.artifacts import Augmented, Classifier, Features, Splits
from components.machinery.running import run_step
from components.model import logistic, neighbours
from components.model.neighbour_head import neighbour_head
from components.system.errors import UserError
from tests.conftest import PARAMETERS, digests, evaluate

STEPS = ("fit_neighbours", "fit_logistic")


def clouds(classes: int = 3, images: int = 90, channels: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Return features, with a channel that never moves, and class numbers."""
    random = np.random.default_rng(0)
    labels = np.arange(images) % classes
    features = random.normal(0, 1, (images, channels)) + 2 * np.eye(channels)[labels]
    features[:, -1] = 5
    return features.astype(np.float32), labels


@pytest.mark.parametrize("count", [1, 3, 200])
def test_neighbours_vote_as_in_scikit_learn(count):
    features, labels = clouds()
    known, asked = features[:60], features[60:]
    head = neighbour_head(known, labels[:60], 3, count)
    weigh = lambda distances: np.exp(-distances / neighbours.SIMILARITY)  # noqa: E731
    peer = KNeighborsClassifier(min(count, 60), metric="cosine", weights=weigh).fit(known, labels[:60])
    logits = head.predict(asked, verbose=0)
    np.testing.assert_array_equal(logits.argmax(axis=1), peer.predict(asked))
    np.testing.assert_allclose(neighbours.neighbour_logits(known, labels[:60], 3, count, asked), logits, atol=1e-5)
    distances = peer.kneighbors(asked)[0]
    votes = np.exp(logits) - np.exp(-distances.max(axis=1, keepdims=True) / neighbours.SIMILARITY)
    np.testing.assert_allclose(
        votes / votes.sum(axis=1, keepdims=True), peer.predict_proba(asked), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("weights", [None, "balanced"])
def test_the_regression_is_scikit_learn_s_at_every_penalty(classes, weights):
    features, labels = clouds(classes)
    features, labels = features[5:], labels[5:]
    scaled = StandardScaler().fit_transform(features.astype(np.float64))
    penalties = []
    for inverse, kernel, bias in logistic.fit_path(features, labels, classes, weights):
        peer = LogisticRegression(C=inverse, max_iter=5000, tol=1e-8, class_weight=weights).fit(scaled, labels)
        logits = features @ kernel + bias
        expected = peer.decision_function(scaled)
        difference = logits[:, 1] - logits[:, 0] if classes == 2 else logits - logits.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(difference, expected, atol=0.1, rtol=0.02)
        penalties.append(inverse)
    assert penalties == [*logistic.INVERSE_PENALTIES]


def test_a_class_without_a_training_image_is_never_likely():
    features, labels = clouds()
    *_, (_, kernel, bias) = logistic.fit_path(features[labels < 2], labels[labels < 2], 3)
    logits = features @ kernel + bias
    assert (logits.argmax(axis=1) < 2).all()
    head = neighbour_head(features[labels < 2], labels[labels < 2], 3, 3)
    assert (head.predict(features, verbose=0).argmax(axis=1) < 2).all()


@pytest.mark.parametrize("step", STEPS)
def test_what_is_delivered_says_of_images_what_was_fitted_and_twice_the_same(step, made, tmp_path):
    at = {**made, "classifier": tmp_path / "one", "report": tmp_path / "report"}
    run_step(step, at, PARAMETERS[step], "edges")
    run_step(step, {**at, "classifier": tmp_path / "two"}, PARAMETERS[step], "edges")
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    classifier, features = Classifier.read(at["classifier"]), Features.read(made["features"])
    assert classifier.facts.epochs == 0 and classifier.facts.validation_log_loss < 0.9
    train = Splits.read(made["splits"]).part("train")
    images, model = Augmented.read(made["augmented"]), classifier.load()
    rows = features.rows(train["file"].tolist())
    head = keras.Model(model.layers[4].input, model.layers[4].output)
    logits = head.predict(features.array[rows, 0], verbose=0) / classifier.facts.temperature
    expected = keras.ops.softmax(logits)
    np.testing.assert_allclose(model.predict(images.array[rows, 0], verbose=0), expected, rtol=1e-3, atol=1e-5)
    evaluate(at)


@pytest.mark.parametrize("step", STEPS)
def test_maps_are_refused(step, made, tmp_path):
    at = {**made, "features": tmp_path / "features", "tensors": tmp_path / "tensors", "classifier": tmp_path / "c"}
    run_step("extract", at, {**PARAMETERS["extract"], "pooling": "none"})
    with pytest.raises(UserError, match=f"{step} takes features that are pooled"):
        run_step(step, at, PARAMETERS[step])


def test_more_features_than_a_model_should_hold_are_refused(monkeypatch):
    monkeypatch.setattr(neighbours, "MOST_BYTES", 100)
    with pytest.raises(UserError, match=r"holds the features of all 90 training images, .* take the model logistic"):
        neighbours.check_size(clouds()[0])

"""Probes: features of plain images, and how well they tell the classes apart before anything is trained on them."""

import numpy as np
import pytest

from components.data.artifacts import Embeddings, Features, Probe, Splits
from components.machinery.running import run_step
from components.model.probing import Samples, probe_features
from components.scores import metrics


def samples(distance: float, classes: int = 3, scale: float = 1.0, untrained: int | None = None) -> Samples:
    """Return features of classes whose means are some standard deviations apart."""
    random = np.random.default_rng(0)
    labels = np.arange(120) % classes
    features = random.normal(size=(120, 8)) + distance * np.eye(8)[labels]
    features[:, 0] *= scale
    train, validation = np.split(features, 2)
    kept = labels[:60] != untrained
    return Samples(train[kept], labels[:60][kept], validation, labels[60:], [f"{n}.png" for n in range(60)], classes)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("method", ["neighbours", "logistic"])
def test_features_that_tell_classes_apart_score_better_than_those_that_do_not(method, classes):
    near, far = (samples(distance, classes) for distance in (0.0, 6.0))
    losses = [metrics.log_loss(one.validation_labels, probe_features(one, 20)[method]) for one in (near, far)]
    assert losses[0] == pytest.approx(np.log(classes), abs=0.1) and losses[1] < 0.1


def test_logistic_regression_does_not_mind_the_scale_of_a_feature():
    losses = [
        metrics.log_loss(one.validation_labels, probe_features(one, 20)["logistic"])
        for one in (samples(3.0), samples(3.0, scale=1e4))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.parametrize("method", ["neighbours", "logistic"])
def test_a_class_without_a_training_image_is_improbable_and_no_error(method):
    probabilities = probe_features(samples(4.0, untrained=1), 20)[method]
    assert probabilities.shape == (60, 3) and np.allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) != 1).all()


@pytest.fixture(scope="module")
def probed(made, tmp_path_factory) -> tuple[list[Embeddings], Probe]:
    """The embeddings of both parts of the small data set, and their probe."""
    folder = tmp_path_factory.mktemp("probed")
    paths = [folder / f"part={part}" for part in range(2)]
    for part, path in enumerate(paths):
        run_step("embed", {**made, "embeddings": path}, {"image_size": 32, "part": part, "first": 12})
    run_step("probe", {"embeddings": paths, "splits": made["splits"], "probe": folder / "probe"}, {})
    return [Embeddings.read(path) for path in paths], Probe.read(folder / "probe")


def test_embeddings_are_the_features_that_are_extracted_of_plain_images(probed, made):
    features = Features.read(made["features"])
    for embeddings in probed[0]:
        files = embeddings.table("files.csv")["file"].tolist()
        extracted = features.array[features.rows(files), 0]
        assert np.allclose(embeddings.array, extracted, rtol=1e-4, atol=1e-5)


def test_parts_have_all_images_that_train_or_validate_and_no_test_image(probed, made):
    files = [file for one in probed[0] for file in one.table("files.csv")["file"]]
    assert sorted(files) == sorted(Splits.read(made["splits"]).table("splits.csv")["file"])


def test_a_probe_keeps_the_better_method_on_all_validation_images(probed, made):
    probe = probed[1]
    scores = probe.table("scores.csv").set_index("method")["validation_log_loss"]
    assert probe.facts.method == scores.idxmin()
    assert probe.facts.validation_log_loss == pytest.approx(scores.min())
    assert (probe.facts.train_images, probe.facts.validation_images) == (24, 12)
    arrays = probe.arrays("predictions")
    assert metrics.log_loss(arrays["labels"], arrays["probabilities"]) == pytest.approx(scores.min(), rel=1e-5)
    assert probe.facts.network_parameters == 920784 and probe.facts.network_bytes > 4 * 920784


def test_a_probe_of_all_images_is_the_same_however_they_came(probed, made):
    whole, parts = Probe.read(made["probe"]).arrays("predictions"), probed[1].arrays("predictions")
    assert (whole["labels"] == parts["labels"]).all()
    assert np.allclose(whole["probabilities"], parts["probabilities"], atol=1e-3)

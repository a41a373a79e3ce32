"""Training: what is drawn, what is kept, what stays frozen, and that it repeats."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import pytest

from components.errors import UserError
from components.model import backbones, optimizers, training
from components.model.cut import cut
from components.model.training import Rows, Settings

SETTINGS: dict[str, Any] = {
    "optimizer": "adam",
    "learning_rate": 0.05,
    "epochs": 8,
    "patience": 3,
    "batch_size": 7,
    "seed": 3,
}


def blobs(count: int = 60, views: int = 3) -> tuple[Rows, Rows]:
    """Return a training and a validation part of noisy points around three corners, (count, views, 4)."""
    random = np.random.default_rng(1)
    labels = np.arange(count) % 3
    array = (np.eye(3, 4)[labels][:, None] + random.normal(0, 0.4, (count, views, 4))).astype(np.float32)
    rows = random.permutation(count)
    return Rows(array, rows[:40], labels[rows[:40]]), Rows(array, rows[40:], labels[rows[40:]])


def linear() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])


def fit(model: keras.Model, parts: tuple[Rows, Rows], **changed) -> training.Trained:
    with TemporaryDirectory() as folder:
        settings = Settings(**{**SETTINGS, **changed})
        return training.train("test", model, parts, settings, lambda epoch, row: None, Path(folder))


def test_an_epoch_holds_every_training_image_once_and_draws_views_anew():
    part = blobs()[0]
    views = training.DrawnViews(part, batch_size=7, seed=1)
    epochs = []
    for epoch in (0, 1, 0):
        views.begin(epoch)
        batches = [views[number] for number in range(len(views))]
        assert [len(labels) for _, labels in batches] == [7, 7, 7, 7, 7, 5]
        epochs.append(np.concatenate([batch for batch, _ in batches]))
        row = {part.array[row, view].tobytes(): row for row in part.rows for view in range(3)}
        assert sorted(row[point.tobytes()] for point in epochs[-1]) == sorted(part.rows)
    assert not np.array_equal(epochs[0], epochs[1])
    np.testing.assert_array_equal(epochs[0], epochs[2])


def test_the_best_epoch_is_kept_and_training_stops_after_patience():
    parts = blobs()
    model = linear()
    trained = fit(model, parts, epochs=60, learning_rate=0.5)
    history = trained.history
    best = int(np.argmin(history["validation_loss"]))
    assert len(history) == min(60, best + 1 + 3)
    again = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(parts[1].labels, trained.logits)
    assert float(again) == pytest.approx(history["validation_loss"][best], rel=1e-5)
    np.testing.assert_array_equal(training.predict(model, parts[1]), trained.logits)


def test_every_epoch_is_logged_as_in_the_history(tmp_path):
    seen = []
    model = linear()
    trained = training.train("test", model, blobs(), Settings(**SETTINGS), lambda *said: seen.append(said), tmp_path)
    assert [epoch for epoch, _ in seen] == trained.history["epoch"].tolist()
    assert [row["validation_kappa"] for _, row in seen] == trained.history["validation_kappa"].tolist()
    assert not hasattr(model, "optimizer") or model.optimizer is None


@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
def test_training_repeats_to_the_last_digit(optimizer):
    def once():
        training.seeded(5)
        return fit(linear(), blobs(), optimizer=optimizer, epochs=3).history

    assert once().equals(once())


def test_suffix_training_is_whole_network_training_and_batch_normalisation_stands_still():
    """SGD, the same stored images: the losses of the suffix alone are those of the whole network."""
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (12, 1, 64, 64, 3)).astype(np.float32)
    labels = np.arange(12) % 3
    rows = (np.arange(8), np.arange(8, 12))
    losses = []
    for whole in (True, False):
        keras.utils.set_random_seed(2)
        network = backbones.get("mobilenet_v2").build(64)
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.set_weights([np.full_like(weight, 0.5) for weight in layer.get_weights()])
        still = [weight.numpy() for weight in network.non_trainable_weights]
        prefix, suffix = cut(network, "block_16_expand")
        body = network if whole else suffix
        pooled = keras.layers.GlobalAveragePooling2D()(body.output)
        model = keras.Model(body.input, keras.layers.Dense(3, kernel_initializer="zeros")(pooled))
        array = images if whole else prefix.predict_on_batch(images[:, 0])[:, None]
        train, validation = (Rows(array, part, labels[part]) for part in rows)
        trained = fit(model, (train, validation), optimizer="sgd", learning_rate=0.01, epochs=3, batch_size=4)
        losses.append(trained.history[["loss", "validation_loss"]].to_numpy())
        moving = [weight for weight in network.weights if "moving" in weight.path]
        assert moving
        frozen = {weight.path: weight for weight in network.non_trainable_weights}
        for before, path in zip(
            still, [weight.path for weight in network.weights if "moving" in weight.path], strict=True
        ):
            np.testing.assert_array_equal(frozen[path].numpy(), before)
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-4)
    assert losses[0][0, 0] != losses[0][-1, 0]


def test_a_loss_that_is_no_number_ends_the_training():
    train, validation = blobs()
    broken = Rows(np.where(train.array > 1, np.inf, train.array), train.rows, train.labels)
    with pytest.raises(UserError, match="lower the learning rate"):
        fit(linear(), (broken, validation))


class Stopped(Exception):
    pass


@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
@pytest.mark.parametrize("moments", [[1], [3, 4], [2, 3, 4, 5, 6, 7, 8]])
def test_a_training_that_was_broken_off_ends_as_if_it_had_never_stopped(optimizer, moments, tmp_path):
    """Broken off in epochs of any number, once or again and again; dropout, order, views and early stopping go on."""

    def model() -> keras.Model:
        training.seeded(4)
        layers = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.4), keras.layers.Dense(3)]
        return keras.Sequential([keras.Input((4,)), *layers])

    changed = {"optimizer": optimizer, "learning_rate": 0.02, "epochs": 9}
    whole = model()
    expected = fit(whole, blobs(), **changed)
    left = [*moments]

    def log(epoch: int, row: dict[str, float]) -> None:
        if left and epoch == left[0]:
            del left[0]
            raise Stopped  # before the epoch is kept: it is trained again

    trained = None
    while trained is None:
        resumed = model()
        with suppress(Stopped):
            trained = training.train("test", resumed, blobs(), Settings(**{**SETTINGS, **changed}), log, tmp_path)
    assert not left
    assert trained.history.equals(expected.history)
    np.testing.assert_array_equal(trained.logits, expected.logits)
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_training_that_had_ended_is_not_trained_on(tmp_path):
    parts = blobs()
    settings = Settings(**{**SETTINGS, "epochs": 60, "learning_rate": 0.5})
    first = training.train("test", linear(), parts, settings, lambda *said: None, tmp_path)
    again = training.train("test", linear(), parts, settings, lambda *said: None, tmp_path)
    assert len(first.history) < 60
    assert again.history.equals(first.history) and again.training_seconds == first.training_seconds
    np.testing.assert_array_equal(again.logits, first.logits)

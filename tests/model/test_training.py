"""Training: the rows of an epoch, the best epoch, what stays frozen, the state after a stop, and that it repeats."""

import json
import re
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.special import log_softmax

from components.data import oddities
from components.data.artifacts import Classifier, Features, Forecast, Splits
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.model import backbones, delivery, optimizers, rate_finder, runtime, training
from components.model.assembly import Untrained
from components.model.cut import cut
from components.model.epochs import Epochs, image_weights
from components.model.learning_rates import plan_schedule
from components.model.rows import FreshRows, Rows
from components.model.settings import FineTuning
from components.model.trainer import Trainer
from components.results.forecasts import forecast_sentences
from components.scores import label_errors
from components.scores.temperature import fit_temperature
from components.system.errors import UserError
from pipeline import __main__, recipes
from tests.conftest import NETWORK, PARAMETERS, TRAINED, TRAINING

SETTINGS: dict[str, Any] = {
    **TRAINING, "learning_rate": 0.05, "epochs": 8, "patience": 3, "batch_size": 7, "seed": 3, "l2": 0,
    "backbone_rate": 1, "rate_decay": 1, "soup": 1,
}  # fmt: skip
EVERYTHING = {
    "optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "warm_up": 0.3, "label_smoothing": 0.1,
    "class_weights": "balanced", "monitor": "accuracy", "min_delta": 1e-4, "l2": 0.01, "backbone_rate": 0.3,
    "rate_decay": 0.5, "ema_momentum": 0.8, "mixup": 0.4,
}  # fmt: skip


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


def deep() -> tuple[keras.Model, keras.Model]:
    """Return a model of two layers and dropout, and its head, which is the last."""
    runtime.set_seed(4)
    head = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.4), head]
    return keras.Sequential([keras.Input((4,)), *layers]), head


def fit(
    model: keras.Model, parts: tuple[Rows, Rows], head: keras.Model | None = None, **changed: Any
) -> training.TrainingResult:
    with TemporaryDirectory() as folder:
        settings = FineTuning(**{**SETTINGS, **changed})
        return training.train("test", model, parts, settings, lambda epoch, row: None, Path(folder), head)


def weights_after(steps: int = 1, **changed: Any) -> list[list[np.ndarray]]:
    """Return the weights of the backbone and of the head of a `deep` model after some steps."""
    model, head = deep()
    settings = FineTuning(**{**SETTINGS, **changed})
    trainer = Trainer(model, head, settings, plan_schedule(settings, 100))
    part = blobs()[0]
    epoch = Epochs(part, settings)[0]
    for number in range(steps):
        trainer.train_batch(*epoch.read(part, number))
    return [[weight.numpy() for weight in layer.trainable_weights] for layer in (model.layers[0], head)]


def test_an_epoch_holds_every_training_image_once_and_draws_views_anew():
    part = blobs()[0]
    epochs = []
    for epoch in (0, 1, 0):
        order, views = part.epoch_order(1, epoch)
        assert sorted(order) == list(range(40)) and set(views) == {0, 1, 2}
        epochs.append(part.read(order, views))
        np.testing.assert_array_equal(epochs[-1], part.array[part.rows[order], views])
    assert not np.array_equal(epochs[0], epochs[1])
    np.testing.assert_array_equal(epochs[0], epochs[2])


def predict(model: keras.Model, part: Rows) -> np.ndarray:
    return model.predict_on_batch(part.array[part.rows, 0])


@pytest.mark.parametrize("min_delta", [0, 0.05])
@pytest.mark.parametrize("monitor", optimizers.MONITORS)
def test_the_best_epoch_is_kept_and_training_stops_after_patience(monitor, min_delta):
    parts = blobs()
    model = linear()
    trained = fit(model, parts, epochs=60, learning_rate=0.5, monitor=monitor, min_delta=min_delta)
    history = trained.history
    scores = -history["validation_log_loss"] if monitor == "log_loss" else history["validation_accuracy"]
    best = 0
    for epoch, score in enumerate(scores):
        if score > scores[best] + min_delta:
            best = epoch
    assert len(history) == min(60, best + 1 + 3)
    assert trained.best_epoch == best + 1
    again = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(parts[1].labels, trained.logits)
    assert float(again) == pytest.approx(history["validation_loss"][best], rel=1e-5)
    np.testing.assert_allclose(predict(model, parts[1]), trained.logits, atol=1e-5)


@pytest.mark.parametrize(("updates", "epochs"), [(0, 3), (18, 3), (19, 4), (60, 10)])
def test_training_waits_for_a_better_epoch_for_so_many_epochs_and_so_many_updates(updates, epochs):
    """An epoch has 6 updates; at a rate of nearly 0 none is better than the first by `min_delta`."""
    changed = {"patience_updates": updates, "epochs": 60, "learning_rate": 1e-12, "min_delta": 0.1}
    assert len(fit(linear(), blobs(), **changed).history) == 1 + epochs


def test_the_epoch_is_chosen_by_the_loss_after_its_own_temperature():
    """Overconfident epochs have a raw loss that rises while the calibrated one still falls."""
    _, validation = parts = blobs()
    trained = fit(linear(), parts, epochs=12, patience=12, learning_rate=1)
    raw, calibrated = (trained.history[f"validation_{name}"].to_numpy() for name in ("loss", "log_loss"))
    assert trained.best_epoch == calibrated.argmin() + 1 > raw.argmin() + 1
    logits = trained.logits / fit_temperature(validation.labels, trained.logits)
    assert calibrated.min() == pytest.approx(mean_loss(logits, validation.labels), rel=1e-5)


def mean_loss(logits: np.ndarray, labels: np.ndarray, smoothing: float = 0, balanced: bool = False) -> float:
    targets = np.eye(3)[labels] * (1 - smoothing) + smoothing / 3
    weights = (len(labels) / (3 * np.bincount(labels)))[labels] if balanced else 1
    return float(np.mean(-np.sum(targets * log_softmax(logits, axis=1), axis=1) * weights))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, mean_loss),
        ({"label_smoothing": 0.3}, partial(mean_loss, smoothing=0.3)),
        ({"class_weights": "balanced"}, partial(mean_loss, balanced=True)),
        ({"label_smoothing": 0.3, "class_weights": "balanced"}, partial(mean_loss, smoothing=0.3, balanced=True)),
    ],
)
@pytest.mark.parametrize("l2", [0, 0.2])
def test_the_training_loss_is_as_asked_for_and_the_validation_loss_stays(changed, expected, l2):
    """Losses before anything moves, on a part with 24, 10 and 6 images a class."""
    part, validation = blobs(views=1)
    labels = np.repeat([0, 1, 2], [24, 10, 6])
    model = linear()
    logits = predict(model, part)
    history = fit(
        model, (Rows(part.array, part.rows, labels), validation), model, **changed, l2=l2,
        epochs=1, batch_size=40, learning_rate=1e-12,
    ).history  # fmt: skip
    penalty = l2 * np.sum(model.get_weights()[0] ** 2)
    assert history["loss"][0] == pytest.approx(expected(logits, labels) + penalty, rel=1e-5)
    plain = mean_loss(predict(model, validation), validation.labels)
    assert history["validation_loss"][0] == pytest.approx(plain, rel=1e-5)


def test_a_class_without_training_images_has_no_weight():
    assert image_weights("balanced", np.array([0, 0, 2])).tolist() == [0.75, 0.75, 1.5]


def test_a_model_trained_with_everything_is_saved_without_optimizer_and_regulariser(tmp_path):
    model, head = deep()
    fit(model, blobs(), head, **EVERYTHING)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.losses == [] and not hasattr(loaded, "optimizer")
    point = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(loaded.predict_on_batch(point), model.predict_on_batch(point))


@pytest.mark.parametrize("share", [0, 0.25])
@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
def test_one_step_moves_the_backbone_a_share_as_far_and_the_head_as_ever(optimizer, share):
    changed = {"optimizer": optimizer, "weight_decay": 0.5 if optimizer == "adamw" else 0}
    start, whole, slow = weights_after(0), weights_after(**changed), weights_after(**changed, backbone_rate=share)
    for before, moved, less in zip(start[0], whole[0], slow[0], strict=True):
        assert not np.array_equal(moved, before)
        np.testing.assert_allclose(less - before, share * (moved - before), atol=1e-7)
    for moved, same in zip(whole[1], slow[1], strict=True):
        np.testing.assert_array_equal(same, moved)


def test_a_backbone_at_rate_0_stands_still():
    still, halted = weights_after(0), weights_after(5, **{**EVERYTHING, "warm_up": 0, "backbone_rate": 0})
    for before, after in zip(still[0], halted[0], strict=True):
        np.testing.assert_array_equal(after, before)
    assert not np.array_equal(still[1][0], halted[1][0])


@pytest.mark.parametrize("backbone_rate", [1, 0.25])
@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
def test_the_moving_average_is_in_the_model_while_it_is_validated(optimizer, backbone_rate):
    """It begins with the weights after the first step; the steps that follow are those from the weights themselves."""
    model, head = deep()
    changed = {"optimizer": optimizer, "backbone_rate": backbone_rate, "ema_momentum": 0.7}
    settings = FineTuning(**{**SETTINGS, **changed})
    trainer, part = Trainer(model, head, settings, plan_schedule(settings, 100)), blobs()[0]
    epoch, average = Epochs(part, settings)[0], list[np.ndarray]()
    for number in range(4):
        trainer.train_batch(*epoch.read(part, number))
        weights = model.get_weights()
        average = [0.7 * a + 0.3 * w for a, w in zip(average, weights, strict=True)] if average else weights
        with trainer.averaged_weights():
            for one, other in zip(model.get_weights(), average, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-6)
        for one, other in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(one, other)
    assert not np.allclose(average[0], weights[0])


def test_an_average_changes_what_is_validated_and_delivered_and_no_step():
    parts, models = blobs(), [deep() for _ in range(2)]
    plain, averaged = (
        fit(model, parts, head, epochs=6, patience=6, ema_momentum=momentum)
        for (model, head), momentum in zip(models, (0, 0.9), strict=True)
    )
    assert plain.history["loss"].equals(averaged.history["loss"])
    assert (plain.history["validation_loss"] != averaged.history["validation_loss"]).all()
    np.testing.assert_allclose(predict(models[1][0], parts[1]), averaged.logits, atol=1e-5)


def test_the_loss_of_mixed_images_is_that_of_both_labels():
    """Before anything moves, by MixUp and CutMix of maps, from memory and from disk."""
    random = np.random.default_rng(0)
    part = Rows(random.normal(size=(12, 1, 4, 4, 2)).astype(np.float32), np.arange(12), np.arange(12) % 3)
    model = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Flatten(), keras.layers.Dense(3)])
    changed = {"mixup": 1, "cutmix": 1, "epochs": 4, "patience": 4, "batch_size": 6, "learning_rate": 1e-12}
    epochs = Epochs(part, FineTuning(**{**SETTINGS, **changed}))
    expected = []
    for number in range(4):
        total = 0.0
        for batch in range(2):
            views, targets = epochs[number].read(part, batch)
            log_probabilities = log_softmax(model.predict_on_batch(views), axis=1)
            total -= 6 * sum((log_probabilities[np.arange(6), labels] * shares).sum() for labels, shares in targets)
        expected.append(total / 12)
    for most in (training.MAX_BYTES_IN_MEMORY, 0):
        with patch.object(training, "MAX_BYTES_IN_MEMORY", most):
            losses = fit(model, (part, part), **changed).history["loss"]
        np.testing.assert_allclose(losses, expected, rtol=1e-4)


def test_momentum_carries_a_step_on():
    start, first = weights_after(0), weights_after(1, optimizer="sgd", momentum=0.7)
    plain, carried = (weights_after(2, optimizer="sgd", momentum=momentum) for momentum in (0.0, 0.7))
    for old, new, one, other in zip(*(weights[1] for weights in (start, first, plain, carried)), strict=True):
        np.testing.assert_allclose(other - one, 0.7 * (new - old), atol=1e-6)


def test_weight_decay_takes_its_share_off_beside_adam_s_step():
    start, adam, adamw = weights_after(0), weights_after(), weights_after(optimizer="adamw", weight_decay=0.5)
    for before, one, other in zip(start[1], adam[1], adamw[1], strict=True):
        np.testing.assert_allclose(one - other, 0.05 * 0.5 * before, atol=1e-6)


@pytest.mark.parametrize("backbone_rate", [1, 0.5])
def test_weight_decay_takes_nothing_off_biases_and_normalisation(backbone_rate):
    """A step with gradients of 0, by one optimizer and by two; all weights are 1 before."""
    head = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    layers = [keras.layers.Conv2D(3, 3), keras.layers.DepthwiseConv2D(3), keras.layers.LayerNormalization(), head]
    model = keras.Sequential([keras.Input((6, 6, 3)), *layers])
    settings = FineTuning(
        **{**SETTINGS, "optimizer": "adamw", "weight_decay": 0.1, "learning_rate": 1, "backbone_rate": backbone_rate}
    )
    trainer = Trainer(model, head, settings, plan_schedule(settings, 1))
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    gradients = [np.zeros(variable.shape, np.float32) for variable in model.trainable_variables]
    trainer.optimizer.apply(gradients, model.trainable_variables)
    left = {variable.path: variable.numpy() for variable in model.trainable_variables}
    assert len(left) == 8
    for path, values in left.items():
        share = 0.1 * (1 if path in {variable.path for variable in head.variables} else backbone_rate)
        np.testing.assert_allclose(values, 1 - share if "kernel" in path else 1, rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_weight_decay_is_adamw_s(optimizer):
    with pytest.raises(
        UserError, match=f"{optimizer} has no weight decay; received 0.01: choose adamw, or set it to 0"
    ):
        FineTuning(**{**SETTINGS, "optimizer": optimizer, "weight_decay": 0.01})


def test_every_epoch_is_logged_as_in_the_history(tmp_path):
    calls = []
    model = linear()
    trained = training.train("test", model, blobs(), FineTuning(**SETTINGS), lambda *call: calls.append(call), tmp_path)
    assert [epoch for epoch, _ in calls] == trained.history["epoch"].tolist()
    assert [row["validation_kappa"] for _, row in calls] == trained.history["validation_kappa"].tolist()
    assert not hasattr(model, "optimizer") or model.optimizer is None


@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
def test_training_repeats_to_the_last_digit(optimizer):
    def train_once():
        runtime.set_seed(5)
        return fit(linear(), blobs(), optimizer=optimizer, epochs=3).history

    assert train_once().equals(train_once())


@pytest.mark.parametrize("name", TRAINED)
def test_suffix_training_is_whole_network_training_and_batch_normalisation_stands_still(name):
    """SGD, the same stored images: the losses of the suffix alone are those of the whole network."""
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (12, 1, 32, 32, 3)).astype(np.float32)
    labels = np.arange(12) % 3
    rows = (np.arange(8), np.arange(8, 12))
    entry = backbones.get(name)
    losses = []
    for whole in (True, False):
        keras.utils.set_random_seed(2)
        network = entry.build(32)
        still = {weight.path: weight.numpy() for weight in network.weights if "moving" in weight.path}
        prefix, suffix = cut(network, entry.first_trainable_layer("last_block", network))
        body = network if whole else suffix
        pooled = keras.layers.GlobalAveragePooling2D()(body.output)
        model = keras.Model(body.input, keras.layers.Dense(3, kernel_initializer="zeros")(pooled))
        array = images if whole else prefix.predict_on_batch(images[:, 0])[:, None]
        train, validation = (Rows(array, part, labels[part]) for part in rows)
        trained = fit(model, (train, validation), optimizer="sgd", learning_rate=0.01, epochs=3, batch_size=4)
        losses.append(trained.history[["loss", "validation_loss"]].to_numpy())
        for weight in network.weights:
            if "moving" in weight.path:
                np.testing.assert_array_equal(weight.numpy(), still.pop(weight.path))
        assert not still
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-4)
    assert losses[0][0, 0] != losses[0][-1, 0]


@pytest.mark.parametrize("in_memory", [True, False], ids=["memory", "disk"])
@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
def test_training_is_that_of_keras_s_fit(optimizer, in_memory, monkeypatch):
    """The same batches, dropout and balanced weights: the losses of `fit` with Keras's own optimizer."""
    if not in_memory:
        monkeypatch.setattr(training, "MAX_BYTES_IN_MEMORY", 0)
    part, validation = blobs()
    labels = np.repeat([0, 1, 2], [24, 10, 6])
    part = Rows(part.array, part.rows, labels)
    model, head = deep()
    changed = {"optimizer": optimizer, "class_weights": "balanced", "epochs": 5, "patience": 5, "learning_rate": 0.02}
    history = fit(model, (part, validation), head, **changed).history
    plain, _ = deep()
    options = {"momentum": 0.9} if optimizer == "sgd" else {}
    kind = getattr(keras.optimizers, optimizers.OPTIMIZERS[optimizer][0])
    weight_decay = {"weight_decay": TRAINING["weight_decay"]} if optimizer == "adamw" else {}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    plain.compile(kind(0.02, **options, **weight_decay), loss, metrics=["accuracy"])
    weights = image_weights("balanced", labels)
    for epoch in range(5):
        order, views = part.epoch_order(3, epoch)
        expected = plain.fit(
            part.read(order, views), labels[order], 7, sample_weight=weights[order], shuffle=False, verbose=0
        )
        assert history["loss"][epoch] == pytest.approx(expected.history["loss"][0], abs=1e-5)
        assert history["accuracy"][epoch] == pytest.approx(expected.history["accuracy"][0])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
def test_an_update_in_one_operation_is_that_of_keras_s_optimizer(optimizer, momentum):
    random = np.random.default_rng(0)
    kind, option_names = optimizers.OPTIMIZERS[optimizer]
    options = {"momentum": momentum, "weight_decay": 0.1}
    rate = keras.optimizers.schedules.CosineDecay(0.1, 20)
    places = []
    gradients = random.normal(size=(20, 2, 5, 3)).astype(np.float32)
    for built in (
        optimizers.build(optimizer, rate, **options),
        getattr(keras.optimizers, kind)(rate, **{name: options[name] for name in option_names}),
    ):
        variables = [keras.Variable(np.ones((5, 3), np.float32)) for _ in range(2)]
        for both in gradients:
            built.apply(list(both), variables)
        places.append([variable.numpy() for variable in variables])
    np.testing.assert_allclose(places[0], places[1], atol=2e-5)  # of steps of 0.1


def fine_tune(made: dict[str, Path], folder: Path, prefix: str, views: int) -> Classifier:
    """Fine-tune the `made` top's recipe without dropout, from a stored or a live prefix."""
    names = ("augmented", "chosen_precision", "features", "tensors", "top", "classifier")
    at = {**made, **{name: folder / prefix / name for name in names}}
    run_step("augment", at, {**PARAMETERS["augment"], "views": views})
    run_step("choose_precision", at, PARAMETERS["choose_precision"])
    run_step("extract", at, {**PARAMETERS["extract"], "prefix": prefix})
    run_step("train_top", at, {**PARAMETERS["train_top"], "dropout": 0})
    run_step("fine_tune", at, {**PARAMETERS["fine_tune"], "epochs": 3})
    return Classifier.read(at["classifier"])


def test_a_live_prefix_without_views_trains_as_the_stored_one(made, tmp_path):
    stored, live = (fine_tune(made, tmp_path, prefix, views=0) for prefix in ("stored", "live"))
    both = [each.table("history.csv").to_numpy() for each in (stored, live)]
    np.testing.assert_allclose(both[0], both[1], atol=1e-4)
    assert stored.facts.trainable_parameters == live.facts.trainable_parameters


def test_a_live_prefix_sees_another_view_of_every_image_in_every_epoch(made, tmp_path):
    with patch.object(FreshRows, "read", autospec=True, side_effect=FreshRows.read) as read:
        fine_tune(made, tmp_path, "live", views=2)
    batches = [(part, *places, FreshRows.read(part, *places)) for (part, *places), _ in read.call_args_list]
    assert len(batches) == 3 * 3
    part = batches[0][0]
    plain = Rows(part.array, part.rows, part.labels)
    views_by_file: dict[str, list[np.ndarray]] = {}
    for _, numbers, views, images in batches:
        assert len(set(views)) == 1
        for number, image in zip(numbers, images, strict=True):
            views_by_file.setdefault(part.files[number], []).append(image)
            assert not np.array_equal(image, plain.read(np.array([number]), 0)[0])
    assert len(views_by_file) == 24 and {len(images) for images in views_by_file.values()} == {3}
    assert all(not np.array_equal(images[0], images[1]) for images in views_by_file.values())
    names = Features.read(tmp_path / "live/features").table("files.csv")["file"]
    assert [names[row] for row in part.rows] == list(part.files)


TWO_DEVICES = """
import json, sys
import keras, numpy as np, tensorflow as tf
from components.machinery.running import run_step
from components.model import runtime
from tests.conftest import PARAMETERS

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
at = json.loads(sys.argv[1])
values = {**PARAMETERS["fine_tune"], "batch_size": 5, "class_weights": "balanced", "l2": 0.1, "epochs": 3}
values |= {"ema_momentum": 0.5, "mixup": 0.5, "cutmix": 0.5, "rate_decay": 0.5}
strategies = [runtime.device_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])]
for number, strategy in enumerate(strategies):
    assert strategy.num_replicas_in_sync == number + 1
    runtime.device_strategy = lambda: strategy
    run_step("fine_tune", {**at, "classifier": f"{at['folder']}/{number}"}, values)
"""


@pytest.mark.slow  # a process with Keras
def test_two_devices_train_as_one(made, tmp_path):
    """Batches of 5, and a last one of 4, do not divide evenly."""
    at = {name: str(made[name]) for name in ("features", "tensors", "splits", "weights")}
    at |= {"top": str(tmp_path / "top"), "classifier": str(tmp_path / "classifier"), "folder": str(tmp_path)}
    run_step("train_top", at, {**PARAMETERS["train_top"], "dropout": 0})  # devices draw masks of their own
    subprocess.run([sys.executable, "-c", TWO_DEVICES, json.dumps(at)], check=True, cwd=ROOT)
    one, two = (Classifier.read(tmp_path / name) for name in "01")
    histories = [each.table("history.csv").to_numpy() for each in (one, two)]
    np.testing.assert_allclose(histories[0], histories[1], atol=1e-4)
    images = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)
    outputs = [each.load().predict_on_batch(images) for each in (one, two)]
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-4)


def test_a_loss_that_is_no_number_ends_the_training():
    train, validation = blobs()
    broken = Rows(np.where(train.array > 1, np.inf, train.array), train.rows, train.labels)
    with pytest.raises(UserError, match="lower the learning rate"):
        fit(linear(), (broken, validation))


@pytest.mark.parametrize("step", ["train_top", "train_benchmark"])
def test_one_step_at_a_rate_that_leaves_no_numbers_ends_the_training(step, made, tmp_path):
    """The loss, which is that before the step, is still a number then."""
    at = {**made, "top": tmp_path / "top", "classifier": tmp_path / "classifier"}
    changed = {"optimizer": "sgd", "learning_rate": 1e38, "epochs": 1, "batch_size": 64}
    with pytest.raises(UserError, match=r"not numbers.*: lower the learning rate"):
        run_step(step, at, {**PARAMETERS[step], **changed})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("monitor", optimizers.MONITORS)
def test_a_last_epoch_that_leaves_no_numbers_ends_the_training_after_good_ones_too(monitor, monkeypatch):
    """An epoch of one batch whose rate is far too high: its loss is that before the step."""
    model, rates = linear(), keras.optimizers.schedules.PiecewiseConstantDecay([1], [1e-6, 1e38])
    monkeypatch.setattr(training, "plan_schedule", lambda settings, steps: lambda share: rates)
    with pytest.raises(UserError, match="not numbers after epoch 3: lower the learning rate"):
        fit(model, blobs(), model, optimizer="sgd", monitor=monitor, batch_size=40, epochs=3, l2=1e4)


def test_a_unit_whose_weight_overflowed_ends_the_training_though_nothing_else_shows_it(tmp_path):
    """Its bias is minus infinity, so that it is dead, and loss and logits are numbers."""
    model, _ = deep()

    def overflow(epoch: int, row: dict[str, float]) -> None:
        dense = model.layers[0]
        dense.bias.assign(np.where(np.arange(8) == 0, -np.inf, dense.bias.numpy()))

    with pytest.raises(UserError, match="not numbers after epoch 2: lower the learning rate"):
        training.train("test", model, blobs(), FineTuning(**SETTINGS), overflow, tmp_path)


def test_a_model_whose_logits_are_no_numbers_is_not_delivered(tmp_path):
    classifier = Classifier(tmp_path, {"facts": {"classes": ["down", "left", "up"], "image_size": 8}})
    result = training.TrainingResult(pd.DataFrame(columns=["epoch"]), 0, np.full((20, 3), np.inf), 0.0)
    with pytest.raises(UserError, match="the outputs of top on validation are not numbers: lower the learning rate"):
        delivery.deliver(classifier, "top", Untrained(deep()[0], blobs(), []), result)
    assert not list(tmp_path.iterdir())


class Stopped(Exception):
    pass


@pytest.mark.parametrize(
    ("changed", "moments"),
    [
        *(({"optimizer": name}, [1, 2, 6]) for name in optimizers.OPTIMIZERS),
        ({"ema_momentum": 0.8, "mixup": 0.4, "backbone_rate": 0.5}, [2, 5]),
        pytest.param(EVERYTHING, [1, 2, 3, 4, 5, 6, 7, 8], marks=pytest.mark.slow),
    ],
    ids=[*optimizers.OPTIMIZERS, "averaged and mixed", "everything"],
)
@pytest.mark.parametrize("in_memory", [True, False], ids=["memory", "disk"])
def test_a_training_that_was_broken_off_ends_as_if_it_had_never_stopped(
    changed, moments, in_memory, tmp_path, monkeypatch
):
    """Broken off in epochs of any number, again and again; dropout, order, views and early stopping go on."""
    monkeypatch.setattr("components.model.training_state.MAX_SAVING_SHARE", np.inf)
    if not in_memory:
        monkeypatch.setattr(training, "MAX_BYTES_IN_MEMORY", 0)
    settings = {**SETTINGS, "learning_rate": 0.02, "epochs": 9, "patience": 6, **changed}
    whole, head = deep()
    expected = fit(whole, blobs(), head, **settings)
    left = [*moments]

    def log(epoch: int, row: dict[str, float]) -> None:
        if left and epoch == left[0]:
            del left[0]
            raise Stopped  # before the epoch is kept: it is trained again

    trained = None
    while trained is None:
        resumed, head = deep()
        with suppress(Stopped):
            trained = training.train("test", resumed, blobs(), FineTuning(**settings), log, tmp_path, head)
    assert not left
    assert trained.best_epoch == expected.best_epoch
    assert trained.history.equals(expected.history)
    np.testing.assert_array_equal(trained.logits, expected.logits)
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_training_that_had_ended_is_not_trained_on(tmp_path):
    parts = blobs()
    settings = FineTuning(**{**SETTINGS, "epochs": 60, "learning_rate": 0.5})
    first = training.train("test", linear(), parts, settings, lambda *epoch: None, tmp_path)
    again = training.train("test", linear(), parts, settings, lambda *epoch: None, tmp_path)
    assert len(first.history) < 60
    assert again.history.equals(first.history) and again.training_seconds == first.training_seconds
    np.testing.assert_array_equal(again.logits, first.logits)


@pytest.mark.parametrize(("optimizer", "share"), [("adam", 1.0), ("sgd", 0.5)])
def test_the_suggested_rate_trains_and_a_thousandth_and_a_thousandfold_do_not(optimizer, share):
    train, validation = blobs()
    model, head = deep()
    settings = FineTuning(**{**SETTINGS, "optimizer": optimizer, "backbone_rate": share})
    curve = rate_finder.record_losses(model, train, settings, head)
    assert np.isfinite(curve["loss"]).all()
    np.testing.assert_allclose(np.diff(np.log(curve["learning_rate"])), np.log(1e9) / 299)
    rate = rate_finder.suggest_rate(curve)
    losses = []
    for factor in (1, 1e-3, 1e3):
        model, head = deep()
        result = fit(model, (train, validation), head, optimizer=optimizer, learning_rate=rate * factor, epochs=6)
        losses.append(result.history["validation_loss"].iloc[-1])
    assert losses[0] < 0.7 * min(losses[1:])


def edges(source: Path, **entries: Any) -> dict[str, Any]:
    """Return a params.yaml whose one recipe has the `made` values, and other entries besides."""
    content = recipes.read(ROOT / "params.yaml")
    content["data"]["own"] = {"edges": {"source": str(source)}}
    content["weights"]["own"] = {NETWORK: PARAMETERS["fetch_weights"]}
    values = {name: PARAMETERS[name] for name in recipes.IN_RECIPES}
    recipe = {"data": "edges", "networks": [NETWORK], **values, **entries}
    return {**content, "active": ["edges"], "recipes": {"edges": recipe}}


@pytest.fixture
def project(made, source, tmp_path, monkeypatch) -> Path:
    """A folder to be in, whose one recipe has run with the second of its networks."""
    monkeypatch.chdir(tmp_path)
    content = edges(source, networks=["random_vgg16_small", NETWORK])
    Path("params.yaml").write_text(yaml.safe_dump(content))
    for path in made.values():
        link = path.relative_to(made["splits"].parents[2])
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    return tmp_path


def test_heads_trained_at_once_are_those_of_train_top(made, project, capsys):
    """Of every setting the scores of its own train_top; ranked on validation; nothing else changes."""
    sweeps = ["learning_rate=1e-4,1e-2", "head=linear,hidden", "dropout=0.3", "epochs=7"]
    options = [word for sweep in sweeps for word in ("--sweep", f"train_top.{sweep}")]
    __main__.main(["find_head", "edges", "--network", NETWORK, *options])
    line = r"best on validation: learning_rate: 0\.01, head: \w+, dropout: 0\.3, epochs: 7 \("
    assert re.search(line, capsys.readouterr().out)
    table = pd.read_csv(f"artifacts/edges/{NETWORK}/heads.csv")
    assert table["validation_log_loss"].is_monotonic_increasing
    assert sorted(zip(table["learning_rate"], table["head"], strict=True)) == [
        (rate, head) for rate in (1e-4, 1e-2) for head in ("hidden", "linear")
    ]
    for row in table.to_dict("records"):
        at = {**made, "top": project / "top", "classifier": project / "classifier"}
        values = {name: row[name] for name in ("learning_rate", "head", "dropout", "epochs")}
        run_step("train_top", at, {**PARAMETERS["train_top"], **values})
        alone = Classifier.read(project / "classifier")
        best = alone.table("history.csv").set_index("epoch").loc[alone.facts.best_epoch]
        assert row["best_epoch"] == alone.facts.best_epoch
        assert row["validation_log_loss"] == pytest.approx(best["validation_log_loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("fine_tune.epochs=1,2", "--sweep takes train_top.PARAMETER=VALUE,... here; received fine_tune.epochs=1,2"),
        ("train_top.epochs=none", "train_top: epochs is a whole number; received 'none'"),
        ("train_top.rate=1", "no parameter of train_top 'rate'"),
        ("epochs=1", "STEP.PARAMETER=VALUE is needed"),
    ],
)
def test_a_search_of_heads_refuses_what_is_none(sweep, message, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match=re.escape(message)):
        __main__.main(["find_head", "digits", "--sweep", sweep])


@pytest.mark.parametrize("losses", [[], [1.0], [1.0, 2.0, 3.0]])
def test_there_is_no_rate_to_suggest_where_the_loss_never_falls(losses):
    curve = pd.DataFrame({"learning_rate": np.ones(len(losses)), "loss": losses, "smoothed": losses})
    with pytest.raises(UserError, match="the loss falls at no learning rate"):
        rate_finder.suggest_rate(curve)


@pytest.mark.parametrize("name", recipes.TRAINING)
def test_a_rate_is_found_for_a_step_from_its_training_part_and_nothing_else_changes(
    name, made, project, monkeypatch, capsys
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///journal.db")
    rates = Path("artifacts/edges", "" if name == "train_benchmark" else NETWORK, "rates")
    before = {path: path.read_bytes() for path in made["splits"].parent.rglob("*") if path.is_file()}
    monkeypatch.setattr(rate_finder, "BATCHES", 60)
    monkeypatch.setattr(rate_finder, "SMOOTHING", 5)
    with patch.object(rate_finder, "record_losses", side_effect=rate_finder.record_losses) as record_losses:
        __main__.main(["find_rate", "edges", "--network", NETWORK, "--step", name])
    assert f"look at {rates}/{name}.png" in capsys.readouterr().out
    assert (rates / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    train = Splits.read(made["splits"]).part("train")
    _, part, settings, head = record_losses.call_args.args
    assert len(part.rows) == len(train) and settings.optimizer == "adam"
    assert (head is None) == (name == "train_benchmark")
    assert {path: path.read_bytes() for path in made["splits"].parent.rglob("*") if path.is_file()} == before
    assert not Path("journal.db").exists()


def test_a_learning_curve_is_drawn_and_written_beside_the_features(project, capsys):
    __main__.main(["learning_curve", "edges", "--network", NETWORK, "--more", "3"])
    folder = Path("artifacts/edges", NETWORK)
    assert f"look at {folder}/learning_curve.png" in capsys.readouterr().out
    assert (folder / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    table = pd.read_csv(folder / "learning_curve.csv")
    assert table["images"].iloc[-1] == 3 * table["images"].iloc[-2]
    assert (table["accuracy_low"] <= table["accuracy_high"]).all()


def test_a_look_at_the_images_of_a_recipe_says_what_more_would_bring_to_it(made, project, source, capsys):
    sentences = forecast_sentences(Forecast.read(made["forecast"]))
    assert (
        "With 24 training images a regression on the features of vgg16_small at 32 pixels is right on" in sentences[0]
    )
    __main__.main(["look", str(source)])
    *_, tested, first, second = capsys.readouterr().out.splitlines()
    assert "test images: an accuracy of 0.9" in tested
    assert [first, second] == [f"look: edges, run before: w{sentences[0][1:]}", f"look: {sentences[1]}"]
    __main__.main(["look", str(source), "--set", "fetch.labels=leaves"])
    assert "run before" not in capsys.readouterr().out
    Path("artifacts/edges", NETWORK, "forecast").unlink()
    __main__.main(["look", str(source)])
    assert "run before" not in capsys.readouterr().out


def test_suspects_outliers_and_odd_images_are_listed_and_the_first_drawn(made, project, monkeypatch, capsys):
    splits = Splits.read(made["splits"])
    labels = splits.rows().set_index("file")["label"]
    with monkeypatch.context() as patched:
        rank = label_errors.rank_suspects
        patched.setattr(label_errors, "rank_suspects", lambda labels, given: rank(np.roll(labels, 1), given))
        patched.setattr(oddities, "LARGEST_Z", 1.5)
        __main__.main(["suspects", "edges", "--network", NETWORK, "--shown", "5"])
    folder = Path("artifacts/edges", NETWORK)
    printed = capsys.readouterr().out
    suspects, outliers, odd = (pd.read_csv(folder / f"{name}.csv") for name in ("suspects", "outliers", "odd"))
    assert f"{len(suspects)} of {len(labels)} images have a label that is probably wrong" in printed and len(suspects)
    assert (suspects["label"] != suspects["suggested"]).all() and {*suspects["split"]} <= {"train", "validation"}
    assert sorted(outliers["file"]) == sorted(labels.index)
    assert outliers["distance"].is_monotonic_decreasing
    assert f"{odd['file'].nunique()} images are odd" in printed and len(odd) and {*odd["file"]} <= {*labels.index}
    assert (folder / "suspects.png").read_bytes().startswith(b"\x89PNG")


def test_two_recipes_are_compared_by_their_test_images(made, project, capsys):
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["recipes"]["edges"]["networks"] = [NETWORK]
    content["recipes"]["other"] = {"like": "edges"}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match="edges is named twice"):
        __main__.main(["compare", "edges", "edges"])
    Path("artifacts/other").mkdir()
    Path("artifacts/other/comparison").symlink_to(made["comparison"])
    __main__.main(["compare", "edges", "other"])
    said = capsys.readouterr().out
    assert "12 test images are in both, of 12 of edges and 12 of other; 0 of them are labelled otherwise there." in said
    assert re.search(r"cannot tell the file of other from the file of edges|are equivalent within 1 point", said)


def test_decisions_in_a_list_are_not_written_over_and_those_of_the_recipe_are_not_asked_again(project, capsys):
    command = ["suspects", "edges", "--network", NETWORK]
    __main__.main(command)
    file = Path("artifacts/edges", NETWORK, "outliers.csv")
    lines = file.read_text().splitlines()
    assert lines[0].startswith("file,decision,") and ",," in lines[1]
    decided = "\n".join([lines[0], lines[1].replace(",,", ",exclude,", 1), *lines[2:]])
    file.write_text(f"{decided}\n")
    with pytest.raises(UserError, match=r"outliers.csv has 1 decisions, which would be lost: move it"):
        __main__.main(command)
    assert file.read_text() == f"{decided}\n"


def test_a_recipe_without_what_a_command_needs_says_which_model_to_put_in(project):
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["recipes"]["edges"]["models"] = ["benchmark"]
    Path("params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"edges has no step forecast: put .* or top or .* under its `models`"):
        __main__.main(["learning_curve", "edges"])


@pytest.mark.parametrize(
    "command", [["find_head", "--sweep", "train_top.dropout=0"], ["find_rate", "--step", "fine_tune"]]
)
def test_what_is_found_is_of_a_network_of_the_recipe_the_first_if_none_is_named(command, project):
    name, *options = command
    with pytest.raises(UserError, match="no network of edges 'glyph'; did you mean 'glyphs'"):
        __main__.main([name, "edges", *options, "--network", "glyph"])
    with pytest.raises(UserError, match="artifacts/edges/random_vgg16_small/"):
        __main__.main([name, "edges", *options])


@pytest.mark.parametrize("end", [0, 10, 300, -30])
def test_a_training_whose_saved_state_is_damaged_begins_anew_and_says_so(end, tmp_path, capsys):
    settings = FineTuning(**{**SETTINGS, "epochs": 3})
    first = training.train("test", linear(), blobs(), settings, lambda *epoch: None, tmp_path)
    state = tmp_path / "training.npz"
    state.write_bytes(state.read_bytes()[:end])
    again = training.train("test", linear(), blobs(), settings, lambda *epoch: None, tmp_path)
    assert again.history.equals(first.history)
    assert "training.npz cannot be read: the training begins anew" in capsys.readouterr().err

"""MixUp and CutMix: what a mixed batch is made of, for images, maps and features, and what its labels weigh."""

from typing import Any

import keras
import numpy as np
import pytest

from components.model.epochs import Epoch, Epochs
from components.model.mixing import mix
from components.model.rows import Rows
from components.model.settings import Training
from components.system.errors import UserError
from tests.conftest import TRAINING

SHAPES: list[tuple[int, ...]] = [(6, 9, 2), (5, 4), (7,)]
COUNTS = [8, 8, 6]


def rows(shape: tuple[int, ...], dtype: type = np.float32) -> Rows:
    array: np.ndarray = np.random.default_rng(0).uniform(0, 255, (22, 2, *shape)).astype(dtype)
    return Rows(array, np.arange(22), np.arange(22) % 3)


def epoch_of(part: Rows, number: int = 0, replicas: int = 1, **changed: Any) -> Epoch:
    return Epochs(part, Training(**{**TRAINING, **changed}), replicas)[number]


def batches(part: Rows, epoch: Epoch) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, tuple]]:
    """Return of each batch its images as they are, their partners, the mixed ones and the targets, without fillers."""
    assert epoch.mixtures and epoch.counts.tolist() == COUNTS
    found = []
    for number, count in enumerate(COUNTS):
        plain = part.read(epoch.numbers[number], epoch.views[number])
        mixed, targets = epoch.read(part, number)
        assert mixed.dtype == np.float32 and all((shares[count:] == 0).all() for _, shares in targets)
        partners = epoch.mixtures.partners[number][:count]
        assert sorted(partners) == list(range(count))
        found.append((plain[:count], plain[partners], mixed.numpy()[:count], targets))
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_mixup_is_the_weighted_mean_of_two_images_of_a_batch(shape, dtype):
    part = rows(shape, dtype)
    epoch = epoch_of(part, mixup=0.8)
    assert epoch.mixtures and len(np.unique(epoch.mixtures.shares)) == 3
    for share, (own, others, mixed, _) in zip(epoch.mixtures.shares, batches(part, epoch), strict=True):
        np.testing.assert_allclose(mixed, share * own + (1 - share) * others, rtol=1e-4)


def test_mixup_of_images_is_that_of_keras_s_layer():
    part = rows((6, 9, 2))
    epoch = epoch_of(part, mixup=0.8)
    assert epoch.mixtures
    partners, share = epoch.mixtures.partners[0], epoch.mixtures.shares[0]
    transformation = {"mix_weight": np.full(8, share), "permutation_order": partners}
    expected = keras.layers.MixUp().transform_images(part.read(epoch.numbers[0], epoch.views[0]), transformation)
    np.testing.assert_allclose(epoch.read(part, 0)[0], expected, rtol=1e-5)


def test_cutmix_takes_a_box_from_another_image_and_its_share_in_the_labels_is_its_area():
    part = rows((6, 9, 2))
    boxes = 0
    for number in range(20):
        epoch = epoch_of(part, number, cutmix=1)
        assert epoch.mixtures
        for share, (own, others, mixed, _) in zip(epoch.mixtures.shares, batches(part, epoch), strict=True):
            differs = (own != others).any(axis=(0, 3))
            other = (mixed != own).any(axis=(0, 3))
            np.testing.assert_array_equal(mixed, np.where(other[None, :, :, None], others, own))
            ends = [np.flatnonzero(other.any(axis=axis)) for axis in (1, 0)]
            assert other.sum() == len(ends[0]) * len(ends[1]) and differs.all()
            assert all((np.diff(end) == 1).all() for end in ends)
            assert share == pytest.approx(1 - other.mean())
            boxes += 0 < other.mean() < 1
    assert boxes > 40


def test_each_batch_is_of_either_where_there_are_both():
    part = rows((6, 9, 2))
    inside = np.concatenate([epoch_of(part, number, mixup=1, cutmix=1).mixing[1] for number in range(20)])
    assert 15 < (inside == 0).sum() < 45


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_labels_weigh_what_their_images_do_and_the_greater_share_is_the_first(class_weights):
    part = rows((7,))
    part = Rows(part.array, part.rows, np.repeat([0, 1, 2], [12, 6, 4]))
    weights = {"none": [1, 1, 1], "balanced": [22 / 36, 22 / 18, 22 / 12]}[class_weights]
    epoch = epoch_of(part, mixup=1, class_weights=class_weights)
    assert epoch.mixtures
    for number, (count, share) in enumerate(zip(COUNTS, epoch.mixtures.shares, strict=True)):
        own = part.labels[epoch.numbers[number][:count]]
        others = own[epoch.mixtures.partners[number][:count]]
        expected = [(own, share), (others, 1 - share)]
        for (labels, shares), (right, part_of) in zip(
            epoch.targets, sorted(expected, key=lambda pair: -pair[1]), strict=True
        ):
            np.testing.assert_array_equal(labels[number][:count], right)
            np.testing.assert_allclose(shares[number][:count], part_of * np.array(weights)[right] / count, rtol=1e-5)


def test_mixtures_follow_from_seed_and_epoch_whatever_the_number_of_devices():
    part = rows((6, 9, 2))
    first, again, three = (epoch_of(part, 4, replicas, cutmix=1, mixup=1) for replicas in (1, 1, 3))
    for one, same, filled in zip(first.mixing, again.mixing, three.mixing, strict=True):
        np.testing.assert_array_equal(one, same)
        np.testing.assert_array_equal(one, filled[:, :8] if one.shape[1:] == (8,) else filled)
    others = (epoch_of(part, 5, cutmix=1, mixup=1), epoch_of(part, 4, cutmix=1, mixup=1, seed=2))
    assert all(not np.array_equal(first.mixing[0], other.mixing[0]) for other in others)
    np.testing.assert_array_equal(first.numbers, epoch_of(part, 4).numbers)


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_cutmix_of_features_is_refused(shape):
    with pytest.raises(
        UserError, match=r"boxes out of images or maps; received features of shape .*: set it to 0 here"
    ):
        epoch_of(rows(shape), cutmix=1)


def test_a_filler_is_mixed_with_itself():
    views = np.arange(6, dtype=np.float32)[:, None]
    mixed = mix(views, np.array([1, 0, 2, 3, 4, 5]), np.float32(0.25), np.zeros(4, np.int32))
    np.testing.assert_array_equal(mixed[:, 0], [0.75, 0.25, 2, 3, 4, 5])

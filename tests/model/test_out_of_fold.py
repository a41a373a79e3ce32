"""Out-of-fold probabilities: no image is known by what is fitted on itself or its unit; flipped labels are found."""

import numpy as np

from components.model import out_of_fold
from components.scores import label_errors
from tests.model.test_learning_curve import CLASSES, blobs


def test_of_labels_that_were_flipped_most_are_suspects_and_most_suspects_were_flipped():
    features, labels = blobs(600, 0)
    features += 2 * np.eye(CLASSES, features.shape[1], dtype=np.float32)[labels]  # further apart
    random = np.random.default_rng(1)
    flipped = random.permutation(600)[:30]
    changed = labels.copy()
    changed[flipped] = (labels[flipped] + random.integers(1, CLASSES, 30)) % CLASSES
    probabilities = out_of_fold.out_of_fold_probabilities(features, changed, np.arange(600), CLASSES, 0)
    assert np.allclose(probabilities.sum(axis=1), 1)
    suspects = label_errors.rank_suspects(changed, probabilities)["row"]
    hit = np.isin(suspects, flipped).sum()
    assert hit >= 20 and hit >= 0.7 * len(suspects)


def test_a_unit_is_in_one_fold():
    """Each unit is one feature of its own, whose label nothing but itself tells."""
    random = np.random.default_rng(0)
    units = np.repeat(np.arange(40), 3)
    labels = np.repeat(random.integers(0, 2, 40), 3)
    features = np.eye(40, dtype=np.float32)[units] * 10
    together = out_of_fold.out_of_fold_probabilities(features, labels, units, 2, 0)
    apart = out_of_fold.out_of_fold_probabilities(features, labels, np.arange(120), 2, 0)
    right = [np.mean(one.argmax(axis=1) == labels) for one in (together, apart)]
    assert right[0] < 0.75 < 0.95 < right[1]


def test_what_is_far_from_its_class_is_far_and_a_lone_image_is_not():
    features = np.concatenate([np.tile([1.0, 0.0], (9, 1)), [[0.0, 1.0]], [[0.5, 0.5]]]).astype(np.float32)
    distances = out_of_fold.distances_within_classes(features, np.array([0] * 10 + [1]))
    assert distances.argmax() == 9 and distances[9] > 0.9
    assert distances[10] == 0 and np.allclose(distances[:9], 0, atol=1e-6)

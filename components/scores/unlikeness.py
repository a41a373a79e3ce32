"""How unlike its training images a model finds an image: by its features, and by what it makes of them.

The score is a form of virtual-logit matching: the distance of the features to the principal subspace of those of the
training images, less the logarithm of the summed powers of the logits, each in standard deviations over validation. Of
an image is told the share of validation images with a lower score, a group of them counting as one: of new images like
those of validation one in twenty is at least as unlike as 0.95, on average over draws of validation.

Source: Wang et al., ViM: Out-Of-Distribution with Virtual-logit Matching, arXiv 2203.10807.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

FILE = "unlikeness.npz"
DIMENSIONS = 64  # of the principal subspace, at most; half of the features where these are fewer than twice as many


class Unlikeness(NamedTuple):
    """What tells how unlike an image is; its arrays are those of the file `unlikeness.npz` of a classifier.

    Args:
        centre: Mean features of the training images, (features,).
        axes: Of their principal subspace, orthonormal, (features, dimensions).
        spreads: Standard deviations over validation of the distance to it, and of the summed powers' logarithm, (2,).
        scores: Those of the validation images, ascending, (n,).
        shares: Of validation, up to each of its images, (n,); a group counts as one image.
    """

    centre: np.ndarray
    axes: np.ndarray
    spreads: np.ndarray
    scores: np.ndarray
    shares: np.ndarray

    def share_below(self, features: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return the share of validation that is less unlike than each of some images, (n,), in [0, 1].

        Args:
            features: Their penultimate features, (n, features).
            logits: Of each class, (n, classes).
        """
        scores = score_images(features, logits, self.centre, self.axes, self.spreads)
        return np.r_[0.0, self.shares][np.searchsorted(self.scores, scores)]


def fit_unlikeness(
    features: np.ndarray, validation: tuple[np.ndarray, np.ndarray], units: np.ndarray
) -> Unlikeness:  # fmt: skip
    """Return the Unlikeness of a model.

    Args:
        features: Penultimate features of training images, (m, features).
        validation: Those of the validation images, (n, features), and their logits, (n, classes).
        units: Number of the unit of each validation image, from 0, (n,): a group, or an image by itself.
    """
    known = features.astype(np.float64)
    centre = known.mean(axis=0)
    dimensions = min(DIMENSIONS, known.shape[1] // 2)
    _, vectors = np.linalg.eigh((known - centre).T @ (known - centre))
    axes = np.ascontiguousarray(vectors[:, ::-1][:, :dimensions])
    held_out, logits = validation
    spreads = np.array([distances(held_out, centre, axes).std(), energies(logits).std()])
    spreads[spreads < 1e-12] = 1.0
    centre, axes, spreads = (array.astype(np.float32) for array in (centre, axes, spreads))
    scores = score_images(held_out, logits, centre, axes, spreads)
    order = np.argsort(scores, kind="stable")
    weights = 1 / np.bincount(units)[units[order]]
    return Unlikeness(centre, axes, spreads, scores[order], np.cumsum(weights) / weights.sum())


def score_images(
    features: np.ndarray, logits: np.ndarray, centre: np.ndarray, axes: np.ndarray, spreads: np.ndarray
) -> np.ndarray:
    """Return the scores of images, (n,), the more unlike the higher, by the arrays of an Unlikeness."""
    return distances(features, centre, axes) / spreads[0] - energies(logits) / spreads[1]


def distances(features: np.ndarray, centre: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return the distances of features, (n, features), to a subspace: a point of it, and its axes, orthonormal."""
    apart = features.astype(np.float64) - centre
    return np.linalg.norm(apart - apart @ axes @ axes.T, axis=1)


def energies(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the sum of the logits' powers, (n,), of each of some images."""
    return np.logaddexp.reduce(logits.astype(np.float64), axis=1)


def read_unlikeness(folder: Path) -> Unlikeness | None:
    """Return the Unlikeness of the classifier whose files lie in a folder; None where it keeps none."""
    if not (folder / FILE).is_file():
        return None
    with np.load(folder / FILE) as arrays:
        return Unlikeness(**arrays)

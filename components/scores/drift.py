"""Drift: whether new images, without labels, look to a model as those do that it knows, by two tests."""

import numpy as np
from scipy import spatial, stats

PERMUTATIONS, SEED = 999, 0
LOW = 0.1  # share of all images that counts as of low confidence
ROUNDING = 1e-12  # of a discrepancy, which is below 2


def mean_discrepancy_test(
    known: np.ndarray, new: np.ndarray, permutations: int = PERMUTATIONS, seed: int = SEED
) -> tuple[float, float]:
    """Return (squared maximum mean discrepancy of two samples of features, p of one as large by chance).

    The kernel is a Gaussian whose width is the median distance of all images. The p is that of a permutation test: if
    both samples are drawn alike, it is below any level no more often than that level says, whatever the features.

    Args:
        known: Features of known images, (n, features).
        new: Those of the new ones, (m, features).
        permutations: How often the images are dealt anew.
        seed: Of the dealing.

    Source: Gretton et al., A Kernel Two-Sample Test, Journal of Machine Learning Research 13 (2012).
    """
    features = np.concatenate([known, new]).astype(np.float64)
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    distances = spatial.distance.squareform(spatial.distance.pdist(features, "sqeuclidean"))
    apart = distances[distances > 0]
    kernel = np.exp(-distances / (np.median(apart) if len(apart) else 1.0))
    weights = np.where(np.arange(len(features)) < len(known), 1 / len(known), -1 / len(new))
    random = np.random.default_rng(seed)
    dealt = np.stack([weights, *(random.permutation(weights) for _ in range(permutations))])
    discrepancies = np.einsum("ij,ij->i", dealt @ kernel, dealt)
    as_large = discrepancies >= discrepancies[0] - ROUNDING  # the sample itself among them
    return float(max(discrepancies[0], 0.0)), float(as_large.mean())


def low_confidence_test(known: np.ndarray, new: np.ndarray) -> tuple[float, float, float]:
    """Return the shares of known and of new images of low confidence, and the p of so many new ones by chance.

    They are of low confidence that are among the tenth of all images with the lowest; the p is one-sided, exact.

    Args:
        known: The highest probability of each known image, (n,).
        new: That of each new one, (m,).

    Source: Fisher, The Design of Experiments, on the exact test of a table of two by two.
    """
    both = np.concatenate([known, new])
    low = stats.rankdata(both, "ordinal") <= np.ceil(LOW * len(both))
    of_new = int(low[len(known) :].sum())
    p = stats.hypergeom.sf(of_new - 1, len(both), int(low.sum()), len(new))
    return float(low[: len(known)].mean()), float(low[len(known) :].mean()), float(min(p, 1.0))

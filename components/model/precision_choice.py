"""The choice between float32 and bfloat16, by speed and by how far the features move."""

import sys
from time import perf_counter

import numpy as np
import pandas as pd

from components.data import augmentation
from components.data.artifacts import Augmented, Weights
from components.model import backbones
from components.model.extraction import extraction_graph, frozen_network, view_batches

TRIAL_VIEWS, TRIALS = 8, 3  # views that each precision is measured on, and how often
MIN_SPEEDUP, MAX_DIFFERENCE = 1.2, 0.01  # over float32, and as a share of the features' length, for bfloat16 to pay


def measure_precisions(augmented: Augmented, weights: Weights) -> pd.DataFrame:
    """Return a row for float32 and one for bfloat16: `precision`, `views_per_second`, `difference` of the features.

    The speed is that of the fastest of a few runs on a few views. The difference is that of the pooled features from
    those of float32, as a share of their length; 0 for float32 itself.
    """
    entry = backbones.entry_of(weights)
    network = entry.build(augmented.facts.image_size, weights.file)
    first, pooling = entry.first_trainable_layer("last_block", network), entry.pooling_name("auto")
    graphs = {
        name: extraction_graph(frozen_network(entry, network, first, pooling, False, name))
        for name in ("float32", "bfloat16")
    }
    batch = next(view_batches(augmentation.draw_views(augmented), TRIAL_VIEWS))
    features = {name: graph(batch)[0] for name, graph in graphs.items()}
    seconds = dict.fromkeys(graphs, np.inf)
    for name in [*graphs] * TRIALS:  # in turns
        start = perf_counter()
        graphs[name](batch)
        seconds[name] = min(seconds[name], perf_counter() - start)
    length = np.linalg.norm(features["float32"])
    rows = [
        (name, len(batch) / seconds[name], float(np.linalg.norm(features[name] - features["float32"]) / length))
        for name in graphs
    ]
    return pd.DataFrame(rows, columns=["precision", "views_per_second", "difference"])


def better_precision(speeds: pd.DataFrame) -> str:
    """Return `bfloat16` where it is clearly faster and gives nearly the same features, else `float32`; print why.

    It must be more than `MIN_SPEEDUP` times as fast, and the features differ by less than `MAX_DIFFERENCE`.

    Args:
        speeds: As `measure_precisions` returns them.
    """
    rates = dict(zip(speeds["precision"], speeds["views_per_second"], strict=True))
    difference = float(speeds["difference"].max())
    pays = rates["bfloat16"] > MIN_SPEEDUP * rates["float32"] and difference < MAX_DIFFERENCE
    better = "bfloat16" if pays else "float32"
    measured = ", ".join(f"{name} {rate:,.1f} views/s" for name, rate in rates.items())
    print(
        f"choose_precision: {better} is chosen ({measured}; features differ by {difference:.1e})",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    return better

"""The stock network, top and all: what it calls images that it was not trained on."""

import numpy as np
import pandas as pd

from components.data import images as image_files
from components.data.artifacts import Images, Weights
from components.model import backbones

MOST = 5  # words an image
COLUMNS = ["file", "label", "word", "probability"]


def words(weights: Weights, images: Images, chosen: pd.DataFrame) -> pd.DataFrame:
    """Return the likeliest of ImageNet's classes for each image: file, label, word, probability, in falling order.

    Args:
        weights: Those of the network with its top.
        images: The data set.
        chosen: Which of its images, file and label.
    """
    entry = backbones.get(weights.facts.backbone)
    network = entry.build(entry.image_size, weights.stock, top=True)
    preprocessing, names = entry.preprocessing(), weights.table("words.csv")["word"].to_numpy()
    found = []
    for file, label in chosen[["file", "label"]].itertuples(index=False):
        pixels = image_files.read_pixels(images.file(file), entry.image_size)[None].astype(np.float32)
        probabilities = network.predict_on_batch(preprocessing(pixels))[0]
        best = np.argsort(-probabilities, kind="stable")[:MOST]
        found.append(
            pd.DataFrame({"file": file, "label": label, "word": names[best], "probability": probabilities[best]})
        )
    return pd.concat(found, ignore_index=True)

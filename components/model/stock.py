"""The stock network, with its top: what it calls images that it was not trained on."""

import numpy as np
import pandas as pd

from components.data import images as image_files
from components.data.artifacts import Images, Weights
from components.model import backbones

CLASSES_AN_IMAGE = 5
COLUMNS = ["file", "label", "word", "probability"]


def likeliest_classes(weights: Weights, images: Images, samples: pd.DataFrame) -> pd.DataFrame:
    """Return five rows a sample: file, label, word and probability of its likeliest ImageNet classes, likeliest first.

    Args:
        weights: Those of the network with its top.
        images: The data set.
        samples: Which of its images, one or more: file and label.
    """
    entry = backbones.entry_of(weights)
    network = entry.build(entry.image_size, weights.stock, top=True)
    preprocessing, names = entry.preprocessing(), weights.table("words.csv")["word"].to_numpy()
    tables = []
    for file, label in samples[["file", "label"]].itertuples(index=False):
        pixels = image_files.read_pixels(images.file(file), entry.image_size, images.facts.white_level)
        probabilities = network.predict_on_batch(preprocessing(pixels[None].astype(np.float32)))[0]
        best = np.argsort(-probabilities, kind="stable")[:CLASSES_AN_IMAGE]
        tables.append(
            pd.DataFrame({"file": file, "label": label, "word": names[best], "probability": probabilities[best]})
        )
    return pd.concat(tables, ignore_index=True)

"""The stock network, with its top: what it calls images that it was not trained on."""

import numpy as np
import pandas as pd

from components.data import images as image_files
from components.data.artifacts import Images, Weights
from components.model import backbones
from components.system.errors import UserError

CLASSES_AN_IMAGE = 5
COLUMNS = ["file", "label", "word", "probability"]


class StockNetwork:
    """A network as it was published, which says ImageNet's words for images of the size that it was pretrained at.

    Args:
        weights: Those of the network with its top.

    Raises:
        UserError: They came without the top.
    """

    def __init__(self, weights: Weights):
        if not weights.stock.is_file():
            raise UserError(
                f"{weights.path} has no words: these weights came without the network's top, or `weights: {{stock: "
                "leave}` dropped it; give a network with its top"
            )
        entry = backbones.entry_of(weights)
        self.size, self.preprocessing = entry.image_size, entry.preprocessing()
        self.network = entry.build(self.size, weights.stock, top=True)
        self.words = weights.table("words.csv")["word"].to_numpy()

    def decode(self, content: bytes) -> np.ndarray:
        """Return the image that a file's bytes encode as the network sees it, uint8 (size, size, 3).

        Raises:
            Exception: It is not a readable image; the type depends on the format.
        """
        return image_files.decode_pixels(content, self.size)

    def likeliest_words(self, pixels: np.ndarray) -> pd.DataFrame:
        """Return the five likeliest words for an image, uint8 (size, size, 3), best first: `word`, `probability`."""
        probabilities = self.network.predict_on_batch(self.preprocessing(pixels[None].astype(np.float32)))[0]
        best = np.argsort(-probabilities, kind="stable")[:CLASSES_AN_IMAGE]
        return pd.DataFrame({"word": self.words[best], "probability": probabilities[best]})


def sample_words(weights: Weights, images: Images, samples: pd.DataFrame, resize: str) -> pd.DataFrame:
    """Return five rows a sample: file, label, word and probability of its likeliest ImageNet classes, likeliest first.

    Args:
        weights: Those of the network with its top.
        images: The data set.
        samples: Which of its images, one or more: file and label.
        resize: The way of `RESIZINGS` by which an image becomes a square.
    """
    network, tables = StockNetwork(weights), []
    for file, label in samples[["file", "label"]].itertuples(index=False):
        pixels = image_files.read_pixels(images.file(file), network.size, images.facts.white_level, resize)
        tables.append(network.likeliest_words(pixels).assign(file=file, label=label)[COLUMNS])
    return pd.concat(tables, ignore_index=True)

"""What a data set looks like, in counts, densities and thumbnails: the content of an Exploration."""

import numpy as np
import pandas as pd

from components.data import images as image_files
from components.data import thumbnails
from components.data.artifacts import Augmented, Exploration, Images

MOST_CLASSES = 20  # in figures with a row or a panel for each class
IMAGES_WITH_VIEWS = 6  # images drawn beside their views


def samples_per_class(classes: int) -> int:
    """Return how many samples of each class fit into a figure of so many classes: 8 for few, down to 3 for many."""
    return int(np.clip(50 / min(classes, MOST_CLASSES), 3, 8))


def write_counts(exploration: Exploration, table: pd.DataFrame, parts: pd.DataFrame) -> None:
    """Write `class_counts.csv` (label, split, images) and `size_counts.csv` (width, height, images).

    The split of images that `parts` lacks is `test`, whose labels are those that they came with.

    Args:
        exploration: The artifact to fill.
        table: One row an image: file, label, width and height.
        parts: File and split of the images that train, validate or are `unused`.
    """
    rows = table.merge(parts, on="file", how="left").fillna({"split": "test"})
    for name, columns in (("class_counts", ["label", "split"]), ("size_counts", ["width", "height"])):
        exploration.write_table(f"{name}.csv", rows.groupby(columns).size().rename("images").reset_index())


def write_samples(exploration: Exploration, images: Images, chosen: pd.DataFrame) -> None:
    """Write `samples.csv`, file and label of chosen images, and `samples.npz`, thumbnails of those in the figure.

    A thumbnail is named by the number of its row in `samples.csv`; the figure shows the first `samples_per_class` of
    each of the first `MOST_CLASSES` classes.
    """
    rows = chosen.reset_index(drop=True)
    exploration.write_table("samples.csv", rows[["file", "label"]])
    classes = sorted(set(rows["label"]))
    first = rows[rows["label"].isin(classes[:MOST_CLASSES])].groupby("label").head(samples_per_class(len(classes)))
    with image_files.without_pillow_warnings():
        pictures = {
            str(row): thumbnails.read_thumbnail(images.file(file), images.facts.white_level)
            for row, file in first["file"].items()
        }
    exploration.write_arrays("samples", pictures)


def write_densities(exploration: Exploration, augmented: Augmented, train: pd.DataFrame) -> None:
    """Write `rgb_densities.npz`: the share of each value of each channel in a class's plain training images.

    Its arrays are `labels`, sorted, and `densities` (classes, 3, 256); each channel's shares add up to 1.
    """
    densities = {}
    for label, rows in train.groupby("label"):
        plain = augmented.array[augmented.rows(rows["file"].tolist()), 0]
        counts = [np.bincount(plain[..., channel].ravel(), minlength=256) for channel in range(3)]
        densities[str(label)] = np.stack(counts) / plain[..., 0].size
    arrays = {"labels": np.array([*densities]), "densities": np.stack([*densities.values()])}
    exploration.write_arrays("rgb_densities", arrays)


def write_views(exploration: Exploration, views: np.ndarray) -> None:
    """Write `augmented.npz`: its array `views` has thumbnails of `views`, (images, 1 + K, height, width, 3) too."""
    pixels = thumbnails.thumbnail_side(views.shape[0] * views.shape[1])
    small = np.stack([[thumbnails.make_thumbnail(view, pixels) for view in image] for image in views])
    exploration.write_arrays("augmented", {"views": small})

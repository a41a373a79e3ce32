"""The drawing of an exploration: the figures of a data set."""

import pandas as pd

from components.data.artifacts import Drawings, Exploration
from components.results import figures


def draw_exploration(exploration: Exploration, drawings: Drawings) -> None:
    """Draw an Exploration into Drawings as PNG files: classes, sizes, samples, colours, views if any, stock words."""
    counts, sizes, samples = (exploration.table(f"{name}.csv") for name in ("class_counts", "size_counts", "samples"))
    figures.draw_images_per_class(repeat_rows(counts), drawings.figure("images_per_class"))
    all_sizes = repeat_rows(sizes)
    figures.draw_image_sizes(all_sizes["width"].tolist(), all_sizes["height"].tolist(), drawings.figure("image_sizes"))

    pictures = {int(row): picture for row, picture in exploration.arrays("samples").items()}
    labels = samples.loc[[*pictures], "label"].tolist()
    title = f"{exploration.facts.data_set}: training images"
    classes = samples["label"].nunique()
    figures.draw_sample_grid([*pictures.values()], labels, drawings.figure("samples"), title, classes)

    densities = exploration.arrays("rgb_densities")
    histograms = dict(zip(densities["labels"].tolist(), densities["densities"], strict=True))
    figures.draw_rgb_densities(histograms, drawings.figure("rgb_densities"))
    if exploration.facts.views:
        views = exploration.arrays("augmented")["views"]
        figures.draw_augmented_samples(views[:, 0], views[:, 1:], drawings.figure("augmented"))

    words, file = exploration.table("stock_words.csv"), drawings.figure("stock_words")
    if words.empty:
        why = "These weights came without the network's top: its words are left out."
        figures.draw_statement(file, "The stock network's own words", why)
        return
    first = samples.groupby("label").head(1)
    examples = [pictures[row] for row in first.index if row in pictures]
    title = f"What {exploration.facts.backbone} calls training images, as pretrained on ImageNet"
    figures.draw_stock_words(examples, words[words["file"].isin(first["file"])], file, title)


def repeat_rows(counts: pd.DataFrame) -> pd.DataFrame:
    """Return a table of counts with each row repeated as often as its `images` says, and numbered anew."""
    return counts.loc[counts.index.repeat(counts["images"])].reset_index(drop=True)

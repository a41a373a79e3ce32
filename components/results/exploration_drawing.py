"""The drawing of an exploration: the figures of a data set, and what each of them says."""

import pandas as pd

from components.data.artifacts import Drawings, Exploration
from components.results import figures


def draw_exploration(exploration: Exploration, drawings: Drawings) -> None:
    """Draw an Exploration into Drawings: PNG files and their captions; what is one sentence is a caption alone."""
    counts, sizes, samples = (exploration.table(f"{name}.csv") for name in ("class_counts", "size_counts", "samples"))
    captions = {"images_per_class": "How many images of each class train, validate, test or are unused."}
    figures.draw_images_per_class(repeat_rows(counts), drawings.figure("images_per_class"))

    all_sizes = repeat_rows(sizes)
    if len(sizes) == 1:
        width, height = sizes[["width", "height"]].iloc[0]
        captions["image_sizes"] = (
            f"All {len(all_sizes):,} images have the same size, {width:,} \u00d7 {height:,} pixels."
        )
    else:
        captions["image_sizes"] = "Width and height of the images."
        file = drawings.figure("image_sizes")
        figures.draw_image_sizes(all_sizes["width"].tolist(), all_sizes["height"].tolist(), file)

    pictures = {int(row): picture for row, picture in exploration.arrays("samples").items()}
    labels = samples.loc[[*pictures], "label"].tolist()
    title = f"{exploration.facts.data_set}: training images"
    classes = samples["label"].nunique()
    captions["samples"] = "Training images of each class."
    figures.draw_sample_grid([*pictures.values()], labels, drawings.figure("samples"), title, classes)
    if exploration.facts.views:
        captions["augmented"] = "Training images beside the augmented views that are trained on."
        views = exploration.arrays("augmented")["views"]
        figures.draw_augmented_samples(views[:, 0], views[:, 1:], drawings.figure("augmented"))

    densities = exploration.arrays("rgb_densities")
    captions["rgb_densities"] = "How dark and how coloured the training images of each class are."
    histograms = dict(zip(densities["labels"].tolist(), densities["densities"], strict=True))
    figures.draw_rgb_densities(histograms, drawings.figure("rgb_densities"))

    words = exploration.table("stock_words.csv")
    if words.empty:
        captions["stock_words"] = "The weights came without the network's top, so that it has no words for the images."
    else:
        title = f"What {exploration.facts.backbone} calls training images, as pretrained on ImageNet"
        captions["stock_words"] = f"{title}."
        first = samples.groupby("label").head(1)
        examples = [pictures[row] for row in first.index if row in pictures]
        file = drawings.figure("stock_words")
        figures.draw_stock_words(examples, words[words["file"].isin(first["file"])], file, title)
    drawings.write_values("captions", captions)


def repeat_rows(counts: pd.DataFrame) -> pd.DataFrame:
    """Return a table of counts with each row repeated as often as its `images` says, and numbered anew."""
    return counts.loc[counts.index.repeat(counts["images"])].reset_index(drop=True)

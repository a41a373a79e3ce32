"""Draw what the data set looks like."""

from components.data.artifacts import Augmented, Exploration, Images, Splits, Weights
from components.parameters import Count, Seed
from components.step import Input, Output


def explore(
    images: Input[Images],
    splits: Input[Splits],
    augmented: Input[Augmented],
    weights: Input[Weights],
    exploration: Output[Exploration],
    *,
    samples: Count,
    seed: Seed,
) -> None:
    """Draw what the data set looks like: images a class, samples, sizes, colours, views, the stock network's words.

    Samples, colours, views and words are of training images; the test images are only counted and measured.

    Args:
        images: The data set.
        splits: The training and validation rows.
        augmented: The plain images at the working size and their views.
        weights: The backbone's pretrained weights; with its top they tell what ImageNet would call the samples.
        exploration: The figures, and `stock_words.csv` (file, label, word, probability), the five likeliest first.
        samples: Training images of each class to draw.
        seed: Seed of the choice of samples.
    """
    import numpy as np

    from components.data import images as image_files
    from components.model import stock
    from components.results import figures

    table = images.table("images.csv")
    train = splits.part("train")
    parts = splits.table("splits.csv")[["file", "split"]]
    split = table.merge(parts, on="file", how="left").fillna({"split": "held back"})
    figures.images_per_class(split, exploration.figure("images_per_class"))
    figures.image_sizes(table["width"].tolist(), table["height"].tolist(), exploration.figure("image_sizes"))

    chosen = train.groupby("label").sample(samples, replace=True, random_state=seed).drop_duplicates()
    with image_files.hushed():
        pictures = [np.asarray(image_files.decode(images.file(file))) for file in chosen["file"]]
    title = f"{images.facts['data_set']}: training images"
    figures.sample_grid(pictures, chosen["label"].tolist(), exploration.figure("samples"), title)

    histograms = {}
    for label, rows in train.groupby("label"):
        plain = augmented.array[augmented.rows(rows["file"].tolist()), 0]
        counts = [np.bincount(plain[..., channel].ravel(), minlength=256) for channel in range(3)]
        histograms[str(label)] = np.stack(counts) / plain[..., 0].size
    figures.rgb_densities(histograms, exploration.figure("rgb_densities"))

    if augmented.facts["views"]:
        files = train["file"].sample(min(6, len(train)), random_state=seed).tolist()
        views = augmented.array[augmented.rows(files)]
        figures.augmented_samples(views[:, 0], views[:, 1:], exploration.figure("augmented"))

    if weights.stock.is_file():
        words = stock.words(weights, images, chosen)
        exploration.write_table("stock_words.csv", words)
        first = chosen.groupby("label").head(1)
        shown = [picture for picture, file in zip(pictures, chosen["file"], strict=True) if file in set(first["file"])]
        title = f"What {weights.facts['backbone']} calls training images, as pretrained on ImageNet"
        figures.stock_words(shown, words[words["file"].isin(first["file"])], exploration.figure("stock_words"), title)
    else:
        why = "These weights came without the network's top: its words are left out."
        print(f"explore: {why}")
        figures.statement(exploration.figure("stock_words"), "The stock network's own words", why)

"""Find out what the data set looks like."""

from components.data.artifacts import Augmented, Exploration, Images, Splits, Weights
from components.machinery.signature import Input, Output
from components.system.limits import Count, Seed


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
    """Find out what the data set looks like: images a class, samples, sizes, colours, views, the stock network's words.

    Samples, colours, views and words are of training images; the test images are only counted and measured.

    Args:
        images: The data set.
        splits: The training and validation rows.
        augmented: The plain images at the working size and their views.
        weights: The backbone's pretrained weights; with its top they tell what ImageNet would call the samples.
        exploration: The counts, samples and densities that are drawn, and the words.
        samples: Training images of each class to choose.
        seed: Seed of the choice of samples.
    """
    import pandas as pd

    from components.data import exploration as exploring
    from components.model import stock

    train = splits.part("train")
    exploring.write_counts(exploration, images.table("images.csv"), splits.table("splits.csv")[["file", "split"]])
    chosen = train.groupby("label").sample(samples, replace=True, random_state=seed).drop_duplicates()
    exploring.write_samples(exploration, images, chosen)
    exploring.write_densities(exploration, augmented, train)
    if augmented.facts.views:
        count = min(exploring.AUGMENTED, len(train))
        exploring.write_views(exploration, augmented, train["file"].sample(count, random_state=seed).tolist())

    if weights.stock.is_file():
        words = stock.likeliest_classes(weights, images, chosen)
    else:
        print("explore: these weights came without the network's top: its words are left out")
        words = pd.DataFrame(columns=stock.COLUMNS)
    exploration.write_table("stock_words.csv", words)

"""Describe a data set: counts, samples, colours and views of it."""

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
    """Describe a data set: images a class, sizes, colours, views, samples, and the stock network's words for samples.

    Samples, colours, views and words are of training images; of the test images only numbers and sizes are used.

    Args:
        images: The data set.
        splits: The training and validation rows.
        augmented: The plain images at the working size and their views.
        weights: The backbone's pretrained weights; with its top they predict the ImageNet class of the samples.
        exploration: The counts, samples, densities and words.
        samples: Training images of each class to choose; all of a class that has no more.
        seed: Seed of the choice of samples.
    """
    import pandas as pd

    from components.data import augmentation
    from components.data import exploration as exploring
    from components.data.corrections import correct_labels
    from components.model import stock

    train = splits.part("train")
    parts = [splits.table("splits.csv")[["file", "split"]], splits.table("unused.csv").assign(split="unused")]
    decisions = splits.table("corrections.csv")
    table = correct_labels(images.table("images.csv"), dict(zip(decisions["file"], decisions["decision"], strict=True)))
    exploring.write_counts(exploration, table, pd.concat(parts))
    shuffled = train.sample(frac=1, random_state=seed).sort_values("label", kind="stable")
    chosen = shuffled.groupby("label").head(samples)
    exploring.write_samples(exploration, images, chosen)
    exploring.write_densities(exploration, augmented, train)
    if augmented.facts.views:
        count = min(exploring.IMAGES_WITH_VIEWS, len(train))
        rows = augmented.rows(train["file"].sample(count, random_state=seed).tolist())
        exploring.write_views(exploration, augmentation.draw_views(augmented)[rows])

    if weights.stock.is_file():
        words = stock.sample_words(weights, images, chosen, augmented.facts.resize)
    else:
        print("explore: these weights came without the network's top: its words are left out")
        words = pd.DataFrame(columns=stock.COLUMNS)
    exploration.write_table("stock_words.csv", words)

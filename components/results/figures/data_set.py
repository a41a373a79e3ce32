"""The figures of a data set, its splits and its augmented views."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from scipy.ndimage import gaussian_filter1d

from components.data.exploration import MOST_CLASSES, samples_per_class
from components.results.figures.mosaic import Images, draw_image, mosaic_axes, mosaic_side
from components.results.figures.style import (
    ACCENT,
    CHANNELS,
    INK,
    LINES,
    MUTED,
    SPLITS,
    new_figure,
    shorten_name,
)

MOST_BARS = 40  # classes with a bar each
WIDE = 8  # the largest side over the smallest, from which on sizes are drawn by ratios
SMOOTH = 4.0  # standard deviation, in pixel values, of the kernel that densities are smoothed with


def draw_images_per_class(table: pd.DataFrame, path: Path) -> None:
    """Draw the images of each class, of the 40 smallest at most, as bars stacked by split, the largest class on top.

    Args:
        table: One row an image, with columns file, label and split (train, validation, test or unused).
        path: PNG file to write.
    """
    counts = pd.crosstab(table["label"], table["split"])
    counts = counts[sorted(counts, key=lambda split: list(SPLITS).index(str(split)))]
    totals = counts.sum(axis=1).sort_index(ascending=False).sort_values(kind="stable")
    least, most = totals.min(), totals.max()
    title = f"{len(table):,} images in {len(totals)} classes, "
    title += f"{least:,} in each" if least == most else f"{least:,} to {most:,} in each"
    left_out, totals = len(totals) - MOST_BARS, totals[:MOST_BARS]
    note = f"The {MOST_BARS} classes with the fewest images; {left_out:,} more are left out." if left_out > 0 else ""
    with new_figure(path, (7, 1 + 0.24 * len(totals)), title, note, legend=4) as figure:
        axes = figure.add_subplot(xlabel="images", ylim=(-0.6, len(totals) - 0.4), xlim=(0, 1.09 * totals.max()))
        names = range(len(totals))
        left = np.zeros(len(totals))
        for split in counts:
            widths = counts[split][totals.index].to_numpy()
            axes.barh(
                names, widths, 0.72, left, color=SPLITS[str(split)], edgecolor="white", linewidth=0.5,
                label=f"{split} ({counts[split].sum():,})",
            )  # fmt: skip
            left += widths
        for name, total in zip(names, totals, strict=True):
            axes.annotate(f"{total:,}", (total, name), (4, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_yticks(names, [shorten_name(label) for label in totals.index], color=INK)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def draw_sample_grid(images: Images, labels: Sequence[str], path: Path, title: str, classes: int = 0) -> None:
    """Draw the first images of each class, 3 to 8 by the number of classes, a row a class, for the first 20 by name.

    Args:
        images: One array (h, w, 3) an image, in [0, 255]; the sizes may differ.
        labels: The class of each image.
        path: PNG file to write.
        title: What the images are, in a short sentence.
        classes: How many classes there are, if more than the images are of.
    """
    rows: dict[str, list[npt.NDArray[np.uint8]]] = {label: [] for label in sorted(set(labels))[:MOST_CLASSES]}
    most = samples_per_class(len(rows))
    for image, label in zip(images, labels, strict=True):
        if label in rows and len(rows[label]) < most:
            rows[label].append(image)
    classes = classes or len(set(labels))
    note = f"The first {MOST_CLASSES} of {classes} classes by name." if classes > MOST_CLASSES else ""
    columns = max(map(len, rows.values()))
    side = mosaic_side(columns * len(rows), images)
    with new_figure(path, (columns * side, len(rows) * side), title, note, constrained=False) as figure:
        axes = mosaic_axes(figure, 0, columns, len(rows))
        for row, samples in enumerate(rows.values()):
            for column, image in enumerate(samples):
                draw_image(axes, image, column, row)
        axes.set_yticks(np.arange(len(rows)) + 0.5, [shorten_name(label) for label in rows])


def draw_image_sizes(widths: Sequence[int], heights: Sequence[int], path: Path) -> None:
    """Draw a dot for each size of image, larger the more have it; axes are logarithmic if sides differ over 8-fold.

    Args:
        widths: Pixels of each image.
        heights: Pixels of each image.
        path: PNG file to write.
    """
    sizes = pd.DataFrame({"width": widths, "height": heights}).value_counts(sort=False).reset_index()
    least, most, commonest = min(*widths, *heights), max(*widths, *heights), sizes["count"].max()
    title = f"{len(widths):,} images have {len(sizes):,} different sizes"
    note = f"Sides of {least:,} to {most:,} pixels; median width {np.median(widths):,.0f}, "
    note += f"median height {np.median(heights):,.0f}."
    with new_figure(path, (5.5, 5.5), title, note, legend=2) as figure:
        axes = figure.add_subplot(xlabel="width in pixels", ylabel="height in pixels", aspect="equal")
        by_ratios = most > WIDE * least
        low, high = (least / 1.3, 1.3 * most) if by_ratios else (0, 1.06 * most)
        scale = "log" if by_ratios else "linear"
        axes.set(xscale=scale, yscale=scale, xlim=(low, high), ylim=(low, high))
        axes.plot((low, high), (low, high), "--", color=MUTED, linewidth=1, label="square images", zorder=1)
        axes.scatter(
            sizes["width"], sizes["height"], np.maximum(min(20, 250 / commonest) * sizes["count"], 14),
            ACCENT, alpha=0.6, linewidths=0, zorder=2,
            label=f"images (up to {commonest:,} of one size)" if commonest > 1 else "images",
        )  # fmt: skip
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if by_ratios else MaxNLocator(6, integer=True))
            axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            axis.set_minor_formatter(NullFormatter())


def draw_rgb_densities(histograms: Mapping[str, npt.NDArray[np.floating]], path: Path) -> None:
    """Draw the smoothed distribution of the pixel values of each class, a panel each, for the first 20 by name.

    Args:
        histograms: For each class an array (3, 256): the density of each value of red, green and blue.
        path: PNG file to write.
    """
    classes = sorted(histograms)[:MOST_CLASSES]
    columns = min(len(classes), 4)
    rows = math.ceil(len(classes) / columns)
    values = gaussian_filter1d(np.stack([histograms[name] for name in classes]), SMOOTH, mode="reflect")
    top = min(1.06 * values.max(), 2 * np.quantile(values, 0.95) or np.inf)  # one peak does not flatten the rest
    notes = [f"The first {MOST_CLASSES} of {len(histograms)} classes by name."] * (len(histograms) > MOST_CLASSES)
    notes += ["The highest peaks are cut off."] * bool(values.max() > top)
    grey = bool((values == values[:, :1]).all())
    title = "Pixel values of each class" + ": red, green and blue are the same" * grey
    size = (2.1 * columns + 0.4, 1.45 * rows + 0.4)
    with new_figure(path, size, title, " ".join(notes), legend=0 if grey else 3) as figure:
        panels = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
        for panel, name, densities in zip(panels, classes, values, strict=False):
            for (channel, colour), line, density in zip(CHANNELS.items(), LINES, densities, strict=False):
                panel.plot(density, linestyle=line, color=INK if grey else colour, linewidth=1.1, label=channel)
            panel.set(title=shorten_name(name, 24), xlim=(-3, 258), ylim=(0, top), xticks=(0, 128, 255))
            panel.yaxis.set_major_locator(MaxNLocator(3))
        for panel in panels[len(classes) :]:
            panel.remove()
        for panel in panels[len(classes) - columns : len(classes)]:
            panel.tick_params(labelbottom=True)
        figure.supxlabel("pixel value, from black to full colour", fontsize=9, color=MUTED)
        figure.supylabel("share of the pixels", fontsize=9, color=MUTED)


def draw_augmented_samples(originals: npt.NDArray[np.uint8], views: npt.NDArray[np.uint8], path: Path) -> None:
    """Draw each image beside its augmented views, one row an image.

    Args:
        originals: (n, h, w, 3) in [0, 255].
        views: (n, K, h, w, 3) in [0, 255], K views of each image.
        path: PNG file to write.
    """
    rows, columns = views.shape[0], views.shape[1] + 1
    side = mosaic_side(rows * columns, list(originals))
    title = "Original images and their augmented views"
    with new_figure(path, (columns * side + 0.15, rows * side), title, constrained=False) as figure:
        gap = 0.15 / side
        axes = mosaic_axes(figure, -gap, columns, rows)
        for row in range(rows):
            draw_image(axes, originals[row], -gap, row)
            for column in range(1, columns):
                draw_image(axes, views[row, column - 1], column, row)
        axes.xaxis.tick_top()
        headings = ["original", *(f"view {view}" if side > 0.45 else f"{view}" for view in range(1, columns))]
        axes.set_xticks([0.5 - gap, *(np.arange(1, columns) + 0.5)], headings)


def draw_stock_words(images: Images, words: pd.DataFrame, path: Path, title: str) -> None:
    """Draw the first 20 images, each beside its class and the likeliest of ImageNet's classes with probabilities.

    Args:
        images: One array (h, w, 3) an image, in [0, 255]; the sizes may differ.
        words: Rows of file, label, word and probability, likeliest first: those of each image in turn.
        path: PNG file to write.
        title: Which network predicts the words.
    """
    predictions = [rows for _, rows in words.groupby("file", sort=False)][:MOST_CLASSES]
    columns = 2 if len(predictions) > 1 else 1
    rows = math.ceil(len(predictions) / columns)
    side, width = 1.1, 3.4  # inches of an image; images that a cell is wide
    more = (
        f"The first {MOST_CLASSES} of {words['file'].nunique()}. " if words["file"].nunique() > len(predictions) else ""
    )
    note = f"{more}In bold the class of the image; below, the likeliest of ImageNet's classes and their probabilities."
    with new_figure(path, (columns * width * side, rows * 1.08 * side), title, note, constrained=False) as figure:
        axes = mosaic_axes(figure, 0, columns * width, rows * 1.08)
        for place, (image, image_words) in enumerate(zip(images, predictions, strict=False)):
            x, y = place % columns * width, place // columns * 1.08
            draw_image(axes, image, x, y)
            axes.text(
                x + 1.05, y + 0.1, shorten_name(image_words["label"].iloc[0]), va="center", fontsize=8, weight="bold"
            )
            for line, (word, probability) in enumerate(
                zip(image_words["word"], image_words["probability"], strict=True), start=1
            ):
                text = f"{probability:.2f}  {shorten_name(word.replace('_', ' '))}"
                axes.text(x + 1.05, y + 0.1 + 0.165 * line, text, va="center", fontsize=7.5)

"""The figures of every step: each function draws one and saves it as a PNG, the same bytes for the same input."""

import math
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import font_manager, style
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter, StrMethodFormatter
from matplotlib.transforms import Bbox

Images: TypeAlias = Sequence[npt.NDArray[np.uint8]]

# Okabe and Ito's palette, in which one colour stands for one thing throughout.
INK, MUTED, GRID = "#222222", "#666666", "#E4E4E4"
MODELS = {"benchmark": "#E69F00", "top": "#56B4E9", "fine_tuned": "#0072B2"}
MARKERS = {"benchmark": "s", "top": "^", "fine_tuned": "o"}
SPLITS = {"train": "#009E73", "validation": "#CC79A7", "held back": "#BBBBBB"}
CHANNELS = {"red": "#D55E00", "green": "#009E73", "blue": "#0072B2"}
SHADES = LinearSegmentedColormap.from_list(
    "shades", [(0, "#FFFFFF"), (0.03, "#E2EFF7"), (0.5, "#56A5D3"), (0.8, "#0072B2"), (1, "#004A75")]
)

MOST_CLASSES = 20  # in figures with a row or a panel for each class
CLASSES_WITH_COUNTS = 25  # in a confusion matrix; beyond it the numbers are too small to read
MOSAIC_AREA = 11.0  # square inches of photographs in one figure, which keeps its file below 500 kB
SMALL = 64  # pixels a side up to which an image is drawn as its pixels
FALLBACK_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Noto Sans Arabic", "Noto Sans Thai")
STYLE = {
    "figure.dpi": 150, "font.size": 9, "text.color": INK, "text.parse_math": False,
    "axes.labelcolor": MUTED, "axes.edgecolor": "#AAAAAA", "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlesize": 9, "axes.titlelocation": "left", "axes.titlecolor": INK,
    "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.7,
    "xtick.color": "#AAAAAA", "xtick.labelcolor": MUTED, "ytick.color": "#AAAAAA", "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8, "ytick.labelsize": 8,
    "legend.frameon": False, "legend.fontsize": 8.5, "lines.linewidth": 1.7,
}  # fmt: skip


@contextmanager
def _saved(
    path: Path, size: tuple[float, float], title: str, note: str = "", *, legend: int = 0, constrained: bool = True
) -> Iterator[Figure]:
    """Yield an empty figure in the common style, then head it with a title and a note and save it.

    The style holds inside only. A character that no installed font has is drawn as a box, without a warning.

    Args:
        path: PNG file to write.
        size: Width and height in inches, without what reaches over the edges, which is added.
        title: One sentence, in bold.
        note: What else a reader should know, in grey below the title.
        legend: Columns of one legend, of the first axes, for all of them; none where it is 0.
        constrained: Let Matplotlib lay out the axes; else they stay where they were put.
    """
    installed = set(font_manager.fontManager.get_font_names())
    fonts = ["DejaVu Sans", *(font for font in FALLBACK_FONTS if font in installed)]
    with style.context(["default", {**STYLE, "font.family": fonts}]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        figure = Figure(size, layout="constrained" if constrained else None)
        yield figure
        box = _head(figure, title, note, legend)
        figure.savefig(path, format="png", bbox_inches=box, metadata={"Software": None}, pil_kwargs={"optimize": True})


def _head(figure: Figure, title: str, note: str, legend: int) -> Bbox:
    """Put the legend, then the note, then the title above all that the figure holds, and return its box in inches."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    box = figure.get_tightbbox()
    inches, to_figure = figure.dpi_scale_trans.inverted(), figure.dpi_scale_trans - figure.transFigure
    if legend:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        key = figure.legend(handles, labels, loc="lower left", ncols=legend, borderpad=0, borderaxespad=0)
        key.set_bbox_to_anchor(tuple(to_figure.transform((box.x0, box.y1 + 0.09))), figure.transFigure)
        box = Bbox.union([box, key.get_window_extent().transformed(inches)])
    for words, points, wide, colour, weight in ((note, 9, 0.54, MUTED, "normal"), (title, 11, 0.6, INK, "bold")):
        if words:
            left, top = to_figure.transform((box.x0, box.y1 + 0.09))
            wrapped = textwrap.fill(words, int(max(box.width, 6) * 72 / (points * wide)))
            text = figure.text(left, top, wrapped, fontsize=points, color=colour, weight=weight, va="bottom")
            box = Bbox.union([box, text.get_window_extent().transformed(inches)])
    return box.padded(0.12)


def _statement(path: Path, title: str, text: str) -> None:
    """Save a figure that has nothing to draw: a title, and what there is to say in large letters."""
    with _saved(path, (5, 0.5), title, constrained=False) as figure:
        figure.text(0, 0.4, text, fontsize=20, color=MODELS["fine_tuned"], va="center")


def _short(name: object, longest: int = 30) -> str:
    """Return a name of at most `longest` characters, without its middle where it is longer."""
    text = str(name).encode(errors="replace").decode()
    half = (longest - 1) // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"


def _mosaic_side(cells: int, images: Images) -> float:
    """Return the inches a side of one of `cells` images that share a figure; more where the images are small."""
    area = MOSAIC_AREA * (2 if max(max(image.shape[:2]) for image in images) <= SMALL else 1)
    return min(1.0, math.sqrt(area / cells))


def _mosaic_axes(figure: Figure, left: float, right: float, bottom: float) -> Axes:
    """Return bare axes over the whole figure, from `left` to `right` and from 0 at the top to `bottom`."""
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(bottom, 0), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor=INK)
    axes.grid(visible=False)
    return axes


def _place(axes: Axes, image: npt.NDArray[np.uint8], column: float, row: float) -> None:
    """Draw an image (h, w, 3) in the middle of the unit cell whose top left is at (column, row)."""
    height, width = image.shape[:2]
    scale = 0.94 / max(height, width)
    x, y, half_width, half_height = column + 0.5, row + 0.5, width * scale / 2, height * scale / 2
    axes.imshow(
        image, extent=(x - half_width, x + half_width, y + half_height, y - half_height),
        aspect="auto", interpolation="nearest" if max(height, width) <= SMALL else "antialiased",
    )  # fmt: skip


def _best_epoch(history: pd.DataFrame) -> int | None:
    """Return the position of the row with the lowest validation loss, where there is one."""
    losses = history.get("validation_loss", pd.Series(dtype=float))
    return None if losses.isna().all() else int(np.nanargmin(losses))


def _curve(
    axes: Axes, history: pd.DataFrame, column: str, label: str, color: str, linestyle: str = "-", marker: str = "o"
) -> None:
    """Draw one column over the epochs, with a mark at the best epoch, where the history has that column."""
    if column not in history:
        return
    epochs, values, best = history["epoch"], history[column], _best_epoch(history)
    axes.plot(epochs, values, label=label, color=color, linestyle=linestyle, marker=marker if len(values) == 1 else "")
    if best is not None and column.startswith("validation"):
        axes.plot(epochs.iloc[best], values.iloc[best], marker, color=color, markersize=5.5)


def _epochs(axes: Axes, title: str) -> None:
    """Give axes their title and whole epochs."""
    low, high = axes.get_xlim()
    axes.set(title=title, xlabel="epoch", xlim=(low, high) if high - low > 1 else (low - 1, high + 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def images_per_class(table: pd.DataFrame, path: Path) -> None:
    """Draw the number of images of each class as bars stacked by split, the largest class on top.

    Args:
        table: One row an image, with columns file, label and split (train, validation or held back).
        path: PNG file to write.
    """
    counts = pd.crosstab(table["label"], table["split"])
    counts = counts[sorted(counts, key=lambda split: list(SPLITS).index(str(split)))]
    totals = counts.sum(axis=1).sort_index(ascending=False).sort_values(kind="stable")
    least, most = totals.min(), totals.max()
    title = f"{len(table):,} images in {len(totals)} classes, "
    title += f"{least:,} in each" if least == most else f"{least:,} to {most:,} in each"
    with _saved(path, (7, 1 + 0.24 * len(totals)), title, legend=4) as figure:
        axes = figure.add_subplot(xlabel="images", ylim=(-0.6, len(totals) - 0.4), xlim=(0, 1.09 * most))
        names = range(len(totals))
        left = np.zeros(len(totals))
        for split in counts:
            widths = counts[split][totals.index].to_numpy()
            axes.barh(
                names, widths, 0.72, left, color=SPLITS[str(split)], edgecolor="white", linewidth=0.5,
                label=f"{split} ({widths.sum():,})",
            )  # fmt: skip
            left += widths
        for name, total in zip(names, totals, strict=True):
            axes.annotate(f"{total:,}", (total, name), (4, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_yticks(names, [_short(label) for label in totals.index], color=INK)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def sample_grid(images: Images, labels: Sequence[str], path: Path, title: str) -> None:
    """Draw the first images of each class, one row a class, for the first 20 classes by name.

    Args:
        images: One array (h, w, 3) an image, in [0, 255]; the sizes may differ.
        labels: The class of each image.
        path: PNG file to write.
        title: What the images are, in a short sentence.
    """
    rows: dict[str, list[npt.NDArray[np.uint8]]] = {label: [] for label in sorted(set(labels))[:MOST_CLASSES]}
    most = int(np.clip(50 / len(rows), 3, 8))
    for image, label in zip(images, labels, strict=True):
        if label in rows and len(rows[label]) < most:
            rows[label].append(image)
    classes = len(set(labels))
    note = f"The first {MOST_CLASSES} of {classes} classes by name." if classes > MOST_CLASSES else ""
    columns = max(map(len, rows.values()))
    side = _mosaic_side(columns * len(rows), images)
    with _saved(path, (columns * side, len(rows) * side), title, note, constrained=False) as figure:
        axes = _mosaic_axes(figure, 0, columns, len(rows))
        for row, samples in enumerate(rows.values()):
            for column, image in enumerate(samples):
                _place(axes, image, column, row)
        axes.set_yticks(np.arange(len(rows)) + 0.5, [_short(label) for label in rows])


def image_sizes(widths: Sequence[int], heights: Sequence[int], path: Path) -> None:
    """Draw the sizes of the images, each size a dot whose area grows with the number of images that have it.

    Args:
        widths: Pixels of each image.
        heights: Pixels of each image.
        path: PNG file to write.
    """
    sizes = pd.DataFrame({"width": widths, "height": heights}).value_counts(sort=False).reset_index()
    if len(sizes) == 1:
        _statement(path, f"All {len(widths):,} images have the same size", f"{widths[0]:,} × {heights[0]:,} pixels")
        return
    least, most, commonest = min(*widths, *heights), max(*widths, *heights), sizes["count"].max()
    title = f"{len(widths):,} images have {len(sizes):,} different sizes"
    note = f"Sides of {least:,} to {most:,} pixels; median width {np.median(widths):,.0f}, "
    note += f"median height {np.median(heights):,.0f}."
    with _saved(path, (5.5, 5.5), title, note, legend=2) as figure:
        axes = figure.add_subplot(xlabel="width in pixels", ylabel="height in pixels", aspect="equal")
        axes.set(xlim=(0, 1.06 * most), ylim=(0, 1.06 * most))
        axes.plot((0, 1.06 * most), (0, 1.06 * most), "--", color=MUTED, linewidth=1, label="square images", zorder=1)
        axes.scatter(
            sizes["width"], sizes["height"], np.maximum(min(20, 250 / commonest) * sizes["count"], 14),
            MODELS["fine_tuned"], alpha=0.6, linewidths=0, zorder=2,
            label=f"images (up to {commonest:,} of one size)" if commonest > 1 else "images",
        )  # fmt: skip
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(6, integer=True))
            axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def rgb_densities(histograms: Mapping[str, npt.NDArray[np.floating]], path: Path) -> None:
    """Draw how the pixel values of each class are distributed, one panel a class, for the first 20 classes by name.

    Args:
        histograms: For each class an array (3, 256): the density of each value of red, green and blue.
        path: PNG file to write.
    """
    classes = sorted(histograms)[:MOST_CLASSES]
    columns = min(len(classes), 4)
    rows = math.ceil(len(classes) / columns)
    values = np.stack([histograms[name] for name in classes])
    top = min(1.06 * values.max(), 1.6 * np.quantile(values, 0.99) or np.inf)  # one peak does not flatten the rest
    notes = [f"The first {MOST_CLASSES} of {len(histograms)} classes by name."] * (len(histograms) > MOST_CLASSES)
    notes += ["The highest peaks are cut off."] * bool(values.max() > top)
    grey = bool((values == values[:, :1]).all())
    title = "Pixel values of each class" + ": red, green and blue are the same" * grey
    size = (2.1 * columns + 0.4, 1.45 * rows + 0.4)
    with _saved(path, size, title, " ".join(notes), legend=0 if grey else 3) as figure:
        panels = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
        for panel, name, densities in zip(panels, classes, values, strict=False):
            for (channel, colour), density in zip(CHANNELS.items(), densities, strict=True):
                panel.plot(density, color=INK if grey else colour, linewidth=1.1, label=channel)
            panel.set(title=_short(name, 24), xlim=(-3, 258), ylim=(0, top), xticks=(0, 128, 255))
            panel.yaxis.set_major_locator(MaxNLocator(3))
        for panel in panels[len(classes) :]:
            panel.remove()
        for panel in panels[len(classes) - columns : len(classes)]:
            panel.tick_params(labelbottom=True)
        figure.supxlabel("pixel value", fontsize=9, color=MUTED)
        figure.supylabel("density", fontsize=9, color=MUTED)


def augmented_samples(originals: npt.NDArray[np.uint8], views: npt.NDArray[np.uint8], path: Path) -> None:
    """Draw each image beside its augmented views, one row an image.

    Args:
        originals: (n, h, w, 3) in [0, 255].
        views: (n, K, h, w, 3) in [0, 255], K views of each image.
        path: PNG file to write.
    """
    rows, columns = views.shape[0], views.shape[1] + 1
    side = _mosaic_side(rows * columns, list(originals))
    title = "Original images and their augmented views"
    with _saved(path, (columns * side + 0.15, rows * side), title, constrained=False) as figure:
        gap = 0.15 / side
        axes = _mosaic_axes(figure, -gap, columns, rows)
        for row in range(rows):
            _place(axes, originals[row], -gap, row)
            for column in range(1, columns):
                _place(axes, views[row, column - 1], column, row)
        axes.xaxis.tick_top()
        headings = ["original", *(f"view {view}" if side > 0.45 else f"{view}" for view in range(1, columns))]
        axes.set_xticks([0.5 - gap, *(np.arange(1, columns) + 0.5)], headings)


def confusion_matrix(matrix: npt.NDArray[np.integer], classes: Sequence[str], path: Path, title: str) -> None:
    """Draw a confusion matrix, shaded by the share of each true class; with counts where they can be read.

    Args:
        matrix: Counts (C, C): rows are the true classes, columns the predicted ones.
        classes: The C names, in the order of the matrix.
        path: PNG file to write.
        title: What was predicted; the accuracy and the number of images are added.
    """
    count, total, right = len(classes), int(matrix.sum()), int(np.trace(matrix))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(0.46 * count, 2.4, 9.0))
    title = f"{title}: accuracy {right / max(total, 1):.3f} ({right:,} of {total:,} images)"
    with _saved(path, (side, side), title, constrained=False) as figure:
        axes = figure.add_axes((0, 0, 1, 1), xlabel="predicted class", ylabel="true class")
        shading = axes.imshow(shares, SHADES, vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        if count <= CLASSES_WITH_COUNTS:
            for (row, column), number in np.ndenumerate(matrix):
                colour = "white" if shares[row, column] > 0.68 else INK if number else "#999999"
                axes.text(column, row, f"{number}", ha="center", va="center", color=colour, fontsize=8)
        ticks = range(0, count, math.ceil(count / 80))
        names = [_short(classes[tick]) for tick in ticks]
        size = 8 if count <= 40 else 6
        slanted = max(map(len, names)) * 0.08 > side / count
        axes.set_yticks(ticks, names, color=INK, fontsize=size)
        axes.set_xticks(
            ticks, names, color=INK, fontsize=size, rotation=45 if slanted else 0,
            ha="right" if slanted else "center", rotation_mode="anchor" if slanted else "default",
        )  # fmt: skip
        axes.tick_params(length=0)
        axes.grid(visible=False)
        if count <= 40:
            axes.hlines(np.arange(1, count) - 0.5, -0.5, count - 0.5, GRID, linewidth=0.5)
            axes.vlines(np.arange(1, count) - 0.5, -0.5, count - 0.5, GRID, linewidth=0.5)
        axes.spines[:].set_visible(True)
        bar = figure.colorbar(shading, cax=figure.add_axes((1 + 0.15 / side, 0, 0.12 / side, 1)))
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1))
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0)
        bar.set_label("share of the true class")


def learning_curves(history: pd.DataFrame, path: Path, title: str) -> None:
    """Draw the loss and the scores of one training over its epochs, with the best epoch marked.

    Args:
        history: One row an epoch, with column epoch and any of loss, validation_loss, accuracy, validation_accuracy
            and validation_kappa; the best epoch has the lowest validation_loss.
        path: PNG file to write.
        title: What was trained.
    """
    train, validation = SPLITS["train"], SPLITS["validation"]
    best = _best_epoch(history)
    note = ""
    if best is not None:
        row = history.iloc[best]
        note = f"The best epoch is {row['epoch']:.0f}, with the lowest validation loss ({row['validation_loss']:.3f})."
    with _saved(path, (8.5, 3.4), title, note) as figure:
        losses, scores = figure.subplots(1, 2)
        _curve(losses, history, "loss", "train", color=train)
        _curve(losses, history, "validation_loss", "validation", color=validation)
        _curve(scores, history, "accuracy", "train accuracy", color=train)
        _curve(scores, history, "validation_accuracy", "validation accuracy", color=validation)
        _curve(scores, history, "validation_kappa", "validation kappa", color=validation, linestyle="--", marker="D")
        for axes, heading in ((losses, "Loss (lower is better)"), (scores, "Scores (higher is better)")):
            if not axes.lines:
                axes.remove()
                continue
            _epochs(axes, heading)
            axes.legend()
            if best is not None:
                axes.axvline(history["epoch"].iloc[best], color=MUTED, linewidth=1, linestyle=":", zorder=1)


def confident_mistakes(
    images: Images, true: Sequence[str], predicted: Sequence[str], probability: Sequence[float], path: Path, title: str
) -> None:
    """Draw the wrong predictions with the highest probability, at most 16, or say that there are none.

    Args:
        images: One array (h, w, 3) an image, in [0, 255]; the sizes may differ. Right predictions are left out.
        true: The class of each image.
        predicted: The class that the model gives it.
        probability: What the model gives that class, in [0, 1].
        path: PNG file to write.
        title: Whose mistakes they are.
    """
    wrong = [index for index in range(len(images)) if true[index] != predicted[index]]
    shown = sorted(wrong, key=lambda index: -probability[index])[:16]
    if not shown:
        _statement(path, title, "No mistakes")
        return
    columns = min(len(shown), 4)
    rows = math.ceil(len(shown) / columns)
    order = f"the {len(shown)} most confident of {len(wrong):,}" if len(wrong) > len(shown) else "most confident first"
    note = f"True → predicted class (and its probability), {order}."
    side = _mosaic_side(16, [images[index] for index in shown])
    width, height = 1.45 / side, 1 + 0.38 / side  # of an image and its caption, in units of the image
    with _saved(path, (columns * width * side, rows * height * side), title, note, constrained=False) as figure:
        axes = _mosaic_axes(figure, 0, columns * width, rows * height)
        for place, index in enumerate(shown):
            row, column = divmod(place, columns)
            _place(axes, images[index], column * width + (width - 1) / 2, row * height)
            names, end = [_short(name, 18) for name in (true[index], predicted[index])], f"({probability[index]:.2f})"
            text = f"{names[0]} → {names[1]} {end}"
            if len(text) > 23:
                text = f"{names[0]} →\n{names[1]} {end}"
            axes.text((column + 0.5) * width, row * height + 1, text, ha="center", va="top", fontsize=7.5)


def comparison(table: pd.DataFrame, path: Path, title: str) -> None:
    """Draw the test scores of the models side by side, one panel a score, the best value in bold.

    Args:
        table: One row a model, indexed by its name, with columns kappa, log_loss, accuracy and seconds_training.
        path: PNG file to write.
        title: What was compared, on what data.
    """
    panels = {"kappa": "Kappa (higher is better)", "log_loss": "Log loss (lower is better)",
              "accuracy": "Accuracy (higher is better)"}  # fmt: skip
    places = range(len(table))
    with _saved(path, (9, 0.75 + 0.46 * len(table)), title) as figure:
        for axes, (score, heading) in zip(figure.subplots(1, 3, sharey=True), panels.items(), strict=True):
            values = table[score]
            best = values.min() if score == "log_loss" else values.max()
            axes.barh(places, values, 0.62, color=[MODELS.get(str(model), MUTED) for model in table.index])
            for place, value in zip(places, values, strict=True):
                axes.annotate(
                    f"{value:.3f}".replace("-", "\N{MINUS SIGN}"), (max(0, value), place), (4, 0),
                    textcoords="offset points", va="center", weight="bold" if value == best else "normal",
                )  # fmt: skip
            end = 1.22 * max(values.max(), 0.01) if score == "log_loss" else 1.18
            axes.set(title=heading, xlim=(min(values.min() * 1.1, 0), end))
            axes.axvline(0, color="#AAAAAA", linewidth=0.8)
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.grid(visible=False, axis="y")
        first = figure.axes[0]
        first.set_yticks(places, [f"{_short(model)}\ntrained in {seconds:,.0f} s"
                                  for model, seconds in table["seconds_training"].items()], color=INK)  # fmt: skip
        first.set_ylim(len(table) - 0.5, -0.5)


def model_curves(histories: Mapping[str, pd.DataFrame], path: Path, title: str) -> None:
    """Draw the validation loss and the validation kappa of the models over the epochs.

    Args:
        histories: For each model one row an epoch, with columns epoch, validation_loss and validation_kappa.
        path: PNG file to write.
        title: What was compared, on what data.
    """
    note = "The marks are at the epoch with the lowest validation loss of each model."
    with _saved(path, (8.5, 3.2), title, note, legend=3) as figure:
        losses, scores = figure.subplots(1, 2)
        for model, history in histories.items():
            colour, marker = MODELS.get(model, MUTED), MARKERS.get(model, "o")
            _curve(losses, history, "validation_loss", model, color=colour, marker=marker)
            _curve(scores, history, "validation_kappa", model, color=colour, marker=marker)
        _epochs(losses, "Validation loss (lower is better)")
        _epochs(scores, "Validation kappa (higher is better)")


def learning_curve(table: pd.DataFrame, path: Path, title: str, chosen: int) -> None:
    """Draw the score of each model over the number of training images: a dot a seed, a line through the means.

    Args:
        table: One row a training, with columns model, train_images, seed and score.
        path: PNG file to write.
        title: What is seen.
        chosen: The number of training images that the experiment uses, marked by a line.
    """
    seeds = table["seed"].nunique()
    note = f"Lines are means over {seeds} seeds, dots are the seeds." if seeds > 1 else ""
    with _saved(path, (6.5, 3.8), title, note, legend=4) as figure:
        axes = figure.add_subplot(xscale="log", xlabel="training images", ylabel="score")
        for model, rows in table.groupby("model", sort=False):
            colour = MODELS.get(str(model), MUTED)
            means = rows.groupby("train_images")["score"].mean()
            axes.plot(rows["train_images"], rows["score"], "o", color=colour, alpha=0.4, markersize=4, mew=0)
            axes.plot(means.index, means, MARKERS.get(str(model), "o"), ls="-", color=colour, ms=4.5, label=str(model))
        axes.axvline(chosen, color=MUTED, linewidth=1, linestyle=":", label=f"chosen ({chosen:,})", zorder=1)
        sizes = sorted(set(table["train_images"]))
        ticks = sizes[:1]
        for size in sizes:
            if 12 * math.log(size / ticks[-1]) > math.log(sizes[-1] / sizes[0]):  # room for its label
                ticks.append(size)
        axes.set_xticks(ticks)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.xaxis.set_minor_locator(NullLocator())

"""The figures of trainings."""

import itertools
import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter
from matplotlib.typing import ColorType, LineStyleType

from components.model.registry import MODELS
from components.results import titles
from components.results.figures.style import (
    INK,
    LINES,
    MUTED,
    SPLITS,
    name_colours,
    names_by_model,
    new_figure,
    stack_name,
)


def _draw_curve(
    axes: Axes, history: pd.DataFrame, best_epoch: int, column: str, label: str, color: ColorType,
    linestyle: LineStyleType = "-", marker: str = "o",
) -> None:  # fmt: skip
    """Draw a column of a history over the epochs, with a mark at the best epoch if it is one of validation."""
    epochs, values = history["epoch"], history[column]
    axes.plot(epochs, values, label=label, color=color, linestyle=linestyle, marker=marker if len(values) == 1 else "")
    if column.startswith("validation"):
        best = epochs == best_epoch
        axes.plot(epochs[best], values[best], marker, color=color, markersize=5.5)


def _label_epochs(axes: Axes, title: str) -> None:
    """Set the title of axes over epochs, and ticks at whole epochs."""
    low, high = axes.get_xlim()
    axes.set(title=title, xlabel="epoch", xlim=(low, high) if high - low > 1 else (low - 1, high + 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def draw_training_curves(
    history: pd.DataFrame, best_epoch: int, path: Path, title: str, averaged_runs: int = 1
) -> None:
    """Draw the loss and the scores of one training over its epochs, and mark the epoch whose weights were kept.

    Args:
        history: One row an epoch, with columns epoch, loss, validation_loss, validation_log_loss, accuracy,
            validation_accuracy and validation_kappa.
        best_epoch: The epoch whose weights were kept.
        path: PNG file to write.
        title: What was trained.
        averaged_runs: The runs, one after the other in the history, whose weights were averaged.
    """
    train, validation = SPLITS["train"], SPLITS["validation"]
    best = history.set_index("epoch").loc[best_epoch]
    kept = f"The weights of epoch {best_epoch} were kept"
    if averaged_runs > 1:
        kept = f"The weights of {averaged_runs} runs were averaged, the best of them of epoch {best_epoch}"
    note = f"{kept}: validation log loss {best['validation_log_loss']:.3f} "
    note += f"after the temperature, accuracy {best['validation_accuracy']:.3f}."
    with new_figure(path, (8.5, 3.4), title, note) as figure:
        losses, scores = figure.subplots(1, 2)
        _draw_curve(losses, history, best_epoch, "loss", "train", train)
        _draw_curve(losses, history, best_epoch, "validation_loss", "validation", validation)
        label = "validation, after the temperature"
        _draw_curve(losses, history, best_epoch, "validation_log_loss", label, validation, "--", "D")
        _draw_curve(scores, history, best_epoch, "accuracy", "train accuracy", train)
        _draw_curve(scores, history, best_epoch, "validation_accuracy", "validation accuracy", validation)
        _draw_curve(scores, history, best_epoch, "validation_kappa", "validation kappa", validation, "--", "D")
        for axes, heading in ((losses, "Loss (lower is better)"), (scores, "Scores (higher is better)")):
            _label_epochs(axes, heading)
            axes.legend()
            axes.axvline(best_epoch, color=MUTED, linewidth=1, linestyle=":", zorder=1)


def draw_model_curves(
    histories: Mapping[str, pd.DataFrame], best_epochs: Mapping[str, int], path: Path, title: str
) -> None:
    """Draw validation loss and kappa by epoch: a row of the models' best arms, then a row for each model with several.

    The loss is that after each epoch's temperature.

    Args:
        histories: For each name one row an epoch, with columns epoch, validation_log_loss and validation_kappa; of a
            model of the registry several may be arms, with networks and parameters behind it, the best first.
        best_epochs: For each name the epoch whose weights were kept.
        path: PNG file to write.
        title: What was compared, on what data.
    """
    models, colours = names_by_model(histories), name_colours(histories)
    rows = {"": [arms[0] for arms in models.values()]} | {name: arms for name, arms in models.items() if len(arms) > 1}
    labels = {
        swept: [stack_name(titles.arm_of(name) if swept else name) for name in arms] for swept, arms in rows.items()
    }
    heights = [max(3.2, 0.7 + 0.2 * len("\n".join(lines).splitlines())) for lines in labels.values()]
    note = "Losses are after the temperature; the marks are at the epoch of each model whose weights were kept."
    note += " The upper row has the best of each model; each row below, all of one model." if len(rows) > 1 else ""
    with new_figure(path, (8.5 if len(rows) == 1 else 11, sum(heights)), title, note, legend=3) as figure:
        panels = figure.subplots(len(rows), 2, squeeze=False, height_ratios=heights)
        for (losses, scores), (swept, arms) in zip(panels, rows.items(), strict=True):
            for name, label, line in zip(arms, labels[swept], itertools.cycle(LINES if swept else LINES[:1])):
                for axes, column in ((losses, "validation_log_loss"), (scores, "validation_kappa")):
                    mark = MODELS[titles.model_of(name)].marker
                    _draw_curve(axes, histories[name], best_epochs[name], column, label, colours[name], line, mark)
            suffix = f" of {swept}" if swept else ""
            _label_epochs(losses, f"Validation log loss{suffix} (lower is better)")
            _label_epochs(scores, f"Validation kappa{suffix} (higher is better)")
            if swept:
                scores.legend(loc="upper left", bbox_to_anchor=(1, 1), handlelength=4)


def draw_learning_curve(table: pd.DataFrame, path: Path, title: str, chosen: int) -> None:
    """Draw the score of each model over the number of training images: a dot for each split, a line through the means.

    Args:
        table: One row a training, with columns model, train_images, split and score.
        path: PNG file to write.
        title: What the figure shows.
        chosen: The number of training images that the experiment uses, marked by a line.
    """
    splits = table["split"].nunique()
    note = f"Dots are splits, each the mean of its trainings; lines are means over the {splits}." if splits > 1 else ""
    of_splits = table.groupby(["model", "train_images", "split"], sort=False, as_index=False)["score"].mean()
    with new_figure(path, (6.5, 3.8), title, note, legend=4) as figure:
        axes = figure.add_subplot(xscale="log", xlabel="training images", ylabel="score")
        for model, rows in of_splits.groupby("model", sort=False):
            look = MODELS[str(model)]
            means = rows.groupby("train_images")["score"].mean()
            axes.plot(rows["train_images"], rows["score"], "o", color=look.colour, alpha=0.4, markersize=4, mew=0)
            axes.plot(means.index, means, look.marker, ls="-", color=look.colour, ms=4.5, label=str(model))
        axes.axvline(chosen, color=MUTED, linewidth=1, linestyle=":", label=f"chosen ({chosen:,})", zorder=1)
        sizes = sorted(set(table["train_images"]))
        ticks = sizes[:1]
        for size in sizes:
            if 12 * math.log(size / ticks[-1]) > math.log(sizes[-1] / sizes[0]):  # room for its label
                ticks.append(size)
        axes.set_xticks(ticks)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.xaxis.set_minor_locator(NullLocator())


def draw_forecast(table: pd.DataFrame, path: Path, title: str) -> None:
    """Draw accuracy and log loss over the number of training images, with intervals; the last row is a forecast.

    Args:
        table: One row a number of images: images, and accuracy and log_loss, each with `_low` and `_high` ends.
        path: PNG file to write.
        title: What the figure shows.
    """
    note = "Bars are 95 % intervals. The forecast's reaches from no gain at all to the power law at its best."
    with new_figure(path, (8.5, 3.6), title, note, legend=3) as figure:
        for axes, name in zip(figure.subplots(1, 2), ("accuracy", "log_loss"), strict=True):
            score = name.replace("_", " ")
            axes.set(xscale="log", xlabel="training images", ylabel=f"{score} on validation", title=score.capitalize())
            for rows, colour, label in ((table[:-1], SPLITS["validation"], "measured"), (table[-1:], INK, "forecast")):
                ends = (rows[name] - rows[f"{name}_low"]).clip(0), (rows[f"{name}_high"] - rows[name]).clip(0)
                axes.errorbar(rows["images"], rows[name], ends, color=colour, marker="o", ms=4, capsize=3, label=label)
            axes.plot(table["images"][-2:], table[name][-2:], ":", color=INK, linewidth=1)
            axes.set_xticks(table["images"])
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            axes.xaxis.set_minor_locator(NullLocator())


def draw_learning_rates(curve: pd.DataFrame, rate: float, path: Path, title: str) -> None:
    """Draw the training loss over the learning rate, batch by batch and smoothed, and mark the suggested rate.

    Args:
        curve: One row a batch: learning_rate, loss, smoothed.
        rate: The suggested rate.
        path: PNG file to write.
        title: What was trained.
    """
    with new_figure(path, (6.5, 3.8), title, legend=3) as figure:
        axes = figure.add_subplot(xscale="log", xlabel="learning rate", ylabel="training loss")
        falling = curve[: int(curve["smoothed"].argmin()) + 1]
        axes.set_ylim(0, 1.1 * falling["loss"].max())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.plot(curve["learning_rate"], curve["loss"], ".", color=MUTED, alpha=0.4, ms=4, label="batches")
        axes.plot(curve["learning_rate"], curve["smoothed"], color=SPLITS["train"], label="smoothed")
        axes.axvline(rate, color=INK, linewidth=1, linestyle=":", label=f"falls most steeply ({rate:.1e})")

"""The figures of trainings and of their scores."""

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

from components.results.figures.style import INK, MARKERS, MODELS, MUTED, SPLITS, saved, short


def _curve(
    axes: Axes, history: pd.DataFrame, best_epoch: int, column: str, label: str, color: str, linestyle: str = "-",
    marker: str = "o",
) -> None:  # fmt: skip
    """Draw one column over the epochs; one of validation with a mark at the best epoch."""
    epochs, values = history["epoch"], history[column]
    axes.plot(epochs, values, label=label, color=color, linestyle=linestyle, marker=marker if len(values) == 1 else "")
    if column.startswith("validation"):
        best = epochs == best_epoch
        axes.plot(epochs[best], values[best], marker, color=color, markersize=5.5)


def _epochs(axes: Axes, title: str) -> None:
    """Give axes their title and whole epochs."""
    low, high = axes.get_xlim()
    axes.set(title=title, xlabel="epoch", xlim=(low, high) if high - low > 1 else (low - 1, high + 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def learning_curves(history: pd.DataFrame, best_epoch: int, path: Path, title: str) -> None:
    """Draw the loss and the scores of one training over its epochs, and mark the epoch whose weights were kept.

    Args:
        history: One row an epoch, with columns epoch, loss, validation_loss, accuracy, validation_accuracy and
            validation_kappa.
        best_epoch: The epoch whose weights were kept.
        path: PNG file to write.
        title: What was trained.
    """
    train, validation = SPLITS["train"], SPLITS["validation"]
    best = history.set_index("epoch").loc[best_epoch]
    note = f"The weights of epoch {best_epoch} were kept: validation loss {best['validation_loss']:.3f}, "
    note += f"accuracy {best['validation_accuracy']:.3f}."
    with saved(path, (8.5, 3.4), title, note) as figure:
        losses, scores = figure.subplots(1, 2)
        _curve(losses, history, best_epoch, "loss", "train", train)
        _curve(losses, history, best_epoch, "validation_loss", "validation", validation)
        _curve(scores, history, best_epoch, "accuracy", "train accuracy", train)
        _curve(scores, history, best_epoch, "validation_accuracy", "validation accuracy", validation)
        _curve(scores, history, best_epoch, "validation_kappa", "validation kappa", validation, "--", "D")
        for axes, heading in ((losses, "Loss (lower is better)"), (scores, "Scores (higher is better)")):
            _epochs(axes, heading)
            axes.legend()
            axes.axvline(best_epoch, color=MUTED, linewidth=1, linestyle=":", zorder=1)


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
    with saved(path, (9, 0.75 + 0.46 * len(table)), title) as figure:
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
        first.set_yticks(places, [f"{short(model)}\ntrained in {seconds:,.0f} s"
                                  for model, seconds in table["seconds_training"].items()], color=INK)  # fmt: skip
        first.set_ylim(len(table) - 0.5, -0.5)


def model_curves(histories: Mapping[str, pd.DataFrame], best_epochs: Mapping[str, int], path: Path, title: str) -> None:
    """Draw the validation loss and the validation kappa of the models over the epochs.

    Args:
        histories: For each model one row an epoch, with columns epoch, validation_loss and validation_kappa.
        best_epochs: For each model the epoch whose weights were kept.
        path: PNG file to write.
        title: What was compared, on what data.
    """
    note = "The marks are at the epoch of each model whose weights were kept."
    with saved(path, (8.5, 3.2), title, note, legend=3) as figure:
        losses, scores = figure.subplots(1, 2)
        for model, history in histories.items():
            colour, marker, best = MODELS.get(model, MUTED), MARKERS.get(model, "o"), best_epochs[model]
            _curve(losses, history, best, "validation_loss", model, colour, marker=marker)
            _curve(scores, history, best, "validation_kappa", model, colour, marker=marker)
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
    with saved(path, (6.5, 3.8), title, note, legend=4) as figure:
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


def learning_rates(curve: pd.DataFrame, rate: float, path: Path, title: str) -> None:
    """Draw the loss over the learning rate, each batch and smoothed, and mark the suggested rate.

    Args:
        curve: One row a batch: learning_rate, loss, smoothed.
        rate: The suggested rate.
        path: PNG file to write.
        title: What was trained.
    """
    with saved(path, (6.5, 3.8), title, legend=3) as figure:
        axes = figure.add_subplot(xscale="log", xlabel="learning rate", ylabel="training loss")
        falling = curve[: int(curve["smoothed"].argmin()) + 1]
        axes.set_ylim(0, 1.1 * falling["loss"].max())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.plot(curve["learning_rate"], curve["loss"], ".", color=MUTED, alpha=0.4, ms=4, label="batches")
        axes.plot(curve["learning_rate"], curve["smoothed"], color=SPLITS["train"], label="smoothed")
        axes.axvline(rate, color=INK, linewidth=1, linestyle=":", label=f"falls most steeply ({rate:.1e})")

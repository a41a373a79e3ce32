"""The figures: that each says what it should, takes what data sets bring, and is the same file every time."""

import itertools
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from components.machinery.code import ROOT
from components.model.registry import MODELS
from components.results import figures
from components.results.figures import data_set, predictions, style

pytestmark = pytest.mark.filterwarnings("error")

COLOURS = {name: MODELS[name].colour for name in ("benchmark", "top", "fine_tuned", "ensemble")}
Draw = Callable[[Path], None]
LONG = "a name of sixty characters, which no axis has the room for " + "1"
NAMES = ["$x_1$", "café", "Ελλάδα", "汉字", "🙂", LONG, LONG[:-1] + "2", "file\udcff"]
TUNED = [f"fine_tuned train_top.learning_rate={top} learning_rate={tuned}" for top in (1, 2, 3) for tuned in (4, 5, 6)]
NETWORKS = ["mobilenet_v2", "efficientnet_v2_b0-1a2b3c4d", "convnext_tiny learning_rate=1"]
ARMS = {
    "5": ["benchmark", "top", *TUNED[:3]],
    "12": ["benchmark", "top learning_rate=1", "top learning_rate=2", *TUNED],
    "long": [
        "benchmark epochs=1",
        "benchmark epochs=2",
        *(f"{name} word={LONG.replace(' ', '_')}" for name in TUNED[:5]),
    ],
    "one model": TUNED[:2],
    "networks": ["benchmark", *(f"{model}, {network}" for model in ("top", "fine_tuned") for network in NETWORKS)],
}


def images(number: int, size: int = 8) -> list[npt.NDArray[np.uint8]]:
    return list(np.random.default_rng(0).integers(0, 256, (number, size, size, 3), np.uint8))


def classes(number: int) -> list[str]:
    return [f"class {index:02}" for index in range(number)]


def split_table(names: list[str]) -> pd.DataFrame:
    rows = [
        (f"{number}.png", name, split)
        for number, name in enumerate(names)
        for split, images in (("test", 1), ("unused", 1), ("train", 5 + number), ("validation", 1))
        for _ in range(images)
    ]
    return pd.DataFrame(rows, columns=["file", "label", "split"])


def densities(names: list[str]) -> dict[str, npt.NDArray[np.float64]]:
    values, channels = np.arange(256), np.array([[0], [1], [2]])
    centres = {name: 40 * channels + 3 * number + 20 for number, name in enumerate(names)}
    return {name: np.exp(-(((values - centre) / 30) ** 2)) / 53 for name, centre in centres.items()}


def history(losses: list[float]) -> pd.DataFrame:
    loss = np.array(losses)
    columns = {"loss": loss / 2, "validation_loss": loss, "validation_log_loss": 0.8 * loss, "accuracy": 1 - loss / 4}
    columns |= {"validation_accuracy": 1 - loss / 3, "validation_kappa": 1 - loss / 2}
    return pd.DataFrame({"epoch": range(1, len(loss) + 1), **columns})


def between(columns: dict[str, list[float]], reach: float = 0.05) -> dict[str, npt.NDArray[np.float64]]:
    """Scores, each with the ends of its interval, so far to either side."""
    ends = {"": 0.0, "_low": -reach, "_high": reach}
    return {f"{name}{end}": np.array(values) + add for name, values in columns.items() for end, add in ends.items()}


def scores() -> pd.DataFrame:
    columns = {
        "kappa": [-0.1, 0.7, 0.8, 0.75], "log_loss": [1.5, 0.4, 0.6, 0.5], "accuracy": [0.5, 0.9, 0.9, 0.8],
    }  # fmt: skip
    costs = {"seconds_total": [3.2, 41, 1288, 0], "seconds_shared": [0, 30, 0, 0], "gpu_hours": [0, 0, 0.25, 0]}
    return pd.DataFrame({**between(columns), **costs}, index=list(COLOURS))


def fronts(known: bool = True) -> pd.DataFrame:
    milliseconds = [1.0, 2.0, 8.0, 4.0] if known else np.nan
    return scores().assign(milliseconds=milliseconds, million_weights=[1, 2, 1, 3])


def trials(table: pd.DataFrame) -> pd.DataFrame:
    """Return three trainings of each model of a table of scores but the first, which has one."""
    rows = [table.iloc[:1], *([table[1:] + spread for spread in (-0.05, 0, 0.05)] if len(table) > 1 else [])]
    return pd.concat(rows).rename_axis("model").reset_index()


def class_table(names: list[str]) -> pd.DataFrame:
    """Classes of which the first has the lowest F1, and the last was neither there nor predicted."""
    f1 = np.linspace(0.3, 0.9, len(names))
    table = pd.DataFrame({"class": names, "support": range(1, len(names) + 1), "f1": f1})
    table = table.assign(**between({"precision": list(f1 + 0.05), "recall": list(f1 - 0.05)}))
    table.loc[len(names) - 1, [*table.columns[2:]]] = np.nan
    return table


def slice_table(sizes: list[tuple[int, int]]) -> pd.DataFrame:
    measures = [*(("size", *ends) for ends in sizes), ("brightness", 10.2, 99.8), ("brightness", 100, 240)]
    rows = pd.DataFrame(measures, columns=["by", "low", "high"]).assign(images=1200)
    values = list(np.linspace(0.5, 0.8, len(rows)))
    return rows.assign(**between({"kappa": values, "log_loss": values, "accuracy": values}))


def bins(accuracy: list[float]) -> pd.DataFrame:
    """A table of bins of equal width, the first of which has no images."""
    edges = np.linspace(0, 1, len(accuracy) + 2)
    middles = (edges[:-1] + edges[1:]) / 2
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "images": 10, "confidence": middles})
    table["accuracy"] = [np.nan, *accuracy]
    table.loc[0, ["images", "confidence"]] = 0, np.nan
    return table.assign(accuracy_low=table["accuracy"] / 2, accuracy_high=(1 + table["accuracy"]) / 2)


def calibrate(path: Path) -> None:
    both = {"before": bins([0.2, 0.3, 0.6]), "after": bins([0.3, 0.6, 0.9])}
    figures.draw_reliability(both, path, "Calibration", "A note", "top")


def mistake(number: int, names: tuple[list[str], list[str]], path: Path, maps: bool = True) -> None:
    heat_maps = heats(number) if maps else None
    figures.draw_mistakes(images(number), heat_maps, *names, [0.9] * number, path, "Mistakes")


def compare(names: list[str], path: Path) -> None:
    table = pd.concat([scores()[:1]] * len(names)).set_axis(names)
    figures.draw_model_scores(table, trials(table[:1]), path, f"Scores of {names[-1]}")


def follow(names: list[str], path: Path) -> None:
    histories = {name: history([3 + place, 2, 1 + place / 9]) for place, name in enumerate(names)}
    figures.draw_model_curves(histories, dict.fromkeys(names, 3), path, "Curves")


def trainings() -> pd.DataFrame:
    rows = [
        (model, number, seed, base + number / 2000 + seed / 100)
        for model, base in (("benchmark", 0.2), ("top", 0.5), ("fine_tuned", 0.6))
        for number in (50, 100, 103, 400)
        for seed in range(3)
    ]
    return pd.DataFrame(rows, columns=["model", "train_images", "split", "score"])


def views(number: int, columns: int) -> npt.NDArray[np.uint8]:
    return np.stack(images(number * columns)).reshape(number, columns, 8, 8, 3)


def heats(number: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(0).uniform(0, 1, (number, 4, 4))


def confusions(number: int) -> npt.NDArray[np.int_]:
    return np.asarray(np.random.default_rng(0).integers(0, 4, (number, number)) + 20 * np.eye(number, dtype=int))


WHOLE = {"kappa": 0.6, "log_loss": 0.7, "accuracy": 0.65}  # of all test images

EVERY: dict[str, Draw] = {
    "images_per_class": lambda path: figures.draw_images_per_class(split_table(classes(3)), path),
    "sample_grid": lambda path: figures.draw_sample_grid(images(9), classes(3) * 3, path, "Samples"),
    "image_sizes": lambda path: figures.draw_image_sizes([8, 8, 20], [6, 6, 30], path),
    "rgb_densities": lambda path: figures.draw_rgb_densities(densities(classes(3)), path),
    "augmented_samples": lambda path: figures.draw_augmented_samples(np.stack(images(2)), views(2, 3), path),
    "confusion_matrix": lambda path: figures.draw_confusion_matrix(confusions(3), classes(3), path, "top"),
    "learning_curves": lambda path: figures.draw_training_curves(history([2, 1, 1.5]), 2, path, "top"),
    "reliability": calibrate,
    "mistakes": partial(mistake, 3, (classes(3), ["class 00"] * 3)),
    "per_class": lambda path: figures.draw_class_scores(class_table(classes(4)), path, "Class by class", "top"),
    "slices": lambda path: figures.draw_slice_scores(
        slice_table([(64, 99), (100, 5_000)]), WHOLE, path, "Slices", "top"
    ),
    "fronts": lambda path: figures.draw_fronts(fronts(), path, "Costs"),
    "comparison": lambda path: figures.draw_model_scores(scores(), trials(scores()), path, "Scores"),
    "model_curves": lambda path: figures.draw_model_curves(
        {"benchmark": history([3, 2, 1.5]), "top": history([1, 0.5])}, {"benchmark": 3, "top": 2}, path, "Curves"
    ),
    "learning_curve": lambda path: figures.draw_learning_curve(trainings(), path, "More images help", 100),
}

EDGES: dict[str, Draw] = {
    "images_per_class 2": lambda path: figures.draw_images_per_class(split_table(classes(2)), path),
    "images_per_class 40": lambda path: figures.draw_images_per_class(split_table(classes(40)), path),
    "images_per_class 300": lambda path: figures.draw_images_per_class(split_table(classes(300)), path),
    "images_per_class names": lambda path: figures.draw_images_per_class(split_table(NAMES[:-1]), path),
    "sample_grid 40": lambda path: figures.draw_sample_grid(images(80), classes(40) * 2, path, "Samples"),
    "sample_grid names": lambda path: figures.draw_sample_grid(images(8), NAMES, path, "Samples"),
    "sample_grid sizes": lambda path: figures.draw_sample_grid(
        [np.zeros(shape, np.uint8) for shape in ((8, 3, 3), (90, 300, 3), (1, 1, 3))], ["a", "a", "b"], path, "Samples"
    ),
    "image_sizes same": lambda path: figures.draw_image_sizes([8] * 5, [6] * 5, path),
    "image_sizes wide": lambda path: figures.draw_image_sizes([30, 4000], [10, 10], path),
    "rgb_densities 2": lambda path: figures.draw_rgb_densities(densities(classes(2)), path),
    "rgb_densities 40": lambda path: figures.draw_rgb_densities(densities(classes(40)), path),
    "rgb_densities names": lambda path: figures.draw_rgb_densities(densities(NAMES), path),
    "rgb_densities black": lambda path: figures.draw_rgb_densities({"black": np.eye(3, 256)[[0, 0, 0]]}, path),
    "augmented_samples 1": lambda path: figures.draw_augmented_samples(np.stack(images(1)), views(1, 1), path),
    "confusion_matrix 2": lambda path: figures.draw_confusion_matrix(confusions(2), classes(2), path, "top"),
    "confusion_matrix 40": lambda path: figures.draw_confusion_matrix(confusions(40), classes(40), path, "top"),
    "confusion_matrix 300": lambda path: figures.draw_confusion_matrix(confusions(300), classes(300), path, "top"),
    "confusion_matrix names": lambda path: figures.draw_confusion_matrix(confusions(8), NAMES, path, "top"),
    "confusion_matrix empty": lambda path: figures.draw_confusion_matrix(
        np.zeros((2, 2), int), classes(2), path, "top"
    ),
    "learning_curves 1": lambda path: figures.draw_training_curves(history([2]), 1, path, "One epoch"),
    "learning_curves nan": lambda path: figures.draw_training_curves(history([np.nan, np.nan]), 1, path, "Diverged"),
    "mistakes 16": lambda path: figures.draw_mistakes(
        [np.full((90, 120, 3), shade, np.uint8) for shade in range(16)],
        heats(16),
        NAMES * 2,
        NAMES + [LONG] * 8,
        [0.5] * 16,
        path,
        "Seen",
    ),
    "mistakes none": partial(mistake, 4, (classes(4), classes(4))),
    "mistakes no map": partial(mistake, 16, (NAMES * 2, NAMES + [LONG] * 8), maps=False),
    "per_class 1": lambda path: figures.draw_class_scores(class_table(classes(2))[1:], path, "Never seen", "benchmark"),
    "per_class 40": lambda path: figures.draw_class_scores(
        class_table(classes(40)), path, "Class by class", "ensemble"
    ),
    "per_class names": lambda path: figures.draw_class_scores(
        class_table(NAMES[:-1]), path, "Class by class", "fine_tuned"
    ),
    "slices same": lambda path: figures.draw_slice_scores(slice_table([])[:1], WHOLE, path, "Slices", "top"),
    "slices 20": lambda path: figures.draw_slice_scores(
        slice_table([(999 + 10**6 * part, 10**6 * (part + 1)) for part in range(10)]), WHOLE, path, "Slices", "top"
    ),
    "reliability 1": lambda path: figures.draw_reliability({"after": bins([1.0])}, path, "Sure", "", "benchmark"),
    "fronts alike": lambda path: figures.draw_fronts(
        fronts().assign(million_weights=lambda table: np.nextafter(1.1, np.arange(len(table)))), path, "Equal costs"
    ),
    "fronts unknown": lambda path: figures.draw_fronts(fronts(known=False), path, "Costs"),
    "comparison 1": lambda path: figures.draw_model_scores(scores()[:1], trials(scores()[:1]), path, "One model"),
    "comparison nan": lambda path: figures.draw_model_scores(
        scores().replace(0.4, np.nan), trials(scores()), path, "A score is missing"
    ),
    "comparison unknown": lambda path: figures.draw_model_scores(
        scores().assign(log_loss_low=0.0, log_loss_high=36.0), trials(scores()), path, "Too few images for an interval"
    ),
    "model_curves 1": lambda path: figures.draw_model_curves({"top": history([2])}, {"top": 1}, path, "One epoch"),
    "learning_curve 1": lambda path: figures.draw_learning_curve(trainings()[:1], path, "One training", 400),
    **{f"comparison {name}": partial(compare, names) for name, names in ARMS.items()},
    **{f"model_curves {name}": partial(follow, names) for name, names in ARMS.items()},
}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that would have been saved, in order."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    return figures


def texts(artist: Figure | Axes) -> list[str]:
    return [text.get_text() for text in artist.findobj(Text) if isinstance(text, Text)]


def tick_labels(axes: Axes) -> list[str]:
    """The names on the vertical axis, the lowest position first."""
    return [label.get_text() for label in axes.get_yticklabels()]


def pixels(path: Path) -> npt.NDArray[np.uint8]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def check(path: Path) -> None:
    """Assert that the file is a picture with something in it, with a white edge, and not too large for a repository."""
    image = pixels(path)
    assert 80 <= image.shape[0] <= 2500
    assert 200 <= image.shape[1] <= 2500
    assert (image.mean(axis=2) < 128).mean() > 0.002
    assert (image[[0, -1]] == 255).all(), "something reaches over the upper or the lower edge"
    assert (image[:, [0, -1]] == 255).all(), "something reaches over the left or the right edge"
    assert path.stat().st_size < 500_000


@pytest.mark.parametrize("draw", EVERY.values(), ids=EVERY)
def test_the_same_input_gives_the_same_bytes_whatever_the_settings(draw: Draw, tmp_path: Path) -> None:
    draw(tmp_path / "first.png")
    check(tmp_path / "first.png")
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.dpi": 30, "image.cmap": "jet"}):
        before = dict(mpl.rcParams)
        draw(tmp_path / "second.png")
        assert dict(mpl.rcParams) == before
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


@pytest.mark.parametrize("draw", EDGES.values(), ids=EDGES)
def test_takes_what_data_sets_bring(draw: Draw, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        draw(tmp_path / "figure.png")
    check(tmp_path / "figure.png")
    assert not caplog.records


def test_pyplot_stays_out() -> None:
    code = "import sys, components.results.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_model_has_its_colour_in_every_figure(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_model_scores(scores(), trials(scores()[:1]), tmp_path / "figure.png", "Scores")
    dots = {to_hex(line.get_color()).upper() for line in drawn[0].axes[0].lines}
    histories = {model: history([2, 1]) for model in ("fine_tuned", "top", "benchmark")}
    figures.draw_model_curves(histories, dict.fromkeys(histories, 2), tmp_path / "figure.png", "Curves")
    figures.draw_learning_curve(trainings(), tmp_path / "figure.png", "More images help", 100)
    for figure in drawn[1:]:
        lines = {str(line.get_label()): to_hex(line.get_color()).upper() for line in figure.axes[0].lines}
        assert {model: lines[model] for model in histories} == {model: COLOURS[model] for model in histories}
    assert dots == set(COLOURS.values())
    assert len(dots) == len(COLOURS) == 4


def test_every_model_has_a_colour_and_a_marker_of_its_own():
    assert len({model.colour for model in MODELS.values()}) == len({model.marker for model in MODELS.values()})
    assert len({model.colour for model in MODELS.values()}) == len(MODELS)


def test_no_two_models_share_a_grey_in_print():
    greys = sorted(
        np.array([int(model.colour[place : place + 2], 16) for place in (1, 3, 5)]) @ (0.299, 0.587, 0.114)
        for model in MODELS.values()
    )
    assert np.diff(greys).min() > 15  # of 255


def test_images_per_class_stacks_the_splits_and_sorts_the_classes(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_images_per_class(split_table(classes(3)), tmp_path / "figure.png")
    axes = drawn[0].axes[0]
    assert "27 images in 3 classes, 8 to 10 in each" in texts(drawn[0])
    assert {"train (18)", "validation (3)", "test (3)", "unused (3)"} <= set(texts(drawn[0]))
    assert tick_labels(axes) == ["class 00", "class 01", "class 02"]
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)]
    assert ends == [5, 6, 7, 6, 7, 8, 7, 8, 9, 8, 9, 10]  # train, validation, test, unused


def test_of_many_classes_the_smallest_have_a_bar_and_the_rest_is_counted(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_images_per_class(split_table(classes(41)), tmp_path / "figure.png")
    assert tick_labels(drawn[0].axes[0]) == classes(40)
    assert "The 40 classes with the fewest images; 1 more are left out." in texts(drawn[0])
    assert f"train ({sum(range(5, 46)):,})" in texts(drawn[0])


def test_of_many_classes_those_confused_most_have_a_row_and_the_others_one_together(
    drawn: list[Figure], tmp_path: Path
) -> None:
    matrix = 5 * np.eye(60, dtype=int)
    matrix[7, 50], matrix[3, 8] = 9, 1
    figures.draw_confusion_matrix(matrix, classes(60), tmp_path / "figure.png", "top")
    axes, names = drawn[0].axes[0], [*classes(22), "class 50", "36 others"]
    kept = [name for name in tick_labels(axes) if name in ("class 03", "class 07", "class 08", "class 50")]
    assert kept == ["class 03", "class 07", "class 08", "class 50"]
    assert len(tick_labels(axes)) == len(names) + 1 and tick_labels(axes)[-1] == "36 others"
    counts = [int(text) for text in texts(axes) if text.isdigit()]
    assert sum(counts) == matrix.sum() and 9 in counts and counts[-1] == 5 * 36
    assert any("accuracy 0.968 (300 of 310 images)" in text for text in texts(drawn[0]))


def test_an_unknown_split_is_not_left_out_silently(tmp_path: Path) -> None:
    table = split_table(classes(2)).replace("unused", "held out")
    with pytest.raises(ValueError, match="held out"):
        figures.draw_images_per_class(table, tmp_path / "figure.png")


def test_sample_grid_shows_twenty_classes_and_says_so(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_sample_grid(images(400), classes(40) * 10, tmp_path / "figure.png", "Samples")
    axes = drawn[0].axes[0]
    assert "The first 20 of 40 classes by name." in texts(drawn[0])
    assert tick_labels(axes) == classes(20)
    assert len(axes.images) == 60
    assert {image.get_interpolation() for image in axes.images} == {"nearest"}


def test_sample_grid_puts_each_image_in_the_row_of_its_class(drawn: list[Figure], tmp_path: Path) -> None:
    samples = images(3)
    figures.draw_sample_grid(samples, ["b", "a", "b"], tmp_path / "figure.png", "Samples")
    axes = drawn[0].axes[0]
    assert tick_labels(axes) == ["a", "b"]
    rows = [int(min(image.get_extent()[2:])) for image in axes.images]
    assert rows == [0, 1, 1]
    assert np.array_equal(np.asarray(axes.images[0].get_array()), samples[1])
    assert axes.yaxis_inverted()


def test_images_keep_their_proportions(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_sample_grid([np.zeros((30, 120, 3), np.uint8)], ["wide"], tmp_path / "figure.png", "Samples")
    axes = drawn[0].axes[0]
    left, right, bottom, top = axes.images[0].get_extent()
    corners = axes.transData.transform([(left, bottom), (right, top)])
    width, height = np.abs(corners[1] - corners[0])
    assert width / height == pytest.approx(4)


def test_images_are_upright(tmp_path: Path) -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    image[:10, :, 0] = image[10:, :, 2] = 255
    figures.draw_sample_grid([image], ["red over blue"], tmp_path / "figure.png", "Samples")
    colours = pixels(tmp_path / "figure.png")
    red, blue = ((colours == colour).all(axis=2).nonzero()[0] for colour in ((255, 0, 0), (0, 0, 255)))
    assert red.max() < blue.min()


@pytest.mark.parametrize(("largest", "scale"), [(40, "linear"), (4000, "log")])
def test_image_sizes_are_drawn_by_ratios_where_sides_differ_much(
    largest: int, scale: str, drawn: list[Figure], tmp_path: Path
) -> None:
    figures.draw_image_sizes([8, 20, largest], [10, 30, largest // 2], tmp_path / "figure.png")
    axes = drawn[0].axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == (scale, scale)
    assert axes.get_xlim()[0] < 8 and axes.get_xlim()[1] > largest


def test_densities_are_smooth(drawn: list[Figure], tmp_path: Path) -> None:
    comb = np.zeros((3, 256))
    comb[:, ::4] = 1 / 64  # as of images whose values were stretched
    figures.draw_rgb_densities({"up": comb}, tmp_path / "figure.png")
    (line, *_) = drawn[0].axes[0].lines
    values = np.asarray(line.get_ydata())
    assert values.sum() == pytest.approx(1) and np.abs(np.diff(values)).max() < 0.05 * values.max()


def test_image_sizes_counts_the_images_of_a_size(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_image_sizes([8, 8, 20], [6, 6, 30], tmp_path / "figure.png")
    dots = drawn[0].axes[0].collections[0]
    assert isinstance(dots, PathCollection)
    assert np.asarray(dots.get_offsets()).tolist() == [[8, 6], [20, 30]]
    assert dots.get_sizes()[0] == 2 * dots.get_sizes()[1]
    assert {"3 images have 2 different sizes", "Sides of 6 to 30 pixels; median width 8, median height 6."} <= set(
        texts(drawn[0])
    )


def test_rgb_densities_shows_some_classes_and_says_so(
    drawn: list[Figure], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_set, "MOST_CLASSES", 5)
    histograms = densities(classes(7))
    figures.draw_rgb_densities(histograms, tmp_path / "figure.png")
    assert [axes.get_title(loc="left") for axes in drawn[0].axes] == classes(5)
    assert any("The first 5 of 7 classes by name." in text for text in texts(drawn[0]))
    assert len({line.get_linestyle() for line in drawn[0].axes[3].lines}) == 3  # told apart in grey
    blue = np.asarray(drawn[0].axes[3].lines[2].get_ydata())
    assert np.abs(blue - histograms["class 03"][2]).max() < 0.1 * blue.max()


def test_rgb_densities_is_not_flattened_by_one_peak(drawn: list[Figure], tmp_path: Path) -> None:
    histograms = densities(classes(3))
    histograms["class 01"] = histograms["class 01"] / 2
    histograms["class 01"][:, 0] += 0.5
    figures.draw_rgb_densities(histograms, tmp_path / "figure.png")
    assert drawn[0].axes[0].get_ylim()[1] < 0.04
    assert any("The highest peaks are cut off." in text for text in texts(drawn[0]))


def test_rgb_densities_of_light_drawings_on_black_show_the_drawing(drawn: list[Figure], tmp_path: Path) -> None:
    histograms = {"digit": np.full((3, 256), 0.5 / 256)}
    histograms["digit"][:, 0] += 0.5
    figures.draw_rgb_densities(histograms, tmp_path / "figure.png")
    assert drawn[0].axes[0].get_ylim()[1] < 4 * 0.5 / 256


def test_rgb_densities_of_grey_images_says_that_the_channels_are_the_same(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_rgb_densities({"grey": densities(["grey"])["grey"][[0, 0, 0]]}, tmp_path / "figure.png")
    assert any("red, green and blue are the same" in text for text in texts(drawn[0]))


def test_augmented_samples_puts_the_original_first(drawn: list[Figure], tmp_path: Path) -> None:
    originals, augmented = np.stack(images(2)), views(2, 3)
    figures.draw_augmented_samples(originals, augmented, tmp_path / "figure.png")
    axes = drawn[0].axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["original", "view 1", "view 2", "view 3"]
    shown_images = [np.asarray(image.get_array()) for image in axes.images]
    assert np.array_equal(np.stack(shown_images[::4]), originals)
    assert np.array_equal(shown_images[6], augmented[1, 1])


def test_confusion_matrix_is_shaded_by_row_and_prints_counts(drawn: list[Figure], tmp_path: Path) -> None:
    matrix = np.array([[30, 10, 0], [1, 0, 3], [0, 0, 0]])
    figures.draw_confusion_matrix(matrix, ["a", "b", "c"], tmp_path / "figure.png", "top")
    axes = drawn[0].axes[0]
    assert "top: accuracy 0.682 (30 of 44 images)" in texts(drawn[0])
    expected = [[0.75, 0.25, 0], [0.25, 0, 0.75], [0, 0, 0]]
    assert np.asarray(axes.images[0].get_array()).tolist() == expected
    assert [text.get_text() for text in axes.texts] == [str(count) for count in matrix.flat]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true class", "predicted class")
    assert tick_labels(axes) == ["a", "b", "c"]


def test_confusion_matrix_of_many_classes_has_no_counts(
    drawn: list[Figure], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert predictions.CLASSES_WITH_COUNTS == 25
    monkeypatch.setattr(predictions, "CLASSES_WITH_COUNTS", 4)
    for number in (4, 5):
        figures.draw_confusion_matrix(confusions(number), classes(number), tmp_path / "figure.png", "top")
    assert [len(figure.axes[0].texts) for figure in drawn] == [16, 0]


def luminance(colour: str) -> float:
    """Relative luminance in [0, 1], as in WCAG 2."""
    parts = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_counts_are_legible_on_every_shade(drawn: list[Figure], tmp_path: Path) -> None:
    shares = [1, 3, 10, 30, 50, 60, 65, 67, 69, 75, 90, 100]  # percent, one row each
    matrix = np.diag(shares)
    matrix[:, 0] += 100 - np.array(shares)
    figures.draw_confusion_matrix(matrix, classes(12), tmp_path / "figure.png", "top")
    counts = np.array(drawn[0].axes[0].texts).reshape(12, 12).diagonal()
    for share, count in list(zip(shares, counts, strict=True))[1:]:
        text, shade = luminance(to_hex(count.get_color())), luminance(to_hex(style.SHADES(share / 100)))
        assert (max(text, shade) + 0.05) / (min(text, shade) + 0.05) > 3.5, f"{share}%"


def marks(axes: Axes) -> list[tuple[float, float]]:
    """The epoch and the value of each mark."""
    marked = [line for line in axes.lines if line.get_marker() in {*(model.marker for model in MODELS.values()), "D"}]
    return [(np.asarray(line.get_xdata()).item(), np.asarray(line.get_ydata()).item()) for line in marked]


def test_learning_curves_marks_the_epoch_that_was_kept(drawn: list[Figure], tmp_path: Path) -> None:
    """Which need not be the one with the lowest validation loss."""
    figures.draw_training_curves(history([2, 0.6, 0.4, 0.8]), 2, tmp_path / "figure.png", "top")
    note = "The weights of epoch 2 were kept: validation log loss 0.480 after the temperature, accuracy 0.800."
    assert note in texts(drawn[0])
    assert [marks(axes) for axes in drawn[0].axes] == [[(2, 0.6), (2, pytest.approx(0.48))], [(2, 0.8), (2, 0.7)]]
    for axes in drawn[0].axes:
        assert [line.get_xdata() for line in axes.lines if line.get_linestyle() == ":"] == [[2, 2]]


def test_learning_curves_of_a_soup_say_that_weights_of_runs_were_averaged(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_training_curves(history([2, 0.6, 0.4, 0.8]), 2, tmp_path / "figure.png", "top", averaged_runs=3)
    note = "The weights of 3 runs were averaged, the best of them of epoch 2: validation log loss 0.480 after the "
    assert any(text.replace("\n", " ").startswith(note) for text in texts(drawn[0]))


def test_the_ticks_of_epochs_are_whole(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_training_curves(history([2]), 1, tmp_path / "figure.png", "top")
    figures.draw_model_curves({"top": history([2, 1])}, {"top": 2}, tmp_path / "figure.png", "top")
    for axes in (axes for figure in drawn for axes in figure.axes):
        ticks = axes.get_xticks()
        assert len(ticks) >= 2
        assert (ticks == np.round(ticks)).all()


def test_mistakes_puts_each_beside_its_heat_wrong_ones_first(drawn: list[Figure], tmp_path: Path) -> None:
    samples, hot = [np.full((8, 8, 3), shade, np.uint8) for shade in (10, 20, 30)], np.zeros((3, 4, 4))
    hot[np.arange(3), [0, 3, 0], [0, 0, 3]] = 1
    given = (["cat"] * 3, ["cat", "dog", "dog"], [0.9, 0.97, 0.8])
    figures.draw_mistakes(samples, hot, *given, tmp_path / "figure.png", "Seen")
    axes = drawn[0].axes[0]
    assert tick_labels(axes) == ["wrong", "right"]
    assert [text.get_text() for text in axes.texts] == ["cat → dog (0.97)", "cat → dog (0.80)", "cat (0.90)"]
    assert [np.asarray(image.get_array()).max() for image in axes.images[::2]] == [20, 30, 10]
    under = [np.asarray(image.get_array()).sum(axis=2) for image in axes.images[1::2]]
    peaks = [np.unravel_index(image.argmax(), image.shape) for image in under]
    assert [(row >= 4, column >= 4) for row, column in peaks] == [(True, False), (False, True), (False, False)]
    places = [(min(image.get_extent()[:2]), min(image.get_extent()[2:])) for image in axes.images]
    assert np.subtract(places[1::2], places[::2]) == pytest.approx(np.array([[1, 0]] * 3))


def test_mistakes_says_that_there_is_no_map(drawn: list[Figure], tmp_path: Path) -> None:
    mistake(3, (["a", "b", "b"], ["a", "a", "a"]), tmp_path / "figure.png", maps=False)
    assert any("No heat maps: the network has no convolutions." in text.replace("\n", " ") for text in texts(drawn[0]))
    assert len(drawn[0].axes[0].images) == 3


def intervals(axes: Axes) -> list[tuple[list[float], float]]:
    """The interval and the value of each row, the upper first."""
    coloured = [line for line in axes.lines if to_hex(line.get_color()).upper() in COLOURS.values()]
    lines = [np.asarray(line.get_xdata(), float).tolist() for line in coloured]
    return [(ends, value) for ends, (value,) in zip(lines[::2], lines[1::2], strict=True)]


def test_comparison_shows_the_intervals_and_the_best_in_bold(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_model_scores(scores(), trials(scores()[:1]), tmp_path / "figure.png", "Scores")
    panels = drawn[0].axes
    assert [[text.get_text() for text in axes.texts] for axes in panels] == [
        ["\N{MINUS SIGN}0.100", "0.700", "0.800", "0.750"], ["1.500", "0.400", "0.600", "0.500"],
        ["0.500", "0.900", "0.900", "0.800"],
    ]  # fmt: skip
    bold = [[text.get_text() for text in axes.texts if text.get_fontweight() == "bold"] for axes in panels]
    assert bold == [["0.800"], ["0.400"], ["0.900", "0.900"]]
    note = "Lines are 95 % intervals. Shared: of what it took, work done once for several ways."
    assert note in " ".join(texts(drawn[0])).replace("\n", " ")
    for axes, name in zip(panels, ("kappa", "log_loss", "accuracy"), strict=True):
        rows = [([row[f"{name}_low"], row[f"{name}_high"]], row[name]) for _, row in scores().iterrows()]
        assert intervals(axes) == rows
        low, high = axes.get_xlim()
        assert all(low < start and end < high for (start, end), _ in rows)
    assert panels[1].get_title(loc="left") == "Log loss (lower is better)"
    assert tick_labels(panels[0])[:3] == [
        "benchmark\n3.2 s in all", "top\n41.0 s in all, 30.0 s shared", "fine_tuned\n21 min in all\n0.25 GPU-hours",
    ]  # fmt: skip
    assert panels[0].yaxis_inverted()


def test_fronts_join_the_ways_that_none_beats_in_each_cost(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_fronts(fronts(), tmp_path / "figure.png", "Costs")
    times, sizes = drawn[0].axes
    names = [*COLOURS]
    assert (times.get_xlabel(), sizes.get_xlabel()) == ("Milliseconds an image", "Weights of the model, millions")
    assert np.asarray(times.lines[0].get_xydata()).tolist() == [[1.0, 0.5], [2.0, 0.9]]
    assert np.asarray(sizes.lines[0].get_xydata()).tolist() == [[1.0, 0.9]]
    assert times.get_legend_handles_labels()[1] == names


def test_a_cost_that_is_unknown_has_no_panel(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_fronts(fronts(known=False), tmp_path / "figure.png", "Costs")
    assert [axes.get_xlabel() for axes in drawn[0].axes] == ["Weights of the model, millions"]


def test_per_class_puts_the_lowest_f1_on_top_and_says_what_it_leaves_out(drawn: list[Figure], tmp_path: Path) -> None:
    table = class_table(classes(33))
    figures.draw_class_scores(table.sample(frac=1, random_state=0), tmp_path / "figure.png", "Class by class", "top")
    precision, recall = drawn[0].axes
    assert tick_labels(precision) == [f"class {number:02} ({number + 1})" for number in range(30)]
    assert any("The 30 of 33 classes with the lowest F1." in text.replace("\n", " ") for text in texts(drawn[0]))
    assert intervals(recall)[0] == ([table["recall_low"][0], table["recall_high"][0]], table["recall"][0])


def test_slices_shows_what_was_cut_and_says_what_could_not_be(drawn: list[Figure], tmp_path: Path) -> None:
    both, alone = slice_table([(64, 99), (100, 5_000)]), slice_table([(64, 64)])
    for table in (both, alone):
        figures.draw_slice_scores(table, WHOLE, tmp_path / "figure.png", "Slices", "top")
    cut, same = drawn
    lights = ["brightness 10 to 100 (1,200)", "brightness 100 to 240 (1,200)"]
    assert tick_labels(cut.axes[0]) == ["size 64 to 99 pixels (1,200)", "size 100 to 5,000 pixels (1,200)", *lights]
    assert tick_labels(same.axes[0]) == lights
    assert any("All have size 64 pixels." in text for text in texts(same))
    assert [axes.lines[-1].get_xdata() for axes in same.axes] == [[value, value] for value in WHOLE.values()]
    assert intervals(cut.axes[1])[3] == ([both["log_loss_low"][3], both["log_loss_high"][3]], both["log_loss"][3])


def test_reliability_draws_bins_that_have_images_the_last_in_the_model_s_colour(
    drawn: list[Figure], tmp_path: Path
) -> None:
    calibrate(tmp_path / "figure.png")
    shares, counts = drawn[0].axes
    lines = {str(line.get_label()): line for line in shares.lines}
    assert list(lines) == ["perfect", "before", "after"]
    assert np.asarray(lines["after"].get_ydata()).tolist() == [0.3, 0.6, 0.9]
    assert np.asarray(lines["after"].get_xdata()) == pytest.approx([0.375, 0.625, 0.875])
    assert to_hex(lines["after"].get_color()).upper() == COLOURS["top"]
    (bars,) = (one for one in shares.collections if isinstance(one, LineCollection))
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [pytest.approx(pair) for pair in ((0.15, 0.65), (0.3, 0.8), (0.45, 0.95))]
    assert len(counts.patches) == 2
    assert any("A note Bars: 95 % intervals" in text.replace("\n", " ") for text in texts(drawn[0]))


def test_model_curves_marks_the_epoch_of_each_model_that_was_kept(drawn: list[Figure], tmp_path: Path) -> None:
    histories = {"benchmark": history([3, 2, 2.5]), "top": history([1, 2])}
    figures.draw_model_curves(histories, {"benchmark": 3, "top": 1}, tmp_path / "figure.png", "Curves")
    assert [marks(axes) for axes in drawn[0].axes] == [[(3, 2.0), (1, 0.8)], [(3, -0.25), (1, 0.5)]]
    assert {line.get_linestyle() for line in drawn[0].axes[0].lines if len(np.asarray(line.get_xdata())) > 1} == {"-"}


def test_the_arms_of_a_model_are_told_apart_in_grey_too(drawn: list[Figure], tmp_path: Path) -> None:
    follow(ARMS["12"], tmp_path / "figure.png")
    compare(ARMS["12"], tmp_path / "figure.png")
    overview, top, tuned = ([line for line in axes.lines if line.get_marker() == ""] for axes in drawn[0].axes[::2])
    assert [to_hex(line.get_color()).upper() for line in overview] == list(COLOURS.values())[:3]
    for row, model in ((top, "top"), (tuned, "fine_tuned")):
        colours = [to_hex(line.get_color()).upper() for line in row]
        assert colours[0] == COLOURS[model]
        assert all(after < before for before, after in itertools.pairwise(map(luminance, colours)))
    assert [line.get_linestyle() for line in tuned[:4]] == ["-", "--", ":", "-."]
    dots = [to_hex(line.get_color()) for line in drawn[1].axes[0].lines[1::2]]
    assert dots == [to_hex(line.get_color()) for line in (overview[0], *top, *tuned)]


@pytest.mark.parametrize("names", ARMS.values(), ids=ARMS)
def test_every_arm_is_named_in_full_and_no_name_covers_a_curve(
    names: list[str], drawn: list[Figure], tmp_path: Path
) -> None:
    compare(names, tmp_path / "figure.png")
    follow(names, tmp_path / "figure.png")
    bars, curves = drawn
    labels = [label.split("\n") for label in tick_labels(bars.axes[0])]
    assert ["".join(label[:-1]).replace(" ", "") for label in labels] == [name.replace(" ", "") for name in names]
    models = [re.split("[ ,]", name)[0] for name in names]
    rows = [(axes, legend) for axes in curves.axes if (legend := axes.get_legend())]
    named = [
        f"{axes.get_title(loc='left').split()[3]}{text.get_text()}" for axes, key in rows for text in key.get_texts()
    ]
    swept = [name for name, model in zip(names, models, strict=True) if models.count(model) > 1]
    assert [name.replace("\n", "") for name in named] == [re.sub(",? ", "", name) for name in swept]
    assert all(key.get_window_extent().y0 > axes.get_window_extent().y0 for axes, key in rows)
    for artists in ([*curves.legends, *(key for _, key in rows), *curves.axes], bars.axes[0].get_yticklabels()):
        boxes = [artist.get_window_extent() for artist in artists]
        assert not any(box.overlaps(other) for box, other in itertools.combinations(boxes, 2))
    assert min(np.diff(axes.get_window_extent().intervalx).item() for axes in (*bars.axes, *curves.axes)) > 300


def test_a_figure_grows_with_its_models(drawn: list[Figure], tmp_path: Path) -> None:
    for draw in (compare, follow):
        for names in (list(COLOURS), ARMS["5"], ARMS["12"]):
            draw(names, tmp_path / "figure.png")
    heights = [figure.get_figheight() for figure in drawn]
    assert heights == sorted(heights[:3]) + sorted(heights[3:])
    assert len(set(heights)) == 6


def test_learning_curve_draws_means_seeds_and_the_chosen_size(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_learning_curve(trainings(), tmp_path / "figure.png", "More images help", 103)
    axes = drawn[0].axes[0]
    lines = {str(line.get_label()): line for line in axes.lines}
    assert lines["top"].get_ydata() == pytest.approx([0.535, 0.56, 0.5615, 0.71])
    assert lines["chosen (103)"].get_xdata() == [103, 103]
    seeds = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert [len(np.asarray(line.get_xdata())) for line in seeds] == [12, 12, 12]
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["50", "100", "400"]  # no room for 103


def test_long_names_stay_distinct_and_mathematics_is_not_parsed(drawn: list[Figure], tmp_path: Path) -> None:
    figures.draw_sample_grid(images(8), NAMES, tmp_path / "figure.png", "Samples")
    names = tick_labels(drawn[0].axes[0])
    assert len(set(names)) == len(NAMES)
    assert max(map(len, names)) <= 30
    assert "$x_1$" in names
    assert not drawn[0].axes[0].get_yticklabels()[0].get_parse_math()

"""The charts of the page: SVG that follows the reader's light or dark, each mark with a text that a pointer shows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.ticker import LogLocator, MaxNLocator
from matplotlib.transforms import Affine2D

WIDTH, ROW, PLOT = 420, 34, 250  # CSS pixels: of a chart, of a row of intervals, the height of a chart with two axes
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 26, 36  # margins around the axes
CELL = 24  # of a confusion matrix
LETTER = 6.6  # how wide a letter of 12 pixels is, about
NAME = 28  # letters of a class's name beside a matrix
STOPS = 50  # of a line that show their values, evenly along it


@dataclass(frozen=True)
class Look:
    """How a model is drawn.

    Args:
        colour: Six hexadecimal digits after `#`.
        marker: As Matplotlib names it.
        css: The class of its elements, by which a reader hides them.
    """

    colour: str
    marker: str
    css: str = ""


@dataclass(frozen=True)
class Mark:
    """A value with its interval.

    Args:
        name: What stands above it.
        value: The value; not a number where it is undefined.
        low: The interval's low end.
        high: Its high end.
        look: How it is drawn.
        note: What stands at the right of its name.
        singles: Values of single trainings.
    """

    name: str
    value: float
    low: float
    high: float
    look: Look
    note: str = ""
    singles: Sequence[float] = ()


@dataclass(frozen=True)
class Line:
    """A model's values, epoch by epoch.

    Args:
        name: The model.
        x: The epochs.
        y: The values.
        kept: The epoch whose weights were kept.
        look: How it is drawn.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    kept: float
    look: Look


@dataclass(frozen=True)
class Band:
    """Values along an axis, with their intervals.

    Args:
        name: What they are of.
        x: Where along the axis each is.
        y: The values.
        low: The low end of each interval; empty where none are drawn.
        high: Their high ends, likewise.
        look: How it is drawn.
        forecast: How many of them, the last ones, are no measurements.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    look: Look
    forecast: int = 0


@dataclass(frozen=True)
class Scale:
    """What turns values into places along an axis.

    Args:
        low: The value at `start`.
        high: The value at `end`.
        start: CSS pixels.
        end: CSS pixels.
        logarithmic: Whether equal distances are equal ratios; both ends are above 0 then.
        ticks: The values with a tick.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False
    ticks: Sequence[float] = field(default_factory=list)

    def __call__(self, value: float) -> float:
        """Return the place of a value along the axis, CSS pixels; beyond an end, that of the end."""
        low, high, at = (math.log(max(one, 1e-12)) if self.logarithmic else one for one in (self.low, self.high, value))
        return round(self.start + (self.end - self.start) * min(max((at - low) / (high - low), 0), 1), 1)


def scale_of(
    values: Iterable[float], start: float, end: float, *, logarithmic: bool = False, margin: float = 0.06
) -> Scale:
    """Return the Scale that shows all these values but those that are not numbers, with a margin on both sides."""
    known = [value for value in values if math.isfinite(value) and (value > 0 or not logarithmic)] or [1.0]
    low, high = min(known), max(known)
    if logarithmic:
        low, high = low / max((high / low) ** margin, 1.2), high * max((high / low) ** margin, 1.2)
        subs: Sequence[float] = (1,) if high / low >= 200 else (1, 2, 5) if high / low >= 10 else (1, 1.5, 2, 3, 5, 7)
        locator: LogLocator | MaxNLocator = LogLocator(subs=subs) if high / low >= 3 else MaxNLocator(4)
    else:
        space = max(margin * (high - low), 0.01 * max(abs(high), 0.1))
        low, high, locator = low - space, high + space, MaxNLocator(5, steps=[1, 2, 5, 10])
    ticks = [float(tick) for tick in locator.tick_values(low, high) if low <= tick <= high]
    return Scale(low, high, start, end, logarithmic, ticks)


def marker(look: Look) -> str:
    """Return the SVG of a model's marker in its colour, as beside its name."""
    svg = _new_svg(14, 14, "")
    _draw_marker(_group(svg, look, ""), look.marker, 7, 7)
    return _text(svg)


def interval_chart(marks: Sequence[Mark], title: str, label: str, line: float = math.nan, places: int = 3) -> str:
    """Return the SVG of a row for each mark: its name above, its value on its interval, single trainings as dots.

    Args:
        marks: The rows, from the top.
        title: What the axis shows.
        label: All of it in words, for those who cannot see it.
        line: A value with a dotted line through all rows, if any.
        places: Decimals of the values.
    """
    values = [value for mark in marks for value in (mark.low, mark.high, mark.value, *mark.singles)]
    across = scale_of([*values, line], 8, WIDTH - 12)
    bottom = TOP + ROW * len(marks) + 6
    svg = _new_chart(bottom + 22, title, label)
    _draw_ticks(svg, across, bottom)
    if math.isfinite(line):
        _add(svg, "line", {"class": "front", **_ends(across(line), TOP, across(line), bottom)})
    for number, mark in enumerate(marks):
        middle = TOP + ROW * number + 23
        text = f"{mark.name}: {mark.value:.{places}f}, 95 % interval {mark.low:.{places}f} to {mark.high:.{places}f}"
        row = _group(svg, mark.look, text if math.isfinite(mark.value) else f"{mark.name}: undefined")
        _add(row, "text", {"x": 8, "y": middle - 10}, _shorten(mark.name, 60 - len(mark.note)))
        _add(row, "text", {"x": WIDTH - 12, "y": middle - 10, "class": "end axis"}, mark.note)
        if math.isfinite(mark.value):
            _add(row, "line", {"class": "spread", **_ends(across(mark.low), middle, across(mark.high), middle)})
            for one in mark.singles:
                _add(row, "circle", {"class": "dot", "cx": across(one), "cy": middle + 7, "r": 1.8})
            _draw_marker(row, mark.look.marker, across(mark.value), middle)
    return _text(svg)


def line_chart(lines: Sequence[Line], title: str, label: str, *, logarithmic: bool = False) -> str:
    """Return the SVG of values over epochs, a line for each model, with its marker at the epoch that was kept.

    Args:
        lines: The models.
        title: What is on the upright axis, and which way is better.
        label: All of it in words.
        logarithmic: Whether the upright axis is.
    """
    across = scale_of([x for line in lines for x in line.x], LEFT, WIDTH - RIGHT, margin=0.02)
    up = scale_of([y for line in lines for y in line.y], PLOT - BOTTOM, TOP, logarithmic=logarithmic)
    svg = _new_plot(across, up, title, "epoch", label)
    for line in lines:
        group = _group(svg, line.look, f"{line.name}, kept: epoch {line.kept:g}")
        known = [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)]
        points = " ".join(f"{across(x):g},{up(y):g}" for x, y in known)
        _add(group, "polyline", {"points": points, "class": "line"})
        for x, y in known[:: max(1, math.ceil(len(known) / STOPS))]:
            stop = _add(group, "circle", {"class": "stop", "cx": across(x), "cy": up(y), "r": 5})
            _add(stop, "title", {}, f"{line.name}, epoch {x:g}: {y:.4g}")
        for x, y in known:
            if x == line.kept:
                _draw_marker(group, line.look.marker, across(x), up(y))
    return _text(svg)


def band_chart(bands: Sequence[Band], across: Scale, title: str, bottom: str, label: str) -> str:
    """Return the SVG of values along an axis: a line with a marker at each value, in the band of its intervals.

    Args:
        bands: The lines, of which the first lies below the others.
        across: The lower axis.
        title: What is on the upright axis, and which way is better.
        bottom: What is on the lower axis.
        label: All of it in words.
    """
    up = scale_of([value for band in bands for value in (*band.y, *band.low, *band.high)], PLOT - BOTTOM, TOP)
    svg = _new_plot(across, up, title, bottom, label)
    for band in bands:
        group = _group(svg, band.look, band.name)
        points = [f"{across(x):g},{up(y):g}" for x, y in zip(band.x, band.y, strict=True)]
        if band.low:
            ends = [*zip(band.x, band.low, strict=True), *reversed([*zip(band.x, band.high, strict=True)])]
            _add(group, "polygon", {"class": "band", "points": " ".join(f"{across(x):g},{up(y):g}" for x, y in ends)})
        measured = len(points) - band.forecast
        _add(group, "polyline", {"class": "line", "points": " ".join(points[:measured])})
        if band.forecast:
            _add(group, "polyline", {"class": "line ahead", "points": " ".join(points[measured - 1 :])})
        for number, (x, y) in enumerate(zip(band.x, band.y, strict=True)):
            text = f"{band.name}, {x:,.7g}{' (forecast)' * (number >= measured)}: {y:.3f}"
            text += f" ({band.low[number]:.3f} to {band.high[number]:.3f})" if band.low else ""
            _draw_marker(_group(group, band.look, text), band.look.marker, across(x), up(y), 0.75)
    return _text(svg)


def front_chart(marks: Sequence[tuple[float, Mark]], cost: str, front: Sequence[str], label: str) -> str:
    """Return the SVG of accuracy with its intervals against a cost, on a logarithmic axis, and of the front's line.

    Args:
        marks: The cost of each way, above 0, and its accuracy.
        cost: What the cost is, with its unit.
        front: Names of the ways that no other beats in both, by ascending cost, which a line joins.
        label: All of it in words.
    """
    across = scale_of([value for value, _ in marks], LEFT, WIDTH - RIGHT, logarithmic=True)
    up = scale_of([end for _, mark in marks for end in (mark.low, mark.high)], PLOT - BOTTOM, TOP)
    svg = _new_plot(across, up, "Test accuracy", cost, label)
    places = {mark.name: f"{across(value):g},{up(mark.value):g}" for value, mark in marks}
    _add(svg, "polyline", {"class": "front", "points": " ".join(places[name] for name in front)})
    for value, mark in marks:
        group = _group(svg, mark.look, f"{mark.name}: accuracy {mark.value:.3f}, {value:,.4g} {mark.note}")
        _add(
            group, "line", {"class": "spread thin", **_ends(across(value), up(mark.low), across(value), up(mark.high))}
        )
        _draw_marker(group, mark.look.marker, across(value), up(mark.value))
    return _text(svg)


def reliability_chart(rows: Sequence[Mapping[Any, Any]], look: Look, label: str) -> str:
    """Return the SVG of a reliability diagram: accuracy of each bin of confidence with its interval, and the diagonal.

    Args:
        rows: A bin each: images, confidence, accuracy, accuracy_low and accuracy_high.
        look: How the model is drawn.
        label: All of it in words.

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599.
    """
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    across, up = Scale(0, 1, LEFT, WIDTH - RIGHT, ticks=ticks), Scale(0, 1, PLOT - BOTTOM, TOP, ticks=ticks)
    svg = _new_plot(across, up, "Accuracy", "confidence: probability of the predicted class", label)
    _add(svg, "line", {"class": "front", **_ends(across(0), up(0), across(1), up(1))})
    group = _group(svg, look, "")
    for row in rows:
        x, text = across(row["confidence"]), f"{row['images']:,.0f} images: confidence {row['confidence']:.3f}, "
        text += f"accuracy {row['accuracy']:.3f} ({row['accuracy_low']:.3f} to {row['accuracy_high']:.3f})"
        one = _group(group, look, text)
        _add(one, "line", {"class": "spread thin", **_ends(x, up(row["accuracy_low"]), x, up(row["accuracy_high"]))})
        _draw_marker(one, look.marker, x, up(row["accuracy"]), 0.75)
    return _text(svg)


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix in three drawings: the names above it and beside it stay where they are while it scrolls."""

    above: str
    beside: str
    cells: str


def confusion_matrix(counts: np.ndarray, classes: Sequence[str], label: str) -> Matrix:
    """Return a confusion matrix as three SVGs, `above` and `beside`, the class names, and `cells`, with hover texts.

    The cells, of one size for any number of classes, tell their classes and images.

    Args:
        counts: Test images of each true class, the rows, predicted as each class, the columns: (classes, classes).
        classes: The names, in the same order.
        label: All of it in words.
    """
    side = CELL * len(classes)
    room = round(LETTER * min(max(map(len, classes)), NAME) + 10)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    above, beside, cells = _new_svg(side, room, ""), _new_svg(room, side, ""), _new_svg(side, side, label)
    for number, name in enumerate(classes):
        middle, short = CELL * (number + 0.5) + 4, _shorten(name, NAME)
        for svg, place in (
            (above, {"transform": f"translate({middle:g} {room - 5}) rotate(-90)"}),
            (beside, {"x": room - 5, "y": middle, "class": "end"}),
        ):
            _add(_add(svg, "text", place, short), "title", {}, name)
    for row, column in np.argwhere(counts > 0).tolist():
        x, y, share = CELL * column, CELL * row, shares[row, column]
        cell = _add(cells, "g", {"class": "right" if row == column else "wrong"})
        text = f"{classes[row]} as {classes[column]}: {counts[row, column]:,} images, {share:.1%} of {classes[row]}"
        _add(cell, "title", {}, text)
        box = {"x": x + 0.5, "y": y + 0.5, "width": CELL - 1, "height": CELL - 1}
        _add(cell, "rect", {**box, "fill-opacity": f"{0.12 + 0.88 * share:.2f}"})
        centre = {"x": x + CELL / 2, "y": y + CELL / 2 + 4, "class": "middle light" if share > 0.5 else "middle"}
        count = int(counts[row, column])
        _add(cell, "text", centre, f"{count}" if count < 1000 else f"{count / 1000:.0f}k")
    return Matrix(*(_text(svg) for svg in (above, beside, cells)))


def _new_svg(width: float, height: float, label: str) -> ElementTree.Element:
    """Return an empty drawing of this size, in CSS pixels; without a label it is left out for those who cannot see."""
    described = {"role": "img", "aria-label": label} if label else {"aria-hidden": "true"}
    size = {"viewBox": f"0 0 {width:g} {height:g}", "width": f"{width:g}", "height": f"{height:g}"}
    return ElementTree.Element("svg", {**size, **described})


def _new_chart(height: float, title: str, label: str) -> ElementTree.Element:
    """Return an empty drawing, `WIDTH` wide, with a title at its upper left."""
    svg = _new_svg(WIDTH, height, label)
    svg.set("class", "chart")
    _add(svg, "text", {"x": 8, "y": 13, "class": "title"}, title)
    return svg


def _new_plot(across: Scale, up: Scale, title: str, bottom: str, label: str) -> ElementTree.Element:
    """Return a drawing with two axes: their ticks and grid, the title above, the words of the lower axis below."""
    svg = _new_chart(PLOT, title, label)
    _draw_ticks(svg, across, PLOT - BOTTOM)
    for tick in up.ticks:
        _add(svg, "line", {"class": "grid", **_ends(LEFT, up(tick), WIDTH - RIGHT, up(tick))})
        _add(svg, "text", {"x": LEFT - 6, "y": up(tick) + 4, "class": "end axis"}, f"{tick:,.4g}")
    _add(svg, "text", {"x": (LEFT + WIDTH - RIGHT) / 2, "y": PLOT - 4, "class": "middle axis"}, bottom)
    return svg


def _draw_ticks(svg: ElementTree.Element, across: Scale, bottom: float) -> None:
    """Draw the ticks of the lower axis, with a grid from the title down to it."""
    for tick in across.ticks:
        _add(svg, "line", {"class": "grid", **_ends(across(tick), TOP, across(tick), bottom)})
        _add(svg, "text", {"x": across(tick), "y": bottom + 14, "class": "middle axis"}, f"{tick:,.6g}")


def _group(svg: ElementTree.Element, look: Look, title: str) -> ElementTree.Element:
    """Add a group in a model's colour, with a text that a pointer shows if there is one, and return it."""
    group = _add(svg, "g", {"class": f"way {look.css}".strip(), "style": f"--way:{look.colour}"})
    if title:
        _add(group, "title", {}, title)
    return group


def _draw_marker(parent: ElementTree.Element, marker: str, x: float, y: float, size: float = 1) -> None:
    """Draw a marker of Matplotlib at a place."""
    style = MarkerStyle(marker)
    path = style.get_path().transformed(style.get_transform() + Affine2D().scale(9 * size, -9 * size).translate(x, y))
    letters = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}
    words = [
        letters[code] + (" ".join(f"{value:.1f}" for value in values) if code != Path.CLOSEPOLY else "")
        for values, code in path.iter_segments(curves=True, simplify=False)
    ]
    _add(parent, "path", {"class": "mark", "d": "".join(words)})


def _add(
    parent: ElementTree.Element, tag: str, attributes: Mapping[str, object], text: str = ""
) -> ElementTree.Element:
    """Add an element with these attributes and this text to a parent, and return it."""
    element = ElementTree.SubElement(parent, tag, {name: f"{value}" for name, value in attributes.items()})
    element.text = text or None
    return element


def _ends(x1: float, y1: float, x2: float, y2: float) -> dict[str, float]:
    """Return the ends of a line as its attributes."""
    return {"x1": x1, "y1": y1, "x2": x2, "y2": y2}


def _shorten(name: str, longest: int) -> str:
    """Return a name, cut in its middle where it is longer than so many letters."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"


def _text(svg: ElementTree.Element) -> str:
    """Return a drawing as text of SVG, in which every name is escaped."""
    return ElementTree.tostring(svg, encoding="unicode", short_empty_elements=False)

"""The style that the figures share: colours, fonts, and a figure with title, note and legend."""

import textwrap
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import font_manager, style
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from matplotlib.typing import ColorType, LineStyleType

from components.model.registry import MODELS
from components.results import titles

# Okabe and Ito's palette, in which one colour stands for one thing throughout.
INK, MUTED, GRID = "#222222", "#666666", "#E4E4E4"
ACCENT = "#0072B2"
LINES: tuple[LineStyleType, ...] = ("-", "--", ":", "-.", (0, (9, 2)))  # of what goes by colour, for grey prints
SPLITS = {"train": "#009E73", "validation": "#CC79A7", "test": "#0072B2", "unused": "#BBBBBB"}
CHANNELS = {"red": "#D55E00", "green": "#009E73", "blue": "#0072B2"}
SHADES = LinearSegmentedColormap.from_list(
    "shades", [(0, "#FFFFFF"), (0.03, "#E2EFF7"), (0.5, "#56A5D3"), (0.8, "#0072B2"), (1, "#004A75")]
)
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
def new_figure(
    path: Path, size: tuple[float, float], title: str, note: str = "", *, legend: int = 0, constrained: bool = True
) -> Iterator[Figure]:
    """Yield an empty figure in the common style; once it is drawn, add its title and note and save it.

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
        box = add_heading(figure, title, note, legend)
        figure.savefig(path, format="png", bbox_inches=box, metadata={"Software": None})


def add_heading(figure: Figure, title: str, note: str, legend: int) -> Bbox:
    """Add the legend, then the note, then the title above a drawn figure, and return the box around all in inches."""
    engine = figure.get_layout_engine()
    if engine:
        engine.execute(figure)
        figure.set_layout_engine(None)
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


def shorten_name(name: object, longest: int = 30) -> str:
    """Return a name as text; if longer than `longest` characters, cut to at most so many, an ellipsis in its middle."""
    text = str(name).encode(errors="replace").decode()
    half = (longest - 1) // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"


def names_by_model(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names by the registry's model that each begins with, all in the order given."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(titles.model_of(name), []).append(name)
    return groups


def name_colours(names: Iterable[str]) -> dict[str, ColorType]:
    """Return a colour for each name: the model's own for its first name, darker from one to the next."""
    colours: dict[str, ColorType] = {}
    for model, arms in names_by_model(names).items():
        darker = LinearSegmentedColormap.from_list("darker", [MODELS[model].colour, INK])
        colours |= {arm: darker(0.7 * number / len(arms)) for number, arm in enumerate(arms)}
    return colours


def stack_name(name: str) -> str:
    """Return a name on lines of at most 34 characters: its model and network, then each parameter on a new one."""
    parts = titles.name_parts(name)
    return "\n".join(line for part in parts for line in textwrap.wrap(part, 34, break_on_hyphens=False))

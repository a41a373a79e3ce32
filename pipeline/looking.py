"""A look at a data set: what the first steps of a run make of it, printed, without a copy of its images."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from components.data.artifacts import Audit, Images, Splits, TestSplit
from components.data.datasets import DATA_SETS
from components.machinery.signature import load_step
from components.model.backbones import BACKBONES
from components.system.errors import fold_words
from pipeline import recipes

if TYPE_CHECKING:
    import pandas as pd

VALIDATION = 0.2  # of the images outside a published test part
ACCURACY, DISAGREEMENT = 0.9, 0.1  # of the models whose test is described
MOST_EXAMPLES = 4  # of leaks
KINDS_OF_LEAKS = {
    "identical": "identical images across the parts",
    "near": "near-identical images across the parts",
    "group": "groups across the parts, of which images are",
    "two labels": "duplicates of two labels",
}


def look_at(content: Mapping[str, Any], source: Mapping[str, Any], method: str | None = None) -> Mapping[str, Any]:
    """Print what is in a source; return the settings of `split` that suit it, where the defaults do not.

    It goes through `fetch`, `audit` and `split`, which print what they understood, on links to the images, in a folder
    for temporary files. Archives are unpacked there.

    Args:
        content: All of params.yaml, whose defaults count.
        source: What `own:` says of a data set: its `source`, and other parameters of `fetch`.
        method: That of `split`; None for the one that suits.

    Raises:
        UserError: A step refuses the data set.
    """
    from components.data import layout
    from components.data.sources import open_source

    given = {"data_set": "look", "max_quarantined": content["data"].get("max_quarantined"), **source}
    values = load_step("fetch").check_values(given)
    with TemporaryDirectory(prefix="graft-look-") as temporary:
        top = Path(temporary)
        images, audit, splits = Images(top / "images"), Audit(top / "audit"), Splits(top / "splits")
        test_split = TestSplit(top / "test_split")
        for artifact in (images, audit, splits, test_split):
            artifact.path.mkdir()
        with open_source(values["source"], images.path) as folder:
            layout.lay_out(folder, images, None, values["max_quarantined"], values["links"], copy=False)
            table = images.table("images.csv")
            settings = split_settings(table, method)
            print_lines(size_line(table))
            default = default_values(content, settings)
            load_step("audit").function(images, audit, **default["audit"])
            load_step("split").function(images, audit, splits, test_split, **default["split"])
        leaks, tested = splits.table("leakage.csv"), test_split.table("test_split.csv")
    print_lines(*leak_lines(leaks), test_line(tested))
    return settings


def default_values(content: Mapping[str, Any], settings: Mapping[str, Any]) -> recipes.Values:
    """Return a recipe's values, by step and parameter, that says nothing but these settings of `split`."""
    recipe = {"data": next(iter(DATA_SETS)), "networks": [next(iter(BACKBONES))], "split": {**settings}}
    return recipes.resolve({**content, "recipes": {"look": recipe}}, "look").values


def print_lines(*lines: str) -> None:
    """Print lines as those of the look itself."""
    for line in lines:
        print(f"look: {line}")


def split_settings(table: "pd.DataFrame", method: str | None) -> Mapping[str, Any]:
    """Return the settings of `split` for a method; for None, for published parts, or else groups, {} without any.

    Args:
        table: One row an image, with its `part` and `group`.
        method: That of `split`, or None.
    """
    parts = {*table["part"]} - {""}
    is_published = parts & {"test", "validation"} or any(part.isdecimal() for part in parts)
    suitable = "published" if is_published else "grouped" if table["group"].any() else ""
    chosen = method or suitable
    return {"method": chosen, **({"validation": VALIDATION} if chosen == "published" else {})} if chosen else {}


def size_line(table: "pd.DataFrame") -> str:
    """Return a line on how large the images are: the one in the middle by its pixels, the smallest and the largest."""
    ordered = table.assign(pixels=table["width"] * table["height"]).sort_values("pixels", kind="stable")
    small, middle, large = (
        f"{row.width} x {row.height}" for row in ordered.iloc[[0, len(table) // 2, -1]].itertuples()
    )
    return f"sizes: {middle} pixels in the middle, from {small} to {large}"


def leak_lines(leaks: "pd.DataFrame") -> list[str]:
    """Return a line for each kind of leak with some of its images: duplicates across parts, of two labels, groups.

    Args:
        leaks: The table `leakage.csv`.
    """
    pairs = leaks["file"] + " and " + leaks["other"]
    return [
        f"{words}, {len(several):,}: {fold_words(several, MOST_EXAMPLES)}"
        for kind, words in KINDS_OF_LEAKS.items()
        if (several := pairs[leaks["kind"] == kind].tolist())
    ]


def test_line(table: "pd.DataFrame") -> str:
    """Return a line on what a test part can tell: how well it knows an accuracy, and what difference of two models.

    Args:
        table: One row a test image, with its `group`.
    """
    from components.scores.intervals import exact_interval
    from components.scores.pairs import detectable_difference

    low, high = exact_interval(round(ACCURACY * len(table)), len(table))
    difference = detectable_difference(len(table), DISAGREEMENT)
    points = f"told apart, four times in five, by {100 * difference:.1f} points between them"
    told = points if difference < 1 else "not told apart"
    grouped = "; less is told where images of one group are alike" if table["group"].any() else ""
    return (
        f"{len(table):,} test images: an accuracy of {ACCURACY:g} has the 95 % interval {low:.3f} to {high:.3f}; two "
        f"models that disagree on {100 * DISAGREEMENT:.0f} % of the images are {told}{grouped}"
    )

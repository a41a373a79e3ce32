"""A look at a data set: what the first steps of a run make of it, printed, without a copy of its images."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from components.data.artifacts import Audit, Images, Splits, TestSplit
from components.data.datasets import DATA_SETS
from components.data.sources import local_path
from components.machinery.signature import load_step
from components.model.backbones import BACKBONES
from components.system.errors import UserError, fold_words
from pipeline import recipes

if TYPE_CHECKING:
    import pandas as pd

VALIDATION = 0.2  # of the images outside a published test part
ACCURACY = 0.9  # of the models whose test is described
MOST_EXAMPLES = 4  # of leaks
OBLONG = 1.4  # times as long as wide, as photographs of 3:2 are and those of 4:3 are not
KINDS_OF_LEAKS = {
    "identical": "identical images across the parts",
    "near": "near-identical images or changed copies across the parts",
    "group": "groups across the parts, of which images are",
    "two labels": "duplicates of two labels",
}


class Look(NamedTuple):
    """What a look at a source came to.

    Args:
        values: What is not the default for it, by step and parameter: what is given, and the `split` that suits.
        images: How many readable images there are.
    """

    values: recipes.Values
    images: int


def look_at(content: Mapping[str, Any], source: str, assignments: Mapping[str, str]) -> Look:
    """Print what labelled images hold; return a Look: values given, a fitting `split`, the number of readable images.

    It goes through `fetch`, `audit` and `split`, which print what they understood, on links to the images, in a folder
    for temporary files. Archives are unpacked there. The values are by step and parameter.

    Args:
        content: All of params.yaml, whose defaults count.
        source: A folder, an archive or an address.
        assignments: Values that differ, by `STEP.PARAMETER`.

    Raises:
        UserError: A parameter is unknown, or a step refuses the data set.
    """
    from components.data import layout
    from components.data.sources import open_source

    chosen = sections(assignments)
    step, limit = load_step("fetch"), content["data"].get("max_quarantined")
    values = step.check_values(
        {"data_set": "look", "source": source, "max_quarantined": limit} | chosen.get("fetch", {})
    )
    fetched = step.function_arguments(values)
    recipe_values(content, chosen)  # so that what is wrong with them is said first
    with TemporaryDirectory(prefix="graft-look-") as temporary:
        top = Path(temporary)
        images, audit, splits = Images(top / "images"), Audit(top / "audit"), Splits(top / "splits")
        test_split = TestSplit(top / "test_split")
        for artifact in (images, audit, splits, test_split):
            artifact.path.mkdir()
        with open_source(source, images.path) as folder:
            quarantined, links, rules = (fetched[key] for key in ("max_quarantined", "links", "rules"))
            layout.lay_out(folder, images, None, quarantined, links, rules, packed="links")
            table = images.table("images.csv")
            chosen = {**chosen, "split": {**suitable_split(table, chosen.get("split", {})), **chosen.get("split", {})}}
            print_lines(*size_lines(table))
            default = recipe_values(content, chosen)
            load_step("audit").function(images, audit, **default["audit"])
            load_step("split").function(images, audit, splits, test_split, **default["split"])
        leaks, tested = splits.table("leakage.csv"), test_split.table("test_split.csv")
    print_lines(*leak_lines(leaks), test_line(tested))
    return Look({step: values for step, values in chosen.items() if values}, len(table))


def read_source_word(source: str, assignments: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Return both as they are; of a table of labels its folder, and the assignments with its name as `fetch.labels`."""
    from components.data.label_tables import LISTS, TABLES

    folder, _, name = source.rpartition("/")
    if name.lower().endswith((*TABLES, *LISTS)) and local_path(source).is_file():
        return folder or ".", {"fetch.labels": name, **assignments}
    return source, assignments


def sections(assignments: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return checked values by step, from texts: `{"split": {"test": 0.3}}` from `{"split.test": "0.3"}`.

    Raises:
        UserError: There is no such step or parameter, or a value is not what it may be.
    """
    chosen: dict[str, dict[str, Any]] = {}
    for address, text in assignments.items():
        name, _, key = address.partition(".")
        parameters = load_step(recipes.require_name("step", name, ["fetch", *recipes.IN_RECIPES])).parameters
        recipes.require_name(f"parameter of {name}", key, parameters)
        if key in ("source", "data_set"):
            raise UserError(f"{address}: {key} is given already")
        chosen.setdefault(name, {})[key] = parameters[key].read(name, key, text)
    return chosen


def recipe_values(content: Mapping[str, Any], chosen: recipes.Values) -> recipes.Values:
    """Return the values of every step of a recipe, by step and parameter: the defaults, or in their place those chosen.

    Steps that fetch are not among them.
    """
    entries = {step: {**values} for step, values in chosen.items() if step != "fetch"}
    recipe = {"data": next(iter(DATA_SETS)), "networks": [next(iter(BACKBONES))], **entries}
    return recipes.resolve({**content, "recipes": {"look": recipe}}, "look").values


def forecast_lines(content: Mapping[str, Any], source: str, fetched: Mapping[str, Any]) -> list[str]:
    """Return lines on what more of the images at a source would bring to a recipe that has been run on them; or [].

    Of several recipes and networks it is the one whose regression has the lowest log loss now.

    Args:
        content: All of params.yaml.
        source: A folder, an archive or an address.
        fetched: Parameters of `fetch` that are given; a data set that says otherwise is another.
    """
    from components.data.artifacts import Forecast
    from components.machinery.running import is_whole
    from pipeline.collection import declarations, fetch_values
    from pipeline.places import path_of
    from pipeline.planning import tasks_by_recipe

    data_sets = {
        name
        for name, lines in declarations(content, "data").items()
        if is_same_source(lines["source"], source)
        and fetched.items() <= load_step("fetch").check_values(fetch_values(content, name)).items()
    }
    names = [name for name in content["recipes"] if recipes.resolve(content, name).data in data_sets]
    forecasts: dict[str, tuple[str, Forecast]] = {}
    for name, tasks in tasks_by_recipe(content, names).items():
        for task in tasks:
            path = path_of(task.outputs["forecast"]) if task.step == "forecast" else None
            if path and is_whole(Forecast, path):
                forecasts.setdefault(str(path), (name, Forecast.read(path)))
    if not forecasts:
        return []
    from components.results.forecasts import forecast_sentences, loss_now

    name, best = min(forecasts.values(), key=lambda pair: loss_now(pair[1]))
    first, *others = forecast_sentences(best)
    return [f"{name}, run before: {first[0].lower()}{first[1:]}", *others]


def is_same_source(one: str, other: str) -> bool:
    """Return whether two sources are one and the same path or address."""
    return one == other or ("://" not in one + other and local_path(one).resolve() == local_path(other).resolve())


def print_lines(*lines: str) -> None:
    """Print each line with `look: ` before it."""
    for line in lines:
        print(f"look: {line}")


def suitable_split(table: "pd.DataFrame", chosen: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return split's `method`: as chosen, else `published` or `grouped`; if published, `validation` 0.2; {} if neither.

    Args:
        table: One row an image, with its `part` and `group`.
        chosen: What is chosen already; a method there counts before what is found.
    """
    parts = {*table["part"]} - {""}
    is_published = parts & {"test", "validation"} or any(part.isdecimal() for part in parts)
    method = chosen.get("method", "published" if is_published else "grouped" if table["group"].any() else "")
    return ({"method": method} if method else {}) | ({"validation": VALIDATION} if method == "published" else {})


def size_lines(table: "pd.DataFrame") -> Iterator[str]:
    """Yield a line on the sizes of the middle, smallest and largest image, and one more where half are clearly oblong.

    Where half of them are clearly longer than wide, a line on what squashing takes from them follows.
    """
    ordered = table.assign(pixels=table["width"] * table["height"]).sort_values("pixels", kind="stable")
    small, middle, large = (
        f"{row.width} x {row.height}" for row in ordered.iloc[[0, len(table) // 2, -1]].itertuples()
    )
    yield f"sizes: {middle} pixels in the middle, from {small} to {large}"
    sides = table[["width", "height"]]
    if (half := (sides.max(axis=1) / sides.min(axis=1)).median()) >= OBLONG:
        yield (
            f"shapes: half of the images are {half:.1f} times as long as wide or more, which squashing to squares "
            "takes from them: try `vary: {augment: {resize: [squash, crop, pad]}}`"
        )


def leak_lines(leaks: "pd.DataFrame") -> list[str]:
    """Return a line for each kind of leak that there is, with the number of pairs and the first few; [] without leaks.

    The kinds are identical and near-identical images across parts, groups across parts, and duplicates of two labels.

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
    """Return a line on a test part: the 95 % interval of an accuracy of 0.9, and the least difference it can tell.

    Args:
        table: One row a test image, with its `group`.
    """
    from components.scores.pairs import least_difference_text
    from components.scores.proportions import exact_interval

    low, high = exact_interval(round(ACCURACY * len(table)), len(table))
    grouped = "; less is told where images of one group are alike" if table["group"].any() else ""
    return (
        f"{len(table):,} test images: an accuracy of {ACCURACY:g} has the 95 % interval {low:.3f} to {high:.3f}; "
        f"{least_difference_text(len(table))}{grouped}"
    )

"""The command that lists images to look at: labels that are probably wrong, images far from their class, odd ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from components.data.artifacts import Audit, Augmented, Images, Splits
from components.data.corrections import DECISION, list_lines
from components.data.packing import ImageFile
from components.system.errors import UserError
from components.system.limits import Range
from components.system.outputs import write_in_one_move
from pipeline.commands.search import ON_FEATURES, find_task, open_inputs, output_behind
from pipeline.commands.words import Name, Recipe
from pipeline.places import path_of

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.arranging import Task

Shown = Annotated[int, Range("from 1 to 100", lambda value: 1 <= value <= 100)]
ODDITIES = 6  # kinds of them
SEED = 0  # of the folds
LISTS = ("suspects", "outliers", "odd")
NOTE = "Labels: as labelled, as suggested, and how probable that is. Odd images: what was measured, what is usual."


def suspects(recipe: Recipe, *, network: Name = "", shown: Shown = 24) -> None:
    """List images whose label is probably wrong, and odd images, to decide on; none of the test part.

    A regression on a recipe's stored features, fitted on other images, gives each image the probabilities of classes.
    Labels that it contradicts confidently are suspects, the surest first. Odd are images that are blurred, dark,
    bright, tiny or narrow beside the rest of the set, beyond 3.5 robust standard deviations, and mirrored or turned
    copies of others. Test images are not looked at. The tables, of all suspects, of the images by how far they are from
    the nearest of their class, and of odd ones, and the picture of the first suspects and odd ones are written into
    the recipe's folder of the network: suspects.csv, outliers.csv, odd.csv, suspects.png.

    Each table has an empty column `decision`: write `exclude` or a class into it, or the image's own class where that
    is right, and give a copy of the table to the recipe, `split: {corrections: PATH}`. What is decided there is not
    listed again.

    Args:
        recipe: A recipe that has been run.
        network: One of the recipe's networks, if not the first.
        shown: How many labels are printed and drawn at most, and as many odd images, as many of each kind of oddity.
    """
    task = find_task(recipe, ON_FEATURES, network)
    splits_path, features_path = (path_of(task.inputs[key][0]) for key in ("splits", "features"))
    folder = splits_path.with_name(features_path.parent.name)  # the recipe's own, where others share the features
    check_undecided(folder)
    from components.data.tables import write_table

    folder.mkdir(exist_ok=True)
    inputs = open_inputs(task)
    splits = inputs["splits"]
    undecided = {*splits.rows()["file"]} - {*splits.table("corrections.csv")["file"]}
    tables = {**doubt_labels(task, inputs), "odd": list_odd_images(task, splits)}
    for name, every in tables.items():
        table = every[every["file"].isin(undecided)].reset_index(drop=True)
        tables[name] = table
        with write_in_one_move(folder / f"{name}.csv") as unfinished:
            write_table(unfinished, with_decisions(table))
    labels, far, odd = (tables[name] for name in LISTS)
    print(f"{len(labels):,} of {len(undecided):,} images have a label that is probably wrong")
    print(labels.head(shown).to_string(index=False, float_format="%.3f"))
    print("\nfarthest from the nearest images of their class:\n")
    print(far.head(shown // 2).to_string(index=False, float_format="%.3f"))
    print(f"\n{odd['file'].nunique():,} images are odd, as pictures or as copies\n")
    first_odd = odd.groupby("oddity", sort=False).head(max(shown // ODDITIES, 1))
    print(first_odd.to_string(index=False, float_format="{:.3g}".format))
    if len(labels) or len(odd):
        draw(recipe, Images.read(path_of(output_behind(task, "images"))), labels.head(shown), first_odd, folder)
        print(f"\nlook at {folder / 'suspects.png'}")
    print(f"\nthe tables are {', '.join(f'{folder}/{name}.csv' for name in LISTS)}")


def check_undecided(folder: Path) -> None:
    """Check that no table of an earlier run has decisions, which would be written over.

    Raises:
        UserError: One has.
    """
    for file in (folder / f"{name}.csv" for name in LISTS):
        has_decisions = file.is_file() and DECISION in file.read_text(encoding="utf-8").partition("\n")[0].split(",")
        if has_decisions and (decided := list_lines(file)):
            raise UserError(
                f"{file} has {len(decided)} decisions, which would be lost: move it to where you keep the recipe's "
                "corrections, and name it there, `split: {corrections: PATH}`"
            )


def with_decisions(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return a copy of a table whose first column is `file`, with an empty column `decision` as its second."""
    copy = table.copy()
    copy.insert(1, DECISION, "")
    return copy


def doubt_labels(task: "Task", inputs: Mapping[str, Any]) -> dict[str, "pd.DataFrame"]:
    """Return two tables: `suspects`, labels probably wrong, the surest first; `outliers`, all images, farthest first.

    Args:
        task: A task that takes features and splits.
        inputs: Its inputs.

    Raises:
        UserError: The features are not pooled.
    """
    import numpy as np
    import pandas as pd

    from components.data.grouping import units_of
    from components.model import out_of_fold
    from components.scores import label_errors

    features, splits = inputs["features"], inputs["splits"]
    rows, classes = splits.rows(), splits.facts.classes
    labels = rows["label"].map({name: number for number, name in enumerate(classes)}).to_numpy(np.int64)
    plain = np.asarray(features.array[features.rows(rows["file"].tolist()), 0])
    if plain.ndim > 2:
        raise UserError("suspects are found by features that are pooled, `extract: {pooling: auto}`; received maps")
    units = units_of(Audit.read(path_of(output_behind(task, "audit"))), rows)
    probabilities = out_of_fold.out_of_fold_probabilities(plain, labels, units, len(classes), SEED)
    ranked = label_errors.rank_suspects(labels, probabilities)
    place = rows.loc[ranked["row"], ["file", "split"]].reset_index(drop=True)
    names = ranked[["label", "suggested"]].apply(lambda column: column.map(dict(enumerate(classes))))
    distances = rows[["file", "split", "label"]].assign(
        distance=out_of_fold.distances_within_classes(plain, labels).round(4)
    )
    return {
        "suspects": pd.concat([place, names, ranked.filter(like="probability")], axis=1),
        "outliers": distances.sort_values("distance", ascending=False, kind="stable"),
    }


def list_odd_images(task: "Task", splits: Splits) -> "pd.DataFrame":
    """Return odd images, a row for each oddity: file, split, label, oddity, measure, value, usual, z, other.

    First those that are unlike the set as pictures, the farthest from usual first, then mirrored or turned copies of
    `other`, whose value is the correlation with it.

    Args:
        task: A task behind which there are images, an audit, and augmented images.
        splits: The training and validation rows.
    """
    import pandas as pd

    from components.data import oddities

    images = Images.read(path_of(output_behind(task, "images")))
    audit = Audit.read(path_of(output_behind(task, "audit")))
    augmented = Augmented.read(path_of(output_behind(task, "augmented")))
    rows = splits.rows()
    sizes = images.table("images.csv").set_index("file").loc[rows["file"], ["width", "height"]]
    plain = augmented.array[:, 0]
    measures = oddities.measure_pictures(plain, augmented.rows(rows["file"].tolist()), sizes)
    odd_pictures = oddities.find_oddities(measures, augmented.facts.image_size)
    pictures = rows.loc[odd_pictures["row"], ["file", "split", "label"]].reset_index(drop=True)
    pictures = pd.concat([pictures, odd_pictures.drop(columns="row")], axis=1).assign(other="")
    pairs = audit.table("pairs.csv")
    pairs = pairs[(pairs["kind"] == "turned") & pairs["file"].isin(rows["file"]) & pairs["other"].isin(rows["file"])]
    copies = pairs[["file", "other"]].merge(rows[["file", "split", "label"]], on="file")
    copies = copies.assign(oddity="mirrored or turned", measure="correlation", value=pairs["similarity"].to_numpy())
    return pd.concat([pictures, copies], ignore_index=True)[pictures.columns]


def draw(recipe: str, images: Images, labels: "pd.DataFrame", odd: "pd.DataFrame", folder: Path) -> None:
    """Draw the images of both tables, `suspects.png`, labels first, then a group for each oddity."""
    from components.data.thumbnails import read_thumbnail, thumbnail_side
    from components.results import figures
    from components.results.figures.style import shorten_name

    files: dict[str, list[ImageFile]] = {}
    captions: dict[str, list[str]] = {}
    for file, label, suggested, probability in labels[
        ["file", "label", "suggested", "probability_of_suggested"]
    ].itertuples(index=False):
        files.setdefault("probably wrong labels", []).append(images.file(file))
        caption = f"{shorten_name(label, 18)} \N{RIGHTWARDS ARROW}\n{shorten_name(suggested, 12)}"
        captions.setdefault("probably wrong labels", []).append(f"{caption} ({probability:.2f})")
    for row in odd.to_dict("records"):
        files.setdefault(row["oddity"], []).append(images.file(row["file"]))
        value = f"{row['measure'].replace('_', ' ')} {row['value']:.3g}"
        usual = f"of {shorten_name(row['other'], 16)}" if row["other"] else f"usual {row['usual']:.3g}"
        captions.setdefault(row["oddity"], []).append(f"{value}\n{usual}")
    side = thumbnail_side(len(labels) + len(odd))
    groups = {
        name: [read_thumbnail(file, images.facts.white_level, side) for file in several]
        for name, several in files.items()
    }
    figures.draw_suspects(groups, captions, folder / "suspects.png", f"{recipe}: images to decide on", NOTE)

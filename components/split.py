"""Decide which images train, which validate and which test."""

from typing import Annotated

from components.data.artifacts import Audit, Images, Splits, TestSplit
from components.data.corrections import Corrections
from components.data.splitting import DUPLICATES, METHODS, TWO_LABELS, UNTRAINED_CLASSES
from components.machinery.signature import Input, Output
from components.system.limits import Count, Names, Range, Seed

Part = Annotated[
    float,
    Range("a number of images or a fraction in (0, 1)", lambda size: 0 < size < 1 or (size >= 1 and size == int(size))),
]


def split(
    images: Input[Images],
    audit: Input[Audit],
    splits: Output[Splits],
    test_split: Output[TestSplit],
    *,
    method: Annotated[str, Names("split method", METHODS)],
    train: Part,
    validation: Part,
    test: Part,
    folds: Count,
    fold: Annotated[int, Range("0 or more", lambda value: value >= 0)],
    seed: Seed,
    duplicates: Annotated[str, Names("treatment of duplicates", DUPLICATES)],
    two_labels: Annotated[str, Names("treatment of duplicates of two labels", TWO_LABELS)],
    untrained_classes: Annotated[str, Names("treatment of untrained classes", UNTRAINED_CLASSES)],
    corrections: Corrections = "",
) -> None:
    """Decide which images train, which validate and which test.

    Each part's size is a number of images, or a fraction of all that are not left out. What the three leave over is not
    used. With `published` the publisher's test part is the test part, `validation` is drawn from the rest, and all else
    is train: `train` and `test` are not used. Likewise with `folds` of 2 or more, which are drawn by the method: every
    image is in one of them, and the one whose number is `fold` is the test part.

    Where an image falls follows from its content and the seed: files may be renamed or come in another order, and an
    image more moves others only where sizes or shares force it, into the test part from validation.

    Identical and near-identical images stay in one part with `stratified` and `grouped`, and with `published` in one of
    train and validation. Duplicates and groups across parts, and duplicates of two labels, are listed in `leakage.csv`,
    with a warning for those across parts.

    Corrections are what a person decided on single images of any part: `graft suspects` writes lists to decide on.
    Images are dealt before, by the labels that they came with, so that all others stay where they are without; those
    that are excluded are not used, and the parts are smaller by them.

    Args:
        images: The data set.
        audit: The duplicates in it.
        splits: The training and validation rows, and the leakage between the parts.
        test_split: The test rows, which `evaluate` alone accepts.
        method: `stratified` keeps the shares of the classes in every part; `random` does not; `grouped` keeps every
            group, such as a person, in one part, and sizes and shares as nearly as that allows; `published` tests on
            the publisher's test part, or on its validation part where there is no other.
        train: Size of the training part, a whole number of images or a fraction in (0, 1).
        validation: Size of the validation part, likewise.
        test: Size of the test part, likewise.
        folds: Number of folds, of which one is the test part; 1 for a test part of the size `test`.
        fold: Number of the fold that is the test part, from 0; with `published`, of the published split where the data
            set has several.
        seed: Seed of the drawing.
        duplicates: `keep` all images; or `one` of each cluster of identical and near-identical ones, and not use the
            others.
        two_labels: `keep` duplicates of two labels; or `drop` the clusters that have any.
        untrained_classes: `refuse` a split that leaves a class without a training image; or `allow` it.
        corrections: The path of a CSV list, or several, whose column `file` has images as `images.csv` names them, and
            whose column `decision` says `exclude`, another class, or nothing; its other columns are for people.

    Raises:
        UserError: The sizes or folds do not fit the data set, it lacks what the method needs, or a class is too small
            to be in every part; or corrections name an image or a class that is not there.
    """
    from components.data import leakage, splitting
    from components.data.corrections import EXCLUDE, check_training_images, correct_labels, read_decisions
    from components.scores.pairs import least_difference_text

    clusters = audit.table("hashes.csv")[["file", "cluster"]]
    table = images.table("images.csv").merge(clusters, on="file", how="left", validate="one_to_one")
    decisions = read_decisions(corrections, table["file"].tolist(), images.facts.classes)
    corrected = correct_labels(table, decisions)
    excluded = table.index[[decisions.get(file) == EXCLUDE for file in table["file"]]]
    remaining = corrected.drop(index=excluded)
    dropped = splitting.dropped_images(remaining, method, fold, duplicates, two_labels)
    kept = table.drop(index=dropped["two_labels"].append(dropped["duplicates"]))
    if method == "published" or folds > 1:
        train = test = 0
    sizes = splitting.part_sizes({"train": train, "validation": validation, "test": test}, len(kept))
    drawn = splitting.draw_split(kept, sizes, method, seed, fold, folds, untrained_classes)
    part = drawn["split"].drop(index=excluded)
    drawn = corrected.assign(split=part.reindex(table.index, fill_value="unused"))
    if decisions and untrained_classes != "allow":
        check_training_images(drawn, images.facts.classes)
    dropped["excluded"] = excluded
    for reason, images_dropped in dropped.items():
        if len(images_dropped):
            print(f"split: {len(images_dropped)} images left out: {reason.replace('_', ' ')}")
    relabelled = drawn.loc[drawn["label"] != table["label"], "split"]
    if len(relabelled):
        print(f"split: {len(relabelled)} images given another class, {(relabelled == 'test').sum()} of the test part")
    numbers = drawn["split"].value_counts()
    parts = [part for part in ("train", "validation", "test", "unused") if part in numbers]
    print("split:", ", ".join(f"{numbers[part]:,} {part}" for part in parts))
    print(f"split: {numbers['test']:,} test images: {least_difference_text(numbers['test'])}")
    rows = drawn.loc[drawn["split"].isin(["train", "validation"]), ["file", "label", "group", "split"]]
    splits.write_table("splits.csv", rows)
    splits.write_table("unused.csv", drawn.loc[drawn["split"] == "unused", ["file"]])
    decided = table.loc[table["file"].isin([*decisions]) & (drawn["split"] != "test"), ["file", "label"]]
    splits.write_table("corrections.csv", decided.assign(decision=[decisions[file] for file in decided["file"]]))
    test_rows = drawn.loc[drawn["split"] == "test", ["file", "label", "group", "width", "height"]]
    test_split.write_table("test_split.csv", test_rows)
    grouped = drawn[drawn["group"] != ""].groupby("split")["group"].nunique()
    splits.facts.split_method = method
    splits.facts.dropped = {reason: len(rows) for reason, rows in dropped.items()}
    splits.facts.relabelled = len(relabelled)
    splits.facts.groups = {part: int(grouped.get(part, 0)) for part in sizes}

    leaks = leakage.leakage_table(drawn.drop(index=excluded))
    splits.write_table("leakage.csv", leaks)
    conflicts = int((leaks["kind"] == "two labels").sum())
    splits.facts.leakage = {
        **audit.facts.duplicates,
        "two_labels": conflicts,
        **leakage.leakage_counts(leaks, len(test_rows)),
    }
    splits.facts.warnings = leakage.leakage_warnings(method, splits.facts.leakage, len(test_rows))
    for line in splits.facts.warnings:
        print(f"split: {line}")
    splits.write_arrays("leakage", leakage.example_thumbnails(images, leaks, leakage.example_rows(leaks)))

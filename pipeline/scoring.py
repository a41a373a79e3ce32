"""Scoring a finished model on new labelled images, and whether it does worse there than on its own test images."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from components.data.artifact import SECTIONS
from components.data.artifacts import (
    MANIFEST,
    PROBABILITY,
    Audit,
    Augmented,
    Classifier,
    Comparison,
    Images,
    Page,
    Report,
    Splits,
    TestSplit,
)
from components.data.content import sha256
from components.machinery.lineage import facts_of_kinds
from components.machinery.signature import load_step
from components.system.errors import UserError, fold_words
from pipeline import looking
from pipeline.images_behind import artifacts_root
from pipeline.places import COLLECTIONS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from components.scores.estimates import Sample

SLICES, BATCH, MAX_QUARANTINED = 3, 32, 0.05  # slices by each measure; images a batch; share of unreadable files
AUDIT = {"distance": 8, "near": "on"}
STILL = {"views": 0, "rotation": 0.0, "shear": 0.0, "zoom": 0.0, "shift": 0.0, "flip": "none", "brightness": 0.0,
         "randaugment": 0, "magnitude": 0.0, "seed": 0}  # fmt: skip
JUDGES = ("log_loss", "accuracy")

NOT_COMPARED = (
    "its own test predictions are not here, neither in artifacts/ nor in the journal: it is not compared with itself"
)


def score_new_images(
    address: str, source: str, assignments: Mapping[str, str], folder: Path | None
) -> tuple[bool, list[str]]:
    """Return whether a model scores worse on new images than on its own test images, and sentences with its scores.

    Args:
        address: The model, as `open_classifier` takes it.
        source: A folder, an archive or an address.
        assignments: Parameters of `fetch` that are not the default, by `fetch.PARAMETER`.
        folder: Where `report/`, `comparison/` and `page/` are written; None for nowhere.

    Raises:
        UserError: The images cannot be read or are of classes that the model does not know; or the folder is there.
    """
    from components.results.delivered import open_classifier

    if folder and folder.exists():
        raise UserError(f"{folder} is there already: give the path of a new folder")
    with open_classifier(address) as classifier, TemporaryDirectory(prefix="graft-evaluate-") as temporary:
        top = Path(temporary)
        report, _ = score(classifier, source, assignments, top)
        test_predictions = own_predictions(classifier)
        is_worse, lines = False, [NOT_COMPARED]
        if test_predictions is not None:
            is_worse, lines = compare_with_own(test_predictions, report)
        lines = [*score_lines(report), *report.facts.warnings, *lines]
        if folder:
            draw_page(report, top)
            keep(top, folder)
            lines.append(f"written: {folder / 'page/comparison.html'}, and the tables in {folder / 'report'}")
    return is_worse, lines


class Scored(NamedTuple):
    """A report, and the images that it is on.

    Args:
        report: The report.
        pixels: The images in the order of its predictions, uint8 (n, size, size, 3).
    """

    report: Report
    pixels: "np.ndarray"


def score(classifier: Classifier, source: str, assignments: Mapping[str, str], top: Path) -> Scored:
    """Return a classifier's report on all labelled images in a source, and their pixels; files go into `top`.

    Raises:
        UserError: The images cannot be read or are of classes that the model does not know.
    """
    return report_on(classifier, read_labelled_images(source, assignments, classifier, top), top)


def empty(kind: type[Any], top: Path, name: str, manifest: Mapping[str, Any] = {}) -> Any:
    """Make a folder of this name in `top`; return a new artifact of a kind there, its manifest a copy of that given."""
    artifact = kind(top / name, deepcopy(dict(manifest)))
    artifact.path.mkdir()
    return artifact


def read_labelled_images(source: str, assignments: Mapping[str, str], classifier: Classifier, top: Path) -> Images:
    """Return a source's Images, links or, of an archive, copies, with the model's classes; what was read is printed.

    Raises:
        UserError: They cannot be read, or are of classes that the model does not know.
    """
    from components.data import layout
    from components.data.sources import local_path, open_source

    source, assignments = looking.read_source_word(source, assignments)
    chosen = looking.sections(assignments)
    if others := [*chosen.keys() - {"fetch"}]:
        raise UserError(f"--set takes parameters of fetch here; received one of {fold_words(others)}")
    step, name = load_step("fetch"), Path(source).name or "new"
    values = {"data_set": name, "source": source, "max_quarantined": MAX_QUARANTINED, **chosen.get("fetch", {})}
    fetched = step.function_arguments(step.check_values(values))
    images = empty(Images, top, "images")
    with open_source(source, images.path) as folder:
        quarantined, links, rules = (fetched[key] for key in ("max_quarantined", "links", "rules"))
        packed = "links" if folder == local_path(source) else "files"  # of an archive nothing stays to link to
        layout.lay_out(folder, images, None, quarantined, links, rules, packed)
    known = classifier.facts.classes
    if unknown := [name for name in images.facts.classes if name not in known]:
        raise UserError(
            f"the model knows no class {fold_words(unknown)} (there are: {fold_words(known)}): name the classes of the "
            "images as it does, or leave some out with --set fetch.classes=..."
        )
    images.facts.data_set = name
    images.facts.classes, images.facts.white_level = known, classifier.facts.white_level
    images.write_manifest()
    return images


def report_on(classifier: Classifier, images: Images, top: Path) -> Scored:
    """Return a classifier's report on all of some images, made as `evaluate` does on a test split, and their pixels."""
    from components.data import leakage
    from components.results import reporting

    facts, lineage = classifier.facts, {**classifier.manifest["lineage"], "fetch": images.digest}
    augmentation = {"image_size": facts.image_size, "resize": facts.resize, **STILL}
    augmented, audit = empty(Augmented, top, "augmented"), empty(Audit, top, "audit")
    load_step("augment").function(images, augmented, **augmentation)
    augmented.manifest["digest"] = lineage["augment"] = sha256(images.digest, augmentation)
    load_step("audit").function(images, audit, **AUDIT)

    table = images.table("images.csv").merge(audit.table("hashes.csv")[["file", "cluster"]], on="file")
    table = table.assign(split="test")
    splits, test_split = empty(Splits, top, "splits"), empty(TestSplit, top, "test_split")
    test_split.write_table("test_split.csv", table[["file", "label", "group", "width", "height"]])
    leaks = leakage.leakage_table(table)
    splits.write_table("leakage.csv", leaks)
    splits.write_arrays("leakage", leakage.example_thumbnails(images, leaks, leakage.example_rows(leaks)))
    lineage["split"] = sha256(images.digest, "all")

    parameters = {**classifier.manifest["parameters"], "evaluate": {"slices": SLICES}}
    inherited = facts_of_kinds(classifier.manifest["facts"], [Report])
    report = empty(Report, top, "report", {"facts": inherited, "parameters": parameters, "lineage": lineage})
    report.facts.data_set, report.facts.split_method = images.facts.data_set, "of new images"
    report.facts.white_level = facts.white_level
    report.facts.groups = {"train": 0, "validation": 0, "test": table.loc[table["group"] != "", "group"].nunique()}
    report.facts.leakage = {**audit.facts.duplicates, **leakage.leakage_counts(leaks, len(table))}
    report.facts.warnings = seen_before(classifier, set(table["sha256"]), len(table))
    reporting.fill_report(report, augmented, splits, test_split, classifier, "plain", BATCH, SLICES, "[]")
    report.manifest["digest"] = lineage["evaluate"] = report.content_digest()
    report.write_manifest()
    return Scored(report, augmented.array[augmented.rows(table["file"].tolist()), 0])


def seen_before(classifier: Classifier, digests: set[str], images: int) -> list[str]:
    """Return a list of a sentence if new images are byte-identical to some of the model's own data set; else [].

    Args:
        classifier: The model.
        digests: SHA-256 of the new images.
        images: How many there are.
    """
    for folder in (artifacts_root(classifier.path).parent / COLLECTIONS["images"]).glob(f"*/{MANIFEST}"):
        old = Images.read(folder.parent)
        if old.digest == classifier.manifest["lineage"]["fetch"]:
            seen = digests & set(old.table("images.csv")["sha256"])
            return [
                f"{len(seen)} of {images} images are of the data set that the model was made from, which it may have "
                "been trained on: scores on them measure memory; leave them out"
            ] * bool(seen)
    return []


def score_lines(report: Report) -> list[str]:
    """Return two lines: all scores of a report with their 95 % intervals, and the class with the lowest recall."""
    from components.results.texts import with_interval

    scores = [
        f"{name.replace('_', ' ')} {with_interval(report.metrics[name], low, high)}"
        for name, (low, high) in report.intervals.items()
    ]
    classes = report.table("classes.csv")
    worst = classes[classes["support"] > 0].sort_values("recall", kind="stable").to_dict("records")[0]
    return [
        f"{int(report.metrics['test_images']):,} images: {', '.join(scores)}",
        f"the class recognised least, {worst['class']}: {worst['recall']:.1%} of its {worst['support']} images",
    ]


def draw_page(report: Report, top: Path) -> None:
    """Write the comparison of one report alone, and its page, into folders `comparison` and `page` in `top`."""
    from components.results import comparing, drawing

    inherited = {section: report.manifest[section] for section in SECTIONS if section != "files"}
    comparison, page = (empty(kind, top, kind.__name__.lower(), inherited) for kind in (Comparison, Page))
    comparing.compare_reports([report], comparison)
    drawing.draw_comparison(comparison, [report], [], [], [], page)
    for artifact in (comparison, page):
        artifact.manifest["digest"] = artifact.content_digest()
        artifact.write_manifest()


def keep(top: Path, folder: Path) -> None:
    """Move `report`, `comparison` and `page` into a new folder, all or nothing."""
    import shutil

    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name in ("report", "comparison", "page"):
        shutil.move(top / name, unfinished / name)
    unfinished.replace(folder)


def own_predictions(classifier: Classifier) -> "pd.DataFrame | None":
    """Return `predictions.csv` of a model's own report, found beside it or in the journal; None without one."""
    from components.results.delivered import report_path
    from components.results.tracking import exports

    beside = report_path(classifier.path)
    if (beside / MANIFEST).is_file() and Report.read(beside).facts.classifier == classifier.digest:
        return Report.read(beside).table("predictions.csv")
    return exports.logged_predictions(classifier)


def sample(table: "pd.DataFrame", classes: list[str]) -> "Sample":
    """Return the Sample of predictions of a table such as `predictions.csv`."""
    from components.results.failures import class_numbers
    from components.scores.estimates import sample_of
    from components.scores.proportions import independent_units

    unit = independent_units(table["group"].to_numpy(), len(table))
    probabilities = table[[PROBABILITY + name for name in classes]].to_numpy()
    return sample_of(class_numbers(table["label"], classes), probabilities, unit, JUDGES)


def compare_with_own(test_predictions: "pd.DataFrame", report: Report) -> tuple[bool, list[str]]:
    """Return whether a model is worse on new images than on its own test images, and lines: two scores, a verdict.

    It is where its log loss is higher or its accuracy lower, at p < 0.05 corrected for both: on two samples of images,
    which nothing pairs.

    Args:
        test_predictions: Its predictions of its own test images.
        report: That on the new ones.
    """
    from components.scores.p_values import holm
    from components.scores.proportions import ALPHA
    from components.scores.registry import SCORES
    from components.scores.two_samples import changes_of

    classes, table = report.facts.classes, report.table("predictions.csv")
    changes = changes_of(sample(test_predictions, classes), sample(table, classes), JUDGES)
    corrected = dict(zip(JUDGES, holm([change.p_value() for change in changes.values()]), strict=True))
    lines = []
    for name, change in changes.items():
        low, high = change.interval(ALPHA / len(JUDGES))
        lines.append(
            f"{SCORES[name].title} {change.second.value:.4f} against {change.first.value:.4f} on its own test images: "
            f"{change.value:+.4f} [{low:+.4f}, {high:+.4f}], p = {corrected[name]:.2g}"
        )
    worse = [name for name, change in changes.items() if change.is_for_the_worse and corrected[name] < ALPHA]
    counts = f"{len(table):,} new images and {len(test_predictions):,} of its own test split, which nothing pairs"
    verdict = f"worse in {' and '.join(SCORES[name].title for name in worse)}" if worse else "not shown to be worse"
    return bool(worse), [*lines, f"{verdict} than on its own test images, by {counts}"]

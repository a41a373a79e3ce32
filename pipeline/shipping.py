"""Shipping: a delivered model becomes a file for other runtimes, with the certificate of what that file predicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from components.data.artifact import Artifact
from components.data.artifacts import MANIFEST, Augmented, Classifier, Report, Splits, TestSplit
from components.data.json_files import read_json
from components.machinery.running import run_step
from components.system.errors import UserError
from components.system.hardware import machine_type
from components.system.outputs import check_file_path, write_in_one_move
from pipeline.places import ARTIFACTS

if TYPE_CHECKING:
    import numpy as np

    from components.model.served import ServedModel

CERTIFICATE, CARD = ".certificate.json", ".card.md"  # after the file's name
EVALUATE = {"views": "plain", "batch_size": 32, "slices": 0, "never": "[]"}  # where the model has no report of its own
BEHIND: tuple[type[Artifact], ...] = (Augmented, Splits, TestSplit)


@dataclass(frozen=True)
class ImagesBehind:
    """The artifacts that a model was trained, validated and tested on, as paths.

    Args:
        augmented: The plain images.
        splits: The training and validation rows.
        test_split: The test rows, which `evaluate` alone opens.
    """

    augmented: Path
    splits: Path
    test_split: Path

    def pixels(self, part: str) -> "np.ndarray":
        """Return the plain images of `train` or `validation`, uint8 (n, size, size, 3)."""
        augmented, rows = Augmented.read(self.augmented), Splits.read(self.splits).part(part)
        return augmented.array[augmented.rows(rows["file"].tolist()), 0]


def artifacts_root(classifier: Path) -> Path:
    """Return the folder `artifacts` that a classifier lies in, or that of this folder where it lies in none."""
    inside = [folder for folder in classifier.absolute().parents if folder.name == ARTIFACTS.name]
    return inside[-1] if inside else ARTIFACTS


def find_images_behind(classifier: Classifier) -> ImagesBehind | None:
    """Return the artifacts that a classifier's lineage names, found in its project; None without all three."""
    lineage, facts = classifier.manifest["lineage"], classifier.facts
    found: dict[str, Path] = {}
    for file in sorted(artifacts_root(classifier.path).rglob(MANIFEST)):
        manifest = {} if "/." in file.as_posix() else read_json(file)
        kind = next((one.__name__ for one in BEHIND if one.__name__ == manifest.get("kind")), None)
        if kind is None or manifest["lineage"].get("fetch") != lineage["fetch"]:
            continue
        if kind == Augmented.__name__:
            seen = manifest["facts"]["image_size"], manifest["facts"].get("resize", facts.resize)
            is_behind = manifest["lineage"]["augment"] == lineage.get("augment", manifest["lineage"]["augment"])
            is_behind = is_behind and seen == (facts.image_size, facts.resize)
        else:
            is_behind = manifest["lineage"]["split"] == lineage["split"]
        if is_behind:
            found.setdefault(kind, file.parent)
    paths = [found.get(kind.__name__) for kind in BEHIND]
    return None if None in paths else ImagesBehind(*filter(None, paths))


def export(address: str, to: str, precision: str, file: Path, images: Sequence[Path]) -> list[str]:
    """Write a model as a file with labels, certificate and card beside it, if the rule keeps it; return sentences.

    The rule is applied to the validation images, or to others that are named. Then the step `evaluate` scores the file
    once on the test split, where that is here.

    Args:
        address: The model, as `open_classifier` takes it.
        to: One of `written.FORMATS`.
        precision: One of `exporting.RULES`.
        file: The file to write.
        images: Image files or folders to judge the file on, in place of the validation images.

    Raises:
        UserError: The rule refuses the file; or there is nothing to judge it on, or to calibrate int8 on.
    """
    from components.model import exporting, written
    from components.results import certificates
    from components.results.delivered import load_served, open_classifier
    from components.results.tracking import exports

    check_file_path(file)
    with open_classifier(address) as model:
        if model.facts.file_format != "keras":
            raise UserError(f"{address} is a written file itself: give the model that it was written from")
        served, behind = load_served(model), find_images_behind(model)
        labels, text = file.with_name(written.LABELS), written.labels_text(served.classes)
        if labels.exists() and labels.read_text(encoding="utf-8") != text:
            raise UserError(f"{labels} is of other classes: write the file to another folder")
        on, pixels = judging_images(served, behind, images)
        calibration = calibration_images(behind) if precision == "int8" else None
        with write_in_one_move(file) as moved, TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.") as folder:
            shipped = exporting.write_classifier(model, served.network, Path(folder), to, precision, calibration)
            found = exporting.agreement_of(served.probabilities(pixels), load_served(shipped).probabilities(pixels))
            exporting.check_agreement(found, to, precision)
            report = evaluate_file(shipped, behind, model) if behind else None
            certificate = certificates.Certificate(
                certificates.file_facts(file.name, shipped),
                certificates.model_facts(model),
                certificates.rule_facts(found, precision, on),
                0 if calibration is None else len(calibration),
                certificates.time_images(written.open_network(shipped), pixels),
                machine_type(),
                test_results(served, behind, report) if behind and report else None,
                exports.file_looks(report) if report else None,
            )
            texts = {labels: text, named(file, CERTIFICATE): certificate.json()}
            texts[named(file, CARD)] = exports.file_card(certificate, shipped, report)
            shipped.file.replace(moved)
        for path, text in texts.items():
            with write_in_one_move(path) as moved:
                moved.write_text(text, encoding="utf-8")
        exports.log_files_or_warn(model, report, [file, *texts])
    return [f"{file}: {line}" for line in certificate.lines()]


def test_results(model: "ServedModel", behind: ImagesBehind, report: Report) -> dict[str, Any]:
    """Return what `certificates.test_results` does of the report on a file and of its model, on the same images."""
    from components.results import certificates

    augmented = Augmented.read(behind.augmented)
    rows = augmented.rows(report.table("predictions.csv")["file"].tolist())
    return certificates.test_results(report, model.probabilities(augmented.array[rows, 0]))


def named(file: Path, ending: str) -> Path:
    """Return the path beside a file that has an ending after the file's name."""
    return file.with_name(file.name + ending)


def judging_images(
    model: "ServedModel", behind: ImagesBehind | None, images: Sequence[Path]
) -> tuple[str, "np.ndarray"]:
    """Return what a file is judged on, in words and as images, uint8 (n, size, size, 3): named ones, else validation's.

    Raises:
        UserError: There are none.
    """
    from components.model import file_predictions

    if images:
        return "those of --images", file_predictions.read_images(model, file_predictions.list_files(images))
    if behind:
        return "the validation images", behind.pixels("validation")
    raise UserError(
        "the images that this model was validated on are not here: run this in its project, or give --images"
    )


def calibration_images(behind: ImagesBehind | None) -> "np.ndarray":
    """Return training images, evenly along their list, for int8, uint8 (n, size, size, 3).

    Raises:
        UserError: They are not here.
    """
    import numpy as np

    from components.model.exporting import CALIBRATION

    if behind is None:
        raise UserError("int8 is calibrated on training images, which are not here: run this in the model's project")
    train = behind.pixels("train")
    return train[np.unique(np.linspace(0, len(train) - 1, min(CALIBRATION, len(train)), dtype=int))]


def evaluate_file(shipped: Classifier, behind: ImagesBehind, model: Classifier) -> Report:
    """Return the report of the step `evaluate` on a written file, with the parameters of the model's own report."""
    from components.results.delivered import report_path

    own = report_path(model.path)
    values = Report.read(own).manifest["parameters"]["evaluate"] if (own / MANIFEST).is_file() else EVALUATE
    root = artifacts_root(model.path).absolute()
    inside = model.path.absolute()
    recipe = inside.relative_to(root).parts[0] if inside.is_relative_to(root) else ""
    at = {
        "augmented": [behind.augmented], "splits": behind.splits, "test_split": behind.test_split,
        "classifier": shipped.path, "report": shipped.path / "report",
    }  # fmt: skip
    run_step("evaluate", at, {**values, "views": "plain"}, recipe)
    return Report.read(shipped.path / "report")

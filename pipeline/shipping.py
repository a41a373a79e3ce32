"""Shipping: a delivered model becomes a file for other runtimes, with the certificate of what that file predicts."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from components.data.artifacts import MANIFEST, Augmented, Classifier, Report
from components.machinery.running import run_step
from components.results.tracking.certified import CERTIFICATE
from components.system.errors import UserError
from components.system.hardware import machine_type
from components.system.outputs import check_file_path, write_in_one_move
from pipeline import scoring
from pipeline.images_behind import ImagesBehind, artifacts_root, find_images_behind

if TYPE_CHECKING:
    import numpy as np

    from components.model.served import ServedModel

CARD = ".card.md"  # after the file's name
EVALUATE = {"views": "plain", "batch_size": 32, "slices": 0, "never": "[]"}  # where the model has no report of its own


def export(address: str, to: str, precision: str, file: Path, images: Sequence[Path], test: str = "") -> list[str]:
    """Write a model as a file, with labels, certificate and card; return lines on it; raise if the rule refuses it.

    The rule is applied to the validation images, or to others that are named. Then the step `evaluate` scores the file
    once on the test split, where that is here.

    Args:
        address: The model, as `open_classifier` takes it.
        to: One of `written.FORMATS`.
        precision: One of `exporting.RULES`.
        file: The file to write.
        images: Image files or folders to judge the file on, in place of the validation images.
        test: A folder or archive of labelled images to score the file on, where the model's test split is not here.

    Raises:
        UserError: The rule refuses the file; there is nothing to judge it on, or to calibrate int8 on; or test images
            are given where the model's own are here.
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
        if test and behind:
            raise UserError("the model's own test split is here, and its file is scored on that: leave out --test")
        labels, text = file.with_name(written.LABELS), written.labels_text(served.classes)
        if labels.exists() and labels.read_text(encoding="utf-8") != text:
            raise UserError(f"{labels} is of other classes: write the file to another folder")
        on, pixels = judging_images(served, behind, images)
        calibration = calibration_images(behind) if precision == "int8" else None
        with write_in_one_move(file) as moved, TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.") as folder:
            shipped = exporting.write_classifier(model, served.network, Path(folder), to, precision, calibration)
            agreement = exporting.agreement_of(served.probabilities(pixels), load_served(shipped).probabilities(pixels))
            exporting.check_agreement(agreement, to, precision)
            tested = score_file(shipped, behind, model, test, Path(folder))
            certificate = certificates.Certificate(
                certificates.file_facts(file.name, shipped),
                certificates.model_facts(model),
                certificates.rule_facts(agreement, precision, on),
                0 if calibration is None else len(calibration),
                certificates.time_images(written.open_network(shipped), pixels),
                machine_type(),
                tested and certificates.test_results(tested.report, served.probabilities(tested.pixels)),
                tested and exports.file_looks(tested.report),
            )
            report = tested and tested.report
            texts = {labels: text, path_with_ending(file, CERTIFICATE): certificate.json()}
            texts[path_with_ending(file, CARD)] = exports.file_card(certificate, shipped, report)
            shipped.file.replace(moved)
        for path, text in texts.items():
            with write_in_one_move(path) as moved:
                moved.write_text(text, encoding="utf-8")
        exports.log_files_or_warn(model, report, [file, *texts])
    return [f"{file}: {line}" for line in certificate.lines()]


def path_with_ending(file: Path, ending: str) -> Path:
    """Return the path beside a file with an ending after its name: `m.onnx.card.md` for `m.onnx` and `.card.md`."""
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
    """Return training images, CALIBRATION at most, evenly along their list, uint8 (n, size, size, 3); raise if absent.

    Raises:
        UserError: They are not here.
    """
    import numpy as np

    from components.model.exporting import CALIBRATION

    if behind is None:
        raise UserError("int8 is calibrated on training images, which are not here: run this in the model's project")
    train = behind.pixels("train")
    return train[np.unique(np.linspace(0, len(train) - 1, min(CALIBRATION, len(train)), dtype=int))]


def score_file(
    shipped: Classifier, behind: ImagesBehind | None, model: Classifier, test: str, top: Path
) -> "scoring.Scored | None":
    """Return a written file's report and pixels, on the model's test split, else the images of `test`; None without.

    Args:
        shipped: The file.
        behind: What is here of the model that it was written from.
        model: That model.
        test: A folder or archive of labelled images, where nothing is here.
        top: An own folder for what is made of them.
    """
    if behind is None:
        return scoring.score(shipped, test, {}, top) if test else None
    from components.results.delivered import report_path

    model_report = report_path(model.path)
    is_scored = (model_report / MANIFEST).is_file()
    values = Report.read(model_report).manifest["parameters"]["evaluate"] if is_scored else EVALUATE
    root, inside = artifacts_root(model.path).absolute(), model.path.absolute()
    recipe = inside.relative_to(root).parts[0] if inside.is_relative_to(root) else ""
    at = {
        "augmented": [behind.augmented], "splits": behind.splits, "test_split": behind.test_split,
        "classifier": shipped.path, "report": shipped.path / "report",
    }  # fmt: skip
    run_step("evaluate", at, {**values, "views": "plain"}, recipe)
    report, augmented = Report.read(shipped.path / "report"), Augmented.read(behind.augmented)
    rows = augmented.rows(report.table("predictions.csv")["file"].tolist())
    return scoring.Scored(report, augmented.array[rows, 0])

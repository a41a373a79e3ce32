"""The figures embedded in the page of a comparison, each with a caption and a text alternative."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from components.data.artifacts import PROBABILITY, Page, Report
from components.data.thumbnails import DOTS
from components.results.titles import folder_name
from components.scores.registry import MAIN, SCORES


@dataclass(frozen=True)
class Picture:
    """A figure as the page embeds it.

    Args:
        caption: Text below it.
        alt: What it shows, in words, for those who cannot see it.
        address: Data URI that holds the file.
        width: CSS pixels, 96 an inch.
    """

    caption: str
    alt: str
    address: str
    width: int


def png_picture(path: Path, caption: str, alt: str) -> Picture:
    """Return a PNG file of lines and letters as a Picture, unchanged, as many CSS pixels wide as it was drawn."""
    with Image.open(path) as image:
        width = round(96 * image.width / DOTS)
    return Picture(caption, alt, data_uri(path.read_bytes(), "png"), width)


def webp_picture(path: Path, caption: str, alt: str) -> Picture:
    """Return the picture of a PNG file of photographs: as lossy WebP, for fewer bytes, a CSS pixel for each pixel."""
    content = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(content, "WEBP", quality=80)
    return Picture(caption, alt, data_uri(content.getvalue(), "webp"), image.width)


def data_uri(content: bytes, kind: str) -> str:
    """Return the data URI of the content of an image file, whose kind is `png` or `webp`."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def figure_file(page: Page, name: str, figure: str) -> Path:
    """Return the path of a named report's figure in a page, `figures/REPORT/FIGURE.png`."""
    return page.figure(f"{folder_name(name)}/{figure}")


def scores_picture(page: Page, table: pd.DataFrame) -> Picture:
    """Return the picture of `comparison.png`; its text alternative has the main scores from the table's rows."""
    columns = table[[SCORES[name].title for name in MAIN]]
    texts = (", ".join(f"{title} {text.strip()}" for title, text in row.items()) for _, row in columns.iterrows())
    alt = "; ".join(f"{name}: {text}" for name, text in zip(table.index, texts, strict=True))
    return png_picture(page.figure("comparison"), "Test scores with their intervals", f"{alt}.")


def fronts_picture(page: Page, reports: Mapping[str, Report]) -> Picture:
    """Return the picture of `fronts.png`; its text alternative has the accuracy and the size of each model."""
    rows = [f"{name}: {one.metrics['accuracy']:.3f}, {one.facts.model_parameters:,}" for name, one in reports.items()]
    alt = f"Test accuracy against milliseconds an image and against weights. Accuracy and weights of {'; '.join(rows)}."
    return png_picture(page.figure("fronts"), "What accuracy costs", alt)


def curves_picture(page: Page, reports: Mapping[str, Report]) -> Picture:
    """Return the picture of validation loss and kappa by epoch; its text has each model's epoch that was kept."""
    trained = {name: report.facts for name, report in reports.items() if report.facts.epochs}
    best = ", ".join(f"{name} {facts.best_epoch}" for name, facts in trained.items())
    alt = f"Validation loss and validation kappa over the epochs. The weights that were kept are of epoch: {best}."
    return png_picture(page.figure("validation_curves"), "Validation while training", alt)


def confusion_picture(page: Page, name: str, report: Report) -> Picture:
    """Return the picture of a model's confusion matrix; its text has the accuracy and the 3 commonest confusions."""
    pairs = report.table("confusions.csv").head(3).to_dict("records")
    confused = ", ".join(f"{row['label']} as {row['predicted']} ({row['count']} times)" for row in pairs) or "none"
    accuracy = report.metrics["accuracy"]
    alt = f"Confusion matrix of {name}, accuracy {accuracy:.3f}. Most often misclassified: {confused}."
    return png_picture(figure_file(page, name, "confusion_matrix"), name, alt)


def reliability_picture(page: Page, name: str, report: Report) -> Picture:
    """Return the reliability diagram of the model `name`; its alt has the error before and after the temperature."""
    before, after = (report.metrics[score] for score in ("ece_uncalibrated", "ece"))
    alt = f"Reliability diagram of {name}: expected calibration error {before:.3f} before the temperature, "
    return png_picture(figure_file(page, name, "reliability"), name, f"{alt}{after:.3f} after it.")


def classes_picture(page: Page, name: str, report: Report) -> Picture:
    """Return the figure, already drawn, of a model's precision and recall by class; its text has the 3 of lowest F1."""
    lowest = report.table("classes.csv").sort_values("f1", kind="stable").head(3).to_dict("records")
    classes = ", ".join(f"{row['class']} ({row['f1']:.3f})" for row in lowest)
    alt = f"Precision and recall of each class for {name}. The lowest F1: {classes}."
    return png_picture(figure_file(page, name, "classes"), "Precision and recall, class by class", alt)


def mistakes_picture(page: Page, name: str, report: Report) -> Picture:
    """Return a model's most confident mistakes, already drawn, as a WebP; its text has the first 3, or `none`."""
    predictions = report.table("predictions.csv")
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    names = wrong[["label", "predicted"]].assign(top=wrong.filter(like=PROBABILITY).max(axis=1))
    first = names.nlargest(3, "top").to_dict("records")
    mistakes = ", ".join(f"{row['label']} as {row['predicted']} ({row['top']:.2f})" for row in first) or "none"
    alt = f"Test images and their heat maps (Grad-CAM). The most confident mistakes of {name}: {mistakes}."
    return webp_picture(figure_file(page, name, "mistakes"), "The most confident mistakes, and their heat maps", alt)


def slices_picture(page: Page, name: str, report: Report) -> Picture | None:
    """Return the picture of a model's scores by slice of the test images; None where slices were not asked for."""
    table = report.table("slices.csv")
    if table.empty:
        return None
    alt = f"Scores of {name} by the size and by the brightness of the test images, as in the table below."
    return png_picture(figure_file(page, name, "slices"), "By the size and the brightness of the image", alt)


def leakage_picture(page: Page, name: str) -> Picture:
    """Return the picture, a WebP, of images that leak from one part of the split to another or have two labels."""
    alt = "Images beside their duplicates in another part of the split, or with another label, as in the table."
    return webp_picture(figure_file(page, name, "leakage"), "Images that leak between the parts of the split", alt)

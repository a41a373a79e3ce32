"""The figures as they are on the page of a comparison: embedded, and in words for who cannot see them."""

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
    """A figure: its caption, in words what it shows, the address that holds the file itself, and its width.

    The width is in CSS pixels, 96 an inch.
    """

    caption: str
    alt: str
    address: str
    width: int


def drawing(path: Path, caption: str, alt: str) -> Picture:
    """Return a figure of lines and letters, as the PNG that it is, as wide as it was drawn."""
    with Image.open(path) as image:
        width = round(96 * image.width / DOTS)
    return Picture(caption, alt, embedded(path.read_bytes(), "png"), width)


def photographs(path: Path, caption: str, alt: str) -> Picture:
    """Return a figure of photographs, as WebP, which takes a fraction of the bytes, as wide as it has pixels."""
    content = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(content, "WEBP", quality=80)
    return Picture(caption, alt, embedded(content.getvalue(), "webp"), image.width)


def embedded(content: bytes, kind: str) -> str:
    """Return the address that holds the content of a picture of some kind."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def figure(page: Page, name: str, of: str) -> Path:
    """Return the file of a figure of a report, which goes by some name."""
    return page.figure(f"{folder_name(name)}/{of}")


def scores(page: Page, table: pd.DataFrame) -> Picture:
    """Return the test scores, of which the table has the texts, a row a model."""
    columns = table[[SCORES[name].title for name in MAIN]]
    texts = (", ".join(f"{title} {text.strip()}" for title, text in row.items()) for _, row in columns.iterrows())
    said = "; ".join(f"{name}: {text}" for name, text in zip(table.index, texts, strict=True))
    return drawing(page.figure("comparison"), "Test scores with their intervals", f"{said}.")


def curves(page: Page, reports: Mapping[str, Report]) -> Picture:
    """Return the validation of all trainings."""
    trained = {name: report.facts for name, report in reports.items() if report.facts.epochs}
    kept = ", ".join(f"{name} {facts.best_epoch}" for name, facts in trained.items())
    said = f"Validation loss and validation kappa over the epochs. The weights that were kept are of epoch: {kept}."
    return drawing(page.figure("validation_curves"), "Validation while training", said)


def matrix(page: Page, name: str, report: Report) -> Picture:
    """Return the confusion matrix of a model."""
    pairs = report.table("confusions.csv").head(3).to_dict("records")
    said = ", ".join(f"{row['label']} for {row['predicted']} ({row['count']} times)" for row in pairs)
    alt = f"Confusion matrix of {name}, accuracy {report.metrics['accuracy']:.3f}. Most often taken: {said or 'none'}."
    return drawing(figure(page, name, "confusion_matrix"), name, alt)


def reliability(page: Page, name: str, report: Report) -> Picture:
    """Return the reliability diagram of a model."""
    found = report.metrics
    alt = f"Reliability diagram of {name}: expected calibration error {found['ece_uncalibrated']:.3f} before the "
    return drawing(figure(page, name, "reliability"), name, f"{alt}temperature, {found['ece']:.3f} after it.")


def classes(page: Page, name: str, report: Report) -> Picture:
    """Return the scores of each class for a model."""
    lowest = report.table("classes.csv").sort_values("f1", kind="stable").head(3).to_dict("records")
    said = ", ".join(f"{row['class']} ({row['f1']:.3f})" for row in lowest)
    alt = f"Precision and recall of each class for {name}. The lowest F1: {said}."
    return drawing(figure(page, name, "classes"), "Precision and recall, class by class", alt)


def mistakes(page: Page, name: str, report: Report) -> Picture:
    """Return the most confident mistakes of a model."""
    told = report.table("predictions.csv")
    wrong = told[told["label"] != told["predicted"]]
    first = wrong.assign(top=wrong.filter(like=PROBABILITY).max(axis=1)).nlargest(3, "top").to_dict("records")
    said = ", ".join(f"{row['label']} for {row['predicted']} ({row['top']:.2f})" for row in first)
    alt = f"Test images and their heat maps (Grad-CAM). The most confident mistakes of {name}: {said or 'none'}."
    return photographs(figure(page, name, "mistakes"), "The most confident mistakes, and what they were told by", alt)


def slices(page: Page, name: str, report: Report) -> Picture | None:
    """Return the scores of slices of the test images for a model; none where they were not asked for."""
    table = report.table("slices.csv")
    if table.empty:
        return None
    alt = f"Scores of {name} by the size and by the brightness of the test images, as in the table below."
    return drawing(figure(page, name, "slices"), "By the size and the brightness of the image", alt)


def leakage(page: Page, name: str) -> Picture:
    """Return the images that leak from one part of the split to another."""
    alt = "Images beside what they have in another part of the split, or with another label, as in the table."
    return photographs(figure(page, name, "leakage"), "Images that leak between the parts of the split", alt)

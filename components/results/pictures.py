"""The photographs embedded in the page of a comparison, each with a caption and a text alternative."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from components.data.artifacts import Report
from components.results.figures.mistakes import overlay_heat

SMALLEST = 96  # CSS pixels: smaller images are enlarged, pixel by pixel


@dataclass(frozen=True)
class Picture:
    """An image as the page embeds it.

    Args:
        caption: Text below it.
        alt: What it shows, in words, for those who cannot see it.
        address: Data URI that holds the file.
        width: CSS pixels.
    """

    caption: str
    alt: str
    address: str
    width: int


def array_picture(image: np.ndarray, caption: str, alt: str) -> Picture:
    """Return an image, uint8 (h, w, 3), as a Picture: a lossy WebP, enlarged where it is small."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "WEBP", quality=80)
    width = image.shape[1] * max(1, SMALLEST // max(image.shape[:2]))
    return Picture(caption, alt, data_uri(content.getvalue(), "webp"), width)


def file_picture(path: Path, caption: str, alt: str) -> Picture:
    """Return a figure in a PNG file as a Picture: a lossy WebP, for fewer bytes, a CSS pixel for each pixel."""
    content = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(content, "WEBP", quality=85)
    return Picture(caption, alt, data_uri(content.getvalue(), "webp"), image.width)


def data_uri(content: bytes, kind: str) -> str:
    """Return the data URI of the content of an image file, whose kind is `png` or `webp`."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def mistake_pictures(report: Report) -> list[tuple[Picture, ...]]:
    """Return a report's examples, most confident mistakes first, then right ones: an image and its heat map, if any.

    Without heat maps each is an image alone. The caption of the image has its file, its true and its predicted class.
    """
    table, arrays = report.table("mistakes.csv"), report.arrays("mistakes")
    pairs: list[tuple[Picture, ...]] = []
    for number, row in enumerate(table.to_dict("records")):
        prediction = f"{row['label']} → {row['predicted']} ({row['probability']:.2f})"
        right = row["label"] == row["predicted"]
        alt = f"{row['file']}: {row['label']}, predicted as {row['predicted']} with {row['probability']:.2f}"
        image = array_picture(arrays["images"][number], f"{row['file']}: {prediction}{', right' * right}", alt)
        heats = arrays.get("heats")
        if heats is None:
            pairs.append((image,))
            continue
        heat = overlay_heat(arrays["images"][number], heats[number])
        where = f"Where in {row['file']} the network sees {row['predicted']} (Grad-CAM)"
        pairs.append((image, array_picture(heat, "", where)))
    return pairs


def leak_pictures(report: Report) -> list[tuple[Picture, Picture]]:
    """Return pairs of Pictures of duplicates, leaking or not, of those rows of `leakage.csv` that have thumbnails."""
    table, arrays = report.table("leakage.csv"), report.arrays("leakage")
    pairs = []
    for number, row in enumerate(table.to_dict("records")):
        if f"{number}" in arrays:
            captions = [
                f"{row[file]}: {row[f'{end}label']}, {row[f'{end}split']}"
                for file, end in (("file", ""), ("other", "other_"))
            ]
            first = array_picture(arrays[f"{number}"], f"{row['kind']}: {captions[0]}", captions[0])
            pairs.append((first, array_picture(arrays[f"{number}_other"], captions[1], captions[1])))
    return pairs

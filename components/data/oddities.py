"""Images that are unlike the rest of their data set as pictures: blurred, dark, bright, tiny, of odd proportions."""

import numpy as np
import pandas as pd

LARGEST_Z = 3.5  # beyond it a robust z is an outlier
MEASURES = {  # by oddity: the measure, and the side of it that is odd, -1 for low values, 1 for high ones
    "blurred": ("sharpness", -1), "dark": ("brightness", -1), "bright": ("brightness", 1),
    "tiny": ("short_side", -1), "narrow": ("proportion", 1),
}  # fmt: skip
WHITE = 255.0
COLUMNS = ["row", "oddity", "measure", "value", "usual", "z"]


def sharpness(image: np.ndarray) -> float:
    """Return the variance of the Laplacian of an image's luminance divided by its own: low where no edge is sharp.

    So contrast does not matter to it. That of a single colour is 0.

    Args:
        image: RGB in [0, 255], (height, width, 3), each side of 3 pixels or more.

    Source: Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, doi:10.1109/ICPR.2000.903548.
    """
    grey = image @ np.array([0.299, 0.587, 0.114])
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(laplacian.var() / grey.var()) if grey.var() else 0.0


def measure_pictures(images: np.ndarray, rows: np.ndarray, sizes: pd.DataFrame) -> pd.DataFrame:
    """Return each image's sharpness, brightness, short_side and proportion, a row each, in order.

    Sharpness and the mean brightness, in [0, 255], are of the image at the working size, so that sizes do not matter to
    them; the short side, in pixels, and the long side divided by it are those of the file.

    Args:
        images: Plain images, uint8 RGB (n, size, size, 3).
        rows: Their numbers, in the order of `sizes`.
        sizes: Of the files: width and height in pixels.
    """
    sides = sizes[["width", "height"]].to_numpy(float)
    pixels = ((sharpness(image), image.mean()) for image in (images[row] for row in rows))
    measured = np.array([*pixels]).reshape(-1, 2)
    return pd.DataFrame({
        "sharpness": measured[:, 0], "brightness": measured[:, 1], "short_side": sides.min(axis=1),
        "proportion": sides.max(axis=1) / sides.min(axis=1),
    })  # fmt: skip


def robust_z(values: np.ndarray) -> np.ndarray:
    """Return how far values lie from their median, in standard deviations as their median absolute deviation has them.

    Where more than half of them are equal, their mean absolute deviation takes its place; of equal ones all are at 0.

    Args:
        values: Numbers, (n,).

    Source: Iglewicz and Hoaglin, How to Detect and Handle Outliers, ASQC, 1993, which calls those beyond 3.5 outliers.
    """
    distances = values - np.median(values)
    deviation = 1.4826 * np.median(abs(distances)) or 1.2533 * abs(distances).mean()
    return distances / deviation if deviation else np.zeros(len(values))


def on_scale(measure: str, values: np.ndarray) -> np.ndarray:
    """Return values of a measure on the scale on which they are compared: log-odds of brightness, else logarithms."""
    if measure == "brightness":
        return np.log((values + 1) / (WHITE + 1 - values))
    return np.log(values + 1e-3)


def find_oddities(measures: pd.DataFrame, image_size: int) -> pd.DataFrame:
    """Return what is odd about images, the farthest from usual first: a row for each image and oddity; none if nothing.

    Tiny are only those that have to be enlarged.

    Args:
        measures: What `measure_pictures` returns.
        image_size: The working size, pixels a side.

    Returns:
        row, the image's number; oddity, such as `blurred`; measure; value; usual, the median; and z, the robust z of
        the value on its scale.
    """
    rows = []
    for oddity, (measure, side) in MEASURES.items():
        values = measures[measure].to_numpy(float)
        z, usual = robust_z(on_scale(measure, values)), float(np.median(values))
        is_odd = (side * z > LARGEST_Z) & ((oddity != "tiny") | (values < image_size))
        rows += [(row, oddity, measure, values[row], usual, z[row]) for row in np.flatnonzero(is_odd)]
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"value": float, "usual": float, "z": float}).round(4)
    return table.sort_values("z", key=abs, ascending=False, kind="stable").reset_index(drop=True)

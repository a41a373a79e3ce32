"""How many changed copies the audit finds, and what else it calls copies: near-identity alone, and the second look.

    python -m benchmarks.copies FOLDER [FOLDER ...] [--images 150]

Of a sample of the images in each folder copies of each kind are made, as JPEG of quality 85, and looked for among the
folder's images. Prints a table in Markdown; the pairs of the folder's own images are to be looked at.
"""

import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from components.data import changed_copies, duplicates, perceptual_hashes
from components.data.duplicates import Pair
from components.system.errors import Parser, run_cli

DISTANCE, WHITE = 8, 65535
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp")


def crop(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Return an image without these shares of its sides."""
    width, height = image.size
    return image.crop(
        (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
    )


def write_on(image: Image.Image, x: float, y: float, size: float) -> Image.Image:
    """Return an image with white writing at a place, in letters of a size, in shares of its sides and its width."""
    marked = image.copy()
    place = x * image.width, y * image.height
    ImageDraw.Draw(marked).text(place, "WATERMARK", fill=(255, 255, 255), font_size=size * image.width)
    return marked


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG of quality 85": lambda image: image,
    "brighter by 30 %": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "mirrored": ImageOps.mirror,
    "turned by 90 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned by 180 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "cropped by 5 %, around the centre": lambda image: crop(image, 0.025, 0.025, 0.025, 0.025),
    "cropped by 10 %, around the centre": lambda image: crop(image, 0.05, 0.05, 0.05, 0.05),
    "cropped by 20 %, around the centre": lambda image: crop(image, 0.1, 0.1, 0.1, 0.1),
    "cropped by 5 %, in a corner": lambda image: crop(image, 0.05, 0.05, 0, 0),
    "cropped by 10 %, in a corner": lambda image: crop(image, 0, 0.1, 0.1, 0),
    "cropped by 10 %, at one side": lambda image: crop(image, 0.1, 0, 0, 0),
    "a black border of 5 %": lambda image: ImageOps.expand(image, round(0.05 * image.width)),
    "a white border of 10 %": lambda image: ImageOps.expand(image, round(0.1 * image.width), (255, 255, 255)),
    "writing in a corner": lambda image: write_on(image, 0.6, 0.88, 0.06),
    "large writing across": lambda image: write_on(image, 0.1, 0.45, 0.12),
}


def find_pairs(files: Sequence[Path]) -> tuple[list[Pair], list[Pair]]:
    """Return the near-identical pairs of image files, and the changed copies that the second look adds."""
    hashes, details = perceptual_hashes.hashes_and_details(files, WHITE)
    sides = np.array([min(size_of(file)) for file in files])
    near = duplicates.near_identical_pairs(hashes[0], details, duplicates.min_correlations(sides), DISTANCE) or []
    cluster, labels = duplicates.first_of_clusters(len(files), near), np.zeros(len(files))
    usable = sides >= duplicates.SMALL_SIDE
    changed = changed_copies.find_changed_copies(
        files, WHITE, hashes[0], hashes[1:], details, usable, labels, cluster, DISTANCE
    )
    return near, changed or []


def size_of(file: Path) -> tuple[int, int]:
    """Return the width and the height of an image file."""
    with Image.open(file) as image:
        return image.size


def recall_lines(folder: Path, count: int) -> list[str]:
    """Return a line of the table for each kind of copy: its recall before and after; and its own pairs."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in ENDINGS)
    random.Random(0).shuffle(files)
    near, changed = find_pairs(files)
    own = len(near), len(near) + len(changed)
    lines = [f"| {folder.name}: pairs among its own {len(files):,} images | {own[0]} | {own[1]} |"]
    chosen = files[:count]
    for name, change in CHANGES.items():
        with tempfile.TemporaryDirectory() as temporary:
            copies = [Path(temporary, f"{number}.jpg") for number in range(len(chosen))]
            for file, copy in zip(chosen, copies, strict=True):
                with Image.open(file) as image:
                    change(image.convert("RGB")).save(copy, quality=85)
            near, changed = find_pairs([*chosen, *copies])
        before, after = (recall(pairs, len(chosen)) for pairs in (near, near + changed))
        lines.append(f"| {folder.name}: {name} | {before:.2f} | {after:.2f} |")
    return lines


def recall(pairs: Sequence[Pair], count: int) -> float:
    """Return the share of so many images whose copies, in the same order behind them, are paired with them."""
    return sum(later - early == count for early, later, *_ in pairs) / count


def main(arguments: list[str]) -> None:
    """Print the table of the folders that the arguments name."""
    parser = Parser(prog="python -m benchmarks.copies", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", metavar="FOLDER", nargs="+", type=Path, help="a folder of images, at any depth")
    parser.add_argument("--images", type=int, default=150, help="how many of each folder are copied")
    options = parser.parse_args(arguments)
    print("| | near-identity alone | with the second look |\n|---|---|---|")
    for folder in options.folders:
        print("\n".join(recall_lines(folder, options.images)), flush=True)


if __name__ == "__main__":
    run_cli(main)

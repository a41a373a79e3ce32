"""Copies of images: how many of each kind are found, by perceptual hashes alone and by the step `audit`."""

from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from benchmarks import plain, synthetic
from benchmarks.measuring import Aim, Bench, Line

DISTANCE = 8  # bits


def without(left: float, upper: float, right: float, lower: float) -> Callable[[Image.Image], Image.Image]:
    """Return a function that returns an image without so large a share of its width and height at each edge."""

    def crop(image: Image.Image) -> Image.Image:
        width, height = image.size
        box = left * width, upper * height, (1 - right) * width, (1 - lower) * height
        return image.crop(tuple(map(round, box)))  # type: ignore[arg-type]

    return crop


def write_across(image: Image.Image) -> Image.Image:
    """Return a copy with text across it."""
    copy = image.copy()
    place = 0.1 * image.width, 0.45 * image.height
    ImageDraw.Draw(copy).text(place, "WATERMARK", "white", font_size=image.width / 8)
    return copy


COPIES: dict[str, tuple[Callable[[Image.Image], Image.Image], float | None]] = {  # and the aim
    "mirrored": (ImageOps.mirror, 95),
    "turned by 90 degrees": (lambda image: image.transpose(Image.Transpose.ROTATE_90), 95),
    "turned by 180 degrees": (lambda image: image.transpose(Image.Transpose.ROTATE_180), 95),
    "cropped by 5 %": (without(0.05, 0.05, 0.05, 0.05), 95),
    "cropped by 10 %": (without(0.1, 0.1, 0.1, 0.1), 95),
    "cropped off the centre": (without(0.1, 0.02, 0, 0.08), 90),
    "with a border of 5 %": (lambda image: ImageOps.expand(image, image.width // 20), 90),
    "brighter by 30 %": (lambda image: ImageEnhance.Brightness(image).enhance(1.3), 95),
    "with text across": (write_across, None),
}


def measure(bench: Bench) -> Iterator[Line]:
    """Yield a line for each kind of copies, with the share that is found and how many other pairs are called copies."""
    count = bench.pick(200, 20)
    for number, (kind, (change, aim)) in enumerate(COPIES.items()):
        source = synthetic.photographs(bench.folder / "sources" / f"duplicates-{number}", count, 256, 2)
        files = sorted(source.glob("*/*.jpg"))
        for file in files:
            with Image.open(file) as image:
                change(image).save(file.with_suffix(".png"))
        bare = bench.plain(plain.pairs_of_close_hashes, source, DISTANCE)
        found = bench.here(listed_pairs, source, bench.folder / f"duplicates-{number}")
        true = {frozenset({file.stem + ".jpg", file.stem + ".png"}) for file in files}
        peer, here = (100 * len(pairs & true) / count for pairs in (bare, found))
        words = f"{here:.0f} %; {len(found - true)} other pairs, {len(bare - true)} of hashes alone"
        limit = None if aim is None else Aim(aim, "% found")
        yield Line("duplicates", f"copies {kind}", peer, here, "%", words, here, limit, {"images": count})


def listed_pairs(source: Path, folder: Path) -> set[frozenset[str]]:
    """Return the pairs of names of files that the step `audit` lists in a source, which it first fetches."""
    from components.data.artifacts import Audit
    from components.machinery.running import run_step

    paths = {"images": folder / "images", "audit": folder / "audit"}
    run_step("fetch", {"images": paths["images"]}, {"data_set": "own", "source": str(source), "max_quarantined": 0})
    run_step("audit", paths, {"distance": DISTANCE, "near": "on"})
    pairs = Audit.read(paths["audit"]).table("pairs.csv")[["file", "other"]]
    return {frozenset(Path(file).name for file in pair) for pair in pairs.itertuples(index=False, name=None)}

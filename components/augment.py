"""Bring every image to the working size, and settle how random views of it are drawn."""

from typing import TYPE_CHECKING, Annotated

from components.data.artifacts import Augmented, Images
from components.data.resizing import RESIZINGS
from components.machinery.signature import Input, Output
from components.system.limits import Names, PartialShare, Pixels, Range, Seed, Share

if TYPE_CHECKING:
    import numpy as np


def augment(
    images: Input[Images],
    augmented: Output[Augmented],
    *,
    image_size: Pixels,
    resize: Annotated[str, Names("way of resizing", RESIZINGS)],
    views: Annotated[int, Range("from 0 to 1000", lambda value: 0 <= value <= 1000)],
    rotation: Annotated[float, Range("from 0 to 180", lambda value: 0 <= value <= 180)],
    shear: Share,
    zoom: PartialShare,
    shift: Share,
    flip: Annotated[str, Names("flip", ("horizontal", "none"))],
    brightness: Share,
    randaugment: Annotated[int, Range("from 0 to 14", lambda value: 0 <= value <= 14)],
    magnitude: Annotated[float, Range("from 0 to 30", lambda value: 0 <= value <= 30)],
    seed: Seed,
) -> None:
    """Bring every image to the size that the networks see, and settle how random views of it are drawn.

    What reads views draws them: none is stored. Each is drawn from the seed, the file's name and the view's number:
    adding an image changes no other one's views. The geometry of a view is one affine map, resampled once; beyond the
    image its edge is repeated.

    RandAugment's operations join that map, or change colours after it: shear, translation, rotation; brightness, color,
    contrast, sharpness, posterize, solarize, autocontrast, equalize, identity. They suit classes that survive them all,
    not those that a colour or a place tells.

    Args:
        images: The data set.
        augmented: The plain images, and how their views are drawn.
        image_size: Working size, pixels a side.
        resize: How an image becomes a square: `squash`, whole, its proportions not kept; `crop`, the largest square
            in its middle; `pad`, whole in the middle of a grey square. A model reads images as it was trained.
        views: Views an image; 0 for none.
        rotation: Largest rotation either way, degrees.
        shear: Largest shear either way, as a fraction of the height.
        zoom: Largest zoom in or out, as a fraction.
        shift: Largest shift along each axis either way, as a fraction of the size.
        flip: `horizontal` mirrors half of the views; `none` does not.
        brightness: Largest change of brightness either way, as a fraction.
        randaugment: Operations a view, drawn with equal chances, besides the changes above; 0 for none.
        magnitude: Of each operation, 30 the largest of RandAugment.
        seed: Seed of the views.

    Source:
        RandAugment: Cubuk et al., arXiv 1909.13719.
    """
    from dataclasses import asdict

    from components.data import images as image_files
    from components.data.augmentation import ViewLimits
    from components.data.memory_maps import release
    from components.system.progress import bar

    names, white_level = images.table("images.csv")["file"].tolist(), images.facts.white_level
    limits = ViewLimits(rotation, shear, zoom, shift, flip, brightness, randaugment, magnitude)
    facts = augmented.facts
    facts.image_size, facts.resize, facts.views = image_size, resize, views
    facts.view_limits, facts.view_seed = asdict(limits), seed
    array = augmented.create(names, (1, image_size, image_size, 3), "uint8")

    def plain_view(name: str) -> "np.ndarray":
        return image_files.read_pixels(images.file(name), image_size, white_level, resize)[None]

    with augmented.time_work("augmentation", len(names)), bar("augment", len(names), "image") as progress:
        for rows, batch in image_files.map_in_batches(plain_view, names, 32):
            array[rows] = batch
            release(array)
            progress.update(len(batch))

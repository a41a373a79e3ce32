"""How an image of any proportions becomes a square: whole and squashed, its middle, or whole with grey beside it."""

from collections.abc import Callable

PADDING = (124, 116, 104)  # ImageNet's mean colour, near the middle of what networks are pretrained on, as timm pads
Placement = tuple[tuple[int, int, int, int], tuple[int, int]]  # what is taken of an image, and its size in the square


def squash(width: int, height: int, size: int) -> Placement:
    """Return the box of the whole image, and the square that it fills, its proportions not kept."""
    return (0, 0, width, height), (size, size)


def crop(width: int, height: int, size: int) -> Placement:
    """Return the box of the largest square in an image's middle, and the square that it fills."""
    side = min(width, height)
    left, upper = (width - side) // 2, (height - side) // 2
    return (left, upper, left + side, upper + side), (size, size)


def pad(width: int, height: int, size: int) -> Placement:
    """Return the box of the whole image, and the size, its proportions kept, that it has in the middle of the square.

    The rest is `PADDING`.
    """
    scale = size / max(width, height)
    return (0, 0, width, height), (max(1, round(scale * width)), max(1, round(scale * height)))


RESIZINGS: dict[str, Callable[[int, int, int], Placement]] = {"squash": squash, "crop": crop, "pad": pad}

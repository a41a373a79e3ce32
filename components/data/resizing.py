"""How an image of any proportions becomes a square: whole and squashed, its middle, or whole with grey beside it."""

from collections.abc import Callable

PADDING = (124, 116, 104)  # ImageNet's mean colour, near the middle of what networks are pretrained on, as timm pads
Placement = tuple[tuple[int, int, int, int], tuple[int, int]]  # what is taken of an image, and its size in the square


def squash(width: int, height: int, size: int) -> Placement:
    """Return the box (0, 0, width, height) and (size, size): the whole image fills the square, squashed."""
    return (0, 0, width, height), (size, size)


def crop(width: int, height: int, size: int) -> Placement:
    """Return the box (left, upper, right, lower) of the largest square in an image's middle, and (size, size)."""
    side = min(width, height)
    left, upper = (width - side) // 2, (height - side) // 2
    return (left, upper, left + side, upper + side), (size, size)


def pad(width: int, height: int, size: int) -> Placement:
    """Return the box (0, 0, width, height) and the whole image's new (width, height), in proportion, within the square.

    The image lies in the middle.

    The rest is `PADDING`.
    """
    scale = size / max(width, height)
    return (0, 0, width, height), (max(1, round(scale * width)), max(1, round(scale * height)))


RESIZINGS: dict[str, Callable[[int, int, int], Placement]] = {"squash": squash, "crop": crop, "pad": pad}

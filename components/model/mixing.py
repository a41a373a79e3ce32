"""MixUp and CutMix: each image of a batch mixed with another of it, whatever the rows hold, and their labels with it.

Keras's layers of these names draw from a state of their own, and take images alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from components.model.settings import Training
from components.system.errors import UserError

STREAM = 1  # so that nothing is drawn from the numbers that give an epoch its order


@dataclass(frozen=True)
class Mixtures:
    """How the batches of an epoch are mixed: inside a box, by a share of each image; outside of it nothing is.

    Args:
        partners: With which image of its batch each is mixed, (batches, batch); a filler with itself.
        inside: Share of the image itself inside the box, float32 (batches,).
        boxes: Upper, left, lower and right end, int32 (batches, 4).
        shares: Share of the image itself in the whole, float32 (batches,), which is that of its label.
    """

    partners: np.ndarray
    inside: np.ndarray
    boxes: np.ndarray
    shares: np.ndarray


def draw_mixtures(
    settings: Training, shape: Sequence[int], counts: np.ndarray, size: int, epoch: int
) -> Mixtures | None:
    """Return how the batches of an epoch are mixed, drawn from seed and epoch; None where the settings mix nothing.

    A batch has one share of Beta(alpha, alpha). Where there are both, each batch is of either with the same chance.

    Args:
        settings: How to train.
        shape: Of one view: (height, width, channels), or of features.
        counts: Images of each batch, (batches,).
        size: Of a batch, with its fillers.
        epoch: Its number.

    Raises:
        UserError: CutMix is asked for, and the views are no maps.

    Source:
        MixUp: Zhang et al., arXiv 1710.09412. CutMix: Yun et al., arXiv 1905.04899.
    """
    ways = [name for name in ("mixup", "cutmix") if getattr(settings, name)]
    if "cutmix" in ways and len(shape) != 3:
        raise UserError(
            f"cutmix cuts boxes out of images or maps; received features of shape {tuple(shape)}: set it to 0 here"
        )
    if not ways:
        return None
    random = np.random.default_rng([settings.seed, epoch, STREAM])
    sides = np.array(shape[:2] if len(shape) == 3 else (0, 0))
    partners, mixed = np.tile(np.arange(size), (len(counts), 1)), []
    for partners_of_batch, count in zip(partners, counts, strict=True):
        partners_of_batch[:count] = random.permutation(count)
        way = ways[random.integers(len(ways))]
        alpha = getattr(settings, way)
        inside, low, high = random.beta(alpha, alpha), 0 * sides, sides
        share = inside
        if way == "cutmix":
            middle, half = random.uniform(0, sides), sides * np.sqrt(1 - share) / 2
            low, high = (np.clip(np.rint(end), 0, sides).astype(int) for end in (middle - half, middle + half))
            inside, share = 0.0, 1 - np.prod(high - low) / np.prod(sides)
        mixed.append((inside, [*low, *high], share))
    insides, boxes, shares = (np.array(values) for values in zip(*mixed, strict=True))
    return Mixtures(partners, insides.astype(np.float32), boxes.astype(np.int32), shares.astype(np.float32))


def mix(views: tf.Tensor, partners: tf.Tensor, inside: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    """Return a batch's views, float32, as `inside` * own + (1 - `inside`) * partner's; of maps only within the box."""
    views, share = tf.cast(views, tf.float32), inside
    if views.shape.rank == 4:
        rows, columns = (tf.range(side) for side in views.shape[1:3])
        in_box = ((rows >= box[0]) & (rows < box[2]))[:, None] & (columns >= box[1]) & (columns < box[3])
        share = tf.where(in_box, inside, 1.0)[..., None]
    return share * views + (1 - share) * tf.gather(views, partners)

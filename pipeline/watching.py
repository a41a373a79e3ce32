"""Watching: whether new images, without labels, look to a model as those do that it was made for."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.system.errors import UserError
from pipeline.images_behind import find_images_behind

if TYPE_CHECKING:
    import numpy as np

    from components.model.served import ServedModel

MOST = 1000  # images a side; of more, so many are drawn
FEWEST = 8


def watch(address: str, model: "ServedModel", files: Sequence[Path], against: Sequence[Path]) -> bool:
    """Compare images with those that a model was validated on; print two tests; return whether either tells them apart.

    Those that it was trained on would not do: a network shows more of them than of any other image of their kind.

    Args:
        address: The model, as `open_classifier` takes it.
        model: The same, ready to predict.
        files: The new images; those that cannot be read are left out.
        against: Image files or folders to compare with, in place of the validation images.

    Raises:
        UserError: There are no validation images, or fewer than 8 images on a side.
    """
    from components.model.features import deciding_features
    from components.scores.drift import LOW, low_confidence_test, mean_discrepancy_test
    from components.scores.p_values import holm
    from components.scores.proportions import ALPHA

    on, known = known_images(address, model, against)
    new = draw_images(model, files)
    if min(len(known), len(new)) < FEWEST:
        raise UserError(
            f"--watch compares {FEWEST} images or more with as many; received {len(new)}, and {len(known)} ({on})"
        )
    words, features, probabilities = deciding_features(model, known)
    _, new_features, new_probabilities = deciding_features(model, new)
    discrepancy, p = mean_discrepancy_test(features, new_features)
    share, new_share, low_p = low_confidence_test(probabilities.max(axis=1), new_probabilities.max(axis=1))
    both = holm([p, low_p])
    print(f"watch: {len(new):,} images against {len(known):,}, {on}")
    print(f"watch: {words}: mean discrepancy {discrepancy:.2g}, p = {both[0]:.2g}")
    print(
        f"watch: {new_share:.1%} of them are among the tenth ({LOW:.0%}) of all with the lowest confidence, "
        f"{share:.1%} of the others: p = {both[1]:.2g}"
    )
    is_drifted = min(both) < ALPHA
    verdict = "they are unlike those" if is_drifted else "nothing tells them from those"
    print(f"watch: {verdict}, at p < {ALPHA} corrected for both tests")
    return is_drifted


def known_images(address: str, model: "ServedModel", against: Sequence[Path]) -> tuple[str, "np.ndarray"]:
    """Return what new images are compared with, in words and as images, uint8 (n, size, size, 3), `MOST` at most.

    Raises:
        UserError: There are none.
    """
    from components.model import file_predictions
    from components.results.delivered import open_classifier

    if against:
        return "those of --against", draw_images(model, file_predictions.list_files(against))
    with open_classifier(address) as classifier:
        behind = find_images_behind(classifier)
    if behind is None:
        raise UserError(
            "the images that this model was validated on are not here: run this in its project, or give --against"
        )
    pixels = behind.pixels("validation")
    return "the validation images", pixels[drawn_rows(len(pixels))]


def drawn_rows(images: int) -> "np.ndarray":
    """Return the rows of all images, or of `MOST` drawn among more, the same each time, ascending, (rows,)."""
    import numpy as np

    return np.sort(np.random.default_rng(0).choice(images, min(images, MOST), replace=False))


def draw_images(model: "ServedModel", files: Sequence[Path]) -> "np.ndarray":
    """Return the images that can be read among `MOST` files, or all of fewer, as a model sees them, (n, size, size, 3).

    They are uint8; n is 0 where none can be read.
    """
    import numpy as np

    from components.model import file_predictions

    attempts = file_predictions.try_images([files[row] for row in drawn_rows(len(files))], model)
    read = [image for image in attempts if not isinstance(image, str)]
    return np.stack(read) if read else np.empty((0, model.size, model.size, 3), np.uint8)

"""Bring pretrained weights into the collection."""

from components.data.artifacts import Weights
from components.step import Output


def fetch_weights(weights: Output[Weights], *, backbone: str, source: str) -> None:
    """Bring the pretrained weights of a backbone into the collection: one file, with its sha256.

    Args:
        weights: The weights.
        backbone: Name of an entry in the registry of backbones.
        source: `imagenet` (downloaded by keras.applications), or the path of a Keras weights file without the top.

    Raises:
        UserError: The file is not there or does not fit the backbone, or the download fails.
    """
    import hashlib
    import shutil
    from pathlib import Path

    from components.errors import UserError
    from components.model import backbones

    entry = backbones.get(backbone)
    if source == "imagenet":
        entry.download(weights.file)
    elif Path(source).expanduser().is_file():
        shutil.copyfile(Path(source).expanduser(), weights.file)
    else:
        raise UserError(f"no weights file {source!r}: give `imagenet` or the path of a .h5 file")
    entry.build(entry.image_size, weights.file)
    weights.address_by_content(hashlib.sha256(weights.file.read_bytes()).hexdigest())
    weights.facts.update(backbone=backbone, weights_sha256=weights.digest, weights_license=entry.license)

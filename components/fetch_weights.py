"""Bring pretrained weights into the collection."""

from typing import Annotated

from components.data.artifacts import Weights
from components.model.backbones import BACKBONES
from components.parameters import Names
from components.step import Output


def fetch_weights(
    weights: Output[Weights], *, backbone: Annotated[str, Names("backbone", BACKBONES)], source: str
) -> None:
    """Bring the pretrained weights of a backbone into the collection: one file, with its sha256.

    Args:
        weights: The weights.
        backbone: Name of an entry in the registry of backbones.
        source: `imagenet` (downloaded by keras.applications), `random` (a seeded random initialisation, for trying the
            network without any), or the path of a Keras weights file without the top.

    Raises:
        UserError: The file is not there or does not fit the backbone, or the download fails.
    """
    import hashlib
    import shutil
    from pathlib import Path

    import keras

    from components.errors import UserError

    entry, terms = BACKBONES[backbone], BACKBONES[backbone].license
    if source == "imagenet":
        entry.download(weights.file)
    elif source == "random":
        keras.utils.set_random_seed(0)
        entry.build(entry.image_size).save_weights(weights.file)
        terms = "random initialisation"
    elif Path(source).expanduser().is_file():
        shutil.copyfile(Path(source).expanduser(), weights.file)
    else:
        raise UserError(f"no weights file {source!r}: give `imagenet`, `random` or the path of a .h5 file")
    try:
        entry.build(entry.image_size, weights.file)
    except UserError as error:
        said = str(error).replace(str(weights.file), source)
        raise UserError(f"{said}; give a Keras weights file of {backbone} without its top") from error
    weights.address_by_content(hashlib.sha256(weights.file.read_bytes()).hexdigest())
    weights.facts.update(backbone=backbone, weights_sha256=weights.digest, weights_license=terms)

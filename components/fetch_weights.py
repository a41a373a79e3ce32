"""Bring pretrained weights into the collection."""

from typing import Annotated

from components.data.artifacts import Weights
from components.model.backbones import BACKBONES, words
from components.parameters import Names
from components.step import Output


def fetch_weights(
    weights: Output[Weights],
    *,
    backbone: Annotated[str, Names("backbone", BACKBONES)],
    source: str,
    stock: Annotated[str, Names("stock", ("keep", "leave"))],
) -> None:
    """Bring the pretrained weights of a backbone into the collection: one file, with its sha256.

    Args:
        weights: The weights.
        backbone: Name of an entry in the registry of backbones.
        source: `imagenet` (downloaded by keras.applications), `random` (a seeded random initialisation, for trying the
            network without any), or the path of a Keras weights file, with or without the top.
        stock: `keep` the network's top too, where the source has one, so that `explore` can say what the stock network
            calls the images, or `leave` it.

    Raises:
        UserError: The file is not there or does not fit the backbone, or the download fails.
    """
    import hashlib
    import shutil
    from pathlib import Path

    import keras
    import pandas as pd

    from components.errors import UserError

    entry, terms = BACKBONES[backbone], BACKBONES[backbone].license
    file, given = Path(source).expanduser(), source not in ("imagenet", "random")
    keras.utils.clear_session()  # layers without a name of their own are numbered from the start
    if given and not file.is_file():
        raise UserError(f"no weights file {source!r}: give `imagenet`, `random` or the path of a .h5 file")
    if source == "imagenet":
        network = entry.download(stock == "keep")
    elif source == "random":
        keras.utils.set_random_seed(0)
        network, terms = entry.build(entry.image_size), "random initialisation"
    else:
        try:
            network = entry.read(file)
        except UserError as error:
            raise UserError(f"{error}; give a Keras weights file of {backbone}") from error
    whole = len(network.output_shape) == 2
    if whole and stock == "keep":
        weights.write_table("words.csv", pd.DataFrame({"word": words()}))
        network.save_weights(weights.stock)
    if whole:
        bare = entry.build(entry.image_size)
        bare.set_weights(network.get_weights()[: len(bare.weights)])
        network = bare
    if given and not whole:
        shutil.copyfile(file, weights.file)
    else:
        network.save_weights(weights.file)
    weights.address_by_content(hashlib.sha256(weights.file.read_bytes()).hexdigest())
    weights.facts.update(backbone=backbone, weights_sha256=weights.digest, weights_license=terms)

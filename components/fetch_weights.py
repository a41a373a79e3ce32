"""Bring pretrained weights into the collection."""

from typing import Annotated

from components.data.artifacts import Weights, WeightsFacts
from components.data.content import file_sha256
from components.data.json_files import damage_errors
from components.data.pinned import GIT, PinnedSource
from components.machinery.signature import Output
from components.model.backbones import BACKBONES, imagenet_class_names
from components.system.errors import UserError
from components.system.limits import Names


def fetch_weights(
    weights: Output[Weights],
    *,
    backbone: Annotated[str, Names("backbone", BACKBONES)],
    source: str,
    stock: Annotated[str, Names("stock", ("keep", "leave"))],
) -> None:
    """Bring the pretrained weights of a backbone into the collection: one file, with its SHA-256.

    Args:
        weights: The weights.
        backbone: Name of an entry in the registry of backbones.
        source: `imagenet` (downloaded by keras.applications), `random` (a seeded random initialisation, for trying the
            network without any), or the path of a Keras weights file, with or without the top. Or, for weights that
            DVC has pinned, `git+ADDRESS@REVISION` as in `fetch`, for `data/weights/BACKBONE` or another name in
            #name=NAME.
        stock: `keep` the network's top too, where the source has one, so that `explore` can predict the ImageNet class
            of the images, or `leave` it.

    Raises:
        UserError: The file is missing or does not fit the backbone, the download fails, or the pinned weights are
            damaged.
    """
    if source.startswith(GIT):
        facts = vars(fetch_pinned_weights(weights, backbone, source, stock))
    else:
        facts = {"weights_license": write_weights(weights, backbone, source, stock)}
    with damage_errors(weights.file):
        digest = file_sha256(weights.file)
    facts = {"backbone": backbone, "weights_sha256": digest, **facts}
    if facts["weights_sha256"] != digest:
        raise UserError(
            f"the pinned weights are damaged: their sha256 is {digest}, not {facts['weights_sha256']}; push them again "
            "from where they are whole"
        )
    weights.address_by_content(digest)
    vars(weights.facts).update(facts)


def fetch_pinned_weights(weights: Weights, backbone: str, source: str, stock: str) -> WeightsFacts:
    """Fetch pinned weights as the step's arguments say, drop the top if it is not kept, and return their facts."""
    pinned_source = PinnedSource.parse(source, "data/weights", backbone)
    facts = pinned_source.fetch_into(weights).facts
    if facts.backbone != backbone:
        raise UserError(f"{pinned_source} is of the backbone {facts.backbone!r}, not {backbone!r}: name that")
    if stock == "leave":
        for file in (weights.stock, weights.path / "words.csv"):
            file.unlink(missing_ok=True)
    return facts


def write_weights(weights: Weights, backbone: str, source: str, stock: str) -> str:
    """Download, read or initialise weights as the step's arguments say, write them, and return their license."""
    import shutil
    from pathlib import Path

    import keras
    import pandas as pd

    from components.data.sources import is_versioned, local_path

    entry, weights_license = BACKBONES[backbone], BACKBONES[backbone].license
    file, from_file = Path(source) if is_versioned(source) else local_path(source), source not in ("imagenet", "random")
    keras.utils.clear_session()  # layers without a name of their own are numbered from the start
    if from_file and not file.is_file():
        raise UserError(f"no weights file {source!r}: give `imagenet`, `random` or the path of a .h5 file")
    if source == "imagenet":
        network = entry.download(stock == "keep")
    elif source == "random":
        keras.utils.set_random_seed(0)
        network, weights_license = entry.build(entry.image_size), "random initialisation"
    else:
        try:
            network = entry.build_from_file(file)
        except UserError as error:
            raise UserError(f"{error}; give a Keras weights file of {backbone}") from error
    topped = len(network.output_shape) == 2
    if topped and stock == "keep":
        weights.write_table("words.csv", pd.DataFrame({"word": imagenet_class_names()}))
        network.save_weights(weights.stock)
    if topped:
        bare = entry.build(entry.image_size)
        bare.set_weights(network.get_weights()[: len(bare.weights)])
        network = bare
    if from_file and not topped:
        shutil.copyfile(file, weights.file)
    else:
        network.save_weights(weights.file)
    return weights_license

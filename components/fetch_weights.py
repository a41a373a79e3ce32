"""Bring pretrained weights into the collection."""

from typing import Annotated

from components.data.artifacts import Weights, WeightsFacts
from components.data.content import file_sha256, whole
from components.data.pinned import GIT, Pinned
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
    """Bring the pretrained weights of a backbone into the collection: one file, with its sha256.

    Args:
        weights: The weights.
        backbone: Name of an entry in the registry of backbones.
        source: `imagenet` (downloaded by keras.applications), `random` (a seeded random initialisation, for trying the
            network without any), or the path of a Keras weights file, with or without the top. Or what DVC pinned,
            `git+ADDRESS@REVISION`, as `fetch` takes it, in `data/weights/BACKBONE`, or where #name=NAME says.
        stock: `keep` the network's top too, where the source has one, so that `explore` can say what the stock network
            calls the images, or `leave` it.

    Raises:
        UserError: The file is not there or does not fit the backbone, the download fails, or what is pinned is damaged.
    """
    if source.startswith(GIT):
        facts = vars(take(weights, backbone, source, stock))
    else:
        facts = {"weights_license": make(weights, backbone, source, stock)}
    with whole(weights.file):
        digest = file_sha256(weights.file)
    facts = {"backbone": backbone, "weights_sha256": digest, **facts}
    if facts["weights_sha256"] != digest:
        raise UserError(
            f"the pinned weights are damaged: their sha256 is {digest}, not {facts['weights_sha256']}; push them again "
            "from where they are whole"
        )
    weights.address_by_content(digest)
    vars(weights.facts).update(facts)


def take(weights: Weights, backbone: str, source: str, stock: str) -> WeightsFacts:
    """Get what DVC pinned, and return its facts."""
    version = Pinned.read(source, "data/weights", backbone)
    facts = version.get(weights).facts
    if facts.backbone != backbone:
        raise UserError(f"{version} is of the backbone {facts.backbone!r}, not {backbone!r}: name that")
    if stock == "leave":
        for file in (weights.stock, weights.path / "words.csv"):
            file.unlink(missing_ok=True)
    return facts


def make(weights: Weights, backbone: str, source: str, stock: str) -> str:
    """Download, read or initialise weights, write their files, and return their terms."""
    import shutil
    from pathlib import Path

    import keras
    import pandas as pd

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
    if given and not topped:
        shutil.copyfile(file, weights.file)
    else:
        network.save_weights(weights.file)
    return terms

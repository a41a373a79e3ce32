"""Bring pretrained weights into the collection."""

from typing import Annotated

from components.data.artifacts import Weights, WeightsFacts
from components.data.pinned import GIT, PinnedSource
from components.machinery.signature import Output
from components.model.backbones.choice import NetworkChoice
from components.system.errors import UserError
from components.system.limits import Names


def fetch_weights(
    weights: Output[Weights],
    *,
    network: NetworkChoice,
    source: str,
    stock: Annotated[str, Names("stock", ("keep", "leave"))],
) -> None:
    """Write a backbone's pretrained weights into an artifact, with their SHA-256, and the whole network if it is kept.

    Args:
        weights: The weights.
        network: Which network they are of.
        source: `imagenet` (downloaded by keras.applications), `random` (a seeded random initialisation, for trying the
            network without any), or the path of a Keras weights file, with or without the top, of the `.keras` file of
            a network of your own, or of a folder that keras-hub reads, a preset of Keras or one of Hugging Face;
            `preset:NAME` is downloaded by keras-hub. Or, for weights that DVC has pinned, `git+ADDRESS@REVISION` as in
            `fetch`, for `data/weights/BACKBONE` or another name in #name=NAME.
        stock: `keep` the network's top too, where the source has one, so that `explore` can predict the ImageNet class
            of the images, or `leave` it.

    Raises:
        UserError: The file is missing or does not fit the backbone, the download fails, or the pinned weights are
            damaged.
    """
    if source.startswith(GIT):
        facts = vars(fetch_pinned_weights(weights, network.backbone, source, stock))
    else:
        try:
            facts = {"weights_license": network.entry.fetch(weights, source, stock == "keep")}
        except UserError as error:
            raise UserError(f"{error}; give {network.entry.source_words} of {network.backbone}") from error
    digest = weights.network_sha256()
    facts = {"backbone": network.backbone, "weights_sha256": digest, **facts}
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

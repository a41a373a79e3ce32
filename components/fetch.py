"""Bring a data set to one layout."""

from typing import Annotated

from components.data.artifacts import Images
from components.data.labelled_files import LabelRules
from components.data.packing import PACKINGS
from components.machinery.signature import Output
from components.system.limits import Links, Names, Share


def fetch(
    images: Output[Images],
    *,
    data_set: str,
    source: str,
    max_quarantined: Share,
    links: Links = "inside",
    packing: Annotated[str, Names("packing", PACKINGS)] = "files",
    rules: LabelRules,
) -> None:
    """Bring a data set to one layout: one folder a class, readable images only, with a digest of its content.

    The digest covers the path and the bytes of every image, and does not depend on the source. Files that are not
    readable images are not copied, but listed in `quarantine.csv`; the source is not changed.

    `images.csv` has, where it is known, the published part of each image (`train`, `validation`, `test`, or the number
    of the published split that tests on it) and its group, such as a person. Folders named as parts (`train`,
    `seg_test`, `Validation Set`, `val2017` and the like), above the class folders or in them, are such parts; one
    without labels is left out. The groups of your own images come from a `groups.csv` (file, group) beside the class
    folders, or from a table. What was understood is printed; what could mean two things is refused.

    A data set that DVC has pinned is fetched unchanged and checked against its digest; every step treats it like any
    other. Its commit is noted as the data's revision. This needs git and DVC, with their usual credentials.

    Args:
        images: The data set.
        data_set: Name of an entry in the registry of data sets, or a new name for images of your own.
        source: `published`, or a folder, an archive (tar, tar.gz, zip) or its http(s) address; an address may end in
            #sha256=HEX, the digest that the downloaded file must have. Or, for a data set that DVC has pinned,
            `git+ADDRESS@REVISION`: the address of a git repository, and the 40 digits of a commit in it that pins
            `data/images/DATA_SET`; it may end in #remote=NAME, a DVC remote other than the default, #name=NAME,
            another name of the data set in the repository, or both, joined by &.
        max_quarantined: Largest share of the files that may be unreadable.
        links: Where links to files may lead that are in a folder: `inside` it, or also out of it, to a `store` such as
            that of Hugging Face's cache or git-annex. Archives hold no links.
        packing: How the images are stored: as `files`, or in `tars` of at most 256 MB, which DVC versions as few files.
            What DVC has pinned stays as it is stored there.
        rules: What labels images of your own, and which classes are taken.

    Raises:
        UserError: The source cannot be read, too much of it is unreadable, or it is not the data set of that name.
    """
    import tempfile
    from pathlib import Path

    from components.data import layout
    from components.data.datasets import DATA_SETS
    from components.data.pinned import GIT, PinnedSource
    from components.data.sources import open_source
    from components.system.errors import UserError, redact, unknown_name

    entry, place = DATA_SETS.get(data_set), redact(source)
    if source == "published" and entry is None:
        raise unknown_name("published data set", data_set, DATA_SETS)
    if source == "published" and entry and entry.page:
        raise UserError(
            f"{data_set} has no public download: get it from {entry.page} and give its path "
            f"as the source, in params.yaml under `data: own:` instead of `published`"
        )
    if source.startswith(GIT):
        pinned_source = PinnedSource.parse(source, "data/images", data_set)
        pinned = pinned_source.fetch_into(images)
        if (name := pinned.facts.data_set) != data_set:
            raise UserError(f"{pinned_source} is the data set {name!r}, not {data_set!r}: name that")
        layout.check_pinned_images(pinned, max_quarantined)
        images.address_by_content(pinned.digest)
        vars(images.facts).update(vars(pinned.facts))
        images.record.revisions["dvc_revision"] = pinned_source.revision
        place = str(pinned_source)
    elif source == "published" and entry and entry.write:
        with tempfile.TemporaryDirectory(prefix=".source-", dir=images.path) as temporary:
            folder = Path(temporary) / data_set
            entry.write(folder)
            layout.lay_out(folder, images, entry, max_quarantined, links, rules, packing)
    else:
        address, lists = (entry.address, entry.test_lists) if source == "published" and entry else (source, {})
        with open_source(address, images.path, lists) as folder:
            layout.lay_out(folder, images, entry, max_quarantined, links, rules, packing)
    images.facts.data_set = data_set
    if entry and entry.digest and images.digest != entry.digest:
        raise UserError(
            f"{place} is not the published {data_set}: its content has the digest {images.digest}, "
            f"not {entry.digest}; get it again, or fetch it under a name of its own"
        )

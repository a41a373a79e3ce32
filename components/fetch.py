"""Bring a data set to one layout."""

from components.data.artifacts import Images
from components.machinery.signature import Output
from components.system.limits import Share


def fetch(images: Output[Images], *, data_set: str, source: str, max_quarantined: Share) -> None:
    """Bring a data set to one layout: one folder a class, readable images only, with a digest of its content.

    The digest covers the path and the bytes of every image, so it is the same whichever way the data set came. Files
    that are no readable images stay behind and are listed in `quarantine.csv`; the source is not changed.

    `images.csv` says of each image, where it is known, to which published part it belongs (`train`, `validation`,
    `test`, or the number of the published split that tests on it) and to which group, such as a person. Folders named
    `train`, `test` and the like that hold the class folders are such parts; the groups of your own images come from a
    `groups.csv` (file, group) beside the class folders.

    What DVC pinned is fetched as it is, held against its digest, and is the same data set to every step; its commit
    goes with it, as the data's revision in the journal. It takes git and DVC, with the credentials that they find.

    Args:
        images: The data set.
        data_set: Name of an entry in the registry of data sets, or a new name for images of your own.
        source: `published`, or a folder, an archive (tar, tar.gz, zip) or its http(s) address, with one folder a class;
            an address may end in #sha256=HEX, the digest that the downloaded file must have. Or what DVC pinned,
            `git+ADDRESS@REVISION`: the address of a git repository, the 40 digits of a commit in it whose
            `data/images/DATA_SET` a `fetch` made, and at the end, if need be, #remote=NAME, a DVC remote other than the
            default, #name=NAME, where the repository has it under another name, or both, joined by &.
        max_quarantined: Largest share of the files that may be unreadable.

    Raises:
        UserError: The source cannot be read, too much of it is unreadable, or it is not the data set of that name.
    """
    import tempfile
    from pathlib import Path

    from components.data import archives, layout
    from components.data.datasets import DATA_SETS
    from components.data.pinned import GIT, Pinned
    from components.system.errors import UserError, redact, unknown_name

    entry, place = DATA_SETS.get(data_set), redact(source)
    if source == "published" and entry is None:
        raise unknown_name("published data set", data_set, DATA_SETS)
    if source == "published" and entry and entry.page:
        raise UserError(
            f"{data_set} cannot be downloaded without asking for it: get it from {entry.page} and give its path "
            f"as the source, in params.yaml under `data: own:` instead of `published`"
        )
    if source.startswith(GIT):
        version = Pinned.read(source, "data/images", data_set)
        found = version.get(images)
        if found.facts.data_set != data_set:
            raise UserError(f"{version} is the data set {found.facts.data_set!r}, not {data_set!r}: name that")
        layout.check(found, max_quarantined)
        images.address_by_content(found.digest)
        vars(images.facts).update(vars(found.facts))
        images.record.revisions["dvc_revision"] = version.revision
        place = str(version)
    elif source == "published" and entry and entry.make:
        with tempfile.TemporaryDirectory(prefix="graft-") as temporary:
            entry.make(Path(temporary))
            layout.lay_out(Path(temporary), images, entry, max_quarantined)
    else:
        with archives.opened(entry.address if source == "published" and entry else source) as folder:
            layout.lay_out(folder, images, entry, max_quarantined)
    images.facts.data_set = data_set
    if entry and entry.digest and images.digest != entry.digest:
        raise UserError(
            f"{place} is not the published {data_set}: its content has the digest {images.digest}, "
            f"not {entry.digest}; get it again, or fetch it under a name of its own"
        )

"""Find the duplicates in a data set."""

from collections.abc import Sequence
from typing import Annotated

from components.data.artifacts import Audit, Images
from components.machinery.signature import Input, Output
from components.system.errors import fold_words
from components.system.limits import Names, Range

TOO_MANY = "more hashes an image are close than can be compared"


def audit(
    images: Input[Images],
    audit: Output[Audit],
    *,
    distance: Annotated[int, Range("from 0 to 16", lambda value: 0 <= value <= 16)],
    near: Annotated[str, Names("setting", ("on", "off"))],
) -> None:
    """Find the duplicates in a data set, byte-identical, near-identical or changed, and those of two labels.

    Two images, not plain ones, are near-identical if their perceptual hashes (pHash) differ in at most `distance` of 64
    bits and the details of their thumbnails, 16 x 16 pixels in colour, correlate by 0.95 or more; by 0.99 or more where
    one has fewer than 32 pixels a side. Of larger ones, copies are found as well that were mirrored, turned, cropped,
    bordered or marked. Classes whose different images look near-identical, as those of one camera do, are alike by
    nature: they are named, and such images of theirs are not clustered.

    On a shard of the images it only computes hashes and details; on all of them it takes these from such shards of its
    audit.

    Args:
        images: The data set.
        audit: The duplicates.
        distance: Bits of 64 in which the hashes of two near-identical images may differ.
        near: Whether near-identical images and changed copies are looked for, `on` or `off`.

    Raises:
        UserError: Two classes have mostly the same images, or one has copies of the other's.
    """
    import numpy as np
    import pandas as pd

    from components.data import changed_copies, duplicates, perceptual_hashes

    table = images.table("images.csv")
    content = pd.factorize(table["sha256"])[0]
    first = table.drop_duplicates("sha256")  # of each content
    originals, labels = first["file"].to_numpy(), first["label"].to_numpy()
    files, white = [images.file(file) for file in originals], images.facts.white_level
    if audit.shards:
        hashes, details = perceptual_hashes.hashes_of_shards(audit.shards, originals)
    else:
        hashes, details = perceptual_hashes.hashes_and_details(files, white)
    if images.shard:
        perceptual_hashes.write_hashes(audit, originals, hashes, details)
        return
    sides = first[["width", "height"]].to_numpy().min(axis=1)
    table["hash"] = [f"{value:016x}" for value in hashes[0][content]]

    def clusters_of(pairs: Sequence[duplicates.Pair]) -> np.ndarray:
        cluster = duplicates.first_of_clusters(len(first), pairs)
        table["cluster"] = duplicates.cluster_names(originals[cluster[content]])
        return cluster

    near_identical: list[duplicates.Pair] | None = []
    if near == "on":
        near_identical = duplicates.near_identical_pairs(
            hashes[0], details, duplicates.min_correlations(sides), distance
        )
    if near_identical is None:
        print(f"audit: {TOO_MANY}, as of one camera or of forms: alike by nature, none is called near-identical")
    near_pairs = near_identical or []
    cluster = clusters_of(near_pairs)
    duplicates.require_different_classes(table)
    alike = duplicates.classes_alike_by_nature(labels, cluster, near_pairs)
    is_alike = np.isin(labels, alike)
    pairs_of_alike = [pair for pair in near_pairs if is_alike[[*pair[:2]]].any()]
    if alike:
        print(
            f"audit: alike by nature, not near-identical: {fold_words(alike)}; {len(pairs_of_alike)} pairs of their "
            "images, as of one camera or of pages, are not clustered"
        )
        near_pairs = [pair for pair in near_pairs if not is_alike[[*pair[:2]]].any()]
        cluster = clusters_of(near_pairs)
    changed: list[duplicates.Pair] | None = []
    if near == "on" and near_identical is not None:
        usable = (sides >= duplicates.SMALL_SIDE) & ~is_alike
        changed = changed_copies.find_changed_copies(
            files, white, hashes[0], hashes[1:], details, usable, labels, cluster, distance
        )
    if changed is None:
        print(f"audit: {TOO_MANY} those of mirrored, turned or cropped images: such copies are not looked for")
    pairs_found = [*near_pairs, *(changed or [])]
    clusters_of(pairs_found)
    audit.write_table("hashes.csv", table[["file", "hash", "cluster"]])

    originals_of_files = zip(table["file"], originals[content], strict=True)
    rows = [(file, original, "identical", 0, 1.0) for file, original in originals_of_files if file != original]
    rows += [
        (originals[later], originals[early], kind, bits, round(correlation, 4))
        for early, later, bits, correlation, kind in pairs_found
    ]
    pairs = pd.DataFrame(rows, columns=["file", "other", "kind", "distance", "similarity"])
    label = table.set_index("file")["label"]
    audit.write_table("pairs.csv", pairs.assign(label=pairs["file"].map(label), other_label=pairs["other"].map(label)))

    sizes = table.loc[table["cluster"] != "", "cluster"].value_counts()
    audit.facts.duplicates = {
        **{f"{kind}_pairs": int((pairs["kind"] == kind).sum()) for kind in duplicates.KINDS},
        "two_labels": len(duplicates.label_conflicts(table)),
        "clusters": len(sizes),
        "largest_cluster": int(sizes.max()) if len(sizes) else 0,
        "alike_by_nature": len(pairs_of_alike),
    }
    counts = [f"{count} {name.replace('_', ' ')}" for name, count in audit.facts.duplicates.items() if count]
    print("audit:", ", ".join(counts) or "no duplicates")

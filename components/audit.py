"""Find the duplicates in a data set."""

from typing import Annotated

from components.data.artifacts import Audit, Images
from components.machinery.signature import Input, Output
from components.system.errors import fold_words
from components.system.limits import Names, Range


def audit(
    images: Input[Images],
    audit: Output[Audit],
    *,
    distance: Annotated[int, Range("from 0 to 16", lambda value: 0 <= value <= 16)],
    near: Annotated[str, Names("setting", ("on", "off"))],
) -> None:
    """Find the duplicates in a data set, byte-identical or near-identical, and those of two labels.

    Two images, not plain ones, are near-identical if their perceptual hashes (pHash) differ in at most `distance` of 64
    bits and the details of their thumbnails, 16 x 16 pixels in colour, correlate by 0.95 or more; by 0.99 or more where
    one has fewer than 32 pixels a side. So are, of larger images, turned or mirrored copies of one label, and copies
    that were cropped by up to some 10 % or bordered: their details correlate by 0.97 once that is undone. Classes whose
    different images look so, as those of one camera do, are alike by nature: they are named, and their near-identical
    images are not clustered.

    Args:
        images: The data set.
        audit: The duplicates.
        distance: Bits of 64 in which the hashes of two near-identical images may differ.
        near: Whether near-identical images are looked for, `on` or `off`.

    Raises:
        UserError: Two classes have mostly the same images, or one has copies of the other's.
    """
    from functools import lru_cache

    import pandas as pd

    from components.data import duplicates

    table = images.table("images.csv")
    content = pd.factorize(table["sha256"])[0]
    first = table.drop_duplicates("sha256")  # of each content
    originals = first["file"].to_numpy()
    files = [images.file(file) for file in originals]
    hashes, details = duplicates.hashes_and_details(files, images.facts.white_level)
    needed = duplicates.min_correlations(first["width"].to_numpy(), first["height"].to_numpy())
    table["hash"] = [f"{value:016x}" for value in hashes[0][content]]
    labels = first["label"].to_numpy()
    found = duplicates.near_identical_pairs(hashes[0], details, needed, distance) if near == "on" else []
    if found is None:
        print(
            "audit: more than 300 hashes an image are close, as those of one camera or of forms are: alike by nature, "
            "none is called near-identical"
        )
    alike = duplicates.classes_alike_by_nature(labels, found or [])
    changed: list[duplicates.Pair] | None = []
    if near == "on" and found is not None:
        read = lru_cache(2**12)(lambda row: duplicates.read_thumbnail(files[row], images.facts.white_level))
        changed = duplicates.changed_pairs(read, hashes, details, needed, labels, found, alike, distance)
    if changed is None:
        print("audit: too many images may be crops of another; no turned, mirrored, cropped or bordered copy is listed")
    found = (found or []) + (changed or [])
    table["cluster"] = duplicates.cluster_names(originals[duplicates.Clusters(len(first), found).first[content]])
    duplicates.require_different_classes(table)
    alike = sorted({*alike, *duplicates.classes_alike_by_nature(labels, found)})
    pairs_of_alike = [pair for pair in found if {labels[pair[0]], labels[pair[1]]} & {*alike}]
    if alike:
        print(
            f"audit: alike by nature, not near-identical: {fold_words(alike)}; {len(pairs_of_alike)} pairs of their "
            "images, as of one camera or of pages, are not clustered"
        )
        found = [pair for pair in found if not {labels[pair[0]], labels[pair[1]]} & {*alike}]
        table["cluster"] = duplicates.cluster_names(originals[duplicates.Clusters(len(first), found).first[content]])
    audit.write_table("hashes.csv", table[["file", "hash", "cluster"]])

    originals_of_files = zip(table["file"], originals[content], strict=True)
    rows = [(file, original, "identical", 0, 1.0) for file, original in originals_of_files if file != original]
    rows += [(originals[other], originals[one], kind, bits, round(corr, 4)) for one, other, bits, corr, kind in found]
    pairs = pd.DataFrame(rows, columns=["file", "other", "kind", "distance", "similarity"])
    label = table.set_index("file")["label"]
    audit.write_table("pairs.csv", pairs.assign(label=pairs["file"].map(label), other_label=pairs["other"].map(label)))

    sizes = table.loc[table["cluster"] != "", "cluster"].value_counts()
    audit.facts.duplicates = {
        "identical_pairs": int((pairs["kind"] == "identical").sum()),
        "near_pairs": int((pairs["kind"] == "near").sum()),
        "turned_pairs": int((pairs["kind"] == "turned").sum()),
        "cropped_pairs": int((pairs["kind"] == "cropped").sum()),
        "two_labels": len(duplicates.label_conflicts(table)),
        "clusters": len(sizes),
        "largest_cluster": int(sizes.max()) if len(sizes) else 0,
        "alike_by_nature": len(pairs_of_alike),
    }
    print("audit:", ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in audit.facts.duplicates.items()))

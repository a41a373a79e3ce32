"""Class folders: where they lie in a source, the published parts that hold them, and the label of each."""

from pathlib import Path

from components.data.datasets import DataSet
from components.data.folders import check_path_name, folders_in, linked_folders
from components.system.errors import UserError

PARTS = {  # the published part, by the name of its folder, in any case
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "test": "test",
}  # fmt: skip


def find_class_folders(source: Path, entry: DataSet | None) -> tuple[Path, dict[str, str]]:
    """Return the root of the class folders, and the published part by folder name in it, `{"": ""}` without parts.

    Of a registered data set the root is the first folder, from the top, that holds folders of its classes, or published
    parts with such; of a person's own images it is the first that does not hold exactly one folder, and there are parts
    where all folders in it are named as parts.

    Args:
        source: The folder to search, at any depth.
        entry: The registered data set; None for images of a person's own.

    Returns:
        The root, and the published part by the name of its folder in the root. Class folders lie in the part folders;
        without parts they lie in the root, which is one part without a name and a folder: `{"": ""}`.

    Raises:
        UserError: There is no class folder of the registered data set.
    """
    if entry is None:
        root = source
        while len(inside := folders_in(root)) == 1:
            root = inside[0]
        parts = part_folders(inside)
        return root, parts if parts and len(parts) == len(inside) else {"": ""}
    folders = [source]
    for folder in folders:
        inside = folders_in(folder)
        if any(path.name in entry.labels for path in inside):
            return folder, {"": ""}
        parts = part_folders(inside, entry)
        if parts:
            return folder, parts
        folders += inside
    raise UserError(
        f"{source.name} has no folders {', '.join(entry.labels)}, which hold the images of this data set: check the "
        "source"
    )


def part_folders(folders: list[Path], entry: DataSet | None = None) -> dict[str, str]:
    """Return the published part by the folder's name, of folders that are named as a part and hold class folders.

    A folder without any folder in it is left out, and with `entry` one without a folder of its classes.
    """
    named = {path: PARTS[path.name.lower()] for path in folders if path.name.lower() in PARTS}
    return {
        path.name: part
        for path, part in named.items()
        if any(entry is None or inside.name in entry.labels for inside in folders_in(path))
    }


def labels_by_folder(source: Path, root: Path, parts: dict[str, str], entry: DataSet | None) -> dict[str, str]:
    """Return the label of each class folder by the folder's name, in the order of the classes, by name for own images.

    Args:
        source: The source, for errors.
        root: Where the part folders lie.
        parts: The published part by folder name, as from `find_class_folders`.
        entry: The registered data set; None for images of a person's own, whose folders are named as the classes.

    Raises:
        UserError: The folders are not those of the registered data set, are fewer than two, or have a name that no
            table can hold.
    """
    names = sorted({path.name for part in parts for path in folders_in(root / part)})
    labels = entry.labels if entry else {name: name for name in names}
    if sorted(labels) != names or len(names) < 2:
        expected = f"the classes {', '.join(labels)}" if entry else "two or more folders, one a class"
        received = ", ".join(names) or "none"
        linked = ", ".join(linked_folders(root, parts))
        links = f"; links to folders are not followed: {linked}" if linked else ""
        raise UserError(f"{root.relative_to(source.parent)}: {expected} expected; received {received}{links}")
    for name in names:
        try:
            check_path_name(name)
        except ValueError as error:
            raise UserError(f"the folder {name}: {error}: rename it") from None
    return labels

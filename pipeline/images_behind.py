"""The images that a model was trained, validated and tested on, found in its project by its lineage."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.data.artifact import Artifact
from components.data.artifacts import MANIFEST, Augmented, Classifier, Splits, TestSplit
from components.data.json_files import read_json
from pipeline.places import ARTIFACTS

if TYPE_CHECKING:
    import numpy as np

BEHIND: tuple[type[Artifact], ...] = (Augmented, Splits, TestSplit)


@dataclass(frozen=True)
class ImagesBehind:
    """The artifacts that a model was trained, validated and tested on, as paths.

    Args:
        augmented: The plain images.
        splits: The training and validation rows.
        test_split: The test rows, which `evaluate` alone opens.
    """

    augmented: Path
    splits: Path
    test_split: Path

    def pixels(self, part: str) -> "np.ndarray":
        """Return the plain images of `train` or `validation`, uint8 (n, size, size, 3)."""
        augmented, rows = Augmented.read(self.augmented), Splits.read(self.splits).part(part)
        return augmented.array[augmented.rows(rows["file"].tolist()), 0]


def artifacts_root(classifier: Path) -> Path:
    """Return the outermost folder `artifacts` above a classifier, or the one in the current folder if there is none."""
    inside = [folder for folder in classifier.absolute().parents if folder.name == ARTIFACTS.name]
    return inside[-1] if inside else ARTIFACTS


def find_images_behind(classifier: Classifier) -> ImagesBehind | None:
    """Return the artifacts that a classifier's lineage names, found in its project; None without all three."""
    lineage, facts = classifier.manifest["lineage"], classifier.facts
    paths_by_kind: dict[str, Path] = {}
    for file in sorted(artifacts_root(classifier.path).rglob(MANIFEST)):
        manifest = {} if "/." in file.as_posix() else read_json(file)
        kind = next((one.__name__ for one in BEHIND if one.__name__ == manifest.get("kind")), None)
        if kind is None or manifest["lineage"].get("fetch") != lineage["fetch"]:
            continue
        if kind == Augmented.__name__:
            seen = manifest["facts"]["image_size"], manifest["facts"].get("resize", facts.resize)
            is_behind = manifest["lineage"]["augment"] == lineage.get("augment", manifest["lineage"]["augment"])
            is_behind = is_behind and seen == (facts.image_size, facts.resize)
        else:
            is_behind = manifest["lineage"]["split"] == lineage["split"]
        if is_behind:
            paths_by_kind.setdefault(kind, file.parent)
    paths = [paths_by_kind.get(kind.__name__) for kind in BEHIND]
    return None if None in paths else ImagesBehind(*filter(None, paths))

"""Keras models as artifacts: equal models are equal files."""

import hashlib
import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from components.data.artifact import Artifact, KindOfFacts
from components.data.content import sha256

if TYPE_CHECKING:
    import keras

MODEL_PARTS = ("config.json", "model.weights.h5")  # of a `.keras` archive


class SavedModel(Artifact[KindOfFacts]):
    """A saved Keras model; its digest is that of its architecture, its weights and its classes."""

    file_name: str
    of_training: ClassVar = True

    def content_digest(self) -> str:
        """Return the SHA-256 of the kind, the classes and the model's architecture and weights; no other file."""
        with zipfile.ZipFile(self.file) as archive:
            parts = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in MODEL_PARTS}
        return sha256(type(self).__name__, self.manifest["facts"]["classes"], parts)

    def save(self, model: "keras.Model") -> None:
        """Write a model to the artifact's `file`, without dates and addresses in memory: equal models, equal files."""
        with tempfile.TemporaryDirectory(dir=self.path) as folder:
            saved = Path(folder, self.file_name)
            model.save(saved)
            with zipfile.ZipFile(saved) as source, zipfile.ZipFile(self.file, "w") as target:
                for name in sorted(source.namelist()):
                    content = source.read(name)
                    if name.endswith(".json"):
                        content = json.dumps(without_traces(json.loads(content))).encode()
                    target.writestr(zipfile.ZipInfo(name), content)

    @property
    def file(self) -> Path:
        return self.path / self.file_name


def without_traces(config: Any) -> Any:
    """Return a copy of a model's configuration without `date_saved`, shared objects numbered from 0 in their order.

    Keras numbers an object that several layers share by its address in memory.
    """
    numbers: dict[int, int] = {}

    def clean(value: Any) -> Any:
        if isinstance(value, list):
            return [clean(one) for one in value]
        if not isinstance(value, dict):
            return value
        cleaned = {key: clean(one) for key, one in value.items() if key != "date_saved"}
        if "shared_object_id" in cleaned:
            number = cleaned["shared_object_id"]
            cleaned["shared_object_id"] = numbers.setdefault(number, len(numbers))
        return cleaned

    return clean(config)

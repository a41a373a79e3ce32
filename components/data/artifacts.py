"""What the steps hand to one another: directories, each with a manifest of what it is and what it was made from."""

import hashlib
import json
import mmap
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Self

from components.data.content import FORMAT, file_sha256, read_json, sha256, whole, write_json
from components.data.records import Record
from components.system.errors import UserError
from components.system.hardware import count_gpus

if TYPE_CHECKING:
    import keras
    import numpy as np
    import pandas as pd

MANIFEST = "artifact.json"
MODEL_PARTS = ("config.json", "model.weights.h5")  # of a `.keras` archive
PROBABILITY = "probability_"  # before the name of a class, what a column of `predictions.csv` is called
TEXTS = (  # columns of tables
    "file", "label", "predicted", "model", "part", "group", "class", "hash", "cluster", "other", "other_label",
    "fingerprint",
)  # fmt: skip
WITH_GAPS = (  # columns of numbers that are empty where there is no number
    "precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high", "f1",
    "confidence", "accuracy",
)  # fmt: skip


def release(array: "np.ndarray") -> None:
    """Give back the memory that a file's map has taken for what was read or written so far; nothing for other arrays.

    A process that goes through a file of any size batch by batch stays small so. What was written is in the system's
    hands, and what is read again comes from its cache, or from the disk.

    Args:
        array: A memory-mapped array of `Keyed`, or a view of one.
    """
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None:
        base.madvise(mmap.MADV_DONTNEED)


class Artifact:
    """A directory with a manifest, which with all else in it follows from the inputs of the step that made it alone.

    The manifest, `artifact.json`, holds the kind; the digest of the content; the facts that steps downstream need; the
    parameters of the whole chain by step; and the lineage, the digest of what every step behind it made. What differs
    from one run to the next, such as seconds, is in the run's `Record`.

    While a step makes it, an artifact knows the `inputs_digest`, of the inputs, the parameters and the code that it is
    made from, and the `record` of the run, in which it notes its long computations.
    """

    common_ground: ClassVar = {"fetch", "split"}  # steps that alternatives, the artifacts of one list, go back to
    of_training: ClassVar = False  # whether there is one for each of several trainings of a way

    def __init__(
        self, path: Path | str, manifest: Mapping[str, Any] | None = None, inputs_digest: str = "",
        record: Record | None = None,
    ):  # fmt: skip
        self.path = Path(path)
        empty = {"digest": "", "facts": {}, "parameters": {}, "lineage": {}}
        self.manifest: dict[str, Any] = {"kind": type(self).__name__, "format": FORMAT, **empty, **(manifest or {})}
        self.inputs_digest = inputs_digest
        self.record = record or Record()

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Open a finished artifact.

        Raises:
            UserError: There is none at that path, or it is of another kind.
        """
        if not (Path(path) / MANIFEST).is_file():
            if inside := sorted(Path(path).glob(f"*/{MANIFEST}")):
                raise UserError(f"{path} holds {len(inside)} artifacts: name one of them, as in {inside[0].parent}")
            raise UserError(f"no {cls.__name__} at {path}: run the step that makes it, or `dvc pull` it")
        manifest = read_json(Path(path) / MANIFEST)
        if manifest.get("kind") != cls.__name__:
            raise UserError(f"{path} is of the kind {manifest.get('kind')}; {cls.__name__} is needed")
        return cls(path, manifest)

    @classmethod
    def read_all(cls, paths: Sequence[Path | str]) -> list[Self]:
        """Open finished artifacts; a folder that is none stands for all of the kind that are in it, by name.

        Raises:
            UserError: There is none at a path, or it is of another kind.
        """
        artifacts = []
        for path in map(Path, paths):
            is_folder = path.is_dir() and not (path / MANIFEST).is_file()
            artifacts += cls.list_in(path) if is_folder else [cls.read(path)]
        if not artifacts:
            raise UserError(f"no {cls.__name__} in {', '.join(map(str, paths))}: run the steps that make some")
        return artifacts

    @classmethod
    def list_in(cls, folder: Path) -> list[Self]:
        """Open all finished artifacts of the kind that are in a folder, by name."""
        manifests = (file for file in sorted(folder.rglob(MANIFEST)) if "/." not in file.as_posix())
        kinds = ((file.parent, read_json(file).get("kind")) for file in manifests)
        return [cls.read(path) for path, kind in kinds if kind == cls.__name__]

    def content_digest(self) -> str:
        """Return the digest of the facts and of every file but the manifest."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file() and path.name != MANIFEST)
        digests = {path.relative_to(self.path).as_posix(): file_sha256(path) for path in files}
        return sha256(type(self).__name__, self.facts, digests)

    def address_by_content(self, digest: str) -> None:
        """Set the digest of what came from outside, and forget where it came from: only what it is counts."""
        self.manifest.update(digest=digest, parameters={})

    def write_manifest(self) -> None:
        write_json(self.path / MANIFEST, self.manifest)

    @property
    def digest(self) -> str:
        return self.manifest["digest"]

    @property
    def facts(self) -> dict[str, Any]:
        return self.manifest["facts"]

    def did(self, name: str, images: int, seconds: float) -> None:
        """Note how many seconds a computation took for how many images, on how many GPUs."""
        self.record.work[name] = {"images": images, "seconds": round(seconds, 3), "gpus": count_gpus()}

    @contextmanager
    def timed(self, name: str, images: int) -> Iterator[None]:
        """Note how many seconds the block takes for how many images."""
        start = perf_counter()
        yield
        self.did(name, images, perf_counter() - start)

    @property
    def resume(self) -> Path:
        """Where a step keeps what it goes on from after it was broken off, for a run from the same inputs alone."""
        return self.path / f".{self.inputs_digest}.resume"

    def figure(self, name: str) -> Path:
        """Return where a figure of the artifact is drawn; a name may have a folder before it."""
        file = self.path / "figures" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def read_values(self, name: str) -> dict[str, Any]:
        with whole(self.path):
            return json.loads((self.path / f"{name}.json").read_text(encoding="utf-8"))

    def write_values(self, name: str, values: Mapping[str, Any]) -> None:
        write_json(self.path / f"{name}.json", values)

    def table(self, name: str) -> "pd.DataFrame":
        """Read one of the artifact's tables; labels and file names stay text."""
        import pandas as pd

        texts, gaps = dict.fromkeys(TEXTS, str), {name: [""] for name in WITH_GAPS}
        with whole(self.path):
            return pd.read_csv(
                self.path / name, dtype=texts, keep_default_na=False, na_values=gaps, lineterminator="\n"
            )

    def write_table(self, name: str, table: "pd.DataFrame") -> None:
        table.to_csv(self.path / name, index=False, lineterminator="\n")

    def arrays(self, name: str) -> dict[str, "np.ndarray"]:
        """Read the arrays of one of the artifact's `.npz` files, by name."""
        import numpy as np

        with whole(self.path), (self.path / f"{name}.npz").open("rb") as file, np.load(file) as arrays:
            return dict(arrays)

    def write_arrays(self, name: str, arrays: Mapping[str, "np.ndarray"]) -> None:
        """Write arrays by name, uncompressed, to a `.npz` file: the same bytes for the same arrays."""
        import numpy as np

        np.savez(self.path / f"{name}.npz", allow_pickle=False, **arrays)


class Keyed(Artifact):
    """An array on disk with one row for each file of `files.csv`."""

    array_name = "array.npy"

    @property
    def array(self) -> "np.ndarray":
        """The array, memory-mapped, read-only; axis 0 is the file, axis 1 its views."""
        import numpy as np

        with whole(self.path):
            return np.load(self.path / self.array_name, mmap_mode="r")

    def create(self, files: list[str], shape: tuple[int, ...], dtype: str) -> "np.ndarray":
        """Write the files and return a new memory-mapped array of shape (files, *shape); its bytes are reserved."""
        import numpy as np
        import pandas as pd

        self.write_table("files.csv", pd.DataFrame({"file": files}))
        array = np.lib.format.open_memmap(self.path / self.array_name, "w+", dtype, (len(files), *shape))
        with (self.path / self.array_name).open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, array.nbytes)  # else a full disk ends the process at a write
            except OSError as error:
                raise OSError(error.errno, error.strerror, f"{file.name}, {array.nbytes / 1e9:.3g} GB") from error
        return array

    def rows(self, files: list[str]) -> "np.ndarray":
        """Return the row number of each file.

        Raises:
            UserError: A file is not there.
        """
        import numpy as np

        row = {file: number for number, file in enumerate(self.table("files.csv")["file"])}
        missing = [file for file in files if file not in row]
        if missing:
            raise UserError(f"{self.path} lacks {len(missing)} images, {missing[0]} first: make it again")
        return np.array([row[file] for file in files], dtype=np.int64)


class Images(Artifact):
    """A data set in one layout: `images/CLASS/FILE`, `images.csv` and `quarantine.csv` (file, reason).

    The columns of `images.csv` are file, label, width and height in pixels, sha256, part and group. A part is the
    publisher's `train`, `validation` or `test`, or the number of the published split that tests on the image; part and
    group are empty where there is none.
    """

    def file(self, name: str) -> Path:
        return self.path / "images" / name


class Weights(Artifact):
    """Pretrained weights of one backbone: one file, whose sha256 is the digest; with a top where it came so."""

    @property
    def file(self) -> Path:
        return self.path / "backbone.weights.h5"

    @property
    def stock(self) -> Path:
        """The weights of the whole network, which tells ImageNet's classes; `words.csv` (word) has their names."""
        return self.path / "stock.weights.h5"


class Audit(Artifact):
    """Images that are there twice, byte-identical or near-identical; the fact `duplicates` counts them.

    `hashes.csv` (file, hash, cluster): the perceptual hash, 16 hexadecimal digits; and the first image of the cluster,
    of all that pairs connect, empty for an image that is in no pair.
    `pairs.csv` (file, other, kind, distance, similarity, label, other_label): as many pairs as connect the clusters,
    of the kind `identical` or `near`, with the bits in which the hashes differ and the correlation of the pixels.
    """


class Splits(Artifact):
    """Which image trains and which validates: `splits.csv` (file, label, split); and what leaks from one to another.

    `leakage.csv` (kind, file, split, label, other, other_split, other_label) has a row for each image that the test or
    the validation part shares with a part that is learned or chosen by, of the kind `identical` or `near`; for each
    `group` of the test part that is in another; and for each image of `two labels`. The fact `leakage` counts them.
    `leakage.npz` has thumbnails of the images of some rows, `ROW` and `ROW_other`.
    """

    def part(self, split: str) -> "pd.DataFrame":
        """Return the rows of `train` or `validation`."""
        table = self.table("splits.csv")
        return table[table["split"] == split].reset_index(drop=True)


class TestSplit(Artifact):
    """The test rows, which `evaluate` alone accepts: `test_split.csv` (file, label, group, width, height)."""


class Augmented(Keyed):
    """Every image and K views of it at the working size: uint8 (files, 1 + K, size, size, 3); view 0 is plain."""

    array_name = "views.npy"


class Features(Keyed):
    """What the backbone makes of every image and view: float32 (files, 1 + K, ...); view 0 is the plain image."""

    array_name = "features.npy"


class Tensors(Keyed):
    """What fine-tuning starts from; the fact `prefix` says which.

    `stored`: activations at the cut of every image and view, float32 (files, 1 + K, ...); view 0 is the plain image.
    `live`: the plain images at the working size, uint8 (files, 1, size, size, 3), for the whole network to run on.
    """

    array_name = "tensors.npy"


class Precision(Artifact):
    """What a frozen network's long sums are computed in, the fact `precision`: `float32` or `bfloat16`.

    `speeds.csv` (precision, views_per_second, difference) has what decided it, the difference being that of the
    features from those of float32, as a share of their length; no rows where it was asked for by name.
    """


def without_traces(config: Any) -> Any:
    """Return what Keras says of a model without when it was saved, and objects numbered in their order.

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


class Network(Artifact):
    """A saved Keras model; its digest is that of its architecture, its weights and its classes."""

    file_name: str
    of_training: ClassVar = True

    def content_digest(self) -> str:
        with zipfile.ZipFile(self.file) as archive:
            parts = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in MODEL_PARTS}
        return sha256(type(self).__name__, self.facts["classes"], parts)

    def save(self, model: "keras.Model") -> None:
        """Write a model: equal models are equal files, without dates and addresses in memory."""
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

    def load(self) -> "keras.Model":
        """Return the model, not compiled. A file that holds code is refused: Keras's safe mode runs and unpickles none.

        Raises:
            UserError: The file is no model, is damaged, or holds code.
        """
        import keras

        try:
            return keras.saving.load_model(self.file, compile=False, safe_mode=True)
        except Exception as error:  # Keras, h5py and zipfile throw what they like
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{self.file} is no model that can be loaded ({reason}): make it again") from error


class Top(Network):
    """A trained head, `head.keras`: features (batch, ...) to logits (batch, classes)."""

    file_name = "head.keras"


class Classifier(Network):
    """A delivered model, `model.keras`, raw RGB in [0, 255] to probabilities; its epochs, `history.csv`.

    `validation.json` has its kappa, log loss and accuracy on validation, by which it is chosen among others.
    """

    file_name = "model.keras"


class Exploration(Artifact):
    """What a data set looks like: all that its figures show.

    `class_counts.csv` (label, split, images) and `size_counts.csv` (width, height, images) count the images;
    `samples.csv` (file, label) has the chosen training images, `samples.npz` thumbnails of those that are shown, by the
    number of the row; `rgb_densities.npz` the `labels` and the `densities` (classes, 3, 256) of their pixel values;
    `augmented.npz` the `views` (images, 1 + K, height, width, 3) of a few images, where there are any.
    `stock_words.csv` (file, label, word, probability) has what ImageNet's network calls the samples, the five likeliest
    first; no rows where the weights came without its top.
    """


class Drawings(Artifact):
    """The figures of an exploration, `figures/NAME.png`."""


class Report(Artifact):
    """One classifier on the test split: its scores, where it fails, and what is drawn of that.

    `metrics.json` has the scores, `intervals.json` the 95 % interval of each of the test, low and high,
    `baselines.json` those of baselines that see no image, the number of test images, the best epoch. `predictions.csv`
    has the test split, then the predicted class and the probability of each; `curves.csv` the epochs. What `scores`
    finds is in `calibration.csv`, bins `before` and `after` the temperature, and `classes.csv`; what `failures` finds
    in `confusions.csv` and `slices.csv`, which has no rows where slices were not asked for. `mistakes.csv` (file,
    label, predicted, probability) has the test images that are shown, `mistakes.npz` their thumbnails, `images` (n,
    side, side, 3), and where in each the predicted class is seen, `heats` (n, height, width) in [0, 1], where a network
    has maps. `leakage.csv` and `leakage.npz` are the split's.

    The fact `fingerprint` is the digest of the classifier, the views that it predicts from and the test images.
    """

    common_ground: ClassVar = {"fetch"}  # folds have test splits of their own
    of_training: ClassVar = True

    @property
    def metrics(self) -> dict[str, float]:
        """Scores and baselines."""
        return {**self.read_values("metrics"), **self.read_values("baselines")}

    @property
    def intervals(self) -> dict[str, list[float]]:
        """The 95 % interval of each test score: its low and its high end."""
        return self.read_values("intervals")


class Comparison(Artifact):
    """Reports side by side: `comparison.csv`, `verdict.json` in words, `chosen.json`, the chosen model on validation.

    `pairs.csv` has the tests of every two models on the same test images, `trials.csv` the scores of every report.
    """


class Page(Artifact):
    """A comparison to look at: `comparison.html`, which needs nothing else, `comparison.txt`, and the figures.

    `figures/NAME.png` are of the comparison, `figures/REPORT/NAME.png` of each report. `costs.csv` has the seconds, the
    rates and the GPU hours behind each report, empty where no record says them.
    """

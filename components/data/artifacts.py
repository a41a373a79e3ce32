"""What the steps hand to one another: directories, each with a record of what it is and how it was made."""

import json
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Self

from components.errors import UserError, shown
from components.machine import gpus

if TYPE_CHECKING:
    import keras
    import numpy as np
    import pandas as pd

RECORD = "artifact.json"
PROBABILITY = "probability_"  # before the name of a class, what a column of `predictions.csv` is called
TEXTS = (  # columns of tables
    "file", "label", "predicted", "model", "part", "group", "class", "hash", "cluster", "other", "other_label"
)  # fmt: skip
WITH_GAPS = (  # columns of numbers that are empty where there is no number
    "precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high", "f1",
    "confidence", "accuracy",
)  # fmt: skip


@contextmanager
def whole(path: Path | str) -> Iterator[None]:
    """Turn what is thrown at reading a damaged file of an artifact into one line.

    Raises:
        UserError: The file is not there, or not what it was written as.
    """
    try:
        yield
    except (ValueError, EOFError, FileNotFoundError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is damaged ({reason}): make it again, or `dvc checkout` it") from error


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


def read_record(file: Path) -> dict[str, Any]:
    """Return what a record holds.

    Raises:
        UserError: It is damaged.
    """
    with whole(file.parent):
        record = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ValueError(f"no record but {shown(record)}")
    return record


class Artifact:
    """A directory with a record.

    The record, `artifact.json`, holds the kind; the digest (of the content for images and weights, else of the code,
    the parameters and the digests that it was made from); the facts that steps downstream need; the parameters of its
    whole chain by step; the digest of every step's run behind it; the images, seconds and GPUs of the long
    computations behind it; the recipe that asked for it and the git revisions of code and data at the time.
    """

    common_ground: ClassVar = {"fetch", "split"}  # steps that alternatives, the artifacts of one list, go back to

    def __init__(self, path: Path | str, record: Mapping[str, Any] | None = None):
        self.path = Path(path)
        empty = {"digest": "", "facts": {}, "parameters": {}, "lineage": {}, "work": {}, "recipe": "", "revisions": {}}
        self.record: dict[str, Any] = {"kind": type(self).__name__, **empty, **(record or {})}

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Open a finished artifact.

        Raises:
            UserError: There is none at that path, or it is of another kind.
        """
        if not (Path(path) / RECORD).is_file():
            raise UserError(f"no {cls.__name__} at {path}: run the step that makes it, or `dvc pull` it")
        record = read_record(Path(path) / RECORD)
        if record.get("kind") != cls.__name__:
            raise UserError(f"{path} is of the kind {record.get('kind')}; {cls.__name__} is needed")
        return cls(path, record)

    @classmethod
    def read_all(cls, paths: Sequence[Path | str]) -> list[Self]:
        """Open finished artifacts; a folder that is none stands for all of the kind that are in it, by name.

        Raises:
            UserError: There is none at a path, or it is of another kind.
        """
        found = []
        for path in map(Path, paths):
            if path.is_dir() and not (path / RECORD).is_file():
                records = (file for file in sorted(path.rglob(RECORD)) if "/." not in file.as_posix())
                found += [cls.read(file.parent) for file in records if read_record(file).get("kind") == cls.__name__]
            else:
                found.append(cls.read(path))
        if not found:
            raise UserError(f"no {cls.__name__} in {', '.join(map(str, paths))}: run the steps that make some")
        return found

    def address_by_content(self, digest: str) -> None:
        """Make the content's digest the artifact's own, and forget where it came from: only what it is counts."""
        (step,) = self.record["lineage"]
        self.record.update(digest=digest, lineage={step: digest}, parameters={}, recipe="", revisions={})

    def write_record(self) -> None:
        self.write_values(Path(RECORD).stem, self.record)

    @property
    def digest(self) -> str:
        return self.record["digest"]

    @property
    def facts(self) -> dict[str, Any]:
        return self.record["facts"]

    @property
    def work(self) -> dict[str, dict[str, float]]:
        """Images, seconds and GPUs of each long computation, by its name."""
        return self.record["work"]

    def did(self, name: str, images: int, seconds: float) -> None:
        """Record how many seconds a computation took for how many images, on how many GPUs."""
        self.work[name] = {"images": images, "seconds": round(seconds, 3), "gpus": gpus()}

    @contextmanager
    def timed(self, name: str, images: int) -> Iterator[None]:
        """Record how many seconds the block takes for how many images."""
        start = perf_counter()
        yield
        self.did(name, images, perf_counter() - start)

    @property
    def resume(self) -> Path:
        """Where a step keeps what it goes on from after it was broken off, for a run of the same digest alone."""
        return self.path / f".{self.digest}.resume"

    def figure(self, name: str) -> Path:
        """Return where a figure of the artifact is drawn."""
        (self.path / "figures").mkdir(exist_ok=True)
        return self.path / "figures" / f"{name}.png"

    def read_values(self, name: str) -> dict[str, Any]:
        return json.loads((self.path / f"{name}.json").read_text(encoding="utf-8"))

    def write_values(self, name: str, values: Mapping[str, Any]) -> None:
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
        (self.path / f"{name}.json").write_text(text, encoding="utf-8")

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


class Network(Artifact):
    """A saved Keras model."""

    file_name: str

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
    """A delivered model, `model.keras`, raw RGB in [0, 255] to probabilities, and its epochs, `history.csv`."""

    file_name = "model.keras"


class Exploration(Artifact):
    """Figures of a data set, its splits and its augmented views."""


class Report(Artifact):
    """One classifier on the test split: its scores, what they cost, where it fails, and figures.

    `metrics.json` has the scores, `intervals.json` the 95 % interval of each of the test, low and high, `costs.json`
    baselines, seconds and rates. `predictions.csv` has the test split, then the predicted class and the probability of
    each; `curves.csv` the epochs. What `statistics` finds is in `calibration.csv`, bins `before` and `after` the
    temperature, and `classes.csv`; what `failures` finds in `confusions.csv` and `slices.csv`, which has no rows where
    slices were not asked for.
    """

    common_ground: ClassVar = {"fetch"}  # folds have test splits of their own

    @property
    def metrics(self) -> dict[str, float]:
        """Scores, baselines, seconds and rates."""
        return {**self.read_values("metrics"), **self.read_values("costs")}

    @property
    def intervals(self) -> dict[str, list[float]]:
        """The 95 % interval of each test score: its low and its high end."""
        return self.read_values("intervals")


class Comparison(Artifact):
    """Reports side by side: `comparison.csv`, `.txt` and `.html`, `metrics.json` of the chosen model, figures.

    `pairs.csv` has the tests of every two models on the same test images, `trials.csv` the scores of every report.
    """

"""What every artifact is: a directory with a manifest that says of which kind it is and what it was made from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast, get_args

from components.data import tables
from components.data.content import file_sha256, sha256
from components.data.facts import Facts
from components.data.json_files import FORMAT, damage_errors, read_json, write_json
from components.data.records import Record
from components.data.resuming import resume_path
from components.system.errors import UserError
from components.system.hardware import count_gpus

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MANIFEST = "artifact.json"
SECTIONS = ("facts", "parameters", "lineage", "files")  # of a manifest, each a mapping
SMALL_FILE = 2**20  # bytes up to which a file's content is checked when its artifact is read

KindOfFacts = TypeVar("KindOfFacts", bound=Facts)


class Artifact(Generic[KindOfFacts]):
    """A directory with a manifest, which with all else in it follows from the inputs of the step that made it alone.

    The manifest, `artifact.json`, holds the kind; the digest of the content; the facts that steps downstream need; the
    parameters of the whole chain by step; the lineage, the digest of what every step behind it made; and the files,
    each with its size and, if it is small, its SHA-256, which are checked whenever the artifact is read. What differs
    from one run to the next, such as seconds, is in the run's `Record`.

    While a step makes it, an artifact knows the `inputs_digest`, of the inputs, the parameters and the code that it is
    made from, the `record` of the run, in which it notes its long computations, and `shards` of it, if the step's long
    computation was done in shards elsewhere.
    """

    common_ground: ClassVar = {"fetch", "split"}  # steps that alternatives, the artifacts of one list, go back to
    of_training: ClassVar = False  # whether there is one for each of several trainings of a way
    text_columns: ClassVar[tuple[str, ...]] = ()  # of the kind's tables
    columns_with_gaps: ClassVar[tuple[str, ...]] = ()  # of numbers, empty where there is no number
    unlisted: ClassVar[tuple[str, ...]] = ()  # folders whose files the manifest does not list, as a table does

    facts_type: ClassVar[type[Facts]] = Facts  # a kind names its own: `class Images(Artifact[ImagesFacts])`

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        arguments = (argument for base in getattr(cls, "__orig_bases__", ()) for argument in get_args(base))
        cls.facts_type = next((one for one in arguments if isinstance(one, type)), cls.facts_type)

    def __init__(
        self, path: Path | str, manifest: Mapping[str, Any] | None = None, inputs_digest: str = "",
        record: Record | None = None,
    ):  # fmt: skip
        self.path = Path(path)
        empty = {"digest": "", **{section: {} for section in SECTIONS}}
        self.manifest: dict[str, Any] = {"kind": type(self).__name__, "format": FORMAT, **empty, **(manifest or {})}
        self.inputs_digest = inputs_digest
        self.record = record or Record()
        self.shards: Sequence[Self] = ()

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Return the finished artifact of this kind at a path, its manifest read and its files checked against it.

        Raises:
            UserError: There is none at that path, it is of another kind, or a file of it is missing or damaged.
        """
        if not (Path(path) / MANIFEST).is_file():
            if inside := sorted(Path(path).glob(f"*/{MANIFEST}")):
                raise UserError(f"{path} holds {len(inside)} artifacts: name one of them, as in {inside[0].parent}")
            raise UserError(f"no {cls.__name__} at {path}: run the step that makes it, or `dvc pull` it")
        manifest = read_json(Path(path) / MANIFEST)
        if manifest.get("kind") != cls.__name__:
            raise UserError(f"{path} is of the kind {manifest.get('kind')}; {cls.__name__} is needed")
        artifact = cls(path, manifest)
        with damage_errors(artifact.path / MANIFEST):
            if any(not isinstance(artifact.manifest[section], dict) for section in SECTIONS):
                raise ValueError(f"expected mappings under {', '.join(SECTIONS)}")
        for name, written in artifact.manifest["files"].items():  # an earlier version lists none
            with damage_errors(artifact.path / name):
                if (there := describe_file(artifact.path / name)) != written:
                    raise ValueError(f"not what was written: it has {there['bytes']:,} of {written['bytes']:,} bytes")
        return artifact

    @classmethod
    def read_all(cls, paths: Sequence[Path | str]) -> list[Self]:
        """Return the artifacts at paths, in their order; for a folder without a manifest, all of this kind below it.

        Those in a folder are found at any depth, by path; a folder without any adds none.

        Raises:
            UserError: There is no artifact at a path, or it is of another kind; or there are none in all.
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
        """Return the finished artifacts of this kind below a folder, sorted by path; hidden folders are left out."""
        manifests = (file for file in sorted(folder.rglob(MANIFEST)) if "/." not in file.as_posix())
        kinds = ((file.parent, read_json(file).get("kind")) for file in manifests)
        return [cls.read(path) for path, kind in kinds if kind == cls.__name__]

    def content_digest(self) -> str:
        """Return the SHA-256 of the kind, the facts, and the path and bytes of every file now there but manifests."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file() and path.name != MANIFEST)
        digests = {path.relative_to(self.path).as_posix(): file_sha256(path) for path in files}
        return sha256(type(self).__name__, self.manifest["facts"], digests)

    def address_by_content(self, digest: str) -> None:
        """Set, in memory, the manifest's digest to this one, of what came from outside, and empty its parameters.

        Where it came from is forgotten: only what it is counts.
        """
        self.manifest.update(digest=digest, parameters={})

    def write_manifest(self) -> None:
        """Write `artifact.json`: sizes of all files now there but in `unlisted` folders, and small ones' SHA-256."""
        tops = sorted(path for path in self.path.iterdir() if path.name not in (MANIFEST, *self.unlisted))
        paths = (path for top in tops for path in ([top] if top.is_file() else sorted(top.rglob("*"))))
        files = (path for path in paths if path.is_file())
        self.manifest["files"] = {path.relative_to(self.path).as_posix(): describe_file(path) for path in files}
        write_json(self.path / MANIFEST, self.manifest)

    @property
    def digest(self) -> str:
        """The digest that the manifest states; empty until it is set."""
        return self.manifest["digest"]

    @property
    def shard(self) -> dict[str, Any]:
        """Which shard of a whole it is: `number`, from 1, `of` how many, and `made_from`; {} if it is a whole."""
        return self.manifest.get("shard", {})

    @property
    def facts(self) -> KindOfFacts:
        """The facts in the manifest, typed by the kind; a fact that is assigned is set in the manifest in memory."""
        return cast(KindOfFacts, self.facts_type(self.manifest["facts"], self.path))

    def note_work(self, name: str, images: int, seconds: float) -> None:
        """Note in the record, by name, a computation's images and seconds and how many GPUs TensorFlow sees."""
        self.record.work[name] = {"images": images, "seconds": round(seconds, 3), "gpus": count_gpus()}

    @contextmanager
    def time_work(self, name: str, images: int) -> Iterator[None]:
        """Note in the record how many seconds the block took for so many images; nothing if it raises an exception."""
        start = perf_counter()
        yield
        self.note_work(name, images, perf_counter() - start)

    @property
    def resume(self) -> Path:
        """The path, there or not, of what a broken-off step goes on from; it is another for other inputs."""
        return resume_path(self.path, self.inputs_digest)

    def figure(self, name: str) -> Path:
        """Return the path `figures/NAME.png` of a figure, and make its folder; a name may have a folder before it."""
        file = self.path / "figures" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def read_values(self, name: str) -> dict[str, Any]:
        """Return what the artifact's file `NAME.json` holds; raise a UserError if the file is missing or no JSON."""
        file = self.path / f"{name}.json"
        with damage_errors(file):
            return json.loads(file.read_text(encoding="utf-8"))

    def write_values(self, name: str, values: Mapping[str, Any]) -> None:
        """Write values to the artifact's file `NAME.json`."""
        write_json(self.path / f"{name}.json", values)

    def table(self, name: str) -> "pd.DataFrame":
        """Return the table in a file such as `images.csv`; empty cells are "", but NaN in the `columns_with_gaps`.

        Labels and file names, the `text_columns`, stay text.
        """
        return tables.read_table(self.path / name, self.text_columns, self.columns_with_gaps)

    def write_table(self, name: str, table: "pd.DataFrame") -> None:
        """Write a table, without its index, to the artifact's CSV file of that name, which includes the ending."""
        tables.write_table(self.path / name, table)

    def arrays(self, name: str) -> dict[str, "np.ndarray"]:
        """Return the arrays of the artifact's file `NAME.npz`, by the name of each in it."""
        import numpy as np

        path = self.path / f"{name}.npz"
        with damage_errors(path), path.open("rb") as file, np.load(file) as arrays:
            return dict(arrays)

    def write_arrays(self, name: str, arrays: Mapping[str, "np.ndarray"]) -> None:
        """Write arrays, by the name of each, uncompressed to `NAME.npz`: the same bytes for the same arrays."""
        import numpy as np

        np.savez(self.path / f"{name}.npz", allow_pickle=False, **arrays)


def describe_file(file: Path) -> dict[str, int | str]:
    """Return what a manifest lists of a file: its size, `bytes`, and the `sha256` of one of at most `SMALL_FILE`."""
    size = file.stat().st_size
    return {"bytes": size, "sha256": file_sha256(file)} if size <= SMALL_FILE else {"bytes": size}

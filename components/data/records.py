"""Records: what a run of a step took, and what it ran on. No result depends on one."""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Self

from components.data.content import FORMAT, read_json
from components.errors import UserError

SUFFIX = ".record.json"


@dataclass(frozen=True)
class Record:
    """What the making of a step's outputs took: an output of its own, for those that show costs and for the journal.

    Args:
        step: The step.
        digest: What it made: the step's digest in the lineage of its outputs.
        recipe: The recipe that asked for it.
        work: Images, seconds and GPUs of each long computation, by its name.
        versions: Of Python and of the packages that compute.
        revisions: Git revision of the code, and the one by which DVC knows the data; none where nobody knows.
        machine: System, processor, cores and GPUs.
    """

    step: str = ""
    digest: str = ""
    recipe: str = ""
    work: dict[str, dict[str, float]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str | int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a record.

        Raises:
            UserError: There is none, it is damaged, or it was written in another format.
        """
        if not Path(path).is_file():
            raise UserError(f"no record {path}: `dvc repro` writes it, `dvc pull` brings it back")
        content = read_json(Path(path))
        try:
            return cls(**{name: content[name] for name in (one.name for one in fields(cls))})
        except KeyError as error:
            raise UserError(f"{path} is no record, it lacks {error}: make it again") from error

    @classmethod
    def read_all(cls, paths: Sequence[Path | str]) -> list[Self]:
        """Read records; a folder stands for all that are in it, by name."""
        files = (sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path] for path in map(Path, paths))
        return [cls.read(file) for several in files for file in several]

    def write(self, path: Path) -> None:
        """Write the record in one move, unless the one that is there tells of the making of the same content.

        That one stays: what was made, and when, has not changed by being made again.
        """
        try:
            known = Record.read(path)
        except UserError:
            known = None
        if known and (known.step, known.digest) == (self.step, self.digest):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".record-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False) + "\n")
            Path(unfinished).chmod(0o644)
            Path(unfinished).replace(path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise


def record_beside(output: Path | str) -> Path:
    """Return where the record of a run lies whose first output is at a path."""
    return Path(output).with_name(f"{Path(output).name}{SUFFIX}")


def records_behind(lineage: Mapping[str, str], records: Iterable[Record]) -> dict[str, Record]:
    """Return the record of every step in the lineage of an artifact, by the step's name, of those that are known."""
    return {record.step: record for record in records if lineage.get(record.step) == record.digest}

"""Records: what a run of a step took, and what it ran on. No result depends on one."""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Self

from components.data.content import FORMAT, read_json
from components.system.errors import UserError

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
        """Read a record; of the runs of several trainings, the first.

        Raises:
            UserError: There is none, it is damaged, or it was written in another format.
        """
        return cls.read_all([path])[0]

    @classmethod
    def read_all(cls, paths: Sequence[Path | str]) -> list[Self]:
        """Read records; a folder stands for all that are in it, by name.

        Raises:
            UserError: There is none, one is damaged, or was written in another format.
        """
        files = (sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path] for path in map(Path, paths))
        return [record for several in files for file in several for record in cls._read_file(file)]

    @classmethod
    def _read_file(cls, path: Path) -> list[Self]:
        if not path.is_file():
            raise UserError(f"no record {path}: `dvc repro` writes it, `dvc pull` brings it back")
        content = read_json(path)
        names = [one.name for one in fields(cls)]
        try:
            return [cls(**{name: one[name] for name in names}) for one in content.get("trainings", [content])]
        except KeyError as error:
            raise UserError(f"{path} is no record, it lacks {error}: make it again") from error


def write_records(records: Sequence[Record], path: Path) -> None:
    """Write the record of a run, or of the runs of several trainings, in one move.

    One that is there and tells of the making of the same content stays: what was made, and when, has not changed by
    being made again.
    """
    try:
        known = Record.read_all([path])
    except UserError:
        known = []
    kept = {(one.step, one.digest): one for one in known}
    written = [kept.get((one.step, one.digest), one) for one in records]
    if written == known:
        return
    several = {"trainings": [asdict(one) for one in written]} if len(written) > 1 else asdict(written[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".record-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps({"format": FORMAT, **several}, indent=2, ensure_ascii=False) + "\n")
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

"""Records: what a run of a step cost, and what it ran on. No result depends on one."""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Self

from components.data.json_files import FORMAT, read_json
from components.system.errors import UserError

SUFFIX = ".record.json"


@dataclass(frozen=True)
class Record:
    """What a run of a step cost and what it ran on: a file beside the step's outputs, read for costs and the journal.

    Args:
        step: The step.
        digest: The step's digest in the lineage of its outputs: the digest of what the run made.
        recipe: The recipe that the run belongs to.
        work: Images, seconds and GPUs of each long computation, by its name.
        versions: Versions of Python and of the packages that compute.
        revisions: Commits: `git_revision` of the code; `dvc_revision`, in which DVC pins the data, `recipe_revision` of
            params.yaml; empty if unknown.
        machine: System, processor, cores and GPUs.
        run: What the whole run took: `seconds`, and `memory`, the most bytes that its process had until its end. Where
            a price was named before: `promised_seconds` besides epochs, and `promised_per_image` for each image of one.
    """

    step: str = ""
    digest: str = ""
    recipe: str = ""
    work: dict[str, dict[str, float]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str | int] = field(default_factory=dict)
    run: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Return the record in a file, the first where the file holds one for each of several trainings.

        Raises:
            UserError: There is no such file, it is damaged, or it was written in another format.
        """
        return cls.read_all([path])[0]

    @classmethod
    def read_all(cls, paths: Sequence[Path | str]) -> list[Self]:
        """Return the records in files, in order; a folder stands for all `*.record.json` in it, at any depth, by path.

        A file holds one record, or one for each of several trainings. A folder without record files adds none.

        Raises:
            UserError: There is no such file, one is damaged, or one was written in another format.
        """
        files = (sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path] for path in map(Path, paths))
        return [record for group in files for file in group for record in cls._read_file(file)]

    @classmethod
    def _read_file(cls, path: Path) -> list[Self]:
        """Return the records in one file: a list of one, or of one for each of several trainings."""
        if not path.is_file():
            raise UserError(f"no record {path}: `dvc repro` writes it, `dvc pull` brings it back")
        content = read_json(path)
        names = [field.name for field in fields(cls)]
        trainings = [
            {"run": {}, **training} for training in content.get("trainings", [content])
        ]  # earlier ones have none
        try:
            return [cls(**{name: training[name] for name in names}) for training in trainings]
        except KeyError as error:
            raise UserError(f"{path} is not a record: it lacks {error}; make it again") from error


def write_records(records: Sequence[Record], path: Path) -> None:
    """Write the record of a run, or those of its several trainings, to a file in place of its content, all or nothing.

    Of a record whose step and digest are in the file already, the old one is kept: making the same again changes
    neither what was made nor when.
    """
    try:
        existing = Record.read_all([path])
    except UserError:
        existing = []
    by_content = {(record.step, record.digest): record for record in existing}
    merged = [by_content.get((record.step, record.digest), record) for record in records]
    if merged == existing:
        return
    content = {"trainings": [asdict(record) for record in merged]} if len(merged) > 1 else asdict(merged[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".record-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps({"format": FORMAT, **content}, indent=2, ensure_ascii=False) + "\n")
        Path(unfinished).chmod(0o644)
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def record_path(output: Path | str) -> Path:
    """Return the path of a run's record: that of the run's first output with `.record.json` after its name."""
    return Path(output).with_name(f"{Path(output).name}{SUFFIX}")


def records_by_step(lineage: Mapping[str, str], records: Iterable[Record]) -> dict[str, Record]:
    """Return the records whose digest is that of their step in an artifact's lineage, by the step's name; no others.

    Args:
        lineage: The digest of what each step made, by the step's name.
        records: Records of any runs.
    """
    return {record.step: record for record in records if lineage.get(record.step) == record.digest}

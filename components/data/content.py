"""The files of artifacts and records: JSON of a known format, damage told in one line, digests of content."""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.system.errors import UserError, shorten

FORMAT = 2  # of artifacts and records; a change of what they hold raises it


@contextmanager
def whole(path: Path | str) -> Iterator[None]:
    """Turn what is thrown at reading a damaged file of an artifact into one line.

    Raises:
        UserError: The file is not there, or not what it was written as.
    """
    try:
        yield
    except (ValueError, EOFError, FileNotFoundError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is damaged ({reason}): make it again, or `dvc checkout` it") from error


def read_json(file: Path) -> dict[str, Any]:
    """Return the manifest or the record that a file holds.

    Raises:
        UserError: It is damaged, or was written in another format.
    """
    with whole(file):
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"no mapping but {shorten(content)}")
    if content.get("format") != FORMAT:
        raise UserError(
            f"{file} was written by another version of Graft, in format {content.get('format', 1)}, and this one reads "
            f"format {FORMAT}: make it again with `dvc repro`, or check out the version that wrote it"
        )
    return content


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping to a file that others can read."""
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256(*parts: Any) -> str:
    """Return the digest of values that JSON holds, 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def file_sha256(file: Path) -> str:
    """Return the digest of a file's bytes, 64 hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
